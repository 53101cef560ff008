//! The course of an import: read all keys, make the plan, write chunk by chunk, plan again where rows have moved.

use crate::backend::Supported;
use crate::error::Error;
use crate::import::batch::moved;
use crate::import::notify::Finished;
use crate::import::options::{Missing, OnFailure, OnTakeover, Options};
use crate::import::plan::Rules;
use crate::import::source::Source;
use crate::mapping::Mapping;

use super::first_pass::FirstPass;
use super::ledger::{Ledger, Wishes};
use super::missing::ShareLimit;
use super::place::Place;
use super::second_pass::SecondPass;
use super::table::Table;

/// Why an import ended before its end.
pub(super) enum Halt {
    Failed(Error),
    /// Others have, or may have, moved rows while everything was done in one transaction, which must begin anew.
    Moved,
}

impl Halt {
    /// The error that it is to the caller.
    pub(super) fn into_error<DB: Supported>(self, mapping: Mapping<DB>) -> Error {
        match self {
            Self::Failed(error) => error,
            Self::Moved => moved(mapping),
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
    plain: Plain,
}

/// The options that are plain values.
#[derive(Clone, Copy)]
struct Plain {
    chunk_size: usize,
    max_share: f64,
    deletes_missing: bool,
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
            deletes_missing: options.missing == Missing::Delete,
            never_takes_over: options.on_takeover == OnTakeover::Never,
            stays: !options.dry_run,
        };
        let wishes = Wishes {
            changes: options.changes,
            is_one_transaction: options.is_one_transaction,
            aborts: options.on_failure == OnFailure::Abort,
        };
        let Options {
            scope,
            each,
            progress,
            ..
        } = options;
        Self {
            table: Table::new(mapping, place, scope.as_deref_mut()),
            ledger: Ledger::new(each.as_deref_mut(), progress.as_deref_mut(), wishes),
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
            deletes_missing,
            ..
        } = self.plain;
        Box::pin(self.table.learn()).await?;
        let candidates = if deletes_missing {
            let noting = self.table.note_candidates(&mut self.ledger, chunk_size);
            Box::pin(noting).await?
        } else {
            0
        };
        let keeps_rows = self.table.keeps_rows(self.ledger.wants_rows());
        let first_pass = FirstPass::new(&mut self.table, chunk_size, keeps_rows);
        let learned = Box::pin(first_pass.run(source)).await?;
        if self.table.locks_first {
            self.table.place.mark().await?;
        }
        // Nobody knows which rows are missing if a record could not be looked up.
        let rules = self.rules(deletes_missing && !learned.is_incomplete);
        let plan = self.table.plan(&rules).await;
        self.ledger.miss(plan.missing.len() as u64);
        let delete_missing = rules.delete_missing;
        if delete_missing {
            let limit = ShareLimit {
                candidates,
                max_share,
            };
            let model = self.table.mapping.model.name;
            limit.check(&mut self.table.map, &plan, model)?;
            if !plan.missing.is_empty() {
                Box::pin(self.table.ask_references()).await?;
            }
        }
        let (table, ledger) = (&mut self.table, &mut self.ledger);
        let second_pass = SecondPass::new(table, ledger, learned, (rules, plan), chunk_size);
        let plan = Box::pin(second_pass.run(source)).await?;
        if delete_missing && !self.ledger.has_failures() {
            let missing = &plan.missing;
            let deleting = self
                .table
                .delete_missing(missing, &mut self.ledger, chunk_size);
            Box::pin(deleting).await?;
        }
        self.ledger.tell_progress();
        Ok(())
    }

    /// What the plan may do.
    fn rules(&self, delete_missing: bool) -> Rules {
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
            delete_missing,
        }
    }

    /// The report, and what is told of rows once they are committed.
    pub(super) fn finish(self) -> Finished {
        self.ledger.finish(self.plain.stays)
    }
}
