//! The books of an import: what is counted, what is told now, and what is kept to be told later.

use crate::error::{Error, Failure, Operation, Report, Step, Unreadable};
use crate::import::batch::Settled;
use crate::import::notify::{Finished, Kept};
use crate::import::options::{OnProgress, OnRow};
use crate::outcome::Outcome;
use crate::value::Row;

/// What a caller wants to hear.
#[derive(Clone, Copy)]
pub(super) struct Wishes {
    /// Whether the report tells each row that was touched.
    pub(super) changes: bool,
    /// Whether nothing is committed before the end.
    pub(super) is_one_transaction: bool,
    /// Whether a record that fails ends the import.
    pub(super) aborts: bool,
    /// How many records may fail.
    pub(super) max_failed: Option<u64>,
}

/// Counts what becomes of records and rows, and tells those who want to hear of it.
pub(super) struct Ledger<'t> {
    model: &'static str,
    report: Report<Row>,
    /// Rows of which something is told in the end.
    kept: Vec<Kept>,
    each: Option<&'t mut OnRow<'t>>,
    progress: Option<&'t mut OnProgress<'t>>,
    wishes: Wishes,
}

impl<'t> Ledger<'t> {
    /// A ledger without entries, of an import of this model.
    pub(super) fn new(
        model: &'static str,
        each: Option<&'t mut OnRow<'_>>,
        progress: Option<&'t mut OnProgress<'_>>,
        wishes: Wishes,
    ) -> Self {
        Self {
            model,
            report: Report::default(),
            kept: Vec::new(),
            each: match each {
                Some(each) => Some(each),
                None => None,
            },
            progress: match progress {
                Some(progress) => Some(progress),
                None => None,
            },
            wishes,
        }
    }

    /// Whether somebody wants to see rows as they are stored.
    pub(super) fn wants_rows(&self) -> bool {
        self.wishes.changes || self.each.is_some()
    }

    /// Whether a record has failed.
    pub(super) fn has_failures(&self) -> bool {
        !self.report.failed.is_empty()
    }

    /// Notes how many rows no record is.
    pub(super) fn miss(&mut self, rows: u64) {
        self.report.missing = rows;
    }

    /// Notes a row that cannot be read.
    pub(super) fn note_unreadable(&mut self, row: Unreadable) {
        self.report.unreadable.push(row);
    }

    /// Counts a record that was written or found unchanged. Lends its row to `each` if it is committed, and keeps what is told
    /// later.
    pub(super) fn settle(&mut self, settled: Settled) {
        self.report.count(&settled.outcome);
        let kept = Kept {
            index: u64::from(settled.record),
            outcome: Some(settled.outcome),
            // `each` is not shown it.
            before: settled.before.filter(|_| self.wishes.changes),
            after: settled.after,
        };
        let is_committed = !self.wishes.is_one_transaction;
        if is_committed {
            kept.lend(self.each.as_deref_mut());
        }
        let is_touched = kept.outcome.as_ref().is_some_and(Outcome::is_written);
        let waits_for_commit = self.each.is_some() && !is_committed;
        if waits_for_commit || (self.wishes.changes && is_touched) {
            self.kept.push(kept);
        }
    }

    /// Counts a row that was deleted.
    pub(super) fn delete(&mut self, row: Row) {
        self.report.deleted += 1;
        if self.wishes.changes {
            self.kept.push(Kept::deleted(row));
        }
    }

    /// Notes that the import came to its end.
    pub(super) fn complete(&mut self) {
        self.report.complete = true;
    }

    /// Counts a record that has no row, and was not to get one.
    pub(super) fn skip(&mut self) {
        self.report.count(&Outcome::Skipped { matched_by: None });
    }

    /// Counts a record that another one is.
    pub(super) fn supersede(&mut self) {
        self.report.records += 1;
        self.report.superseded += 1;
    }

    /// Counts a record as failed, which may end the import.
    pub(super) fn fail(&mut self, record: u32, error: Error) -> Result<(), Error> {
        let failure = Failure {
            index: u64::from(record),
            error,
        };
        if self.wishes.aborts {
            return Err(Error::Aborted {
                failure: Box::new(failure),
            });
        }
        let failed = self.report.failed.len() as u64;
        if self.wishes.max_failed.is_some_and(|most| failed >= most) {
            let unknown = || Step::new(Some(self.model), Operation::LookUpMany);
            return Err(Error::TooManyFailed {
                at: failure.error.step().unwrap_or_else(unknown),
                failed: failed + 1,
                last: Box::new(failure),
            });
        }
        self.report.records += 1;
        self.report.failed.push(failure);
        Ok(())
    }

    /// Tells how far the import has come.
    pub(super) fn tell_progress(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress(&self.report.progress());
        }
    }

    /// Closes it: the report, and what is told of rows once they are committed.
    pub(super) fn finish(mut self, stays: bool) -> Finished {
        self.kept.sort_by_key(|kept| kept.index);
        self.report.failed.sort_by_key(|failure| failure.index);
        Finished {
            stays,
            report: self.report,
            kept: self.kept,
        }
    }
}
