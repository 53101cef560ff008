//! Begins a transaction in the mode that locking needs.

use std::fmt::{self, Debug, Formatter};

use sqlx::Pool;

use crate::calls::{Answer, Backend, Calls as _};
use crate::error::Error;
use crate::locking::Wait;
use crate::transaction::Transaction;

/// Begins a transaction in the mode that locking needs.
///
/// | | sent |
/// | --- | --- |
/// | PostgreSQL | `BEGIN ISOLATION LEVEL READ COMMITTED` |
/// | MySQL, MariaDB | `SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN; SAVEPOINT upsert_begin` |
/// | SQLite | `BEGIN IMMEDIATE`: waits for the database's only write lock, as long as the connection's `busy_timeout` says |
///
/// ```
/// # use upsert_runtime::LockedUpsert;
/// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
/// # #[lookup(slug)]
/// # struct Taxonomy { id: i64, slug: String, uses: i64 }
/// # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
/// let mut tx = upsert_runtime::begin(&pool).await?;
/// Taxonomy::upsert(NewTaxonomy { slug: "rock".into(), uses: 0 }).run_in(&mut tx).await?;
/// sqlx::query("UPDATE taxonomy SET uses = uses + 1").execute(&mut *tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Database`] if no connection is to be had, or the database refuses; [`Error::TransactionLost`] if the connection breaks
/// meanwhile; [`Error::LockTimeout`], or [`Error::Locked`] under [`Wait::NoWait`], on SQLite.
pub fn begin<DB: Backend>(pool: &Pool<DB>) -> Begin<'_, DB> {
    Begin { pool, wait: None }
}

/// What [`begin`] returns: await it.
#[must_use = "nothing happens before it is awaited"]
pub struct Begin<'p, DB: Backend> {
    pool: &'p Pool<DB>,
    wait: Option<Wait>,
}

impl<DB: Backend> Begin<'_, DB> {
    /// How long the calls of this crate in the transaction wait for a lock, unless they name a limit of their own; on SQLite
    /// also how long this one waits for the write lock.
    ///
    /// It ends with the transaction. On PostgreSQL (`SET LOCAL lock_timeout`) and SQLite (`PRAGMA busy_timeout`) it holds for the
    /// caller's own statements too, and costs no round trip more.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = Some(wait);
        self
    }
}

impl<'p, DB: Backend> IntoFuture for Begin<'p, DB> {
    type Output = Result<Transaction<DB>, Error>;
    type IntoFuture = Answer<'p, Transaction<DB>>;

    fn into_future(self) -> Self::IntoFuture {
        DB::Calls::begin(self.pool, self.wait)
    }
}

impl<DB: Backend> Debug for Begin<'_, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin")
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}
