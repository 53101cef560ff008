//! A model of an import: what must become of every record and every row, by the rules alone.
//!
//! Every question is answered by a plain search over all rows and all records. The lists are short,
//! and code that reads like the rules is easier to trust than fast code.

mod contention;
mod identity;
mod rules;
mod settle;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;

use upsert_runtime::{OnDeleted, Only};

pub(super) use self::rules::Merge;
pub(super) use self::words::in_words;

/// A row as stored. `keys[l]` is the value of the model's look-up number `l` (each look-up is one
/// column); behind the look-ups come unique columns that are none. None is NULL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Row {
    pub id: i64,
    pub keys: Vec<Option<String>>,
    pub name: String,
    /// `keep_none`
    pub note: Option<String>,
    /// `newer`
    pub version: Option<i64>,
    /// `uncompared`
    pub seen: i64,
    /// What `protect` asks for.
    pub locked: bool,
    /// When the row was marked as deleted, if it was.
    pub marked: Option<u8>,
}

impl Row {
    /// When an import has marked a row that was not marked before: later than anything else.
    pub(super) const NOW: u8 = u8::MAX;
}

/// A record, keys after trimming; None is NULL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    pub keys: Vec<Option<String>>,
    pub name: String,
    pub note: Option<String>,
    pub version: Option<i64>,
    pub seen: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    NoUsableKey,
    Identity,
    Conflict,
    KeyAltered,
    Deleted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    Protected,
    Stale,
    Skipped,
    Superseded,
    Failed(Cause),
}

pub(super) struct Options {
    /// What the database compares instead of a key (case folded, trailing spaces cut); the identity
    /// where equality is by bytes.
    pub fold: fn(&str) -> String,
    /// `OnTakeover::Never`
    pub never: bool,
    /// For each look-up, whether it is declared `unclaimed`.
    pub unclaimed: Vec<bool>,
    /// None: `Missing::Keep`. Some(share): `Missing::Delete` or `Missing::Mark` with `max_share`.
    pub delete_missing: Option<f64>,
    pub rules: Rules,
}

/// Who may overwrite what. The default is a model and an import without such rules.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(super) struct Rules {
    /// How many of the keys are unique columns and no look-ups.
    pub uniques: usize,
    /// Whether the model has versions.
    pub newer: bool,
    /// None: all updatable columns of the creating data.
    pub merge: Option<Merge>,
    /// Whether locked rows are protected.
    pub protect: bool,
    pub only: Option<Only>,
    pub on_deleted: OnDeleted,
    /// Whether the unique indexes leave marked rows out.
    pub is_partial: bool,
    /// `Missing::Mark` in place of `Missing::Delete`.
    pub mark: bool,
    pub max_changed_share: Option<f64>,
    pub max_failed: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub outcomes: Vec<Outcome>,
    /// Sorted by id. Created rows have id 0 and come at the end, sorted.
    pub rows: Vec<Row>,
    pub missing: usize,
    /// Marked rows too.
    pub deleted: usize,
    /// For each field that was updated, in how many rows.
    pub changed: BTreeMap<&'static str, u64>,
}

/// Why an import is not carried out to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// More rows are missing than `max_share` allows, or there is no record. Nothing is written.
    Missing { count: usize, of: usize },
    /// More rows would be changed than `max_changed_share` allows. Nothing is written.
    Changed { count: usize, of: usize },
    /// More records fail than `max_failed` allows. Nothing is written if so many do before anybody
    /// could know of a conflict.
    Failed { is_planned: bool },
}

/// What an import does, or all reasons why it does not.
pub(super) fn expected(
    rows: &[Row],
    records: &[Record],
    options: &Options,
) -> Result<Expected, Vec<Stop>> {
    let plan = Plan::of(rows, records, options);
    let missing = plan.missing();
    // A record that names nothing may stand for any of the missing rows. So none of them may go.
    let is_complete = !plan.claims.contains(&FAILED_NO_KEY);
    let going = if is_complete { &missing[..] } else { &[] };
    let given_away = if plan.gives_keys_away() { going } else { &[] };
    let failed = plan.conflicts(given_away);
    let stops = plan.stops(&failed, is_complete.then_some(missing.len()));
    if stops.is_empty() {
        Ok(plan.settle(&failed, missing.len(), going))
    } else {
        Err(stops)
    }
}

/// One value for each look-up and unique column.
type Keys = [Option<String>];

