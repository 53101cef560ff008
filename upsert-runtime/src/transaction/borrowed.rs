//! Work in the caller's transaction: in a savepoint, so that an error undoes the work and nothing else.
//!
//! The savepoints are plain statements. sqlx's nested `begin()`, dropped in flight, takes the caller's earlier rows with it,
//! and `commit()` says `Ok`.

use crate::backend::{Cause, Dialect as _, Supported, Wire as _, cause};
use crate::error::{ENDED_ALL, Error, Operation, Step};
use crate::locking::{Locking, Wait};
use crate::mapping::Target;
use crate::step::{Session, Statement};

use super::guard::ensure_open;
use super::limit::Limit;
use super::reference::TransactionRef;
use super::support::check_support;
use super::unit_of_work::{LostStatements, MovedRows, UnitOfWork, is_outdated};

/// The statements of a savepoint.
struct Savepoint {
    set: &'static str,
    release: &'static str,
    roll_back: &'static str,
    is_part: bool,
}

impl Savepoint {
    /// The savepoint of a call.
    fn call<DB: Supported>() -> Self {
        Self {
            set: DB::Driver::CAPABILITIES.set_savepoint,
            release: "RELEASE SAVEPOINT upsert",
            roll_back: "ROLLBACK TO SAVEPOINT upsert",
            is_part: false,
        }
    }

    /// The savepoint of a part of a call. It has another name: MySQL forgets a savepoint when one of its name is set.
    const PART: Self = Self {
        set: "SAVEPOINT upsert_part",
        release: "RELEASE SAVEPOINT upsert_part",
        roll_back: "ROLLBACK TO SAVEPOINT upsert_part",
        is_part: true,
    };

    /// There is no return to it, and so the transaction it was in is gone: by the error of the work, unless the connection was lost,
    /// or the server took no statements any more, only afterwards.
    fn lost<DB: Supported>(&self, at: Step, error: Error, of_return: sqlx::Error) -> Error {
        let ended_all = matches!(
            error,
            Error::TransactionLost { .. }
                | Error::Unreachable { .. }
                | Error::Deadlock { .. }
                | Error::Serialization { .. }
        );
        let is_afterwards = matches!(
            cause::<DB>(&of_return),
            Cause::ConnectionLost | Cause::EndedWhileIdle | Cause::NotReady | Cause::Deadlock
        );
        if is_afterwards && !ended_all {
            return Error::TransactionLost {
                at,
                source: Some(of_return),
            };
        }
        // A part is of a transaction of ours, which is told by what ended it, or of a call, which comes here once more. An error of
        // the surroundings, as a full disk on SQLite, stops either; after one of a record the import would go on.
        if self.is_part {
            match error {
                // A trigger has ended the transaction (`RAISE(ROLLBACK)`), as it would the next one.
                Error::Database {
                    at,
                    detail,
                    about_record: true,
                    source,
                } => {
                    return Error::Database {
                        at,
                        detail: detail + ENDED_ALL,
                        about_record: false,
                        source,
                    };
                }
                error if ended_all || !error.is_about_record() => return error,
                _ => {}
            }
        }
        Error::TransactionLost {
            at: error.step().unwrap_or(at),
            source: error.into_source(),
        }
    }
}

/// Does `work` in the caller's transaction, until it is done or its error is final.
pub(crate) async fn run_in<DB: Supported, W: UnitOfWork<DB>>(
    tx: &mut TransactionRef<'_, DB>,
    locking: Locking,
    work: &mut W,
) -> Result<W::Output, Error> {
    let model = work.mapping().model.name;
    check_support::<DB>(locking, model)?;
    tx.enter(Step::new(Some(model), Operation::Savepoint))?;
    let wait = locking.wait.or_else(|| tx.wait());
    // The limit of the transaction is in force already.
    let new_limit = locking.wait;
    let locking = Locking { wait, ..locking };
    let result = limited(tx.connection, new_limit, locking, work)
        .await
        .map_err(|error| error.under::<DB>(wait));
    tx.leave(&result);
    result
}

