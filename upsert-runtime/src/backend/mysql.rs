//! MySQL and MariaDB. Codes: <https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference>,
//! <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html>

use std::borrow::Cow;
use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use sqlx::encode::IsNull;
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::mysql::{
    MySqlArguments, MySqlConnection, MySqlDatabaseError, MySqlQueryResult, MySqlTypeInfo,
};
use sqlx::{Arguments, AssertSqlSafe, Database, Encode, MySql, SqlSafeStr, SqlStr, Type};

use super::codec::{Bytes, Column, codec};
use super::dialect::{RowList, path, unquoted};
use super::wire::wire;
use super::{
    Capabilities, Cause, Classify, Codec, Dialect, Driver, MadeUp, Supported, Wire, made_up, sealed,
};
use crate::locking::{Locking, Wait};
use crate::rules::{Deleted, DeletedSql};
use crate::schema::{Model, Sql};

impl sealed::Sealed for MySql {}

impl Supported for MySql {
    type Driver = Self;
}

impl Driver<Self> for MySql {}

impl Dialect for MySql {
    const CAPABILITIES: Capabilities = Capabilities {
        title: "MySQL or MariaDB",
        locks_rows: true,
        // It locks what it reads, and sorts then.
        locks_in_order: false,
        hides_rows: false,
        refusals: 3,
        // INSERT IGNORE truncates values and stores '' for NULL; ON DUPLICATE KEY UPDATE updates the row of a key that nobody
        // named.
        quiet_insert: None,
        // There is no RETURNING, but of MariaDB's INSERT.
        reads_again: true,
        reads_behind: None,
        // <https://mariadb.com/docs/server/reference/sql-statements/comment-syntax#executable-comment-syntax>
        may_return: Some([" /*M!100500 RETURNING ", " */"]),
        // For the one transaction; the session keeps its own level. REPEATABLE READ, the default, locks the gap around a key
        // that is not there, and inserters of different keys deadlock.
        begin: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN",
        // The savepoint is what `check` looks for.
        begin_checked: Some(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN; SAVEPOINT upsert_begin",
        ),
        // Within a transaction the first statement of both is refused, where BEGIN would commit it.
        begin_held: Some([
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION READ ONLY",
            "ROLLBACK; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN",
        ]),
        within: None,
        // A deadlock rolls the whole transaction back, savepoints included, and later statements autocommit.
        check: Some("RELEASE SAVEPOINT upsert_begin"),
        begin_if_none: None,
        // Outside a transaction SAVEPOINT is accepted and does nothing; the RELEASE is what fails then.
        set_savepoint: "SAVEPOINT upsert; RELEASE SAVEPOINT upsert; SAVEPOINT upsert",
        // A locking read sees what is committed, at every level, or is refused (1020, innodb_snapshot_isolation).
        snapshot: None,
        // Of an UPDATE it is that of the rows found with CLIENT_FOUND_ROWS alone, which is the client's to say: sqlx does, and may
        // be told otherwise. No trigger can keep a row from being written without an error.
        counts_updates: false,
        survives_drop: false,
        limits_begin: false,
        arrays: false,
        // sqlx 0.9 closes one that is not kept by a message that has no answer, and the next one waits up to 40 ms for TCP to
        // acknowledge it: the socket is not set to send at once.
        few_sizes: true,
        // The protocol counts them in 16 bits.
        most_values: 65_535,
        alone: None,
    };

    const ROWS: Option<&'static str> = None;

    // Rows, and the table, which a DDL statement may hold.
    fn limited(sql: SqlStr, locking: Locking) -> SqlStr {
        // The longest that the two variables know.
        const MOST_FOR_ROWS: u32 = 100_000_000;
        const MOST_FOR_TABLES: u32 = 31_536_000;
        let Some(wait) = locking.wait else {
            return sql;
        };
        let seconds = |most| wait.in_units(Duration::from_secs(1), most).unwrap_or(most);
        let (mut rows, tables) = (seconds(MOST_FOR_ROWS), seconds(MOST_FOR_TABLES));
        if locking.skip_locked {
            // No row is waited for. With 0 MariaDB 10.11 fails on a locked one with 1180, «Operation not permitted».
            rows = rows.max(1);
        }
        let sql = format!(
            "SET STATEMENT innodb_lock_wait_timeout = {rows}, lock_wait_timeout = {tables} FOR {}",
            sql.as_str()
        );
        AssertSqlSafe(sql).into_sql_str()
    }

