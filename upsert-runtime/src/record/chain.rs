//! One record on its way: look up, then update or create; what may be a lost race is looked up again.

use std::fmt::{self, Debug, Formatter};
use std::mem;

use tracing::Span;

use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::mapping::Mapping;
use crate::outcome::{Outcome, Upserted};
use crate::schema::Model;
use crate::step::{Found, Inserted, SecondLook, Session, Updated, warn_of_spelling};
use crate::transaction::UnitOfWork;
use crate::value::{Changes, New, Row};

use super::upsert::span;

/// Where the updating data come from.
pub(crate) enum Updating<'f> {
    /// The creating data, but for blank keys.
    New,
    /// The caller.
    Changes(Changes),
    /// The locked row.
    Row(Box<dyn FnMut(&Row) -> Changes + Send + 'f>),
}

impl Debug for Updating<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updating").finish_non_exhaustive()
    }
}

/// A record that is to be upserted.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this crate's calls take it")]
pub struct Record<'f> {
    /// What identifies the row, and creates it.
    pub(crate) new: New,
    /// What is written to a row that is found.
    pub(crate) updating: Updating<'f>,
    /// The span of the call: it begins with the call, not when somebody first polls.
    pub(super) span: Span,
}

impl<'f> Record<'f> {
    pub(crate) fn new(model: &Model, new: New, updating: Updating<'f>) -> Self {
        Self {
            new,
            updating,
            span: span(model.name),
        }
    }
}

/// A record as a unit of work: look up, then update or create.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Chain<'f, DB: Supported> {
    pub(super) mapping: Mapping<DB>,
    pub(super) new: New,
    pub(super) updating: Updating<'f>,
    /// How many times in a row a unique index refused the record though no key, or only a fallback, found a row.
    refusals: u32,
    /// How many times since the attempt began a row was seen after a refusal, and was gone before it could be locked.
    gone: u32,
    /// Whether the row must stay locked until a transaction of the caller's ends.
    stays_locked: bool,
    /// Whether the row may be one that can be read but not written, so that it is looked for without a lock before one is created.
    looks_first: bool,
    /// Whether a create may look out for conflicts quietly; learned from the first try.
    quiet: bool,
    /// Whether the row was found by the first key, so that a conflict is one and no race.
    by_first_key: bool,
    /// Whether the error of the last attempt may have come of a race.
    raced: bool,
    /// Where the number of attempts is noted.
    span: Span,
}

impl<'f, DB: Supported> Chain<'f, DB> {
    /// Refuses a record without a usable key. Its keys are trimmed, and blank optional ones are NULL.
    pub(crate) fn new(
        mapping: Mapping<DB>,
        Record {
            new,
            updating,
            span,
        }: Record<'f>,
        stays_locked: bool,
    ) -> Result<Self, Error> {
        mapping.check_usable(&new)?;
        Ok(Self {
            mapping,
            new,
            updating,
            refusals: 0,
            gone: 0,
            stays_locked,
            looks_first: false,
            quiet: true,
            by_first_key: false,
            raced: false,
            span,
        })
    }

    async fn update(
        &mut self,
        session: &mut Session<'_, DB>,
        found: Found,
    ) -> Result<Upserted<Row>, Error> {
        found.check_identity(self.mapping, &self.new)?;
        let Found {
            row,
            lookup,
            is_locked,
        } = found;
        let changes = self.changes(&row);
        let matched_by = self.mapping.model.lookups[lookup].name;
        if !is_locked {
            let is_unchanged = self.mapping.differing(&row, &changes).is_empty();
            // Nobody can tell that a row was not locked to which nothing is written.
            return if is_unchanged && !self.stays_locked {
                Ok(Updated::or_unchanged(None, row, matched_by))
            } else {
                let operation = Operation::LookUp { lookup: matched_by };
                Err(Error::out_of_reach(session.at(operation)))
            };
        }
        let result = session.update(&row, &changes).await;
        self.by_first_key = lookup == 0;
        if self.by_first_key {
            self.refusals = 0;
        }
        // A row that a fallback found may meet one that was created with the first key meanwhile: that one is the record's.
        if !self.by_first_key && matches!(result, Err(Error::Conflict { .. })) {
            self.refusals += 1;
            self.raced = self.refusals < DB::Driver::CAPABILITIES.refusals;
        }
        let updated = result?;
        if let Some(updated) = &updated {
            self.note_spelling(lookup, updated);
        }
        Ok(Updated::or_unchanged(updated, row, matched_by))
    }
}

