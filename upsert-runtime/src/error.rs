//! What can go wrong, and what an import tells of it.

use std::fmt::{self, Debug, Formatter};
use std::ops::RangeInclusive;

use crate::backend::codec::Mismatch;
use crate::backend::{Cause, Classify as _, Dialect as _, Supported, cause, is_out_of_reach};
use crate::locking::Wait;

mod detail;
mod report;
mod step;

use self::detail::{Deferred, Named, connecting_detail, detail, is_of_value};
pub use self::report::{Failure, Progress, Report, RowChange, Unreadable};
use self::step::ModelName;
pub use self::step::{Operation, Step};

/// What is said of an error of a record with which the database has ended the transaction of all of them.
pub(crate) const ENDED_ALL: &str = ", and has ended the whole transaction";

/// The options that refuse an import.
pub(crate) const MAX_SHARE: &str = "max_share";
pub(crate) const MAX_CHANGED_SHARE: &str = "max_changed_share";

/// What can go wrong, one variant a cause.
///
/// Neither `Display` nor `Debug` show a value of a record: they name models, look-ups, columns, constraints and types. The
/// driver's own error is the [`source`](std::error::Error::source), which may quote values (MySQL's does for a duplicate key).
/// What prints the chain of sources prints it too: `{:#}` and `{:?}` of anyhow's and eyre's errors do, `{error}` does not.
///
/// In a transaction of the caller's, every error but [`Error::TransactionLost`] leaves the transaction as it was before the
/// call, apart from locks on SQLite and MySQL, which stay until it ends.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Each look-up has a column that is NULL or blank. Nothing was sent.
    #[error("no usable key for `{model}`: each of {lookups} has a column that is NULL or blank")]
    NoUsableKey {
        /// The model's name.
        model: &'static str,
        /// The look-ups, in backticks and with commas.
        lookups: String,
    },

    /// More than one row matches a look-up. Nothing was written.
    #[error("{at}: more than one row matches; a look-up needs a unique index")]
    Ambiguous {
        /// What was being done.
        at: Step,
    },

    /// Another row holds a unique key that the record needs, or meets it by an exclusion constraint. Nothing was written.
    ///
    /// In an import two rows may exchange their keys. While they do, a passing value stands in a key column; where its type or a
    /// constraint lets none in, the operation is [`Operation::Park`], and `constraint` is the name of the column's field.
    #[error("{at}: {}", conflict(*at, constraint.as_deref(), *holder_is_deleted))]
    Conflict {
        /// What was being done.
        at: Step,
        /// The constraint's or index's name; on SQLite the columns, as `table.column`.
        constraint: Option<String>,
        /// Whether the row that holds the key is one that is marked as deleted, and the unique index has such rows in it.
        holder_is_deleted: bool,
        /// The driver's error; `None` where an import saw it before anything was sent.
        source: Option<sqlx::Error>,
    },

    /// A row was found that is marked as deleted, and [`OnDeleted::Refuse`](crate::OnDeleted::Refuse) was asked for. Nothing was
    /// written.
    #[error("{at}: the row is marked as deleted")]
    Deleted {
        /// What was being done.
        at: Step,
    },

    /// The database would store another key than the record's: a trigger alters it, or its column rounds it or cuts it off. The
    /// record would never find its row again. Nothing was written.
    ///
    /// In an import it is also a key that [`updating_with`](crate::Import::updating_with) sets to another value than the record's and the row's.
    ///
    /// A key that the database calls equal to the one given, by a collation for example, is none.
    #[error(
        "{at}: the key that the database stored in `{column}` is not the one given: a trigger alters it, or the column rounds it \
         or cuts it off; give it as it is stored"
    )]
    KeyAltered {
        /// What was being done.
        at: Step,
        /// The name of the column's field.
        column: &'static str,
    },

    /// The database does not let this role write the row. By PostgreSQL's row level security the row may be read but not locked,
    /// updated or deleted, or it may not be stored as the record has it; a view's `CHECK OPTION` does not let it through; or a
    /// trigger said so. Nothing was written, and another record may fare better.
    ///
    /// A privilege that the role does not have, for the table or for a column, is [`Error::Database`]: it concerns all records.
    #[error("{at}: {detail}")]
    NotPermitted {
        /// What was being done.
        at: Step,
        /// What the driver said, without values; it may name the policy.
        detail: String,
        /// The driver's error; `None` where the database left the row out without a word.
        source: Option<sqlx::Error>,
    },

    /// A row was found by a fallback look-up, but an earlier key says that it is another record: the look-up is
    /// `unclaimed`, or the earlier key is the id. Nothing was written.
    #[error("the `{model}` found by `{matched_by}` is another record by its `{claimed_by}`")]
    IdentityConflict {
        /// The model's name.
        model: &'static str,
        /// The look-up that found the row.
        matched_by: &'static str,
        /// The earlier look-up, whose key in the row is another than the record's.
        claimed_by: &'static str,
    },

    /// Another transaction holds a lock, and the caller asked not to wait: [`Wait::NoWait`].
    #[error("{at}: locked by another transaction")]
    Locked {
        /// What was being done.
        at: Step,
        /// The driver's error.
        source: sqlx::Error,
    },

    /// A lock was not to be had within the limit: that of the caller ([`Wait::AtMost`]), else of the session or server
    /// (PostgreSQL's `lock_timeout`, MySQL's `innodb_lock_wait_timeout`, SQLite's `busy_timeout`).
    #[error("{at}: a lock was not granted in time")]
    LockTimeout {
        /// What was being done.
        at: Step,
        /// The driver's error.
        source: sqlx::Error,
    },

    /// The database chose this transaction to resolve a deadlock.
    #[error("{at}: deadlock")]
    Deadlock {
        /// What was being done.
        at: Step,
        /// The driver's error.
        source: sqlx::Error,
    },

    /// What the transaction has read has been changed by another one since.
    #[error("{at}: another transaction has changed what this one has read")]
    Serialization {
        /// What was being done.
        at: Step,
        /// The driver's error.
        source: sqlx::Error,
    },

    /// The bounds of the [`Retry`](crate::Retry) are reached. The source is the error of the last attempt.
    #[error("gave up after {attempts} attempts: {source}")]
    Exhausted {
        /// How many attempts were made.
        attempts: u32,
        /// The error of the last one. The text tells it, so that it is not the error's `source()` too.
        r#source: Box<Self>,
    },

    /// The transaction is no more: the database has rolled it back, by itself or with the connection; or it has ended by a
    /// statement of the caller's, such as a `ROLLBACK` text, or on MySQL a `CREATE TABLE`, which commits what came before.
    ///
    /// Nothing that this call wrote is stored. End a transaction of your own now: on MySQL later statements would take effect
    /// one by one, and `rollback()` would undo nothing.
    #[error("{at}: the transaction is lost: it was rolled back, or has ended by another statement")]
    TransactionLost {
        /// What was being done.
        at: Step,
        /// The driver's error, if it is this call that met it.
        source: Option<sqlx::Error>,
    },

    /// While COMMIT was under way, or a statement that is a transaction by itself, the connection broke, the server ended the session
    /// with an error (PostgreSQL's FATAL and PANIC), or MySQL was interrupted (1317), could not write its log (1026, 1598) or got no
    /// answer of its cluster (1180): nobody can know whether it took effect. Look before you write again.
    #[error(
        "{at}: the connection or the server failed meanwhile; whether it took effect is unknown"
    )]
    CommitUnknown {
        /// What was being done.
        at: Step,
        /// The driver's error.
        source: sqlx::Error,
    },

    /// No connection was to be had: the server restarts, refuses new sessions or cannot be reached for now, or the pool had none
    /// free within its `acquire_timeout`. Or the node of a cluster takes no statements for now (MySQL's 1047). Nothing that this call
    /// sent has taken effect.
    ///
    /// What waiting does not mend is [`Error::Database`]: a wrong password, an unknown database, a pool that is closed, a server that
    /// takes no writes.
    #[error("{at}: {detail}")]
    Unreachable {
        /// What was being done.
        at: Step,
        /// What the driver said.
        detail: String,
        /// The driver's error.
        source: sqlx::Error,
    },

    /// The database cannot do what was asked for. Nothing was sent, or what was sent was refused unread.
    #[error("{}{database} does not support {option}", ModelName(*model))]
    Unsupported {
        /// The model's name.
        model: Option<&'static str>,
        /// What was asked for.
        option: &'static str,
        /// The database.
        database: &'static str,
    },

    /// An import would do more than it may: delete or mark more rows than [`max_share`](crate::Import::max_share) allows, or change
    /// more than [`max_changed_share`](crate::Import::max_changed_share). Nothing was written.
    #[error("{}", refused(model, option, *count, *of))]
    Refused {
        /// The model's name.
        model: &'static str,
        /// The option that refused it.
        option: &'static str,
        /// How many rows would be deleted, marked or changed.
        count: u64,
        /// Of how many.
        of: u64,
        /// How many rows are missing in the import; all of them if it is empty.
        missing: u64,
        /// How many rows there are that could be.
        candidates: u64,
    },

    /// More records of an import failed than [`max_failed`](crate::Import::max_failed) allows. It comes in
    /// [`Error::Stopped`], whose report has the others.
    #[error(
        "{at}: {failed} records have failed, which is more than `max_failed` allows; the last one: {last}"
    )]
    TooManyFailed {
        /// What was being done.
        at: Step,
        /// How many records failed.
        failed: u64,
        /// The last of them.
        last: Box<Failure>,
    },

    /// The source of an import gave an error instead of a record, or was opened again and gave other records.
    #[error("the source gave no record, or another one than before")]
    Source {
        /// What the source said; it may quote values.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// An import with [`OnFailure::Abort`](crate::OnFailure::Abort) met a record that failed. Nothing was written.
    #[error("nothing was imported: {failure}")]
    Aborted {
        /// The record, and why it failed.
        failure: Box<Failure>,
    },

    /// An import was stopped by an error that is no record's: the server is gone, or others were in the way for too long.
    #[error("the import was stopped: {source}; before that: {report}")]
    Stopped {
        /// What was committed, and which records had failed. With one transaction for all nothing was committed.
        report: Box<Report>,
        /// What stopped it. The text tells it, so that it is not the error's `source()` too.
        r#source: Box<Self>,
    },

    /// The database refused a statement or a connection for any other reason.
    #[error("{at}: {detail}")]
    Database {
        /// What was being done.
        at: Step,
        /// What the driver said, without values.
        detail: String,
        /// Whether it is this record that was refused, for its values or for the row that it would change.
        about_record: bool,
        /// The driver's error.
        source: sqlx::Error,
    },
}

