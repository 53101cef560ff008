//! How a database is named and reached, and that its table is there.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Pool};
use tokio::time::timeout;

use crate::dialect::{Dialect, Options};

/// How long the database may take to answer at first, and to come back if the connection is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Finds no row, and is refused if the table is missing or is another one.
const PROBE: &str = "SELECT id, remote_id, slug, name, description, parent, created_at, updated_at \
                     FROM taxonomy WHERE 1 = 0";

/// The same for the columns that rules need.
const PROBE_RULES: &str = "SELECT source_updated_at, locked, deleted_at FROM taxonomy WHERE 1 = 0";

/// Which columns the table has.
pub(crate) enum Columns {
    /// All of them.
    All,
    /// Those that it had before there were rules: somebody else may write to it, too, so none are added.
    Old,
}

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
        match scheme {
            // A SQLite URL holds no password, so the cause may be told.
            Some("sqlite") => url
                .parse()
                .map(Self::Sqlite)
                .map_err(|error: sqlx::Error| anyhow!("{error}")),
            Some("postgres" | "postgresql") => url
                .parse()
                .map(Self::Postgres)
                .map_err(|_| anyhow!("expected postgres://USER:PASSWORD@HOST:PORT/DATABASE")),
            Some("mysql" | "mariadb") => url
                .parse()
                .map(Self::MySql)
                .map_err(|_| anyhow!("expected mysql://USER:PASSWORD@HOST:PORT/DATABASE")),
            _ => Err(anyhow!(
                "expected sqlite://…, postgres://… or mysql://… (MariaDB too)"
            )),
        }
        .context("the database URL cannot be read")
    }
}

/// Connects, and sees to it that the table is there. With `dry_run` nothing is made.
pub(crate) async fn open<DB: Dialect>(
    options: Options<DB>,
    dry_run: bool,
) -> anyhow::Result<(Pool<DB>, Columns)> {
    let place = DB::place(&options);
    let options = if dry_run {
        DB::existing_only(options)
    } else {
        options
    };

    // A pool would try again and again until its patience ends; this tells at once what is wrong.
    let Ok(connected) = timeout(PATIENCE, options.connect()).await else {
        bail!("{place} cannot be reached: no answer");
    };
    let connection = connected.map_err(|error| {
        if dry_run && DB::is_absent(&options) {
            anyhow!("there is no database {place}, and a dry run makes none")
        } else {
            anyhow!("{place} cannot be reached: {error}")
        }
    })?;

    // Records are stored one after the other.
    let pool = PoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_with(options)
        .await
        .map_err(|error| anyhow!("{place} cannot be reached: {error}"))?;
    connection.close().await.ok();

    if let Err(refused) = DB::run_text(&pool, PROBE).await {
        if dry_run {
            bail!("{place} has no table `taxonomy` to import into: {refused}");
        }
        // Asked for only if it is needed: who may not create a table can import into one.
        let made = DB::run_text(&pool, DB::CREATE_TABLE).await;
        // Looked at again: it may be there with other columns, or another program may have been faster to make it.
        if let Err(refused) = DB::run_text(&pool, PROBE).await {
            let cause = made.err().unwrap_or(refused);
            bail!("{place} has no table `taxonomy` to import into: {cause}");
        }
    }
    let columns = match DB::run_text(&pool, PROBE_RULES).await {
        Ok(()) => Columns::All,
        Err(sqlx::Error::Database(_)) => Columns::Old,
        Err(error) => bail!("{place} cannot be reached: {error}"),
    };
    Ok((pool, columns))
}