    fn lock_clause(locking: Locking) -> Option<&'static str> {
        if locking.is_plain {
            return None;
        }
        Some(if locking.skip_locked {
            " FOR UPDATE SKIP LOCKED"
        } else {
            " FOR UPDATE"
        })
    }

    fn sql(model: &'static Model) -> &'static Sql {
        &model.mysql
    }

    fn deleted_sql(deleted: &'static Deleted) -> &'static DeletedSql {
        &deleted.mysql
    }

    // What a collation compares. Most of them ignore spaces at the end, which are cut off then; of other characters that are compared
    // as spaces the weights are, where a collation has no weights of a second level behind them. Of numbers, 12.5 and 12.50
    // are one, and so are the two zeros of a float.
    fn collation_key(type_name: &str, expression: &str, _: &str) -> Option<String> {
        match type_name {
            // ZEROFILL writes zeros in front, which no other number has, but for one below 1.
            "DECIMAL" => Some(format!(
                "TRIM(LEADING '0' FROM \
                 CASE WHEN LOCATE('.', {expression}) THEN TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {expression})) \
                 ELSE CAST({expression} AS CHAR) END)"
            )),
            "FLOAT" | "DOUBLE" => Some(format!("CASE WHEN {expression} = 0 THEN '0' END")),
            _ if ["CHAR", "TEXT", "ENUM"]
                .iter()
                .any(|text| type_name.contains(text)) =>
            {
                Some(format!(
                    "CASE WHEN {expression} = CONCAT({expression}, ' ') \
                     THEN TRIM(TRAILING WEIGHT_STRING(LEFT(CONCAT(' ', {expression}), 1)) \
                     FROM WEIGHT_STRING(TRIM(TRAILING ' ' FROM {expression}))) \
                     ELSE WEIGHT_STRING({expression}) END"
                ))
            }
            _ => None,
        }
    }

    // Collations that do not compare what WEIGHT_STRING says: one weight for all that is no hanzi, weights of accents that are not
    // compared. Which they are was found by comparing both, for each collation of MariaDB 10.11. A temporary table is in no catalog.
    fn incomparable(from: &str, columns: &[&str]) -> Option<String> {
        let (schema, table, _) = in_catalog(from, "");
        let columns: Vec<String> = columns
            .iter()
            .map(|name| literal(&unquoted(name)))
            .collect();
        let columns = columns.join(", ");
        Some(format!(
            "CASE WHEN EXISTS (SELECT 1 FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} AND COLUMN_NAME IN ({columns}) \
             AND (COLLATION_NAME IN ('big5_chinese_ci', 'big5_chinese_nopad_ci') OR RIGHT(COLLATION_NAME, 6) = '_ai_cs')) \
             THEN '1' END"
        ))
    }

    // The first row of the table: what GET_LOCK locks is the session's, and outlives the transaction.
    fn agreed_lock(from: &str, id: &str) -> Option<String> {
        Some(format!(
            "SELECT {id}{from} ORDER BY {id} LIMIT 1 FOR UPDATE"
        ))
    }

    fn as_text(expression: &str) -> String {
        format!("CAST({expression} AS CHAR)")
    }

    // Schema and table are said for both, so that the server opens no other table.
    // A rule that the catalog hides may be CASCADE: MariaDB 10.11's shows none to who has rights on the table alone.
    fn self_references(from: &str) -> String {
        let (schema, table, _) = in_catalog(from, "");
        format!(
            "SELECT GROUP_CONCAT(CONCAT('`', REPLACE(k.COLUMN_NAME, '`', '``'), '`') ORDER BY k.ORDINAL_POSITION), \
             GROUP_CONCAT(CONCAT('`', REPLACE(k.REFERENCED_COLUMN_NAME, '`', '``'), '`') ORDER BY k.ORDINAL_POSITION), \
             CASE WHEN COALESCE(r.DELETE_RULE, 'CASCADE') = 'CASCADE' THEN 1 ELSE 0 END \
             FROM information_schema.KEY_COLUMN_USAGE k {LEFT_JOIN_RULES} \
             WHERE k.TABLE_SCHEMA = {schema} AND k.TABLE_NAME = {table} \
             AND k.REFERENCED_TABLE_SCHEMA = k.TABLE_SCHEMA AND k.REFERENCED_TABLE_NAME = k.TABLE_NAME \
             GROUP BY k.CONSTRAINT_NAME, r.DELETE_RULE"
        )
    }

    // A trigger cannot write to its own table (1442). What a view leads to is not looked at.
    fn writes_itself(from: &str) -> String {
        let (schema, table, _) = in_catalog(from, "");
        format!(
            "CASE WHEN EXISTS (SELECT 1 FROM information_schema.KEY_COLUMN_USAGE \
             WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} \
             AND REFERENCED_TABLE_SCHEMA = TABLE_SCHEMA AND REFERENCED_TABLE_NAME = TABLE_NAME) \
             OR EXISTS (SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table}) \
             THEN '1' END"
        )
    }

    // An index of the first characters alone refuses more than equal keys.
    fn are_unique(from: &str, lookups: &[Vec<&str>]) -> Option<String> {
        let (schema, table, _) = in_catalog(from, "");
        let is_unique = |columns: &Vec<&str>| {
            let names = columns.iter().map(|name| literal(&unquoted(name)));
            let (names, count) = (names.collect::<Vec<_>>().join(", "), columns.len());
            format!(
                "EXISTS (SELECT 1 FROM information_schema.STATISTICS \
                 WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} AND NON_UNIQUE = 0 GROUP BY INDEX_NAME \
                 HAVING COUNT(*) = {count} AND SUM(SUB_PART IS NULL AND COLUMN_NAME IN ({names})) = {count})"
            )
        };
        let are_unique: Vec<String> = lookups.iter().map(is_unique).collect();
        Some(format!(
            "CASE WHEN {} THEN '1' END",
            are_unique.join(" AND ")
        ))
    }

    // Who has not the right to triggers does not see them in MySQL, and their names alone in MariaDB (10.11, 11.8):
    // <https://dev.mysql.com/doc/refman/8.4/en/information-schema-triggers-table.html>. Neither a view nor a temporary table is a
    // BASE TABLE.
    // A time before 1970 becomes NULL where a `timestamp` may be.
    fn alters_updates(from: &str, required: &[&str]) -> String {
        let (schema, table, _) = in_catalog(from, "");
        let required = required.iter().map(|name| literal(&unquoted(name)));
        let required = required.chain(["NULL".to_owned()]);
        let required = required.collect::<Vec<_>>().join(", ");
        let is_table = format!("TABLE_SCHEMA = {schema} AND TABLE_NAME = {table}");
        format!(
            "CASE WHEN NOT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE {is_table} AND TABLE_TYPE = 'BASE TABLE') \
             OR EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE {is_table} AND (GENERATION_EXPRESSION <> '' \
             OR COLUMN_NAME IN ({required}) AND IS_NULLABLE = 'YES')) \
             OR EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {schema} \
             AND EVENT_OBJECT_TABLE = {table} AND EVENT_MANIPULATION = 'UPDATE') \
             OR VERSION() NOT LIKE '%MariaDB%' AND NOT EXISTS (\
             SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' \
             UNION ALL SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES \
             WHERE PRIVILEGE_TYPE = 'TRIGGER' AND REPLACE(TABLE_SCHEMA, '\\\\', '') = {schema} \
             UNION ALL SELECT 1 FROM information_schema.TABLE_PRIVILEGES \
             WHERE PRIVILEGE_TYPE = 'TRIGGER' AND {is_table}) \
             THEN '1' END"
        )
    }

    // Only a foreign key of the table's own can bring a deletion back to it. One whose rule the catalog hides may.
    fn cascades_by_others(from: &str) -> String {
        let (schema, table, _) = in_catalog(from, "");
        let going = "SELECT r.CONSTRAINT_SCHEMA, r.TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS r";
        format!(
            "WITH RECURSIVE going (in_schema, name) AS (\
             {going} WHERE r.DELETE_RULE = 'CASCADE' \
             AND r.UNIQUE_CONSTRAINT_SCHEMA = {schema} AND r.REFERENCED_TABLE_NAME = {table} \
             AND NOT (r.CONSTRAINT_SCHEMA = {schema} AND r.TABLE_NAME = {table}) \
             UNION {going} JOIN going ON r.UNIQUE_CONSTRAINT_SCHEMA = in_schema AND r.REFERENCED_TABLE_NAME = name \
             WHERE r.DELETE_RULE = 'CASCADE') \
             SELECT 1 FROM going WHERE in_schema = {schema} AND name = {table} \
             UNION ALL SELECT 1 FROM information_schema.KEY_COLUMN_USAGE k {LEFT_JOIN_RULES} \
             WHERE k.TABLE_SCHEMA = {schema} AND k.TABLE_NAME = {table} AND k.REFERENCED_TABLE_NAME IS NOT NULL \
             AND (k.REFERENCED_TABLE_SCHEMA <> k.TABLE_SCHEMA OR k.REFERENCED_TABLE_NAME <> k.TABLE_NAME) \
             AND r.CONSTRAINT_NAME IS NULL"
        )
    }

    // A temporary table is in no catalog.
    fn key_column(from: &str, column: &str) -> String {
        let (schema, table, column) = in_catalog(from, column);
        format!(
            "SELECT c.COLUMN_TYPE, CASE c.IS_NULLABLE WHEN 'YES' THEN 1 ELSE 0 END, \
             EXISTS (SELECT 1 FROM information_schema.KEY_COLUMN_USAGE k \
             WHERE k.TABLE_SCHEMA = {schema} AND k.TABLE_NAME = {table} AND k.COLUMN_NAME = c.COLUMN_NAME \
             AND k.REFERENCED_TABLE_NAME IS NOT NULL) FROM information_schema.COLUMNS c \
             WHERE c.TABLE_SCHEMA = {schema} AND c.TABLE_NAME = {table} AND c.COLUMN_NAME = {column}"
        )
    }

    fn keeps_null_out(from: &str, column: &str) -> String {
        let (schema, table, column) = in_catalog(from, column);
        format!(
            "SELECT 1 FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA = {schema} \
             AND REFERENCED_TABLE_NAME = {table} AND REFERENCED_COLUMN_NAME = {column}"
        )
    }

    fn made_up(declared: &str, _: &str) -> Option<MadeUp> {
        let (name, numbers) = made_up::parsed(declared);
        let is_signed = !name.contains("unsigned");
        let name = name.split(' ').next().unwrap_or_default();
        let most = made_up::length(&numbers);
        Some(match name {
            "varchar" | "char" | "tinytext" | "text" | "mediumtext" | "longtext" => {
                MadeUp::Text { most }
            }
            "varbinary" | "binary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
                MadeUp::Bytes { most }
            }
            "tinyint" => MadeUp::integer(8, is_signed),
            "smallint" => MadeUp::integer(16, is_signed),
            "mediumint" => MadeUp::integer(24, is_signed),
            "int" => MadeUp::integer(32, is_signed),
            "bigint" => MadeUp::integer(64, is_signed),
            "decimal" | "float" | "double" => match numbers[..] {
                [digits, scale] => MadeUp::decimal(digits, scale, is_signed),
                _ => MadeUp::FLOAT,
            },
            "date" => MadeUp::Date {
                first_year: 1000,
                years: 9000,
            },
            "datetime" => MadeUp::Moment {
                first_year: 1000,
                years: 9000,
                zone: "",
            },
            // It counts seconds of 32 bits.
            "timestamp" => MadeUp::Moment {
                first_year: 1971,
                years: 66,
                zone: "",
            },
            "time" => MadeUp::Time { zone: "" },
            "bit" => MadeUp::integer(u32::try_from(most).unwrap_or(64).min(64), false),
            "year" => MadeUp::Number {
                least: 1901,
                most: 2155,
                scale: 0,
            },
            "uuid" => MadeUp::Uuid,
            "inet6" => MadeUp::Inet,
            "inet4" => MadeUp::Inet4,
            _ => return None,
        })
    }

    // MariaDB makes bytes of a BIT column's numbers, each a digit's code: 5 would be stored as 53.
    fn typed(type_name: &str, column: &str) -> String {
        let is_integer = type_name.contains("INT") || type_name == "BOOLEAN";
        match type_name.ends_with("UNSIGNED") {
            true => "CAST(NULL AS UNSIGNED)".to_owned(),
            false if is_integer => "CAST(NULL AS SIGNED)".to_owned(),
            false => column.to_owned(),
        }
    }

    // VALUES is spelled in two ways, MySQL's and MariaDB's, and would have the connection's collation.
    fn row_list(typed: &str) -> RowList {
        RowList {
            before: format!("{typed} UNION ALL SELECT "),
            between: " UNION ALL SELECT ",
            after: None,
        }
    }

    // The list comes first, so that rows are reached by their primary key, and no others are locked.
    fn update_many(
        sql: &Sql,
        (name, _): (&str, &str),
        rows: &str,
        joined: &str,
        set: &str,
    ) -> String {
        let table = sql.from.trim_start_matches(" FROM ");
        format!("UPDATE ({rows}) {name} STRAIGHT_JOIN {table} ON {joined} SET {set}")
    }
}

