//! A model of an import: what must become of every record and every row, by the rules alone.
//!
//! Every question is answered by a plain search over all rows and all records. The lists are short,
//! and code that reads like the rules is easier to trust than fast code.

use std::cmp::Reverse;

/// A row as stored. `keys[l]` is the value of the model's look-up number `l` (each look-up is one
/// column); None is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub id: i64,
    pub keys: Vec<Option<String>>,
    pub name: String,
}

/// A record, keys after trimming; None is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub keys: Vec<Option<String>>,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    NoUsableKey,
    Identity,
    Conflict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    Superseded,
    Failed(Cause),
}

pub(super) struct Options {
    /// What the database compares instead of a key (case folded, trailing spaces cut); the identity
    /// where equality is by bytes.
    pub fold: fn(&str) -> String,
    /// `OnTakeover::Never`
    pub never: bool,
    /// For each look-up, whether it is declared `unclaimed`.
    pub unclaimed: Vec<bool>,
    /// None: `Missing::Keep`. Some(share): `Missing::Delete` with `max_share`.
    pub delete_missing: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub outcomes: Vec<Outcome>,
    /// Sorted by id. Created rows have id 0 and come at the end, sorted by keys and name.
    pub rows: Vec<Row>,
    pub missing: usize,
    pub deleted: usize,
}

/// None: refused, nothing is written.
pub(super) fn expected(rows: &[Row], records: &[Record], options: &Options) -> Option<Expected> {
    let claims = vec![Claim::Undecided; records.len()];
    let mut plan = Plan {
        rows,
        records,
        options,
        claims,
    };
    plan.drop_repeated();
    plan.own_by_first_lookup();
    for lookup in 1..options.unclaimed.len() {
        plan.fall_back(lookup);
    }
    plan.create_the_rest();

    let missing = plan.missing();
    // A record that names nothing may stand for any of the missing rows, so none of them may go.
    let complete = !plan
        .claims
        .contains(&Claim::Out(Outcome::Failed(Cause::NoUsableKey)));
    if complete && plan.is_refused(missing.len()) {
        return None;
    }
    let given_away = if complete {
        missing.clone()
    } else {
        Vec::new()
    };
    let failed = plan.conflicts(&given_away);
    Some(plan.settle(&failed, missing.len(), &given_away))
}

/// What the plan has said of a record so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Undecided,
    /// It writes `rows[row]`, which it found by the look-up `by`.
    Owner {
        row: usize,
        by: usize,
    },
    Creator,
    /// It writes nothing, and nothing is kept for it.
    Out(Outcome),
}

/// The import, with one claim for each record. The claims are final after the last look-up: a record
/// that fails by a conflict later keeps its claim.
struct Plan<'a> {
    rows: &'a [Row],
    records: &'a [Record],
    options: &'a Options,
    claims: Vec<Claim>,
}

