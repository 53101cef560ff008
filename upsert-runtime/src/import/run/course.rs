//! The course of an import: read all keys, make the plan, write chunk by chunk, plan again where rows have moved.

use crate::backend::Supported;
use crate::error::Error;
use crate::import::batch::{Judge, moved};
use crate::import::notify::Finished;
use crate::import::options::{Missing, OnFailure, OnTakeover, Only, Options};
use crate::import::plan::{Decision, MissingRows, Plan, Rules};
use crate::import::source::Source;
use crate::mapping::Mapping;

use super::first_pass::{FirstPass, Learned};
use super::ledger::{Ledger, Wishes};
use super::place::Place;
use super::refusal::refusal;
use super::second_pass::SecondPass;
use super::share::{ShareLimit, check_changes};
use super::stop::Stopper;
use super::table::Table;

/// Why an import ended before its end.
pub(super) enum Halt {
    Failed(Error),
    /// Others have, or may have, moved rows while everything was done in one transaction, which must begin anew.
    Moved,
    /// The caller wants it to end.
    Stop,
}

impl Halt {
    /// The error that it is to the caller.
    pub(super) fn into_error<DB: Supported>(self, mapping: Mapping<DB>) -> Error {
        match self {
            Self::Failed(error) => error,
            // Who is stopped has no error; this is asked of those that have one.
            Self::Moved | Self::Stop => moved(mapping),
        }
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// An import under way.
pub(super) struct Course<'t, DB: Supported> {
    table: Table<'t, DB>,
    ledger: Ledger<'t>,
    stop: Stopper<'t>,
    plain: Plain,
}

/// The options that are plain values.
#[derive(Clone, Copy)]
struct Plain {
    chunk_size: usize,
    max_share: f64,
    max_changed_share: Option<f64>,
    max_failed: Option<u64>,
    missing: Missing,
    only_updates: bool,
    never_takes_over: bool,
    stays: bool,
}

impl<'t, DB: Supported> Course<'t, DB> {
    pub(super) fn new(
        mapping: Mapping<DB>,
        place: Place<'t, DB>,
        options: &'t mut Options<'_>,
    ) -> Self {
        let plain = Plain {
            chunk_size: options.chunk_size,
            max_share: options.max_share,
            max_changed_share: options.max_changed_share,
            max_failed: options.max_failed,
            missing: options.missing,
            only_updates: options.rules.only == Some(Only::Update),
            never_takes_over: options.on_takeover == OnTakeover::Never,
            stays: !options.dry_run,
        };
        let wishes = Wishes {
            changes: options.changes,
            is_one_transaction: options.is_one_transaction,
            aborts: options.on_failure == OnFailure::Abort,
            max_failed: options.max_failed,
        };
        let marks = options.missing == Missing::Mark;
        let Options {
            rules,
            each,
            progress,
            stop,
            ..
        } = options;
        let model = mapping.model.name;
        Self {
            table: Table::new(mapping, place, Judge::new(mapping, rules, marks)),
            ledger: Ledger::new(model, each.as_deref_mut(), progress.as_deref_mut(), wishes),
            stop: Stopper::new(stop.as_mut()),
            plain,
        }
    }

    /// Locks the rows that the records find before the plan is made, so that nobody else moves them any more. `brings_rows`: those
    /// that come up nevertheless are the import's own doing.
    pub(super) async fn lock_first(&mut self, brings_rows: bool) -> Result<(), Halt> {
        self.table.brings_rows = brings_rows;
        Ok(self.table.lock_first().await?)
    }

    /// Undoes what was written, but for the locks. Says whether it was others who had moved rows.
    pub(super) async fn start_over(mut self) -> Result<bool, Halt> {
        Ok(self.table.start_over().await?)
    }

