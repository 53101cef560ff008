//! Who may overwrite what: asked of a record and the row that it found.

use crate::backend::Supported;
use crate::error::{Error, Operation, Step};
use crate::outcome::Outcome;
use crate::rules::{OnDeleted, Rules};
use crate::value::{Changes, Row};

use super::chain::Chain;
use super::options::Updating;

/// What becomes of a row that was found.
pub(super) enum Verdict {
    /// Nothing is written.
    Leave(Outcome),
    /// The updating data, and the places of the columns of theirs that are written. A row that is marked as deleted comes back.
    Write(Changes, Vec<usize>),
}

impl<DB: Supported> Chain<'_, DB> {
    /// Asks the rules in their order: deleted, protect, newer, updating data. The first that applies decides.
    pub(super) fn judge(&mut self, row: &Row, matched_by: &'static str) -> Result<Verdict, Error> {
        let mapping = self.mapping;
        let is_deleted = mapping.is_deleted(row);
        if is_deleted && self.options.on_deleted == OnDeleted::Refuse {
            let operation = Operation::LookUp { lookup: matched_by };
            let at = Step::new(Some(mapping.model.name), operation);
            return Err(Error::Deleted { at });
        }
        if let Some(protect) = &mut self.options.protect
            && protect(row)
        {
            return Ok(Verdict::Leave(Outcome::Protected { matched_by }));
        }
        let changes = self.changes(row);
        if (mapping.fields.is_stale)(row, &changes) {
            return Ok(Verdict::Leave(Outcome::Stale { matched_by }));
        }
        // That it comes back is a change, so that what is only written along is written.
        let columns = if is_deleted {
            mapping.differing(row, &changes)
        } else {
            mapping.to_write(row, &changes)
        };
        Ok(if columns.is_empty() && !is_deleted {
            Verdict::Leave(Outcome::Unchanged { matched_by })
        } else {
            Verdict::Write(changes, columns)
        })
    }

    /// The updating data of the row that was found, trimmed.
    fn changes(&mut self, row: &Row) -> Changes {
        let fields = self.mapping.fields;
        let mut changes = match &mut self.options.updating {
            Updating::New => (fields.updating)(&self.new),
            Updating::Changes(changes) => (fields.clone_changes)(changes),
            Updating::Row(changes) => changes(row),
        };
        (fields.trim)(&mut changes);
        changes
    }

    /// Whether what is written depends on more of the row than the columns in which it differs.
    pub(super) fn has_rules(&self) -> bool {
        let Rules {
            uncompared,
            newer,
            deleted,
            ..
        } = self.mapping.fields.rules;
        let declared = newer.is_some() || deleted.is_some() || !uncompared.is_empty();
        declared || self.options.protect.is_some()
    }

    /// The names of the fields that changed: of the columns that were written, and of the mark of a row that came back.
    pub(super) fn changed(&self, columns: &[usize], came_back: bool) -> Vec<&'static str> {
        let mut changed = self.mapping.changed(columns);
        if let (true, Some(deleted)) = (came_back, &self.mapping.fields.rules.deleted) {
            let columns = self.mapping.model.columns;
            changed.push(columns[deleted.column].field);
            changed.sort_by_key(|name| columns.iter().position(|column| column.field == *name));
        }
        changed
    }
}
