//! Imports versions of a taxonomy into a table: each record is found by one of its keys and updated, else created.

mod database;
mod dialect;
mod import;
mod model;
mod report;
mod source;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use upsert_runtime::Stored;

use crate::database::Target;
use crate::dialect::{Dialect, Options};
use crate::import::Import;
use crate::model::Taxonomy;
use crate::report::Report;
use crate::source::Source;

/// Import versions of a taxonomy: create what is new, update what differs, leave alone what does not.
///
/// Exit status: 0 if every record was stored, 1 if some could not be read or stored, 2 if nothing could be done or the
/// database was lost on the way.
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

    /// Count what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object a file instead of a table.
    #[arg(long)]
    json: bool,

    /// JSON Lines; of several files each is a newer version. Without any, three versions that come with the program.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
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
    let mut import = Import::begin(&pool, args.dry_run).await?;
    let mut stopped = Ok(());
    for source in sources {
        stopped = import.file(source).await;
        if stopped.is_err() {
            break;
        }
    }
    // What was done is told even if the rest was not to be done.
    let reports = import.end().await;
    pool.close().await;
    report::print(&reports, args.json)?;
    stopped?;
    Ok(reports)
}
