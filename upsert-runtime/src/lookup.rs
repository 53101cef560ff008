//! The chain: the look-ups in the order declared, each under lock. And single keys, and many.

use std::ops::RangeTo;

use sqlx::SqlStr;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::model::{By, LockedUpsert, Lookup, Stored};
use crate::session::Session;
use crate::statement;

/// A row that is locked, and the place of the look-up that found it.
pub(crate) struct Found<M> {
    pub(crate) row: M,
    pub(crate) lookup: usize,
}

impl<M: LockedUpsert> Found<M> {
    /// Refuses a row that a fallback found but that is another record by an earlier key, where that is forbidden.
    pub(crate) fn check_identity(&self, new: &M::New) -> Result<(), Error> {
        let key = &M::MODEL.lookups[self.lookup];
        match self.claim(new) {
            Some(earlier) if key.unclaimed || earlier.columns.contains(&M::MODEL.id) => {
                Err(Error::IdentityConflict {
                    model: M::MODEL.name,
                    matched_by: key.name,
                    claimed_by: earlier.name,
                })
            }
            _ => Ok(()),
        }
    }

    /// The earlier key by which the row is another record: it was asked for and did not find this row.
    fn claim(&self, new: &M::New) -> Option<&'static Lookup> {
        let mut earlier = M::MODEL.lookups[..self.lookup].iter();
        earlier.find(|key| key.usable::<M>(new) && key.usable_in(&self.row))
    }
}

/// Refuses a record that no look-up can find.
pub(crate) fn check_usable<M: LockedUpsert>(new: &M::New) -> Result<(), Error> {
    if M::MODEL.lookups.iter().any(|key| key.usable::<M>(new)) {
        return Ok(());
    }
    let names = M::MODEL.lookups.iter().map(|key| format!("`{}`", key.name));
    Err(Error::NoUsableKey {
        model: M::MODEL.name,
        lookups: names.collect::<Vec<_>>().join(", "),
    })
}

/// Finds and locks the row of `new`.
///
/// A look-up may wait for a lock, and what a look-up before it did not find may be there by then: a row renamed, or deleted
/// and inserted again. So the look-ups before the one that found a row are asked again, now that it is locked, until they
/// find nothing. Each round ends earlier than the one before.
pub(crate) async fn find<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    new: &M::New,
) -> Result<Option<Found<M>>, Error> {
    let mut found = None;
    let mut end = M::MODEL.lookups.len();
    while let Some(earlier) = first(session, new, ..end).await? {
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
    session: &mut Session<'_, DB>,
    new: &M::New,
    lookups: RangeTo<usize>,
) -> Result<Option<Found<M>>, Error> {
    for (lookup, key) in M::MODEL.lookups[lookups].iter().enumerate() {
        if key.usable::<M>(new) {
            let arguments = statement::arguments::<DB, M>(new, key.columns);
            if let Some(row) = by(session, By::Lookup(lookup), arguments).await? {
                return Ok(Some(Found { row, lookup }));
            }
        }
    }
    Ok(None)
}

/// The row that has this key, locked.
///
/// Nothing found after a wait proves nothing: the row that was waited for has changed its key or is deleted, and another one
/// may have the key now. So a look-up that may have waited is asked once more.
pub(crate) async fn one<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    way: By,
    key: &M::Key,
) -> Result<Option<M>, Error> {
    let looks = if may_have_waited(session) { 2 } else { 1 };
    for _ in 0..looks {
        let arguments = statement::key_arguments::<DB, M>(way, key);
        if let Some(row) = by(session, way, arguments).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Whether a look-up that found nothing may have waited for a row.
pub(crate) fn may_have_waited<DB: Backend>(session: &Session<'_, DB>) -> bool {
    DB::Driver::SHARED && session.locking.waits()
}

/// The rows that have these keys, locked in the order of the primary key, each once, in the order of the keys.
///
/// A plain SELECT tells what is there; then the rows are locked in one statement, which also says which key a row has by
/// then. What it left open is looked up key by key.
pub(crate) async fn many<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    way: By,
    keys: &[M::Key],
) -> Result<Vec<M>, Error> {
    let at = step::<M>(way);
    let mut found: Vec<Option<M>> = keys.iter().map(|_| None).collect();
    let rows = lock_in_order(session, way, keys)
        .await
        .map_err(|source| Error::of::<DB>(at, source))?;
    for (row, key) in rows {
        // A row that has none of the keys any more stays locked, and is not one of those asked for.
        let Some(place) = key.and_then(|place| found.get_mut(place)) else {
            continue;
        };
        if place.replace(row).is_some() {
            return Err(Error::Ambiguous { at });
        }
    }
    if DB::Driver::SHARED {
        for (place, key) in keys.iter().enumerate() {
            if found[place].is_none()
                && let Some(row) = one::<DB, M>(session, way, key).await?
                // Two keys that the database calls equal.
                && !found.iter().flatten().any(|other| other.is_same_row(&row))
            {
                found[place] = Some(row);
            }
        }
    }
    Ok(found.into_iter().flatten().collect())
}

/// The rows that have one of the keys, locked in the order of the primary key, and the place of the key that each has then.
async fn lock_in_order<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    way: By,
    keys: &[M::Key],
) -> sqlx::Result<Vec<(M, Option<usize>)>> {
    let (text, arguments) = statement::read_many::<DB, M>(way, keys)?;
    let rows = session.fetch_once(text, arguments).await?;
    let seen: Vec<M> = rows.iter().map(M::decode).collect::<sqlx::Result<_>>()?;
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let (text, arguments) = statement::lock_many::<DB, M>(way, keys, &seen, session.locking)?;
    let rows = session.fetch_once(text, arguments).await?;
    let place = |row: &DB::Row| DB::Driver::number(row, M::MODEL.columns.len());
    rows.iter()
        .map(|row| {
            Ok((
                M::decode(row)?,
                place(row)?.and_then(|place| place.try_into().ok()),
            ))
        })
        .collect()
}

/// The row that one look-up finds, locked.
async fn by<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    way: By,
    arguments: sqlx::Result<DB::Arguments>,
) -> Result<Option<M>, Error> {
    let at = step::<M>(way);
    let failed = |source| Error::of::<DB>(at, source);
    let text = statement::find::<DB>(M::MODEL, way, session.locking);
    let rows = session
        .fetch(text, arguments.map_err(failed)?)
        .await
        .map_err(failed)?;
    match &rows[..] {
        [] => Ok(None),
        [row] => M::decode(row).map(Some).map_err(failed),
        _ => Err(Error::Ambiguous { at }),
    }
}

fn step<M: LockedUpsert>(way: By) -> Step {
    let lookup = way.name(M::MODEL);
    Step::new(Some(M::MODEL.name), Operation::LookUp { lookup })
}

/// The row as it is now, after a write of ours.
pub(crate) async fn read_again<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    row: &M,
) -> sqlx::Result<M> {
    let id = statement::id_argument::<DB, M>(row)?;
    let by_id = SqlStr::from_static(DB::Driver::sql(M::MODEL).by_id);
    let rows = session.fetch(by_id, id).await?;
    M::decode(rows.first().ok_or(sqlx::Error::RowNotFound)?)
}

/// The row as it is now: a locked read, since a plain one may see an older snapshot (MySQL at REPEATABLE READ).
pub(crate) async fn refresh<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    row: &M,
) -> Result<M, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::Refresh);
    let found = by(session, By::Id, statement::id_argument::<DB, M>(row)).await?;
    found.ok_or_else(|| Error::of::<DB>(at, sqlx::Error::RowNotFound))
}
