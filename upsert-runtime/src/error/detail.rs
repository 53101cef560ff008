//! The words of an error that come from the driver, without a record's values.

use std::fmt::{self, Display, Formatter};

use sqlx::error::{DatabaseError, UnexpectedNullError};

use crate::backend::codec::Mismatch;
use crate::backend::{Classify as _, Dialect as _, Supported};

use super::{Operation, Step};

/// What the driver says, as far as it cannot quote a record's values.
pub(super) fn detail<DB: Supported>(operation: Operation, error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            let code = DB::Driver::code(&**error);
            if let Some(words) = DB::Driver::own_words(&**error) {
                format!("{words} ({code})")
            } else if DB::Driver::is_safe_to_show(&**error)
                && !is_of_value::<DB>(operation, &**error)
            {
                format!("{} ({code})", error.message())
            } else {
                format!("{} refused it ({code})", DB::Driver::CAPABILITIES.title)
            }
        }
        sqlx::Error::ColumnDecode { index, source } => {
            if let Some(mismatch) = source.downcast_ref::<Mismatch>() {
                format!("column `{index}`: {mismatch}")
            } else if source.is::<UnexpectedNullError>() {
                format!("column `{index}` is NULL, and its field is no `Option`")
            } else if let Some(hint) = hint(&source.to_string()) {
                format!("column `{index}`: {hint}")
            } else {
                format!("column `{index}` holds what its field's type cannot")
            }
        }
        sqlx::Error::TypeNotFound { type_name } => {
            format!("the database has no type named `{type_name}`")
        }
        sqlx::Error::Encode(source) => DB::Driver::words_of_unsent(&**source)
            .unwrap_or_else(|| "a value cannot be encoded".to_owned()),
        sqlx::Error::RowNotFound if operation == Operation::Refresh => {
            "the row is there no more; a statement of this transaction has deleted it".to_owned()
        }
        sqlx::Error::RowNotFound if operation == Operation::Update => {
            "the row is not there as it was written (a trigger or rule may have kept it as it was, deleted it, or given it another id)"
                .to_owned()
        }
        sqlx::Error::RowNotFound => {
            "the database stored no row (a trigger or rule may have kept it from doing so)"
                .to_owned()
        }
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::InvalidSavePointStatement
        | sqlx::Error::Protocol(_) => error.to_string(),
        _ => "the driver failed".to_owned(),
    }
}

/// Whether a statement that writes met it in a value, though it looks like an error of the statement.
pub(super) fn is_of_value<DB: Supported>(operation: Operation, error: &dyn DatabaseError) -> bool {
    let writes = matches!(
        operation,
        Operation::Create | Operation::Update | Operation::Delete | Operation::Park
    );
    writes && DB::Driver::may_be_of_value(error)
}

/// What stopped a connection from being made. No record has been sent, so no text can quote a value.
pub(super) fn connecting_detail(source: &sqlx::Error) -> String {
    match source {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_) => source.to_string(),
        _ => "the connection could not be made".to_owned(),
    }
}

/// What sqlx says of a value that cannot be read, where the whole text is known and only a length differs.
fn hint(text: &str) -> Option<&str> {
    const KNOWN: [(&str, &str); 2] = [
        (
            "Expected 16 bytes, got ",
            "; `Uuid` uses binary format for MySQL/MariaDB. For text-formatted UUIDs, use `uuid::fmt::Hyphenated` instead of `Uuid`.",
        ),
        ("invalid length: expected 16 bytes, found ", ""),
    ];
    let is_known = KNOWN.iter().any(|(before, after)| {
        text.strip_prefix(before)
            .and_then(|text| text.strip_suffix(after))
            .is_some_and(|length| length.bytes().all(|byte| byte.is_ascii_digit()))
    });
    is_known.then(|| text.trim_end_matches('.'))
}

/// A constraint's name behind a colon, or nothing.
pub(super) struct Named<'a>(pub(super) Option<&'a str>);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, ": `{name}`"),
            None => Ok(()),
        }
    }
}

/// That a constraint was checked by COMMIT, and refused what an earlier statement had written; else nothing.
pub(super) struct Deferred(pub(super) Step);

impl Display for Deferred {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.operation {
            Operation::Commit => f.write_str(" (checked at the end of the transaction)"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_the_driver_hold_no_value() {
        let uuid = "Expected 16 bytes, got 36; `Uuid` uses binary format for MySQL/MariaDB. \
                    For text-formatted UUIDs, use `uuid::fmt::Hyphenated` instead of `Uuid`.";
        assert!(hint(uuid).is_some_and(|hint| hint.contains("Hyphenated")));
        assert!(hint("invalid length: expected 16 bytes, found 5").is_some());
        for text in [
            "invalid length: expected 16 bytes, found SECRET",
            "Expected 16 bytes, got 36; SECRET",
            "unknown variant SECRET",
        ] {
            assert_eq!(hint(text), None);
        }
    }
}
