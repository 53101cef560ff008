//! What is left in the end: missing rows, brakes, and the result.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cause, Claim, Expected, Outcome, Plan, Row, Stop, usable};

/// The fields of the keys, and of the other columns that are compared.
const KEYS: [&str; 4] = ["remote_id", "slug", "code", "position"];

impl Plan<'_> {
    // Missing rows

    /// The rows that can be missing.
    fn candidates(&self) -> Vec<usize> {
        let mut candidates: Vec<usize> = self.row_indices().collect();
        candidates.retain(|&row| {
            let row = &self.rows[row];
            let is_there = row.marked.is_none() && !self.is_protected(row);
            is_there && usable(&row.keys, 0).is_some()
        });
        candidates
    }

    pub(super) fn missing(&self) -> Vec<usize> {
        let mut missing = self.candidates();
        missing
            .retain(|&row| self.options.delete_missing.is_some() && self.owner_of(row).is_none());
        missing
    }

    /// Whether a missing row's keys are free once it has gone.
    pub(super) fn gives_keys_away(&self) -> bool {
        let rules = &self.options.rules;
        !rules.mark || rules.is_partial
    }

    // Brakes

    /// All that stops the import. `missing`: how many rows are, if the import is complete.
    #[expect(clippy::cast_precision_loss, reason = "the lists are short")]
    pub(super) fn stops(&self, failed: &[bool], missing: Option<usize>) -> Vec<Stop> {
        let mut stops = Vec::new();
        if let (Some(share), Some(count)) = (self.options.delete_missing, missing) {
            let of = self.candidates().len();
            if self.records.is_empty() || count as f64 > share * of as f64 {
                stops.push(Stop::Missing { count, of });
            }
        }
        if let Some(share) = self.options.rules.max_changed_share {
            let mut updated = self.outcomes(failed);
            updated.retain(|outcome| *outcome == Outcome::Updated);
            let (count, of) = (updated.len(), self.found_rows().len());
            if count > 20 && count as f64 > share * of as f64 {
                stops.push(Stop::Changed { count, of });
            }
        }
        if let Some(most) = self.options.rules.max_failed {
            let mut failures = self.outcomes(failed);
            failures.retain(|outcome| matches!(outcome, Outcome::Failed(_)));
            let mut planned = failures.clone();
            planned.retain(|outcome| *outcome != Outcome::Failed(Cause::Conflict));
            if failures.len() > most {
                let is_planned = planned.len() > most;
                stops.push(Stop::Failed { is_planned });
            }
        }
        stops
    }

    fn found_rows(&self) -> BTreeSet<usize> {
        let row = |claim: &Claim| match claim {
            Claim::Owner { row, .. } => Some(*row),
            _ => None,
        };
        self.claims.iter().filter_map(row).collect()
    }

    // The result

    /// `going`: the rows that are missing, if any may go.
    pub(super) fn settle(&self, failed: &[bool], missing: usize, going: &[usize]) -> Expected {
        let outcomes = self.outcomes(failed);
        let any_failed = outcomes.iter().any(|o| matches!(o, Outcome::Failed(_)));

        let mut rows = Vec::new();
        let mut created = Vec::new();
        // What the records that succeed leave.
        let mut written = Vec::new();
        for index in self.indices().into_iter().filter(|&index| !failed[index]) {
            written.extend(self.stands(index));
            if self.claims[index] == Claim::Creator {
                created.extend(self.leaves(index));
            }
        }
        let mut deleted = 0;
        for (row, old) in self.rows.iter().enumerate() {
            let is_needed =
                self.gives_keys_away() && written.iter().any(|new| self.holds_any(row, &new.keys));
            // A failed record may belong to a missing row. So only those in the way go then.
            if going.contains(&row) && (is_needed || !any_failed) {
                deleted += 1;
                if self.options.rules.mark {
                    rows.push(Row {
                        marked: Some(Row::NOW),
                        ..old.clone()
                    });
                }
                continue;
            }
            let owner = self.owner_of(row).filter(|&owner| !failed[owner]);
            let new = owner.and_then(|owner| self.leaves(owner));
            rows.push(new.unwrap_or_else(|| old.clone()));
        }
        rows.sort();
        created.sort();
        let changed = self.changed(&outcomes);
        rows.extend(created);
        Expected {
            outcomes,
            rows,
            missing,
            deleted,
            changed,
        }
    }

    fn outcomes(&self, failed: &[bool]) -> Vec<Outcome> {
        let indices = self.indices().into_iter();
        indices
            .map(|index| self.outcome(index, failed[index]))
            .collect()
    }

    fn outcome(&self, index: usize, failed: bool) -> Outcome {
        match self.claims[index] {
            Claim::Failed(cause) => Outcome::Failed(cause),
            Claim::Superseded { .. } => Outcome::Superseded,
            Claim::Skipped => Outcome::Skipped,
            _ if failed => Outcome::Failed(Cause::Conflict),
            Claim::Owner { row, .. } => match self.verdict(index, row) {
                Err(outcome) => outcome,
                // The bytes count here: a key that differs only in case is written.
                Ok(new) if new == self.rows[row] => Outcome::Unchanged,
                Ok(_) => Outcome::Updated,
            },
            Claim::Creator | Claim::Undecided => Outcome::Created,
        }
    }

    fn changed(&self, outcomes: &[Outcome]) -> BTreeMap<&'static str, u64> {
        let mut changed = BTreeMap::new();
        for (claim, index) in self.claims.iter().zip(self.indices()) {
            let (Claim::Owner { row, .. }, Outcome::Updated) = (claim, outcomes[index]) else {
                continue;
            };
            let old = &self.rows[*row];
            let new = self.leaves(index).expect("an owner leaves its row");
            let mut fields = Vec::new();
            for (name, (old, new)) in KEYS.iter().zip(old.keys.iter().zip(&new.keys)) {
                fields.push((*name, old != new));
            }
            fields.push(("name", old.name != new.name));
            fields.push(("note", old.note != new.note));
            fields.push(("version", old.version != new.version));
            fields.push(("deleted_at", old.marked != new.marked));
            for (name, _) in fields.iter().filter(|(_, differs)| *differs) {
                *changed.entry(*name).or_default() += 1;
            }
        }
        changed
    }
}
