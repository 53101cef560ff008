//! What an upsert gives: a row, or none where it is to create none.

use crate::outcome::Upserted;
use crate::value::Row;

/// Whether a run of an [`Upsert`](crate::Upsert) gives a row each time: a type parameter, so that who creates rows need not ask.
///
/// Sealed.
pub trait RowOrNone: sealed::Sealed {
    /// What it gives: [`Upserted`], or an `Option` of it.
    type Of<M: Send + 'static>: Send;

    #[doc(hidden)]
    fn typed<M: Send + 'static>(done: Option<Upserted<Row>>) -> Self::Of<M>;
}

/// A row is created where none is found.
#[derive(Debug)]
pub struct OrCreate;

impl RowOrNone for OrCreate {
    type Of<M: Send + 'static> = Upserted<M>;

    fn typed<M: Send + 'static>(done: Option<Upserted<Row>>) -> Upserted<M> {
        const MADE: &str = "without `update_only` there is a row in the end";
        done.expect(MADE).typed()
    }
}

/// No row is created: made by [`Upsert::update_only`](crate::Upsert::update_only).
#[derive(Debug)]
pub struct UpdateOnly;

impl RowOrNone for UpdateOnly {
    type Of<M: Send + 'static> = Option<Upserted<M>>;

    fn typed<M: Send + 'static>(done: Option<Upserted<Row>>) -> Option<Upserted<M>> {
        done.map(Upserted::typed)
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
    impl Sealed for super::OrCreate {}
    impl Sealed for super::UpdateOnly {}
}
