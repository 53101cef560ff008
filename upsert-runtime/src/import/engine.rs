//! The course of an import: read all keys, make the plan, write chunk by chunk, plan again where others moved rows.

use std::collections::HashMap;

use crate::backend::Backend;
use crate::error::Error;
use crate::model::{LockedUpsert, Stored};
use crate::upsert::Outcome;

use super::chunk::{Member, Settled, Unit, Written};
use super::keys::Keys;
use super::learn::Learned;
use super::place::Place;
use super::plan::{Plan, Rules, plan};
use super::report::Report;
use super::source::Source;
use super::told::{Finished, Kept};
use super::world::{RowState, State, World};
use super::{Missing, OnTakeover, Options};

/// An import under way.
pub(crate) struct Engine<'e, 'f, M: LockedUpsert> {
    pub(super) options: &'e mut Options<'f, M>,
    pub(super) world: World,
    pub(super) plan: Plan,
    pub(super) folded: Vec<usize>,
    pub(super) learned: Learned,
    pub(super) report: Report<M>,
    rules: Rules,
    /// How many rows could be missing.
    pub(super) candidates: u64,
    pub(super) kept: Vec<Kept<M>>,
    pub(super) ready: Vec<Unit<M::New>>,
    /// Records of sets that are not complete, by the set.
    pub(super) waiting: HashMap<u32, Vec<Member<M::New>>>,
    pub(super) moves: u32,
    /// Whether it ended because others had moved rows.
    pub(crate) has_moved: bool,
}

impl<'e, 'f, M: LockedUpsert> Engine<'e, 'f, M> {
    pub(crate) fn new<DB: Backend>(options: &'e mut Options<'f, M>) -> Self
    where
        M: Stored<DB>,
    {
        if options.dry_run {
            // It is told of what is committed.
            options.each = None;
        }
        let keys = Keys::new(M::MODEL);
        let never = options.on_takeover == OnTakeover::Never;
        let lookups = M::MODEL.lookups;
        let rules = Rules {
            unclaimed: lookups.iter().map(|key| never || key.unclaimed).collect(),
            is_id: lookups
                .iter()
                .map(|key| key.columns.contains(&M::MODEL.id))
                .collect(),
            delete_missing: options.missing == Missing::Delete,
        };
        Self {
            folded: keys.folded::<DB, M>(),
            world: World::new(keys),
            plan: Plan::default(),
            learned: Learned::default(),
            report: Report::default(),
            rules,
            candidates: 0,
            kept: Vec::new(),
            ready: Vec::new(),
            waiting: HashMap::new(),
            moves: 0,
            has_moved: false,
            options,
        }
    }

    /// Runs the import. After an error the report says what was done before it.
    pub(crate) async fn run<DB: Backend>(
        &mut self,
        source: &mut Source<'f, M::New>,
        place: &mut Place<'_, '_, DB>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        if self.options.missing == Missing::Delete {
            Box::pin(self.note_candidates(place)).await?;
        }
        Box::pin(self.learn(source, place)).await?;
        self.make_plan();
        self.guard()?;
        Box::pin(self.write(source, place)).await?;
        if self.options.missing == Missing::Delete {
            Box::pin(self.delete_missing(place)).await?;
        }
        self.tell_progress();
        Ok(())
    }

    /// The report, and what is told of rows once they are committed.
    pub(crate) fn finish(mut self) -> Finished<M> {
        self.kept.sort_by_key(|kept| kept.index);
        self.report.failed.sort_by_key(|failure| failure.index);
        Finished {
            stays: !self.options.dry_run,
            report: self.report,
            kept: self.kept,
        }
    }

    pub(super) fn make_plan(&mut self) {
        self.rules.delete_missing = self.deletes_missing();
        self.plan = plan(&mut self.world, &self.rules);
    }

    /// Notes what was written.
    pub(super) fn settle(&mut self, written: Written<M>) {
        self.moves = 0;
        for (row, deleted) in written.deleted {
            self.world.lose(row);
            self.settle_deleted(deleted);
        }
        // All keys are taken from the rows as they were.
        let last: Vec<Option<Vec<u32>>> = written
            .records
            .iter()
            .map(|settled| {
                let is_updated = matches!(settled.outcome, Outcome::Updated { .. });
                (is_updated || settled.row.is_none())
                    .then(|| self.world.last_values(settled.record, settled.row))
            })
            .collect();
        for (settled, last) in written.records.into_iter().zip(last) {
            let row = match (settled.row, last) {
                (Some(row), None) => row,
                (Some(row), Some(last)) => {
                    self.world.write(row, &last);
                    row
                }
                (None, last) => self
                    .world
                    .create(&last.unwrap_or_default(), RowState::Created),
            };
            self.world.records.states[settled.record as usize] = State::Done(row);
            self.report.count(&settled.outcome);
            self.keep(settled);
        }
    }

    pub(super) fn settle_deleted(&mut self, row: M) {
        self.report.deleted += 1;
        if self.options.changes {
            self.kept.push(Kept {
                index: u64::MAX,
                outcome: None,
                before: Some(row),
                after: None,
            });
        }
    }

    /// Lends the row to `each` if it is committed, and keeps what is told later.
    fn keep(&mut self, settled: Settled<M>) {
        let kept = Kept {
            index: u64::from(settled.record),
            outcome: Some(settled.outcome),
            before: settled.before,
            after: settled.after,
        };
        let is_committed = !self.options.is_one_transaction;
        if is_committed {
            kept.lend(self.options);
        }
        let is_touched = !matches!(kept.outcome, Some(Outcome::Unchanged { .. }));
        let waits_for_commit = self.options.each.is_some() && !is_committed;
        if waits_for_commit || (self.options.changes && is_touched) {
            self.kept.push(kept);
        }
    }

    pub(super) fn tell_progress(&mut self) {
        if let Some(progress) = &mut self.options.progress {
            progress(&self.report.progress());
        }
    }
}
