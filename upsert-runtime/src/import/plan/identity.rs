//! Which record is which row, judged over the whole import.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::mem;

use super::identity_map::{IdentityMap, Possession, RecordState, RowState};
use super::keys::NONE;
use super::verdict::Left;

/// What is to become of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// It has no key by which it could be found.
    NoKey,
    /// Another record is this one.
    Superseded,
    /// The row that this look-up finds is another record by an earlier one.
    Identity { matched_by: u8, claimed_by: u8 },
    /// Another row or record has this key. A row that is marked as deleted may.
    Conflict { key: u8, is_deleted: bool },
    /// More than one row has the key of this look-up.
    Ambiguous { lookup: u8 },
    /// The record is this row, which this look-up finds.
    Row { row: u32, lookup: u8 },
    /// The same, but the row stays as it is.
    Left { row: u32, lookup: u8, why: Left },
    /// No row is the record: one is created.
    Create,
    /// No row is the record, and none is to be created.
    Skipped,
}

impl Decision {
    /// Whether the record is to be written.
    pub(crate) fn is_to_write(self) -> bool {
        matches!(self, Self::Row { .. } | Self::Create)
    }

    /// The row that the record is, and the look-up that finds it.
    pub(crate) fn row(self) -> Option<(u32, u8)> {
        match self {
            Self::Row { row, lookup } | Self::Left { row, lookup, .. } => Some((row, lookup)),
            _ => None,
        }
    }
}

/// What a caller allows.
pub(crate) struct Rules {
    /// For each look-up, whether a row that an earlier key claims is left alone.
    pub(crate) unclaimed: Vec<bool>,
    /// For each look-up, whether it has the id in it, which is never taken over.
    pub(crate) is_id: Vec<bool>,
    /// What becomes of rows that no record is.
    pub(crate) missing: MissingRows,
    /// Whether no row is created.
    pub(crate) only_updates: bool,
}

/// What becomes of rows that no record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MissingRows {
    /// They stay.
    Stay,
    /// They are deleted, and give all their keys away.
    Go,
    /// They are marked as deleted, and give those keys away which marked rows do not have.
    AreMarked,
}

/// Who has a key when records fall back to it.
#[derive(Clone, Copy)]
enum Holder {
    /// A row that no record is.
    Row(u32),
    /// A record that leaves it in its row.
    Owner(u32),
    Nobody,
}

/// A plan in the making.
pub(super) struct Draft<'p> {
    pub(super) map: &'p mut IdentityMap,
    pub(super) rules: &'p Rules,
    /// For each record, what is to become of it, as far as that is decided.
    pub(super) decisions: Vec<Option<Decision>>,
    /// For each row, the record that owns it.
    pub(super) owner: Vec<u32>,
    /// Records that would be created where none is to be: they claim nothing.
    skipped: Vec<bool>,
    /// Records without a row that were passed over when a key was given away.
    passed: Vec<u32>,
    /// Those of them that are not to be, since they are not skipped in the end.
    not_passed: HashSet<u32>,
    /// For records that another one supersedes by its key, that one; noted where the newer one of the two counts.
    superseded_by: HashMap<u32, u32>,
    /// How many times it was asked whether a record is still to be written.
    #[cfg(test)]
    pub(super) steps: std::cell::Cell<u32>,
}

impl<'p> Draft<'p> {
    pub(super) fn new(map: &'p mut IdentityMap, rules: &'p Rules) -> Self {
        Self {
            decisions: vec![None; map.records.states.len()],
            owner: vec![NONE; map.rows.states.len()],
            skipped: Vec::new(),
            passed: Vec::new(),
            not_passed: HashSet::new(),
            superseded_by: HashMap::new(),
            #[cfg(test)]
            steps: std::cell::Cell::default(),
            map,
            rules,
        }
    }

