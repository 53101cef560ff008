//! What is told of rows: to `each`, and in the report's changes.

use crate::model::LockedUpsert;
use crate::upsert::Outcome;

use super::Options;
use super::report::{Report, RowChange};

/// A row of which something is still to be told.
pub(super) struct Kept<M> {
    pub(super) index: u64,
    /// `None` for a row that was deleted.
    pub(super) outcome: Option<Outcome>,
    pub(super) before: Option<M>,
    pub(super) after: Option<M>,
}

impl<M: LockedUpsert> Kept<M> {
    pub(super) fn lend(&self, options: &mut Options<'_, M>) {
        if let (Some(each), Some(row), Some(outcome)) =
            (&mut options.each, &self.after, &self.outcome)
        {
            each(self.index, row, outcome);
        }
    }
}

/// An import that is done, but perhaps not committed.
pub(crate) struct Finished<M> {
    /// Whether it is to be committed.
    pub(super) stays: bool,
    pub(super) report: Report<M>,
    pub(super) kept: Vec<Kept<M>>,
}

impl<M: LockedUpsert> Finished<M> {
    /// Tells what was to be told after the commit.
    pub(crate) fn tell(mut self, options: &mut Options<'_, M>) -> Report<M> {
        for kept in self.kept {
            if options.is_one_transaction && self.stays {
                kept.lend(options);
            }
            let (changed, matched_by) = match kept.outcome {
                Some(Outcome::Unchanged { .. }) => continue,
                Some(Outcome::Updated {
                    matched_by,
                    changed,
                }) => (changed, Some(matched_by)),
                Some(Outcome::Created) | None => (Vec::new(), None),
            };
            if options.changes {
                self.report.changes.push(RowChange {
                    before: kept.before,
                    after: kept.after,
                    changed,
                    matched_by,
                });
            }
        }
        self.report
    }
}
