//! What is done with a row that is locked in the caller's transaction: it is written, read again, deleted.

use crate::backend::Supported;
use crate::error::{Error, Operation, Step};
use crate::mapping::{Mapping, Target};
use crate::step::{Session, Updated};
use crate::transaction::{self, TransactionRef, UnitOfWork};
use crate::value::{Changes, Row};

/// Where a locked row is kept while its transaction is lent.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait RowSlot: Send + Sync {
    /// The row as the database has it.
    fn get(&self) -> &Row;

    /// Keeps the row as it was written or read.
    fn set(&mut self, row: Row);
}

/// Writes what `changes` set and differs; the names of the fields that were written.
pub(crate) async fn write<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    target: Target<DB>,
    slot: &mut dyn RowSlot,
    mut changes: Changes,
) -> Result<bool, Error> {
    (target.mapping.fields.trim)(&mut changes);
    let written = send(tx, target, slot, &changes).await?;
    Ok(!written.is_empty())
}

/// Writes the staged changes that differ; once they are written none is staged any more.
pub(crate) async fn save<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    target: Target<DB>,
    slot: &mut dyn RowSlot,
    staged: &mut Changes,
) -> Result<Vec<&'static str>, Error> {
    let fields = target.mapping.fields;
    (fields.trim)(staged);
    let written = send(tx, target, slot, staged).await?;
    (fields.clear)(staged);
    Ok(written)
}

async fn send<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    slot: &mut dyn RowSlot,
    changes: &Changes,
) -> Result<Vec<&'static str>, Error> {
    tx.check(Step::new(Some(mapping.model.name), Operation::Update))?;
    let row = slot.get();
    if mapping.differing(row, changes).is_empty() {
        return Ok(Vec::new());
    }
    let mut work = WriteRow {
        mapping,
        row,
        changes,
    };
    let updated = transaction::run_in(tx, locking, &mut work).await?;
    let Some(Updated { row, changed }) = updated else {
        return Ok(Vec::new());
    };
    slot.set(row);
    Ok(changed)
}

/// Reads the row again.
pub(crate) async fn refresh<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    slot: &mut dyn RowSlot,
) -> Result<(), Error> {
    let row = slot.get();
    let mut work = RefreshRow { mapping, row };
    let row = transaction::run_in(tx, locking, &mut work).await?;
    slot.set(row);
    Ok(())
}

/// Deletes the row.
pub(crate) async fn delete<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    row: &Row,
) -> Result<(), Error> {
    let mut work = DeleteRow { mapping, row };
    transaction::run_in(tx, locking, &mut work).await
}

struct WriteRow<'a, DB: Supported> {
    mapping: Mapping<DB>,
    row: &'a Row,
    changes: &'a Changes,
}

impl<DB: Supported> UnitOfWork<DB> for WriteRow<'_, DB> {
    type Output = Option<Updated>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        session.update(self.row, self.changes).await
    }
}

struct RefreshRow<'a, DB: Supported> {
    mapping: Mapping<DB>,
    row: &'a Row,
}

impl<DB: Supported> UnitOfWork<DB> for RefreshRow<'_, DB> {
    type Output = Row;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Row, Error> {
        session.refresh(self.row).await
    }
}

struct DeleteRow<'a, DB: Supported> {
    mapping: Mapping<DB>,
    row: &'a Row,
}

impl<DB: Supported> UnitOfWork<DB> for DeleteRow<'_, DB> {
    type Output = ();

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<(), Error> {
        session.delete(self.row).await
    }
}
