//! An upsert, in a transaction of its own or in the caller's.

use sqlx::Pool;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::backend::Supported;
use crate::error::Error;
use crate::locking::Locking;
use crate::mapping::Mapping;
use crate::outcome::{Outcome, Upserted};
use crate::transaction::{self, Retry, TransactionRef};
use crate::value::{New, Row};

use super::{Chain, Updating};

/// Upserts in a transaction of its own.
pub(crate) async fn run<DB: Supported>(
    pool: &Pool<DB>,
    mapping: Mapping<DB>,
    (retry, locking): (Retry, Locking),
    new: New,
    updating: Updating<'_>,
) -> Result<Upserted<Row>, Error> {
    let span = span(mapping.model.name);
    let chain = Chain::new(mapping, new, updating, span.clone());
    traced(span, async {
        transaction::run(pool, retry, locking, &mut chain?).await
    })
    .await
}

/// Upserts in the caller's transaction.
pub(crate) async fn run_in<DB: Supported>(
    mut tx: TransactionRef<'_, DB>,
    mapping: Mapping<DB>,
    locking: Locking,
    new: New,
    updating: Updating<'_>,
) -> Result<Upserted<Row>, Error> {
    let span = span(mapping.model.name);
    let chain = Chain::new(mapping, new, updating, span.clone());
    traced(span, async {
        transaction::run_in(&mut tx, locking, &mut chain?).await
    })
    .await
}

/// A span that tells the outcome: names and numbers only, never a value.
fn span(model: &'static str) -> Span {
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
