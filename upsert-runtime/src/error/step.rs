//! What was being done when an error came.

use std::fmt::{self, Display, Formatter};

/// What was being done, and to which model. Its `Display` is the beginning of an error's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The model's name; `None` for a transaction that is not one model's.
    pub model: Option<&'static str>,
    /// The operation.
    pub operation: Operation,
}

impl Step {
    pub(crate) fn new(model: Option<&'static str>, operation: Operation) -> Self {
        Self { model, operation }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", ModelName(self.model), self.operation)
    }
}

/// A step of the way to a stored row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Taking a connection from the pool.
    Connect,
    /// Beginning a transaction.
    Begin,
    /// Taking SQLite's write lock in the caller's transaction.
    WriteLock,
    /// Setting, releasing or returning to a savepoint in the caller's transaction.
    Savepoint,
    /// Finding a row by a key and locking it.
    LookUp {
        /// The look-up's name.
        lookup: &'static str,
    },
    /// Asking whether the table's columns can be read as the model's fields, before many records are written.
    CheckColumns,
    /// Finding the rows of many records.
    LookUpMany,
    /// Locking many rows.
    Lock,
    /// Putting a passing value into a key that two rows exchange.
    Park,
    /// Inserting a row.
    Create,
    /// Updating a row that is locked.
    Update,
    /// Reading a row again that is locked.
    Refresh,
    /// Deleting a row that is locked.
    Delete,
    /// Committing.
    Commit,
    /// Rolling back.
    Rollback,
}

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("getting a connection"),
            Self::Begin => f.write_str("beginning a transaction"),
            Self::WriteLock => f.write_str("taking the write lock"),
            Self::Savepoint => f.write_str("savepoint"),
            Self::LookUp { lookup } => write!(f, "look-up by `{lookup}`"),
            Self::CheckColumns => f.write_str("checking the columns"),
            Self::LookUpMany => f.write_str("look-up of many"),
            Self::Lock => f.write_str("locking rows"),
            Self::Park => f.write_str("parking a key"),
            Self::Create => f.write_str("create"),
            Self::Update => f.write_str("update"),
            Self::Refresh => f.write_str("refresh"),
            Self::Delete => f.write_str("delete"),
            Self::Commit => f.write_str("commit"),
            Self::Rollback => f.write_str("rollback"),
        }
    }
}

/// "`Taxonomy`: ", or nothing.
pub(super) struct ModelName(pub(super) Option<&'static str>);

impl Display for ModelName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "`{name}`: "),
            None => Ok(()),
        }
    }
}
