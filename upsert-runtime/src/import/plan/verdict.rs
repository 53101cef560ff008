//! What the rules say of a record and a row that it may be.

use std::collections::HashMap;

/// What the rules say of a record and a row that it may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// What differs is written. For each key column, whether the row gets the record's value; empty where that follows from the
    /// values alone.
    Write { follows: Box<[bool]> },
    /// The row stays as it is.
    Leave(Left),
}

/// Why a record leaves its row as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// The caller protects the row.
    Protected,
    /// The row is newer.
    Stale,
    /// Only new records are to be written.
    Skipped,
    /// The row is marked as deleted, and that is an error.
    Deleted,
    /// This column of the model would get another key than the record's or the row's.
    KeyAltered(usize),
}

impl Left {
    /// Whether the record fails by it.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Deleted | Self::KeyAltered(_))
    }
}

impl Verdict {
    /// What is said of most records.
    pub(crate) fn write() -> Self {
        Self::Write {
            follows: Box::default(),
        }
    }
}

/// The verdicts on records and rows; what is not there is [`Verdict::write`].
#[derive(Default)]
pub(crate) struct Verdicts(HashMap<(u32, u32), Verdict>);

impl Verdicts {
    /// Notes a verdict. Says whether it is news.
    pub(crate) fn note(&mut self, record: u32, row: u32, verdict: Verdict) -> bool {
        if verdict == Verdict::write() {
            self.0.remove(&(record, row)).is_some()
        } else {
            self.0.insert((record, row), verdict.clone()) != Some(verdict)
        }
    }

    /// Why the row stays as it is, if it does.
    pub(crate) fn left(&self, record: u32, row: u32) -> Option<Left> {
        match self.0.get(&(record, row)) {
            Some(Verdict::Leave(left)) => Some(*left),
            _ => None,
        }
    }

    /// For each key column, whether the row gets the record's value; empty where that follows from the values alone.
    pub(crate) fn follows(&self, record: u32, row: u32) -> &[bool] {
        match self.0.get(&(record, row)) {
            Some(Verdict::Write { follows }) => follows,
            _ => &[],
        }
    }
}
