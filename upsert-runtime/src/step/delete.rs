//! Deletes a row.

use crate::backend::Supported;
use crate::error::{Error, Operation};
use crate::value::Row;

use super::{Session, Statement};

impl<DB: Supported> Session<'_, DB> {
    /// Deletes the row, which must be locked.
    pub(crate) async fn delete(&mut self, row: &Row) -> Result<(), Error> {
        let failed = self.failed(Operation::Delete);
        let delete = Statement::delete(self.mapping, row).map_err(failed)?;
        self.write(delete, 1).await.map_err(failed)
    }
}
