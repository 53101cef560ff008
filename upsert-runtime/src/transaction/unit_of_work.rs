use std::future::ready;

use crate::backend::{Cause, Dialect as _, Supported, cause};
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

    /// Does the work by statements that are each a transaction of their own, on a connection on which none was begun. `None`
    /// where it cannot be done so: then nothing has taken effect, and it is done `once` in a transaction.
    fn alone(
        &mut self,
        _session: &mut Session<'_, DB>,
    ) -> impl Future<Output = Result<Option<Self::Output>, Error>> + Send {
        ready(Ok(None))
    }

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

/// How many times more work is done again after a statement that was lost, or that is outdated.
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
        let is_lost = |source| cause::<DB>(source) == Cause::StatementLost;
        let again = self.left > 0
            && (is_outdated::<DB>(error)
                || matches!(error, Error::Database { source, .. } if is_lost(source)));
        self.left -= u32::from(again);
        again
    }
}

/// Whether the connection has a statement that the server will not carry out as it was prepared, before a column got another type
/// for example: then so it may have others.
///
/// Only then are they to be forgotten: with them sqlx forgets the types that it has asked for, and the next statement is lost.
pub(crate) fn is_outdated<DB: Supported>(error: &Error) -> bool {
    matches!(error, Error::Database { source, .. } if cause::<DB>(source) == Cause::StatementOutdated)
}

/// How many times more work in a transaction of the caller's is done again because a row moved while it was waited for.
///
/// PostgreSQL gives a serialization failure for a row that goes to another partition meanwhile, at READ COMMITTED too. There the
/// same statement finds it the next time.
pub(crate) struct MovedRows {
    left: u32,
}

impl MovedRows {
    pub(crate) fn new() -> Self {
        Self { left: 3 }
    }

    /// Whether `error` may be of this kind, and another attempt is due, if the transaction reads from no snapshot. Only a
    /// database that can be asked about that is known to have gone on.
    pub(crate) fn again<DB: Supported>(&mut self, error: &Error) -> bool {
        let Error::Serialization { source, .. } = error else {
            return false;
        };
        let again = DB::Driver::CAPABILITIES.snapshot.is_some()
            && cause::<DB>(source) == Cause::Serialization
            && self.left > 0;
        self.left -= u32::from(again);
        again
    }
}
