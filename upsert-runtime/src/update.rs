use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::lookup;
use crate::model::{LockedUpsert, Stored};
use crate::session::Session;
use crate::statement;

/// A row as the database stored it, and the names of the fields that were written.
pub(crate) struct Updated<M> {
    pub(crate) row: M,
    pub(crate) changed: Vec<&'static str>,
}

/// Writes what `changes` set to something else than `row` holds, which must be locked. `None` if nothing differs: then nothing
/// is sent.
pub(crate) async fn update<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    row: &M,
    changes: &M::Changes,
) -> Result<Option<Updated<M>>, Error> {
    let columns = differing(row, changes);
    if columns.is_empty() {
        return Ok(None);
    }
    let at = Step::new(Some(M::MODEL.name), Operation::Update);
    let row = send::<DB, M>(session, row, changes, &columns)
        .await
        .map_err(|source| Error::of::<DB>(at, source))?;
    let names = columns.iter().map(|&column| M::MODEL.columns[column].field);
    Ok(Some(Updated {
        row,
        changed: names.collect(),
    }))
}

/// The places of the columns that `changes` sets to something else than `row` holds.
pub(crate) fn differing<M: LockedUpsert>(row: &M, changes: &M::Changes) -> Vec<usize> {
    let columns = M::MODEL.updated.iter().copied();
    columns
        .filter(|&column| row.differs(changes, column))
        .collect()
}

async fn send<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    row: &M,
    changes: &M::Changes,
    columns: &[usize],
) -> sqlx::Result<M> {
    let (text, arguments) = statement::update::<DB, M>(row, changes, columns)?;
    let rows = session.fetch(text, arguments).await?;
    if DB::Driver::READS_AGAIN {
        return lookup::read_again(session, row).await;
    }
    M::decode(rows.first().ok_or(sqlx::Error::RowNotFound)?)
}
