//! One record on its way: look up, then update or create; what may be a lost race is looked up again.

use std::mem;

use tracing::Span;

use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::locking::Rows;
use crate::mapping::Mapping;
use crate::outcome::{Outcome, Upserted};
use crate::schema::Model;
use crate::step::{Assignments, Found, Inserted, SecondLook, Session, Statement, warn_of_spelling};
use crate::transaction::UnitOfWork;
use crate::value::{New, Row};

use super::options::{Updating, UpsertOptions};
use super::rules::Verdict;
use super::upsert::span;

/// A record that is to be upserted.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this crate's calls take it")]
pub struct Record<'f> {
    /// What identifies the row, and creates it.
    pub(crate) new: New,
    /// What is written to a row that is found, and whether.
    pub(crate) options: UpsertOptions<'f>,
    /// The span of the call: it begins with the call, not when somebody first polls.
    pub(super) span: Span,
}

impl<'f> Record<'f> {
    pub(crate) fn new(model: &Model, new: New, options: UpsertOptions<'f>) -> Self {
        Self {
            new,
            options,
            span: span(model.name),
        }
    }
}

/// A record as a unit of work: look up, then update or create.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Chain<'f, DB: Supported> {
    pub(super) mapping: Mapping<DB>,
    pub(super) new: New,
    pub(super) options: UpsertOptions<'f>,
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
    /// Whether the first look found the row, so that a conflict is one and no race.
    by_first_look: bool,
    /// Whether it is asked, before something is written, if a row that is marked as deleted holds a key: something was refused.
    asks_holder: bool,
    /// Whether such a row does.
    holder_is_deleted: bool,
    /// Whether the error of the last attempt may have come of a race.
    raced: bool,
    /// Where the number of attempts is noted.
    span: Span,
}

impl<'f, DB: Supported> Chain<'f, DB> {
    /// Refuses a record without a usable key. Its keys are trimmed, and blank optional ones are NULL.
    pub(crate) fn new(
        mapping: Mapping<DB>,
        Record { new, options, span }: Record<'f>,
        stays_locked: bool,
    ) -> Result<Self, Error> {
        mapping.check_marks(options.on_deleted)?;
        mapping.check_usable(&new)?;
        Ok(Self {
            mapping,
            new,
            options,
            refusals: 0,
            gone: 0,
            stays_locked,
            looks_first: false,
            quiet: true,
            by_first_look: false,
            asks_holder: false,
            holder_is_deleted: false,
            raced: false,
            span,
        })
    }

    /// Which rows the record may find.
    pub(super) fn rows(&self) -> Rows {
        self.options.rows()
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
            look,
            is_locked,
        } = found;
        let matched_by = self.mapping.model.lookups[lookup].name;
        let verdict = self.judge(&row, matched_by)?;
        // Nobody can tell that a row was not locked to which nothing is written.
        if !is_locked && (self.stays_locked || matches!(verdict, Verdict::Write(..))) {
            let operation = Operation::LookUp { lookup: matched_by };
            return Err(Error::out_of_reach(session.at(operation)));
        }
        self.by_first_look = look == 0;
        if self.by_first_look {
            self.refusals = 0;
        }
        let (changes, columns) = match verdict {
            Verdict::Leave(outcome) => return Ok(Upserted { row, outcome }),
            Verdict::Write(changes, columns) => (changes, columns),
        };
        if self.asks_holder {
            let fields = self.mapping.fields;
            let value = |column| {
                let change = (fields.in_changes)(&changes, column);
                Some(change.unwrap_or_else(|| (fields.in_row)(&row, column)))
            };
            let holder = Statement::holder(self.mapping, value, Some(&row));
            self.holder_is_deleted = session.is_held(Operation::Update, holder).await?;
        }
        let comes_back = self.mapping.is_deleted(&row);
        let assignments = Assignments {
            data: Some((&changes, &columns)),
            mark: comes_back.then_some(false),
        };
        match session.assign(&row, assignments).await {
            Ok(row) => {
                self.note_spelling(lookup, &columns);
                let outcome = Outcome::Updated {
                    matched_by,
                    changed: self.changed(&columns, comes_back),
                };
                Ok(Upserted { row, outcome })
            }
            // A row that a later look found may meet one that was created with an earlier key meanwhile: that one is the record's.
            Err(error @ Error::Conflict { .. }) => {
                if !self.by_first_look {
                    self.refusals += 1;
                    self.raced = self.refusals < DB::Driver::CAPABILITIES.refusals;
                }
                Err(self.refused(error))
            }
            Err(error) => Err(error),
        }
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

    /// What refused a write. Where rows are marked as deleted one attempt more is made, which first asks whether such a row holds a
    /// key: after an error there may be no transaction any more to ask in.
    fn refused(&mut self, mut error: Error) -> Error {
        if let Error::Conflict {
            holder_is_deleted, ..
        } = &mut error
        {
            *holder_is_deleted = self.holder_is_deleted;
            self.raced |= self.asks_of_holder();
        }
        error
    }

    /// Has the next write ask who holds a key, if rows are marked as deleted and it was not asked yet.
    fn asks_of_holder(&mut self) -> bool {
        self.mapping.deleted_sql().is_some() && !mem::replace(&mut self.asks_holder, true)
    }

    /// Notes which columns of the look-up that found the row were written: the database calls what they held equal to the record's.
    fn note_spelling(&self, lookup: usize, written: &[usize]) {
        if !matches!(self.options.updating, Updating::New) {
            return;
        }
        let model = self.mapping.model;
        for &column in model.lookups[lookup].columns {
            if written.contains(&column) {
                warn_of_spelling(model, column);
            }
        }
    }
}

impl<DB: Supported> UnitOfWork<DB> for Chain<'_, DB> {
    type Output = Option<Upserted<Row>>;

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
    ) -> Result<Option<Option<Upserted<Row>>>, Error> {
        self.without_transaction(session).await
    }

    async fn once(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<Option<Upserted<Row>>, Error> {
        let most = DB::Driver::CAPABILITIES.refusals;
        loop {
            let mut found = session.find(&self.new).await?;
            if found.is_none() && (self.looks_first || self.options.update_only) {
                found = match session.look_again(&self.new).await? {
                    SecondLook::Gone => {
                        self.note_gone(session)?;
                        None
                    }
                    look => look.found(),
                };
            }
            if let Some(found) = found {
                return self.update(session, found).await.map(Some);
            }
            if self.options.update_only {
                return Ok(None);
            }
            self.by_first_look = false;
            if self.asks_holder {
                let Mapping { model, fields, .. } = self.mapping;
                let value = |column| {
                    let is_created = model.created.contains(&column);
                    is_created.then(|| (fields.in_new)(&self.new, column))
                };
                let holder = Statement::holder(self.mapping, value, None);
                self.holder_is_deleted = session.is_held(Operation::Create, holder).await?;
            }
            let quiet = self.quiet
                && DB::Driver::CAPABILITIES.quiet_insert.is_some()
                && self.refusals + 1 < most;
            match session.insert(&self.new, quiet).await? {
                Inserted::Row(row) => {
                    return Ok(Some(Upserted {
                        row,
                        outcome: Outcome::Created,
                    }));
                }
                Inserted::Refused(error) => {
                    self.refusals += 1;
                    self.looks_first = DB::Driver::CAPABILITIES.hides_rows;
                    if let Some(error) = error {
                        self.raced = self.refusals < most;
                        return Err(self.refused(error));
                    }
                    self.asks_of_holder();
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
            && !self.by_first_look
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
