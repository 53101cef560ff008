//! A locked row: what it holds, and how it is written column by column.

use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

use crate::calls::{Answer, Backend, Calls as _};
use crate::contract::Contract;
use crate::in_transaction::InTransaction;
use crate::locking::Locking;
use crate::record::RowSlot as _;
use crate::transaction::TransactionRef;
use crate::value::Changes;

use super::Stored;
use super::slot::Slot;
use super::staged::Staged;
use super::stored::target;

/// What a model's `LockedTaxonomy` wraps: a row that is locked in the transaction it borrows.
///
/// It has no `Drop` that looks at the transaction: one that is not used any more does not keep it from being committed.
pub struct LockedRow<'t, M: Contract, DB: Backend> {
    tx: TransactionRef<'t, DB>,
    slot: Slot<'t>,
    staged: Staged<M>,
    /// What the row was locked with; its limit holds for the writes too.
    locking: Locking,
    model: PhantomData<M>,
}

impl<'t, M: Contract, DB: Backend> LockedRow<'t, M, DB> {
    pub(crate) fn new(tx: TransactionRef<'t, DB>, slot: Slot<'t>, locking: Locking) -> Self {
        Self {
            tx,
            slot,
            staged: Staged::default(),
            locking,
            model: PhantomData,
        }
    }

    /// The changes that wait for [`save`](Self::save).
    pub fn staged(&mut self) -> &mut M::Changes {
        self.staged.changes.open_mut()
    }

    /// Stages what `changes` set.
    pub fn apply(&mut self, changes: M::Changes) {
        M::stage(self.staged(), changes);
    }

    /// The row, which stays locked.
    #[must_use]
    pub fn into_row(self) -> M {
        self.slot.take().into_inner()
    }

    /// The connection.
    pub fn connection(&mut self) -> &mut DB::Connection {
        self.slot.lend();
        self.tx.connection
    }

    /// The transaction. Not a `TransactionRef`: two of those could be swapped, and the row be taken for locked in another
    /// transaction.
    pub fn transaction(&mut self) -> &mut (dyn InTransaction<Database = DB> + 't) {
        self.slot.lend();
        &mut self.tx
    }

    /// The row as it was last written or read.
    #[must_use]
    pub fn row(&self) -> &M {
        self.slot.get().open()
    }
}

impl<'t, M: Stored<DB>, DB: Backend> LockedRow<'t, M, DB> {
    /// Writes what `changes` set, now; whether something differed.
    pub fn update(&mut self, changes: M::Changes) -> Answer<'_, bool> {
        let target = target::<DB, M>(self.locking);
        let changes = Changes::of(changes);
        DB::Calls::write(&mut self.tx, target, &mut self.slot, changes)
    }

    /// Writes what is staged and differs; the names of the fields that were written.
    pub fn save(&mut self) -> Answer<'_, Vec<&'static str>> {
        let target = target::<DB, M>(self.locking);
        let staged = &mut self.staged.changes;
        DB::Calls::save(&mut self.tx, target, &mut self.slot, staged)
    }

    /// Marks the row as deleted, or takes its mark away; whether it was otherwise.
    pub fn mark(&mut self, mark: bool) -> Answer<'_, bool> {
        let target = target::<DB, M>(self.locking);
        DB::Calls::mark(&mut self.tx, target, &mut self.slot, mark)
    }

    /// Reads the row again.
    pub fn refresh(&mut self) -> Answer<'_, ()> {
        let target = target::<DB, M>(self.locking);
        DB::Calls::refresh(&mut self.tx, target, &mut self.slot)
    }

    /// Deletes the row.
    #[must_use = "nothing is deleted before it is awaited"]
    pub fn delete(mut self) -> Answer<'t, M> {
        Box::pin(async move {
            // What is staged goes with the row.
            *self.staged() = M::Changes::default();
            let target = target::<DB, M>(self.locking);
            DB::Calls::delete(&mut self.tx, target, self.slot.get()).await?;
            Ok(self.into_row())
        })
    }
}

// Without the row: a model need not be `Debug`, and a log is no place for its values.
impl<M: Contract, DB: Backend> Debug for LockedRow<'_, M, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedRow")
            .field("model", &M::MODEL.name)
            .field("locking", &self.locking)
            .finish_non_exhaustive()
    }
}