impl Classify for MySql {
    fn cause(error: &dyn DatabaseError) -> Cause {
        match number(error) {
            // duplicate entry; the same with the index's name
            1062 | 1586 => Cause::Unique,
            1213 => Cause::Deadlock,
            // MariaDB with innodb_snapshot_isolation: the record has changed since it was read
            1020 => Cause::Serialization,
            // lock wait timeout; NOWAIT was set (MySQL 8)
            1205 | 3572 => Cause::LockTimeout,
            // the savepoint does not exist: the transaction is not the one in which it was set
            1305 => Cause::TransactionGone,
            // the isolation level cannot be set while a transaction is open
            1568 => Cause::WithinTransaction,
            // the server shuts down; the connection was killed
            1053 | 1927 => Cause::ConnectionLost,
            // it was idle for too long (MySQL 8)
            4031 => Cause::EndedWhileIdle,
            // a node of a cluster that has no quorum
            1047 => Cause::NotReady,
            // The statement is to be prepared again, as the server could not do by itself; a proxy or the server does not have it
            // any more.
            1615 | 1243 => Cause::StatementOutdated,
            // error during COMMIT
            1180 => Cause::CommitUnknown,
            // MySQL has no SET STATEMENT
            1064 => Cause::NotUnderstood,
            // a view's CHECK OPTION
            1369 => Cause::NotPermitted,
            // the server is read-only; InnoDB is; the transaction is
            1290 if names_read_only(error) => Cause::ReadOnly,
            1836 | 1792 if class(error) != SIGNALLED => Cause::ReadOnly,
            // A number of AUTO_INCREMENT is used up.
            167 | 1467 => Cause::Other,
            // NULL, no default, too long, out of range, not of the type, as a column or a function says it; a text that the
            // column's character set does not have, as a write, an operation or a function says it; a regular expression; a
            // key that is too long; CHECK; foreign keys; what a trigger signalled; no partition for the row; too large are a packet,
            // what a function makes of a value, a row, what is noted of it to undo a write
            1048 | 1364 | 1406 | 1264 | 1265 | 1292 | 1366 | 1367 | 1411 | 1690 | 1267 | 1270
            | 1271 | 1300 | 1977 | 3854 | 1139 | 1071 | 3819 | 4025 | 1216 | 1217 | 1451 | 1452
            | 1644 | 1526 | 1153 | 1301 | 1118 | 1713 => Cause::Record,
            // a JSON text or path that an expression of the table met
            json if (4035..=4045).contains(&json) => Cause::Record,
            // any other value or constraint; what a trigger signalled under a number of its own
            _ if ["02", "22", "23", "45"].contains(&class(error).as_str()) => Cause::Record,
            _ => Cause::Other,
        }
    }

