//! How a database is named and reached; its table is made at first and dropped at last.

use std::time::Duration;

use anyhow::{anyhow, bail};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Pool};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::dialect::{Dialect, Options};

/// How long the database may take to answer at first, and to drop the table at last.
const PATIENCE: Duration = Duration::from_secs(10);

/// One for each caller of the story: a caller that waits for a lock keeps its connection.
const CONNECTIONS: u32 = 4;

/// A database URL, read.
pub(crate) enum Target {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
    MySql(MySqlConnectOptions),
}

impl Target {
    /// Reads a URL. Errors do not show it, as it may hold a password.
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme);
        let in_memory = [":memory:", "mode=memory", "cache=shared"];
        let read = match scheme {
            // Their connections share a cache, in which sqlx waits for as long as it takes, whatever the limit.
            Some("sqlite") if in_memory.iter().any(|word| url.contains(word)) => {
                Err("a database in memory, or with a shared cache, keeps no limit of waiting; name a file".to_owned())
            }
            // A SQLite URL holds no password, so the cause may be told.
            Some("sqlite") => url
                .parse()
                .map(Self::Sqlite)
                .map_err(|error: sqlx::Error| error.to_string()),
            Some("postgres" | "postgresql") => url
                .parse()
                .map(Self::Postgres)
                .map_err(|_| "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()),
            Some("mysql" | "mariadb") => url
                .parse()
                .map(Self::MySql)
                .map_err(|_| "expected mysql://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()),
            _ => Err("expected sqlite://…, postgres://… or mysql://… (MariaDB too)".to_owned()),
        };
        read.map_err(|cause| anyhow!("the database URL cannot be read: {cause}"))
    }
}

/// A SQLite database in this folder: a file, so that each caller can have a connection of its own to it.
pub(crate) fn temporary(folder: &TempDir) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.path().join("lock-demo.db"))
        .create_if_missing(true)
        // Readers do not wait for the writer then, nor the writer for readers.
        .journal_mode(SqliteJournalMode::Wal)
}

/// Connects, and makes the table.
pub(crate) async fn open<DB: Dialect>(options: Options<DB>) -> anyhow::Result<Pool<DB>> {
    let place = DB::place(&options);

    // A pool would try again and again until its patience ends; this tells at once what is wrong.
    let Ok(connected) = timeout(PATIENCE, options.connect()).await else {
        bail!("{place} cannot be reached: no answer");
    };
    let connection = connected.map_err(|error| anyhow!("{place} cannot be reached: {error}"))?;
    connection.close().await.ok();

    let pool = PoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(options)
        .await
        .map_err(|error| anyhow!("{place} cannot be reached: {error}"))?;

    // Not IF NOT EXISTS: what is there already is not ours, and would be dropped at the end.
    DB::run_text(&pool, DB::CREATE_TABLE)
        .await
        .map_err(|error| anyhow!("the table `lock_demo` cannot be made: {error}"))?;
    Ok(pool)
}

/// Drops the table, and disconnects.
pub(crate) async fn close<DB: Dialect>(pool: Pool<DB>) -> anyhow::Result<()> {
    let dropped = timeout(PATIENCE, DB::run_text(&pool, "DROP TABLE lock_demo")).await;
    // A farewell to the server; it does not matter if it is not heard.
    timeout(PATIENCE, pool.close()).await.ok();
    match dropped {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(anyhow!("the table `lock_demo` is left behind: {error}")),
        Err(_) => Err(anyhow!("the table `lock_demo` is left behind: no answer")),
    }
}
