//! PostgreSQL. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use std::time::Duration;

use sqlx::encode::IsNull;
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnection, PgDatabaseError, PgErrorPosition, PgRow,
    PgSeverity, PgTransactionManager, PgTypeInfo,
};
use sqlx::{
    Arguments, AssertSqlSafe, Database, Encode, Postgres, Row, SqlSafeStr, SqlStr, Type,
    TypeInfo as _,
};
use sqlx_core::transaction::TransactionManager as _;

use super::codec::{BindResult, Bytes, Column, codec, typed};
use super::wire::{hand_over, wire};
use super::{
    Alone, Capabilities, Cause, Classify, Codec, Dialect, Driver, Literal, MadeUp, Supported, Wire,
    made_up, sealed,
};
use crate::locking::{Locking, Mode, Wait};
use crate::rules::{Deleted, DeletedSql};
use crate::schema::{Model, Sql};
use crate::value::Value;

impl sealed::Sealed for Postgres {}

impl Supported for Postgres {
    type Driver = Self;
}

impl Driver<Self> for Postgres {}

impl Dialect for Postgres {
    const CAPABILITIES: Capabilities = Capabilities {
        title: "PostgreSQL",
        locks_rows: true,
        locks_in_order: true,
        hides_rows: true,
        refusals: 3,
        // Without a target: the row may meet any unique index.
        quiet_insert: Some(" ON CONFLICT DO NOTHING"),
        reads_again: false,
        reads_behind: None,
        may_return: None,
        // Whatever the session's default is: above READ COMMITTED the loser of a create race never sees the winner's row.
        begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
        begin_checked: None,
        begin_held: None,
        // A transaction's time is that of its first statement.
        within: Some("SELECT 1 WHERE now() <> statement_timestamp()"),
        // Refused in a transaction in which a statement has failed (25P02), and outside of one (25P01). COMMIT itself answers
        // the first with ROLLBACK and the second with a warning, neither with an error.
        check: Some("SAVEPOINT upsert_commit"),
        begin_if_none: None,
        set_savepoint: "SAVEPOINT upsert",
        counts_updates: true,
        snapshot: Some(
            "SELECT 1 WHERE current_setting('transaction_isolation') IN ('repeatable read', 'serializable')",
        ),
        survives_drop: false,
        // Nothing waits before the first statement, and SET LOCAL ends with the transaction.
        limits_begin: false,
        arrays: true,
        few_sizes: false,
        // The protocol counts them in 16 bits.
        most_values: 65_535,
        alone: Some(Alone {
            // Of a transaction that somebody left open on a pooled connection nothing tells that has written nothing; so it is
            // marked as well.
            is_own: "txid_current_if_assigned() IS NULL AND current_setting('transaction_isolation') = 'read committed'",
            mark: "set_config('upsert.look', '1', true)",
            is_unmarked: "current_setting('upsert.look', true) IS DISTINCT FROM '1'",
            // The transaction that wrote it. A foreign table has 0 there.
            version: "xmin::TEXT::INT8",
            text: "::TEXT COLLATE \"C\"",
        }),
    };

    fn begin(wait: Option<Wait>, reads_many: bool) -> SqlStr {
        let begin = Self::CAPABILITIES.begin;
        if wait.is_none() && !reads_many {
            return begin.into_sql_str();
        }
        let limit = wait.map(milliseconds);
        let limit = limit.map(|limit| format!("; SET LOCAL lock_timeout = {limit}"));
        // The default of 4 is that of a disk that must move its head: until a table has half a million rows, the server would
        // rather read all of it for each chunk.
        let plan = reads_many.then_some("; SET LOCAL random_page_cost = 1.1");
        let (limit, plan) = (limit.unwrap_or_default(), plan.unwrap_or_default());
        AssertSqlSafe(format!("{begin}{limit}{plan}")).into_sql_str()
    }