    fn refuses_for_now(error: &dyn DatabaseError) -> bool {
        may_pass(number(error))
    }

    // The transaction is undone after none of these for certain: interrupted, or the log could not be written.
    fn ends_session(error: &dyn DatabaseError) -> bool {
        matches!(number(error), 1317 | 1026 | 1598)
    }

    // Duplicate entry '…' for key 'slug': the value comes first and may hold anything, so the last quotes count.
    fn constraint(error: &dyn DatabaseError) -> Option<String> {
        let message = error.message();
        let is_servers = class(error) != SIGNALLED && message.starts_with("Duplicate entry '");
        let (_, name) = message.rsplit_once(" for key '").filter(|_| is_servers)?;
        name.strip_suffix('\'').map(str::to_owned)
    }

    // A trigger may SIGNAL any words under any number.
    fn is_safe_to_show(error: &dyn DatabaseError) -> bool {
        let (number, message) = (number(error), error.message());
        class(error) != SIGNALLED
            && SHOWN
                .iter()
                .any(|(known, words)| *known == number && is_like(message, words))
    }

    // Most errors have the one SQLSTATE that says nothing.
    fn code(error: &dyn DatabaseError) -> Cow<'_, str> {
        match error.code().unwrap_or_default() {
            general if general == "HY000" => number(error).to_string().into(),
            code => code,
        }
    }

    fn own_words(error: &dyn DatabaseError) -> Option<&'static str> {
        match number(error) {
            // Table has no partition for value …
            1526 => Some("the table has no partition for the row"),
            1290 if names_read_only(error) => Some(READ_ONLY),
            1836 => Some(READ_ONLY),
            1153 => Some("the statement has more bytes than the server's `max_allowed_packet`"),
            _ => None,
        }
    }

    fn words_of_unsent(source: &(dyn StdError + Send + Sync + 'static)) -> Option<String> {
        source.downcast_ref().map(TooLarge::to_string)
    }
}

