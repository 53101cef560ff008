//! Work in a transaction of its own, done again where that is safe.

use std::time::Instant;

use sqlx::Pool;
use sqlx_core::rt;

use crate::backend::{Backend, Driver as _};
use crate::error::Error;
use crate::model::Model;
use crate::retry::Retry;
use crate::transaction::{Transaction, deadline};

/// What is to be done in a transaction, perhaps more than once.
pub(crate) trait Work<DB: Backend>: Send {
    type Output: Send;

    fn model(&self) -> &'static Model;

    /// Is told that an attempt begins, from 1.
    fn began(&mut self, attempt: u32);

    /// Does it, in the transaction that is open on `conn`.
    fn once(
        &mut self,
        conn: &mut DB::Connection,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Whether `error`, which ended the last attempt, came of a race that may be lost no more the next time. It says so a few
    /// times in a row at most.
    fn again(&mut self, error: &Error) -> bool;
}

/// Does `work` in a transaction of its own.
///
/// A lost race is looked at again whatever `retry` says: what looks like a conflict must not be told as one, nor a conflict as
/// something that may go away.
pub(crate) async fn run<DB: Backend, W: Work<DB>>(
    pool: &Pool<DB>,
    retry: Retry,
    work: &mut W,
) -> Result<W::Output, Error> {
    let started = Instant::now();
    let mut attempt = 1;
    let mut races = 0;
    loop {
        work.began(attempt);
        let error = match in_transaction(pool, deadline(started, retry.limit()), work).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let elapsed = started.elapsed();
        let pause = if work.again(&error) {
            races += 1;
            Retry::short_pause()
        } else if !is_safe_to_repeat::<DB>(&error) {
            return Err(error);
        } else if let Some(pause) = retry.pause(attempt - races, elapsed) {
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

async fn in_transaction<DB: Backend, W: Work<DB>>(
    pool: &Pool<DB>,
    deadline: Instant,
    work: &mut W,
) -> Result<W::Output, Error> {
    let model = Some(work.model().name);
    let mut tx = Transaction::begin(pool, model).await?;
    match work.once(tx.in_flight()).await {
        Ok(output) => {
            tx.finish(model, deadline).await?;
            Ok(output)
        }
        Err(error) => {
            tx.abandon().await;
            Err(error)
        }
    }
}

/// Nothing of the attempt can have taken effect, and no caller asked for this answer.
fn is_safe_to_repeat<DB: Backend>(error: &Error) -> bool {
    match error {
        Error::Deadlock { .. } | Error::Serialization { .. } | Error::TransactionLost { .. } => {
            true
        }
        // SQLite waits in vain where it could deadlock; elsewhere it is the answer to a limit that somebody set.
        Error::LockTimeout { .. } => !DB::Driver::SHARED,
        _ => false,
    }
}