    // FOR UPDATE would also keep others from inserting rows that reference this one.
    fn lock_clause(locking: Locking) -> Option<&'static str> {
        let Locking {
            wait,
            mode,
            skip_locked,
            is_plain,
            ..
        } = locking;
        if is_plain {
            return None;
        }
        Some(match (mode, skip_locked, wait) {
            (Mode::NoKeyUpdate, true, _) => " FOR NO KEY UPDATE SKIP LOCKED",
            (Mode::NoKeyUpdate, false, Some(Wait::NoWait)) => " FOR NO KEY UPDATE NOWAIT",
            (Mode::NoKeyUpdate, false, _) => " FOR NO KEY UPDATE",
            (Mode::Update, true, _) => " FOR UPDATE SKIP LOCKED",
            (Mode::Update, false, Some(Wait::NoWait)) => " FOR UPDATE NOWAIT",
            (Mode::Update, false, _) => " FOR UPDATE",
        })
    }

    fn sql(model: &'static Model) -> &'static Sql {
        &model.postgres
    }

    fn deleted_sql(deleted: &'static Deleted) -> &'static DeletedSql {
        &deleted.postgres
    }

    // Two hashes by the equality of the type, and the value. NULLIF gives it in the type in which its `=` compares it with the
    // other one, and with the collation: a field of text and a column of citext are compared as texts.
    fn collation_key(_: &str, expression: &str, other: &str) -> Option<String> {
        let value = format!("NULLIF({expression}, {other})");
        let hash = |seed| format!("hash_array_extended(ARRAY[{value}], {seed})::TEXT");
        let (one, two) = (hash(1), hash(2));
        Some(format!("{one} || ',' || {two} || ' ' || {value}::TEXT"))
    }

    // Where a B-tree's support function 4 says so, equal is equal byte for byte, and what is sent is what is stored; but for
    // `char(n)`, which is stored with spaces at its end.
    // https://www.postgresql.org/docs/current/btree.html#BTREE-SUPPORT-FUNCS
    //
    // A type that has an order and no hash function, as texts to be searched, keeps to its bytes.
    fn collated(from: &str, columns: &[&str]) -> Option<String> {
        let table = literal(from.trim_start_matches(" FROM "));
        let columns: Vec<String> = columns.iter().map(|name| literal(name)).collect();
        let columns = columns.join(", ");
        Some(format!(
            "(WITH RECURSIVE keys AS (\
             SELECT place, atttypid AS key_type, attcollation AS key_collation \
             FROM unnest(ARRAY[{columns}]) WITH ORDINALITY AS names (name, place) \
             JOIN pg_attribute ON attrelid = {table}::regclass AND attname = (parse_ident(name))[1] \
             UNION ALL SELECT place, typbasetype, key_collation FROM keys \
             JOIN pg_type ON pg_type.oid = key_type WHERE typtype = 'd'), \
             classes AS (\
             SELECT opcintype AS class_type, amname, \
             EXISTS (SELECT FROM pg_amproc WHERE amprocfamily = opcfamily AND amproclefttype = opcintype \
             AND amprocrighttype = opcintype AND amprocnum = 4 AND amname = 'btree') AS is_bytes \
             FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod WHERE opcdefault AND amname IN ('btree', 'hash')) \
             SELECT string_agg((place - 1)::TEXT, ',') FROM keys JOIN pg_type ON pg_type.oid = key_type \
             WHERE typtype <> 'd' AND NOT (key_type <> 'bpchar'::regtype \
             AND NOT EXISTS (SELECT FROM pg_collation WHERE pg_collation.oid = key_collation AND NOT collisdeterministic) \
             AND EXISTS (SELECT FROM classes WHERE is_bytes AND (class_type = key_type \
             OR (typtype = 'e' AND class_type = 'anyenum'::regtype) \
             OR NOT EXISTS (SELECT FROM classes own WHERE own.amname = 'btree' AND own.class_type = key_type) \
             AND EXISTS (SELECT FROM pg_cast WHERE castsource = key_type AND casttarget = class_type \
             AND castmethod = 'b' AND castcontext = 'i')))) \
             AND NOT (EXISTS (SELECT FROM classes WHERE amname = 'btree' AND class_type = key_type) \
             AND NOT EXISTS (SELECT FROM classes WHERE amname = 'hash' AND class_type = key_type)))"
        ))
    }

    fn writes_itself(from: &str) -> String {
        let table = literal(from.trim_start_matches(" FROM "));
        format!(
            "(SELECT CASE WHEN {RUNS_CODE} \
             OR EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = pg_class.oid AND confrelid = conrelid \
             AND (confupdtype IN ('c', 'n', 'd') OR confdeltype IN ('c', 'n', 'd'))) \
             THEN '1' END FROM pg_class WHERE oid = {table}::regclass)"
        )
    }

    // A row of a child is in no index of its parent. A constraint that is deferred refuses at COMMIT.
    fn are_unique(from: &str, lookups: &[Vec<&str>]) -> Option<String> {
        let table = literal(from.trim_start_matches(" FROM "));
        let is_unique = |columns: &Vec<&str>| {
            let names = columns.iter().map(|name| literal(name));
            let names: Vec<String> = names
                .map(|name| format!("(parse_ident({name}))[1]"))
                .collect();
            format!(
                " AND EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisunique AND indisvalid \
                 AND indimmediate AND indpred IS NULL AND indexprs IS NULL AND indnkeyatts = {} \
                 AND NOT EXISTS (SELECT FROM generate_series(0, indnkeyatts - 1) AS place \
                 JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[place] \
                 WHERE attname::TEXT NOT IN ({}) OR attcollation <> indcollation[place]))",
                columns.len(),
                names.join(", ")
            )
        };
        let are_unique: String = lookups.iter().map(is_unique).collect();
        Some(format!(
            "(SELECT '1' FROM pg_class WHERE oid = {table}::regclass AND relkind IN ('r', 'p') \
             AND NOT (relkind = 'r' AND relhassubclass){are_unique})"
        ))
    }

    // A view whose rules do something else than an UPDATE gives no rows of one.
    fn alters_updates(from: &str, _: &[&str]) -> String {
        let table = literal(from.trim_start_matches(" FROM "));
        format!(
            "(SELECT CASE WHEN ({RUNS_CODE} \
             OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attgenerated <> '')) \
             AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = pg_class.oid AND ev_type = '2' AND is_instead) \
             THEN '1' END FROM pg_class WHERE oid = {table}::regclass)"
        )
    }

    fn hashed(key: &[u8]) -> Option<(&[u8], &str)> {
        let end = key.iter().position(|&byte| byte == b' ')?;
        let spelled = str::from_utf8(&key[end + 1..]).ok()?;
        Some((&key[..end], spelled))
    }

    fn equal(type_name: &str, other: &str) -> Option<String> {
        let value = |spelled: &str| format!("NULLIF({spelled}::{type_name}, {other})");
        let (one, two) = (value("upsert_one"), value("upsert_two"));
        Some(format!(
            "SELECT upsert_n FROM unnest($1::TEXT[], $2::TEXT[]) WITH ORDINALITY AS upsert_pairs (upsert_one, upsert_two, upsert_n) \
             WHERE {one} = {two}"
        ))
    }

    // Nobody else is kept waiting by it. The first number is this crate's.
    fn agreed_lock(from: &str, _: &str) -> Option<String> {
        const OURS: i32 = 1_970_303_845;
        let table = literal(from.trim_start_matches(" FROM "));
        Some(format!(
            "SELECT pg_advisory_xact_lock({OURS}, {table}::regclass::oid::INT4)"
        ))
    }

    fn check_at_once(error: &dyn DatabaseError) -> Option<String> {
        let error = error.try_downcast_ref::<PgDatabaseError>()?;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let schema = error.schema().map(|schema| quoted(schema) + ".");
        Some(format!(
            "SET CONSTRAINTS {}{} IMMEDIATE",
            schema.unwrap_or_default(),
            quoted(error.constraint()?)
        ))
    }

    fn policies(from: &str) -> Option<String> {
        let table = literal(from.trim_start_matches(" FROM "));
        Some(format!(
            "SELECT 1 WHERE row_security_active({table}::regclass)"
        ))
    }

    fn self_references(from: &str) -> String {
        let table = literal(from.trim_start_matches(" FROM "));
        format!(
            "SELECT string_agg(quote_ident(own.attname), ', ' ORDER BY place), \
             string_agg(quote_ident(other.attname), ', ' ORDER BY place), (confdeltype = 'c')::INT4::INT8 \
             FROM pg_constraint \
             CROSS JOIN LATERAL unnest(conkey, confkey) WITH ORDINALITY AS columns (own_number, other_number, place) \
             JOIN pg_attribute own ON own.attrelid = conrelid AND own.attnum = own_number \
             JOIN pg_attribute other ON other.attrelid = confrelid AND other.attnum = other_number \
             WHERE contype = 'f' AND conrelid = {table}::regclass AND confrelid = conrelid \
             GROUP BY pg_constraint.oid, confdeltype"
        )
    }

    // What a partitioned table hands down to its partitions is no key of another table.
    fn cascades_by_others(from: &str) -> String {
        let table = literal(from.trim_start_matches(" FROM "));
        let cascade = "contype = 'f' AND confdeltype = 'c' AND conparentid = 0";
        format!(
            "WITH RECURSIVE going (relation) AS (\
             SELECT conrelid FROM pg_constraint \
             WHERE {cascade} AND confrelid = {table}::regclass AND conrelid <> confrelid \
             UNION SELECT conrelid FROM going JOIN pg_constraint ON confrelid = relation WHERE {cascade}) \
             SELECT 1 FROM going WHERE relation = {table}::regclass"
        )
    }

    // A domain's values are those of the type below it, and of its length.
    fn key_column(from: &str, column: &str) -> String {
        let table = literal(from.trim_start_matches(" FROM "));
        let column = literal(column);
        format!(
            "SELECT format_type(type, modifier), (NOT not_null)::INT4::INT8, \
             EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = {table}::regclass \
             AND number = ANY(conkey))::INT4::INT8 FROM (\
             WITH RECURSIVE types (number, type, modifier, not_null, depth) AS (\
             SELECT attnum, atttypid, atttypmod, attnotnull, 0 FROM pg_attribute \
             WHERE attrelid = {table}::regclass AND attname = (parse_ident({column}))[1] \
             UNION ALL SELECT number, typbasetype, typtypmod, not_null OR typnotnull, depth + 1 \
             FROM types JOIN pg_type ON pg_type.oid = type WHERE typtype = 'd') SELECT * FROM types) types \
             ORDER BY depth DESC LIMIT 1"
        )
    }

    // NULLS NOT DISTINCT, which PostgreSQL knows since version 15.
    fn keeps_null_out(from: &str, column: &str) -> String {
        let table = literal(from.trim_start_matches(" FROM "));
        let column = literal(column);
        format!(
            "SELECT 1 FROM pg_attribute \
             WHERE attrelid = {table}::regclass AND attname = (parse_ident({column}))[1] AND (\
             EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = attrelid AND attnum = ANY(confkey)) \
             OR EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND attnum = ANY(indkey) \
             AND to_jsonb(pg_index) ->> 'indnullsnotdistinct' = 'true'))"
        )
    }

    fn made_up(declared: &str, _: &str) -> Option<MadeUp> {
        if let Some(element) = declared.strip_suffix("[]") {
            return Some(MadeUp::Array(Box::new(Self::made_up(element, "")?)));
        }
        let (name, numbers) = made_up::parsed(declared);
        // Where it is not in the search path, the schema stands before it.
        let name = name.rsplit('.').next().unwrap_or_default();
        Some(match name {
            "text" | "citext" => MadeUp::Text { most: u64::MAX },
            "character varying" | "character" | "bpchar" => MadeUp::Text {
                most: made_up::length(&numbers),
            },
            "name" => MadeUp::Text { most: 63 },
            "\"char\"" => MadeUp::Text { most: 1 },
            "smallint" => MadeUp::integer(16, true),
            "integer" => MadeUp::integer(32, true),
            "bigint" => MadeUp::integer(64, true),
            "oid" => MadeUp::integer(32, false),
            "numeric" => match numbers[..] {
                [digits, scale] => MadeUp::decimal(digits, scale, true),
                _ => MadeUp::decimal(18, 0, true),
            },
            "real" | "double precision" => MadeUp::FLOAT,
            "date" => MadeUp::Date {
                first_year: 1000,
                years: 9000,
            },
            "timestamp without time zone" | "timestamp with time zone" => MadeUp::Moment {
                first_year: 1000,
                years: 9000,
                zone: "+00",
            },
            "time without time zone" | "time with time zone" => MadeUp::Time { zone: "+00" },
            "uuid" => MadeUp::Uuid,
            "inet" | "cidr" => MadeUp::Inet,
            "bytea" => MadeUp::Bytes { most: u64::MAX },
            "interval" => MadeUp::Interval,
            // Whole numbers, which it reads in every locale.
            "money" => MadeUp::decimal(16, 0, true),
            "bit" => MadeUp::Bits {
                length: made_up::length(&numbers),
            },
            // It may be of any length up to its own, and a long one has more values than are needed.
            "bit varying" => MadeUp::Bits {
                length: made_up::length(&numbers).min(63),
            },
            "macaddr" => MadeUp::Mac { bytes: 6 },
            "macaddr8" => MadeUp::Mac { bytes: 8 },
            _ => {
                let element = match name {
                    "int4range" => "integer",
                    "int8range" => "bigint",
                    "numrange" => "numeric",
                    "daterange" => "date",
                    "tsrange" => "timestamp without time zone",
                    "tstzrange" => "timestamp with time zone",
                    _ => return None,
                };
                MadeUp::Range(Box::new(Self::made_up(element, "")?))
            }
        })
    }

    fn literal(value: &Literal, declared: &str) -> String {
        match value {
            Literal::Null => format!("NULL::{declared}"),
            Literal::Number(text) | Literal::Text(text) => format!("'{text}'::{declared}"),
            Literal::Bytes(hex) => format!("'\\x{hex}'::{declared}"),
        }
    }
}

impl Classify for Postgres {
    fn cause(error: &dyn DatabaseError) -> Cause {
        match error.code().as_deref() {
            // a unique constraint; an exclusion constraint, which is one by another operator
            Some("23505" | "23P01") => Cause::Unique,
            // ON CONFLICT does not support deferrable unique constraints as arbiters, and no table with rules on INSERT or UPDATE.
            Some("55000") if !is_raised(error) => Cause::NotQuiet,
            Some("0A000") if routine(error) == Some("RewriteQuery") => Cause::NotQuiet,
            Some("40P01") => Cause::Deadlock,
            Some("40001") => Cause::Serialization,
            Some("55P03") => Cause::LockTimeout,
            Some("25P01" | "25P02") if !is_raised(error) => Cause::TransactionGone,
            Some("25006") if !is_raised(error) => Cause::ReadOnly,
            // another isolation level is asked for in one that has read already
            Some("25001") if !is_raised(error) => Cause::WithinTransaction,
            // the prepared statement does not exist
            Some("26000") if !is_raised(error) => Cause::StatementLost,
            // Cached plan must not change result type: a column has another type than when the statement was prepared. The code
            // has other meanings, and the text is translated.
            Some("0A000") if routine(error) == Some("RevalidateCachedQuery") => {
                Cause::StatementOutdated
            }
            // could not identify an extended hash function; of whatever else is not there the parser speaks
            Some("42883") if routine(error) == Some("hash_array_extended") => Cause::Incomparable,
            // a session was idle for too long, in a transaction or outside
            Some("25P03" | "57P05") if is_end(error) => Cause::EndedWhileIdle,
            // the server shuts down or the session is ended; a transaction took too long
            Some("57P01" | "57P02" | "57P03" | "25P04") if is_end(error) => Cause::ConnectionLost,
            Some(code) if code.starts_with("08") && is_end(error) => Cause::ConnectionLost,
            // A policy of row level security; what a trigger raised. A missing GRANT has the same code, and comes from another
            // function; the text is translated.
            Some("42501")
                if matches!(
                    routine(error),
                    Some("ExecWithCheckOptions" | "exec_stmt_raise")
                ) =>
            {
                Cause::NotPermitted
            }
            // a view's CHECK OPTION
            Some("44000") => Cause::NotPermitted,
            // A sequence is used up.
            Some("2200H") if !is_raised(error) => Cause::InTrouble,
            // a value that the type cannot hold; a constraint; a program limit such as an index row's size; what a trigger
            // raised
            Some(code) if ["22", "23", "54", "P0"].contains(&code.get(..2).unwrap_or_default()) => {
                Cause::Record
            }
            // what a trigger raised under a code of its own
            _ if is_raised(error) || is_of_value(error) => Cause::Record,
            // another server, which this one speaks to; resources; an operator or a limit of time; the system; the server itself
            Some(code)
                if ["08", "53", "57", "58", "XX"].contains(&code.get(..2).unwrap_or_default()) =>
            {
                Cause::InTrouble
            }
            _ => Cause::Other,
        }
    }

    // A server whose disk is full may say so after a COMMIT has become durable.
    fn ends_session(error: &dyn DatabaseError) -> bool {
        error
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
    }

    // A connection that breaks, also one of a pooler to its server (08); too many sessions, no memory (53); the server starts,
    // stops or has crashed.
    fn refuses_for_now(error: &dyn DatabaseError) -> bool {
        let code = error.code().unwrap_or_default();
        matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05")
            || ["08", "53"].contains(&code.get(..2).unwrap_or_default())
    }

    fn constraint(error: &dyn DatabaseError) -> Option<String> {
        // RAISE may call it as it likes.
        let name = error.constraint().filter(|_| !is_raised(error));
        name.map(str::to_owned)
    }

    // Messages of class 22 quote values; a unique violation does so in its detail only. What a function or trigger says with
    // RAISE may hold anything, under any code: it has a context. What the server itself says may have one too, such as «while
    // locking tuple»; it comes from one of the server's files, which no RAISE can name.
    fn is_safe_to_show(error: &dyn DatabaseError) -> bool {
        // Cancelled statements; files, buffers and the log; memory and locks.
        const SERVERS_OWN: &[&str] = &[
            "postgres.c",
            "md.c",
            "smgr.c",
            "fd.c",
            "bufmgr.c",
            "localbuf.c",
            "buffile.c",
            "xlog.c",
            "aset.c",
            "mcxt.c",
            "lock.c",
            "proc.c",
        ];
        let is_anybodys = error
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|error| {
                error.r#where().is_some()
                    && !error.file().is_some_and(|file| SERVERS_OWN.contains(&file))
            });
        if is_anybodys || is_of_value(error) {
            return false;
        }
        let Some(code) = error.code() else {
            return false;
        };
        // A new value of an enum that cannot be used yet is named.
        if code == "55P04" {
            return false;
        }
        matches!(&*code, "22001" | "22021" | "2200H")
            || [
                "08", "0A", "23", "25", "28", "3D", "3F", "40", "42", "44", "53", "54", "55", "57",
                "58",
            ]
            .contains(&code.get(..2).unwrap_or_default())
    }

    // Cannot execute INSERT in a read-only transaction: it does not say why it is.
    fn own_words(error: &dyn DatabaseError) -> Option<&'static str> {
        (Self::cause(error) == Cause::ReadOnly).then_some(
            "the transaction is read-only: the server is a standby, perhaps since a fail-over, or the session is set so",
        )
    }
}