    /// Who finds no row by any look-up is created. `false` if some are to be skipped instead, and what others have lost to them
    /// must be judged without them.
    pub(super) fn create_the_others(&mut self) -> bool {
        if !self.rules.only_updates {
            for decision in &mut self.decisions {
                decision.get_or_insert(Decision::Create);
            }
            return true;
        }
        self.skipped.resize(self.decisions.len(), false);
        let mut is_settled = true;
        for record in mem::take(&mut self.passed) {
            let decision = self.decisions[record as usize];
            if !matches!(decision, None | Some(Decision::Skipped)) {
                is_settled &= !self.not_passed.insert(record);
            }
        }
        let was_wrong = !is_settled;
        for (decision, is_skipped) in self.decisions.iter_mut().zip(&mut self.skipped) {
            // Where one was passed over that is not skipped, others may have been that would have lost to it.
            if decision.is_none() && !was_wrong {
                *is_skipped = true;
                is_settled = false;
            }
        }
        if !is_settled {
            self.decisions.fill(None);
            self.owner.fill(NONE);
            self.superseded_by.clear();
        }
        is_settled
    }

    /// For each record that is written, or found its row newer, the one that gives the data: the newest of itself and of those that
    /// it supersedes by its key. Only where that is another one.
    pub(super) fn donors(&self) -> HashMap<u32, u32> {
        let mut donors: HashMap<u32, u32> = HashMap::new();
        let Some(versions) = &self.map.records.versions else {
            return donors;
        };
        let mut superseded: Vec<(u32, u32)> = Vec::new();
        for (&record, &owner) in &self.superseded_by {
            superseded.push((owner, record));
        }
        // Of equal ones the last counts.
        superseded.sort_unstable();
        for (owner, record) in superseded {
            let gives = match self.decisions[owner as usize] {
                // Other data may be judged otherwise.
                Some(Decision::Left { why, .. }) => !matches!(why, Left::Protected | Left::Deleted),
                decision => decision.is_some_and(Decision::is_to_write),
            };
            let is_open = |record| self.state(record) == RecordState::Open;
            if !gives || !is_open(owner) || !is_open(record) {
                continue;
            }
            let newest = donors.get(&owner).copied().unwrap_or(owner);
            let is_newer = versions.is_older(newest, record);
            if is_newer || (newest < record && !versions.is_older(record, newest)) {
                donors.insert(owner, record);
            }
        }
        donors
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
        let decision = match self.map.verdicts.left(record, row) {
            Some(why) => Decision::Left { row, lookup, why },
            None => Decision::Row { row, lookup },
        };
        self.decide(record, decision);
    }

    /// Whether no record is this row.
    pub(super) fn unowned(&self, row: u32) -> bool {
        self.owner[row as usize] == NONE
    }

    /// The first of these look-ups that is usable in the record.
    fn usable_before(&mut self, record: u32, end: usize) -> Option<usize> {
        (0..end).find(|&lookup| self.map.record_key(record, lookup) != NONE)
    }

