//! PostgreSQL. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgDatabaseError, PgQueryResult};
use sqlx::{Database, Postgres};

use super::{Backend, Cause, Column, Driver, concrete, sealed};
use crate::model::{Model, Sql};

impl sealed::Sealed for Postgres {}

impl Backend for Postgres {
    type Driver = Self;
}

impl Driver<Self> for Postgres {
    const TITLE: &'static str = "PostgreSQL";

    // Whatever the session's default is: above READ COMMITTED the loser of a create race never sees the winner's row.
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";

    // Refused in a transaction in which a statement has failed (25P02), and outside of one (25P01). COMMIT itself answers the
    // first with ROLLBACK and the second with a warning, neither with an error.
    const CHECK: &'static str = "SAVEPOINT upsert_commit";

    const SET_SAVEPOINT: &'static str = "SAVEPOINT upsert";

    const PROBE: &'static str = "";

    // FOR UPDATE would also keep others from inserting rows that reference this one.
    const LOCK: &'static str = " FOR NO KEY UPDATE";

    // Without a target: the row may meet any unique index.
    const QUIET: &'static str = " ON CONFLICT DO NOTHING";

    const SNAPSHOT: &'static str = "SELECT 1 WHERE current_setting('transaction_isolation') IN ('repeatable read', 'serializable')";

    const READS_AGAIN: bool = false;

    const REFUSALS: u32 = 3;

    const SHARED: bool = true;

    const SURVIVES_DROP: bool = false;

    fn sql(model: &'static Model) -> &'static Sql {
        &model.postgres
    }

    fn cause(error: &dyn DatabaseError) -> Cause {
        match error.code().as_deref() {
            Some("23505") => Cause::Unique,
            // ON CONFLICT does not support deferrable unique constraints as arbiters.
            Some("55000") => Cause::NotQuiet,
            Some("40P01") => Cause::Deadlock,
            Some("40001") => Cause::Serialization,
            Some("55P03") => Cause::LockTimeout,
            Some("25P01" | "25P02") => Cause::TransactionGone,
            // the server shuts down or the session is ended; a session was idle for too long
            Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04") => {
                Cause::ConnectionLost
            }
            Some(code) if code.starts_with("08") => Cause::ConnectionLost,
            _ => Cause::Other,
        }
    }

    fn constraint(error: &dyn DatabaseError) -> Option<String> {
        error.constraint().map(str::to_owned)
    }

    // Messages of class 22 quote values; a unique violation does so in its detail only. What a function or trigger says with
    // RAISE may hold anything, under any code: it has a context.
    fn is_safe_to_show(error: &dyn DatabaseError) -> bool {
        let context = error
            .try_downcast_ref::<PgDatabaseError>()
            .and_then(PgDatabaseError::r#where);
        if context.is_some() {
            return false;
        }
        let Some(code) = error.code() else {
            return false;
        };
        matches!(&*code, "22001" | "22021")
            || [
                "08", "0A", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58",
            ]
            .contains(&code.get(..2).unwrap_or_default())
    }

    // `RETURNING` gives the whole row.
    fn inserted_id(_: &PgQueryResult) -> Option<PgArguments> {
        None
    }

    concrete!(Postgres);
}
