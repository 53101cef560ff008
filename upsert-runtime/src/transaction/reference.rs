//! The handle behind a transaction, ours or sqlx's own.

use std::fmt::{self, Debug, Formatter};

use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Step};
use crate::locking::Wait;

use super::guard::State;

/// The transaction behind an [`InTransaction`](crate::InTransaction), lent for a call.
pub struct TransactionRef<'t, DB: Supported> {
    pub(crate) connection: &'t mut DB::Connection,
    /// The state of a transaction that `begin` made; `None` for one of sqlx's own.
    state: Option<&'t mut State<DB>>,
}

impl<'t, DB: Supported> TransactionRef<'t, DB> {
    /// A transaction that [`begin`](crate::begin) has made.
    pub(super) fn of_ours(connection: &'t mut DB::Connection, state: &'t mut State<DB>) -> Self {
        Self {
            connection,
            state: Some(state),
        }
    }

    /// A transaction of another make, of which nothing is known.
    pub(crate) fn of_another(connection: &'t mut DB::Connection) -> Self {
        Self {
            connection,
            state: None,
        }
    }

    /// Lends it on.
    pub(crate) fn reborrow(&mut self) -> TransactionRef<'_, DB> {
        TransactionRef {
            connection: self.connection,
            state: self.state.as_deref_mut(),
        }
    }

    /// The limit of calls that name none.
    pub(super) fn wait(&self) -> Option<Wait> {
        self.state.as_ref().and_then(|state| state.wait)
    }

    /// Whether a call can be made in it.
    pub(crate) fn check(&mut self, at: Step) -> Result<(), Error> {
        if let Some(state) = &mut self.state
            && (state.lost || (state.in_flight && !DB::Driver::CAPABILITIES.survives_drop))
        {
            state.lost = true;
            return Err(Error::TransactionLost { at, source: None });
        }
        Ok(())
    }

    /// Marks a call as under way, until [`leave`](Self::leave).
    pub(super) fn enter(&mut self, at: Step) -> Result<(), Error> {
        self.check(at)?;
        if let Some(state) = &mut self.state {
            state.in_flight = true;
        }
        Ok(())
    }

    pub(super) fn leave<T>(&mut self, result: &Result<T, Error>) {
        if let Some(state) = &mut self.state {
            state.in_flight = false;
            if let Err(error) = result {
                state.heed(error);
            }
            state.lost = matches!(result, Err(Error::TransactionLost { .. }));
        }
    }
}

impl<DB: Supported> Debug for TransactionRef<'_, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionRef").finish_non_exhaustive()
    }
}