impl Codec<Self> for Postgres {
    fn bind_array<T: Column<Self>>(values: &[Option<&Value>], to: &mut PgArguments) -> BindResult {
        let mut array = Vec::with_capacity(values.len());
        for value in values {
            array.push(match value {
                Some(value) => Some(typed::<T>(*value)?),
                None => None,
            });
        }
        to.add(Array(array))
    }

    // A name of a user's may be spelled without quotes and mean a name that has to have them: sqlx finds both.
    fn array_type(element: &PgTypeInfo) -> Option<String> {
        let is_named = element.oid().is_some() && element.name() != "?";
        // sqlx calls this type by a name that only people understand.
        is_named.then(|| element.name().replace("\"CHAR\"", "\"char\"") + "[]")
    }

    fn bind_texts(texts: Vec<String>, to: &mut PgArguments) -> BindResult {
        to.add(texts)
    }

    fn bytes<T: Column<Self>>(value: &T) -> Result<Bytes, BoxDynError> {
        let mut buffer = PgArgumentBuffer::default();
        let is_null = value.encode_by_ref(&mut buffer)?;
        Ok((!is_null.is_null()).then(|| buffer.to_vec()))
    }

    codec!(Postgres);

    fn bytes_of(row: &PgRow) -> usize {
        let bytes = |place| {
            row.try_get_raw(place)
                .ok()?
                .as_bytes()
                .ok()
                .map(<[u8]>::len)
        };
        (0..row.len()).filter_map(bytes).sum()
    }
}

