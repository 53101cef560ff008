//! Keys that several want, or that are held: who gets them, and who fails.

use std::cmp::Reverse;

use super::keys::NONE;
use super::plan::{Decision, Draft, at, small};
use super::sets::Need;
use super::world::State;

/// How well a claim to a key stands: by possession, not failed before, by the earlier look-up, by the later record.
type Rank = (bool, bool, Reverse<u8>, u32);

impl Draft<'_> {
    /// Who gets a key that several want: who has it, then the owner by the earlier look-up, then the last. Gives who needs a
    /// key that another row holds now.
    pub(super) fn contend(&mut self, given_away: &[u32]) -> Vec<Need> {
        let mut failed = Vec::new();
        let mut needs = Vec::new();
        for lookup in 0..self.world.keys.lookups() {
            let mut wants = Vec::new();
            let mut best: Vec<Option<Rank>> = Vec::new();
            for record in self.records() {
                let (row, found_by) = match self.decisions[record as usize] {
                    Some(Decision::Row { row, lookup }) => (Some(row), lookup),
                    Some(Decision::Create) => (None, u8::MAX),
                    _ => continue,
                };
                let last = self.world.last_values(record, row);
                let key = self.world.keys.unique(lookup, &last);
                if key == NONE {
                    continue;
                }
                let holder = self.world.holder(lookup, key);
                // Without a unique index several rows may have it.
                let has = row.is_some_and(|row| self.world.has_key(row, lookup, key));
                // What has failed by an earlier plan wins nothing by a later one.
                let is_told = self.state(record) == State::Told;
                let rank = (has, !is_told, Reverse(found_by), record);
                let best = at(&mut best, key, None);
                *best = (*best).max(Some(rank));
                if self.state(record) == State::Open {
                    wants.push((record, key, has, holder));
                }
            }
            for (record, key, has, holder) in wants {
                if has {
                    continue;
                }
                let is_best = at(&mut best, key, None).is_some_and(|best| best.3 == record);
                let stays = |row| self.unowned(row) && given_away.binary_search(&row).is_err();
                if !is_best || holder.is_some_and(stays) {
                    failed.push((record, lookup));
                } else if let Some(row) = holder {
                    needs.push(Need {
                        record,
                        row,
                        lookup: small(lookup),
                    });
                }
            }
        }
        for (record, lookup) in failed {
            // The first key that is lost is the one that is told.
            if self.decisions[record as usize].is_some_and(Decision::is_settled) {
                let lookup = small(lookup);
                self.decide(record, Decision::Conflict { lookup });
            }
        }
        needs
    }

    /// A record that fails leaves its row as it was, and with it the keys that others need.
    pub(super) fn fail_who_needs_a_held_key(&mut self, needs: &[Need]) {
        let is_to_do = |draft: &Self, record: u32| {
            draft.state(record) == State::Open
                && draft.decisions[record as usize].is_some_and(Decision::is_settled)
        };
        let mut again = true;
        while again {
            again = false;
            for &Need {
                record,
                row,
                lookup,
            } in needs
            {
                let owner = self.owner[row as usize];
                if owner != NONE && !is_to_do(self, owner) && is_to_do(self, record) {
                    self.decide(record, Decision::Conflict { lookup });
                    again = true;
                }
            }
        }
    }
}
