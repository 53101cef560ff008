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

/// What records find.
pub(crate) struct Found<M> {
    pub(crate) rows: Vec<Read<M>>,
    /// Look-ups and keys that more than one row has.
    pub(crate) ambiguous: Vec<(usize, u32)>,
}

/// The rows that have a key of these records, by any look-up. Blank keys are looked up too, unless they are NULL:
/// they identify no record, but a unique index lets each in once.
/// `values` are the numbers of each record's keys; `lock` is what each SELECT ends with, most often nothing.
pub(crate) async fn find<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    keys: &mut Keys,
    folded: &[usize],
    records: &[(&M::New, &[u32])],
    lock: &str,
) -> Result<Found<M>, Error> {
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
    let mut ambiguous = Vec::new();
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
        let Some(many) = statement::find::<DB, M>(&by_lookup, folded, lock).map_err(failed)? else {
            continue;
        };
        for row in rows(session, many, at).await? {
            let read = row.numbered::<DB>(keys, folded)?;
            let mut is_wanted = false;
            for (lookup, wanted) in wanted.iter_mut().enumerate() {
                let key = keys.unique(lookup, &read.values);
                if let Some(is_found) = wanted.get_mut(&key) {
                    // An index may let more than one blank key in.
                    let is_usable = keys.usable(lookup, &read.values) != NONE;
                    if std::mem::replace(is_found, true) && is_usable {
                        ambiguous.push((lookup, key));
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
    Ok(Found {
        rows: found.into_values().collect(),
        ambiguous,
    })
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

/// A row as the database gave it.
pub(crate) struct Raw<M, R> {
    pub(crate) row: M,
    selected: R,
    at: Step,
}

impl<M, R> Raw<M, R> {
    /// The bytes of its id.
    pub(crate) fn id<DB: Backend>(&self) -> Result<Vec<u8>, Error>
    where
        M: Stored<DB>,
    {
        let id = M::row_column(M::MODEL.id, Bytes(&self.row));
        let id = id.map_err(|source| Error::of::<DB>(self.at, sqlx::Error::Encode(source)))?;
        Ok(id.unwrap_or_default())
    }

    /// The numbers of its keys. What is compared instead of the folded columns was selected behind the model's columns.
    pub(crate) fn values<DB: Backend<Row = R>>(
        &self,
        keys: &mut Keys,
        folded: &[usize],
    ) -> Result<Vec<u32>, Error>
    where
        M: Stored<DB>,
    {
        let values = keys.of_row::<DB, M>(&self.row, |column| {
            match folded.iter().position(|&folded| folded == column) {
                Some(fold) => {
                    DB::Driver::selected_bytes(&self.selected, M::MODEL.columns.len() + fold)
                }
                None => Ok(None),
            }
        });
        values.map_err(|source| Error::of::<DB>(self.at, source))
    }

    fn numbered<DB: Backend<Row = R>>(
        self,
        keys: &mut Keys,
        folded: &[usize],
    ) -> Result<Read<M>, Error>
    where
        M: Stored<DB>,
    {
        Ok(Read {
            id: self.id::<DB>()?,
            values: self.values::<DB>(keys, folded)?,
            row: self.row,
        })
    }
}

async fn rows<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    many: Many<DB>,
    at: Step,
) -> Result<Vec<Raw<M, DB::Row>>, Error> {
    let failed = |source| Error::of::<DB>(at, source);
    let rows = send(session, many).await.map_err(failed)?;
    let raw = |selected| {
        Ok(Raw {
            row: M::decode(&selected)?,
            selected,
            at,
        })
    };
    let rows = rows.into_iter().map(raw);
    rows.collect::<sqlx::Result<_>>().map_err(failed)
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
    // The database sorts. Where that takes more than one statement, the order holds in each of them.
    let size = if DB::Driver::ARRAYS {
        usize::MAX
    } else {
        DB::Driver::MOST_VALUES
    };
    for known in known.chunks(size) {
        let many = statement::lock::<DB, M>(known, folded, session.locking)
            .map_err(|source| Error::of::<DB>(at, source))?;
        for row in rows::<DB, M>(session, many, at).await? {
            locked.push(row.numbered::<DB>(keys, folded)?);
        }
    }
    Ok(locked)
}

/// A page of the table, in the order of the ids.
pub(crate) async fn page<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    folded: &[usize],
    after: Option<&M>,
    size: usize,
) -> Result<Vec<Raw<M, DB::Row>>, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::LookUpMany);
    let many = statement::page::<DB, M>(after, folded, size)
        .map_err(|source| Error::of::<DB>(at, source))?;
    rows(session, many, at).await
}

/// The names of columns.
pub(crate) fn names<M: LockedUpsert>(columns: &[usize]) -> Vec<&'static str> {
    let names = columns.iter().map(|&column| M::MODEL.columns[column].field);
    names.collect()
}
