//! Four callers and one row: who gets it, who waits, and what the others are told.

mod database;
mod dialect;
mod model;
mod story;
mod timeline;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Parser;
use sqlx::{MySql, Pool, Postgres, Sqlite};
use tempfile::TempDir;
use tokio::{select, signal};
use upsert_runtime::Stored;

use crate::database::Target;
use crate::dialect::{Dialect, Options};
use crate::model::Taxonomy;

/// Show what a row lock does: one caller holds a row, one waits for it, one will not wait, one waits for two seconds.
///
/// Makes the table `lock_demo` and drops it at the end. Takes about three seconds.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The database: sqlite://…, postgres://… or mysql://… (MariaDB too); without it SQLite in a temporary file.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics where stderr is closed. Not `{error:#}`, which would print the driver's own text
            // behind each error of `upsert_runtime`; that may quote values.
            let _ = writeln!(io::stderr(), "lock-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let Some(url) = args.database_url else {
        // Its drop, behind the story, removes the folder.
        let folder =
            TempDir::new().map_err(|error| anyhow!("no temporary folder can be made: {error}"))?;
        return demo::<Sqlite>(database::temporary(&folder)).await;
    };
    match Target::parse(&url)? {
        Target::Sqlite(options) => demo::<Sqlite>(options).await,
        Target::Postgres(options) => demo::<Postgres>(options).await,
        Target::MySql(options) => demo::<MySql>(options).await,
    }
}

/// Connects and makes the table, plays the story, and drops the table whatever has happened.
async fn demo<DB: Dialect>(options: Options<DB>) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    let place = DB::place(&options);
    let pool = database::open::<DB>(options).await?;
    let told = select! {
        told = tell(&pool, &place) => told,
        // The story is dropped then, and its transactions roll back.
        _ = signal::ctrl_c() => Err(anyhow!("stopped")),
    };
    let closed = database::close(pool).await;
    match (told, closed) {
        (Err(error), Err(left)) => bail!("{error}; {left}"),
        (told, closed) => told.and(closed),
    }
}

/// Says where the story takes place, and plays it.
async fn tell<DB: Dialect>(pool: &Pool<DB>, place: &str) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    timeline::print(format_args!("{}, {place}", DB::TITLE))?;
    timeline::print(format_args!("The lock: {}", DB::LOCK))?;
    story::story(pool).await
}
