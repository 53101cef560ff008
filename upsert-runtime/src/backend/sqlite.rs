//! SQLite. Codes: <https://www.sqlite.org/rescode.html>

use std::time::Duration;

use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteConnection, SqliteTypeInfo};
use sqlx::{AssertSqlSafe, Database, Row, Sqlite, Type, TypeInfo};

use super::codec::{Bytes, Column, bytes_of_plain, codec};
use super::dialect::{RowList, path, unquoted};
use super::wire::{hand_over, wire};
use super::{
    Capabilities, Cause, Classify, Codec, Dialect, Driver, MadeUp, Supported, Wire, made_up, sealed,
};
use crate::locking::{Locking, Wait};
use crate::rules::{Deleted, DeletedSql};
use crate::schema::{Model, Sql};

impl sealed::Sealed for Sqlite {}

impl Supported for Sqlite {
    type Driver = Self;
}

impl Driver<Self> for Sqlite {}

impl Dialect for Sqlite {
    const CAPABILITIES: Capabilities = Capabilities {
        title: "SQLite",
        // The write transaction is the only lock.
        locks_rows: false,
        locks_in_order: false,
        hides_rows: false,
        refusals: 1,
        quiet_insert: None,
        // Triggers can change a row only AFTER, which RETURNING does not see.
        reads_again: true,
        // The number is that of the last INSERT of the connection, whatever became of this one.
        reads_behind: Some(" = last_insert_rowid() AND changes() > 0"),
        may_return: None,
        // A deferred transaction that has read cannot always become a writer, however long it waits.
        begin: "BEGIN IMMEDIATE",
        begin_checked: None,
        begin_held: None,
        within: None,
        check: None,
        // Refused within a transaction.
        begin_if_none: Some("BEGIN"),
        // Where no transaction is open SAVEPOINT would begin one; `begin_if_none` tells.
        set_savepoint: "SAVEPOINT upsert",
        // A stale snapshot is an error of the first write.
        snapshot: None,
        counts_updates: true,
        survives_drop: true,
        limits_begin: true,
        arrays: false,
        few_sizes: true,
        // SQLITE_MAX_VARIABLE_NUMBER
        most_values: 32_766,
        alone: None,
    };

