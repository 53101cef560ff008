//! The end of a transaction.

use crate::calls::{Backend, Calls as _};
use crate::error::Error;
use crate::transaction::Transaction;

impl<DB: Backend> Transaction<DB> {
    /// Commits.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionLost`] if the database has undone the transaction, or it has ended by a statement of the caller's (on
    /// MySQL a `CREATE TABLE` commits what came before it); this call then commits nothing. [`Error::CommitUnknown`] if the connection or the server failed meanwhile. A constraint that is checked at the
    /// end is an [`Error::Conflict`] or [`Error::Database`], and everything is rolled back.
    pub fn commit(self) -> impl Future<Output = Result<(), Error>> + Send {
        DB::Calls::commit(self)
    }

    /// Rolls back.
    ///
    /// # Errors
    ///
    /// If the connection is lost: the server rolls back by itself then.
    pub fn rollback(self) -> impl Future<Output = Result<(), Error>> + Send {
        DB::Calls::rollback(self)
    }
}