    /// Records equal in their first usable look-up are one: the newest counts, of equally new ones the last.
    pub(super) fn merge_equal_records(&mut self) {
        let lookups = self.map.keys.lookups();
        let newest = self.newest_records();
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
            let counts = match &newest {
                Some(newest) => newest.get(&(lookup, key)) == Some(&record),
                None => !*is_taken,
            };
            *is_taken = true;
            if self.decisions[record as usize].is_some() {
                continue;
            }
            if !counts {
                self.decide(record, Decision::Superseded);
            } else if self.skipped.get(record as usize) == Some(&true) {
                self.decide(record, Decision::Skipped);
            }
        }
    }

    /// For each first usable look-up and key, the record that counts, where records have versions.
    fn newest_records(&mut self) -> Option<HashMap<(usize, u32), u32>> {
        if !self.map.records.versions.as_ref()?.are_there() {
            return None;
        }
        let lookups = self.map.keys.lookups();
        let mut newest: HashMap<(usize, u32), u32> = HashMap::new();
        for record in self.records() {
            if matches!(
                self.state(record),
                RecordState::Superseded | RecordState::Absent
            ) {
                continue;
            }
            let Some(lookup) = self.usable_before(record, lookups) else {
                continue;
            };
            let key = self.map.record_key(record, lookup);
            let versions = self.map.records.versions.as_ref()?;
            let best = newest.entry((lookup, key)).or_insert(record);
            if !versions.is_older(record, *best) {
                *best = record;
            }
        }
        Some(newest)
    }

    /// A record that finds a row by the first look-up owns it.
    pub(super) fn own_by_first_key(&mut self) {
        for record in self.records() {
            if self.decisions[record as usize].is_none() {
                let key = self.map.record_key(record, 0);
                let found = self.map.found(0, key).next();
                if self.map.is_ambiguous(0, key) {
                    self.decide(record, Decision::Ambiguous { lookup: 0 });
                } else if let Some(row) = found
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
        // Of each key, the records in their order.
        wanted.sort_unstable();
        let by_key = || wanted.chunk_by(|(one, _), (other, _)| one == other);
        let (owners, keys) = self.owners(lookup);
        // Who has a key at the start: no key of this look-up is judged by what became of another one.
        let holders: Vec<Holder> = by_key()
            .map(|records| self.holder_of(lookup, records[0].0, &owners, &keys))
            .collect();
        for (records, holder) in by_key().zip(holders) {
            let key = records[0].0;
            let records = records.iter().map(|&(_, record)| record);
            if self.map.is_ambiguous(lookup, key) {
                let lookup = small(lookup);
                for record in records {
                    self.decide(record, Decision::Ambiguous { lookup });
                }
                continue;
            }
            let passed = match holder {
                Holder::Nobody if self.rules.only_updates => {
                    self.passed_over(records.clone().collect(), lookup)
                }
                _ => HashSet::new(),
            };
            let records = records.filter(|record| !passed.contains(record));
            let winner = match holder {
                Holder::Owner(_) => None,
                _ => self.last_with_earlier_key(records.clone(), lookup),
            };
            for record in records.filter(|&record| Some(record) != winner) {
                let earlier = self.usable_before(record, lookup);
                self.decide(record, lost(lookup, earlier));
                let other = match holder {
                    Holder::Owner(owner) => Some(owner),
                    _ => winner,
                };
                if let (None, Some(other), Some(_)) = (earlier, other, &self.map.records.versions) {
                    self.superseded_by.insert(record, other);
                }
            }
            if let (Some(winner), Holder::Row(row)) = (winner, holder) {
                self.take_over(winner, row, lookup);
            }
        }
    }

    /// For each key of this look-up, who leaves it in its row, and the best of them: who has it, then the owner by the earlier
    /// look-up, then the last; and for each row the key that is left in it.
    fn owners(&mut self, lookup: usize) -> (Vec<u32>, Vec<u32>) {
        let mut best: Vec<Option<(Possession, Reverse<u8>, u32)>> = Vec::new();
        let mut keys = vec![NONE; self.owner.len()];
        for row in (0..self.owner.len()).map(number) {
            if self.unowned(row) {
                continue;
            }
            let owner = self.owner[row as usize];
            let key = self.map.last_usable(owner, row, lookup);
            if key != NONE {
                keys[row as usize] = key;
                let found_by = self.decisions[owner as usize].and_then(Decision::row);
                let found_by = Reverse(found_by.map_or(0, |(_, lookup)| lookup));
                let rank = (self.map.possession(row, lookup, key), found_by, owner);
                let best = at(&mut best, key, None);
                *best = (*best).max(Some(rank));
            }
        }
        let owners = best.into_iter();
        let owners = owners.map(|best| best.map_or(NONE, |(_, _, owner)| owner));
        (owners.collect(), keys)
    }

    /// Who has a key of this look-up, where these are the owners that leave it in their rows. A look-up asks one row after the
    /// other: one whose owner leaves another key in it is as good as gone.
    fn holder_of(&self, lookup: usize, key: u32, owners: &[u32], keys: &[u32]) -> Holder {
        for row in self.map.found(lookup, key) {
            let owner = self.owner[row as usize];
            if owner == NONE {
                return Holder::Row(row);
            }
            if keys[row as usize] == key {
                return Holder::Owner(owner);
            }
        }
        match owners.get(key as usize) {
            Some(&owner) if owner != NONE => Holder::Owner(owner),
            _ => Holder::Nobody,
        }
    }

    /// Of records that want a key which nobody has, those that would get it one after the other, and find no row at all: where none is
    /// to be created they are skipped, and who comes behind them is judged without them.
    fn passed_over(&mut self, mut records: Vec<u32>, lookup: usize) -> HashSet<u32> {
        records.reverse();
        records.sort_by_key(|&record| self.usable_before(record, lookup).is_none());
        let first = records.iter().position(|&record| {
            self.not_passed.contains(&record) || self.map.found_by(record).is_some()
        });
        records.truncate(first.unwrap_or(records.len()));
        self.passed.extend_from_slice(&records);
        records.into_iter().collect()
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
