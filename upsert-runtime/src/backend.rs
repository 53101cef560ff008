//! What the algorithms need of a database, one file a database, and the place that knows their features.

use sqlx::Database;

pub(crate) mod capabilities;
pub(crate) mod classify;
pub(crate) mod codec;
pub(crate) mod dialect;
pub(crate) mod made_up;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod wire;

pub(crate) use self::capabilities::{Alone, Capabilities};
pub(crate) use self::classify::{Cause, Classify, cause, is_out_of_reach};
pub(crate) use self::codec::{Codec, FieldCodec};
pub(crate) use self::dialect::Dialect;
pub(crate) use self::made_up::{Literal, MadeUp};
pub(crate) use self::wire::Wire;

/// A database that the algorithms of this crate know.
///
/// The trait that users name, `Backend`, stands above the algorithms, which it calls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database that `upsert_runtime` supports",
    note = "enable the feature of `upsert-runtime` for it: `postgres`, `mysql` (MariaDB too) or `sqlite`"
)]
#[expect(unnameable_types, reason = "users name `Backend`")]
pub trait Supported: Database + sealed::Sealed {
    /// What is known of it: not this trait's own items, which would meet those of traits that build on it.
    #[doc(hidden)]
    type Driver: Driver<Self>;
}

/// All that is known of a database: what it can do, its texts, its codec, its error codes, and how it is spoken to.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait Driver<DB: Database>: Dialect + Codec<DB> + Classify + Wire<DB> {}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
}

/// Does something for each database whose feature is on: `for_each_database!(calls)` writes `calls!(sqlx::Postgres);` and so on.
macro_rules! for_each_database {
    ($macro:ident) => {
        #[cfg(feature = "postgres")]
        $macro!(sqlx::Postgres);
        #[cfg(feature = "mysql")]
        $macro!(sqlx::MySql);
        #[cfg(feature = "sqlite")]
        $macro!(sqlx::Sqlite);
    };
}
pub(crate) use for_each_database;
