//! One record on its way: look up, then update or create; what may be a lost race is looked up again.

use std::mem;

use tracing::Span;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation};
use crate::insert::{Inserted, insert};
use crate::lookup::{self, Found};
use crate::model::{LockedUpsert, Lookup, Model, Stored};
use crate::owned::Work;
use crate::update::{differing, update};
use crate::upsert::{Outcome, Upserted};

/// The record as work: look up, then update or create.
pub(crate) struct Chain<M: LockedUpsert> {
    new: M::New,
    changes: M::Changes,
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

impl<M: LockedUpsert> Chain<M> {
    /// Keys trimmed, blank optional ones NULL, at least one of them usable. `changes` are all of `new` if there are none.
    pub(crate) fn new(
        mut new: M::New,
        changes: Option<M::Changes>,
        span: Span,
    ) -> Result<Self, Error> {
        M::normalize(&mut new);
        let mut changes = changes.unwrap_or_else(|| new.clone().into());
        M::normalize_changes(&mut changes);
        if !M::MODEL.lookups.iter().any(|key| key.usable::<M>(&new)) {
            let names: Vec<_> = M::MODEL
                .lookups
                .iter()
                .map(|key| format!("`{}`", key.name))
                .collect();
            return Err(Error::NoUsableKey {
                model: M::MODEL.name,
                lookups: names.join(", "),
            });
        }
        Ok(Self {
            new,
            changes,
            refusals: 0,
            quiet: true,
            by_first_key: false,
            raced: false,
            span,
        })
    }

    async fn update<DB: Backend>(
        &mut self,
        conn: &mut DB::Connection,
        found: Found<M>,
    ) -> Result<Upserted<M>, Error>
    where
        M: Stored<DB>,
    {
        let Found { row, lookup } = found;
        let key = &M::MODEL.lookups[lookup];
        if let Some(earlier) = self.claim(&row, lookup)
            && (key.unclaimed || earlier.columns.contains(&M::MODEL.id))
        {
            return Err(Error::IdentityConflict {
                model: M::MODEL.name,
                matched_by: key.name,
                claimed_by: earlier.name,
            });
        }
        let matched_by = key.name;
        let columns = differing(&row, &self.changes);
        if columns.is_empty() {
            return Ok(Upserted {
                row,
                outcome: Outcome::Unchanged { matched_by },
            });
        }
        let result = update(conn, &row, &self.changes, &columns).await;
        self.by_first_key = lookup == 0;
        if self.by_first_key {
            self.refusals = 0;
        }
        // A row that a fallback found may meet one that was created with the first key meanwhile: that one is the record's.
        if !self.by_first_key && matches!(result, Err(Error::Conflict { .. })) {
            self.refusals += 1;
            self.raced = self.refusals < DB::Driver::REFUSALS;
        }
        let changed = columns
            .iter()
            .map(|&column| M::MODEL.columns[column].field)
            .collect();
        Ok(Upserted {
            row: result?,
            outcome: Outcome::Updated {
                matched_by,
                changed,
            },
        })
    }

    /// The earlier key by which the row, found by `lookup`, is another record: it was asked for and did not find this row.
    fn claim(&self, row: &M, lookup: usize) -> Option<&'static Lookup> {
        let mut earlier = M::MODEL.lookups[..lookup].iter();
        earlier.find(|key| key.usable::<M>(&self.new) && key.usable_in(row))
    }
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Chain<M> {
    type Output = Upserted<M>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    fn began(&mut self, attempt: u32) {
        self.span.record("attempts", attempt);
    }

    async fn once(&mut self, conn: &mut DB::Connection) -> Result<Upserted<M>, Error> {
        loop {
            if let Some(found) = lookup::find(conn, &self.new).await? {
                return self.update(conn, found).await;
            }
            self.by_first_key = false;
            let quiet = self.quiet
                && !DB::Driver::QUIET.is_empty()
                && self.refusals + 1 < DB::Driver::REFUSALS;
            match insert(conn, &self.new, quiet).await? {
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
