//! The short path of one record: it is looked for without a lock, and written by one statement, which is a transaction by itself.
//!
//! Nobody can tell that a row to which nothing is written was not locked. What is written replaces a row from which the record
//! differs in the same columns as from the one that was read, or nothing is. Whatever is otherwise by then, or not as it mostly is,
//! goes the chain's way, from the start.

use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::outcome::{Outcome, Upserted};
use crate::step::{Look, Session, Updated};
use crate::value::Row;

use super::chain::{Chain, Updating};

impl<DB: Supported> Chain<'_, DB> {
    /// Does all of it without a transaction around it; `None` if it is to be done in one, and nothing was written.
    pub(super) async fn without_transaction(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<Option<Upserted<Row>>, Error> {
        // A limit of waiting is set in a transaction, and a closure is promised a row that is locked.
        let Some(alone) = DB::Driver::CAPABILITIES.alone else {
            return Ok(None);
        };
        if session.locking.wait.is_some() || matches!(self.updating, Updating::Row(_)) {
            return Ok(None);
        }
        let (found, version) = match session.look(&alone, &self.new).await? {
            Look::Unclear => return Ok(None),
            Look::Nothing => {
                let row = session.insert_alone(&alone, &self.new).await?;
                let outcome = Outcome::Created;
                return Ok(row.map(|row| Upserted { row, outcome }));
            }
            Look::Found(found, version) => (found, version),
        };
        if found.check_identity(self.mapping, &self.new).is_err() {
            return Ok(None);
        }
        let changes = self.changes(&found.row);
        let columns = self.mapping.differing(&found.row, &changes);
        let model = self.mapping.model;
        let matched_by = model.lookups[found.lookup].name;
        if columns.is_empty() {
            return Ok(Some(Updated::or_unchanged(None, found.row, matched_by)));
        }
        // While a fallback's row is waited for, one with an earlier key may come. A key that is written may meet another row, or be
        // the same in another spelling, of which the chain warns.
        let mut earlier = model.lookups[..found.lookup].iter();
        let is_fallback = earlier.any(|key| self.mapping.usable(key, &self.new));
        let mut keys = model.lookups.iter().flat_map(|key| key.columns);
        let (false, false, Some(version)) =
            (is_fallback, keys.any(|key| columns.contains(key)), version)
        else {
            return Ok(None);
        };
        let updated = session
            .update_alone(&alone, (&found, version), &self.new, &changes, &columns)
            .await?;
        let updated = updated.map(|row| Updated {
            row,
            changed: model.names(&columns),
        });
        Ok(updated.map(|updated| Updated::or_unchanged(Some(updated), found.row, matched_by)))
    }
}
