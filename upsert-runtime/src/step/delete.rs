//! Deletes a row.

use crate::backend::{Supported, Wire as _};
use crate::error::{Error, Operation};
use crate::value::Row;

use super::{Session, Statement};

impl<DB: Supported> Session<'_, DB> {
    /// Deletes the row, which must be locked.
    pub(crate) async fn delete(&mut self, row: &Row) -> Result<(), Error> {
        let failed = self.failed(Operation::Delete);
        let delete = Statement::delete(self.mapping, row).map_err(failed)?;
        let done = self.execute(delete).await.map_err(failed)?;
        // A trigger or rule can keep a row without an error.
        if DB::Driver::affected(&done) == 0 {
            return Err(failed(sqlx::Error::RowNotFound));
        }
        Ok(())
    }
}
