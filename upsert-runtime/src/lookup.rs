//! The chain: the look-ups in the order declared, each under lock.

use std::ops::RangeTo;

use sqlx::SqlStr;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::model::Stored;
use crate::statement;

/// A row that is locked, and the place of the look-up that found it.
pub(crate) struct Found<M> {
    pub(crate) row: M,
    pub(crate) lookup: usize,
}

/// Finds and locks the row of `new`.
///
/// A look-up may wait for a lock, and what a look-up before it did not find may be there by then: a row renamed, or deleted
/// and inserted again. So the look-ups before the one that found a row are asked again, now that it is locked, until they
/// find nothing. Each round ends earlier than the one before.
pub(crate) async fn find<DB: Backend, M: Stored<DB>>(
    conn: &mut DB::Connection,
    new: &M::New,
) -> Result<Option<Found<M>>, Error> {
    let mut found = None;
    let mut end = M::MODEL.lookups.len();
    while let Some(earlier) = first(conn, new, ..end).await? {
        end = earlier.lookup;
        found = Some(earlier);
        if !DB::Driver::SHARED {
            break;
        }
    }
    Ok(found)
}

/// The first of these look-ups that finds a row.
async fn first<DB: Backend, M: Stored<DB>>(
    conn: &mut DB::Connection,
    new: &M::New,
    lookups: RangeTo<usize>,
) -> Result<Option<Found<M>>, Error> {
    for (lookup, key) in M::MODEL.lookups[lookups].iter().enumerate() {
        if key.usable::<M>(new)
            && let Some(row) = by(conn, new, lookup).await?
        {
            return Ok(Some(Found { row, lookup }));
        }
    }
    Ok(None)
}

/// The row that one look-up finds, locked.
async fn by<DB: Backend, M: Stored<DB>>(
    conn: &mut DB::Connection,
    new: &M::New,
    lookup: usize,
) -> Result<Option<M>, Error> {
    let key = &M::MODEL.lookups[lookup];
    let at = Step::new(Some(M::MODEL.name), Operation::LookUp { lookup: key.name });
    let failed = |source| Error::of::<DB>(at, source);
    let arguments = statement::arguments::<DB, M>(new, key.columns).map_err(failed)?;
    let rows = DB::Driver::fetch(conn, statement::find::<DB>(M::MODEL, lookup), arguments)
        .await
        .map_err(failed)?;
    match &rows[..] {
        [] => Ok(None),
        [row] => M::decode(row).map(Some).map_err(failed),
        _ => Err(Error::Ambiguous { at }),
    }
}

/// The row as it is now, after a write of ours.
pub(crate) async fn read_again<DB: Backend, M: Stored<DB>>(
    conn: &mut DB::Connection,
    row: &M,
) -> sqlx::Result<M> {
    let mut id = DB::Arguments::default();
    row.bind_id(&mut id).map_err(sqlx::Error::Encode)?;
    let by_id = SqlStr::from_static(DB::Driver::sql(M::MODEL).by_id);
    let rows = DB::Driver::fetch(conn, by_id, id).await?;
    M::decode(rows.first().ok_or(sqlx::Error::RowNotFound)?)
}
