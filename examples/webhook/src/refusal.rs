//! What is answered where nothing was stored, or nobody knows.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::error::Category;
use serde_json::json;
use tracing::{error, warn};
use upsert_runtime::Error;

/// Why a request is not answered with a row.
pub(crate) enum Refusal {
    /// The body is no JSON, or not that of a record.
    Body(serde_json::Error),
    /// There is no such row.
    NotThere,
    /// Another version is stored than `If-Match` asks for, or none.
    Unmatched,
    /// A newer version is stored.
    Stale,
    /// The row could not be read.
    Unread,
    /// The row could not be written.
    Failed(Error),
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::Body(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let said = |status, text: &str| (status, text.to_owned());
        let (status, text) = match self {
            Self::Body(error) => unreadable(&error),
            Self::NotThere => said(StatusCode::NOT_FOUND, "no such row"),
            Self::Unmatched => said(
                StatusCode::PRECONDITION_FAILED,
                "not the version that is stored",
            ),
            Self::Stale => said(StatusCode::PRECONDITION_FAILED, "a newer version is stored"),
            // Whoever reads may ask again whatever was wrong.
            Self::Unread => said(StatusCode::SERVICE_UNAVAILABLE, "cannot be read for now"),
            Self::Failed(error) => failed(&error),
        };
        let body = Json(json!({ "error": text }));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // Seconds. The server has tried for a while by itself.
            return (status, [(RETRY_AFTER, "1")], body).into_response();
        }
        (status, body).into_response()
    }
}

/// Tells the place alone: the error's own text quotes a value that has the wrong type.
fn unreadable(error: &serde_json::Error) -> (StatusCode, String) {
    let (status, wrong) = match error.classify() {
        Category::Data => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "a member is missing, unknown or of another type",
        ),
        _ => (StatusCode::BAD_REQUEST, "no JSON"),
    };
    let (line, column) = (error.line(), error.column());
    (status, format!("{wrong}, at line {line} column {column}"))
}

/// The text of an `Error` names look-ups, columns and constraints and no values, so that both the log and the sender may have it;
/// its `source()` is the driver's own error, which neither gets.
fn failed(error: &Error) -> (StatusCode, String) {
    if error.is_retryable() {
        warn!(%error, "nothing stored; the sender is asked to come again");
        let text = "nothing is stored; send it again";
        return (StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
    }
    let status = match error {
        Error::Conflict { .. } | Error::IdentityConflict { .. } | Error::Ambiguous { .. } => {
            StatusCode::CONFLICT
        }
        _ if error.is_about_record() => StatusCode::UNPROCESSABLE_ENTITY,
        _ => {
            error!(%error, "the sender is told that something is wrong here");
            let text = match error {
                // The version makes sending it again safe: what is stored is `Unchanged`, or `Stale` if others came after it.
                Error::CommitUnknown { .. } => {
                    "it may be stored, or not; ask for it, or send it again"
                }
                _ => "nothing is stored",
            };
            return (StatusCode::INTERNAL_SERVER_ERROR, text.to_owned());
        }
    };
    (status, error.to_string())
}
