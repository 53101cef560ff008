//! Reads many rows at once, with the numbers of their keys.

use std::collections::HashMap;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::field::Bytes;
use crate::model::{LockedUpsert, Stored};
use crate::session::Session;

use super::keys::{Keys, NONE};
use super::statement::{self, Many};

/// A row as it was read.
pub(crate) struct Read<M> {
    pub(crate) row: M,
    pub(crate) id: Vec<u8>,
    pub(crate) values: Vec<u32>,
}

/// The rows that have a key of these records, by any look-up, without a lock. Blank keys are looked up too, unless they are NULL:
/// they identify no record, but a unique index lets each in once.
/// `values` are the numbers of each record's keys.
pub(crate) async fn find<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    keys: &mut Keys,
    folded: &[usize],
    records: &[(&M::New, &[u32])],
) -> Result<Vec<Read<M>>, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::LookUpMany);
    let failed = |source| Error::of::<DB>(at, source);
    let values: usize = M::MODEL.lookups.iter().map(|key| key.columns.len()).sum();
    // Arrays are used for keys whatever other columns there are.
    let size = if DB::Driver::ARRAYS {
        usize::MAX
    } else {
        DB::Driver::MOST_VALUES / values.max(1)
    };
    let mut found: HashMap<Vec<u8>, Read<M>> = HashMap::new();
    for records in records.chunks(size.max(1)) {
        let mut by_lookup: Vec<Vec<&M::New>> = Vec::new();
        let mut wanted: Vec<HashMap<u32, bool>> = Vec::new();
        for lookup in 0..keys.lookups() {
            let mut usable = Vec::new();
            let mut once = HashMap::new();
            for (new, values) in records {
                let key = keys.unique(lookup, values);
                if key != NONE && once.insert(key, false).is_none() {
                    usable.push(*new);
                }
            }
            by_lookup.push(usable);
            wanted.push(once);
        }
        let Some(many) = statement::find::<DB, M>(&by_lookup, folded).map_err(failed)? else {
            continue;
        };
        for read in rows(session, keys, folded, many, at).await? {
            let mut is_wanted = false;
            for (lookup, wanted) in wanted.iter_mut().enumerate() {
                let key = keys.unique(lookup, &read.values);
                if let Some(is_found) = wanted.get_mut(&key) {
                    // An index may let more than one blank key in.
                    let is_usable = keys.usable(lookup, &read.values) != NONE;
                    if std::mem::replace(is_found, true) && is_usable {
                        let lookup = M::MODEL.lookups[lookup].name;
                        let operation = Operation::LookUp { lookup };
                        let at = Step::new(Some(M::MODEL.name), operation);
                        return Err(Error::Ambiguous { at });
                    }
                    is_wanted = true;
                }
            }
            if !is_wanted {
                return Err(compared_otherwise::<DB, M>());
            }
            found.insert(read.id.clone(), read);
        }
    }
    Ok(found.into_values().collect())
}

/// Fails if keys cannot be compared here as the database compares them.
pub(crate) async fn check<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    keys: &Keys,
) -> Result<(), Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::LookUpMany);
    let Some(many) = statement::unfoldable::<DB, M>(&keys.columns) else {
        return Ok(());
    };
    let rows = send(session, many).await;
    let rows = rows.map_err(|source| Error::of::<DB>(at, source))?;
    if rows.is_empty() {
        return Ok(());
    }
    Err(compared_otherwise::<DB, M>())
}

fn compared_otherwise<DB: Backend, M: Stored<DB>>() -> Error {
    Error::Unsupported {
        model: Some(M::MODEL.name),
        option: "an import by a key whose collation calls different texts equal",
        database: DB::Driver::TITLE,
    }
}

