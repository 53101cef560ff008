//! A model of an import: what must become of every record and every row, by the rules alone.
//!
//! Every question is answered by a plain search over all rows and all records. The lists are short,
//! and code that reads like the rules is easier to trust than fast code.

use std::cmp::Reverse;
use std::ops::Range;

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
    let mut plan = Plan {
        rows,
        records,
        options,
        claims: vec![Claim::Undecided; records.len()],
    };
    plan.drop_repeated();
    plan.own_by_first_lookup();
    for lookup in 1..options.unclaimed.len() {
        plan.fall_back(lookup);
    }
    plan.create_the_rest();

    let missing = plan.missing();
    // A record that names nothing may stand for any of the missing rows. So none of them may go.
    let complete = !plan.claims.contains(&FAILED_NO_KEY);
    if complete && plan.is_refused(missing.len()) {
        return None;
    }
    let given_away = if complete { &missing[..] } else { &[] };
    let failed = plan.conflicts(given_away);
    Some(plan.settle(&failed, missing.len(), given_away))
}

/// One value for each look-up.
type Keys = [Option<String>];

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

const FAILED_NO_KEY: Claim = Claim::Out(Outcome::Failed(Cause::NoUsableKey));

/// The import, with one claim for each record. The claims are final after the last look-up.
/// A record that fails with a conflict later keeps its claim.
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
                self.claims[index] = FAILED_NO_KEY;
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
            let keys = &self.records[index].keys;
            if let Some(row) = self.row_indices().find(|&row| self.holds(row, keys, 0)) {
                self.claims[index] = Claim::Owner { row, by: 0 };
            }
        }
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
        let has_earlier = |index: usize| has_earlier(&self.records[index].keys, lookup);

        // Without an earlier key the record is the same thing as the one that has the key. With an
        // earlier key it is another thing, and the key cannot belong to both.
        let lost = Claim::Out(if has_earlier(index) {
            Outcome::Failed(Cause::Identity)
        } else {
            Outcome::Superseded
        });

        let mut group = self.undecided_with(lookup);
        group.retain(|&other| self.agree(&self.records[other].keys, keys, lookup));
        let last_with_earlier = group.iter().rfind(|&&other| has_earlier(other));
        if last_with_earlier.or_else(|| group.last()) != Some(&index) {
            return lost;
        }

        // A row without an owner counts before the wish of an owner.
        let unowned = self
            .row_indices()
            .find(|&row| self.owner_of(row).is_none() && self.holds(row, keys, lookup));
        let Some(row) = unowned else {
            // Nobody is a creator yet. So who wants the key here is an owner.
            let has_owner = self.indices().any(|other| self.wants(other, keys, lookup));
            return if has_owner { lost } else { Claim::Undecided };
        };
        // An earlier key in both is a different one, or the record had found the row by it.
        let row_keys = &self.rows[row].keys;
        let takeover =
            (0..lookup).any(|l| usable(keys, l).is_some() && usable(row_keys, l).is_some());
        if takeover && (self.options.never || self.options.unclaimed[lookup]) {
            return Claim::Out(Outcome::Failed(Cause::Identity));
        }
        Claim::Owner { row, by: lookup }
    }

    fn create_the_rest(&mut self) {
        for claim in &mut self.claims {
            if *claim == Claim::Undecided {
                *claim = Claim::Creator;
            }
        }
    }

    // Missing rows

    /// The rows that can be missing.
    fn candidates(&self) -> Vec<usize> {
        self.row_indices()
            .filter(|&row| usable(&self.rows[row].keys, 0).is_some())
            .collect()
    }

    fn missing(&self) -> Vec<usize> {
        let mut missing = self.candidates();
        missing
            .retain(|&row| self.options.delete_missing.is_some() && self.owner_of(row).is_none());
        missing
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
        let mut failed: Vec<bool> = self
            .indices()
            .map(|index| self.loses_a_value(index, given_away))
            .collect();
        // Each failure keeps one more row as it was, and somebody may need a key from it.
        while let Some(blocked) = self
            .indices()
            .find(|&index| !failed[index] && self.is_blocked(index, &failed))
        {
            failed[blocked] = true;
        }
        failed
    }

    /// Stage (4): whether another record gets a value that this one wants, or nobody gets it.
    fn loses_a_value(&self, index: usize, given_away: &[usize]) -> bool {
        let Some(Row { keys, .. }) = self.leaves(index) else {
            return false;
        };
        self.lookups().any(|lookup| {
            let rank = |index: usize| self.rank(index, &keys, lookup);
            let outranked = self
                .indices()
                .any(|rival| self.wants(rival, &keys, lookup) && rank(rival) > rank(index));
            let kept = self.row_indices().any(|row| {
                let stays = self.owner_of(row).is_none() && !given_away.contains(&row);
                stays && self.holds(row, &keys, lookup)
            });
            outranked || kept
        })
    }

    /// The greatest rank gets the value. First comes who has it, then the owner by the earlier
    /// look-up, then the last record. No two records have the same rank.
    fn rank(&self, index: usize, keys: &Keys, lookup: usize) -> (bool, Reverse<usize>, usize) {
        match self.claims[index] {
            Claim::Owner { row, by } => (self.holds(row, keys, lookup), Reverse(by), index),
            // A creator comes after all owners.
            _ => (false, Reverse(usize::MAX), index),
        }
    }

    /// Stage (5): whether the record wants a value from a row that stays, as another record failed.
    fn is_blocked(&self, index: usize, failed: &[bool]) -> bool {
        self.leaves(index).is_some_and(|new| {
            self.row_indices().any(|row| {
                let owner = self.owner_of(row);
                owner.is_some_and(|owner| owner != index && failed[owner])
                    && self.holds_any(row, &new.keys)
            })
        })
    }

    // The result

    fn settle(&self, failed: &[bool], missing: usize, given_away: &[usize]) -> Expected {
        let outcomes: Vec<Outcome> = self
            .indices()
            .map(|index| self.outcome(index, failed[index]))
            .collect();
        let any_failed = outcomes.iter().any(|o| matches!(o, Outcome::Failed(_)));

        let mut kept = Vec::new();
        let mut created = Vec::new();
        // What the records that succeed leave.
        let mut written = Vec::new();
        for index in self.indices().filter(|&index| !failed[index]) {
            written.extend(self.leaves(index));
            if self.claims[index] == Claim::Creator {
                created.extend(self.leaves(index));
            }
        }
        for (row, old) in self.rows.iter().enumerate() {
            let needed = written.iter().any(|new| self.holds_any(row, &new.keys));
            // A failed record may belong to a missing row. So only those in the way go then.
            if given_away.contains(&row) && (needed || !any_failed) {
                continue;
            }
            let owner = self.owner_of(row).filter(|&owner| !failed[owner]);
            let new = owner.and_then(|owner| self.leaves(owner));
            kept.push(new.unwrap_or_else(|| old.clone()));
        }
        let deleted = self.rows.len() - kept.len();
        kept.sort_by_key(|row| row.id);
        created.sort_by(|a, b| (&a.keys, &a.name).cmp(&(&b.keys, &b.name)));
        let rows = [kept, created].concat();
        Expected {
            outcomes,
            rows,
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
        let Record { mut keys, name } = self.records[index].clone();
        match self.claims[index] {
            Claim::Owner { row, .. } => {
                let Row { id, keys: old, .. } = &self.rows[row];
                // A blank key says nothing about the row. So the row keeps what it has.
                for lookup in self.lookups() {
                    if usable(&keys, lookup).is_none() {
                        keys[lookup].clone_from(&old[lookup]);
                    }
                }
                Some(Row {
                    id: *id,
                    keys,
                    name,
                })
            }
            Claim::Creator => Some(Row { id: 0, keys, name }),
            Claim::Undecided | Claim::Out(_) => None,
        }
    }

    /// Whether the record will leave this key in its row.
    fn wants(&self, index: usize, keys: &Keys, lookup: usize) -> bool {
        self.leaves(index)
            .is_some_and(|new| self.agree(&new.keys, keys, lookup))
    }

    /// Whether the row has this key now.
    fn holds(&self, row: usize, keys: &Keys, lookup: usize) -> bool {
        self.agree(&self.rows[row].keys, keys, lookup)
    }

    fn holds_any(&self, row: usize, keys: &Keys) -> bool {
        self.lookups().any(|lookup| self.holds(row, keys, lookup))
    }

    /// Whether a unique column would refuse the two values side by side. NULL never collides.
    fn agree(&self, a: &Keys, b: &Keys, lookup: usize) -> bool {
        match (&a[lookup], &b[lookup]) {
            (Some(a), Some(b)) => self.same(a, b),
            _ => false,
        }
    }

    fn same(&self, a: &str, b: &str) -> bool {
        (self.options.fold)(a) == (self.options.fold)(b)
    }

    fn undecided_with(&self, lookup: usize) -> Vec<usize> {
        self.indices()
            .filter(|&index| self.claims[index] == Claim::Undecided)
            .filter(|&index| usable(&self.records[index].keys, lookup).is_some())
            .collect()
    }

    fn owner_of(&self, row: usize) -> Option<usize> {
        self.indices().find(
            |&index| matches!(self.claims[index], Claim::Owner { row: owned, .. } if owned == row),
        )
    }

    fn indices(&self) -> Range<usize> {
        0..self.records.len()
    }

    fn row_indices(&self) -> Range<usize> {
        0..self.rows.len()
    }

    fn lookups(&self) -> Range<usize> {
        0..self.options.unclaimed.len()
    }
}

/// The key, if it identifies something. A blank one does not.
fn usable(keys: &Keys, lookup: usize) -> Option<&str> {
    let key = keys.get(lookup)?.as_deref()?;
    (!key.trim().is_empty()).then_some(key)
}

fn first_usable(keys: &Keys) -> Option<(usize, &str)> {
    (0..keys.len()).find_map(|lookup| Some((lookup, usable(keys, lookup)?)))
}

fn has_earlier(keys: &Keys, lookup: usize) -> bool {
    (0..lookup).any(|l| usable(keys, l).is_some())
}
