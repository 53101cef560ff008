//! Work in the caller's transaction: in a savepoint, so that an error undoes the work and nothing else.
//!
//! The savepoints are plain statements. sqlx's nested `begin()`, dropped in flight, takes the caller's earlier rows with it,
//! and `commit()` says `Ok`.

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::owned::Work;
use crate::transaction::{Lent, probe};

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
        if state.in_flight {
            undo_dropped_call::<DB>(connection).await;
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
    probe::<DB>(connection).await.map_err(lost)?;
    DB::Driver::run(connection, DB::Driver::SET_SAVEPOINT)
        .await
        .map_err(failed)?;
    loop {
        let result = write_locked(connection, work).await;
        match result {
            Ok(output) => {
                DB::Driver::run(connection, RELEASE).await.map_err(failed)?;
                return Ok(output);
            }
            Err(error) => {
                if DB::Driver::run(connection, ROLL_BACK).await.is_err() {
                    // The savepoint is gone, and so is the transaction it was in.
                    return Err(lost(error.into_source()));
                }
                if !work.again(&error) {
                    DB::Driver::run(connection, RELEASE).await.map_err(failed)?;
                    return Err(error);
                }
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
        let at = Step::new(Some(work.model().name), Operation::Begin);
        DB::Driver::run(connection, write_lock)
            .await
            .map_err(|source| Error::of::<DB>(at, source))?;
    }
    work.once(connection).await
}

/// Takes back what a call that was dropped in flight has done, on a database where the transaction goes on.
pub(crate) async fn undo_dropped_call<DB: Backend>(connection: &mut DB::Connection) {
    // If the call had not come to its savepoint, or had released it, there is none, and both fail.
    if DB::Driver::run(connection, ROLL_BACK).await.is_ok() {
        let _ = DB::Driver::run(connection, RELEASE).await;
    }
}