    // The write transaction is the lock.
    fn lock_clause(_: Locking) -> Option<&'static str> {
        None
    }

    fn sql(model: &'static Model) -> &'static Sql {
        &model.sqlite
    }

    fn deleted_sql(deleted: &'static Deleted) -> &'static DeletedSql {
        &deleted.sqlite
    }

    // RTRIM, NOCASE and BINARY: what the column's collation calls equal shows which it is. Of numbers, the two zeros are one.
    fn collation_key(type_name: &str, expression: &str, _: &str) -> Option<String> {
        match type_name {
            "TEXT" => Some(format!(
                "CASE WHEN {expression} = {expression} || ' ' THEN rtrim({expression}) \
                 WHEN {expression} = upper({expression}) AND {expression} = lower({expression}) THEN lower({expression}) \
                 ELSE {expression} END"
            )),
            "REAL" => Some(format!("CASE WHEN {expression} = 0 THEN '0' END")),
            _ => None,
        }
    }

    // A collation of the program's own. The indexes tell it; the tables do not. Names are compared without case.
    fn incomparable(from: &str, columns: &[&str]) -> Option<String> {
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let (schema, table) = path(from);
        let table = literal(&table);
        let within = schema.map_or_else(String::new, |schema| format!(", {}", literal(&schema)));
        let columns: Vec<String> = columns
            .iter()
            .map(|column| literal(&path(column).1))
            .collect();
        let columns = columns.join(", ");
        Some(format!(
            "EXISTS (SELECT 1 FROM pragma_index_list({table}{within}) upsert_list \
             JOIN pragma_index_xinfo(upsert_list.name{within}) upsert_info \
             WHERE upsert_info.\"key\" = 1 AND upsert_info.name COLLATE NOCASE IN ({columns}) \
             AND upsert_info.coll COLLATE NOCASE NOT IN ('BINARY', 'NOCASE', 'RTRIM'))"
        ))
    }

    fn self_references(from: &str) -> String {
        let (schema, table) = path(from);
        let within = within(schema.as_deref());
        let table = literal(&table);
        // Where the key names no columns it refers to the primary key.
        let key = format!("SELECT name FROM pragma_table_info({table}{within}) WHERE pk = seq + 1");
        format!(
            "SELECT group_concat('`' || replace(\"from\", '`', '``') || '`', ', '), \
             group_concat('`' || replace(coalesce(\"to\", ({key})), '`', '``') || '`', ', '), on_delete = 'CASCADE' \
             FROM (SELECT * FROM pragma_foreign_key_list({table}{within}) ORDER BY id, seq) \
             WHERE lower(\"table\") = lower({table}) GROUP BY id, on_delete"
        )
    }

    fn is_dangling(from: &str) -> Option<String> {
        let (schema, table) = path(from);
        let (table, within) = (literal(&table), within(schema.as_deref()));
        Some(format!(
            "rowid IN (SELECT rowid FROM pragma_foreign_key_check({table}{within}))"
        ))
    }

    fn writes_itself(from: &str) -> String {
        let (schema, table) = path(from);
        let within = within(schema.as_deref());
        let schema = schema.map_or_else(String::new, |schema| {
            format!("`{}`.", schema.replace('`', "``"))
        });
        let table = literal(&table);
        let has_trigger = "type IN ('trigger', 'view') AND lower(tbl_name) = lower";
        format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {schema}sqlite_master WHERE {has_trigger}({table})) \
             OR EXISTS (SELECT 1 FROM sqlite_temp_master WHERE {has_trigger}({table})) \
             OR EXISTS (SELECT 1 FROM pragma_foreign_key_list({table}{within}) WHERE lower(\"table\") = lower({table})) \
             OR EXISTS (SELECT 1 FROM {schema}sqlite_master AS children, pragma_foreign_key_list(children.name{within}) AS keys, \
             {schema}sqlite_master AS triggers WHERE children.type = 'table' AND lower(keys.\"table\") = lower({table}) \
             AND (keys.on_update NOT IN {IDLE} OR keys.on_delete NOT IN {IDLE}) \
             AND triggers.type = 'trigger' AND lower(triggers.tbl_name) = lower(children.name)) \
             THEN '1' END"
        )
    }

    // A float that is no number is stored as NULL, and a text of digits as a number in a column of some types, of which each table may
    // have its own.
    fn alters_updates(_: &str, _: &[&str]) -> String {
        "'1'".to_owned()
    }

    // An id that is the number of a row has no index.
    fn has_full_index(from: &str, columns: &[&str]) -> Option<String> {
        let (schema, table) = path(from);
        let (within, table) = (within(schema.as_deref()), literal(&table));
        let names = columns
            .iter()
            .map(|name| literal(&unquoted(name).to_lowercase()));
        let (names, count) = (names.collect::<Vec<_>>().join(", "), columns.len());
        Some(format!(
            "CASE WHEN EXISTS (SELECT 1 FROM pragma_index_list({table}{within}) AS indexes \
             WHERE indexes.\"unique\" AND NOT indexes.partial \
             AND (SELECT sum(lower(name) IN ({names})) = {count} AND count(*) = {count} FROM pragma_index_info(indexes.name{within}))) \
             OR (SELECT sum(lower(name) IN ({names})) = {count} AND count(*) = {count} FROM pragma_table_info({table}{within}) WHERE pk > 0) \
             THEN '1' END"
        ))
    }

    // Without `PRAGMA foreign_keys` nothing goes with a row.
    fn cascades_by_others(from: &str) -> String {
        let (schema, table) = path(from);
        let within = within(schema.as_deref());
        let schema = schema.map_or_else(String::new, |schema| {
            format!("`{}`.", schema.replace('`', "``"))
        });
        let table = literal(&table);
        let going = format!(
            "SELECT lower(tables.name) FROM {schema}sqlite_master AS tables, pragma_foreign_key_list(tables.name{within}) AS keys"
        );
        let cascades = "tables.type = 'table' AND keys.on_delete = 'CASCADE'";
        format!(
            "WITH RECURSIVE going (name) AS (\
             {going} WHERE {cascades} AND lower(keys.\"table\") = lower({table}) AND lower(tables.name) <> lower({table}) \
             AND (SELECT foreign_keys FROM pragma_foreign_keys) \
             UNION {going} JOIN going ON lower(keys.\"table\") = going.name WHERE {cascades}) \
             SELECT 1 FROM going WHERE name = lower({table})"
        )
    }

    fn key_column(from: &str, column: &str) -> String {
        let (schema, table) = path(from);
        let within = within(schema.as_deref());
        let (table, column) = (literal(&table), literal(&unquoted(column)));
        format!(
            "SELECT type, \"notnull\" = 0, \
             EXISTS (SELECT 1 FROM pragma_foreign_key_list({table}{within}) WHERE lower(\"from\") = lower({column})) \
             FROM pragma_table_info({table}{within}) WHERE lower(name) = lower({column})"
        )
    }

    // Where a foreign key names no columns it refers to the primary key.
    fn keeps_null_out(from: &str, column: &str) -> String {
        let (schema, table) = path(from);
        let within = within(schema.as_deref());
        let schema = schema.map_or_else(String::new, |schema| {
            format!("`{}`.", schema.replace('`', "``"))
        });
        let (table, column) = (literal(&table), literal(&unquoted(column)));
        format!(
            "SELECT 1 FROM {schema}sqlite_master AS tables, pragma_foreign_key_list(tables.name{within}) AS keys \
             WHERE tables.type = 'table' AND lower(keys.\"table\") = lower({table}) \
             AND lower(coalesce(keys.\"to\", {column})) = lower({column}) LIMIT 1"
        )
    }

    // Most types are but words, and any value is let in. What a CHECK may look at is kept to: the kind, the length.
    fn made_up(declared: &str, field: &str) -> Option<MadeUp> {
        let (name, numbers) = made_up::parsed(declared);
        let has = |words: &[&str]| words.iter().any(|&word| name.contains(word));
        let most = made_up::length(&numbers);
        Some(match &*name {
            "" | "any" => return (!field.is_empty()).then(|| Self::made_up(field, ""))?,
            "date" => MadeUp::Date {
                first_year: 1000,
                years: 9000,
            },
            "time" => MadeUp::Time { zone: "" },
            "datetime" | "timestamp" => MadeUp::Moment {
                first_year: 1000,
                years: 9000,
                zone: "",
            },
            _ if has(&["int"]) => MadeUp::integer(64, true),
            _ if has(&["char", "clob", "text"]) => MadeUp::Text { most },
            _ if has(&["blob", "binary"]) => MadeUp::Bytes { most },
            _ if has(&["real", "floa", "doub"]) => MadeUp::FLOAT,
            _ if has(&["dec", "num"]) => match numbers[..] {
                [digits, scale] => MadeUp::decimal(digits, scale, true),
                _ => MadeUp::FLOAT,
            },
            _ if has(&["bool", "null"]) => return None,
            _ => MadeUp::Text { most },
        })
    }

    // A list of VALUES alone would have no collation.
    fn row_list(typed: &str) -> RowList {
        RowList {
            before: format!("{typed} UNION ALL VALUES ("),
            between: "), (",
            after: Some(")"),
        }
    }
}

impl Classify for Sqlite {
    fn cause(error: &dyn DatabaseError) -> Cause {
        let code = error
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .unwrap_or_default();
        match code {
            // unique, primary key, row id
            2067 | 1555 | 2579 => Cause::Unique,
            // the snapshot is stale: another connection has written since this transaction read
            517 => Cause::Serialization,
            _ if matches!(code & 0xff, 5 | 6) => Cause::LockTimeout,
            // too big; a constraint, what a trigger raised among them; not of the type
            _ if matches!(code & 0xff, 18..=20) => Cause::Record,
            1 if error.message() == "cannot start a transaction within a transaction" => {
                Cause::WithinTransaction
            }
            // what a function says of its arguments, in an expression of the table's
            1 if !is_of_statement(error.message()) => Cause::Record,
            _ => Cause::Other,
        }
    }

    // Another connection has the file, which is asked for its settings.
    fn refuses_for_now(error: &dyn DatabaseError) -> bool {
        Self::cause(error) == Cause::LockTimeout
    }

    // UNIQUE constraint failed: taxonomy.slug, taxonomy.site_id
    fn constraint(error: &dyn DatabaseError) -> Option<String> {
        let (_, columns) = error.message().split_once("UNIQUE constraint failed: ")?;
        Some(columns.to_owned())
    }

    // Messages are SQLite's own, but for that of a trigger's RAISE; functions quote their arguments.
    fn is_safe_to_show(error: &dyn DatabaseError) -> bool {
        match error.code().as_deref() {
            Some("1811") => false,
            Some("1") => is_of_statement(error.message()),
            _ => true,
        }
    }

    // What a query of FTS5 names for a column, and so on.
    fn may_be_of_value(error: &dyn DatabaseError) -> bool {
        let beginnings = ["no such column: ", "unknown "];
        error.code().as_deref() == Some("1")
            && beginnings
                .iter()
                .any(|beginning| error.message().starts_with(beginning))
    }
}

/// Whether an error with SQLite's general code is one of a statement: what it names is not there, or it cannot be run here. The
/// code says nothing else, and a function's errors have it too.
fn is_of_statement(message: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "no such table: ",
        "no such column: ",
        "no such function: ",
        "no such collation sequence: ",
        "no such module: ",
        "no such savepoint: ",
        "table ",
        "near \"",
        "incomplete input",
        "foreign key mismatch",
        "cannot ",
        "ambiguous column name",
        "too many ",
        "unknown ",
        "database ",
        "SQL logic error",
    ];
    BEGINNINGS
        .iter()
        .any(|beginning| message.starts_with(beginning))
}

