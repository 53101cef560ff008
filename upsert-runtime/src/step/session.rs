use sqlx::{Database, SqlStr};

use crate::backend::{Dialect as _, Supported, Wire as _};
use crate::error::{Error, Operation, Step};
use crate::locking::Locking;
use crate::mapping::{Mapping, Target};

use super::Statement;

/// A connection in a transaction, the model that is worked on, and how its rows are locked. Every statement of an algorithm
/// goes through it.
pub(crate) struct Session<'c, DB: Supported> {
    pub(crate) connection: &'c mut DB::Connection,
    pub(crate) mapping: Mapping<DB>,
    pub(crate) locking: Locking,
}

impl<'c, DB: Supported> Session<'c, DB> {
    pub(crate) fn new(connection: &'c mut DB::Connection, target: Target<DB>) -> Self {
        let Target { mapping, locking } = target;
        Self {
            connection,
            mapping,
            locking,
        }
    }

    /// What is worked on.
    pub(crate) fn target(&self) -> Target<DB> {
        Target {
            mapping: self.mapping,
            locking: self.locking,
        }
    }

    /// What is sent of a statement, under the limit of waiting, if the server takes so much.
    async fn checked(
        &mut self,
        statement: Statement<DB>,
    ) -> sqlx::Result<(SqlStr, DB::Arguments, bool)> {
        let (text, mut arguments, keep_prepared) = statement.into_parts();
        DB::Driver::check_size(self.connection, &mut arguments).await?;
        let text = DB::Driver::limited(text, self.locking);
        Ok((text, arguments, keep_prepared))
    }

    /// The rows of a statement.
    pub(crate) async fn fetch(&mut self, statement: Statement<DB>) -> sqlx::Result<Vec<DB::Row>> {
        let (text, arguments, keep_prepared) = self.checked(statement).await?;
        DB::Driver::fetch(self.connection, text, arguments, keep_prepared).await
    }

    /// The rows of a statement, and what the server says at its end.
    pub(crate) async fn fetch_all(
        &mut self,
        statement: Statement<DB>,
    ) -> sqlx::Result<(Vec<DB::Row>, <DB as Database>::QueryResult)> {
        let (text, arguments, keep_prepared) = self.checked(statement).await?;
        let mut rows = Vec::new();
        let sent =
            DB::Driver::fetch_into(self.connection, text, arguments, keep_prepared, &mut rows);
        let done = sent.await?;
        Ok((rows, done))
    }

    /// Sends a statement that gives no rows.
    pub(crate) async fn execute(
        &mut self,
        statement: Statement<DB>,
    ) -> sqlx::Result<<DB as Database>::QueryResult> {
        let (text, arguments, keep_prepared) = self.checked(statement).await?;
        DB::Driver::execute(self.connection, text, arguments, keep_prepared).await
    }

    /// Sends an UPDATE of so many rows.
    pub(crate) async fn write_updates(
        &mut self,
        statement: Statement<DB>,
        rows: usize,
    ) -> sqlx::Result<()> {
        if DB::Driver::CAPABILITIES.counts_updates {
            self.write(statement, rows).await
        } else {
            self.execute(statement).await.map(drop)
        }
    }

    /// Sends a statement that writes so many rows. A trigger or rule can keep a row from being written without an error.
    pub(crate) async fn write(
        &mut self,
        statement: Statement<DB>,
        rows: usize,
    ) -> sqlx::Result<()> {
        let done = self.execute(statement).await?;
        if DB::Driver::affected(&done) == rows as u64 {
            Ok(())
        } else {
            Err(sqlx::Error::RowNotFound)
        }
    }

    /// Runs a text that waits for no row.
    pub(crate) async fn run(&mut self, sql: &'static str) -> sqlx::Result<()> {
        DB::Driver::run(self.connection, sql).await
    }

    /// What is being done, for errors.
    pub(crate) fn at(&self, operation: Operation) -> Step {
        Step::new(Some(self.mapping.model.name), operation)
    }

    /// What a driver's error means while this is being done.
    pub(crate) fn failed(
        &self,
        operation: Operation,
    ) -> impl Fn(sqlx::Error) -> Error + Copy + use<DB> {
        let at = self.at(operation);
        move |source| Error::of::<DB>(at, source)
    }
}
