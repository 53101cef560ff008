//! An import of whole files, set by set.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::anyhow;
use indicatif::ProgressBar;
use sqlx::Pool;
use upsert_runtime::{Backend, Error, LockedUpsert, Missing, Stored, Transaction};

use crate::model::{Record, Taxonomy};
use crate::one_by_one::told;
use crate::progress::progress_bar;
use crate::report::{Report, write_failure};
use crate::source::{Lines, Source};

/// What the caller asked for.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) chunk_size: usize,
    pub(crate) missing: Missing,
    pub(crate) max_share: f64,
}

/// What became of a file, and the rows that it touched, if they were asked for.
pub(crate) struct Done {
    pub(crate) report: Report,
    pub(crate) changes: Vec<upsert_runtime::RowChange<Taxonomy>>,
    /// Why it was stopped.
    pub(crate) stopped: anyhow::Result<()>,
}

/// Imports a file, which is a whole version of its source. In `dry_run`, a transaction that is rolled back in the end, the
/// touched rows are kept.
pub(crate) async fn file<DB: Backend>(
    source: &Source,
    pool: &Pool<DB>,
    dry_run: Option<&mut Transaction<DB>>,
    options: Options,
) -> anyhow::Result<Done>
where
    Taxonomy: Stored<DB>,
{
    let started = Instant::now();
    // It is read twice.
    let bar = progress_bar(source, 2)?;
    let unreadable = OnceLock::new();
    let open = || tokio_stream::iter(Records::of(source, bar.clone(), &unreadable));
    let import = Taxonomy::import_from(open)
        .chunk_size(options.chunk_size)
        .missing(options.missing)
        .max_share(options.max_share)
        .changes(dry_run.is_some());
    let done = match dry_run {
        None => import.run(pool).await,
        Some(tx) => import.run_in(tx).await,
    };
    bar.finish_and_clear();
    let mut report = Report::of(source.name.clone());
    report.seconds = started.elapsed();
    let (changes, stopped) = match done {
        Ok(done) => {
            tell_failures(source, &done);
            report.take(&done);
            (done.changes, Ok(()))
        }
        Err(Error::Stopped {
            report: done,
            source: cause,
        }) => {
            tell_failures(source, &*done);
            report.take(&*done);
            let at = format!("stopped at {}", source.name);
            (Vec::new(), Err(told(&cause).context(at)))
        }
        Err(error) => {
            if let Error::Refused { missing, .. } = error {
                report.missing = missing;
            }
            (Vec::new(), Err(anyhow!("{}: {error}", source.name)))
        }
    };
    // The import takes what cannot be read for one bad record; what comes after it was not read.
    let stopped = match unreadable.into_inner() {
        Some(cause) => Err(anyhow!("{} {cause}", source.name)),
        None => stopped,
    };
    Ok(Done {
        report,
        changes,
        stopped,
    })
}

/// Tells each record that failed with its line.
fn tell_failures<M>(source: &Source, done: &upsert_runtime::Report<M>) {
    let mut failed = done.failed.iter().peekable();
    let Some(mut lines) = source.open().ok().filter(|_| failed.peek().is_some()) else {
        return;
    };
    // Only now is it asked which line a record was in: blank lines are none.
    let mut index = 0;
    while let Some(failure) = failed.peek() {
        let Ok(Some((text, _))) = lines.next_line() else {
            return;
        };
        if text.is_empty() {
            continue;
        }
        if failure.index == index {
            let cause = match &failure.error {
                Error::Source { source } => source.to_string(),
                error => error.to_string(),
            };
            write_failure(&source.name, lines.line, &cause);
            failed.next();
        }
        index += 1;
    }
}

/// The records of a source, as they are read.
struct Records<'s> {
    lines: io::Result<Lines<'s>>,
    bar: ProgressBar,
    /// Why the source cannot be read any further.
    unreadable: &'s OnceLock<String>,
    is_over: bool,
}

impl<'s> Records<'s> {
    fn of(source: &'s Source, bar: ProgressBar, unreadable: &'s OnceLock<String>) -> Self {
        Self {
            lines: source.open(),
            bar,
            unreadable,
            is_over: false,
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match &mut self.lines {
                _ if self.is_over => return None,
                Ok(lines) => lines.next_line(),
                Err(error) => Err(io::Error::from(error.kind())),
            };
            let (text, bytes) = match line {
                Ok(line) => line?,
                Err(error) => {
                    self.is_over = true;
                    let cause = format!("cannot be read: {error}");
                    let cause = self.unreadable.get_or_init(|| cause);
                    return Some(Err(BadLine(cause.clone())));
                }
            };
            self.bar.inc(bytes);
            if !text.is_empty() {
                return Some(Record::parse(text).map_err(BadLine));
            }
        }
    }
}

/// A line that is no record, and why; it holds no value.
#[derive(Debug)]
struct BadLine(String);

impl Display for BadLine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for BadLine {}
