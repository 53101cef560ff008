//! A connection that a contender holds from its first call on, in place of one that it gets from the pool for each record.

use std::cell::RefCell;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};

#[derive(Debug)]
pub(crate) struct Held<DB: Database> {
    pool: Pool<DB>,
    connection: RefCell<Option<PoolConnection<DB>>>,
}

impl<DB: Database> Held<DB> {
    pub(crate) fn new(pool: Pool<DB>) -> Self {
        Self {
            pool,
            connection: RefCell::default(),
        }
    }

    /// The connection; who takes it keeps it here again, unless it failed.
    pub(super) async fn take(&self) -> sqlx::Result<PoolConnection<DB>> {
        let kept = self.connection.borrow_mut().take();
        match kept {
            Some(connection) => Ok(connection),
            None => self.pool.acquire().await,
        }
    }

    pub(super) fn keep(&self, connection: PoolConnection<DB>) {
        *self.connection.borrow_mut() = Some(connection);
    }
}
