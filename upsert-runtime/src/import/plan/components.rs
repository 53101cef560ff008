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
    /// For each record, another one of its component that is nearer to the root, which is its own parent.
    parents: HashMap<u32, u32>,
    /// For each root, how many records are in its component.
    sizes: HashMap<u32, usize>,
    /// For each root, the rows whose keys its component needs, and that no record is.
    given_away: HashMap<u32, Vec<u32>>,
}

impl Components {
    /// Joins who needs a key to the owner of the row that holds it. A row without an owner is one that gives its keys away.
    pub(crate) fn of(needs: impl Iterator<Item = Need>, owner: &[u32]) -> Self {
        let mut components = Self::default();
        let mut given_away = Vec::new();
        for Need { record, row, .. } in needs {
            let root = components.root(record);
            match owner[row as usize] {
                NONE => given_away.push((record, row)),
                owner => {
                    let other = components.root(owner);
                    components.parents.insert(other, root);
                }
            }
        }
        let members: Vec<u32> = components.parents.keys().copied().collect();
        for member in members {
            let root = components.root(member);
            *components.sizes.entry(root).or_default() += 1;
        }
        for (record, row) in given_away {
            let root = components.root(record);
            let rows = components.given_away.entry(root).or_default();
            // A record may need two keys of one row.
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        components
    }

    /// The root of a record's component; the record itself if it is in none so far.
    fn root(&mut self, record: u32) -> u32 {
        let mut root = record;
        loop {
            let parent = *self.parents.entry(root).or_insert(root);
            if parent == root {
                break;
            }
            root = parent;
        }
        self.parents.insert(record, root);
        root
    }

    /// The component of a record, by the record at its root, and how many records are in it.
    pub(crate) fn find(&self, record: u32) -> Option<(u32, usize)> {
        let mut root = *self.parents.get(&record)?;
        while let Some(&parent) = self.parents.get(&root)
            && parent != root
        {
            root = parent;
        }
        self.sizes.get(&root).map(|&size| (root, size))
    }

    /// The rows whose keys a record of the component needs, and that no record is.
    pub(crate) fn given_away(&self, component: u32) -> &[u32] {
        self.given_away.get(&component).map_or(&[], Vec::as_slice)
    }
}
