use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::lookup;
use crate::model::{LockedUpsert, Stored};
use crate::statement;

/// The places of the columns that `changes` sets to something else than `row` holds.
pub(crate) fn differing<M: LockedUpsert>(row: &M, changes: &M::Changes) -> Vec<usize> {
    let columns = M::MODEL.updated.iter().copied();
    columns
        .filter(|&column| row.differs(changes, column))
        .collect()
}

/// Writes these columns of `changes` into the row, which must be locked. Returns it as the database stored it.
pub(crate) async fn update<DB: Backend, M: Stored<DB>>(
    conn: &mut DB::Connection,
    row: &M,
    changes: &M::Changes,
    columns: &[usize],
) -> Result<M, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::Update);
    send::<DB, M>(conn, row, changes, columns)
        .await
        .map_err(|source| Error::of::<DB>(at, source))
}

async fn send<DB: Backend, M: Stored<DB>>(
    conn: &mut DB::Connection,
    row: &M,
    changes: &M::Changes,
    columns: &[usize],
) -> sqlx::Result<M> {
    let (text, arguments) = statement::update::<DB, M>(row, changes, columns)?;
    let rows = DB::Driver::fetch(conn, text, arguments).await?;
    if DB::Driver::READS_AGAIN {
        return lookup::read_again(conn, row).await;
    }
    M::decode(rows.first().ok_or(sqlx::Error::RowNotFound)?)
}
