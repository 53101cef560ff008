//! Imports versions of a taxonomy into a table: each record is found by one of its keys and updated, else created.

mod args;
mod database;
mod dialect;
mod diff;
mod ending;
mod import;
mod interrupt;
mod model;
mod one_by_one;
mod progress;
mod rejected;
mod report;
mod source;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Parser;
use sqlx::Pool;
use upsert_runtime::{Stored, begin};

use crate::args::Args;
use crate::database::{Columns, Target};
use crate::dialect::{Dialect, Options};
use crate::ending::Stopped;
use crate::interrupt::Interrupt;
use crate::model::{Model, by_version, old_table, plain};
use crate::one_by_one::{OneByOne, told};
use crate::rejected::Rejected;
use crate::report::Report;
use crate::source::Source;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(reports) if reports.iter().all(|report| report.failed == 0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(Stopped { status, cause }) => {
            // Not `eprintln!`, which panics where stderr is closed.
            let _ = writeln!(io::stderr(), "taxonomy-import: {cause:#}");
            ExitCode::from(status)
        }
    }
}

async fn run(args: Args) -> Result<Vec<Report>, Stopped> {
    // Every file is opened before the first record is stored.
    let sources = if args.files.is_empty() {
        Source::embedded()
    } else {
        Source::open_all(&args.files)?
    };
    match Target::parse(&args.database_url)? {
        Target::Sqlite(options) => import::<sqlx::Sqlite>(options, sources, &args).await,
        Target::Postgres(options) => import::<sqlx::Postgres>(options, sources, &args).await,
        Target::MySql(options) => import::<sqlx::MySql>(options, sources, &args).await,
    }
}

async fn import<DB: Dialect>(
    options: Options<DB>,
    sources: Vec<Source>,
    args: &Args,
) -> Result<Vec<Report>, Stopped>
where
    by_version::Taxonomy: Stored<DB>,
    plain::Taxonomy: Stored<DB>,
    old_table::Taxonomy: Stored<DB>,
{
    let (pool, columns) = database::open::<DB>(options, args.dry_run).await?;
    match (columns, args.needs_rule_columns()) {
        (Columns::All, _) if args.newer => {
            import_as::<DB, by_version::Taxonomy>(&pool, sources, args).await
        }
        (Columns::All, _) => import_as::<DB, plain::Taxonomy>(&pool, sources, args).await,
        (Columns::Old, None) => import_as::<DB, old_table::Taxonomy>(&pool, sources, args).await,
        (Columns::Old, Some(option)) => Err(Stopped::from(anyhow!(
            "{option} needs the columns `source_updated_at`, `locked` and `deleted_at`, which the table `taxonomy` does not have"
        ))),
    }
}

async fn import_as<DB: Dialect, M: Model + Stored<DB>>(
    pool: &Pool<DB>,
    sources: Vec<Source>,
    args: &Args,
) -> Result<Vec<Report>, Stopped> {
    let mut rejected = Rejected::create(args.rejected.as_deref(), &args.files)?;
    let (reports, stopped) = if args.one_by_one {
        one_by_one::<DB, M>(pool, sources, &mut rejected, args).await?
    } else {
        set_by_set::<DB, M>(pool, sources, &mut rejected, args).await?
    };
    pool.close().await;
    // What was done is told even if the rest was not to be done.
    report::print(&reports, args.json)?;
    rejected.flush()?;
    stopped?;
    Ok(reports)
}

/// What was done with each file, and why the rest was not done.
type Reports = (Vec<Report>, Result<(), Stopped>);

async fn set_by_set<DB: Dialect, M: Model + Stored<DB>>(
    pool: &Pool<DB>,
    sources: Vec<Source>,
    rejected: &mut Rejected,
    args: &Args,
) -> anyhow::Result<Reports> {
    let interrupt = Interrupt::listen();
    // One for all files, so that each is compared with what the one before would leave.
    let mut dry_run = None;
    if args.dry_run {
        dry_run = Some(begin(pool).await.map_err(|error| told(&error))?);
    }
    let mut reports = Vec::new();
    let mut stopped = Ok(());
    for source in sources {
        let import = import::File {
            source: &source,
            options: args.options(),
            interrupt: interrupt.clone(),
        };
        let done = import.run::<DB, M>(pool, dry_run.as_mut(), rejected).await;
        let done = done?;
        if !args.json {
            diff::print(&done.changes).context("the changes cannot be written")?;
        }
        reports.push(done.report);
        stopped = done.stopped;
        if stopped.is_err() {
            break;
        }
    }
    if let Some(tx) = dry_run {
        // It fails only if the connection is lost, and then the server rolls back.
        let _ = tx.rollback().await;
    }
    Ok((reports, stopped))
}

async fn one_by_one<DB: Dialect, M: Model + Stored<DB>>(
    pool: &Pool<DB>,
    sources: Vec<Source>,
    rejected: &mut Rejected,
    args: &Args,
) -> anyhow::Result<Reports> {
    let interrupt = Interrupt::listen();
    let mut import = OneByOne::begin(pool, args.options(), interrupt, args.dry_run).await?;
    let mut stopped = Ok(());
    for source in sources {
        stopped = import.file::<M>(&source, rejected).await;
        if stopped.is_err() {
            break;
        }
    }
    Ok((import.end().await, stopped))
}
