//! What counts as a transaction of the caller's.

use std::fmt::{self, Debug, Formatter};

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Step};
use crate::locking::Wait;
use crate::transaction::{State, Transaction};

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
    fn lend(&mut self) -> Lent<'_, Self::Database>;
}

/// The transaction behind an [`InTransaction`], lent for a call.
pub struct Lent<'t, DB: Backend> {
    pub(crate) connection: &'t mut DB::Connection,
    /// Of a transaction of ours.
    pub(crate) state: Option<&'t mut State<DB>>,
}

impl<DB: Backend> Lent<'_, DB> {
    /// Lends it on.
    pub(crate) fn reborrow(&mut self) -> Lent<'_, DB> {
        Lent {
            connection: self.connection,
            state: self.state.as_deref_mut(),
        }
    }

    /// The limit of calls that name none.
    pub(crate) fn wait(&self) -> Option<Wait> {
        self.state.as_ref().and_then(|state| state.wait)
    }

    /// Whether a call can be made in it.
    pub(crate) fn check(&mut self, at: Step) -> Result<(), Error> {
        if let Some(state) = &mut self.state
            && (state.lost || (state.in_flight && !DB::Driver::SURVIVES_DROP))
        {
            state.lost = true;
            return Err(Error::TransactionLost { at, source: None });
        }
        Ok(())
    }

    /// Marks a call as under way, until [`leave`](Self::leave).
    pub(crate) fn enter(&mut self, at: Step) -> Result<(), Error> {
        self.check(at)?;
        if let Some(state) = &mut self.state {
            state.in_flight = true;
        }
        Ok(())
    }

    pub(crate) fn leave<T>(&mut self, result: &Result<T, Error>) {
        if let Some(state) = &mut self.state {
            state.in_flight = false;
            state.lost = matches!(result, Err(Error::TransactionLost { .. }));
        }
    }
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

#[diagnostic::do_not_recommend]
impl<DB: Backend> InTransaction for Lent<'_, DB> {
    type Database = DB;

    fn lend(&mut self) -> Lent<'_, DB> {
        self.reborrow()
    }
}

mod sealed {
    use crate::backend::Backend;

    #[expect(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
    impl<DB: Backend> Sealed for crate::transaction::Transaction<DB> {}
    impl<DB: Backend> Sealed for sqlx::Transaction<'_, DB> {}
    impl<DB: Backend> Sealed for super::Lent<'_, DB> {}
}
