//! What a record may write to the row that it has found.

use upsert_runtime::{OnDeleted, Only};

use super::{Cause, Outcome, Plan, Record, Row, usable};

/// The closures that make updating data in the property test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// A slug that is stored stays in rows with this name.
    KeepSlug(&'static str),
    KeepPosition,
    /// Only the name is written: no key, and no version to be judged by.
    NameOnly,
    /// All keys are set to the record's, blank ones too.
    Follow,
    /// Rows with this name get a slug that is neither theirs nor the record's.
    AlterSlug(&'static str),
    /// They get such a position.
    AlterPosition(&'static str),
}

impl Merge {
    pub(crate) const OTHER_SLUG: &'static str = "altered";
    pub(crate) const OTHER_POSITION: i64 = 99;
}

/// The places of the keys that a merge names.
const SLUG: usize = 1;
const POSITION: usize = 3;

/// What an update does to a column.
#[derive(Clone)]
enum Write<T> {
    Keep,
    Set(T),
}

impl<T: Clone + PartialEq> Write<T> {
    fn applied_to(&self, stored: &T) -> T {
        match self {
            Self::Keep => stored.clone(),
            Self::Set(value) => value.clone(),
        }
    }
}

/// Updating data.
struct Changes {
    keys: Vec<Write<Option<String>>>,
    name: Write<String>,
    note: Write<Option<String>>,
    version: Write<Option<i64>>,
    seen: Write<i64>,
}

impl Changes {
    /// What the creating data say by themselves. A blank key says nothing about the row, so the row keeps what it
    /// has; a unique column that is no look-up is as any other column.
    fn of(record: &Record, lookups: usize) -> Self {
        let keys = record.keys.iter().enumerate();
        let key = |(place, key): (usize, &Option<String>)| {
            if place < lookups && usable(&record.keys, place).is_none() {
                Write::Keep
            } else {
                Write::Set(key.clone())
            }
        };
        Self {
            keys: keys.map(key).collect(),
            name: Write::Set(record.name.clone()),
            note: match &record.note {
                None => Write::Keep,
                Some(note) => Write::Set(Some(note.clone())),
            },
            version: Write::Set(record.version),
            seen: Write::Set(record.seen),
        }
    }

    fn merged(mut self, merge: Merge, stored: &Row, record: &Record) -> Self {
        let set = |key: &str| Write::Set(Some(key.to_owned()));
        match merge {
            Merge::KeepSlug(name) if stored.name == name => {
                self.keys[SLUG] = Write::Set(stored.keys[SLUG].clone());
            }
            Merge::KeepPosition => {
                self.keys[POSITION] = Write::Set(stored.keys[POSITION].clone());
            }
            Merge::NameOnly => {
                return Self {
                    keys: vec![Write::Keep; stored.keys.len()],
                    note: Write::Keep,
                    version: Write::Keep,
                    seen: Write::Keep,
                    ..self
                };
            }
            Merge::Follow => self.keys = record.keys.iter().cloned().map(Write::Set).collect(),
            Merge::AlterSlug(name) if stored.name == name => {
                self.keys[SLUG] = set(Merge::OTHER_SLUG);
            }
            Merge::AlterPosition(name) if stored.name == name => {
                self.keys[POSITION] = set(&Merge::OTHER_POSITION.to_string());
            }
            _ => {}
        }
        self
    }

    /// Whether a key is set to what is neither the row's nor the record's.
    fn alter_a_key(&self, stored: &Row, record: &Record) -> bool {
        let known = stored.keys.iter().zip(&record.keys);
        self.keys.iter().zip(known).any(|(key, (row, record))| {
            matches!(key, Write::Set(value) if value != row && value != record)
        })
    }

    fn are_older_than(&self, stored: &Row) -> bool {
        matches!(self.version, Write::Set(version) if version < stored.version)
    }

    /// The row with the changes. What is uncompared is no reason to write.
    fn applied_to(&self, stored: &Row) -> Row {
        let keys = self.keys.iter().zip(&stored.keys);
        let row = Row {
            keys: keys.map(|(key, stored)| key.applied_to(stored)).collect(),
            name: self.name.applied_to(&stored.name),
            note: self.note.applied_to(&stored.note),
            version: self.version.applied_to(&stored.version),
            marked: None,
            ..stored.clone()
        };
        if row == *stored {
            return row;
        }
        Row {
            seen: self.seen.applied_to(&stored.seen),
            ..row
        }
    }
}

impl Plan<'_> {
    /// The row as its record writes it, or what becomes of the record that leaves it alone.
    pub(super) fn verdict(&self, index: usize, row: usize) -> Result<Row, Outcome> {
        let stored = &self.rows[row];
        let mut record = self.told(index);
        // The keys are settled by what their record says itself. If that is stale the row keeps its keys, also
        // where another record gives newer data.
        if self.judged(stored, &self.records[index]) == Err(Outcome::Stale) {
            record.keys.clone_from(&stored.keys);
        }
        self.judged(stored, &record)
    }

    /// The record's keys, and the newest data.
    pub(super) fn told(&self, index: usize) -> Record {
        Record {
            keys: self.records[index].keys.clone(),
            ..self.records[self.data[index]].clone()
        }
    }

    /// Asks the rules in their order.
    fn judged(&self, stored: &Row, record: &Record) -> Result<Row, Outcome> {
        let rules = &self.options.rules;
        if stored.marked.is_some() && rules.on_deleted == OnDeleted::Refuse {
            return Err(Outcome::Failed(Cause::Deleted));
        }
        if self.is_protected(stored) {
            return Err(Outcome::Protected);
        }
        let mut changes = Changes::of(record, self.lookups().end);
        if let Some(merge) = rules.merge {
            changes = changes.merged(merge, stored, record);
        }
        if rules.newer && changes.are_older_than(stored) {
            return Err(Outcome::Stale);
        }
        if rules.only == Some(Only::Create) {
            return Err(Outcome::Skipped);
        }
        if changes.alter_a_key(stored, record) {
            return Err(Outcome::Failed(Cause::KeyAltered));
        }
        Ok(changes.applied_to(stored))
    }
}
