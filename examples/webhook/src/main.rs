//! Listens, serves until Ctrl-C, and answers what has begun before it goes.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Parser;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{MySql, Postgres, Sqlite};
use tokio::net::TcpListener;
use tokio::signal;
use tracing::info;
use upsert_runtime::Stored;
use webhook::{Options, Store, Taxonomy};

/// Store the deliveries of a taxonomy that come by HTTP.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The database: sqlite://…, postgres://… or mysql://… (MariaDB too).
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite://webhook.db?mode=rwc"
    )]
    database_url: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics where stderr is closed.
            let _ = writeln!(io::stderr(), "webhook: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let url = &args.database_url;
    // The cause is not told: it may quote the URL, which may hold a password.
    let unreadable =
        "expected sqlite://…, postgres://USER:PASSWORD@HOST/DATABASE or mysql://… as database URL";
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        "sqlite" => {
            let options: SqliteConnectOptions = url.parse().map_err(|_| anyhow!(unreadable))?;
            // Readers do not wait for the writer then, nor the writer for readers.
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            serve::<Sqlite>(options, args.listen).await
        }
        "postgres" | "postgresql" => {
            let options: PgConnectOptions = url.parse().map_err(|_| anyhow!(unreadable))?;
            serve::<Postgres>(options, args.listen).await
        }
        "mysql" | "mariadb" => {
            let options: MySqlConnectOptions = url.parse().map_err(|_| anyhow!(unreadable))?;
            serve::<MySql>(options, args.listen).await
        }
        _ => Err(anyhow!(unreadable)),
    }
}

async fn serve<DB: Store>(options: Options<DB>, listen: SocketAddr) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    let pool = webhook::open::<DB>(options).await?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen at {listen}"))?;
    info!(address = %listener.local_addr()?, "listens");
    axum::serve(listener, webhook::router(pool.clone()))
        .with_graceful_shutdown(stopped())
        .await?;
    // Behind the last answer: SQLite's log is written back into its file.
    pool.close().await;
    info!("stopped");
    Ok(())
}

/// Ready at Ctrl-C. Requests under way are answered; who connects now is not heard.
async fn stopped() {
    if signal::ctrl_c().await.is_ok() {
        info!("stops");
    } else {
        // No signal can be had here: it serves until it is killed.
        std::future::pending().await
    }
}