    /// Runs the import. After an error the report says what was done before it.
    pub(super) async fn run(&mut self, source: &mut Source<'_>) -> Result<(), Halt> {
        let Plain {
            chunk_size,
            max_share,
            missing,
            ..
        } = self.plain;
        let mut missing = match missing {
            Missing::Keep => MissingRows::Stay,
            Missing::Delete => MissingRows::Go,
            Missing::Mark => MissingRows::AreMarked,
        };
        Box::pin(self.table.learn()).await?;
        let candidates = if missing == MissingRows::Stay {
            0
        } else {
            let (ledger, stop) = (&mut self.ledger, &mut self.stop);
            let noting = self.table.note_candidates(ledger, stop, chunk_size);
            Box::pin(noting).await?
        };
        let keeps_rows = self.table.keeps_rows(self.ledger.wants_rows());
        let keeps_errors = self.plain.max_failed.map_or(0, |most| {
            usize::try_from(most)
                .unwrap_or(usize::MAX)
                .saturating_add(1)
        });
        let keeps = (keeps_rows, keeps_errors);
        let first_pass = FirstPass::new(&mut self.table, chunk_size, keeps);
        let mut learned = Box::pin(first_pass.run(source, &mut self.stop)).await?;
        if self.table.locks_first {
            self.table.place.mark().await?;
        }
        // Nobody knows which rows are missing if a record could not be looked up.
        if learned.is_incomplete {
            missing = MissingRows::Stay;
        }
        let rules = self.rules(missing);
        let plan = self.table.plan(&rules).await;
        self.ledger.miss(plan.missing.len() as u64);
        if missing != MissingRows::Stay {
            let limit = ShareLimit {
                candidates,
                max_share,
            };
            let model = self.table.mapping.model.name;
            limit.check(&mut self.table.map, &plan, model)?;
            if !plan.missing.is_empty() && missing == MissingRows::Go {
                Box::pin(self.table.ask_references()).await?;
            }
        }
        if let Some(max_share) = self.plain.max_changed_share {
            let model = self.table.mapping.model.name;
            check_changes(&self.table.map, &plan, max_share, model)?;
        }
        if let Some(most) = self.plain.max_failed {
            self.fail_beforehand(&mut learned, &plan, most)?;
        }
        let (table, ledger) = (&mut self.table, &mut self.ledger);
        let second_pass = SecondPass::new(table, ledger, learned, (rules, plan), chunk_size);
        let plan = Box::pin(second_pass.run(source, &mut self.stop)).await?;
        if missing != MissingRows::Stay && !self.ledger.has_failures() {
            let (ledger, stop) = (&mut self.ledger, &mut self.stop);
            let deleting = self
                .table
                .delete_missing(&plan.missing, ledger, stop, chunk_size);
            Box::pin(deleting).await?;
        }
        self.ledger.complete();
        self.ledger.tell_progress();
        Ok(())
    }

    /// Fails before anything is written if more records fail by the plan than may.
    fn fail_beforehand(
        &mut self,
        learned: &mut Learned,
        plan: &Plan,
        most: u64,
    ) -> Result<(), Error> {
        let mapping = self.table.mapping;
        let decisions = (0_u32..).zip(&plan.decisions);
        let fails = |(record, decision): &(u32, &Decision)| {
            let is_open = !plan.donors.contains_key(record);
            learned.has_error(*record) || (is_open && refusal(mapping, **decision).is_some())
        };
        let failing: Vec<_> = decisions.filter(fails).collect();
        if failing.len() as u64 <= most {
            return Ok(());
        }
        for (record, decision) in failing {
            let error = learned.take_error(record);
            if let Some(error) = error.or_else(|| refusal(mapping, *decision)) {
                self.ledger.fail(record, error)?;
            }
        }
        Ok(())
    }

    /// What the plan may do.
    fn rules(&self, missing: MissingRows) -> Rules {
        let model = self.table.mapping.model;
        let never = self.plain.never_takes_over;
        Rules {
            unclaimed: model
                .lookups
                .iter()
                .map(|key| never || key.unclaimed)
                .collect(),
            is_id: model
                .lookups
                .iter()
                .map(|key| key.columns.contains(&model.id))
                .collect(),
            missing,
            only_updates: self.plain.only_updates,
        }
    }

    /// The report, and what is told of rows once they are committed.
    pub(super) fn finish(self) -> Finished {
        self.ledger.finish(self.plain.stays)
    }
}