impl Plan<'_> {
    // Stage (1)

    fn drop_repeated(&mut self) {
        for (index, record) in self.records.iter().enumerate() {
            let Some((lookup, key)) = first_usable(&record.keys) else {
                self.claims[index] = Claim::Out(Outcome::Failed(Cause::NoUsableKey));
                continue;
            };
            let repeated = self.records[index + 1..].iter().any(|later| {
                first_usable(&later.keys)
                    .is_some_and(|(at, other)| at == lookup && self.same(key, other))
            });
            // The last counts.
            if repeated {
                self.claims[index] = Claim::Out(Outcome::Superseded);
            }
        }
    }

    // Stage (2)

    fn own_by_first_lookup(&mut self) {
        for index in self.undecided_with(0) {
            let found = self
                .rows
                .iter()
                .position(|row| self.agree(&row.keys, &self.records[index].keys, 0));
            if let Some(row) = found {
                self.claims[index] = Claim::Owner { row, by: 0 };
            }
        }
    }

    // Stage (3)

    fn fall_back(&mut self, lookup: usize) {
        // All groups are judged at the same state. So no claim is written before all are judged.
        let undecided = self.undecided_with(lookup);
        let judged: Vec<(usize, Claim)> = undecided
            .iter()
            .map(|&index| (index, self.judge(index, &undecided, lookup)))
            .collect();
        for (index, claim) in judged {
            self.claims[index] = claim;
        }
    }

    /// What becomes of one of the undecided records at this look-up.
    fn judge(&self, index: usize, undecided: &[usize], lookup: usize) -> Claim {
        let keys = &self.records[index].keys;
        let has_earlier =
            |index: usize| (0..lookup).any(|l| usable(&self.records[index].keys, l).is_some());

        // Without an earlier key the record says no more than the one that has the key: it is the same
        // thing. With an earlier key it is another thing, which cannot have the key as well.
        let lost = Claim::Out(if has_earlier(index) {
            Outcome::Failed(Cause::Identity)
        } else {
            Outcome::Superseded
        });

        let group: Vec<usize> = undecided
            .iter()
            .copied()
            .filter(|&other| self.agree(&self.records[other].keys, keys, lookup))
            .collect();
        let winner = group
            .iter()
            .copied()
            .rfind(|&other| has_earlier(other))
            .or(group.last().copied());

        // A row without an owner counts before the wish of an owner.
        let unowned = (0..self.rows.len()).find(|&row| {
            self.owner_of(row).is_none() && self.agree(&self.rows[row].keys, keys, lookup)
        });
        let Some(row) = unowned else {
            // Nobody is a creator yet, so only owners leave a row here.
            let has_owner = (0..self.records.len()).any(|other| {
                self.leaves(other)
                    .is_some_and(|row| self.agree(&row.keys, keys, lookup))
            });
            return if !has_owner && winner == Some(index) {
                Claim::Undecided
            } else {
                lost
            };
        };
        if winner != Some(index) {
            return lost;
        }
        let forbidden = self.options.never || self.options.unclaimed[lookup];
        let row_keys = &self.rows[row].keys;
        // An earlier key in both is a different one, or the record had found the row by it.
        let takeover =
            (0..lookup).any(|l| usable(keys, l).is_some() && usable(row_keys, l).is_some());
        if takeover && forbidden {
            Claim::Out(Outcome::Failed(Cause::Identity))
        } else {
            Claim::Owner { row, by: lookup }
        }
    }

    fn create_the_rest(&mut self) {
        for claim in &mut self.claims {
            if *claim == Claim::Undecided {
                *claim = Claim::Creator;
            }
        }
    }

    // Missing rows

    /// Rows that an import of this kind names by their first key. No others can be missing.
    fn candidates(&self) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|&row| usable(&self.rows[row].keys, 0).is_some())
            .collect()
    }

    fn missing(&self) -> Vec<usize> {
        if self.options.delete_missing.is_none() {
            return Vec::new();
        }
        self.candidates()
            .into_iter()
            .filter(|&row| self.owner_of(row).is_none())
            .collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "the lists are short")]
    fn is_refused(&self, missing: usize) -> bool {
        self.options.delete_missing.is_some_and(|share| {
            self.records.is_empty() || missing as f64 > share * self.candidates().len() as f64
        })
    }

    // Stages (4) and (5)

    /// For each record, whether it fails with a conflict.
    fn conflicts(&self, given_away: &[usize]) -> Vec<bool> {
        let all = 0..self.records.len();
        let mut failed: Vec<bool> = all
            .clone()
            .map(|index| self.is_refused_a_value(index, given_away))
            .collect();
        // Each failure keeps a row as it was, which may be one more that somebody waits for.
        loop {
            let next: Vec<bool> = all
                .clone()
                .map(|index| failed[index] || self.is_blocked(index, &failed))
                .collect();
            if next == failed {
                return failed;
            }
            failed = next;
        }
    }

    /// Stage (4): whether somebody else gets a value that the record wants, or nobody gets it.
    fn is_refused_a_value(&self, index: usize, given_away: &[usize]) -> bool {
        let Some(wanted) = self.leaves(index) else {
            return false;
        };
        self.lookups().any(|lookup| {
            let outranked = (0..self.records.len()).any(|rival| {
                let wants_it = self
                    .leaves(rival)
                    .is_some_and(|row| self.agree(&row.keys, &wanted.keys, lookup));
                wants_it && self.rank(rival, &wanted, lookup) > self.rank(index, &wanted, lookup)
            });
            let kept = (0..self.rows.len()).any(|row| {
                let stays = self.owner_of(row).is_none() && !given_away.contains(&row);
                stays && self.agree(&self.rows[row].keys, &wanted.keys, lookup)
            });
            outranked || kept
        })
    }

    /// The greatest rank gets the value. First comes who has it, then the owner by the earlier look-up,
    /// then the last record. No two records have the same rank.
    fn rank(&self, index: usize, wanted: &Row, lookup: usize) -> (bool, Reverse<usize>, usize) {
        match self.claims[index] {
            Claim::Owner { row, by } => (
                self.agree(&self.rows[row].keys, &wanted.keys, lookup),
                Reverse(by),
                index,
            ),
            // A creator comes after all owners.
            _ => (false, Reverse(usize::MAX), index),
        }
    }

    /// Stage (5): whether the record wants a value in a row that stays as it was, for its owner failed.
    fn is_blocked(&self, index: usize, failed: &[bool]) -> bool {
        let Some(wanted) = self.leaves(index) else {
            return false;
        };
        (0..self.rows.len()).any(|row| {
            let stays = self
                .owner_of(row)
                .is_some_and(|owner| owner != index && failed[owner]);
            stays
                && self
                    .lookups()
                    .any(|lookup| self.agree(&self.rows[row].keys, &wanted.keys, lookup))
        })
    }

    // The result

    fn settle(&self, failed: &[bool], missing: usize, given_away: &[usize]) -> Expected {
        let all = 0..self.records.len();
        let outcomes: Vec<Outcome> = all
            .clone()
            .map(|index| self.outcome(index, failed[index]))
            .collect();

        // What the records that succeed leave behind.
        let written: Vec<(Claim, Row)> = all
            .filter(|&index| !failed[index])
            .filter_map(|index| Some((self.claims[index], self.leaves(index)?)))
            .collect();

        let any_failed = outcomes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Failed(_)));
        let is_deleted = |row: usize| {
            let needed = written.iter().any(|(_, new)| {
                self.lookups()
                    .any(|lookup| self.agree(&self.rows[row].keys, &new.keys, lookup))
            });
            // A failed record may belong to a missing row. So only those in somebody's way go then.
            given_away.contains(&row) && (needed || !any_failed)
        };

        let mut kept = Vec::new();
        for (row, old) in self.rows.iter().enumerate() {
            let new = written.iter().find(
                |(claim, _)| matches!(claim, Claim::Owner { row: owned, .. } if *owned == row),
            );
            if !is_deleted(row) {
                kept.push(new.map_or_else(|| old.clone(), |(_, new)| new.clone()));
            }
        }
        let deleted = self.rows.len() - kept.len();
        kept.sort_by_key(|row| row.id);

        let mut created: Vec<Row> = written
            .into_iter()
            .filter(|(claim, _)| *claim == Claim::Creator)
            .map(|(_, row)| row)
            .collect();
        created.sort_by(|a, b| (&a.keys, &a.name).cmp(&(&b.keys, &b.name)));
        kept.extend(created);
        Expected {
            outcomes,
            rows: kept,
            missing,
            deleted,
        }
    }

    fn outcome(&self, index: usize, failed: bool) -> Outcome {
        match self.claims[index] {
            Claim::Out(outcome) => outcome,
            _ if failed => Outcome::Failed(Cause::Conflict),
            // The bytes count here: a key that differs only in case is written.
            Claim::Owner { row, .. } if self.leaves(index).as_ref() == Some(&self.rows[row]) => {
                Outcome::Unchanged
            }
            Claim::Owner { .. } => Outcome::Updated,
            Claim::Creator | Claim::Undecided => Outcome::Created,
        }
    }

    // Questions that several stages ask

    /// The row as the record leaves it, if it writes one. A new row has id 0.
    fn leaves(&self, index: usize) -> Option<Row> {
        let Record { keys, name } = self.records[index].clone();
        match self.claims[index] {
            Claim::Owner { row, .. } => {
                let old = &self.rows[row];
                // A blank key says nothing about the row, so the row keeps what it has.
                let kept = |l: usize| {
                    if usable(&keys, l).is_some() {
                        keys[l].clone()
                    } else {
                        old.keys[l].clone()
                    }
                };
                Some(Row {
                    id: old.id,
                    keys: self.lookups().map(kept).collect(),
                    name,
                })
            }
            Claim::Creator => Some(Row { id: 0, keys, name }),
            Claim::Undecided | Claim::Out(_) => None,
        }
    }

    fn undecided_with(&self, lookup: usize) -> Vec<usize> {
        (0..self.records.len())
            .filter(|&index| self.claims[index] == Claim::Undecided)
            .filter(|&index| usable(&self.records[index].keys, lookup).is_some())
            .collect()
    }

    fn owner_of(&self, row: usize) -> Option<usize> {
        self.claims
            .iter()
            .position(|claim| matches!(claim, Claim::Owner { row: owned, .. } if *owned == row))
    }

    fn lookups(&self) -> std::ops::Range<usize> {
        0..self.options.unclaimed.len()
    }

    fn same(&self, a: &str, b: &str) -> bool {
        (self.options.fold)(a) == (self.options.fold)(b)
    }

    /// Whether a unique column would refuse the two values side by side. NULL never collides.
    fn agree(&self, a: &[Option<String>], b: &[Option<String>], lookup: usize) -> bool {
        match (&a[lookup], &b[lookup]) {
            (Some(a), Some(b)) => self.same(a, b),
            _ => false,
        }
    }
}

/// The key, if it identifies something. A blank one does not.
fn usable(keys: &[Option<String>], lookup: usize) -> Option<&str> {
    keys.get(lookup)?
        .as_deref()
        .filter(|key| !key.trim().is_empty())
}

fn first_usable(keys: &[Option<String>]) -> Option<(usize, &str)> {
    (0..keys.len()).find_map(|lookup| Some((lookup, usable(keys, lookup)?)))
}
