use sqlx::{Database, SqlStr};

use crate::backend::{Backend, Driver as _};
use crate::locking::Locking;

/// A connection in a transaction, and how rows are locked on it. Every statement of an algorithm goes through it.
pub(crate) struct Session<'c, DB: Backend> {
    pub(crate) connection: &'c mut DB::Connection,
    pub(crate) locking: Locking,
}

impl<'c, DB: Backend> Session<'c, DB> {
    pub(crate) fn new(connection: &'c mut DB::Connection, locking: Locking) -> Self {
        Self {
            connection,
            locking,
        }
    }

    /// The rows of a statement that is kept prepared.
    pub(crate) async fn fetch(
        &mut self,
        sql: SqlStr,
        arguments: DB::Arguments,
    ) -> sqlx::Result<Vec<DB::Row>> {
        let sql = DB::Driver::limited(sql, self.locking);
        DB::Driver::fetch(self.connection, sql, arguments, true).await
    }

    /// The rows of a statement whose text is as long as its arguments are many.
    pub(crate) async fn fetch_once(
        &mut self,
        sql: SqlStr,
        arguments: DB::Arguments,
    ) -> sqlx::Result<Vec<DB::Row>> {
        let sql = DB::Driver::limited(sql, self.locking);
        DB::Driver::fetch(self.connection, sql, arguments, false).await
    }

    pub(crate) async fn execute(
        &mut self,
        sql: SqlStr,
        arguments: DB::Arguments,
    ) -> sqlx::Result<<DB as Database>::QueryResult> {
        let sql = DB::Driver::limited(sql, self.locking);
        DB::Driver::execute(self.connection, sql, arguments, true).await
    }

    /// Executes a statement that is kept prepared only where its text does not grow with its arguments, and tells how many
    /// rows it changed.
    pub(crate) async fn execute_many(
        &mut self,
        sql: SqlStr,
        arguments: DB::Arguments,
        keep_prepared: bool,
    ) -> sqlx::Result<u64> {
        let sql = DB::Driver::limited(sql, self.locking);
        let done = DB::Driver::execute(self.connection, sql, arguments, keep_prepared).await?;
        Ok(DB::Driver::affected(&done))
    }

    /// Runs a text that waits for no row.
    pub(crate) async fn run(&mut self, sql: &'static str) -> sqlx::Result<()> {
        DB::Driver::run(self.connection, sql).await
    }
}