impl Error {
    /// Whether the same work in a new transaction may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Locked { .. }
            | Self::LockTimeout { .. }
            | Self::Deadlock { .. }
            | Self::Serialization { .. }
            | Self::Exhausted { .. }
            | Self::Unreachable { .. }
            | Self::TransactionLost { .. } => true,
            Self::Stopped { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// Whether the error is about this record, so that another one may be stored all the same: its values, its keys, or the
    /// row that it would change. Else it is about the surroundings: a lock, a table, the connection.
    #[must_use]
    pub fn is_about_record(&self) -> bool {
        match self {
            Self::NoUsableKey { .. }
            | Self::Ambiguous { .. }
            | Self::Conflict { .. }
            | Self::KeyAltered { .. }
            | Self::NotPermitted { .. }
            | Self::IdentityConflict { .. }
            | Self::Deleted { .. }
            | Self::Source { .. } => true,
            Self::Database { about_record, .. } => *about_record,
            _ => false,
        }
    }

    /// What the driver's error means, by its code.
    pub(crate) fn of<DB: Supported>(at: Step, source: sqlx::Error) -> Self {
        let cause = match &source {
            sqlx::Error::Database(error) if is_of_value::<DB>(at.operation, &**error) => {
                Cause::Record
            }
            _ => cause::<DB>(&source),
        };
        match cause {
            Cause::Unique => Self::Conflict {
                at,
                constraint: source.as_database_error().and_then(DB::Driver::constraint),
                holder_is_deleted: false,
                source: Some(source),
            },
            Cause::NotPermitted => Self::NotPermitted {
                at,
                detail: detail::<DB>(at.operation, &source),
                source: Some(source),
            },
            Cause::Deadlock => Self::Deadlock { at, source },
            Cause::Serialization => Self::Serialization { at, source },
            Cause::LockTimeout => Self::LockTimeout { at, source },
            Cause::TransactionGone | Cause::ConnectionLost | Cause::EndedWhileIdle => {
                Self::TransactionLost {
                    at,
                    source: Some(source),
                }
            }
            Cause::NotReady => Self::Unreachable {
                at,
                detail: detail::<DB>(at.operation, &source),
                source,
            },
            Cause::CommitUnknown if at.operation == Operation::Commit => {
                Self::CommitUnknown { at, source }
            }
            Cause::Incomparable => Self::Unsupported {
                model: at.model,
                option: "an import by a key for whose type it has no hash function",
                database: DB::Driver::CAPABILITIES.title,
            },
            Cause::Record => Self::Database {
                at,
                detail: detail::<DB>(at.operation, &source) + &Deferred(at).to_string(),
                about_record: true,
                source,
            },
            _ => Self::Database {
                at,
                detail: detail::<DB>(at.operation, &source),
                about_record: false,
                source,
            },
        }
    }

    /// A column that cannot be read as its field. That is about the table, not about a record.
    pub(crate) fn of_column<DB: Supported>(at: Step, column: &str, misfit: Mismatch) -> Self {
        let source = sqlx::Error::ColumnDecode {
            index: column.to_owned(),
            source: Box::new(misfit),
        };
        Self::of_table::<DB>(at, source)
    }

    /// What the database refuses to every record.
    pub(crate) fn of_table<DB: Supported>(at: Step, source: sqlx::Error) -> Self {
        Self::Database {
            at,
            detail: detail::<DB>(at.operation, &source),
            about_record: false,
            source,
        }
    }

    /// The same for an error of COMMIT, after which a lost connection leaves the outcome open, whatever the server said before
    /// it ended the session.
    pub(crate) fn of_commit<DB: Supported>(at: Step, source: sqlx::Error) -> Self {
        let is_open = match (cause::<DB>(&source), &source) {
            (Cause::ConnectionLost, _) => true,
            (Cause::EndedWhileIdle, _) => false,
            (_, sqlx::Error::Database(error)) => DB::Driver::ends_session(&**error),
            _ => false,
        };
        if is_open {
            Self::CommitUnknown { at, source }
        } else {
            Self::of::<DB>(at, source)
        }
    }

    /// What refused a COMMIT, if it was a constraint that is checked at the end of a transaction.
    pub(crate) fn refused_commit(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Conflict {
                at,
                source: Some(source),
                ..
            }
            | Self::Database {
                at,
                about_record: true,
                source,
                ..
            } if at.operation == Operation::Commit => Some(source),
            _ => None,
        }
    }

