//! Where the parts of an import are done.

use sqlx::Pool;

use crate::backend::Backend;
use crate::error::Error;
use crate::locking::{Locking, Wait};
use crate::owned;
use crate::retry::Retry;
use crate::savepoint;
use crate::session::Session;
use crate::work::Work;

/// Where chunks are written.
pub(crate) enum Place<'p, 'c, DB: Backend> {
    /// Each in a transaction of its own.
    Pool(&'p Pool<DB>),
    /// Each in a savepoint of the one transaction.
    Within(&'p mut Session<'c, DB>),
}

impl<DB: Backend> Place<'_, '_, DB> {
    pub(super) async fn run<W: Work<DB>>(
        &mut self,
        retry: Retry,
        wait: Option<Wait>,
        work: &mut W,
    ) -> Result<W::Output, Error> {
        match self {
            Self::Pool(pool) => owned::run(pool, retry, Locking::waiting(wait), work).await,
            Self::Within(session) => savepoint::part(session, work).await,
        }
    }
}
