//! Where the connection for work in transactions of its own comes from: a pool, or a caller who holds one.

use std::fmt::{self, Debug, Formatter};
use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Pool};
use sqlx_core::transaction::TransactionManager;

use crate::backend::{Cause, Dialect as _, Supported, Wire as _, cause};
use crate::error::{Error, Operation, Step};

/// From where each attempt gets its connection.
#[expect(unnameable_types, reason = "users name `OnConnection`")]
pub enum Connections<'c, DB: Supported> {
    /// A pool, anew each time.
    Pool(&'c Pool<DB>),
    /// The caller, who has no other one.
    Held {
        connection: &'c mut PoolConnection<DB>,
        /// Whether the server was asked for an open transaction.
        is_asked: bool,
    },
}

impl<'c, DB: Supported> Connections<'c, DB> {
    /// A connection of the caller's.
    pub(crate) fn held(connection: &'c mut PoolConnection<DB>) -> Self {
        Self::Held {
            connection,
            is_asked: false,
        }
    }
}

impl<DB: Supported> Connections<'_, DB> {
    /// Lends it on.
    pub(crate) fn reborrow(&mut self) -> Connections<'_, DB> {
        match self {
            Self::Pool(pool) => Connections::Pool(pool),
            Self::Held {
                connection,
                is_asked,
            } => Connections::Held {
                connection,
                is_asked: *is_asked,
            },
        }
    }

    /// Whether another attempt may get another connection.
    pub(super) fn has_others(&self) -> bool {
        matches!(self, Self::Pool(_))
    }

    /// A connection. Once one was found dead, it is one that answers.
    pub(super) async fn lease(
        &mut self,
        model: Option<&'static str>,
        has_lost: bool,
    ) -> Result<Lease<'_, DB>, Error> {
        match self {
            Self::Pool(pool) if has_lost => Lease::of_pool_alive(pool, model).await,
            Self::Pool(pool) => Lease::of_pool(pool, model).await,
            Self::Held {
                connection,
                is_asked,
            } => Ok(Lease::Held {
                connection,
                is_asked: *is_asked,
            }),
        }
    }

    /// Refuses a connection of the caller's on which sqlx counts a transaction, before anything is sent.
    pub(crate) fn check(&self, model: &'static str) -> Result<(), Error> {
        match self {
            Self::Held { connection, .. }
                if DB::TransactionManager::get_transaction_depth(connection) > 0 =>
            {
                Err(in_a_transaction::<DB>(model))
            }
            _ => Ok(()),
        }
    }

    /// The same where the server knows of one, for several transactions at once.
    pub(crate) async fn ask(&mut self, model: &'static str) -> Result<(), Error> {
        if let Self::Held {
            connection,
            is_asked,
        } = self
        {
            ask::<DB>(connection, model).await?;
            *is_asked = true;
        }
        Ok(())
    }
}

impl<DB: Supported> Debug for Connections<'_, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

const WITHIN: &str = "`run_on` within a transaction; that is what `run_in` is for";

/// The caller's connection is in a transaction, which this call must not commit.
pub(super) fn in_a_transaction<DB: Supported>(model: &'static str) -> Error {
    Error::Unsupported {
        model: Some(model),
        option: WITHIN,
        database: DB::Driver::CAPABILITIES.title,
    }
}

/// Whether it is that error.
pub(crate) fn is_in_a_transaction(error: &Error) -> bool {
    matches!(error, Error::Unsupported { option, .. } if *option == WITHIN)
}

/// Asks the server whether a transaction is open of which sqlx does not know, if BEGIN would not be refused in one.
async fn ask<DB: Supported>(
    connection: &mut PoolConnection<DB>,
    model: &'static str,
) -> Result<(), Error> {
    let Some(question) = DB::Driver::CAPABILITIES.within else {
        return Ok(());
    };
    match DB::Driver::fetch_text(connection, question).await {
        Ok(rows) if rows.is_empty() => Ok(()),
        Ok(_) => Err(in_a_transaction::<DB>(model)),
        Err(source) if cause::<DB>(&source) == Cause::TransactionGone => {
            Err(in_a_transaction::<DB>(model))
        }
        Err(source) => Err(Error::of::<DB>(
            Step::new(Some(model), Operation::Begin),
            source,
        )),
    }
}

/// A connection, for a while.
pub(super) enum Lease<'c, DB: Supported> {
    /// It goes back to its pool.
    Own(PoolConnection<DB>),
    /// It goes back to the caller.
    Held {
        connection: &'c mut PoolConnection<DB>,
        is_asked: bool,
    },
}

impl<DB: Supported> Lease<'_, DB> {
    pub(super) async fn of_pool(
        pool: &Pool<DB>,
        model: Option<&'static str>,
    ) -> Result<Self, Error> {
        let connection = pool.acquire().await.map_err(|source| {
            Error::of_connecting::<DB>(Step::new(model, Operation::Connect), source)
        })?;
        Ok(Self::Own(connection))
    }

    /// The same, of those that answer. After a restart of the server all that were idle are dead, where the pool does not test them, and
    /// each would cost an attempt.
    async fn of_pool_alive(pool: &Pool<DB>, model: Option<&'static str>) -> Result<Self, Error> {
        for _ in 0..pool.size() {
            let mut lease = Self::of_pool(pool, model).await?;
            if lease.ping().await.is_ok() {
                return Ok(lease);
            }
            lease.close_on_drop();
        }
        Self::of_pool(pool, model).await
    }

    /// Asks the server whether a transaction of the caller's is open, unless that was done.
    pub(super) async fn ask(&mut self, model: Option<&'static str>) -> Result<(), Error> {
        match (self, model) {
            (
                Self::Held {
                    connection,
                    is_asked: false,
                },
                Some(model),
            ) => ask::<DB>(connection, model).await,
            _ => Ok(()),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }
}

impl<DB: Supported> Deref for Lease<'_, DB> {
    type Target = PoolConnection<DB>;

    fn deref(&self) -> &PoolConnection<DB> {
        match self {
            Self::Own(connection) => connection,
            Self::Held { connection, .. } => connection,
        }
    }
}

impl<DB: Supported> DerefMut for Lease<'_, DB> {
    fn deref_mut(&mut self) -> &mut PoolConnection<DB> {
        match self {
            Self::Own(connection) => connection,
            Self::Held { connection, .. } => connection,
        }
    }
}
