//! Listens, serves until Ctrl-C, and answers what has begun before it goes.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Parser;
use sqlx::pool::PoolOptions;
use sqlx::{MySql, Postgres, Sqlite};
use tokio::net::TcpListener;
use tokio::signal;
use tracing::info;
use upsert_runtime::Stored;
use webhook::{Store, Taxonomy};

/// How long a request may wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

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
    let scheme = args.database_url.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        Some("sqlite") => serve::<Sqlite>(&args).await,
        Some("postgres" | "postgresql") => serve::<Postgres>(&args).await,
        Some("mysql" | "mariadb") => serve::<MySql>(&args).await,
        _ => bail!("expected sqlite://…, postgres://… or mysql://… (MariaDB too) as database URL"),
    }
}

async fn serve<DB: Store>(args: &Args) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    let pool = PoolOptions::<DB>::new()
        .max_connections(8)
        .acquire_timeout(PATIENCE)
        .connect(&args.database_url)
        .await
        .map_err(|error| anyhow!("the database cannot be reached: {error}"))?;
    DB::create_table(&pool)
        .await
        .map_err(|error| anyhow!("the table `taxonomy` cannot be made: {error}"))?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| anyhow!("cannot listen at {}: {error}", args.listen))?;
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
        std::future::pending::<()>().await;
    }
}
