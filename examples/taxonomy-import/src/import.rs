//! An import of whole files, set by set.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::anyhow;
use indicatif::ProgressBar;
use sqlx::Pool;
use upsert_runtime::{
    Backend, Error, Failure, Import, Missing, OnDeleted, Only, Stored, Transaction,
};

use crate::ending::{Stopped, cause};
use crate::interrupt::Interrupt;
use crate::model::{Model, Record};
use crate::progress::progress_bar;
use crate::rejected::Rejected;
use crate::report::{Report, write_failure};
use crate::source::{Lines, Source};

/// What the caller asked for.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) chunk_size: usize,
    pub(crate) protect_locked: bool,
    pub(crate) missing: Missing,
    pub(crate) max_share: f64,
    pub(crate) on_deleted: OnDeleted,
    pub(crate) only: Option<Only>,
    pub(crate) max_changed_share: Option<f64>,
    pub(crate) max_failed: Option<u64>,
}

/// A file to be imported, which is a whole version of its source.
pub(crate) struct File<'s> {
    pub(crate) source: &'s Source,
    pub(crate) options: Options,
    pub(crate) interrupt: Interrupt,
}

/// What became of a file, and the rows that it touched, if they were asked for.
pub(crate) struct Done<M> {
    pub(crate) report: Report,
    pub(crate) changes: Vec<upsert_runtime::RowChange<M>>,
    /// Why it was stopped.
    pub(crate) stopped: Result<(), Stopped>,
}

impl<'s> File<'s> {
    /// Imports it. In `dry_run`, a transaction that is rolled back in the end, the touched rows are kept.
    pub(crate) async fn run<DB: Backend, M: Model + Stored<DB>>(
        self,
        pool: &Pool<DB>,
        dry_run: Option<&mut Transaction<DB>>,
        rejected: &mut Rejected,
    ) -> anyhow::Result<Done<M>> {
        let source = self.source;
        let started = Instant::now();
        // It is read twice.
        let bar = progress_bar(source, 2)?;
        let unreadable = OnceLock::new();
        let is_dry_run = dry_run.is_some();
        let import = self.import::<M>(&bar, &unreadable).changes(is_dry_run);
        let done = match dry_run {
            None => import.run(pool).await,
            Some(tx) => import.run_in(tx).await,
        };
        bar.finish_and_clear();
        let mut report = Report::of(source.name.clone());
        report.seconds = started.elapsed();
        let (changes, stopped) = match done {
            Ok(done) => {
                tell_failures(source, done.failed.iter().collect(), rejected)?;
                report.take(&done);
                let stopped = if done.complete {
                    Ok(())
                } else {
                    Err(Stopped::interrupted(source, is_dry_run))
                };
                (done.changes, stopped)
            }
            Err(Error::Stopped {
                report: done,
                source: cause,
            }) => {
                let mut failed: Vec<_> = done.failed.iter().collect();
                let stopped = if let Error::TooManyFailed { last, .. } = &*cause {
                    // The one too many is not counted, but to be mended like the others.
                    failed.push(last);
                    failed.sort_by_key(|failure| failure.index);
                    Stopped::too_many_failed(source)
                } else {
                    Stopped::broken(source, &cause)
                };
                tell_failures(source, failed, rejected)?;
                report.take(&*done);
                (Vec::new(), Err(stopped))
            }
            Err(error) => {
                let stopped = if let Error::Refused {
                    missing, option, ..
                } = error
                {
                    report.missing = missing;
                    Stopped::refused(source, option, &error)
                } else {
                    Stopped::from(anyhow!("{}: {error}", source.name))
                };
                (Vec::new(), Err(stopped))
            }
        };
        // The import takes what cannot be read for one bad record; what comes after it was not read.
        let stopped = match unreadable.into_inner() {
            Some(cause) => Err(Stopped::from(anyhow!("{} {cause}", source.name))),
            None => stopped,
        };
        Ok(Done {
            report,
            changes,
            stopped,
        })
    }

    /// The one call that imports it, with what was asked for.
    fn import<'f, M: Model>(
        self,
        bar: &ProgressBar,
        unreadable: &'f OnceLock<String>,
    ) -> Import<'f, M>
    where
        's: 'f,
    {
        let (source, options) = (self.source, self.options);
        let bar = bar.clone();
        let open = move || tokio_stream::iter(Records::of(source, bar.clone(), unreadable));
        let mut import = M::import_from(open)
            .chunk_size(options.chunk_size)
            .missing(options.missing)
            .max_share(options.max_share)
            .on_deleted(options.on_deleted)
            .stop_on(self.interrupt.pressed());
        if options.protect_locked {
            import = import.protect(M::is_locked);
        }
        if let Some(only) = options.only {
            import = import.only(only);
        }
        if let Some(share) = options.max_changed_share {
            import = import.max_changed_share(share);
        }
        if let Some(records) = options.max_failed {
            import = import.max_failed(records);
        }
        import
    }
}

/// Tells each record that failed with its line, and keeps the line.
fn tell_failures(
    source: &Source,
    failed: Vec<&Failure>,
    rejected: &mut Rejected,
) -> anyhow::Result<()> {
    let mut failed = failed.into_iter().peekable();
    let Some(mut lines) = source.open().ok().filter(|_| failed.peek().is_some()) else {
        return Ok(());
    };
    // Only now is it asked which line a record was in: blank lines are none.
    let mut index = 0;
    while let Some(failure) = failed.peek() {
        let Ok(Some((text, _))) = lines.next_line() else {
            return Ok(());
        };
        if text.is_empty() {
            continue;
        }
        if failure.index == index {
            write_failure(&source.name, lines.line, &cause(&failure.error));
            rejected.add(lines.as_it_came())?;
            failed.next();
        }
        index += 1;
    }
    Ok(())
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
