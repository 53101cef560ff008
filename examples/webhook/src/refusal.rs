//! What is answered where nothing was stored, or nobody knows.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::{error, warn};
use upsert_runtime::Error;

/// Seconds. The server has tried for a while by itself.
const LATER: &str = "1";

/// Why a request is not answered with a row. None of it holds a value of a record.
pub(crate) enum Refusal {
    /// The body is no JSON.
    NotJson { line: usize, column: usize },
    /// It is JSON, but not that of a record.
    Unfit { line: usize, column: usize },
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

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NotJson { line, column } => {
                let text = format!("no JSON, at line {line} column {column}");
                (StatusCode::BAD_REQUEST, text)
            }
            Self::Unfit { line, column } => {
                let text = format!(
                    "a member is missing, unknown or of another type, at line {line} column {column}"
                );
                (StatusCode::UNPROCESSABLE_ENTITY, text)
            }
            Self::NotThere => (StatusCode::NOT_FOUND, "no such row".to_owned()),
            Self::Unmatched => {
                let text = "another version is stored than `If-Match` names, or none";
                (StatusCode::PRECONDITION_FAILED, text.to_owned())
            }
            Self::Stale => {
                let text = "a newer version is stored";
                (StatusCode::PRECONDITION_FAILED, text.to_owned())
            }
            // Whoever reads may ask again whatever was wrong.
            Self::Unread => {
                let text = "the row cannot be read for now";
                (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
            }
            Self::Failed(error) => failed(&error),
        };
        let body = Json(json!({ "error": text }));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return (status, [(RETRY_AFTER, LATER)], body).into_response();
        }
        (status, body).into_response()
    }
}

/// The text of an `Error` names look-ups, columns and constraints and no values, so that both the log and the sender may have it;
/// its `source()` is the driver's own error, which neither gets.
fn failed(error: &Error) -> (StatusCode, String) {
    match error {
        _ if error.is_retryable() => {
            warn!(%error, "nothing stored; the sender is asked to come again");
            let text = "nothing is stored; send it again";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        Error::CommitUnknown { .. } => {
            error!(%error, "it may be stored");
            // The version makes this safe: what is stored already is `Unchanged`, and `Stale` if others came after it.
            let text = "it may be stored, or not; ask, or send it again";
            (StatusCode::INTERNAL_SERVER_ERROR, text.to_owned())
        }
        Error::Conflict { .. } | Error::IdentityConflict { .. } | Error::Ambiguous { .. } => {
            (StatusCode::CONFLICT, error.to_string())
        }
        _ if error.is_about_record() => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        _ => {
            error!(%error, "nothing stored");
            let text = "nothing is stored";
            (StatusCode::INTERNAL_SERVER_ERROR, text.to_owned())
        }
    }
}
