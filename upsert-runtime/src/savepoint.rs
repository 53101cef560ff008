//! Work in the caller's transaction: in a savepoint, so that an error undoes the work and nothing else.
//!
//! The savepoints are plain statements. sqlx's nested `begin()`, dropped in flight, takes the caller's earlier rows with it,
//! and `commit()` says `Ok`.

use sqlx::SqlStr;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::in_transaction::Lent;
use crate::owned::Work;
use crate::transaction::probe;

const RELEASE: &str = "RELEASE SAVEPOINT upsert";
const ROLL_BACK: &str = "ROLLBACK TO SAVEPOINT upsert";

/// Does `work` in the caller's transaction, until it is done or its error is final.
pub(crate) async fn run_in<DB: Backend, W: Work<DB>>(
    tx: Lent<'_, DB>,
    work: &mut W,
) -> Result<W::Output, Error> {
    let Lent {
        connection,
        mut state,
    } = tx;
    let at = Step::new(Some(work.model().name), Operation::Savepoint);
    if let Some(state) = &mut state {
        if state.lost || (state.in_flight && !DB::Driver::SURVIVES_DROP) {
            state.lost = true;
            return Err(Error::TransactionLost { at, source: None });
        }
        state.in_flight = true;
    }
    let result = in_savepoint(connection, work, at).await;
    if let Some(state) = state {
        state.in_flight = false;
        state.lost = matches!(result, Err(Error::TransactionLost { .. }));
    }
    result
}

async fn in_savepoint<DB: Backend, W: Work<DB>>(
    connection: &mut DB::Connection,
    work: &mut W,
    at: Step,
) -> Result<W::Output, Error> {
    let failed = |source| Error::of::<DB>(at, source);
    let lost = |source| Error::TransactionLost { at, source };
    let mut attempt = 1;
    probe::<DB>(connection).await.map_err(lost)?;
    DB::Driver::run(connection, DB::Driver::SET_SAVEPOINT)
        .await
        .map_err(failed)?;
    loop {
        work.began(attempt);
        match write_locked(connection, work).await {
            Ok(output) => {
                DB::Driver::run(connection, RELEASE).await.map_err(failed)?;
                return Ok(output);
            }
            Err(error) => {
                if DB::Driver::run(connection, ROLL_BACK).await.is_err() {
                    // The savepoint is gone, and so is the transaction it was in.
                    return Err(lost(error.into_source()));
                }
                let again = work.again(&error);
                if !again || sees_a_snapshot::<DB>(connection).await {
                    DB::Driver::run(connection, RELEASE).await.map_err(failed)?;
                    return Err(if again {
                        lost_to_a_snapshot(error)
                    } else {
                        error
                    });
                }
                attempt += 1;
            }
        }
    }
}

/// Does the work once. Where the write lock is the database's only lock, a transaction that has only read so far takes it
/// first: what it reads must not change before it writes.
async fn write_locked<DB: Backend, W: Work<DB>>(
    connection: &mut DB::Connection,
    work: &mut W,
) -> Result<W::Output, Error> {
    let write_lock = DB::Driver::sql(work.model()).write_lock;
    if !write_lock.is_empty() {
        let at = Step::new(Some(work.model().name), Operation::WriteLock);
        DB::Driver::run(connection, write_lock)
            .await
            .map_err(|source| Error::of::<DB>(at, source))?;
    }
    work.once(connection).await
}

/// Whether the transaction reads from a snapshot of its beginning, in which whoever won a race is never seen.
async fn sees_a_snapshot<DB: Backend>(connection: &mut DB::Connection) -> bool {
    let question = DB::Driver::SNAPSHOT;
    if question.is_empty() {
        return false;
    }
    let rows = DB::Driver::fetch(
        connection,
        SqlStr::from_static(question),
        DB::Arguments::default(),
    )
    .await;
    rows.is_ok_and(|rows| !rows.is_empty())
}

/// A race that was lost to a row that this transaction cannot see: a new one can.
fn lost_to_a_snapshot(error: Error) -> Error {
    match error {
        Error::Conflict { at, source, .. } => Error::Serialization { at, source },
        error => error,
    }
}
