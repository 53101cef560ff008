//! Where the parts of an import are done.

use crate::backend::Supported;
use crate::error::{Error, Operation};
use crate::locking::Locking;
use crate::step::Session;
use crate::transaction::{self, Connections, Retry, UnitOfWork};

/// Where chunks are written.
pub(super) enum Place<'p, DB: Supported> {
    /// Each in a transaction of its own.
    Own {
        connections: Connections<'p, DB>,
        retry: Retry,
        locking: Locking,
    },
    /// Each in a savepoint of the one transaction.
    Within {
        session: Session<'p, DB>,
        /// Whether the import as a whole must come before or after any other writer, so that no row may stay unlocked. A dry run of
        /// one that is written chunk by chunk tells what that one would.
        is_serial: bool,
    },
}

impl<'p, DB: Supported> Place<'p, DB> {
    /// Within the transaction of a session.
    pub(super) fn within(session: &'p mut Session<'_, DB>, is_serial: bool) -> Self {
        Self::Within {
            session: Session {
                connection: &mut *session.connection,
                mapping: session.mapping,
                locking: session.locking,
            },
            is_serial,
        }
    }

    /// Whether nothing is committed before the end.
    pub(super) fn is_one_transaction(&self) -> bool {
        matches!(self, Self::Within { .. })
    }

    /// Whether each row by which a record was judged must stay locked.
    pub(super) fn is_serial(&self) -> bool {
        matches!(self, Self::Within { is_serial, .. } if *is_serial)
    }

    /// Whether nothing that others commit can be seen.
    pub(super) async fn sees_a_snapshot(&mut self) -> bool {
        match self {
            Self::Own { .. } => false,
            Self::Within { session, .. } => transaction::sees_a_snapshot(session).await,
        }
    }

    /// Marks what was done in the one transaction so far as what stays when the rest is undone.
    pub(super) async fn mark(&mut self) -> Result<(), Error> {
        self.savepoint("SAVEPOINT upsert_locked").await
    }

    /// Undoes what was done since the mark. On PostgreSQL the locks that were taken since are free again, too.
    pub(super) async fn return_to_mark(&mut self) -> Result<(), Error> {
        self.savepoint("ROLLBACK TO SAVEPOINT upsert_locked")
            .await?;
        self.savepoint("RELEASE SAVEPOINT upsert_locked").await
    }

    async fn savepoint(&mut self, statement: &'static str) -> Result<(), Error> {
        let Self::Within { session, .. } = self else {
            return Ok(());
        };
        let at = session.at(Operation::Savepoint);
        let done = session.run(statement).await;
        done.map_err(|source| Error::of_savepoint::<DB>(at, source))
    }

    /// Runs a unit of work of the import in its place.
    pub(super) async fn run<W: UnitOfWork<DB>>(
        &mut self,
        work: &mut W,
    ) -> Result<W::Output, Error> {
        match self {
            Self::Own {
                connections,
                retry,
                locking,
            } => transaction::run(connections.reborrow(), *retry, *locking, work).await,
            Self::Within { session, .. } => transaction::part(session, work).await,
        }
    }
}
