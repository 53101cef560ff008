//! What a model declares on who may overwrite what.

use crate::value::Value;

/// What becomes of a record that finds a row which is marked as deleted ([`#[upsert(deleted)]`](crate::LockedUpsert)).
///
/// It matters whether the unique indexes leave marked rows out (a partial index `WHERE deleted_at IS NULL`, on PostgreSQL and
/// SQLite): else a marked row keeps its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDeleted {
    /// Such a row is not there: the record creates another one. Where a unique index has marked rows in it, that is an
    /// [`Error::Conflict`](crate::Error::Conflict) which says so.
    #[default]
    Ignore,
    /// The row is taken, and comes back to life: the mark goes, the updating data are written, and the field is among those that
    /// changed. Each look-up asks for rows that are not marked first, and of several that are for the one that was marked last,
    /// before the next look-up is asked.
    Revive,
    /// The record fails with [`Error::Deleted`](crate::Error::Deleted). Rows are looked for as with `Revive`.
    Refuse,
}

/// The rules that a model declares.
#[derive(Debug)]
pub struct Rules {
    /// Unique keys that are no look-ups.
    pub uniques: &'static [UniqueKey],
    /// Columns that creating data leave alone in which they have no value.
    pub keep_none: &'static [usize],
    /// Columns that are written along, and are never the reason for a write.
    pub uncompared: &'static [usize],
    /// The column that tells which version is the newer one.
    pub newer: Option<usize>,
    /// How rows are marked as deleted.
    pub deleted: Option<Deleted>,
}

impl Rules {
    /// A model that declares none.
    pub const NONE: Self = Self {
        uniques: &[],
        keep_none: &[],
        uncompared: &[],
        newer: None,
        deleted: None,
    };
}

/// A unique key by which no record is found.
#[derive(Debug)]
pub struct UniqueKey {
    /// The field's name; for several `(site_id, position)`.
    pub name: &'static str,
    /// The places of its columns.
    pub columns: &'static [usize],
}

/// How rows are marked as deleted.
#[derive(Debug)]
pub struct Deleted {
    /// The place of the column.
    pub column: usize,
    /// The texts for PostgreSQL.
    pub postgres: DeletedSql,
    /// The texts for MySQL and MariaDB.
    pub mysql: DeletedSql,
    /// The texts for SQLite.
    pub sqlite: DeletedSql,
}

/// The texts of one dialect about rows that are marked.
#[derive(Debug)]
pub struct DeletedSql {
    /// ` AND "deleted_at" IS NULL`
    pub live: &'static str,
    /// ` AND "deleted_at" IS NOT NULL`
    pub marked: &'static str,
    /// ` ORDER BY "deleted_at" DESC, "id" DESC LIMIT 1`: of several, the one that was marked last.
    pub last: &'static str,
    /// `"deleted_at" = clock_timestamp()`
    pub mark: &'static str,
    /// `"deleted_at" = NULL`
    pub restore: &'static str,
}

/// Whether one value is less than another one; what cannot be compared is not.
///
/// Both are of the type `T`, as the model's own code has made them.
#[must_use]
pub fn is_less<T: PartialOrd + 'static>(one: &Value, other: &Value) -> bool {
    let pair = (one.downcast_ref::<T>(), other.downcast_ref::<T>());
    matches!(pair, (Some(one), Some(other)) if one < other)
}
