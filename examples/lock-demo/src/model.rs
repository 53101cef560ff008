//! The row that all callers want.

use upsert_runtime::LockedUpsert;

/// A row of the table `lock_demo`, which this program makes and drops.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
#[upsert(table = "lock_demo")]
pub(crate) struct Taxonomy {
    #[upsert(id)]
    pub(crate) id: i64,
    pub(crate) slug: String,
    pub(crate) uses: i64,
}
