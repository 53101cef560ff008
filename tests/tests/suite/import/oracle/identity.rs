//! Who is which row: the stages (1) to (3), and whose data count.

use std::cmp::Reverse;

use upsert_runtime::OnDeleted;

use super::{Cause, Claim, FAILED_NO_KEY, Keys, Plan, has_earlier, usable};

/// Who has a key when a record falls back to it.
enum Holder {
    /// A row that nobody owns.
    Row(usize),
    /// A record that will leave it in its row.
    Owner(usize),
    Nobody,
}

impl Plan<'_> {
    /// Settles who is which row, where these records are skipped.
    pub(super) fn identify(&mut self, skipped: &[usize]) {
        self.drop_repeated();
        for &index in skipped {
            self.claims[index] = Claim::Skipped;
        }
        self.own_by_first_lookup();
        for lookup in 1..self.lookups().end {
            self.fall_back(lookup);
        }
        for claim in &mut self.claims {
            if *claim == Claim::Undecided {
                *claim = Claim::Creator;
            }
        }
    }

    // Stage (1)

    fn drop_repeated(&mut self) {
        for (index, record) in self.records.iter().enumerate() {
            let Some((lookup, key)) = self.first_usable(&record.keys) else {
                self.claims[index] = FAILED_NO_KEY;
                continue;
            };
            let is_repeated = self.indices().iter().any(|&other| {
                let first = self.first_usable(&self.records[other].keys);
                let is_same =
                    first.is_some_and(|(at, other)| at == lookup && self.same(key, other));
                is_same && self.age(other) > self.age(index)
            });
            if is_repeated {
                self.claims[index] = Claim::Superseded { by: None };
            }
        }
    }

    fn first_usable<'k>(&self, keys: &'k Keys) -> Option<(usize, &'k str)> {
        self.lookups()
            .find_map(|lookup| Some((lookup, usable(keys, lookup)?)))
    }

    /// Of records that are one record the greatest age counts: the newest, at a tie the last.
    fn age(&self, index: usize) -> (Option<i64>, usize) {
        let version = self.records[index].version;
        (version.filter(|_| self.options.rules.newer), index)
    }

    // Stage (2)

    fn own_by_first_lookup(&mut self) {
        for index in self.undecided_with(0) {
            let keys = &self.records[index].keys;
            if let Some(&row) = self.found(keys, 0).first() {
                self.claims[index] = Claim::Owner { row, by: 0 };
            }
        }
    }

    /// The rows that a look-up finds, in the order in which it asks for them: rows that are not marked, then the
    /// marked ones, the last that was marked first, where these are asked for.
    fn found(&self, keys: &Keys, lookup: usize) -> Vec<usize> {
        let mut found: Vec<usize> = self.row_indices().collect();
        let asks_marked = self.options.rules.on_deleted != OnDeleted::Ignore;
        found.retain(|&row| {
            self.holds(row, keys, lookup) && (asks_marked || self.rows[row].marked.is_none())
        });
        found.sort_by_key(|&row| {
            let row = &self.rows[row];
            (row.marked.is_some(), Reverse((row.marked, row.id)))
        });
        found
    }

    // Stage (3)

    fn fall_back(&mut self, lookup: usize) {
        // All groups are judged at the same state. So no claim changes before all are judged.
        let mut claims = self.claims.clone();
        for index in self.undecided_with(lookup) {
            claims[index] = self.judge(index, lookup);
        }
        self.claims = claims;
    }

    /// What becomes of an undecided record at this look-up.
    fn judge(&self, index: usize, lookup: usize) -> Claim {
        let keys = &self.records[index].keys;
        // Without an earlier key the record is the same thing as the one that has the key. With an
        // earlier key it is another thing, and the key cannot belong to both.
        let lost_to = |by: usize| {
            if has_earlier(keys, lookup) {
                Claim::Failed(Cause::Identity)
            } else {
                Claim::Superseded { by: Some(by) }
            }
        };
        let holder = self.holder(keys, lookup);
        if let Holder::Owner(owner) = holder {
            return lost_to(owner);
        }
        let winner = self.winner(keys, lookup);
        if winner != index {
            return lost_to(winner);
        }
        let Holder::Row(row) = holder else {
            return Claim::Undecided;
        };
        // An earlier key in both is a different one, or the record had found the row by it.
        let row_keys = &self.rows[row].keys;
        let is_takeover =
            (0..lookup).any(|l| usable(keys, l).is_some() && usable(row_keys, l).is_some());
        if is_takeover && (self.options.never || self.options.unclaimed[lookup]) {
            return Claim::Failed(Cause::Identity);
        }
        Claim::Owner { row, by: lookup }
    }

    /// Of the undecided records with this key, the one that gets it: the last that has a usable earlier
    /// key, else the last.
    fn winner(&self, keys: &Keys, lookup: usize) -> usize {
        let mut group = self.undecided_with(lookup);
        group.retain(|&other| self.agree(&self.records[other].keys, keys, lookup));
        let has_earlier = |&&other: &&usize| has_earlier(&self.records[other].keys, lookup);
        let last = group.iter().rfind(has_earlier).or_else(|| group.last());
        *last.expect("the record that asks is one of them")
    }

    /// A look-up asks one row after the other. A row without an owner counts before the wish of an
    /// owner; a row whose owner leaves another key in it is as good as gone.
    fn holder(&self, keys: &Keys, lookup: usize) -> Holder {
        for row in self.found(keys, lookup) {
            match self.owner_of(row) {
                None => return Holder::Row(row),
                Some(owner) if self.wants(owner, keys, lookup) => return Holder::Owner(owner),
                Some(_) => {}
            }
        }
        // Nobody is a creator yet. So who wants the key here is an owner.
        let mut owners = self.indices();
        owners.retain(|&other| self.wants(other, keys, lookup));
        let first = owners
            .into_iter()
            .max_by_key(|&owner| self.rank(owner, keys, lookup));
        first.map_or(Holder::Nobody, Holder::Owner)
    }

    fn undecided_with(&self, lookup: usize) -> Vec<usize> {
        let mut undecided = self.indices();
        undecided.retain(|&index| {
            self.claims[index] == Claim::Undecided
                && usable(&self.records[index].keys, lookup).is_some()
        });
        undecided
    }

    // Whose data count

    /// A record that lost a key to another one is that one: the newest of them gives the data.
    pub(super) fn compete(&mut self) {
        if !self.options.rules.newer {
            return;
        }
        for index in self.indices() {
            if let Claim::Superseded { by: Some(by) } = self.claims[index]
                && self.age(index) > self.age(self.data[by])
            {
                self.data[by] = index;
            }
        }
    }
}
