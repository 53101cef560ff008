//! SQLite. Codes: <https://www.sqlite.org/rescode.html>

use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult};
use sqlx::{Database, Sqlite};

use super::{Backend, Cause, Column, Driver, concrete, sealed};
use crate::model::{Model, Sql};

impl sealed::Sealed for Sqlite {}

impl Backend for Sqlite {
    type Driver = Self;
}

impl Driver<Self> for Sqlite {
    const TITLE: &'static str = "SQLite";

    // A deferred transaction that has read cannot always become a writer, however long it waits.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    const CHECK: &'static str = "";

    // Where no transaction is open SAVEPOINT would begin one.
    const SET_SAVEPOINT: &'static str = "SAVEPOINT upsert";

    // Refused within a transaction.
    const PROBE: &'static str = "BEGIN";

    // The write transaction is the lock.
    const LOCK: &'static str = "";

    const QUIET: &'static str = "";

    // A stale snapshot is an error of the first write.
    const SNAPSHOT: &'static str = "";

    const READS_AGAIN: bool = true;

    const REFUSALS: u32 = 1;

    const SHARED: bool = false;

    const SURVIVES_DROP: bool = true;

    fn sql(model: &'static Model) -> &'static Sql {
        &model.sqlite
    }

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
            _ => Cause::Other,
        }
    }

    // UNIQUE constraint failed: taxonomy.slug, taxonomy.site_id
    fn constraint(error: &dyn DatabaseError) -> Option<String> {
        let (_, columns) = error.message().split_once("UNIQUE constraint failed: ")?;
        Some(columns.to_owned())
    }

    // All messages are SQLite's own, but for that of a trigger's RAISE.
    fn is_safe_to_show(error: &dyn DatabaseError) -> bool {
        error.code().as_deref() != Some("1811")
    }

    // `RETURNING` gives the whole row.
    fn inserted_id(_: &SqliteQueryResult) -> Option<SqliteArguments> {
        None
    }

    concrete!(Sqlite);
}
