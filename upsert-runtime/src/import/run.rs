//! An import as a whole: the source is read twice, first to know, then to write.

mod bisection;
mod course;
mod first_pass;
mod ledger;
mod missing;
mod place;
mod queue;
mod refusal;
mod second_pass;
mod share;
mod stop;
mod table;
mod whole;

use crate::backend::Supported;
use crate::error::{Error, Report};
use crate::locking::Locking;
use crate::mapping::Mapping;
use crate::transaction::{self, Connections, TransactionRef, is_in_a_transaction};
use crate::value::Row;

use super::options::{OnFailure, Options};
use super::source::Source;

use self::course::{Course, Halt};
use self::place::Place;
use self::whole::Whole;

/// Imports in transactions of its own.
pub(crate) async fn run<'f, DB: Supported>(
    mut connections: Connections<'_, DB>,
    mapping: Mapping<DB>,
    mut source: Source<'f>,
    mut options: Options<'f>,
) -> Result<Report<Row>, Error> {
    let locking = Locking::waiting(options.wait);
    let retry = options.retry;
    let is_serial = options.atomic || options.on_failure == OnFailure::Abort;
    settle_options(&mut options, is_serial);
    options.check(mapping.model.name, mapping.fields.rules)?;
    connections.check(mapping.model.name)?;
    connections.ask(mapping.model.name).await?;
    if options.is_one_transaction {
        let mut whole = Whole::new(mapping, source, options);
        let done = transaction::run(connections, retry, locking, &mut whole).await;
        return whole.tell(done);
    }
    let place = Place::Own {
        connections,
        retry,
        locking,
    };
    let mut course = Course::new(mapping, place, &mut options);
    let done = course.run(&mut source).await;
    let report = course.finish().tell(&mut options);
    match done {
        Ok(()) | Err(Halt::Stop) => Ok(report),
        Err(halt) => {
            let error = halt.into_error(mapping).under::<DB>(locking.wait);
            Err(stopped(error, report))
        }
    }
}

/// Imports in the caller's transaction.
pub(crate) async fn run_in<'f, DB: Supported>(
    mut tx: TransactionRef<'_, DB>,
    mapping: Mapping<DB>,
    source: Source<'f>,
    mut options: Options<'f>,
) -> Result<Report<Row>, Error> {
    let locking = Locking::waiting(options.wait);
    settle_options(&mut options, true);
    options.check(mapping.model.name, mapping.fields.rules)?;
    let mut whole = Whole::new(mapping, source, options);
    let done = transaction::run_in(&mut tx, locking, &mut whole).await;
    whole.tell(done)
}

/// Settles what follows from the options and from where the import is done.
fn settle_options(options: &mut Options<'_>, is_serial: bool) {
    options.is_serial = is_serial;
    options.is_one_transaction = is_serial || options.dry_run;
    if options.dry_run {
        // `each` is told of what is committed, and nothing will be.
        options.each = None;
    }
}

/// An import that was stopped, unless it was refused or aborted.
fn stopped(error: Error, report: Report<Row>) -> Error {
    match error {
        Error::Refused { .. } | Error::Aborted { .. } => error,
        error if is_in_a_transaction(&error) => error,
        source => Error::Stopped {
            report: Box::new(report.without_changes()),
            source: Box::new(source),
        },
    }
}
