//! Where a call gets the connection for a transaction of its own.

use sqlx::Pool;
use sqlx::pool::PoolConnection;

use crate::calls::Backend;
use crate::transaction::Connections;

/// What a model's `modify()` is done on: `&pool`, or `&mut connection`, a [`PoolConnection`] that the caller holds.
///
/// On a connection all is as [`Upsert::run_on`](crate::Upsert::run_on) says. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a pool nor a connection of one",
    note = "pass `&pool`, a `&sqlx::Pool`, or `&mut connection`, of what `pool.acquire()` gave (not `&mut *connection`)"
)]
pub trait OnConnection: Send + sealed::Sealed {
    /// Its database.
    type Database: Backend;

    #[doc(hidden)]
    fn connections<'c>(self) -> Connections<'c, Self::Database>
    where
        Self: 'c;
}

impl<DB: Backend> OnConnection for &Pool<DB> {
    type Database = DB;

    fn connections<'c>(self) -> Connections<'c, DB>
    where
        Self: 'c,
    {
        Connections::Pool(self)
    }
}

impl<DB: Backend> OnConnection for &mut PoolConnection<DB> {
    type Database = DB;

    fn connections<'c>(self) -> Connections<'c, DB>
    where
        Self: 'c,
    {
        Connections::held(self)
    }
}

mod sealed {
    use sqlx::Pool;
    use sqlx::pool::PoolConnection;

    use crate::calls::Backend;

    #[expect(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
    impl<DB: Backend> Sealed for &Pool<DB> {}
    impl<DB: Backend> Sealed for &mut PoolConnection<DB> {}
}
