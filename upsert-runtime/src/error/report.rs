//! What an import did.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::mem;

use super::Error;
use crate::outcome::Outcome;
use crate::value::Row;

/// What an import did with its records: `created`, `updated`, `unchanged`, `protected`, `stale`, `skipped`, `superseded` and `failed` add
/// up to `records`.
///
/// `Display` prints a summary for people, with names and numbers only:
///
/// ```text
/// 1906 records: 12 created, 31 updated, 1861 unchanged, 1 superseded, 1 failed
/// changed: name 30, slug 2
/// record 17 failed: `Taxonomy`: look-up by `slug`: another row holds a unique key
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Report<M = ()> {
    /// How many items the source gave.
    pub records: u64,
    /// Rows created.
    pub created: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows that were as their record says; nothing was written.
    pub unchanged: u64,
    /// Records whose row was to be left alone: [`protect`](crate::Import::protect).
    pub protected: u64,
    /// Records that are older than their row, by its `#[upsert(newer)]` column.
    pub stale: u64,
    /// Records that were not to be written: [`only`](crate::Import::only).
    pub skipped: u64,
    /// Records that are not the last to say what they say: another record is this one.
    pub superseded: u64,
    /// Records that failed, by their index.
    pub failed: Vec<Failure>,
    /// Rows that no record is; 0 with [`Missing::Keep`](crate::Missing::Keep), which looks for none.
    pub missing: u64,
    /// How many of the missing ones were deleted, or marked as deleted.
    pub deleted: u64,
    /// Whether the import came to its end; `false` where [`stop_on`](crate::Import::stop_on) or an error stopped it.
    pub complete: bool,
    /// Rows of the table that cannot be read, so that nobody knows whether they are in the scope: they stay. Empty with
    /// [`Missing::Keep`](crate::Missing::Keep), which looks for none.
    pub unreadable: Vec<Unreadable>,
    /// For each field that was updated, in how many rows.
    pub changed: BTreeMap<&'static str, u64>,
    /// Each row that was touched; empty unless asked for with [`changes`](crate::Import::changes).
    pub changes: Vec<RowChange<M>>,
}

/// A record that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Its place in the source, from 0.
    pub index: u64,
    /// Why it failed.
    pub error: Error,
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "record {} failed: {}", self.index, self.error)
    }
}

/// A stored row that cannot be read as its model: a column holds what its field's type cannot.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its id, as the database writes it.
    pub id: Option<String>,
    /// Why it cannot be read; it names the column.
    pub error: Error,
}

/// A row that an import touched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowChange<M> {
    /// The row before; `None` if it was created.
    pub before: Option<M>,
    /// The row as the database stored it; `None` if it was deleted.
    pub after: Option<M>,
    /// The names of the fields that were updated, in the struct's order.
    pub changed: Vec<&'static str>,
    /// The look-up that found the row; `None` if it was created or deleted.
    pub matched_by: Option<&'static str>,
}

impl RowChange<Row> {
    fn typed<M: 'static>(self) -> RowChange<M> {
        RowChange {
            before: self.before.map(Row::into_inner),
            after: self.after.map(Row::into_inner),
            changed: self.changed,
            matched_by: self.matched_by,
        }
    }
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Records of which it is known what became of them: the sum of those below.
    pub records: u64,
    /// Rows created.
    pub created: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows that were as their record says.
    pub unchanged: u64,
    /// Records whose row was to be left alone.
    pub protected: u64,
    /// Records that are older than their row.
    pub stale: u64,
    /// Records that were not to be written.
    pub skipped: u64,
    /// Records that another record is.
    pub superseded: u64,
    /// Records that failed.
    pub failed: u64,
}

impl<M> Report<M> {
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            records: self.records,
            created: self.created,
            updated: self.updated,
            unchanged: self.unchanged,
            protected: self.protected,
            stale: self.stale,
            skipped: self.skipped,
            superseded: self.superseded,
            failed: self.failed.len() as u64,
        }
    }

    pub(crate) fn count(&mut self, outcome: &Outcome) {
        self.records += 1;
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Unchanged { .. } => self.unchanged += 1,
            Outcome::Protected { .. } => self.protected += 1,
            Outcome::Stale { .. } => self.stale += 1,
            Outcome::Skipped { .. } => self.skipped += 1,
            Outcome::Updated { changed, .. } => {
                self.updated += 1;
                for field in changed {
                    *self.changed.entry(field).or_default() += 1;
                }
            }
        }
    }

    /// The same without rows, for an error, which has no type parameter.
    pub(crate) fn without_changes(self) -> Report {
        self.with(Vec::new())
    }

    fn with<N>(self, changes: Vec<RowChange<N>>) -> Report<N> {
        Report {
            records: self.records,
            created: self.created,
            updated: self.updated,
            unchanged: self.unchanged,
            protected: self.protected,
            stale: self.stale,
            skipped: self.skipped,
            superseded: self.superseded,
            failed: self.failed,
            missing: self.missing,
            deleted: self.deleted,
            complete: self.complete,
            unreadable: self.unreadable,
            changed: self.changed,
            changes,
        }
    }
}

impl Report<Row> {
    /// The same with the rows in their type.
    pub(crate) fn typed<M: 'static>(mut self) -> Report<M> {
        let mut changes = Vec::with_capacity(self.changes.len());
        for change in mem::take(&mut self.changes) {
            changes.push(change.typed());
        }
        self.with(changes)
    }
}

impl<M> Default for Report<M> {
    fn default() -> Self {
        Self {
            records: 0,
            created: 0,
            updated: 0,
            unchanged: 0,
            protected: 0,
            stale: 0,
            skipped: 0,
            superseded: 0,
            failed: Vec::new(),
            missing: 0,
            deleted: 0,
            complete: false,
            unreadable: Vec::new(),
            changed: BTreeMap::new(),
            changes: Vec::new(),
        }
    }
}

impl<M> Display for Report<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // A summary is read; what is more is in `failed`.
        const MOST_FAILURES: usize = 10;
        write!(
            f,
            "{} records: {} created, {} updated, {} unchanged",
            self.records, self.created, self.updated, self.unchanged
        )?;
        // Few imports have such.
        let rules = [
            (self.protected, "protected"),
            (self.stale, "stale"),
            (self.skipped, "skipped"),
        ];
        for (records, what) in rules.iter().filter(|(records, _)| *records > 0) {
            write!(f, ", {records} {what}")?;
        }
        let failed = self.failed.len();
        write!(f, ", {} superseded, {failed} failed", self.superseded)?;
        if self.missing > 0 {
            write!(
                f,
                "; {} rows missing, {} deleted",
                self.missing, self.deleted
            )?;
        }
        match self.unreadable.len() {
            0 => {}
            1 => f.write_str("; 1 row that cannot be read stays")?,
            rows => write!(f, "; {rows} rows that cannot be read stay")?,
        }
        for (place, (field, times)) in self.changed.iter().enumerate() {
            let before = if place > 0 { ", " } else { "\nchanged: " };
            write!(f, "{before}{field} {times}")?;
        }
        for failure in self.failed.iter().take(MOST_FAILURES) {
            write!(f, "\n{failure}")?;
        }
        match self.failed.len().saturating_sub(MOST_FAILURES) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
