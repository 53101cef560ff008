//! Keys that several want, or that are held: who gets them, and who fails.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::components::Need;
use super::identity::{Decision, Draft, MissingRows, at, small};
use super::identity_map::{Possession, RecordState};
use super::keys::NONE;

/// How well a claim to a key stands: by possession, not failed before, by the earlier look-up, by the later record.
type Rank = (Possession, bool, Reverse<u8>, u32);

/// A record that is still to be written, and has this key in the end but not so far.
struct Claim {
    record: u32,
    key: u32,
}

/// What is known of keys that several want.
#[derive(Default)]
pub(super) struct Arbitration {
    /// Records that do not get a key, which key, and whether a row has it that is marked as deleted.
    pub(super) failed: Vec<(u32, u8, bool)>,
    /// Who needs a key that another row holds now.
    pub(super) needs: Vec<Need>,
}

impl Draft<'_> {
    /// Decides who gets a value of this key that several want: who has it, then the owner by the earlier look-up, then the
    /// last.
    pub(super) fn arbitrate(&mut self, lookup: usize, given_away: &[u32], to: &mut Arbitration) {
        let (claims, mut best) = self.claims(lookup);
        // A row that is marked as deleted keeps the keys that such rows have.
        let frees = self.rules.missing == MissingRows::Go || !self.map.keys.marked_hold[lookup];
        for Claim { record, key } in claims {
            let holder = self.map.holder(lookup, key);
            let best = at(&mut best, key, None);
            let is_best = best.is_some_and(|best| best.3 == record);
            let stays =
                |row: &u32| self.unowned(*row) && !(frees && given_away.binary_search(row).is_ok());
            let stays = holder.filter(stays);
            let lookup = small(lookup);
            if !is_best || stays.is_some() {
                let is_deleted = holder.is_some_and(|row| self.map.is_marked(row));
                to.failed.push((record, lookup, is_deleted));
            } else if let Some(row) = holder {
                to.needs.push(Need {
                    record,
                    row,
                    lookup,
                });
            }
        }
    }

    /// Fails who does not get a key, once all keys are arbitrated.
    pub(super) fn fail_who_gets_no_key(&mut self, failed: &[(u32, u8, bool)]) {
        for &(record, key, is_deleted) in failed {
            // The first key that is lost is the one that is told.
            if self.decisions[record as usize].is_some_and(Decision::is_to_write) {
                self.decide(record, Decision::Conflict { key, is_deleted });
            }
        }
    }

    /// Who claims which value of a key, and for each value how well the best claim to it stands.
    fn claims(&mut self, lookup: usize) -> (Vec<Claim>, Vec<Option<Rank>>) {
        let mut claims = Vec::new();
        let mut best: Vec<Option<Rank>> = Vec::new();
        for record in self.records() {
            let decision = self.decisions[record as usize];
            let (row, found_by) = match (decision.and_then(Decision::row), decision) {
                (Some((row, lookup)), _) => (Some(row), lookup),
                (None, Some(Decision::Create)) => (None, u8::MAX),
                _ => continue,
            };
            let key = self.map.last_key(record, row, lookup);
            if key == NONE {
                continue;
            }
            // Without a unique index several rows may have it.
            let has = row.map(|row| self.map.possession(row, lookup, key));
            let has = has.unwrap_or(Possession::None);
            // What has failed by an earlier plan wins nothing by a later one.
            let is_told = self.state(record) == RecordState::Told;
            let rank = (has, !is_told, Reverse(found_by), record);
            let best = at(&mut best, key, None);
            *best = (*best).max(Some(rank));
            if has != Possession::Has && self.is_to_do(record) {
                claims.push(Claim { record, key });
            }
        }
        (claims, best)
    }

    /// A record that fails leaves its row as it was, and with it the keys that others need.
    ///
    /// A need is looked at once, when the owner of what it needs is known to fail: a chain of records takes no more steps than
    /// it has links.
    pub(super) fn fail_who_needs_a_held_key(&mut self, needs: &[Need]) {
        let mut by_owner: HashMap<u32, Vec<&Need>> = HashMap::new();
        for need in needs {
            let owner = self.owner[need.row as usize];
            if owner != NONE {
                by_owner.entry(owner).or_default().push(need);
            }
        }
        let owners = by_owner.keys().copied();
        let mut failing: Vec<u32> = owners.filter(|&owner| !self.is_to_do(owner)).collect();
        let mut lost: HashMap<u32, (u8, bool)> = HashMap::new();
        while let Some(owner) = failing.pop() {
            for need in by_owner.remove(&owner).unwrap_or_default() {
                if self.is_to_do(need.record) {
                    // The first key that is lost is the one that is told, in whichever order the owners are visited.
                    let this = (need.lookup, self.map.is_marked(need.row));
                    let first = lost.entry(need.record).or_insert_with(|| {
                        failing.push(need.record);
                        this
                    });
                    *first = this.min(*first);
                }
            }
        }
        for (record, (key, is_deleted)) in lost {
            self.decide(record, Decision::Conflict { key, is_deleted });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::import::plan::identity_map::IdentityMap;
    use crate::import::plan::{Keys, Planning, RowState, Rules, Shape};

    use super::*;

    /// Each record is a row by its first key and wants the second key of the next one; the last one wants that of a row that
    /// no record is.
    fn chain(length: u32) -> IdentityMap {
        let lookups: [&[usize]; 2] = [&[0], &[1]];
        let mut map = IdentityMap::new(Keys::new(&Shape {
            lookups: lookups.to_vec(),
            uniques: Vec::new(),
            updated: &[0, 1],
            keep_none: &[],
        }));
        let value = |map: &mut IdentityMap, place, number: u32| {
            let bytes = Some(number.to_be_bytes().to_vec());
            map.keys.number(place, bytes, false)
        };
        for row in 0..=length {
            let values = [value(&mut map, 0, row), value(&mut map, 1, row)];
            map.create(&values, RowState::Here);
        }
        for record in 0..length {
            let values = [value(&mut map, 0, record), value(&mut map, 1, record + 1)];
            let record = map.add_record(RecordState::Open);
            map.know_record(record, &values);
        }
        map
    }

    #[test]
    fn who_waits_for_a_held_key_is_visited_once() {
        const LENGTH: u32 = 1_000;
        let mut map = chain(LENGTH);
        let rules = Rules {
            unclaimed: vec![false; 2],
            is_id: vec![false; 2],
            missing: MissingRows::Stay,
            only_updates: false,
        };
        let mut draft = Draft::new(&mut map, &rules);
        draft.merge_equal_records();
        draft.own_by_first_key();
        let mut arbitration = Arbitration::default();
        draft.arbitrate(1, &[], &mut arbitration);
        draft.fail_who_gets_no_key(&arbitration.failed);
        draft.steps.set(0);
        draft.fail_who_needs_a_held_key(&arbitration.needs);
        assert!(draft.steps.get() < 10 * LENGTH, "{}", draft.steps.get());
        let mut planning = Planning::new(&mut map, &rules);
        let mut stages = 1;
        let plan = loop {
            match planning.step() {
                Some(plan) => break plan,
                None => stages += 1,
            }
        };
        // Others run between the stages.
        assert!(stages > 2 * 2, "{stages}");
        let fails = |decision: &Decision| matches!(decision, Decision::Conflict { key: 1, .. });
        assert!(plan.decisions.iter().all(fails));
    }

    #[test]
    fn who_finds_nothing_is_skipped_in_one_round() {
        const LENGTH: u32 = 500;
        let lookups: Vec<&[usize]> = vec![&[0], &[1]];
        let mut map = IdentityMap::new(Keys::new(&Shape {
            lookups,
            uniques: Vec::new(),
            updated: &[0, 1],
            keep_none: &[],
        }));
        // Each has a key of its own that no row has, and all want the same other one.
        for number in 0..LENGTH {
            let mut value = |place, number: u32| {
                let bytes = Some(number.to_be_bytes().to_vec());
                map.keys.number(place, bytes, false)
            };
            let values = [value(0, number), value(1, 0)];
            let record = map.add_record(RecordState::Open);
            map.know_record(record, &values);
        }
        let rules = Rules {
            unclaimed: vec![false; 2],
            is_id: vec![false; 2],
            missing: MissingRows::Stay,
            only_updates: true,
        };
        let mut planning = Planning::new(&mut map, &rules);
        let mut stages = 1;
        let plan = loop {
            match planning.step() {
                Some(plan) => break plan,
                None => stages += 1,
            }
        };
        assert!(stages < 20, "{stages}");
        let decisions = plan.decisions.iter();
        assert_eq!(
            decisions.filter(|one| **one == Decision::Skipped).count(),
            LENGTH as usize
        );
    }
}
