//! Where records come from: memory, or a stream that can be opened again.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::Pin;
use std::slice;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::Error;

/// What a source says instead of a record.
pub(crate) type SourceError = Box<dyn StdError + Send + Sync>;

type Records<'f, N> = Pin<Box<dyn Stream<Item = Result<N, SourceError>> + Send + 'f>>;

/// A source that can be read more than once.
pub(crate) enum Source<'f, N> {
    Memory(Vec<Arc<N>>),
    Opened(Box<dyn FnMut() -> Records<'f, N> + Send + 'f>),
}

impl<'f, N: Send + 'f> Source<'f, N> {
    /// `normalize` is done with each record.
    pub(crate) fn memory(
        records: impl IntoIterator<Item = impl Into<N>>,
        normalize: fn(&mut N),
    ) -> Self {
        let records = records.into_iter().map(|record| {
            let mut record = record.into();
            normalize(&mut record);
            Arc::new(record)
        });
        Self::Memory(records.collect())
    }

    /// The same for what `open` gives each time.
    pub(crate) fn opened<S, T, E>(
        mut open: impl FnMut() -> S + Send + 'f,
        normalize: fn(&mut N),
    ) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'f,
        T: Into<N> + 'f,
        E: Into<SourceError> + 'f,
    {
        Self::Opened(Box::new(move || {
            Box::pin(Converted {
                stream: Box::pin(open()),
                normalize,
            })
        }))
    }

    /// Reads it from its beginning.
    pub(crate) fn open(&mut self) -> Reader<'_, 'f, N> {
        match self {
            Self::Memory(records) => Reader::Memory(records.iter()),
            Self::Opened(open) => Reader::Stream(open()),
        }
    }

    /// Whether what is read a second time may differ from the first.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self, Self::Opened(_))
    }
}

/// A source being read.
pub(crate) enum Reader<'s, 'f, N> {
    Memory(slice::Iter<'s, Arc<N>>),
    Stream(Records<'f, N>),
}

impl<N> Reader<'_, '_, N> {
    pub(crate) async fn next(&mut self) -> Option<Result<Arc<N>, Error>> {
        match self {
            Self::Memory(records) => records.next().cloned().map(Ok),
            Self::Stream(records) => {
                let record = poll_fn(|context| records.as_mut().poll_next(context)).await?;
                Some(match record {
                    Ok(record) => Ok(Arc::new(record)),
                    Err(source) => Err(Error::Source { source }),
                })
            }
        }
    }
}

/// A stream whose items are turned into creating data and boxed errors.
struct Converted<S, N> {
    stream: Pin<Box<S>>,
    normalize: fn(&mut N),
}

impl<S, N, T, E> Stream for Converted<S, N>
where
    S: Stream<Item = Result<T, E>>,
    T: Into<N>,
    E: Into<SourceError>,
{
    type Item = Result<N, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(context);
        polled.map(|item| {
            item.map(|item| {
                let mut record = item.map_err(Into::into)?.into();
                (self.normalize)(&mut record);
                Ok(record)
            })
        })
    }
}
