//! Which record is which row, judged over the whole import.

use super::identity_map::{IdentityMap, RecordState, RowState};
use super::keys::NONE;

/// What is to become of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// It has no key by which it could be found.
    NoKey,
    /// Another record is this one.
    Superseded,
    /// The row that this look-up finds is another record by an earlier one.
    Identity { matched_by: u8, claimed_by: u8 },
    /// Another row or record has the key of this look-up.
    Conflict { lookup: u8 },
    /// More than one row has the key of this look-up.
    Ambiguous { lookup: u8 },
    /// The record is this row, which this look-up finds.
    Row { row: u32, lookup: u8 },
    /// No row is the record: one is created.
    Create,
}

impl Decision {
    /// Whether the record is to be written.
    pub(crate) fn is_to_write(self) -> bool {
        matches!(self, Self::Row { .. } | Self::Create)
    }
}

/// What a caller allows.
pub(crate) struct Rules {
    /// For each look-up, whether a row that an earlier key claims is left alone.
    pub(crate) unclaimed: Vec<bool>,
    /// For each look-up, whether it has the id in it, which is never taken over.
    pub(crate) is_id: Vec<bool>,
    /// Whether rows that no record is give their keys away.
    pub(crate) delete_missing: bool,
}

/// A plan in the making.
pub(super) struct Draft<'p> {
    pub(super) map: &'p mut IdentityMap,
    pub(super) rules: &'p Rules,
    /// For each record, what is to become of it, as far as that is decided.
    pub(super) decisions: Vec<Option<Decision>>,
    /// For each row, the record that owns it.
    pub(super) owner: Vec<u32>,
    /// How many times it was asked whether a record is still to be written.
    #[cfg(test)]
    pub(super) steps: std::cell::Cell<u32>,
}

impl<'p> Draft<'p> {
    pub(super) fn new(map: &'p mut IdentityMap, rules: &'p Rules) -> Self {
        Self {
            decisions: vec![None; map.records.states.len()],
            owner: vec![NONE; map.rows.states.len()],
            #[cfg(test)]
            steps: std::cell::Cell::default(),
            map,
            rules,
        }
    }

    /// Who finds no row by any look-up is created.
    pub(super) fn create_the_others(&mut self) {
        for decision in &mut self.decisions {
            decision.get_or_insert(Decision::Create);
        }
    }

    /// Whether nobody knows which row some record is.
    pub(super) fn has_unknown(&self) -> bool {
        let is_unknown = |decision: &Option<Decision>| {
            matches!(decision, Some(Decision::NoKey | Decision::Ambiguous { .. }))
        };
        self.decisions.iter().any(is_unknown)
    }

    /// Whether a record is still to be written.
    pub(super) fn is_to_do(&self, record: u32) -> bool {
        #[cfg(test)]
        self.steps.set(self.steps.get() + 1);
        self.state(record) == RecordState::Open
            && self.decisions[record as usize].is_some_and(Decision::is_to_write)
    }

    /// The indexes of all records.
    pub(super) fn records(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        (0..self.decisions.len()).map(number)
    }

    /// What became of a record so far.
    pub(super) fn state(&self, record: u32) -> RecordState {
        self.map.records.states[record as usize]
    }

    /// Notes what is to become of a record.
    pub(super) fn decide(&mut self, record: u32, decision: Decision) {
        self.decisions[record as usize] = Some(decision);
    }

    /// Notes that a record is this row, which this look-up finds.
    fn own(&mut self, record: u32, row: u32, lookup: usize) {
        self.owner[row as usize] = record;
        let lookup = small(lookup);
        self.decide(record, Decision::Row { row, lookup });
    }

    /// Whether no record is this row.
    pub(super) fn unowned(&self, row: u32) -> bool {
        self.owner[row as usize] == NONE
    }

    /// The first of these look-ups that is usable in the record.
    fn usable_before(&mut self, record: u32, end: usize) -> Option<usize> {
        (0..end).find(|&lookup| self.map.record_key(record, lookup) != NONE)
    }

    /// Records equal in their first usable look-up are one: the last counts.
    pub(super) fn merge_equal_records(&mut self) {
        let lookups = self.map.keys.lookups();
        let mut taken: Vec<Vec<bool>> = vec![Vec::new(); lookups];
        for record in self.records().rev() {
            match self.state(record) {
                RecordState::Superseded | RecordState::Absent => {
                    self.decide(record, Decision::Superseded);
                    continue;
                }
                RecordState::Done(row) => self.own(record, row, 0),
                RecordState::Open | RecordState::Failed | RecordState::Told => {}
            }
            let Some(lookup) = self.usable_before(record, lookups) else {
                self.decide(record, Decision::NoKey);
                continue;
            };
            let key = self.map.record_key(record, lookup);
            let is_taken = at(&mut taken[lookup], key, false);
            if *is_taken && self.decisions[record as usize].is_none() {
                self.decide(record, Decision::Superseded);
            }
            *is_taken = true;
        }
    }

