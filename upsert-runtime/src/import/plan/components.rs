//! Records whose key changes depend on each other, and so are written in one transaction.

use std::collections::HashMap;

use super::keys::NONE;

/// A record that needs a key which another row holds now.
pub(crate) struct Need {
    pub(crate) record: u32,
    pub(crate) row: u32,
    pub(crate) lookup: u8,
}

/// Connected components of records: who needs a key is in one with who gives it. A record that is in none stands alone.
#[derive(Default)]
pub(crate) struct Components {
    /// For each record but the roots, another one of its component that is nearer to the root.
    parents: HashMap<u32, u32>,
    /// For each root, how many records are in its component.
    sizes: HashMap<u32, usize>,
    /// For each root, the rows whose keys its component needs, and that no record is.
    given_away: HashMap<u32, Vec<u32>>,
    /// How many parents were followed.
    #[cfg(test)]
    steps: usize,
}

impl Components {
    /// Joins who needs a key to the owner of the row that holds it, and who gives its data to the one that they are given to. A row
    /// without an owner is one that gives its keys away.
    pub(crate) fn of(
        needs: impl Iterator<Item = Need>,
        owner: &[u32],
        donors: &HashMap<u32, u32>,
    ) -> Self {
        let mut components = Self::default();
        for (&record, &donor) in donors {
            components.join(record, donor);
        }
        let mut given_away = Vec::new();
        for Need { record, row, .. } in needs {
            match owner[row as usize] {
                NONE => given_away.push((record, row)),
                owner => components.join(record, owner),
            }
        }
        for (record, row) in given_away {
            let root = components.root(record);
            components.given_away.entry(root).or_default().push(row);
        }
        for rows in components.given_away.values_mut() {
            // A record may need two keys of one row.
            rows.sort_unstable();
            rows.dedup();
        }
        components
    }

    /// Makes two records' components one. The smaller one is put under the root of the larger one, so that no record is further
    /// from its root than a component of its size can be halved.
    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let (larger, smaller) = if self.sizes[&one] < self.sizes[&other] {
            (other, one)
        } else {
            (one, other)
        };
        self.parents.insert(smaller, larger);
        let joined = self.sizes.remove(&smaller).unwrap_or_default();
        *self.sizes.entry(larger).or_default() += joined;
    }

    /// The root of a record's component, which is begun with it if it is in none so far.
    fn root(&mut self, record: u32) -> u32 {
        let mut root = record;
        while let Some(&parent) = self.parents.get(&root) {
            root = parent;
            #[cfg(test)]
            {
                self.steps += 1;
            }
        }
        self.sizes.entry(root).or_insert(1);
        root
    }

    /// The component of a record, by the record at its root, and how many records are in it.
    pub(crate) fn find(&self, record: u32) -> Option<(u32, usize)> {
        let mut root = record;
        while let Some(&parent) = self.parents.get(&root) {
            root = parent;
        }
        self.sizes.get(&root).map(|&size| (root, size))
    }

    /// The rows whose keys a record of the component needs, and that no record is.
    pub(crate) fn given_away(&self, component: u32) -> &[u32] {
        self.given_away.get(&component).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u32 = 4_000;

    /// Each record needs what the next one has.
    fn need(record: u32) -> Need {
        Need {
            record,
            row: record + 1,
            lookup: 0,
        }
    }

    fn steps(needs: impl Iterator<Item = Need>) -> usize {
        let owner: Vec<u32> = (0..=LENGTH).collect();
        let components = Components::of(needs, &owner, &HashMap::new());
        let (root, size) = components.find(LENGTH).unwrap();
        assert_eq!(size, LENGTH as usize + 1);
        assert!((0..LENGTH).all(|record| components.find(record) == Some((root, size))));
        components.steps
    }

    #[test]
    fn a_chain_in_any_order_is_joined_in_few_steps() {
        let most = 10 * LENGTH as usize;
        let forward = steps((0..LENGTH).map(need));
        let backward = steps((0..LENGTH).rev().map(need));
        let halves = (0..LENGTH).step_by(2).chain((1..LENGTH).step_by(2));
        let halves = steps(halves.map(need));
        // By two look-ups.
        let twice = steps((0..LENGTH).rev().chain((0..LENGTH).rev()).map(need));
        assert!(
            [forward, backward, halves, twice]
                .iter()
                .all(|&steps| steps < 2 * most),
            "{forward} {backward} {halves} {twice}"
        );
    }

    #[test]
    fn a_row_that_many_need_is_given_away_once() {
        let needs = [1, 0, 0, 1].map(|row| Need {
            record: 0,
            row,
            lookup: 0,
        });
        let components = Components::of(needs.into_iter(), &[NONE, NONE], &HashMap::new());
        assert_eq!(components.given_away(0), [0, 1]);
    }
}
