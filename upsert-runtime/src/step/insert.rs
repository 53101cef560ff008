//! Creates a row.

use crate::backend::{Cause, Dialect as _, Supported, Wire as _, cause};
use crate::error::{Error, Operation};
use crate::value::{New, Row};

use super::{Session, Statement};

/// What became of an INSERT.
pub(crate) enum Inserted {
    Row(Row),
    /// A unique index refused it. The error is missing where the statement was a quiet one.
    Refused(Option<Error>),
    /// The table has a constraint that no quiet statement can look out for. The transaction has failed.
    NotQuiet(Error),
}

impl<DB: Supported> Session<'_, DB> {
    /// Creates the row of `new`, quietly or else so that a refusal is an error.
    pub(crate) async fn insert(&mut self, new: &New, quiet: bool) -> Result<Inserted, Error> {
        let failed = self.failed(Operation::Create);
        match self.send_insert(new, quiet).await {
            Ok(Some(row)) => Ok(Inserted::Row(row)),
            Ok(None) if quiet => Ok(Inserted::Refused(None)),
            // Neither a row nor an error: looking again would find nothing for ever.
            Ok(None) => Err(failed(sqlx::Error::RowNotFound)),
            Err(source) => match cause::<DB>(&source) {
                Cause::Unique => Ok(Inserted::Refused(Some(failed(source)))),
                Cause::NotQuiet if quiet => Ok(Inserted::NotQuiet(failed(source))),
                _ => Err(failed(source)),
            },
        }
    }

    /// Sends the INSERT and gives the row as the database stored it.
    async fn send_insert(&mut self, new: &New, quiet: bool) -> sqlx::Result<Option<Row>> {
        let mapping = self.mapping;
        let insert = Statement::insert(mapping, new, quiet)?;
        if mapping.sql().returning.is_some() {
            let rows = self.fetch(insert).await?;
            let row = rows.first().map(|row| mapping.decode(row)).transpose()?;
            return match row {
                Some(row) if DB::Driver::CAPABILITIES.reads_again => {
                    self.read_again(&row).await.map(Some)
                }
                row => Ok(row),
            };
        }
        let done = self.execute(insert).await?;
        let read_back = self.read_back(new, DB::Driver::inserted_id(&done))?;
        let rows = self.fetch(read_back).await?;
        let row = rows.first().map(|row| mapping.decode(row)).transpose()?;
        row.ok_or(sqlx::Error::RowNotFound).map(Some)
    }

    /// What reads the row that was just inserted: by its own id, else by the number that the database gave it, else by its first
    /// key.
    fn read_back(
        &self,
        new: &New,
        inserted_id: Option<DB::Arguments>,
    ) -> sqlx::Result<Statement<DB>> {
        let (mapping, model, sql) = (self.mapping, self.mapping.model, self.mapping.sql());
        if model.created.contains(&model.id) {
            let mut by_id = Statement::new(sql.by_id);
            by_id.bind_new(mapping, new, &[model.id])?;
            return Ok(by_id);
        }
        if let Some(arguments) = inserted_id {
            return Ok(Statement::new(sql.by_id).with(arguments));
        }
        let mut keys = model.lookups.iter().zip(sql.find);
        let (key, find) = keys
            .find(|(key, _)| mapping.usable(key, new))
            .ok_or(sqlx::Error::RowNotFound)?;
        let mut find = Statement::new(*find);
        find.bind_new(mapping, new, key.columns)?;
        Ok(find)
    }
}
