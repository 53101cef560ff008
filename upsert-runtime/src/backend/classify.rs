//! What a database's error means for what to do next, by its code.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::iter;

use sqlx::error::DatabaseError;

use super::Supported;
use super::codec::Mismatch;

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    unnameable_types,
    reason = "the methods that name it are this crate's own"
)]
pub enum Cause {
    /// A unique constraint refused a write.
    Unique,
    /// The database cannot tell beforehand whether a write meets a constraint: `ON CONFLICT` and a deferrable constraint.
    NotQuiet,
    /// The database chose the transaction to resolve a deadlock.
    Deadlock,
    /// What the transaction has read has been changed since.
    Serialization,
    /// A lock was not granted in time.
    LockTimeout,
    /// The transaction is no more, or refuses every further statement.
    TransactionGone,
    /// A transaction cannot begin, for one is open.
    WithinTransaction,
    /// The connection is gone, and its transaction with it.
    ConnectionLost,
    /// The same, and it was gone before the statement that met it: the server had ended the session while it was idle.
    EndedWhileIdle,
    /// The server takes no statements for now. It has not carried this one out.
    NotReady,
    /// A COMMIT of which nobody can know whether it took effect.
    CommitUnknown,
    /// The server does not know the words in which a limit is said.
    NotUnderstood,
    /// The server does not have the statement that was sent to it just before.
    StatementLost,
    /// The tables are not as they were when the statement was prepared, or the server has forgotten it.
    StatementOutdated,
    /// The server has no room, no memory or an error of its own, or ended a statement that ran for too long.
    InTrouble,
    /// There is no hash function for the type of a key.
    Incomparable,
    /// A value, or the row as a whole, was refused: another record may fare better.
    Record,
    /// The role may not write the row, or not so, whatever its privileges are: a policy, a view's CHECK OPTION.
    NotPermitted,
    /// The server takes no writes, or the session is set so: it is a standby, perhaps a primary whose place another one has taken.
    ReadOnly,
    /// Anything else.
    Other,
}

/// A database's codes, and what its texts may show.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait Classify {
    /// What an error means.
    fn cause(error: &dyn DatabaseError) -> Cause;

    /// Whether the server ended the session with this error, or it does not say for another reason what became of a COMMIT.
    fn ends_session(_error: &dyn DatabaseError) -> bool {
        false
    }

    /// Whether a server that refused a connection with this error may grant one a moment later.
    fn refuses_for_now(error: &dyn DatabaseError) -> bool;

    /// The unique constraint, index or columns that a write met.
    fn constraint(error: &dyn DatabaseError) -> Option<String>;

    /// Whether the error's text names tables, columns and types only, and never a value.
    fn is_safe_to_show(error: &dyn DatabaseError) -> bool;

    /// Whether it looks like an error of the statement, and in one that writes is said of a value: that the statement names nothing
    /// which is not there, the look-up before it has shown.
    fn may_be_of_value(_error: &dyn DatabaseError) -> bool {
        false
    }

    /// The code by which people look an error up.
    fn code(error: &dyn DatabaseError) -> Cow<'_, str> {
        error.code().unwrap_or_default()
    }

    /// Our words for an error whose text holds a value.
    fn own_words(_error: &dyn DatabaseError) -> Option<&'static str> {
        None
    }

    /// Our words for what was not sent, since the server would not have taken it.
    fn words_of_unsent(_source: &(dyn StdError + Send + Sync + 'static)) -> Option<String> {
        None
    }
}

/// Whether an error of getting a connection may pass by itself. What waiting does not mend: a wrong password or address, TLS that
/// does not fit, a pool that is closed.
pub(crate) fn is_out_of_reach<DB: Supported>(error: &sqlx::Error) -> bool {
    match error {
        // A socket's file is not there while the server restarts.
        sqlx::Error::Io(error) => !matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported
        ),
        sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Tls(source) => is_cut_off(&**source),
        // PostgreSQL's answer to whether it speaks TLS, of which nothing came: sqlx has looked at a byte that it did not read.
        sqlx::Error::Protocol(words) => words == "unexpected response from SSLRequest: 0x00",
        sqlx::Error::Database(error) => DB::Driver::refuses_for_now(&**error),
        _ => false,
    }
}