impl Codec<Self> for MySql {
    fn bytes<T: Column<Self>>(value: &T) -> Result<Bytes, BoxDynError> {
        let mut bytes = Vec::new();
        let is_null = value.encode_by_ref(&mut bytes)?;
        Ok((!is_null.is_null()).then_some(bytes))
    }

    codec!(MySql);
}

impl Wire<Self> for MySql {
    // A limit stands before each statement: SET SESSION would stay on the pooled connection.
    type Setting = ();

    fn setting(_: Wait) -> Option<()> {
        None
    }

    async fn read_setting(_: &mut MySqlConnection) -> sqlx::Result<()> {
        Ok(())
    }

    async fn write_setting(_: &mut MySqlConnection, (): &()) -> sqlx::Result<()> {
        Ok(())
    }

    // The server reads no further, and closes the connection; while it is still being sent to, its error (1153) is mostly lost, too.
    async fn check_size(
        conn: &mut MySqlConnection,
        arguments: &mut MySqlArguments,
    ) -> sqlx::Result<()> {
        // Servers are not set to less than 1 MiB, of which the text has a part: then they are not asked.
        const SURELY_FITS: usize = 512 * 1024;
        let bytes = size(arguments);
        if bytes < SURELY_FITS {
            return Ok(());
        }
        // The session's own, which is the server's of the time when it connected.
        let rows = Self::fetch_text(conn, "SELECT @@max_allowed_packet").await?;
        let most = rows.first().map(|row| Self::number(row, 0)).transpose()?;
        let most = most.flatten().and_then(|most| usize::try_from(most).ok());
        match most {
            Some(most) if bytes >= most => Err(sqlx::Error::Encode(Box::new(TooLarge { most }))),
            _ => Ok(()),
        }
    }

