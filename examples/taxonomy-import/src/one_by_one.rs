//! The other way, for comparison: each line becomes a record, and each record is stored, one after the other.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, anyhow};
use indicatif::ProgressBar;
use sqlx::Pool;
use upsert_runtime::{Backend, Error, Operation, Outcome, Stored, Transaction};

use crate::ending::{Stopped, cause};
use crate::import::Options;
use crate::interrupt::Interrupt;
use crate::model::{Model, Record};
use crate::progress::progress_bar;
use crate::rejected::Rejected;
use crate::report::Report;
use crate::source::Source;

/// Where records go.
enum Store<'p, DB: Backend> {
    /// Each in a transaction of its own.
    Pool(&'p Pool<DB>),
    /// All in one, which is rolled back: a dry run.
    DryRun(Transaction<DB>),
}

impl<DB: Backend> Store<'_, DB> {
    async fn put<M: Model + Stored<DB>>(
        &mut self,
        record: Record,
        options: Options,
    ) -> Result<Outcome, Error> {
        let mut upsert = M::upsert(record).on_deleted(options.on_deleted);
        if options.protect_locked {
            upsert = upsert.protect(M::is_locked);
        }
        let done = match self {
            Self::Pool(pool) => upsert.run(pool).await?,
            Self::DryRun(tx) => upsert.run_in(tx).await?,
        };
        Ok(done.outcome)
    }
}

/// An import under way.
pub(crate) struct OneByOne<'p, DB: Backend> {
    store: Store<'p, DB>,
    options: Options,
    interrupt: Interrupt,
    reports: Vec<Report>,
}

impl<'p, DB: Backend> OneByOne<'p, DB> {
    /// Begins an import, of which nothing stays if it is a dry run.
    pub(crate) async fn begin(
        pool: &'p Pool<DB>,
        options: Options,
        interrupt: Interrupt,
        dry_run: bool,
    ) -> anyhow::Result<Self> {
        let store = if dry_run {
            Store::DryRun(
                upsert_runtime::begin(pool)
                    .await
                    .map_err(|error| told(&error))?,
            )
        } else {
            Store::Pool(pool)
        };
        Ok(Self {
            store,
            options,
            interrupt,
            reports: Vec::new(),
        })
    }

    /// Stores the records of a file. The error is one after which no other record could be stored either.
    pub(crate) async fn file<M: Model + Stored<DB>>(
        &mut self,
        source: &Source,
        rejected: &mut Rejected,
    ) -> Result<(), Stopped> {
        let started = Instant::now();
        let bar = progress_bar(source, 1)?;
        let mut report = Report::of(source.name.clone());
        let stopped = self.lines::<M>(source, &mut report, rejected, &bar).await;
        bar.finish_and_clear();
        report.seconds = started.elapsed();
        self.reports.push(report);
        stopped
    }

    async fn lines<M: Model + Stored<DB>>(
        &mut self,
        source: &Source,
        report: &mut Report,
        rejected: &mut Rejected,
        bar: &ProgressBar,
    ) -> Result<(), Stopped> {
        let unreadable = || format!("{} cannot be read", report.file);
        let mut lines = source.open().with_context(unreadable)?;
        loop {
            if self.interrupt.is_pressed() {
                let is_dry_run = matches!(self.store, Store::DryRun(_));
                return Err(Stopped::interrupted(source, is_dry_run));
            }
            let line = lines.next_line();
            let line = line.with_context(|| format!("{} cannot be read", report.file))?;
            let Some((text, bytes)) = line else {
                return Ok(());
            };
            if !text.is_empty() {
                let failed = match Record::parse(text) {
                    Err(cause) => Some(cause),
                    Ok(record) => match self.store.put::<M>(record, self.options).await {
                        Ok(outcome) => {
                            report.count(&outcome);
                            None
                        }
                        Err(error) if is_no_records(&error) => {
                            let at = format!("stopped at {}:{}", report.file, lines.line);
                            return Err(Stopped::from(told(&error).context(at)));
                        }
                        Err(error) => Some(cause(&error)),
                    },
                };
                if let Some(cause) = failed {
                    report.count_failed();
                    rejected.add(lines.as_it_came())?;
                    // The bar is put aside for the line. Not `println`, which is silent where the bar is hidden.
                    bar.suspend(|| {
                        let _ = writeln!(io::stderr(), "{}:{}: {cause}", report.file, lines.line);
                    });
                }
            }
            bar.inc(bytes);
        }
    }

    /// Ends the import; what was done with each file.
    pub(crate) async fn end(self) -> Vec<Report> {
        if let Store::DryRun(tx) = self.store {
            // It fails only if the connection is lost, and then the server rolls back.
            let _ = tx.rollback().await;
        }
        self.reports
    }
}

/// Whether the error would meet every other record too.
fn is_no_records(error: &Error) -> bool {
    match error {
        // A row that others fight over is one record's trouble; a connection that is lost again and again is not.
        Error::Exhausted { source, .. } => is_no_records(source),
        Error::Database { at, .. } | Error::LockTimeout { at, .. } => {
            matches!(at.operation, Operation::Connect | Operation::Begin)
        }
        error => matches!(
            error,
            Error::TransactionLost { .. } | Error::CommitUnknown { .. }
        ),
    }
}

/// The error without its source: the driver's own text may quote values.
pub(crate) fn told(error: &Error) -> anyhow::Error {
    anyhow!("{error}")
}
