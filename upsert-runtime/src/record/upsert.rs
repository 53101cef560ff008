//! An upsert, in a transaction of its own or in the caller's.

use std::future::poll_fn;
use std::pin::{Pin, pin};

use tracing::Span;
use tracing::field::Empty;

use crate::backend::Supported;
use crate::error::Error;
use crate::locking::Locking;
use crate::mapping::Target;
use crate::outcome::{Outcome, Upserted};
use crate::transaction::{self, Connections, Retry, TransactionRef};
use crate::value::Row;

use super::Record;
use super::chain::Chain;

/// Upserts in a transaction of its own.
pub(crate) async fn upsert<DB: Supported>(
    connections: Connections<'_, DB>,
    retry: Retry,
    Target { mapping, locking }: Target<DB>,
    record: Record<'_>,
) -> Result<Option<Upserted<Row>>, Error> {
    let span = record.span.clone();
    let upsert = pin!(async {
        let mut chain = Chain::new(mapping, record, false)?;
        let locking = Locking {
            rows: chain.rows(),
            ..locking
        };
        transaction::run(connections, retry, locking, &mut chain).await
    });
    let result = within(&span, upsert).await;
    tell(&span, &result);
    result
}

/// Upserts in the caller's transaction.
pub(crate) async fn upsert_in<DB: Supported>(
    mut tx: TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    record: Record<'_>,
) -> Result<Option<Upserted<Row>>, Error> {
    let span = record.span.clone();
    let upsert = pin!(async {
        let mut chain = Chain::new(mapping, record, true)?;
        let locking = Locking {
            rows: chain.rows(),
            ..locking
        };
        transaction::run_in(&mut tx, locking, &mut chain).await
    });
    let result = within(&span, upsert).await;
    tell(&span, &result);
    result
}

/// Polls a future within the span. It stays where it is: an `Instrumented` would be a place that it is moved to.
async fn within<F: Future>(span: &Span, mut future: Pin<&mut F>) -> F::Output {
    poll_fn(|context| span.in_scope(|| future.as_mut().poll(context))).await
}

/// A span that tells the outcome: names and numbers only, never a value.
pub(super) fn span(model: &'static str) -> Span {
    tracing::debug_span!(
        "upsert",
        model,
        outcome = Empty,
        matched_by = Empty,
        attempts = Empty
    )
}

/// Notes what became of a record. The future is no argument of this: each place that it is moved to would be one in the future that it
/// is a part of.
fn tell(span: &Span, result: &Result<Option<Upserted<Row>>, Error>) {
    let (outcome, matched_by) = match result {
        Ok(Some(done)) => done.outcome.named(),
        Ok(None) => Outcome::Skipped { matched_by: None }.named(),
        Err(_) => ("failed", None),
    };
    span.record("outcome", outcome)
        .record("matched_by", matched_by);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::for_each_database;

    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    macro_rules! sizes {
        ($database:ty) => {
            assert!(
                size(upsert::<$database>) <= 5 * 1024,
                "{}",
                size(upsert::<$database>)
            );
        };
    }

    #[test]
    fn a_call_is_moved_to_its_place_and_is_small() {
        for_each_database!(sizes);
    }
}
