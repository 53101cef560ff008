//! Where records come from: memory, or a stream that can be opened again.

use std::error::Error as StdError;
use std::fmt::{self, Debug, Formatter};
use std::future::poll_fn;
use std::pin::Pin;
use std::slice;

use futures_core::Stream;

use crate::error::Error;
use crate::value::New;

/// What a source says instead of a record.
pub(crate) type SourceError = Box<dyn StdError + Send + Sync>;

/// The records of a source that is read once.
pub(crate) type Records<'f> = Pin<Box<dyn Stream<Item = Result<New, SourceError>> + Send + 'f>>;

/// A source that can be read more than once.
#[expect(unnameable_types, reason = "only this crate names it")]
pub enum Source<'f> {
    /// Records that are all there.
    Memory(Vec<New>),
    /// What opens a stream, which is to give the same records each time.
    Opened(Box<dyn FnMut() -> Records<'f> + Send + 'f>),
}

impl<'f> Source<'f> {
    /// Reads it from its beginning.
    pub(super) fn open(&mut self) -> Reader<'_, 'f> {
        match self {
            Self::Memory(records) => Reader::Memory(records.iter()),
            Self::Opened(open) => Reader::Stream(open()),
        }
    }

    /// Whether what is read a second time may differ from the first.
    pub(super) fn may_change(&self) -> bool {
        matches!(self, Self::Opened(_))
    }
}

impl Debug for Source<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// A source being read.
pub(super) enum Reader<'s, 'f> {
    Memory(slice::Iter<'s, New>),
    Stream(Records<'f>),
}

impl Reader<'_, '_> {
    /// The next record, or what the source says instead of it; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<New, Error>> {
        match self {
            Self::Memory(records) => records.next().cloned().map(Ok),
            Self::Stream(records) => {
                let record = poll_fn(|context| records.as_mut().poll_next(context)).await?;
                Some(record.map_err(|source| Error::Source { source }))
            }
        }
    }
}