/// The numbers of these records' keys.
pub(crate) async fn values<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    keys: &mut Keys,
    folded: &[usize],
    records: &[&M::New],
) -> Result<Vec<Vec<u32>>, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::LookUpMany);
    let failed = |source| Error::of::<DB>(at, source);
    if folded.is_empty() {
        let values = records
            .iter()
            .map(|new| keys.of_record::<DB, M>(new, |_| Ok(None)));
        return values.collect::<sqlx::Result<_>>().map_err(failed);
    }
    let mut values = vec![Vec::new(); records.len()];
    let size = (DB::Driver::MOST_VALUES / folded.len()).max(1);
    for (start, records) in (0..).step_by(size).zip(records.chunks(size)) {
        let many = statement::fold::<DB, M>(records, folded).map_err(failed)?;
        for row in send(session, many).await.map_err(failed)? {
            let number = DB::Driver::number(&row, 0).map_err(failed)?;
            let place = number.and_then(|number| usize::try_from(number).ok());
            let place = place.filter(|&place| place < records.len());
            let place = place.ok_or_else(|| failed(sqlx::Error::RowNotFound))?;
            let numbers = keys.of_record::<DB, M>(records[place], |column| {
                match folded.iter().position(|&folded| folded == column) {
                    Some(fold) => DB::Driver::selected_bytes(&row, 1 + fold),
                    None => Ok(None),
                }
            });
            values[start + place] = numbers.map_err(failed)?;
        }
    }
    Ok(values)
}

/// The rows of a statement that selects the model's columns and then what is compared instead of the folded ones.
pub(crate) async fn rows<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    keys: &mut Keys,
    folded: &[usize],
    many: Many<DB>,
    at: Step,
) -> Result<Vec<Read<M>>, Error> {
    let failed = |source| Error::of::<DB>(at, source);
    let rows = send(session, many).await.map_err(failed)?;
    let reads = rows.iter().map(|db_row| {
        let row = M::decode(db_row)?;
        let values = keys.of_row::<DB, M>(&row, |column| {
            match folded.iter().position(|&folded| folded == column) {
                Some(fold) => DB::Driver::selected_bytes(db_row, M::MODEL.columns.len() + fold),
                None => Ok(None),
            }
        })?;
        let id = M::row_column(M::MODEL.id, Bytes(&row)).map_err(sqlx::Error::Encode)?;
        Ok(Read {
            row,
            id: id.unwrap_or_default(),
            values,
        })
    });
    reads.collect::<sqlx::Result<_>>().map_err(failed)
}

async fn send<DB: Backend>(
    session: &mut Session<'_, DB>,
    many: Many<DB>,
) -> sqlx::Result<Vec<DB::Row>> {
    if many.keep_prepared {
        session.fetch(many.text, many.arguments).await
    } else {
        session.fetch_once(many.text, many.arguments).await
    }
}

/// Locks these rows, in the order of their ids, and reads them as they are now. Those that are gone are not among them.
pub(crate) async fn lock<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    keys: &mut Keys,
    folded: &[usize],
    known: &[&M],
) -> Result<Vec<Read<M>>, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::Lock);
    let mut locked = Vec::with_capacity(known.len());
    // Sorted here only where more than one statement is needed would be no order at all: the database sorts each.
    let size = if DB::Driver::ARRAYS {
        usize::MAX
    } else {
        DB::Driver::MOST_VALUES
    };
    for known in known.chunks(size) {
        let many = statement::lock::<DB, M>(known, folded, session.locking)
            .map_err(|source| Error::of::<DB>(at, source))?;
        locked.extend(rows::<DB, M>(session, keys, folded, many, at).await?);
    }
    Ok(locked)
}

/// A page of the table, in the order of the ids.
pub(crate) async fn page<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    keys: &mut Keys,
    folded: &[usize],
    after: Option<&M>,
    size: usize,
) -> Result<Vec<Read<M>>, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::LookUpMany);
    let many = statement::page::<DB, M>(after, folded, size)
        .map_err(|source| Error::of::<DB>(at, source))?;
    rows(session, keys, folded, many, at).await
}

/// The names of columns.
pub(crate) fn names<M: LockedUpsert>(columns: &[usize]) -> Vec<&'static str> {
    let names = columns.iter().map(|&column| M::MODEL.columns[column].field);
    names.collect()
}
