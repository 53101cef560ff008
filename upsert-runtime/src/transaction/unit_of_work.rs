use crate::backend::{Cause, Supported, cause};
use crate::error::Error;
use crate::mapping::Mapping;
use crate::step::Session;

/// What is to be done in a transaction, perhaps more than once: in one of ours (`owned`) or of the caller's (`borrowed`).
pub(crate) trait UnitOfWork<DB: Supported>: Send {
    type Output: Send;

    /// Whether the work looks up many rows at once.
    const READS_MANY: bool = false;

    /// The model whose rows it works on.
    fn mapping(&self) -> Mapping<DB>;

    /// Takes note that an attempt begins; they are counted from 1.
    fn began(&mut self, _attempt: u32) {}

    /// Does the work, in the transaction that is open on the session's connection.
    fn once(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Whether `error`, which ended the last attempt, came of a race that may be lost no more the next time. It says so a few
    /// times in a row at most.
    fn again(&mut self, _error: &Error) -> bool {
        false
    }

    /// Whether what was done is to stay; else it is rolled back.
    fn stays(_output: &Self::Output) -> bool {
        true
    }
}

/// How many times more work is done again after a statement that was lost.
///
/// sqlx 0.9.0 asks the server for a type that a connection meets for the first time, an enum for example, and that question makes
/// the server forget the statement of which it came, unless it is kept prepared. The next time the type is known.
/// <https://github.com/transact-rs/sqlx/issues/4305>
pub(crate) struct LostStatements {
    left: u32,
}

impl LostStatements {
    pub(crate) fn new() -> Self {
        // A few types, on each of a pool's connections.
        Self { left: 64 }
    }

    /// Whether `error` is of this kind, and another attempt is due.
    pub(crate) fn again<DB: Supported>(&mut self, error: &Error) -> bool {
        let Error::Database { source, .. } = error else {
            return false;
        };
        let again = cause::<DB>(source) == Cause::StatementLost && self.left > 0;
        self.left -= u32::from(again);
        again
    }
}
