//! An upsert, in a transaction of its own or in the caller's.

use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::backend::Supported;
use crate::error::Error;
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
) -> Result<Upserted<Row>, Error> {
    let span = record.span.clone();
    let chain = Chain::new(mapping, record, false);
    let upsert = async { transaction::run(connections, retry, locking, &mut chain?).await };
    traced(span, upsert).await
}

/// Upserts in the caller's transaction.
pub(crate) async fn upsert_in<DB: Supported>(
    mut tx: TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    record: Record<'_>,
) -> Result<Upserted<Row>, Error> {
    let span = record.span.clone();
    let chain = Chain::new(mapping, record, true);
    let upsert = async { transaction::run_in(&mut tx, locking, &mut chain?).await };
    traced(span, upsert).await
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

async fn traced(
    span: Span,
    upsert: impl Future<Output = Result<Upserted<Row>, Error>>,
) -> Result<Upserted<Row>, Error> {
    let result = upsert.instrument(span.clone()).await;
    let (outcome, matched_by) = match result.as_ref().map(|done| &done.outcome) {
        Ok(Outcome::Created) => ("created", None),
        Ok(Outcome::Updated { matched_by, .. }) => ("updated", Some(*matched_by)),
        Ok(Outcome::Unchanged { matched_by }) => ("unchanged", Some(*matched_by)),
        Err(_) => ("failed", None),
    };
    span.record("outcome", outcome)
        .record("matched_by", matched_by);
    result
}
