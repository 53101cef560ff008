//! What was done with each file, and how it is told.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use upsert_runtime::Outcome;

/// What was done with the records of a file.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) file: String,
    /// Lines that are not blank: the sum of the eight below.
    pub(crate) records: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) protected: u64,
    pub(crate) stale: u64,
    pub(crate) skipped: u64,
    pub(crate) superseded: u64,
    pub(crate) failed: u64,
    /// Rows that the file does not have, and how many of them were deleted or marked.
    pub(crate) missing: u64,
    pub(crate) deleted: u64,
    #[serde(serialize_with = "as_seconds")]
    pub(crate) seconds: Duration,
}

impl Report {
    /// The report of a file of which nothing was read yet.
    pub(crate) fn of(file: String) -> Self {
        Self {
            file,
            records: 0,
            created: 0,
            updated: 0,
            unchanged: 0,
            protected: 0,
            stale: 0,
            skipped: 0,
            superseded: 0,
            failed: 0,
            missing: 0,
            deleted: 0,
            seconds: Duration::ZERO,
        }
    }

    /// Takes the counts of an import.
    pub(crate) fn take<M>(&mut self, done: &upsert_runtime::Report<M>) {
        self.records = done.records;
        self.created = done.created;
        self.updated = done.updated;
        self.unchanged = done.unchanged;
        self.protected = done.protected;
        self.stale = done.stale;
        self.skipped = done.skipped;
        self.superseded = done.superseded;
        self.failed = done.failed.len() as u64;
        self.missing = done.missing;
        self.deleted = done.deleted;
    }

    /// Counts a record that is stored.
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        self.records += 1;
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Updated { .. } => self.updated += 1,
            Outcome::Protected { .. } => self.protected += 1,
            Outcome::Stale { .. } => self.stale += 1,
            Outcome::Skipped { .. } => self.skipped += 1,
            // Nothing else leaves a row in the table; a later version may know more.
            _ => self.unchanged += 1,
        }
    }

    /// Counts a record that could not be read or stored.
    pub(crate) fn count_failed(&mut self) {
        self.records += 1;
        self.failed += 1;
    }
}

/// Tells a record that failed on stderr.
pub(crate) fn write_failure(file: &str, line: u64, cause: &str) {
    // Not `eprintln!`, which panics where stderr is closed.
    let _ = writeln!(io::stderr(), "{file}:{line}: {cause}");
}

/// Prints the reports to stdout: a table, or a JSON object a line.
pub(crate) fn print(reports: &[Report], json: bool) -> anyhow::Result<()> {
    let text = if json {
        lines(reports)?
    } else {
        format!("{}\n", table(reports))
    };
    // Not `print!`, which panics where the reader is gone.
    let mut out = io::stdout();
    unless_closed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
        .context("the report cannot be written")
}

/// That the reader has seen enough (`| head`) is no error.
pub(crate) fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn lines(reports: &[Report]) -> serde_json::Result<String> {
    let lines = reports
        .iter()
        .map(|report| Ok(serde_json::to_string(report)? + "\n"));
    lines.collect()
}

/// A column of the table, but for the file and the seconds.
struct Count {
    name: &'static str,
    of: fn(&Report) -> u64,
    /// Shown even if all of them are 0: those of the rules are for who asks for one.
    is_always_shown: bool,
}

const COUNTS: [Count; 11] = [
    always("records", |report| report.records),
    always("created", |report| report.created),
    always("updated", |report| report.updated),
    always("unchanged", |report| report.unchanged),
    if_any("protected", |report| report.protected),
    if_any("stale", |report| report.stale),
    if_any("skipped", |report| report.skipped),
    always("superseded", |report| report.superseded),
    always("failed", |report| report.failed),
    always("missing", |report| report.missing),
    always("deleted", |report| report.deleted),
];

const fn always(name: &'static str, of: fn(&Report) -> u64) -> Count {
    Count {
        name,
        of,
        is_always_shown: true,
    }
}

const fn if_any(name: &'static str, of: fn(&Report) -> u64) -> Count {
    Count {
        name,
        of,
        is_always_shown: false,
    }
}

fn table(reports: &[Report]) -> Table {
    let is_shown = |count: &&Count| {
        count.is_always_shown || reports.iter().any(|report| (count.of)(report) > 0)
    };
    let counts: Vec<&Count> = COUNTS.iter().filter(is_shown).collect();
    let mut header = vec!["file"];
    header.extend(counts.iter().map(|count| count.name));
    header.push("seconds");
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for report in reports {
        let mut row = vec![report.file.clone()];
        row.extend(counts.iter().map(|count| (count.of)(report).to_string()));
        row.push(format!("{:.2}", report.seconds.as_secs_f64()));
        table.add_row(row);
    }
    // All but the file are numbers.
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Seconds, to the millisecond.
fn as_seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1000.0).round() / 1000.0)
}