    /// The same for an error of a savepoint's own statements, which wait for no row: a deadlock there is that of a cluster, which
    /// has ended the transaction.
    pub(crate) fn of_savepoint<DB: Supported>(at: Step, source: sqlx::Error) -> Self {
        match Self::of::<DB>(at, source) {
            Self::Deadlock { at, source } | Self::Serialization { at, source } => {
                Self::TransactionLost {
                    at,
                    source: Some(source),
                }
            }
            error => error,
        }
    }

    /// With which of an import's records it came, if it has ended the whole transaction: then it is no longer asked which.
    pub(crate) fn of_records(self, records: RangeInclusive<u32>) -> Self {
        match self {
            Self::Database {
                at,
                detail,
                about_record,
                source,
            } if detail.ends_with(ENDED_ALL) => {
                let (first, last) = records.into_inner();
                let whose = if first == last {
                    format!(", by record {first}")
                } else {
                    format!(", by one of the records {first} to {last}")
                };
                Self::Database {
                    at,
                    detail: detail + &whose,
                    about_record,
                    source,
                }
            }
            error => error,
        }
    }

    /// A row that may be read but not written, so that the database leaves it out of what is locked or deleted.
    pub(crate) fn out_of_reach(at: Step) -> Self {
        Self::NotPermitted {
            at,
            detail: "the row may be read but not written: a policy of row level security keeps it"
                .to_owned(),
            source: None,
        }
    }

