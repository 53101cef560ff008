//! What counts as a transaction of the caller's.

use std::fmt::{self, Debug, Formatter};

use crate::backend::Backend;
use crate::transaction::{State, Transaction};

/// What is accepted where a transaction is asked for: [`Transaction`], or `sqlx::Transaction`.
///
/// Sealed. With sqlx's own type two things are weaker, as it cannot be marked as lost: a call of this crate that is dropped in
/// flight leaves its answer on the wire of a server, so roll the transaction back then; and sqlx's `commit()` may say `Ok` for
/// what the server has undone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transaction",
    label = "a lock is released at the end of a transaction, so one is needed here",
    note = "begin one with `upsert_runtime::begin(&pool)` or `pool.begin()`, and pass `&mut tx` (not `&mut *tx`)"
)]
pub trait InTransaction: Send + sealed::Sealed {
    /// Its database.
    type Database: Backend;

    #[doc(hidden)]
    fn lend(&mut self) -> Lent<'_, Self::Database>;
}

/// The transaction behind an [`InTransaction`], lent for a call.
pub struct Lent<'t, DB: Backend> {
    pub(crate) connection: &'t mut DB::Connection,
    /// Of a transaction of ours.
    pub(crate) state: Option<&'t mut State>,
}

impl<DB: Backend> Debug for Lent<'_, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}

impl<DB: Backend> InTransaction for Transaction<DB> {
    type Database = DB;

    fn lend(&mut self) -> Lent<'_, DB> {
        Lent {
            connection: &mut self.connection,
            state: Some(&mut self.state),
        }
    }
}

impl<DB: Backend> InTransaction for sqlx::Transaction<'_, DB> {
    type Database = DB;

    fn lend(&mut self) -> Lent<'_, DB> {
        Lent {
            connection: self,
            state: None,
        }
    }
}

mod sealed {
    use crate::backend::Backend;

    #[expect(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
    impl<DB: Backend> Sealed for crate::transaction::Transaction<DB> {}
    impl<DB: Backend> Sealed for sqlx::Transaction<'_, DB> {}
}
