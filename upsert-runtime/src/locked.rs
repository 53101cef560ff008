//! A locked row: what it holds, and how it is written column by column.

use std::fmt::{self, Debug, Formatter};
use std::mem;

use crate::backend::Backend;
use crate::delete::delete;
use crate::error::{Error, Operation, Step};
use crate::in_transaction::{InTransaction, Lent};
use crate::locking::Locking;
use crate::lookup;
use crate::model::{LockedUpsert, Model, Stored};
use crate::savepoint;
use crate::session::Session;
use crate::update::{Updated, differing, update};
use crate::work::Work;

mod rows;
mod slot;
mod staged;

pub use self::rows::LockedRows;
use self::slot::Slot;
use self::staged::Staged;

/// What a model's `LockedTaxonomy` wraps: a row that is locked in the transaction it borrows.
///
/// It has no `Drop` that looks at the transaction: one that is not used any more does not keep it from being committed.
pub struct LockedRow<'t, M: LockedUpsert, DB: Backend> {
    tx: Lent<'t, DB>,
    row: Slot<'t, M>,
    staged: Staged<M>,
    /// What the row was locked with; its limit holds for the writes too.
    locking: Locking,
}

impl<'t, M: LockedUpsert, DB: Backend> LockedRow<'t, M, DB> {
    pub(crate) fn new(tx: Lent<'t, DB>, row: M, locking: Locking) -> Self {
        Self::in_slot(tx, Slot::Own(row), locking)
    }

    fn in_slot(tx: Lent<'t, DB>, row: Slot<'t, M>, locking: Locking) -> Self {
        Self {
            tx,
            row,
            staged: Staged::default(),
            locking,
        }
    }

    /// The changes that wait for [`save`](Self::save).
    pub fn staged(&mut self) -> &mut M::Changes {
        &mut self.staged.changes
    }

    /// Stages what `changes` set.
    pub fn apply(&mut self, changes: M::Changes) {
        M::stage(&mut self.staged.changes, changes);
    }

    /// The row, which stays locked.
    #[must_use]
    pub fn into_row(self) -> M {
        self.row.take()
    }

    /// The connection.
    pub fn connection(&mut self) -> &mut DB::Connection {
        self.tx.connection
    }

    /// The transaction. Not a `Lent`: two of those could be swapped, and the row be taken for locked in another transaction.
    pub fn transaction(&mut self) -> &mut (dyn InTransaction<Database = DB> + 't) {
        &mut self.tx
    }

    /// The row as the database has it.
    pub fn row(&self) -> &M {
        self.row.get()
    }

    fn check(&mut self, changes: &M::Changes) -> Result<bool, Error> {
        let at = Step::new(Some(M::MODEL.name), Operation::Update);
        self.tx.check(at)?;
        Ok(!differing(self.row.get(), changes).is_empty())
    }
}

#[expect(
    clippy::missing_errors_doc,
    clippy::manual_async_fn,
    reason = "the generated methods say which errors; these say that their futures are `Send`"
)]
impl<M: Stored<DB>, DB: Backend> LockedRow<'_, M, DB> {
    /// Writes what `changes` set, now; whether something differed.
    pub fn update(
        &mut self,
        mut changes: M::Changes,
    ) -> impl Future<Output = Result<bool, Error>> + Send {
        M::normalize_changes(&mut changes);
        async move { Ok(!self.write(&changes).await?.is_empty()) }
    }

    /// Writes what is staged and differs; the names of the fields that were written.
    pub fn save(&mut self) -> impl Future<Output = Result<Vec<&'static str>, Error>> + Send {
        async move {
            let mut staged = self.staged.changes.clone();
            M::normalize_changes(&mut staged);
            let written = self.write(&staged).await?;
            self.staged.changes = M::Changes::default();
            Ok(written)
        }
    }

    async fn write(&mut self, changes: &M::Changes) -> Result<Vec<&'static str>, Error> {
        if !self.check(changes)? {
            return Ok(Vec::new());
        }
        let row = self.row.get();
        let mut work = Write { row, changes };
        let updated = savepoint::run_in(&mut self.tx, self.locking, &mut work).await?;
        let Some(Updated { row, changed }) = updated else {
            return Ok(Vec::new());
        };
        self.row.set(row);
        Ok(changed)
    }

    /// Reads the row again.
    pub fn refresh(&mut self) -> impl Future<Output = Result<(), Error>> + Send {
        async move {
            let mut work = Refresh {
                row: self.row.get(),
            };
            let row = savepoint::run_in(&mut self.tx, self.locking, &mut work).await?;
            self.row.set(row);
            Ok(())
        }
    }

    /// Deletes the row.
    pub fn delete(mut self) -> impl Future<Output = Result<M, Error>> + Send
    where
        Self: Send,
    {
        async move {
            // They go with the row.
            mem::take(&mut self.staged.changes);
            let mut work = Delete {
                row: self.row.get(),
            };
            savepoint::run_in(&mut self.tx, self.locking, &mut work).await?;
            Ok(self.row.take())
        }
    }
}

// Without the row: a model need not be `Debug`, and a log is no place for its values.
impl<M: LockedUpsert, DB: Backend> Debug for LockedRow<'_, M, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedRow")
            .field("model", &M::MODEL.name)
            .field("locking", &self.locking)
            .finish_non_exhaustive()
    }
}

struct Write<'a, M: LockedUpsert> {
    row: &'a M,
    changes: &'a M::Changes,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Write<'_, M> {
    type Output = Option<Updated<M>>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        update(session, self.row, self.changes).await
    }
}

struct Refresh<'a, M> {
    row: &'a M,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Refresh<'_, M> {
    type Output = M;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<M, Error> {
        lookup::refresh(session, self.row).await
    }
}

struct Delete<'a, M> {
    row: &'a M,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Delete<'_, M> {
    type Output = ();

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<(), Error> {
        delete(session, self.row).await
    }
}