impl Codec<Self> for Sqlite {
    // What a value becomes follows from the affinity of its column, which these three names of declared types tell for sure: a
    // number becomes a text in a column of texts. Bytes stay bytes everywhere. What is declared otherwise says nothing.
    // https://sqlite.org/datatype3.html#type_affinity
    fn fits<T: Column<Self>>(sql: &SqliteTypeInfo) -> bool {
        let converts = matches!(sql.name(), "TEXT" | "INTEGER" | "REAL");
        !converts || T::compatible(sql) || T::compatible(&<[u8] as Type<Self>>::type_info())
    }

    // sqlx shows an argument in no other way than this one, which takes its time.
    fn bytes<T: Column<Self>>(value: &T) -> Result<Bytes, BoxDynError> {
        if let Some(bytes) = bytes_of_plain(value) {
            return Ok(bytes);
        }
        let mut buffer = SqliteArgumentsBuffer::default();
        let is_null = value.encode_by_ref(&mut buffer)?;
        // What is no number is stored as NULL.
        let bytes = format!("{buffer:?}");
        let is_null = is_null.is_null() || bytes == "SqliteArgumentsBuffer([Double(NaN)])";
        Ok((!is_null).then(|| bytes.into_bytes()))
    }

    codec!(Sqlite);
}

