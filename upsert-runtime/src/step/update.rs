//! Writes what differs.

use crate::backend::{Capabilities, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::outcome::{Outcome, Upserted};
use crate::value::{Changes, Row};

use super::{Session, Statement};

/// What an UPDATE sets.
#[derive(Clone, Copy)]
pub(crate) struct Assignments<'c> {
    /// Updating data, and the places of the columns of theirs that are written, in the model's order.
    pub(crate) data: Option<(&'c Changes, &'c [usize])>,
    /// Whether the row is marked as deleted, or its mark is taken away.
    pub(crate) mark: Option<bool>,
}

/// A row as the database stored it, and the names of the fields that were written.
pub(crate) struct Updated {
    pub(crate) row: Row,
    pub(crate) changed: Vec<&'static str>,
}

impl Updated {
    /// What became of a row that was found.
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
    /// nothing is sent. What is set here is explicit: columns that an upsert only writes along are written, too.
    pub(crate) async fn update(
        &mut self,
        row: &Row,
        changes: &Changes,
    ) -> Result<Option<Updated>, Error> {
        let columns = self.mapping.differing(row, changes);
        if columns.is_empty() {
            return Ok(None);
        }
        let assignments = Assignments {
            data: Some((changes, &columns)),
            mark: None,
        };
        Ok(Some(Updated {
            row: self.assign(row, assignments).await?,
            changed: self.mapping.model.names(&columns),
        }))
    }

    /// Marks the row, which must be locked, as deleted, or takes its mark away. `None` if it is so already: then nothing is sent.
    pub(crate) async fn mark(&mut self, row: &Row, mark: bool) -> Result<Option<Updated>, Error> {
        if self.mapping.is_deleted(row) == mark {
            return Ok(None);
        }
        let assignments = Assignments {
            data: None,
            mark: Some(mark),
        };
        let deleted = self.mapping.fields.rules.deleted.as_ref();
        let column = deleted.map(|deleted| deleted.column);
        Ok(Some(Updated {
            row: self.assign(row, assignments).await?,
            changed: self.mapping.model.names(column.as_slice()),
        }))
    }

    /// Writes a row, which must be locked; gives it as the database stored it.
    pub(crate) async fn assign(
        &mut self,
        row: &Row,
        assignments: Assignments<'_>,
    ) -> Result<Row, Error> {
        let row = self.send_update(row, assignments).await;
        row.map_err(self.failed(Operation::Update))
    }

    async fn send_update(&mut self, row: &Row, assignments: Assignments<'_>) -> sqlx::Result<Row> {
        let update = Statement::update(self.mapping, row, assignments)?;
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
