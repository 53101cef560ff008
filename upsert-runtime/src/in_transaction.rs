//! What counts as a transaction of the caller's.

use crate::calls::Backend;
use crate::transaction::{Transaction, TransactionRef};

/// What is accepted where a transaction is asked for: [`Transaction`], `sqlx::Transaction`, or what the `transaction()` of a
/// locked row lends.
///
/// Sealed. With sqlx's own type two things are weaker, as it cannot be marked as lost: a call of this crate that is dropped in
/// flight leaves its answer on the wire of a server, so roll the transaction back then (on MySQL drop its connection: sqlx 0.9 never
/// gives back one whose transaction is dropped so); and sqlx's `commit()` may say `Ok` for what the server has undone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transaction",
    label = "a lock is released at the end of a transaction, so one is needed here",
    note = "begin one with `upsert_runtime::begin(&pool)` or `pool.begin()`, and pass `&mut tx` (not `&mut *tx`)"
)]
pub trait InTransaction: Send + sealed::Sealed {
    /// Its database.
    type Database: Backend;

    #[doc(hidden)]
    fn lend(&mut self) -> TransactionRef<'_, Self::Database>;
}

impl<DB: Backend> InTransaction for Transaction<DB> {
    type Database = DB;

    fn lend(&mut self) -> TransactionRef<'_, DB> {
        self.reference()
    }
}

impl<DB: Backend> InTransaction for sqlx::Transaction<'_, DB> {
    type Database = DB;

    fn lend(&mut self) -> TransactionRef<'_, DB> {
        TransactionRef::of_another(&mut **self)
    }
}

#[diagnostic::do_not_recommend]
impl<DB: Backend> InTransaction for TransactionRef<'_, DB> {
    type Database = DB;

    fn lend(&mut self) -> TransactionRef<'_, DB> {
        self.reborrow()
    }
}

mod sealed {
    use crate::calls::Backend;

    #[expect(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
    impl<DB: Backend> Sealed for crate::transaction::Transaction<DB> {}
    impl<DB: Backend> Sealed for sqlx::Transaction<'_, DB> {}
    impl<DB: Backend> Sealed for super::TransactionRef<'_, DB> {}
}