    /// What kept a connection from being had. Nothing was sent, so nothing is lost, whatever the code says.
    pub(crate) fn of_connecting<DB: Supported>(at: Step, source: sqlx::Error) -> Self {
        let detail = connecting_detail(&source);
        if is_out_of_reach::<DB>(&source) {
            Self::Unreachable { at, detail, source }
        } else {
            Self::Database {
                at,
                detail,
                about_record: false,
                source,
            }
        }
    }

    /// What the error means to a caller who asked for this limit.
    pub(crate) fn under<DB: Supported>(self, wait: Option<Wait>) -> Self {
        match self {
            Self::LockTimeout { at, source } if wait == Some(Wait::NoWait) => {
                Self::Locked { at, source }
            }
            Self::Database { at, source, .. }
                if wait.is_some() && cause::<DB>(&source) == Cause::NotUnderstood =>
            {
                Self::Unsupported {
                    model: at.model,
                    option: "a limit of waiting: this server does not know `SET STATEMENT`, as MariaDB does",
                    database: DB::Driver::CAPABILITIES.title,
                }
            }
            Self::Stopped { report, source } => Self::Stopped {
                report,
                source: Box::new(source.under::<DB>(wait)),
            },
            error => error,
        }
    }

    /// What was being done when it came.
    pub(crate) fn step(&self) -> Option<Step> {
        match self {
            Self::Ambiguous { at }
            | Self::Conflict { at, .. }
            | Self::KeyAltered { at, .. }
            | Self::Deleted { at }
            | Self::TooManyFailed { at, .. }
            | Self::Locked { at, .. }
            | Self::LockTimeout { at, .. }
            | Self::Deadlock { at, .. }
            | Self::Serialization { at, .. }
            | Self::TransactionLost { at, .. }
            | Self::CommitUnknown { at, .. }
            | Self::Unreachable { at, .. }
            | Self::Database { at, .. } => Some(*at),
            Self::Exhausted { source, .. } | Self::Stopped { source, .. } => source.step(),
            _ => None,
        }
    }