impl Wire<Self> for Postgres {
    // As `lock_timeout` is written: milliseconds, or a number with a unit.
    type Setting = String;

    fn setting(wait: Wait) -> Option<String> {
        Some(milliseconds(wait).to_string())
    }

    async fn read_setting(conn: &mut PgConnection) -> sqlx::Result<String> {
        let sql = "SELECT current_setting('lock_timeout')";
        sqlx::query(sql).fetch_one(conn).await?.try_get(0)
    }

    async fn write_setting(conn: &mut PgConnection, setting: &String) -> sqlx::Result<()> {
        let mut arguments = PgArguments::default();
        arguments.add(setting).map_err(sqlx::Error::Encode)?;
        let sql = "SELECT set_config('lock_timeout', $1, true)";
        let done = sqlx::query_with(sql, arguments).execute(conn).await;
        done.map(drop)
    }

    // Its `begin` hands the text over at once, whatever is under way, and what it begins is not counted before its answer.
    fn queue_rollback(conn: &mut PgConnection) {
        let rollback = Some("ROLLBACK".into_sql_str());
        hand_over(PgTransactionManager::begin(conn, rollback));
    }

    wire!(Postgres);
}

/// An array whose type the statement names: `$1::TEXT[]`. A `Vec<T>` would need to know it by `T`, which is one type for all
/// databases.
struct Array<'a, T>(Vec<Option<&'a T>>);