    fn inserted_id(done: &MySqlQueryResult) -> Option<MySqlArguments> {
        let id = Some(done.last_insert_id()).filter(|&id| id != 0)?;
        let mut arguments = MySqlArguments::default();
        arguments.add(id).ok()?;
        Some(arguments)
    }

    wire!(MySql);
}

/// A statement that is larger than a packet may be.
#[derive(Debug, thiserror::Error)]
#[error("the statement has more bytes than the server's `max_allowed_packet`, which is {most}")]
struct TooLarge {
    most: usize,
}

/// How many bytes the packet has that sends these values.
fn size(arguments: &mut MySqlArguments) -> usize {
    let values = Cell::new(0);
    // sqlx shows the buffer to nobody else than a value that is being bound. This one never is.
    let _ = arguments.add(Measure(&values));
    // The command, the statement's number, flags, a count; for each value two bytes of its type and a bit that says whether it is NULL.
    let others = 11 + 2 * arguments.len() + arguments.len().div_ceil(8);
    values.get() + others
}

/// Takes note of how many bytes are bound, and is not bound itself.
struct Measure<'a>(&'a Cell<usize>);

impl Type<MySql> for Measure<'_> {
    fn type_info() -> MySqlTypeInfo {
        <[u8] as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for Measure<'_> {
    fn encode_by_ref(&self, values: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        self.0.set(values.len());
        Err(fmt::Error.into())
    }
}

