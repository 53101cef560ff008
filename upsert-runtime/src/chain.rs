//! One record on its way: look up, then update or create; what may be a lost race is looked up again.

use std::mem;

use tracing::Span;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation};
use crate::insert::{Inserted, insert};
use crate::lookup::{self, Found};
use crate::model::{LockedUpsert, Model, Stored};
use crate::session::Session;
use crate::update::update;
use crate::upsert::{Outcome, Upserted};
use crate::work::Work;

/// The record as work: look up, then update or create.
pub(crate) struct Chain<'f, M: LockedUpsert> {
    new: M::New,
    updating: Updating<'f, M>,
    /// How many times in a row a unique index refused the record though no key, or only a fallback, found a row.
    refusals: u32,
    /// Whether a create may look out for conflicts quietly; learned from the first try.
    quiet: bool,
    /// Whether the row was found by the first key, so that a conflict is one and no race.
    by_first_key: bool,
    /// Whether the error of the last attempt may have come of a race.
    raced: bool,
    /// Where the number of attempts is noted.
    span: Span,
}

/// Where the updating data comes from.
pub(crate) enum Updating<'f, M: LockedUpsert> {
    /// The creating data, but for blank keys.
    New,
    Changes(M::Changes),
    /// The locked row.
    Row(MakeChanges<'f, M>),
}

type MakeChanges<'f, M> = Box<dyn FnMut(&M) -> <M as LockedUpsert>::Changes + Send + 'f>;

impl<'f, M: LockedUpsert> Chain<'f, M> {
    /// Keys trimmed, blank optional ones NULL, at least one of them usable.
    pub(crate) fn new(
        mut new: M::New,
        updating: Updating<'f, M>,
        span: Span,
    ) -> Result<Self, Error> {
        M::normalize(&mut new);
        lookup::check_usable::<M>(&new)?;
        Ok(Self {
            new,
            updating,
            refusals: 0,
            quiet: true,
            by_first_key: false,
            raced: false,
            span,
        })
    }

    async fn update<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        found: Found<M>,
    ) -> Result<Upserted<M>, Error>
    where
        M: Stored<DB>,
    {
        found.check_identity(&self.new)?;
        let Found { row, lookup } = found;
        let mut changes = match &mut self.updating {
            Updating::New => self.new.clone().into(),
            Updating::Changes(changes) => changes.clone(),
            Updating::Row(changes) => changes(&row),
        };
        M::normalize_changes(&mut changes);
        let result = update(session, &row, &changes).await;
        self.by_first_key = lookup == 0;
        if self.by_first_key {
            self.refusals = 0;
        }
        // A row that a fallback found may meet one that was created with the first key meanwhile: that one is the record's.
        if !self.by_first_key && matches!(result, Err(Error::Conflict { .. })) {
            self.refusals += 1;
            self.raced = self.refusals < DB::Driver::REFUSALS;
        }
        Ok(Upserted::of(row, M::MODEL.lookups[lookup].name, result?))
    }
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Chain<'_, M> {
    type Output = Upserted<M>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    fn began(&mut self, attempt: u32) {
        self.span.record("attempts", attempt);
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Upserted<M>, Error> {
        loop {
            if let Some(found) = lookup::find(session, &self.new).await? {
                return self.update(session, found).await;
            }
            self.by_first_key = false;
            let quiet = self.quiet
                && !DB::Driver::QUIET.is_empty()
                && self.refusals + 1 < DB::Driver::REFUSALS;
            match insert(session, &self.new, quiet).await? {
                Inserted::Row(row) => {
                    return Ok(Upserted {
                        row,
                        outcome: Outcome::Created,
                    });
                }
                Inserted::Refused(error) => {
                    self.refusals += 1;
                    if let Some(error) = error {
                        self.raced = self.refusals < DB::Driver::REFUSALS;
                        return Err(error);
                    }
                }
                Inserted::NotQuiet(error) => {
                    self.quiet = false;
                    self.raced = true;
                    return Err(error);
                }
            }
        }
    }

    fn again(&mut self, error: &Error) -> bool {
        // A deferred constraint refuses at COMMIT what the attempt had already counted as done.
        if let Error::Conflict { at, .. } = error
            && at.operation == Operation::Commit
            && !self.by_first_key
        {
            self.refusals += 1;
            return self.refusals < DB::Driver::REFUSALS;
        }
        mem::take(&mut self.raced)
    }
}