    /// The driver's error behind this one.
    pub(crate) fn into_source(self) -> Option<sqlx::Error> {
        match self {
            Self::Locked { source, .. }
            | Self::LockTimeout { source, .. }
            | Self::Deadlock { source, .. }
            | Self::Serialization { source, .. }
            | Self::CommitUnknown { source, .. }
            | Self::Unreachable { source, .. }
            | Self::Database { source, .. } => Some(source),
            Self::TransactionLost { source, .. }
            | Self::NotPermitted { source, .. }
            | Self::Conflict { source, .. } => source,
            Self::Exhausted { source, .. } | Self::Stopped { source, .. } => source.into_source(),
            Self::Aborted { failure } | Self::TooManyFailed { last: failure, .. } => {
                failure.error.into_source()
            }
            Self::NoUsableKey { .. }
            | Self::Ambiguous { .. }
            | Self::KeyAltered { .. }
            | Self::IdentityConflict { .. }
            | Self::Deleted { .. }
            | Self::Refused { .. }
            | Self::Source { .. }
            | Self::Unsupported { .. } => None,
        }
    }
}

/// What is in the way of a key.
fn conflict(at: Step, name: Option<&str>, holder_is_deleted: bool) -> String {
    let name = Named(name);
    if at.operation == Operation::Park {
        return format!(
            "rows exchange their keys, and no passing value could be put in the key column meanwhile, because of its type or a \
             constraint{name}; give one of them a free key first"
        );
    }
    if holder_is_deleted {
        return format!(
            "a row that is marked as deleted holds a unique key{name}; `OnDeleted::Revive` would take it, and a unique index of \
             the rows that are not marked would leave it out"
        );
    }
    format!("another row holds a unique key{name}{}", Deferred(at))
}

/// What an import was refused for.
fn refused(model: &str, option: &str, count: u64, of: u64) -> String {
    if option == MAX_CHANGED_SHARE {
        return format!(
            "`{model}`: refused to change {count} of {of} rows: that is more than its `{option}`"
        );
    }
    format!(
        "`{model}`: refused to delete {count} of {of} rows that the import does not have: \
         that is more than its `{option}`, or the import is empty"
    )
}

// Not derived: the driver's `Debug` shows values.
impl Debug for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let variant = match self {
            Self::NoUsableKey { .. } => "NoUsableKey",
            Self::Ambiguous { .. } => "Ambiguous",
            Self::Conflict { .. } => "Conflict",
            Self::KeyAltered { .. } => "KeyAltered",
            Self::Deleted { .. } => "Deleted",
            Self::TooManyFailed { .. } => "TooManyFailed",
            Self::NotPermitted { .. } => "NotPermitted",
            Self::IdentityConflict { .. } => "IdentityConflict",
            Self::Locked { .. } => "Locked",
            Self::LockTimeout { .. } => "LockTimeout",
            Self::Deadlock { .. } => "Deadlock",
            Self::Serialization { .. } => "Serialization",
            Self::Exhausted { .. } => "Exhausted",
            Self::TransactionLost { .. } => "TransactionLost",
            Self::CommitUnknown { .. } => "CommitUnknown",
            Self::Unreachable { .. } => "Unreachable",
            Self::Unsupported { .. } => "Unsupported",
            Self::Refused { .. } => "Refused",
            Self::Source { .. } => "Source",
            Self::Aborted { .. } => "Aborted",
            Self::Stopped { .. } => "Stopped",
            Self::Database { .. } => "Database",
        };
        f.debug_tuple(variant)
            .field(&format_args!("{self}"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_is_printed_is_not_a_source_too() {
        let deadlock = Error::Deadlock {
            at: Step::new(None, Operation::Commit),
            source: sqlx::Error::PoolClosed,
        };
        let exhausted = Error::Exhausted {
            attempts: 3,
            source: Box::new(deadlock),
        };
        assert_eq!(
            exhausted.to_string(),
            "gave up after 3 attempts: commit: deadlock"
        );
        assert!(exhausted.source().is_none());
    }

    #[test]
    fn a_refusal_names_the_option() {
        let refused = Error::Refused {
            model: "Taxonomy",
            option: MAX_SHARE,
            count: 3,
            of: 4,
            missing: 3,
            candidates: 4,
        };
        assert!(refused.to_string().contains("`max_share`"), "{refused}");
    }
}