/// The rules of the foreign keys `k`, which are NULL where the catalog does not show them.
const LEFT_JOIN_RULES: &str = "LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r \
     ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME";

/// What the catalog calls a table's schema, the table and a column of it, as expressions.
fn in_catalog(from: &str, column: &str) -> (String, String, String) {
    let (schema, table) = path(from);
    let schema = schema.map_or_else(|| "DATABASE()".to_owned(), |schema| literal(&schema));
    (schema, literal(&table), literal(&unquoted(column)))
}

/// A text as a literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// What a server says of itself that takes no writes.
const READ_ONLY: &str =
    "the server is read-only: it is a replica, perhaps since a fail-over, or was set so";

/// Whether the option is this one that does not let a statement be carried out: `--read-only`, `--super-read-only`.
fn names_read_only(error: &dyn DatabaseError) -> bool {
    let names = ["read-only", "read_only"];
    class(error) != SIGNALLED && names.iter().any(|name| error.message().contains(name))
}

/// The class of what a trigger signals, unless it says that it is another.
const SIGNALLED: &str = "45";

/// The errors whose texts name no values of a record, and what the servers say, with `%` for the names.
const SHOWN: &[(u16, &str)] = &[
    // Access, of a user or to an object.
    (1044, "Access denied for user '%'@'%' to database '%'"),
    (1045, "Access denied for user '%'@'%'%"),
    (1142, "% command denied to user '%'@'%' for table %"),
    (
        1143,
        "% command denied to user '%'@'%' for column '%' in table '%'",
    ),
    (
        1227,
        "Access denied; you need (at least one of) the % privilege(s) for this operation",
    ),
    (1698, "Access denied for user '%'@'%'%"),
    (1040, "Too many connections"),
    (
        1203,
        "User % already has more than 'max_user_connections' active connections",
    ),
    (
        1226,
        "User '%' has exceeded the '%' resource (current value: %)",
    ),
    // What is not there; syntax.
    (1049, "Unknown database '%'"),
    (1054, "Unknown column '%' in '%'"),
    (1064, "You have an error in your SQL syntax; %"),
    (1146, "Table '%' doesn't exist"),
    // No room, read-only, safe updates.
    (1114, "The table '%' is full"),
    (
        1021,
        "Disk full (%); waiting for someone to free some space...%",
    ),
    (1041, "Out of memory%"),
    (
        1290,
        "The % server is running with the % option so it cannot execute this statement",
    ),
    (1792, "Cannot execute statement in a READ ONLY transaction%"),
    (1836, "Running in read-only mode"),
    (
        1175,
        "You are using safe update mode and you tried to update a table without a WHERE that uses a KEY column%",
    ),
    // A cluster, a server that ends, locks, statements that are gone or were ended.
    (1047, "WSREP has not yet prepared node for application use"),
    (1047, "Unknown command"),
    (1053, "Server shutdown in progress"),
    (1180, "Got error % during COMMIT"),
    (
        1205,
        "Lock wait timeout exceeded; try restarting transaction",
    ),
    (
        1213,
        "Deadlock found when trying to get lock; try restarting transaction",
    ),
    (1243, "Unknown prepared statement handler (%) given to %"),
    (1317, "Query execution was interrupted"),
    (1615, "Prepared statement needs to be re-prepared"),
    (1927, "Connection was killed"),
    (
        1969,
        "Query execution was interrupted (max_statement_time exceeded)",
    ),
    (
        3024,
        "Query execution was interrupted, maximum statement execution time exceeded",
    ),
    // Columns.
    (1048, "Column '%' cannot be null"),
    (1364, "Field '%' doesn't have a default value"),
    (1406, "Data too long for column '%' at row %"),
    (1264, "Out of range value for column '%' at row %"),
    (1265, "Data truncated for column '%' at row %"),
    (167, "Out of range value for column '%' at row %"),
    (
        1467,
        "Failed to read auto-increment value from storage engine",
    ),
    // Collations that do not mix.
    (
        1267,
        "Illegal mix of collations (%) and (%) for operation '%'",
    ),
    (
        1270,
        "Illegal mix of collations (%), (%), (%) for operation '%'",
    ),
    (1271, "Illegal mix of collations for operation '%'"),
    // CHECK, foreign keys, CHECK OPTION.
    (3819, "Check constraint '%' is violated."),
    (4025, "CONSTRAINT `%` failed for `%`.`%`"),
    (
        1451,
        "Cannot delete or update a parent row: a foreign key constraint fails (%)",
    ),
    (
        1452,
        "Cannot add or update a child row: a foreign key constraint fails (%)",
    ),
    (1369, "CHECK OPTION failed %"),
];

