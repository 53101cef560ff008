//! A transaction that cannot lie about its end.

use std::fmt::{self, Debug, Formatter};
use std::ops::{Deref, DerefMut};

use sqlx::Pool;

use crate::backend::Supported;
use crate::error::Error;
use crate::locking::Wait;

use super::connections::Lease;
use super::guard::Guard;
use super::reference::TransactionRef;

/// A transaction on a connection of a pool, as [`begin`](crate::begin) makes it. Derefs to the connection.
///
/// It differs from `sqlx::Transaction` in what it says of its end:
/// * [`commit`](Self::commit) is an error if what was written is undone, also where the server would answer `Ok`: after a
///   failed statement whose error nobody looked at (PostgreSQL), after a deadlock (MySQL);
/// * dropped while it begins, or while a call of this crate on it is under way, it closes its connection, so that no later
///   borrower of the pool finds an open transaction. On SQLite, where nothing is on a wire, it rolls back;
/// * after a call of this crate that was dropped in flight it is lost, and says so. On SQLite it goes on, with all of what the
///   dropped call was to do, or with nothing of it.
///
/// Dropped without `commit`, it rolls back: the statement is sent when the pool takes the connection back.
///
/// Do not end it by a `COMMIT` or `ROLLBACK` text of your own, nor, on MySQL, by a statement that commits implicitly (`CREATE
/// TABLE`): `commit` reports it as lost then.
pub struct Transaction<DB: Supported> {
    guard: Guard<'static, DB>,
}

impl<DB: Supported> Transaction<DB> {
    /// Takes a connection and begins on it.
    pub(crate) async fn begin(pool: &Pool<DB>, wait: Option<Wait>) -> Result<Self, Error> {
        let connection = Lease::of_pool(pool, None).await?;
        let mut guard = Guard::new(connection, wait);
        guard.start(None, false).await?;
        Ok(Self { guard })
    }

    /// Commits, unless what was written is undone already.
    pub(crate) async fn commit_checked(self) -> Result<(), Error> {
        self.guard.commit_checked().await
    }

    /// Rolls back.
    pub(crate) async fn roll_back(self) -> Result<(), Error> {
        self.guard.roll_back().await
    }

    /// Lends it for a call.
    pub(crate) fn reference(&mut self) -> TransactionRef<'_, DB> {
        self.guard.reference()
    }
}

impl<DB: Supported> Deref for Transaction<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.guard.connection
    }
}

impl<DB: Supported> DerefMut for Transaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.guard.connection
    }
}

impl<DB: Supported> Debug for Transaction<DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.guard.fmt(f)
    }
}
