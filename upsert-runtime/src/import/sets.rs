//! Records whose key changes depend on each other, and so are written in one transaction.

use std::collections::HashMap;

use super::keys::NONE;

/// A record that needs a key which another row holds now.
pub(crate) struct Need {
    pub(crate) record: u32,
    pub(crate) row: u32,
    pub(crate) lookup: u8,
}

/// The connected sets. A record that is in none stands alone.
#[derive(Default)]
pub(crate) struct Sets {
    of: HashMap<u32, u32>,
    sizes: HashMap<u32, usize>,
    given_away: HashMap<u32, Vec<u32>>,
}

impl Sets {
    /// Joins who needs a key to the owner of the row that holds it. A row without an owner is one that gives its keys away.
    pub(crate) fn of(needs: impl Iterator<Item = Need>, owner: &[u32]) -> Self {
        let mut sets = Self::default();
        let mut given_away = Vec::new();
        for Need { record, row, .. } in needs {
            let root = sets.root(record);
            match owner[row as usize] {
                NONE => given_away.push((record, row)),
                owner => {
                    let other = sets.root(owner);
                    sets.of.insert(other, root);
                }
            }
        }
        let members: Vec<u32> = sets.of.keys().copied().collect();
        for member in members {
            let root = sets.root(member);
            *sets.sizes.entry(root).or_default() += 1;
        }
        for (record, row) in given_away {
            let root = sets.root(record);
            let rows = sets.given_away.entry(root).or_default();
            // A record may need two keys of one row.
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        sets
    }

    fn root(&mut self, record: u32) -> u32 {
        let mut root = record;
        loop {
            let parent = *self.of.entry(root).or_insert(root);
            if parent == root {
                break;
            }
            root = parent;
        }
        self.of.insert(record, root);
        root
    }

    /// The set of a record, and how many records are in it.
    pub(crate) fn find(&self, record: u32) -> Option<(u32, usize)> {
        let mut root = *self.of.get(&record)?;
        while let Some(&parent) = self.of.get(&root)
            && parent != root
        {
            root = parent;
        }
        self.sizes.get(&root).map(|&size| (root, size))
    }

    /// The rows whose keys a record of the set needs, and that no record is.
    pub(crate) fn given_away(&self, set: u32) -> &[u32] {
        self.given_away.get(&set).map_or(&[], Vec::as_slice)
    }
}