/// Whether a text is this one, in which `%` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((first, mut rest)) = pattern.split_once('%') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    while let Some((part, behind)) = rest.split_once('%') {
        let Some(end) = text.find(part) else {
            return false;
        };
        (text, rest) = (&text[end + part.len()..], behind);
    }
    text.ends_with(rest)
}

/// The class of the error's SQLSTATE.
fn class(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    code.get(..2).unwrap_or_default().to_owned()
}

/// Too many connections, of all or of one user; no memory, no thread; a node without a quorum; the server shuts down; the
/// connection was killed or broke.
const fn may_pass(number: u16) -> bool {
    matches!(
        number,
        1040 | 1203 | 1226 | 1041 | 1135 | 1047 | 1053 | 1927 | 4031 | 1158..=1161
    )
}

fn number(error: &dyn DatabaseError) -> u16 {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .map_or(0, MySqlDatabaseError::number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_as_large_as_its_values() {
        let mut arguments = MySqlArguments::default();
        assert_eq!(size(&mut arguments), 11);
        arguments.add("x".repeat(300)).expect("a value");
        arguments.add(None::<i64>).expect("a value");
        for _ in 0..2 {
            // A text has its length in front of it.
            assert_eq!(size(&mut arguments), 11 + 2 * 2 + 1 + 3 + 300);
            assert_eq!(arguments.len(), 2);
        }
    }

    // Not by `is_out_of_reach`: only sqlx can make an error of MySQL's, with its number. The suite has a proxy send some.
    #[test]
    fn refusals_that_may_pass() {
        for number in [
            1040, 1203, 1226, 1041, 1135, 1047, 1053, 1927, 4031, 1158, 1159, 1160, 1161,
        ] {
            assert!(may_pass(number), "{number}");
        }
        // Access, by password, to a database, from a host, of one that is blocked or locked; an unknown database.
        for number in [1045, 1044, 1130, 1129, 3118, 1049] {
            assert!(!may_pass(number), "{number}");
        }
    }

    #[test]
    fn words_are_like_the_servers() {
        let denied = "% command denied to user '%'@'%' for table %";
        assert!(is_like(
            "SELECT command denied to user 'a'@'b' for table `c`.`d`",
            denied
        ));
        assert!(is_like(
            "Column 'name' cannot be null",
            "Column '%' cannot be null"
        ));
        assert!(is_like("Too many connections", "Too many connections"));
        for text in [
            "no SECRET",
            "Column 'SECRET",
            "SECRET: Column 'name' cannot be null",
            "",
        ] {
            assert!(!is_like(text, "Column '%' cannot be null"), "{text}");
        }
        assert!(!is_like(
            "Too many connections of SECRET",
            "Too many connections"
        ));
    }
}
