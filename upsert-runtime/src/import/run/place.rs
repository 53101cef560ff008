//! Where the parts of an import are done.

use sqlx::Pool;

use crate::backend::Supported;
use crate::error::Error;
use crate::locking::Locking;
use crate::step::Session;
use crate::transaction::{self, Retry, UnitOfWork};

/// Where chunks are written.
pub(super) enum Place<'p, DB: Supported> {
    /// Each in a transaction of its own.
    Pool {
        pool: &'p Pool<DB>,
        retry: Retry,
        locking: Locking,
    },
    /// Each in a savepoint of the one transaction.
    Within(Session<'p, DB>),
}

impl<'p, DB: Supported> Place<'p, DB> {
    /// Within the transaction of a session.
    pub(super) fn within(session: &'p mut Session<'_, DB>) -> Self {
        Self::Within(Session {
            connection: &mut *session.connection,
            mapping: session.mapping,
            locking: session.locking,
        })
    }

    /// Whether nothing is committed before the end.
    pub(super) fn is_one_transaction(&self) -> bool {
        matches!(self, Self::Within(_))
    }

    /// Runs a unit of work of the import in its place.
    pub(super) async fn run<W: UnitOfWork<DB>>(
        &mut self,
        work: &mut W,
    ) -> Result<W::Output, Error> {
        match self {
            Self::Pool {
                pool,
                retry,
                locking,
            } => transaction::run(pool, *retry, *locking, work).await,
            Self::Within(session) => transaction::part(session, work).await,
        }
    }
}
