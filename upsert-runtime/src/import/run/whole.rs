//! A whole import in one transaction.

use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Report};
use crate::import::notify::Finished;
use crate::import::options::Options;
use crate::import::source::Source;
use crate::mapping::Mapping;
use crate::step::Session;
use crate::transaction::UnitOfWork;
use crate::value::Row;

use super::course::{Course, Halt};
use super::place::Place;
use super::stopped;

/// A whole import, as a unit of work in one transaction.
pub(super) struct Whole<'f, DB: Supported> {
    mapping: Mapping<DB>,
    source: Source<'f>,
    options: Options<'f>,
    /// The number of the attempt, from 1.
    attempt: u32,
    /// Whether the last attempt ended because others had moved rows.
    has_moved: bool,
    /// How many times more it may begin anew for that.
    patience: u32,
}

/// How many attempts are made without locks on rows that are only read so far. They are the cheaper ones: rows are locked for a
/// shorter time. But beside others who write the same rows all the time none of them may ever get through.
const ATTEMPTS_WITHOUT_LOCKS: u32 = 2;

/// How many times an attempt that keeps its locks starts over, since others have put rows into keys that were free.
const MOST_STARTS: u32 = 50;

/// How a start ended that did not fail.
enum End {
    Finished(Box<Finished>),
    /// Rows were in the way: what was written is undone, and they are locked, if it was others who put them there.
    Undone {
        by_others: bool,
    },
}

impl<'f, DB: Supported> Whole<'f, DB> {
    pub(super) fn new(mapping: Mapping<DB>, source: Source<'f>, options: Options<'f>) -> Self {
        Self {
            mapping,
            source,
            options,
            attempt: 0,
            has_moved: false,
            patience: ATTEMPTS_WITHOUT_LOCKS,
        }
    }

    /// The report of the import, once its transaction has ended or the caller has its rows.
    pub(super) fn tell(mut self, done: Result<Finished, Error>) -> Result<Report<Row>, Error> {
        match done {
            Ok(finished) => Ok(finished.tell(&mut self.options)),
            Err(error) => Err(stopped(error, Report::default())),
        }
    }
}

impl<DB: Supported> Whole<'_, DB> {
    /// Runs the import once.
    async fn course(
        &mut self,
        session: &mut Session<'_, DB>,
        locks_first: bool,
        brings_rows: bool,
        may_start_over: bool,
    ) -> Result<End, Halt> {
        let place = Place::within(session, self.options.is_serial);
        let mut course = Course::new(self.mapping, place, &mut self.options);
        if locks_first {
            course.lock_first(brings_rows).await?;
        }
        match course.run(&mut self.source).await {
            Ok(()) => Ok(End::Finished(Box::new(course.finish()))),
            // Nothing stays, and nothing is told of what does not.
            Err(Halt::Stop) => Ok(End::Finished(Box::new(Finished {
                stays: false,
                report: Report::default(),
                kept: Vec::new(),
            }))),
            Err(Halt::Moved) if locks_first && may_start_over => Ok(End::Undone {
                by_others: course.start_over().await?,
            }),
            Err(halt) => Err(halt),
        }
    }
}

impl<DB: Supported> UnitOfWork<DB> for Whole<'_, DB> {
    type Output = Finished;

    const READS_MANY: bool = true;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    fn began(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Finished, Error> {
        let locks_first =
            DB::Driver::CAPABILITIES.locks_rows && self.attempt > ATTEMPTS_WITHOUT_LOCKS;
        let (mut start, mut brings_rows) = (1, false);
        let halt = loop {
            let may_start_over = start < MOST_STARTS;
            let course = self.course(session, locks_first, brings_rows, may_start_over);
            match course.await {
                Ok(End::Finished(finished)) => {
                    self.has_moved = false;
                    return Ok(*finished);
                }
                Ok(End::Undone { by_others }) => {
                    start += 1;
                    brings_rows = !by_others;
                }
                Err(halt) => break halt,
            }
        };
        self.has_moved = matches!(halt, Halt::Moved);
        Err(halt.into_error(self.mapping))
    }

    fn again(&mut self, _: &Error) -> bool {
        let again = self.has_moved && self.patience > 0;
        self.patience -= u32::from(again);
        again
    }

    fn stays(finished: &Finished) -> bool {
        finished.stays
    }
}
