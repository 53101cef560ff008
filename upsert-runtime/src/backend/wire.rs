//! How a database is spoken to.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use std::{
    pin::pin,
    task::{Context, Waker},
};

use sqlx::{Database, SqlStr};

use crate::locking::Wait;

/// What is sent, and what comes back.
///
/// Implemented concretely for each database: generic code would have to spell `for<'c> &'c mut DB::Connection: Executor<'c>` in
/// every signature up to the user's.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait Wire<DB: Database> {
    /// The session's setting of how long a statement waits, where it is replaced for a call and put back after it.
    type Setting: Send + Sync + 'static;

    /// The setting that is this limit; `None` where it stands in each statement instead.
    fn setting(wait: Wait) -> Option<Self::Setting>;

    /// Reads the setting.
    fn read_setting(
        conn: &mut DB::Connection,
    ) -> impl Future<Output = sqlx::Result<Self::Setting>> + Send;

    /// Replaces the setting; where it can be, for the transaction only.
    fn write_setting(
        conn: &mut DB::Connection,
        setting: &Self::Setting,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Sees to it that the setting is replaced before whatever comes next on the connection; nothing where the transaction's end
    /// does so.
    fn queue_setting(_conn: &mut DB::Connection, _setting: &Self::Setting) {}

    /// Sees to it that a statement runs before whatever comes next on the connection; nothing where a call that is dropped in
    /// flight costs the connection.
    fn queue(_conn: &mut DB::Connection, _statement: &'static str) {}

    /// Queues a ROLLBACK behind a BEGIN that may be under way; nothing where a connection that is in flight cannot be used again.
    fn queue_rollback(_conn: &mut DB::Connection) {}

    /// Runs a text without parameters, which may hold several statements.
    fn run(
        conn: &mut DB::Connection,
        sql: &'static str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Asks a text without parameters, as one statement, and gives the rows.
    fn fetch_text(
        conn: &mut DB::Connection,
        sql: &'static str,
    ) -> impl Future<Output = sqlx::Result<Vec<DB::Row>>> + Send;

    /// Refuses what is larger than the server takes, where such a statement would cost the connection.
    fn check_size(
        _conn: &mut DB::Connection,
        _arguments: &mut DB::Arguments,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Has the connection and the server forget the statements that are kept prepared.
    fn forget_statements(
        conn: &mut DB::Connection,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Sends a statement, and gives the rows.
    fn fetch(
        conn: &mut DB::Connection,
        sql: SqlStr,
        arguments: DB::Arguments,
        keep_prepared: bool,
    ) -> impl Future<Output = sqlx::Result<Vec<DB::Row>>> + Send;

    /// The same, and what came before an error is there after it: whether the server had begun to answer. Gives what the server
    /// says at the end.
    fn fetch_into(
        conn: &mut DB::Connection,
        sql: SqlStr,
        arguments: DB::Arguments,
        keep_prepared: bool,
        rows: &mut Vec<DB::Row>,
    ) -> impl Future<Output = sqlx::Result<DB::QueryResult>> + Send;

    /// Sends a statement that gives no rows.
    fn execute(
        conn: &mut DB::Connection,
        sql: SqlStr,
        arguments: DB::Arguments,
        keep_prepared: bool,
    ) -> impl Future<Output = sqlx::Result<DB::QueryResult>> + Send;

    /// How many rows a statement changed.
    fn affected(done: &DB::QueryResult) -> u64;

    /// The number that the database gave an inserted row, as arguments of a statement; `None` where it does not say.
    fn inserted_id(_done: &DB::QueryResult) -> Option<DB::Arguments> {
        None
    }
}

/// Sends one statement without waiting for its answer: polls once.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) fn hand_over(statement: impl Future<Output = sqlx::Result<()>>) {
    let _ = pin!(statement).poll(&mut Context::from_waker(Waker::noop()));
}

/// The methods of [`Wire`] whose text is the same for every database.
macro_rules! wire {
    ($database:ty) => {
        async fn run(
            conn: &mut <$database as Database>::Connection,
            sql: &'static str,
        ) -> sqlx::Result<()> {
            sqlx::raw_sql(sql).execute(conn).await.map(drop)
        }

        async fn fetch_text(
            conn: &mut <$database as Database>::Connection,
            sql: &'static str,
        ) -> sqlx::Result<Vec<<$database as Database>::Row>> {
            sqlx::raw_sql(sql).fetch_all(conn).await
        }

        async fn forget_statements(
            conn: &mut <$database as Database>::Connection,
        ) -> sqlx::Result<()> {
            sqlx::Connection::clear_cached_statements(conn).await
        }

        async fn fetch(
            conn: &mut <$database as Database>::Connection,
            sql: sqlx::SqlStr,
            arguments: <$database as Database>::Arguments,
            keep_prepared: bool,
        ) -> sqlx::Result<Vec<<$database as Database>::Row>> {
            sqlx::query_with(sql, arguments)
                .persistent(keep_prepared)
                .fetch_all(conn)
                .await
        }

        async fn fetch_into(
            conn: &mut <$database as Database>::Connection,
            sql: sqlx::SqlStr,
            arguments: <$database as Database>::Arguments,
            keep_prepared: bool,
            rows: &mut Vec<<$database as Database>::Row>,
        ) -> sqlx::Result<<$database as Database>::QueryResult> {
            let query = sqlx::query_with(sql, arguments).persistent(keep_prepared);
            let mut answer = sqlx::Executor::fetch_many(conn, query);
            let mut done = Default::default();
            // To its end, where a constraint may refuse what the rows told.
            while let Some(step) =
                std::future::poll_fn(|context| answer.as_mut().poll_next(context)).await
            {
                match step? {
                    sqlx::Either::Left(end) => done = end,
                    sqlx::Either::Right(row) => rows.push(row),
                }
            }
            Ok(done)
        }

        async fn execute(
            conn: &mut <$database as Database>::Connection,
            sql: sqlx::SqlStr,
            arguments: <$database as Database>::Arguments,
            keep_prepared: bool,
        ) -> sqlx::Result<<$database as Database>::QueryResult> {
            sqlx::query_with(sql, arguments)
                .persistent(keep_prepared)
                .execute(conn)
                .await
        }

        fn affected(done: &<$database as Database>::QueryResult) -> u64 {
            done.rows_affected()
        }
    };
}
pub(super) use wire;
