//! The short path of one record: it is looked for without a lock, and written by one statement, which is a transaction by itself.
//!
//! Nobody can tell that a row to which nothing is written was not locked. What is written replaces a row from which the record
//! differs in the same columns as from the one that was read, or nothing is; where rules have judged the row, what is written
//! replaces the very version that they have judged. Whatever is otherwise by then, or not as it mostly is,
//! goes the chain's way, from the start.

use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::outcome::{Outcome, Upserted};
use crate::rules::OnDeleted;
use crate::step::{Look, Session};
use crate::value::Row;

use super::chain::Chain;
use super::options::Updating;
use super::rules::Verdict;

impl<DB: Supported> Chain<'_, DB> {
    /// Does all of it without a transaction around it; `None` if it is to be done in one, and nothing was written.
    pub(super) async fn without_transaction(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<Option<Option<Upserted<Row>>>, Error> {
        // A limit of waiting is set in a transaction, and a closure is promised a row that is locked.
        let Some(alone) = DB::Driver::CAPABILITIES.alone else {
            return Ok(None);
        };
        let options = &self.options;
        if session.locking.wait.is_some()
            || matches!(options.updating, Updating::Row(_))
            || options.on_deleted != OnDeleted::Ignore
        {
            return Ok(None);
        }
        let (found, version) = match session.look(&alone, &self.new).await? {
            Look::Unclear => return Ok(None),
            Look::Nothing if self.options.update_only => return Ok(Some(None)),
            Look::Nothing => {
                let row = session.insert_alone(&alone, &self.new).await?;
                let outcome = Outcome::Created;
                return Ok(row.map(|row| Some(Upserted { row, outcome })));
            }
            Look::Found(found, version) => (found, version),
        };
        if found.check_identity(self.mapping, &self.new).is_err() {
            return Ok(None);
        }
        let model = self.mapping.model;
        let matched_by = model.lookups[found.lookup].name;
        let (changes, columns) = match self.judge(&found.row, matched_by)? {
            Verdict::Leave(outcome) => {
                let row = found.row;
                return Ok(Some(Some(Upserted { row, outcome })));
            }
            Verdict::Write(changes, columns) => (changes, columns),
        };
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
        // Rules have judged this version, and may judge another one otherwise.
        let new = (!self.has_rules()).then_some(&self.new);
        let row = session
            .update_alone(&alone, (&found, version), new, (&changes, &columns))
            .await?;
        Ok(row.map(|row| {
            let outcome = Outcome::Updated {
                matched_by,
                changed: self.changed(&columns, false),
            };
            Some(Upserted { row, outcome })
        }))
    }
}