    /// A record that finds a row by the first look-up owns it.
    pub(super) fn own_by_first_key(&mut self) {
        for record in self.records() {
            if self.decisions[record as usize].is_none() {
                let key = self.map.record_key(record, 0);
                if self.map.is_ambiguous(0, key) {
                    self.decide(record, Decision::Ambiguous { lookup: 0 });
                } else if let Some(row) = self.map.holder(0, key)
                    && self.unowned(row)
                {
                    self.own(record, row, 0);
                }
            }
        }
    }

    /// The others fall back to this look-up, judged against the keys as the owners will leave them.
    pub(super) fn fall_back(&mut self, lookup: usize) {
        // Each with its key. A million records may find nothing by their first one, so there is no list for each key.
        let mut wanted: Vec<(u32, u32)> = Vec::new();
        for record in self.records() {
            if self.decisions[record as usize].is_none() {
                let key = self.map.record_key(record, lookup);
                if key != NONE {
                    wanted.push((key, record));
                }
            }
        }
        if wanted.is_empty() {
            return;
        }
        let mut has_owner: Vec<bool> = Vec::new();
        for row in (0..self.owner.len()).map(number) {
            if !self.unowned(row) {
                let last = self.map.last_values(self.owner[row as usize], Some(row));
                let key = self.map.keys.usable(lookup, &last);
                if key != NONE {
                    *at(&mut has_owner, key, false) = true;
                }
            }
        }
        // Of each key, the records in their order.
        wanted.sort_unstable();
        let by_key = || wanted.chunk_by(|(one, _), (other, _)| one == other);
        // Rows without an owner at the start: no key of this look-up is judged by what became of another one.
        let free_rows: Vec<u32> = by_key()
            .map(|records| {
                let row = self.map.holder(lookup, records[0].0);
                row.filter(|&row| self.unowned(row)).unwrap_or(NONE)
            })
            .collect();
        for (records, row) in by_key().zip(free_rows) {
            let (key, row) = (records[0].0, (row != NONE).then_some(row));
            let records = records.iter().map(|&(_, record)| record);
            if self.map.is_ambiguous(lookup, key) {
                let lookup = small(lookup);
                for record in records {
                    self.decide(record, Decision::Ambiguous { lookup });
                }
                continue;
            }
            let winner = match row {
                None if *at(&mut has_owner, key, false) => None,
                _ => self.last_with_earlier_key(records.clone(), lookup),
            };
            for record in records.filter(|&record| Some(record) != winner) {
                let earlier = self.usable_before(record, lookup);
                self.decide(record, lost(lookup, earlier));
            }
            if let (Some(winner), Some(row)) = (winner, row) {
                self.take_over(winner, row, lookup);
            }
        }
    }

    /// Of records that want the same row, the one that gets it: the last that an earlier key identifies, else the last.
    fn last_with_earlier_key(
        &mut self,
        records: impl DoubleEndedIterator<Item = u32> + Clone,
        lookup: usize,
    ) -> Option<u32> {
        let mut from_last = records.clone().rev();
        let with_earlier = from_last.find(|&record| self.usable_before(record, lookup).is_some());
        with_earlier.or_else(|| records.last())
    }

    /// The record takes the row, unless the row is another record by an earlier key and that forbids it.
    fn take_over(&mut self, record: u32, row: u32, lookup: usize) {
        let claimed_by = (0..lookup).find(|&earlier| {
            self.map.record_key(record, earlier) != NONE && self.map.row_key(row, earlier) != NONE
        });
        match claimed_by {
            Some(earlier) if self.rules.unclaimed[lookup] || self.rules.is_id[earlier] => {
                self.decide(record, lost(lookup, Some(earlier)));
            }
            _ => self.own(record, row, lookup),
        }
    }

    /// The candidates for deletion that no record is.
    pub(super) fn missing(&self) -> Vec<u32> {
        let states = self.map.rows.states.iter().zip(&self.owner).enumerate();
        let missing =
            states.filter(|(_, (state, owner))| **state == RowState::Candidate && **owner == NONE);
        missing.map(|(row, _)| number(row)).collect()
    }
}

/// What becomes of a record whose key another one gets.
fn lost(lookup: usize, claimed_by: Option<usize>) -> Decision {
    match claimed_by {
        None => Decision::Superseded,
        Some(claimed_by) => Decision::Identity {
            matched_by: small(lookup),
            claimed_by: small(claimed_by),
        },
    }
}

/// The place for a number, made if it is not there yet.
pub(super) fn at<T: Clone>(places: &mut Vec<T>, number: u32, empty: T) -> &mut T {
    let place = number as usize;
    if places.len() <= place {
        places.resize(place + 1, empty);
    }
    &mut places[place]
}

/// The number of what is at this place.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

/// The place of a look-up, in one byte.
pub(super) fn small(lookup: usize) -> u8 {
    u8::try_from(lookup).unwrap_or(u8::MAX)
}
