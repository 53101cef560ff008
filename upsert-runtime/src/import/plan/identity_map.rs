//! What an import knows of rows and records: their keys, as numbers, and what became of them.

use std::collections::{HashMap, HashSet};

use super::keys::{Keys, NONE};
use super::numbers::Numbers;
use super::verdict::Verdicts;
use super::versions::Versions;

/// All that is known of rows and records.
pub(crate) struct IdentityMap {
    pub(crate) keys: Keys,
    pub(crate) rows: KnownRows,
    pub(crate) records: KnownRecords,
    /// What the rules say of records and rows.
    pub(crate) verdicts: Verdicts,
}

/// The rows that were seen, by number.
#[derive(Default)]
pub(crate) struct KnownRows {
    /// The numbers of the key columns of one row behind those of another.
    keys: Vec<u32>,
    pub(crate) states: Vec<RowState>,
    /// A record from which the row, as it was read, differs in nothing.
    same_as: Vec<u32>,
    /// Rows and further such records, where several find one.
    same_too: HashSet<(u32, u32)>,
    /// For each key and value, the row that has it. One that is marked as deleted is among them where the unique index has it.
    holders: Vec<Vec<u32>>,
    /// For each look-up and value, the rows that are found among those that are marked as deleted where the unique index has none of
    /// them. The one that was marked last comes last.
    marked: Vec<HashMap<u32, Vec<u32>>>,
    by_id: Numbers,
    /// Look-ups and keys that more than one row had when they were looked up: no unique index keeps them apart.
    ambiguous: HashSet<(usize, u32)>,
}

/// What is known of a row beside its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RowState {
    /// It is there with the keys that it was last seen with.
    Here,
    /// Deleted, or without the keys that it was known by.
    Gone,
    /// It was there at the start with these keys, and is to be deleted if no record is this row.
    Candidate,
    /// Created by this import; its id was not read.
    Created,
    /// Marked as deleted.
    Marked,
}

/// The records, by their index.
#[derive(Default)]
pub(crate) struct KnownRecords {
    /// The numbers of the key columns of one record behind those of another.
    keys: Vec<u32>,
    pub(crate) states: Vec<RecordState>,
    /// Their versions, where the model has such.
    pub(crate) versions: Option<Versions>,
}

/// Whether a row has a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Possession {
    None,
    /// It is marked as deleted, and has it again if it comes back; another row may have it by now.
    Had,
    /// It has it, and a unique index would let no other row have it.
    Has,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RecordState {
    /// It is still to be written.
    Open,
    /// Written or found unchanged, in this row.
    Done(u32),
    /// The database refused it. It keeps what it claims.
    Failed,
    /// The plan had it fail, and that was told.
    Told,
    /// Another record is this one, and that was told.
    Superseded,
    /// It never was a record, but an error of the source.
    Absent,
}

impl IdentityMap {
    pub(crate) fn new(keys: Keys) -> Self {
        let mut rows = KnownRows::default();
        rows.holders.resize(keys.all(), Vec::new());
        rows.marked.resize(keys.lookups(), HashMap::new());
        Self {
            keys,
            rows,
            records: KnownRecords::default(),
            verdicts: Verdicts::default(),
        }
    }

    /// Notes a record whose keys are not known so far. Gives its index.
    pub(crate) fn add_record(&mut self, state: RecordState) -> u32 {
        let record = u32::try_from(self.records.states.len()).unwrap_or(NONE);
        let keys = &mut self.records.keys;
        keys.resize(keys.len() + self.keys.width(), NONE);
        self.records.states.push(state);
        record
    }

    /// Notes the keys of a record.
    pub(crate) fn know_record(&mut self, record: u32, values: &[u32]) {
        let width = self.keys.width();
        self.records.keys[record as usize * width..][..width].copy_from_slice(values);
    }

    /// Notes what became of a record.
    pub(crate) fn set_record(&mut self, record: u32, state: RecordState) {
        self.records.states[record as usize] = state;
    }

    /// Notes what became of a row.
    pub(crate) fn set_row(&mut self, row: u32, state: RowState) {
        self.rows.states[row as usize] = state;
    }

    /// Whether a row is still to be deleted if no record is this row.
    pub(crate) fn is_candidate(&self, row: u32) -> bool {
        self.rows.states[row as usize] == RowState::Candidate
    }

    /// The numbers of a record's key columns.
    pub(crate) fn record(&self, record: u32) -> &[u32] {
        let width = self.keys.width();
        &self.records.keys[record as usize * width..][..width]
    }

    /// The numbers of a row's key columns.
    pub(crate) fn row(&self, row: u32) -> &[u32] {
        let width = self.keys.width();
        &self.rows.keys[row as usize * width..][..width]
    }

    /// The row that has this key.
    pub(crate) fn holder(&self, lookup: usize, key: u32) -> Option<u32> {
        let holders = &self.rows.holders[lookup];
        let row = holders.get(key as usize).copied();
        row.filter(|&row| row != NONE)
    }