impl<T> Type<Postgres> for Array<'_, T> {
    fn type_info() -> PgTypeInfo {
        // None: the server infers it.
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl<T: Column<Postgres>> Encode<'_, Postgres> for Array<'_, T> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.0.as_slice().encode_by_ref(buffer)
    }
}

/// Whether the session ends with it. What the server meets on its own way to another one (`dblink`, `postgres_fdw`) has the same
/// codes, and comes from a function of it; a pooler names none.
fn is_end(error: &dyn DatabaseError) -> bool {
    Postgres::ends_session(error) || routine(error).is_none()
}

/// Whether it is said of a value, and perhaps quotes it, under a code of the parser's: the value is a text to be parsed (`tsquery`,
/// `jsonpath`, `ltree`), or the name of something (`regclass`, `regconfig`). What the parser says of a statement has a position
/// in it.
fn is_of_value(error: &dyn DatabaseError) -> bool {
    let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else {
        return false;
    };
    let is_in_statement = match error.position() {
        None => false,
        // The name of a type is parsed as a statement is, and has a context.
        Some(PgErrorPosition::Original(_)) => error.r#where().is_none(),
        Some(PgErrorPosition::Internal { .. }) => true,
    };
    // The variable of a trigger has no such field: that is the trigger's own fault.
    if is_in_statement || error.file() == Some("pl_exec.c") {
        return false;
    }
    match error.code() {
        // syntax; names that are none, too long, or of nothing: a column, a function, a table, a schema, anything else; names of
        // several things
        "42601" | "42602" | "42622" | "42703" | "42883" | "42P01" | "3F000" | "42704" | "42725" => {
            true
        }
        // a name with a database in it
        "0A000" => matches!(
            error.routine(),
            Some("RangeVarGetRelidExtended" | "DeconstructQualifiedName")
        ),
        _ => false,
    }
}