/// Whether TLS could not be agreed upon because the connection ended meanwhile. OpenSSL has but words for that.
fn is_cut_off(source: &(dyn StdError + Send + Sync + 'static)) -> bool {
    let is_end = |error: &io::Error| {
        matches!(
            error.kind(),
            ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
        )
    };
    let source: &(dyn StdError + 'static) = source;
    let mut causes = iter::successors(Some(source), |error| (*error).source());
    let words = source.to_string().to_ascii_lowercase();
    causes.any(|error| error.downcast_ref().is_some_and(is_end)) || words.contains("unexpected eof")
}

/// Whether a value could not be read because of the type of its column.
fn is_of_column(source: &(dyn StdError + Send + Sync + 'static)) -> bool {
    match source.downcast_ref::<Mismatch>() {
        Some(mismatch) => mismatch.is_of_column,
        // MariaDB's UUIDs, which sqlx reads in the bytes of MySQL.
        None => source
            .to_string()
            .starts_with("Expected 16 bytes, got 36; "),
    }
}

/// What an error of the driver means.
pub(crate) fn cause<DB: Supported>(error: &sqlx::Error) -> Cause {
    match error {
        sqlx::Error::Database(error) => DB::Driver::cause(&**error),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
            Cause::ConnectionLost
        }
        // Of a column whose type does not fit no value can be read.
        sqlx::Error::ColumnDecode { source, .. } if is_of_column(&**source) => Cause::Other,
        // A value that cannot be sent or read, or a row that a trigger keeps from being stored.
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::RowNotFound => Cause::Record,
        _ => Cause::Other,
    }
}

/// What only a database can say.
#[cfg(test)]
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) mod told {
    use std::borrow::Cow;
    use std::error::Error;
    use std::fmt::{self, Display, Formatter};

    use sqlx::error::{DatabaseError, ErrorKind};

    use crate::backend::Supported;

    /// Whether an error of connecting with this code may pass by itself.
    pub(crate) fn is_out_of_reach_by<DB: Supported>(code: &'static str) -> bool {
        super::is_out_of_reach::<DB>(&sqlx::Error::Database(Box::new(Told(code))))
    }

    #[derive(Debug)]
    struct Told(&'static str);

    impl Display for Told {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Told {}

    impl DatabaseError for Told {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::for_each_database;

    fn table<DB: Supported>() {
        let io = |kind: ErrorKind| sqlx::Error::Io(kind.into());
        let mends = [
            io(ErrorKind::ConnectionRefused),
            io(ErrorKind::ConnectionReset),
            io(ErrorKind::ConnectionAborted),
            io(ErrorKind::BrokenPipe),
            io(ErrorKind::UnexpectedEof),
            io(ErrorKind::TimedOut),
            io(ErrorKind::HostUnreachable),
            io(ErrorKind::NetworkUnreachable),
            // A socket's file.
            io(ErrorKind::NotFound),
            // A name that the resolver cannot look up for now.
            io(ErrorKind::Other),
            sqlx::Error::PoolTimedOut,
            sqlx::Error::WorkerCrashed,
            // The connection was closed before TLS was agreed upon, and while it was.
            sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned()),
            sqlx::Error::Tls(io::Error::from(ErrorKind::UnexpectedEof).into()),
            sqlx::Error::Tls("unexpected EOF".into()),
            sqlx::Error::Tls("SSL routines:ssl3_read_n:unexpected eof while reading".into()),
        ];
        for error in mends {
            assert!(is_out_of_reach::<DB>(&error), "{error:?}");
        }
        let stays = [
            io(ErrorKind::PermissionDenied),
            io(ErrorKind::InvalidInput),
            io(ErrorKind::Unsupported),
            sqlx::Error::PoolClosed,
            sqlx::Error::Configuration("a URL".into()),
            sqlx::Error::Tls("a certificate".into()),
            sqlx::Error::Tls("server does not support TLS".into()),
            sqlx::Error::Protocol("words that the driver does not know".to_owned()),
            sqlx::Error::Protocol("unexpected response from SSLRequest: 0x45".to_owned()),
        ];
        for error in stays {
            assert!(!is_out_of_reach::<DB>(&error), "{error:?}");
        }
    }

    #[test]
    fn errors_that_waiting_mends() {
        macro_rules! table {
            ($database:ty) => {
                table::<$database>();
            };
        }
        for_each_database!(table);
    }
}
