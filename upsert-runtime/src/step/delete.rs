//! Deletes a row.

use crate::backend::{Dialect as _, Supported, Wire as _};
use crate::error::{Error, Operation};
use crate::value::Row;

use super::{Session, Statement};

impl<DB: Supported> Session<'_, DB> {
    /// Deletes the row, which must be locked.
    pub(crate) async fn delete(&mut self, row: &Row) -> Result<(), Error> {
        let failed = self.failed(Operation::Delete);
        let delete = Statement::delete(self.mapping, row).map_err(failed)?;
        let done = self.execute(delete).await.map_err(failed)?;
        // A trigger, a rule or a policy can keep a row without an error.
        if DB::Driver::affected(&done) > 0 {
            return Ok(());
        }
        if self.has_policies().await.map_err(failed)? {
            return Err(Error::out_of_reach(self.at(Operation::Delete)));
        }
        Err(failed(sqlx::Error::RowNotFound))
    }

    /// Whether row level security judges what is done with the table.
    async fn has_policies(&mut self) -> sqlx::Result<bool> {
        match DB::Driver::policies(self.mapping.sql().from) {
            Some(question) => Ok(!self.fetch(Statement::planned(question)).await?.is_empty()),
            None => Ok(false),
        }
    }
}
