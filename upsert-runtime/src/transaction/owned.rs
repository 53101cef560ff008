//! Work in a transaction of its own, done again where that is safe.

use std::time::Instant;

use sqlx_core::rt;

use crate::backend::{Cause, Dialect as _, Supported, cause};
use crate::error::Error;
use crate::locking::Locking;
use crate::mapping::Target;
use crate::step::Session;

use super::connections::Connections;
use super::guard::{Guard, deadline};
use super::retry::Retry;
use super::support::check_support;
use super::unit_of_work::{LostStatements, UnitOfWork, is_outdated};

/// Does `work` in a transaction of its own.
///
/// A lost race is looked at again whatever `retry` says: what looks like a conflict must not be told as one, nor a conflict as
/// something that may go away.
pub(crate) async fn run<DB: Supported, W: UnitOfWork<DB>>(
    mut connections: Connections<'_, DB>,
    retry: Retry,
    locking: Locking,
    work: &mut W,
) -> Result<W::Output, Error> {
    check_support::<DB>(locking, work.mapping().model.name)?;
    connections.check(work.mapping().model.name)?;
    let started = Instant::now();
    let mut attempt = 1;
    let mut races = 0;
    // How many times the server was out of reach.
    let mut losses = 0;
    let mut lost = LostStatements::new();
    loop {
        work.began(attempt);
        let deadline = deadline(started, retry.limit());
        let turn = Turn {
            deadline,
            is_first: attempt == 1,
            has_lost: losses > 0,
        };
        let error = match one_attempt(&mut connections, turn, locking, work).await {
            Ok(output) => return Ok(output),
            Err(error) => error.under::<DB>(locking.wait),
        };
        if lost.again::<DB>(&error) {
            continue;
        }
        let elapsed = started.elapsed();
        let is_lost = is_server_away::<DB>(&error);
        losses += u32::from(is_lost);
        let bounds = if is_lost {
            Retry::pause_for_server(losses)
        } else {
            Retry::pause_for_others(attempt - races - losses)
        };
        let pause = if work.again(&error) {
            races += 1;
            Retry::short_pause()
        } else if !is_safe_to_repeat::<DB>(&error, locking)
            || (is_gone(&error) && !connections.has_others())
        {
            return Err(error);
        } else if let Some(pause) = retry.pause(attempt - races, bounds, elapsed) {
            pause
        } else if attempt == 1 {
            return Err(error);
        } else {
            return Err(Error::Exhausted {
                attempts: attempt,
                source: Box::new(error),
            });
        };
        tracing::debug!(attempt, %error, "trying again");
        rt::sleep(pause).await;
        attempt += 1;
    }
}

/// What is known of an attempt before it is made.
#[derive(Clone, Copy)]
struct Turn {
    /// The time until which a COMMIT may be sent again.
    deadline: Instant,
    is_first: bool,
    /// Whether an attempt before has found the server or its connection gone.
    has_lost: bool,
}

/// One attempt, of which the first may do without a transaction around its statements.
async fn one_attempt<DB: Supported, W: UnitOfWork<DB>>(
    connections: &mut Connections<'_, DB>,
    turn: Turn,
    locking: Locking,
    work: &mut W,
) -> Result<W::Output, Error> {
    let mapping = work.mapping();
    let model = Some(mapping.model.name);
    let mut tx = Guard::new(connections.lease(model, turn.has_lost).await?, locking.wait);
    let target = Target { mapping, locking };
    if turn.is_first {
        match work.alone(&mut Session::new(tx.in_flight(), target)).await {
            Ok(None) => {}
            Ok(Some(output)) => {
                tx.release();
                return Ok(output);
            }
            Err(error) => {
                tx.heed(&error);
                if is_outdated::<DB>(&error) {
                    tx.forget_statements().await;
                }
                // Else the connection is gone: it is closed.
                if !matches!(
                    error,
                    Error::CommitUnknown { .. } | Error::TransactionLost { .. }
                ) {
                    tx.release();
                }
                return Err(error);
            }
        }
    }
    tx.start(model, W::READS_MANY).await?;
    match work.once(&mut Session::new(tx.in_flight(), target)).await {
        Ok(output) if W::stays(&output) => {
            tx.finish(model, turn.deadline).await?;
            Ok(output)
        }
        Ok(output) => {
            tx.abandon().await;
            Ok(output)
        }
        Err(error) => {
            tx.heed(&error);
            // The next attempt may get another connection, and the next borrower this one.
            if is_outdated::<DB>(&error) {
                tx.forget_statements().await;
            }
            tx.abandon().await;
            Err(error)
        }
    }
}

/// Nothing of the attempt can have taken effect, and no caller asked for this answer.
fn is_safe_to_repeat<DB: Supported>(error: &Error, locking: Locking) -> bool {
    match error {
        Error::Deadlock { .. }
        | Error::Serialization { .. }
        | Error::TransactionLost { .. }
        | Error::Unreachable { .. } => true,
        // SQLite waits in vain where it could deadlock; else it is the answer to a limit that somebody set.
        Error::LockTimeout { .. } => !DB::Driver::CAPABILITIES.locks_rows && locking.wait.is_none(),
        _ => false,
    }
}

/// Whether the connection cannot be used any more, for all that is known.
fn is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::TransactionLost { .. } | Error::Unreachable { .. }
    )
}

/// Whether the server or the way to it is gone, perhaps for as long as a restart takes.
fn is_server_away<DB: Supported>(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        Error::TransactionLost {
            source: Some(source),
            ..
        } => matches!(cause::<DB>(source), Cause::ConnectionLost | Cause::NotReady),
        _ => false,
    }
}
