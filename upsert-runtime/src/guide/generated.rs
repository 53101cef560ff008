//! An example model, and a page for each type that the derive makes of it.
//!
//! This module exists in the documentation only. It shows what `#[derive(LockedUpsert)]` makes of [`Taxonomy`]:
//!
//! | type | what it is |
//! | --- | --- |
//! | [`NewTaxonomy`] | creating data: a public field for each column that a program writes |
//! | [`TaxonomyChanges`] | updating data: a setter for each column that may be updated |
//! | [`LockedTaxonomy`] | a row that is locked in a transaction: a `set_…` and an `update_…` method for each such column |
//! | [`TaxonomyLock`] | what `Taxonomy::lock()` returns: `by_…` and `many_by_…` for the id and for each look-up, and `find` |
//! | [`TaxonomyModify`] | what `Taxonomy::modify()` returns: `by_…` and `try_by_…` for the id and for each look-up |
//!
//! `upsert`, `lock`, `modify` and `import` are methods of the trait, [`LockedUpsert`].
//!
//! The model is written so:
//!
//! ```
//! # use sqlx::types::chrono::{DateTime, Utc};
//! # type Timestamp = DateTime<Utc>;
//! use upsert_runtime::LockedUpsert;
//!
//! #[derive(Debug, Clone, PartialEq, LockedUpsert)]
//! #[lookup(remote_id, slug)]
//! pub struct Taxonomy {
//!     #[upsert(id)]
//!     pub id: i64,
//!     #[upsert(trim)]
//!     pub remote_id: Option<String>,
//!     pub slug: String,
//!     pub name: String,
//!     #[upsert(create_only)]
//!     pub source: String,
//!     #[upsert(readonly)]
//!     pub created_at: Timestamp,
//!     #[upsert(touch)]
//!     pub updated_at: Timestamp,
//! }
//! ```

use crate::LockedUpsert;

/// A model, as a program would write it.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
#[upsert(crate = crate)]
pub struct Taxonomy {
    /// The primary key, made by the database.
    #[upsert(id)]
    pub id: i64,
    /// The key of the source, which may be missing. It is trimmed before it is looked up or stored.
    #[upsert(trim)]
    pub remote_id: Option<String>,
    /// The second key.
    pub slug: String,
    /// A column that is written on create and on update.
    pub name: String,
    /// Written on create, never on update.
    #[upsert(create_only)]
    pub source: String,
    /// A default of the database: read, never written.
    #[upsert(readonly)]
    pub created_at: Timestamp,
    /// Set by the database's clock on create and on every real change.
    #[upsert(touch)]
    pub updated_at: Timestamp,
}

/// Stands for a type of sqlx's that is behind a feature, such as `chrono`'s `DateTime<Utc>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Timestamp;
