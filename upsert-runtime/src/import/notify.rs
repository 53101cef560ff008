//! What is told of rows: to `each`, and in the report's changes.

use crate::error::{Report, RowChange};
use crate::outcome::Outcome;
use crate::value::Row;

use super::options::{OnRow, Options};

/// A row of which something is still to be told.
pub(super) struct Kept {
    /// The index of the row's record; the largest there is for a row that was deleted.
    pub(super) index: u64,
    /// `None` for a row that was deleted.
    pub(super) outcome: Option<Outcome>,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
}

impl Kept {
    /// A row that was deleted.
    pub(super) fn deleted(row: Row) -> Self {
        Self {
            index: u64::MAX,
            outcome: None,
            before: Some(row),
            after: None,
        }
    }

    /// Shows a stored row to `each`, which is called for it once.
    pub(super) fn lend(&self, each: Option<&mut OnRow<'_>>) {
        if let (Some(each), Some(row), Some(outcome)) = (each, &self.after, &self.outcome) {
            each(self.index, row, outcome);
        }
    }

    /// The row's entry in the report; `None` for a row that was not touched.
    fn into_change(self) -> Option<RowChange<Row>> {
        let (changed, matched_by) = match self.outcome {
            Some(Outcome::Updated {
                matched_by,
                changed,
            }) => (changed, Some(matched_by)),
            Some(Outcome::Created) | None => (Vec::new(), None),
            Some(_) => return None,
        };
        Some(RowChange {
            before: self.before,
            after: self.after,
            changed,
            matched_by,
        })
    }
}

/// An import that is done, but perhaps not committed.
pub(super) struct Finished {
    /// Whether it is to be committed.
    pub(super) stays: bool,
    pub(super) report: Report<Row>,
    pub(super) kept: Vec<Kept>,
}

impl Finished {
    /// Tells what was to be told after the commit.
    pub(super) fn tell(mut self, options: &mut Options<'_>) -> Report<Row> {
        for kept in self.kept {
            if options.is_one_transaction && self.stays {
                kept.lend(options.each.as_deref_mut());
            }
            if options.changes {
                self.report.changes.extend(kept.into_change());
            }
        }
        self.report
    }
}
