//! Writes what differs.

use crate::backend::{Capabilities, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::outcome::{Outcome, Upserted};
use crate::value::{Changes, Row};

use super::{Session, Statement};

/// A row as the database stored it, and the names of the fields that were written.
pub(crate) struct Updated {
    pub(crate) row: Row,
    pub(crate) changed: Vec<&'static str>,
}

impl Updated {
    /// What became of a row that a look-up found.
    pub(crate) fn or_unchanged(
        this: Option<Self>,
        row: Row,
        matched_by: &'static str,
    ) -> Upserted<Row> {
        match this {
            None => Upserted {
                row,
                outcome: Outcome::Unchanged { matched_by },
            },
            Some(Self { row, changed }) => Upserted {
                row,
                outcome: Outcome::Updated {
                    matched_by,
                    changed,
                },
            },
        }
    }
}

impl<DB: Supported> Session<'_, DB> {
    /// Writes what `changes` set to something else than `row` holds, which must be locked. `None` if nothing differs: then
    /// nothing is sent.
    pub(crate) async fn update(
        &mut self,
        row: &Row,
        changes: &Changes,
    ) -> Result<Option<Updated>, Error> {
        let columns = self.mapping.differing(row, changes);
        if columns.is_empty() {
            return Ok(None);
        }
        let row = self.send_update(row, changes, &columns).await;
        Ok(Some(Updated {
            row: row.map_err(self.failed(Operation::Update))?,
            changed: self.mapping.model.names(&columns),
        }))
    }

    async fn send_update(
        &mut self,
        row: &Row,
        changes: &Changes,
        columns: &[usize],
    ) -> sqlx::Result<Row> {
        let update = Statement::update(self.mapping, row, changes, columns)?;
        let rows = self.fetch(update).await?;
        let Capabilities {
            reads_again,
            reads_behind,
            ..
        } = DB::Driver::CAPABILITIES;
        if reads_again && reads_behind.is_none() {
            return self.read_again(row).await;
        }
        // One row alone is one that a trigger kept as it was, or one that was written and is gone.
        let behind = usize::from(reads_behind.is_some());
        let mapping = self.mapping;
        let stored = mapping.decode(rows.get(behind).ok_or(sqlx::Error::RowNotFound)?);
        let stored = match stored {
            Ok(stored) => stored,
            // A trigger behind it may have mended it.
            Err(_) => self.read_again(row).await?,
        };
        // Nor is it there if a trigger has given it another id.
        if mapping.id_bytes(&stored)? != mapping.id_bytes(row)? {
            return Err(sqlx::Error::RowNotFound);
        }
        Ok(stored)
    }
}
