//! Who gets a value that several want: the stages (4) and (5).

use std::cmp::Reverse;

use super::{Claim, Keys, Plan, Row};

impl Plan<'_> {
    /// For each record, whether it fails with a conflict.
    pub(super) fn conflicts(&self, given_away: &[usize]) -> Vec<bool> {
        let indices = self.indices();
        let mut failed: Vec<bool> = indices
            .iter()
            .map(|&index| self.loses_a_value(index, given_away))
            .collect();
        // Each failure keeps one more row as it was, and somebody may need a key from it.
        while let Some(&blocked) = indices
            .iter()
            .find(|&&index| !failed[index] && self.is_blocked(index, &failed))
        {
            failed[blocked] = true;
        }
        failed
    }

    /// Stage (4): whether another record gets a value that this one wants, or nobody gets it.
    fn loses_a_value(&self, index: usize, given_away: &[usize]) -> bool {
        let Some(Row { keys, .. }) = self.stands(index) else {
            return false;
        };
        self.uniques().any(|key| {
            let rank = |index: usize| self.rank(index, &keys, key);
            let is_outranked = self.indices().into_iter().any(|rival| {
                let new = self.stands(rival);
                let wants = new.is_some_and(|new| self.agree(&new.keys, &keys, key));
                wants && rank(rival) > rank(index)
            });
            let is_kept = self.row_indices().any(|row| {
                let stays = self.owner_of(row).is_none() && !given_away.contains(&row);
                stays && self.is_in_indexes(&self.rows[row]) && self.holds(row, &keys, key)
            });
            is_outranked || is_kept
        })
    }

    /// The greatest rank gets the value. First comes who has it (a row that is not marked before one
    /// that is), then the owner by the earlier look-up, then the last record. No two records have the
    /// same rank.
    pub(super) fn rank(
        &self,
        index: usize,
        keys: &Keys,
        key: usize,
    ) -> (u8, Reverse<usize>, usize) {
        match self.claims[index] {
            Claim::Owner { row, by } => {
                let has = match self.rows[row].marked {
                    _ if !self.holds(row, keys, key) => 0,
                    Some(_) => 1,
                    None => 2,
                };
                (has, Reverse(by), index)
            }
            // A creator comes after all owners.
            _ => (0, Reverse(usize::MAX), index),
        }
    }

    /// Stage (5): whether the record wants a value from a row that stays, as another record failed.
    fn is_blocked(&self, index: usize, failed: &[bool]) -> bool {
        self.stands(index).is_some_and(|new| {
            self.row_indices().any(|row| {
                let owner = self.owner_of(row);
                let stays = owner.is_some_and(|owner| owner != index && failed[owner]);
                stays && self.is_in_indexes(&self.rows[row]) && self.holds_any(row, &new.keys)
            })
        })
    }

    /// The record's row as the unique indexes will have it.
    pub(super) fn stands(&self, index: usize) -> Option<Row> {
        self.leaves(index).filter(|row| self.is_in_indexes(row))
    }

    fn is_in_indexes(&self, row: &Row) -> bool {
        row.marked.is_none() || !self.options.rules.is_partial
    }

    pub(super) fn holds_any(&self, row: usize, keys: &Keys) -> bool {
        self.uniques().any(|key| self.holds(row, keys, key))
    }
}