    /// The rows that a record finds by this key, in their order: one that is not marked as deleted, then those that are, where such
    /// are found.
    pub(crate) fn found(&self, lookup: usize, key: u32) -> impl Iterator<Item = u32> {
        let finds_marked = self.keys.finds_marked;
        let holder = self.holder(lookup, key);
        let holder = holder.filter(|&row| finds_marked || !self.is_marked(row));
        let marked = self.rows.marked[lookup].get(&key).into_iter().flatten();
        holder.into_iter().chain(marked.rev().copied())
    }

    /// All rows that a record may be.
    pub(crate) fn all_found(&mut self, record: u32) -> Vec<u32> {
        let mut rows = Vec::new();
        for lookup in 0..self.keys.lookups() {
            let key = self.record_key(record, lookup);
            for row in self.found(lookup, key) {
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
        rows
    }

    /// The rows that are known to have this key, or to be found by it.
    pub(crate) fn all_with(&self, key: usize, value: u32) -> impl Iterator<Item = u32> {
        let marked = self.rows.marked.get(key);
        let marked = marked.and_then(|marked| marked.get(&value));
        let marked = marked.into_iter().flatten().copied();
        self.holder(key, value).into_iter().chain(marked)
    }

    /// Whether a row is marked as deleted.
    pub(crate) fn is_marked(&self, row: u32) -> bool {
        self.rows.states[row as usize] == RowState::Marked
    }

    /// Whether a row has its key, as far as other rows are concerned.
    pub(crate) fn holds(&self, row: u32, key: usize) -> bool {
        !self.is_marked(row) || self.keys.marked_hold[key]
    }

    /// Notes which rows are found by a key among those that are marked, the last one last. Says whether that is news.
    pub(crate) fn see_marked(&mut self, lookup: usize, key: u32, rows: Vec<u32>) -> bool {
        let known = self.rows.marked[lookup].insert(key, rows);
        known.unwrap_or_default() != self.rows.marked[lookup][&key]
    }

    /// Notes that a row is marked as deleted now.
    pub(crate) fn mark(&mut self, row: u32) {
        let values = self.row(row).to_vec();
        self.release(row);
        self.rows.states[row as usize] = RowState::Marked;
        self.hold(row, &values);
        for lookup in 0..self.keys.lookups() {
            let key = self.keys.usable(lookup, &values);
            if key != NONE && self.keys.finds_marked && !self.keys.marked_hold[lookup] {
                // It is the one that was marked last.
                self.rows.marked[lookup].entry(key).or_default().push(row);
            }
        }
    }

    /// The row that has this id.
    pub(crate) fn row_of(&self, id: &[u8]) -> Option<u32> {
        self.rows.by_id.get(id)
    }

    /// Notes that a row is as this record wants it.
    pub(crate) fn note_same(&mut self, row: u32, record: u32) {
        let same_as = &mut self.rows.same_as[row as usize];
        if *same_as == NONE {
            *same_as = record;
        } else {
            self.rows.same_too.insert((row, record));
        }
    }

    /// Whether a row was read as this record wants it, and has kept its keys since.
    pub(crate) fn is_same(&self, row: u32, record: u32) -> bool {
        let is_other = || self.rows.same_too.contains(&(row, record));
        self.rows.same_as[row as usize] == record || is_other()
    }

    /// The row that a record finds.
    pub(crate) fn found_by(&mut self, record: u32) -> Option<u32> {
        (0..self.keys.lookups()).find_map(|lookup| {
            let key = self.record_key(record, lookup);
            self.found(lookup, key).next()
        })
    }

    /// Whether a row was found, and so could be read.
    pub(crate) fn has_seen_a_row(&self) -> bool {
        self.rows.by_id.len() > 0
    }

    /// Notes that more than one row has this key. Says whether that is news.
    pub(crate) fn see_ambiguous(&mut self, lookup: usize, key: u32) -> bool {
        self.rows.ambiguous.insert((lookup, key))
    }

    /// Whether more than one row has this key.
    pub(crate) fn is_ambiguous(&self, lookup: usize, key: u32) -> bool {
        self.rows.ambiguous.contains(&(lookup, key))
    }

    /// The key of a record by which it is looked up.
    pub(crate) fn record_key(&mut self, record: u32, lookup: usize) -> u32 {
        let width = self.keys.width();
        let values = &self.records.keys[record as usize * width..][..width];
        self.keys.usable(lookup, values)
    }

    /// The key of a row by which it is looked up.
    pub(crate) fn row_key(&mut self, row: u32, lookup: usize) -> u32 {
        let width = self.keys.width();
        let values = &self.rows.keys[row as usize * width..][..width];
        self.keys.usable(lookup, values)
    }

    /// Whether a row has this key.
    pub(crate) fn possession(&mut self, row: u32, lookup: usize, key: u32) -> Possession {
        let width = self.keys.width();
        let values = &self.rows.keys[row as usize * width..][..width];
        if self.keys.unique(lookup, values) != key {
            Possession::None
        } else if self.holds(row, lookup) {
            Possession::Has
        } else {
            Possession::Had
        }
    }

    /// The values with which a record leaves its row; its own, if it is created.
    pub(crate) fn last_values(&self, record: u32, row: Option<u32>) -> Vec<u32> {
        let own = self.record(record);
        match row {
            None => own.to_vec(),
            Some(row) if matches!(self.records.states[record as usize], RecordState::Done(_)) => {
                self.row(row).to_vec()
            }
            Some(row) if self.verdicts.left(record, row).is_some() => self.row(row).to_vec(),
            Some(row) => {
                let follows = self.verdicts.follows(record, row);
                self.keys.updated(self.row(row), own, follows)
            }
        }
    }

    /// The key with which a record leaves its row; [`NONE`] where nobody is kept from having it.
    pub(crate) fn last_key(&mut self, record: u32, row: Option<u32>, key: usize) -> u32 {
        if let Some(row) = row
            && self.verdicts.left(record, row).is_some()
            && !self.holds(row, key)
        {
            return NONE;
        }
        let last = self.last_values(record, row);
        self.keys.unique(key, &last)
    }

    /// The key by which the row of a record is found once that is written; [`NONE`] if by none.
    pub(crate) fn last_usable(&mut self, record: u32, row: u32, lookup: usize) -> u32 {
        let last = self.last_values(record, Some(row));
        self.keys.usable(lookup, &last)
    }

    /// Notes a row as it was read. Gives its number, and whether that is news: a plan made before may be wrong then.
    pub(crate) fn see(&mut self, id: &[u8], values: &[u32], is_marked: bool) -> (u32, bool) {
        let state = if is_marked {
            RowState::Marked
        } else {
            RowState::Here
        };
        if let Some(row) = self.recognize(id, values) {
            let is_news = self.rows.states[row as usize] == RowState::Gone
                || self.is_marked(row) != is_marked
                || self.row(row) != values;
            if is_news {
                self.release(row);
                self.rows.states[row as usize] = state;
                self.write(row, values);
            }
            return (row, is_news);
        }
        let row = self.create(values, state);
        self.rows.by_id.set(id, row);
        (row, true)
    }

    /// The row with this id or, if this import has created it and did not read its id, with these keys.
    pub(crate) fn recognize(&mut self, id: &[u8], values: &[u32]) -> Option<u32> {
        self.row_of(id).or_else(|| self.adopt(id, values))
    }

    /// The row that this import has created with these keys, whose id was not known so far.
    fn adopt(&mut self, id: &[u8], values: &[u32]) -> Option<u32> {
        for lookup in 0..self.keys.lookups() {
            let key = self.keys.unique(lookup, values);
            if let Some(row) = self.holder(lookup, key)
                && self.rows.states[row as usize] == RowState::Created
                && self.row(row) == values
            {
                self.rows.states[row as usize] = RowState::Here;
                self.rows.by_id.set(id, row);
                return Some(row);
            }
        }
        None
    }

    /// Notes a new row.
    pub(crate) fn create(&mut self, values: &[u32], state: RowState) -> u32 {
        let row = u32::try_from(self.rows.states.len()).unwrap_or(NONE);
        self.rows.states.push(state);
        self.rows.same_as.push(NONE);
        self.rows.keys.extend_from_slice(values);
        self.hold(row, values);
        row
    }

    /// Notes that a row holds these values now.
    pub(crate) fn write(&mut self, row: u32, values: &[u32]) {
        self.release(row);
        let width = self.keys.width();
        self.rows.keys[row as usize * width..][..width].copy_from_slice(values);
        self.hold(row, values);
    }

    /// Notes that a row is there no more.
    pub(crate) fn lose(&mut self, row: u32) {
        self.release(row);
        self.rows.states[row as usize] = RowState::Gone;
    }

    /// Notes that a row has these values, and keeps others from having them.
    fn hold(&mut self, row: u32, values: &[u32]) {
        for lookup in 0..self.keys.all() {
            let key = self.keys.unique(lookup, values);
            if key != NONE && self.holds(row, lookup) {
                let holders = &mut self.rows.holders[lookup];
                if holders.len() <= key as usize {
                    holders.resize(key as usize + 1, NONE);
                }
                holders[key as usize] = row;
            }
        }
    }

    /// Notes that a row is no longer found by the values that it had.
    fn release(&mut self, row: u32) {
        self.rows.same_as[row as usize] = NONE;
        if !self.rows.same_too.is_empty() {
            self.rows.same_too.retain(|(other, _)| *other != row);
        }
        let values = self.row(row).to_vec();
        for lookup in 0..self.keys.all() {
            let key = self.keys.unique(lookup, &values);
            if self.holder(lookup, key) == Some(row) {
                self.rows.holders[lookup][key as usize] = NONE;
            }
            let marked = self.rows.marked.get_mut(lookup);
            if let Some(marked) = marked.and_then(|marked| marked.get_mut(&key)) {
                marked.retain(|&other| other != row);
            }
        }
    }
}
