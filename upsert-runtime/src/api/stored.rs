//! What a database needs of a model.

use crate::calls::Backend;
use crate::contract::fields;
use crate::locking::Locking;
use crate::mapping::{Codecs, Mapping, Target};

use super::LockedUpsert;

/// What the database `DB` needs of a model: reading a row and binding its columns.
///
/// The derive implements it for every database on which each field is a [`Column`](crate::Column). Name it in the bounds
/// of code that is generic over the database:
///
/// ```
/// # use upsert_runtime::{Backend, Error, LockedUpsert, Stored};
/// async fn save<DB: Backend, M: Stored<DB>>(pool: &sqlx::Pool<DB>, new: M::New) -> Result<M, Error> {
///     Ok(M::upsert(new).run(pool).await?.row)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in `{DB}`",
    label = "a column of `{Self}` has a type that `{DB}` does not know, or `{Self}` is not a model"
)]
pub trait Stored<DB: Backend>: LockedUpsert {
    /// The codec of each column, in the model's order.
    #[doc(hidden)]
    const CODECS: Codecs<DB>;
}

/// The model's rows on this database, for what knows models as data, and how they are locked.
pub(crate) fn target<DB: Backend, M: Stored<DB>>(locking: Locking) -> Target<DB> {
    Target {
        mapping: mapping::<DB, M>(),
        locking,
    }
}

/// The model on this database, for what knows models as data.
pub(crate) fn mapping<DB: Backend, M: Stored<DB>>() -> Mapping<DB> {
    Mapping::new(M::MODEL, const { &fields::<M>() }, M::CODECS)
}
