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
    /// The row as it was last written or read.
    fn get(&self) -> &Row;

    /// Keeps the row as it was written or read: as the database has it.
    fn set(&mut self, row: Row);

    /// Whether the database may have another row: something may have been written that went another way.
    fn is_stale(&self) -> bool;

    /// Takes note that the database may have another row, or that it has the one that is kept.
    fn set_stale(&mut self, is_stale: bool);
}

/// Writes what `changes` set and differs; the names of the fields that were written.
pub(crate) async fn write<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    target: Target<DB>,
    slot: &mut dyn RowSlot,
    mut changes: Changes,
) -> Result<bool, Error> {
    (target.mapping.fields.trim)(&mut changes);
    let written = send(tx, target, slot, Edit::Changes(&changes)).await?;
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
    let written = send(tx, target, slot, Edit::Changes(staged)).await?;
    (fields.clear)(staged);
    Ok(written)
}

/// Marks the row as deleted, or takes its mark away; whether it was otherwise.
pub(crate) async fn mark<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    target: Target<DB>,
    slot: &mut dyn RowSlot,
    mark: bool,
) -> Result<bool, Error> {
    let written = send(tx, target, slot, Edit::Mark(mark)).await?;
    Ok(!written.is_empty())
}

/// What is done to a locked row.
#[derive(Clone, Copy)]
enum Edit<'a> {
    /// Updating data, whose columns are written where they differ.
    Changes(&'a Changes),
    /// It is marked as deleted, or its mark is taken away.
    Mark(bool),
}

impl Edit<'_> {
    /// Whether the row is so already.
    fn is_done<DB: Supported>(self, mapping: Mapping<DB>, row: &Row) -> bool {
        match self {
            Self::Changes(changes) => mapping.differing(row, changes).is_empty(),
            Self::Mark(mark) => mapping.is_deleted(row) == mark,
        }
    }
}

async fn send<DB: Supported>(
    tx: &mut TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    slot: &mut dyn RowSlot,
    edit: Edit<'_>,
) -> Result<Vec<&'static str>, Error> {
    tx.check(Step::new(Some(mapping.model.name), Operation::Update))?;
    let is_stale = slot.is_stale();
    if !is_stale && edit.is_done(mapping, slot.get()) {
        return Ok(Vec::new());
    }
    // Dropped in flight, the write may have been done or not.
    slot.set_stale(true);
    let mut work = WriteRow {
        mapping,
        row: slot.get(),
        is_stale,
        edit,
    };
    match transaction::run_in(tx, locking, &mut work).await {
        Ok(Written { row, changed }) => {
            if let Some(row) = row {
                slot.set(row);
            }
            Ok(changed)
        }
        Err(error) => {
            // The database is as before the write.
            slot.set_stale(is_stale);
            Err(error)
        }
    }
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
    /// Whether the row must be read again before it is known what differs.
    is_stale: bool,
    edit: Edit<'a>,
}

/// What became of a row that was to be written.
struct Written {
    /// The row as the database has it; `None` where it is the one that was given.
    row: Option<Row>,
    /// The names of the fields that were written.
    changed: Vec<&'static str>,
}

impl<DB: Supported> UnitOfWork<DB> for WriteRow<'_, DB> {
    type Output = Written;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Written, Error> {
        let read = if self.is_stale {
            Some(session.refresh(self.row).await?)
        } else {
            None
        };
        let row = read.as_ref().unwrap_or(self.row);
        let updated = match self.edit {
            Edit::Changes(changes) => session.update(row, changes).await?,
            Edit::Mark(mark) => session.mark(row, mark).await?,
        };
        Ok(match updated {
            Some(Updated { row, changed }) => Written {
                row: Some(row),
                changed,
            },
            None => Written {
                row: read,
                changed: Vec::new(),
            },
        })
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