impl Wire<Self> for Sqlite {
    // `busy_timeout`, in milliseconds.
    type Setting = i32;

    fn setting(wait: Wait) -> Option<i32> {
        const MOST: u32 = i32::MAX.unsigned_abs();
        let limit = wait.in_units(Duration::from_millis(1), MOST);
        Some(limit.map_or(i32::MAX, |limit| limit.try_into().unwrap_or(i32::MAX)))
    }

    async fn read_setting(conn: &mut SqliteConnection) -> sqlx::Result<i32> {
        let row = sqlx::query("PRAGMA busy_timeout").fetch_one(conn).await?;
        row.try_get_unchecked(0)
    }

    async fn write_setting(conn: &mut SqliteConnection, setting: &i32) -> sqlx::Result<()> {
        let sql = AssertSqlSafe(format!("PRAGMA busy_timeout = {setting}"));
        sqlx::raw_sql(sql).execute(conn).await.map(drop)
    }

    // The first poll hands a statement to the connection's thread, which runs what it is handed in order. Of a text of several, to
    // whose answers nobody listens, it would run the first alone. There is room for it: a call waits for each of its answers, so all
    // that can be waiting there is of calls that were dropped.
    fn queue_setting(conn: &mut SqliteConnection, setting: &i32) {
        hand_over(Self::write_setting(conn, setting));
    }

    fn queue(conn: &mut SqliteConnection, statement: &'static str) {
        hand_over(Self::run(conn, statement));
    }

    wire!(Sqlite);
}

/// What a foreign key does that does nothing.
const IDLE: &str = "('NO ACTION', 'RESTRICT')";

/// A text as a literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The schema as the last argument of a pragma's function.
fn within(schema: Option<&str>) -> String {
    schema.map_or_else(String::new, |schema| format!(", {}", literal(schema)))
}

#[cfg(test)]
mod tests {
    use sqlx::Sqlite;

    use crate::backend::classify::told::is_out_of_reach_by;

    #[test]
    fn refusals_that_may_pass() {
        // Busy, locked, and how exactly.
        for code in ["5", "6", "261", "262"] {
            assert!(is_out_of_reach_by::<Sqlite>(code), "{code}");
        }
        // It cannot be opened, is no database, may not be written; the disk is full.
        for code in ["14", "26", "8", "13"] {
            assert!(!is_out_of_reach_by::<Sqlite>(code), "{code}");
        }
    }
}
