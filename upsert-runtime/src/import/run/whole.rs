//! A whole import in one transaction.

use crate::backend::Supported;
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
    /// Whether the last attempt ended because others had moved rows.
    has_moved: bool,
    /// How many times more it may begin anew for that.
    patience: u32,
}

impl<'f, DB: Supported> Whole<'f, DB> {
    pub(super) fn new(mapping: Mapping<DB>, source: Source<'f>, options: Options<'f>) -> Self {
        Self {
            mapping,
            source,
            options,
            has_moved: false,
            patience: 20,
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

impl<DB: Supported> UnitOfWork<DB> for Whole<'_, DB> {
    type Output = Finished;

    const READS_MANY: bool = true;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Finished, Error> {
        let place = Place::within(session);
        let mut course = Course::new(self.mapping, place, &mut self.options);
        let done = course.run(&mut self.source).await;
        let finished = course.finish();
        self.has_moved = matches!(done, Err(Halt::Moved));
        match done {
            Ok(()) => Ok(finished),
            Err(halt) => Err(halt.into_error(self.mapping)),
        }
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