/// What the plan has said of a record so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Undecided,
    /// It is `rows[row]`, which it found by the look-up `by`.
    Owner {
        row: usize,
        by: usize,
    },
    Creator,
    /// Another record is this one. `by` has the key that it lost; none is said of a record that
    /// comes twice.
    Superseded {
        by: Option<usize>,
    },
    /// It has no row, and may not create one. It claims nothing.
    Skipped,
    /// It writes nothing, and nothing is kept for it.
    Failed(Cause),
}

const FAILED_NO_KEY: Claim = Claim::Failed(Cause::NoUsableKey);

/// The import, with one claim for each record. The claims are final after the last look-up.
/// A record that fails with a conflict later, or by a rule, keeps its claim.
struct Plan<'a> {
    rows: &'a [Row],
    records: &'a [Record],
    options: &'a Options,
    claims: Vec<Claim>,
    /// For each record, whose columns it writes, keys apart: the newest of those that it is.
    data: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn of(rows: &'a [Row], records: &'a [Record], options: &'a Options) -> Self {
        let mut skipped = Vec::new();
        loop {
            let mut plan = Self {
                rows,
                records,
                options,
                claims: vec![Claim::Undecided; records.len()],
                data: (0..records.len()).collect(),
            };
            plan.identify(&skipped);
            let mut creators = plan.indices();
            creators.retain(|&index| plan.claims[index] == Claim::Creator);
            // Who lost a key to one that is skipped is judged without it.
            if options.rules.only == Some(Only::Update) && !creators.is_empty() {
                skipped.append(&mut creators);
                continue;
            }
            plan.compete();
            return plan;
        }
    }

    /// The row as the record leaves it, if it has one. A new row has id 0.
    fn leaves(&self, index: usize) -> Option<Row> {
        match self.claims[index] {
            // A row that a rule leaves alone is as it was.
            Claim::Owner { row, .. } => {
                let written = self.verdict(index, row);
                Some(written.unwrap_or_else(|_| self.rows[row].clone()))
            }
            Claim::Creator => {
                let Record {
                    keys,
                    name,
                    note,
                    version,
                    seen,
                } = self.told(index);
                Some(Row {
                    keys,
                    name,
                    note,
                    version,
                    seen,
                    ..Row::default()
                })
            }
            _ => None,
        }
    }

    /// Whether the record will leave this key in its row.
    fn wants(&self, index: usize, keys: &Keys, key: usize) -> bool {
        self.leaves(index)
            .is_some_and(|new| self.agree(&new.keys, keys, key))
    }

    /// Whether the row has this key now.
    fn holds(&self, row: usize, keys: &Keys, key: usize) -> bool {
        self.agree(&self.rows[row].keys, keys, key)
    }

    /// Whether a unique column would refuse the two values side by side. NULL never collides.
    fn agree(&self, a: &Keys, b: &Keys, key: usize) -> bool {
        match (&a[key], &b[key]) {
            (Some(a), Some(b)) => self.same(a, b),
            _ => false,
        }
    }

    fn same(&self, a: &str, b: &str) -> bool {
        (self.options.fold)(a) == (self.options.fold)(b)
    }

    fn owner_of(&self, row: usize) -> Option<usize> {
        self.indices().into_iter().find(
            |&index| matches!(self.claims[index], Claim::Owner { row: owned, .. } if owned == row),
        )
    }

    /// Whether the row is to be left alone.
    fn is_protected(&self, row: &Row) -> bool {
        self.options.rules.protect && row.locked
    }

    fn indices(&self) -> Vec<usize> {
        (0..self.records.len()).collect()
    }

    fn row_indices(&self) -> Range<usize> {
        0..self.rows.len()
    }

    fn lookups(&self) -> Range<usize> {
        0..self.options.unclaimed.len()
    }

    /// All that is unique: the look-ups, and what is none.
    fn uniques(&self) -> Range<usize> {
        0..self.options.unclaimed.len() + self.options.rules.uniques
    }
}

/// The key, if it identifies something. A blank one does not.
fn usable(keys: &Keys, lookup: usize) -> Option<&str> {
    let key = keys.get(lookup)?.as_deref()?;
    (!key.trim().is_empty()).then_some(key)
}

fn has_earlier(keys: &Keys, lookup: usize) -> bool {
    (0..lookup).any(|l| usable(keys, l).is_some())
}
