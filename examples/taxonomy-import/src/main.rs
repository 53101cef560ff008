//! Imports versions of a taxonomy into a table: each record is found by one of its keys and updated, else created.

mod database;
mod dialect;
mod diff;
mod import;
mod model;
mod one_by_one;
mod progress;
mod report;
mod source;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use sqlx::Pool;
use upsert_runtime::{Stored, begin};

use crate::database::Target;
use crate::dialect::{Dialect, Options};
use crate::model::Taxonomy;
use crate::one_by_one::{OneByOne, told};
use crate::report::Report;
use crate::source::Source;

/// Import versions of a taxonomy: create what is new, update what differs, leave alone what does not.
///
/// Exit status: 0 if every record was stored, 1 if some could not be read or stored, 2 if nothing could be done or the
/// import stopped on the way.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The database: sqlite://…, postgres://… or mysql://… (MariaDB too).
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite://taxonomy.db?mode=rwc"
    )]
    database_url: String,

    /// Print what would be done, and write nothing: everything is done in one transaction, which is rolled back.
    #[arg(long)]
    dry_run: bool,

    /// How many records are written in one transaction.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    chunk_size: u32,

    /// What becomes of rows that a file does not have: each file is a whole version of the source.
    #[arg(long, value_enum, default_value_t = Missing::Keep)]
    missing: Missing,

    /// The largest share of the rows that may be missing, where those are deleted.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    max_share: f64,

    /// Store one record after the other, each by itself, for comparison.
    #[arg(long, conflicts_with_all = ["chunk_size", "missing", "max_share"])]
    one_by_one: bool,

    /// Print one JSON object a file instead of a table.
    #[arg(long)]
    json: bool,

    /// JSON Lines; of several files each is a newer version. Without any, three versions that come with the program.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What becomes of rows that a file does not have.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Missing {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "not a number from 0 to 1".to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(reports) if reports.iter().all(|report| report.failed == 0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            // Not `eprintln!`, which panics where stderr is closed.
            let _ = writeln!(io::stderr(), "taxonomy-import: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args) -> anyhow::Result<Vec<Report>> {
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
) -> anyhow::Result<Vec<Report>>
where
    Taxonomy: Stored<DB>,
{
    let pool = database::open::<DB>(options, args.dry_run).await?;
    let (reports, stopped) = if args.one_by_one {
        one_by_one(&pool, sources, args.dry_run).await?
    } else {
        set_by_set(&pool, sources, args).await?
    };
    pool.close().await;
    // What was done is told even if the rest was not to be done.
    report::print(&reports, args.json)?;
    stopped?;
    Ok(reports)
}

/// What was done with each file, and why the rest was not done.
type Reports = (Vec<Report>, anyhow::Result<()>);

async fn set_by_set<DB: Dialect>(
    pool: &Pool<DB>,
    sources: Vec<Source>,
    args: &Args,
) -> anyhow::Result<Reports>
where
    Taxonomy: Stored<DB>,
{
    let options = import::Options {
        chunk_size: args.chunk_size as usize,
        missing: match args.missing {
            Missing::Keep => upsert_runtime::Missing::Keep,
            Missing::Delete => upsert_runtime::Missing::Delete,
        },
        max_share: args.max_share,
    };
    // One for all files, so that each is compared with what the one before would leave.
    let mut dry_run = None;
    if args.dry_run {
        dry_run = Some(begin(pool).await.map_err(|error| told(&error))?);
    }
    let mut reports = Vec::new();
    let mut stopped = Ok(());
    for source in sources {
        let done = import::file(&source, pool, dry_run.as_mut(), options).await?;
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

async fn one_by_one<DB: Dialect>(
    pool: &Pool<DB>,
    sources: Vec<Source>,
    dry_run: bool,
) -> anyhow::Result<Reports>
where
    Taxonomy: Stored<DB>,
{
    let mut import = OneByOne::begin(pool, dry_run).await?;
    let mut stopped = Ok(());
    for source in sources {
        stopped = import.file(&source).await;
        if stopped.is_err() {
            break;
        }
    }
    Ok((import.end().await, stopped))
}