impl<DB: Supported> Chain<'_, DB> {
    /// Notes that a row which had a key of the record was gone before it could be locked. So it may have been a row that came and
    /// went which refused the record, and no conflict; but not for ever, while others delete and create it all the time.
    fn note_gone(&mut self, session: &Session<'_, DB>) -> Result<(), Error> {
        const MOST: u32 = 10;
        self.gone += 1;
        if self.gone > MOST {
            return Err(Error::Serialization {
                at: session.at(Operation::Create),
                source: sqlx::Error::Protocol("others delete and create the row".to_owned()),
            });
        }
        self.refusals = 0;
        Ok(())
    }

    /// The updating data of the row that was found, trimmed.
    pub(super) fn changes(&mut self, row: &Row) -> Changes {
        let fields = self.mapping.fields;
        let mut changes = match &mut self.updating {
            Updating::New => (fields.updating)(&self.new),
            Updating::Changes(changes) => (fields.clone_changes)(changes),
            Updating::Row(changes) => changes(row),
        };
        (fields.trim)(&mut changes);
        changes
    }

    /// Notes which columns of the look-up that found the row were written: the database calls what they held equal to the record's.
    fn note_spelling(&self, lookup: usize, updated: &Updated) {
        if !matches!(self.updating, Updating::New) {
            return;
        }
        let model = self.mapping.model;
        for &column in model.lookups[lookup].columns {
            if updated.changed.contains(&model.columns[column].field) {
                warn_of_spelling(model, column);
            }
        }
    }
}

impl<DB: Supported> UnitOfWork<DB> for Chain<'_, DB> {
    type Output = Upserted<Row>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    fn began(&mut self, attempt: u32) {
        self.gone = 0;
        self.span.record("attempts", attempt);
    }

    async fn alone(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<Option<Upserted<Row>>, Error> {
        self.without_transaction(session).await
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Upserted<Row>, Error> {
        let most = DB::Driver::CAPABILITIES.refusals;
        loop {
            let mut found = session.find(&self.new).await?;
            if found.is_none() && self.looks_first {
                found = match session.look_again(&self.new).await? {
                    SecondLook::Gone => {
                        self.note_gone(session)?;
                        None
                    }
                    look => look.found(),
                };
            }
            if let Some(found) = found {
                return self.update(session, found).await;
            }
            self.by_first_key = false;
            let quiet = self.quiet
                && DB::Driver::CAPABILITIES.quiet_insert.is_some()
                && self.refusals + 1 < most;
            match session.insert(&self.new, quiet).await? {
                Inserted::Row(row) => {
                    return Ok(Upserted {
                        row,
                        outcome: Outcome::Created,
                    });
                }
                Inserted::Refused(error) => {
                    self.refusals += 1;
                    self.looks_first = DB::Driver::CAPABILITIES.hides_rows;
                    if let Some(error) = error {
                        self.raced = self.refusals < most;
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
            return self.refusals < DB::Driver::CAPABILITIES.refusals;
        }
        // What may not be created may be there, as a row that may not be written: then it is that which is told, if anything is.
        if DB::Driver::CAPABILITIES.hides_rows
            && let Error::NotPermitted { at, .. } = error
            && at.operation == Operation::Create
            && !mem::replace(&mut self.looks_first, true)
        {
            return true;
        }
        let raced = mem::take(&mut self.raced);
        if !raced {
            // The attempt has ended by something else, so that the next refusal does not follow the last one.
            self.refusals = 0;
        }
        raced
    }
}
