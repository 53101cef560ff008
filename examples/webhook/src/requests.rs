//! The requests: a delivery, a change, a look.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap};
use axum::response::{IntoResponse, Response};
use sqlx::Pool;
use tracing::warn;
use upsert_runtime::{LockedUpsert as _, Outcome, Retry, Stored};

use crate::model::{NewTaxonomy, Taxonomy, TaxonomyChanges, Versioned};
use crate::precondition::{Precondition, tag};
use crate::refusal::Refusal;
use crate::store::Store;

/// Shorter than the default: a sender waits, and is better told to come again.
const RETRY: Retry = Retry::attempts(5).within(Duration::from_secs(5));

/// `POST /taxonomy`: a whole record.
///
/// Whoever hangs up drops this future wherever it stands. Then the record is stored or it is not, and no lock stays.
pub(crate) async fn deliver<DB: Store>(
    State(pool): State<Pool<DB>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal>
where
    Taxonomy: Stored<DB>,
{
    let new: NewTaxonomy = serde_json::from_slice(&body)?;
    let precondition = Precondition::of(&headers);
    // Asked of the row under its lock: between a look and a write another delivery would find its place.
    let upsert = Taxonomy::upsert(new)
        .retry(RETRY)
        .protect(|row| !precondition.allows(row.version));
    let done = if precondition.needs_row() {
        upsert.update_only().run(&pool).await?
    } else {
        Some(upsert.run(&pool).await?)
    };
    let done = done.ok_or(Refusal::Unmatched)?;
    match done.outcome {
        Outcome::Protected { .. } => Err(Refusal::Unmatched),
        Outcome::Stale { .. } => Err(Refusal::Stale),
        Outcome::Created => Ok((StatusCode::CREATED, answer(done.row)).into_response()),
        _ => Ok(answer(done.row).into_response()),
    }
}

/// `PATCH /taxonomy/{slug}`: the columns that change, with the version that they make of the row.
pub(crate) async fn patch<DB: Store>(
    State(pool): State<Pool<DB>>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Refusal>
where
    Taxonomy: Stored<DB>,
{
    let changes: TaxonomyChanges = serde_json::from_slice(&body)?;
    // Required: it is the ETag. The same version again is the same delivery again.
    let Versioned { version } = serde_json::from_slice(&body)?;
    let precondition = Precondition::of(&headers);
    let done = Taxonomy::modify()
        .retry(RETRY)
        .try_by_slug(&pool, slug, |row| {
            if !precondition.allows(row.version) {
                return Err(Refusal::Unmatched);
            }
            // `newer` is a rule for records; what `modify` is told to write, it writes.
            if version < row.version {
                return Err(Refusal::Stale);
            }
            Ok(changes.clone())
        })
        .await?;
    done.map(|done| answer(done.row)).ok_or(Refusal::NotThere)
}

/// `GET /taxonomy/{slug}`.
pub(crate) async fn show<DB: Store>(
    State(pool): State<Pool<DB>>,
    Path(slug): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let row = DB::find(&pool, &slug).await.map_err(|_| {
        // The driver's text may quote values.
        warn!("a row could not be read");
        Refusal::Unread
    })?;
    row.map(answer).ok_or(Refusal::NotThere)
}

/// The row, with its version as `ETag`.
fn answer(row: Taxonomy) -> impl IntoResponse {
    ([(ETAG, tag(row.version))], Json(row))
}