/// Does `work` under the limit of the call, if it has one of its own.
async fn limited<DB: Supported, W: UnitOfWork<DB>>(
    connection: &mut DB::Connection,
    new_limit: Option<Wait>,
    locking: Locking,
    work: &mut W,
) -> Result<W::Output, Error> {
    let mapping = work.mapping();
    let at = Step::new(Some(mapping.model.name), Operation::Savepoint);
    let failed = |source| Error::of::<DB>(at, source);
    let limit = Limit::<DB>::set(connection, new_limit)
        .await
        .map_err(failed)?;
    let mut session = Session::new(limit.connection, Target { mapping, locking });
    let result = match ensure_open::<DB>(session.connection).await {
        Ok(()) => in_savepoint(&mut session, work, &Savepoint::call::<DB>()).await,
        Err(source) => Err(Error::TransactionLost { at, source }),
    };
    match (limit.put_back().await, result) {
        (Err(source), Ok(_)) => Err(failed(source)),
        (_, result) => result,
    }
}

/// Does a part of the work that the session's transaction is in, so that an error undoes that part only.
pub(crate) async fn part<DB: Supported, W: UnitOfWork<DB>>(
    session: &mut Session<'_, DB>,
    work: &mut W,
) -> Result<W::Output, Error> {
    in_savepoint(session, work, &Savepoint::PART).await
}

async fn in_savepoint<DB: Supported, W: UnitOfWork<DB>>(
    session: &mut Session<'_, DB>,
    work: &mut W,
    savepoint: &Savepoint,
) -> Result<W::Output, Error> {
    let mut unfinished = Unfinished {
        session,
        savepoint,
        is_over: false,
    };
    let result = until_done(unfinished.session, work, savepoint).await;
    unfinished.is_over = true;
    result
}

/// Work in a savepoint that is not at its end.
///
/// Dropped, it is undone where the connection goes on: what was done of it may be half of it.
struct Unfinished<'s, 'c, DB: Supported> {
    session: &'s mut Session<'c, DB>,
    savepoint: &'s Savepoint,
    is_over: bool,
}

impl<DB: Supported> Drop for Unfinished<'_, '_, DB> {
    fn drop(&mut self) {
        if !self.is_over {
            // If the savepoint was just released, its work is done, and these are refused.
            DB::Driver::queue(self.session.connection, self.savepoint.roll_back);
            DB::Driver::queue(self.session.connection, self.savepoint.release);
        }
    }
}

/// Does the work, perhaps more than once, until it is done or its error is final.
async fn until_done<DB: Supported, W: UnitOfWork<DB>>(
    session: &mut Session<'_, DB>,
    work: &mut W,
    savepoint: &Savepoint,
) -> Result<W::Output, Error> {
    let at = session.at(Operation::Savepoint);
    let failed = move |source| Error::of_savepoint::<DB>(at, source);
    let mut statements = LostStatements::new();
    let mut moved = MovedRows::new();
    let mut attempt = 1;
    session.run(savepoint.set).await.map_err(failed)?;
    loop {
        work.began(attempt);
        match write_locked(session, work).await {
            Ok(output) => {
                if !W::stays(&output) {
                    session.run(savepoint.roll_back).await.map_err(failed)?;
                }
                session.run(savepoint.release).await.map_err(failed)?;
                return Ok(output);
            }
            Err(error) => {
                if let Err(source) = session.run(savepoint.roll_back).await {
                    return Err(savepoint.lost::<DB>(at, error, source));
                }
                if statements.again::<DB>(&error) {
                    if is_outdated::<DB>(&error) {
                        let forgotten = DB::Driver::forget_statements(session.connection).await;
                        forgotten.map_err(failed)?;
                    }
                    continue;
                }
                let again = work.again(&error) || moved.again::<DB>(&error);
                if !again || sees_a_snapshot(session).await {
                    session.run(savepoint.release).await.map_err(failed)?;
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
async fn write_locked<DB: Supported, W: UnitOfWork<DB>>(
    session: &mut Session<'_, DB>,
    work: &mut W,
) -> Result<W::Output, Error> {
    if let Some(write_lock) = session.mapping.sql().write_lock {
        let locked = session.run(write_lock).await;
        locked.map_err(session.failed(Operation::WriteLock))?;
    }
    work.once(session).await
}

/// Whether the transaction reads from a snapshot of its beginning, in which whoever won a race is never seen.
pub(crate) async fn sees_a_snapshot<DB: Supported>(session: &mut Session<'_, DB>) -> bool {
    let Some(question) = DB::Driver::CAPABILITIES.snapshot else {
        return false;
    };
    let rows = session.fetch(Statement::new(question)).await;
    rows.is_ok_and(|rows| !rows.is_empty())
}

/// A race that was lost to a row that this transaction cannot see: a new one can.
fn lost_to_a_snapshot(error: Error) -> Error {
    match error {
        Error::Conflict {
            at,
            source: Some(source),
            ..
        } => Error::Serialization { at, source },
        error => error,
    }
}
