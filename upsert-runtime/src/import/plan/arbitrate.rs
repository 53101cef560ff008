//! Keys that several want, or that are held: who gets them, and who fails.

use std::cmp::Reverse;

use super::components::Need;
use super::identity::{Decision, Draft, at, small};
use super::identity_map::RecordState;
use super::keys::NONE;

/// How well a claim to a key stands: by possession, not failed before, by the earlier look-up, by the later record.
type Rank = (bool, bool, Reverse<u8>, u32);

/// A record that is still to be written and has this key in the end.
struct Claim {
    record: u32,
    key: u32,
    /// Whether its row has the key already.
    has: bool,
    /// The row that has the key now.
    holder: Option<u32>,
}

impl Draft<'_> {
    /// Decides who gets a key that several want: who has it, then the owner by the earlier look-up, then the last. Gives who
    /// needs a key that another row holds now.
    pub(super) fn arbitrate(&mut self, given_away: &[u32]) -> Vec<Need> {
        let mut failed = Vec::new();
        let mut needs = Vec::new();
        for lookup in 0..self.map.keys.lookups() {
            let (claims, mut best) = self.claims(lookup);
            for claim in claims.into_iter().filter(|claim| !claim.has) {
                let Claim { record, holder, .. } = claim;
                let best = at(&mut best, claim.key, None);
                let is_best = best.is_some_and(|best| best.3 == record);
                let stays = |row| self.unowned(row) && given_away.binary_search(&row).is_err();
                if !is_best || holder.is_some_and(stays) {
                    failed.push((record, lookup));
                } else if let Some(row) = holder {
                    let lookup = small(lookup);
                    needs.push(Need {
                        record,
                        row,
                        lookup,
                    });
                }
            }
        }
        for (record, lookup) in failed {
            // The first key that is lost is the one that is told.
            if self.decisions[record as usize].is_some_and(Decision::is_to_write) {
                let lookup = small(lookup);
                self.decide(record, Decision::Conflict { lookup });
            }
        }
        needs
    }

    /// Who claims which key of a look-up, and for each key how well the best claim to it stands.
    fn claims(&mut self, lookup: usize) -> (Vec<Claim>, Vec<Option<Rank>>) {
        let mut claims = Vec::new();
        let mut best: Vec<Option<Rank>> = Vec::new();
        for record in self.records() {
            let (row, found_by) = match self.decisions[record as usize] {
                Some(Decision::Row { row, lookup }) => (Some(row), lookup),
                Some(Decision::Create) => (None, u8::MAX),
                _ => continue,
            };
            let last = self.map.last_values(record, row);
            let key = self.map.keys.unique(lookup, &last);
            if key == NONE {
                continue;
            }
            // Without a unique index several rows may have it.
            let has = row.is_some_and(|row| self.map.has_key(row, lookup, key));
            // What has failed by an earlier plan wins nothing by a later one.
            let is_told = self.state(record) == RecordState::Told;
            let rank = (has, !is_told, Reverse(found_by), record);
            let best = at(&mut best, key, None);
            *best = (*best).max(Some(rank));
            if self.state(record) == RecordState::Open {
                claims.push(Claim {
                    record,
                    key,
                    has,
                    holder: self.map.holder(lookup, key),
                });
            }
        }
        (claims, best)
    }

    /// A record that fails leaves its row as it was, and with it the keys that others need.
    pub(super) fn fail_who_needs_a_held_key(&mut self, needs: &[Need]) {
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
                if owner != NONE && !self.is_to_do(owner) && self.is_to_do(record) {
                    self.decide(record, Decision::Conflict { lookup });
                    again = true;
                }
            }
        }
    }
}
