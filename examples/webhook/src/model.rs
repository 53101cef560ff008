//! The row, and the JSON that becomes one.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use upsert_runtime::LockedUpsert;

/// A row of the table `taxonomy`.
///
/// Names that nobody knows are refused: a misspelt one would be no change at all, in silence.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow, LockedUpsert)]
#[lookup(remote_id, slug(unclaimed))]
#[upsert(
    new(derive(serde::Deserialize), serde(deny_unknown_fields)),
    changes(derive(serde::Deserialize), serde(deny_unknown_fields))
)]
pub struct Taxonomy {
    id: i64,
    #[upsert(trim)]
    remote_id: Option<String>,
    #[upsert(trim)]
    slug: String,
    name: String,
    description: Option<String>,
    /// The source counts it up with each change: what is less than the stored one comes too late.
    #[upsert(newer)]
    pub(crate) version: i64,
}

/// The one member of a PATCH that the server itself must read: updating data do not show what they set.
#[derive(Deserialize)]
pub(crate) struct Versioned {
    pub(crate) version: i64,
}