/// Whether a function or trigger said it with RAISE.
fn is_raised(error: &dyn DatabaseError) -> bool {
    routine(error) == Some("exec_stmt_raise")
}

/// The function of the server that gave the error.
fn routine(error: &dyn DatabaseError) -> Option<&str> {
    error
        .try_downcast_ref::<PgDatabaseError>()
        .and_then(PgDatabaseError::routine)
}

/// Whether a write to a table of `pg_class` runs a user's code: its own, or that of a table to which a foreign key brings it. What a
/// view, a foreign table or a child's child leads to is not looked at.
const RUNS_CODE: &str = "relkind NOT IN ('r', 'p') OR relhasrules OR (relkind = 'r' AND relhassubclass) \
     OR EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' \
     AND (tgrelid = pg_class.oid OR tgrelid IN (SELECT relid FROM pg_partition_tree(pg_class.oid)) \
     OR tgrelid IN (SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = pg_class.oid \
     AND (confupdtype IN ('c', 'n', 'd') OR confdeltype IN ('c', 'n', 'd')))))";

/// A text as a literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What `lock_timeout` is set to; its 0 means for ever.
fn milliseconds(wait: Wait) -> u32 {
    const MOST: u32 = i32::MAX.unsigned_abs();
    match wait.in_units(Duration::from_millis(1), MOST) {
        None => 0,
        Some(limit) => limit.max(1),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Postgres;

    use crate::backend::classify::told::is_out_of_reach_by;

    #[test]
    fn refusals_that_may_pass() {
        // The connection; too many sessions, no memory; the server ends, has crashed, starts; a session that was idle.
        for code in [
            "08000", "08006", "08P01", "53300", "53200", "57P01", "57P02", "57P03", "57P05",
        ] {
            assert!(is_out_of_reach_by::<Postgres>(code), "{code}");
        }
        // A wrong password, a role or host that may not connect, an unknown database, one that takes no sessions or is dropped, a
        // setting that is refused.
        for code in ["28P01", "28000", "3D000", "55000", "57P04", "22023"] {
            assert!(!is_out_of_reach_by::<Postgres>(code), "{code}");
        }
    }
}
