//! MySQL and MariaDB. Codes: <https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference>,
//! <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html>

use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlArguments, MySqlDatabaseError, MySqlQueryResult};
use sqlx::{Arguments, Database, MySql};

use super::{Backend, Cause, Column, Driver, concrete, sealed};
use crate::model::{Model, Sql};

impl sealed::Sealed for MySql {}

impl Backend for MySql {
    type Driver = Self;
}

impl Driver<Self> for MySql {
    const TITLE: &'static str = "MySQL or MariaDB";

    // For the one transaction; the session keeps its own level. REPEATABLE READ, the default, locks the gap around a key that
    // is not there, and inserters of different keys deadlock. The savepoint is what `CHECK` looks for.
    const BEGIN: &'static str =
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN; SAVEPOINT upsert_begin";

    // A deadlock rolls the whole transaction back, savepoints included, and later statements autocommit.
    const CHECK: &'static str = "RELEASE SAVEPOINT upsert_begin";

    // Outside a transaction SAVEPOINT is accepted and does nothing; the RELEASE is what fails then.
    const SET_SAVEPOINT: &'static str =
        "SAVEPOINT upsert; RELEASE SAVEPOINT upsert; SAVEPOINT upsert";

    const PROBE: &'static str = "";

    const LOCK: &'static str = " FOR UPDATE";

    // INSERT IGNORE truncates values and stores '' for NULL; ON DUPLICATE KEY UPDATE updates the row of a key that nobody
    // named.
    const QUIET: &'static str = "";

    // A locking read sees what is committed, at every level.
    const SNAPSHOT: &'static str = "";

    const READS_AGAIN: bool = true;

    const REFUSALS: u32 = 3;

    const SHARED: bool = true;

    const SURVIVES_DROP: bool = false;

    fn sql(model: &'static Model) -> &'static Sql {
        &model.mysql
    }

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
            // the server shuts down; the connection was killed; it was idle for too long (MySQL 8)
            1053 | 1927 | 4031 => Cause::ConnectionLost,
            // error during COMMIT
            1180 => Cause::CommitUnknown,
            _ => Cause::Other,
        }
    }

    // Duplicate entry '…' for key 'slug': the value comes first and may hold anything, so the last quotes count.
    fn constraint(error: &dyn DatabaseError) -> Option<String> {
        let (_, name) = error.message().rsplit_once(" for key '")?;
        name.strip_suffix('\'').map(str::to_owned)
    }

    fn is_safe_to_show(error: &dyn DatabaseError) -> bool {
        // Access; too many connections; database, table, column unknown, syntax; table full, disk full; read-only; ended, killed.
        const SURROUNDINGS: &[u16] = &[
            1044, 1045, 1142, 1143, 1227, 1698, 1040, 1203, 1226, 1049, 1054, 1064, 1146, 1114,
            1021, 1041, 1290, 1792, 1836, 1047, 1053, 1180, 1205, 1213, 1317, 1927, 1969, 3024,
        ];
        // NULL refused, no default, too long, out of range, CHECK, foreign key.
        const COLUMNS: &[u16] = &[1048, 1364, 1406, 1264, 3819, 4025, 1451, 1452];
        SURROUNDINGS.contains(&number(error)) || COLUMNS.contains(&number(error))
    }

    fn inserted_id(done: &MySqlQueryResult) -> Option<MySqlArguments> {
        let id = Some(done.last_insert_id()).filter(|&id| id != 0)?;
        let mut arguments = MySqlArguments::default();
        arguments.add(id).ok()?;
        Some(arguments)
    }

    concrete!(MySql);
}

fn number(error: &dyn DatabaseError) -> u16 {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .map_or(0, MySqlDatabaseError::number)
}
