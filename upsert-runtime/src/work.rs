use crate::backend::Backend;
use crate::error::Error;
use crate::model::Model;
use crate::session::Session;

/// What is to be done in a transaction, perhaps more than once: in one of ours (`owned`) or of the caller's (`savepoint`).
pub(crate) trait Work<DB: Backend>: Send {
    type Output: Send;

    fn model(&self) -> &'static Model;

    /// Is told that an attempt begins, from 1.
    fn began(&mut self, _attempt: u32) {}

    /// Does it, in the transaction that is open on the session's connection.
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
