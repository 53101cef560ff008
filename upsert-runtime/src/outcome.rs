//! What became of a record.

use crate::value::Row;

/// What an upsert did, and the row as it is stored now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upserted<M> {
    /// The row as the database stored it, with defaults and what triggers made of it; on PostgreSQL without what an AFTER
    /// trigger changes, which `RETURNING` does not show.
    pub row: M,
    /// Whether it was created, updated or left as it was.
    pub outcome: Outcome,
}

impl<M> Upserted<M> {
    /// The row, and whether it was created: what Django's `update_or_create` returns.
    #[must_use]
    pub fn into_pair(self) -> (M, bool) {
        (self.row, self.outcome == Outcome::Created)
    }
}

/// What an upsert did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// No look-up found a row, and one was created.
    Created,
    /// A row was found, and what differed was written.
    Updated {
        /// The look-up that found it: the field's name, for a composite key `(site_id, slug)`.
        matched_by: &'static str,
        /// The names of the fields that were written, in the struct's order; `touch` columns are not among them.
        changed: Vec<&'static str>,
    },
    /// A row was found, and nothing differed: nothing was written.
    Unchanged {
        /// The look-up that found it.
        matched_by: &'static str,
    },
    /// A row was found that is to be left alone: `protect` said so. Nothing was written.
    Protected {
        /// The look-up that found it.
        matched_by: &'static str,
    },
    /// A row was found that is newer than the record, by its `#[upsert(newer)]` column. Nothing was written.
    Stale {
        /// The look-up that found it.
        matched_by: &'static str,
    },
    /// An import was to create or to update only ([`Import::only`](crate::Import::only)), and this record is the other kind.
    /// Nothing was written.
    Skipped {
        /// The look-up that found the row; `None` where there is none.
        matched_by: Option<&'static str>,
    },
}

impl Outcome {
    /// Whether the row was written.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self, Self::Created | Self::Updated { .. })
    }

    /// What it is called in a log, and the look-up that found the row.
    pub(crate) fn named(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Created => ("created", None),
            Self::Updated { matched_by, .. } => ("updated", Some(matched_by)),
            Self::Unchanged { matched_by } => ("unchanged", Some(matched_by)),
            Self::Protected { matched_by } => ("protected", Some(matched_by)),
            Self::Stale { matched_by } => ("stale", Some(matched_by)),
            Self::Skipped { matched_by } => ("skipped", *matched_by),
        }
    }
}

impl Upserted<Row> {
    /// The same with the row in its type.
    pub(crate) fn typed<M: 'static>(self) -> Upserted<M> {
        Upserted {
            row: self.row.into_inner(),
            outcome: self.outcome,
        }
    }
}
