//! Reads many rows at once, with the numbers of their keys.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use crate::backend::codec::Bytes;
use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::error::{Error, Operation, Step, Unreadable};
use crate::import::plan::{IdentityMap, Keys, NONE};
use crate::mapping::Mapping;
use crate::schema::Sql;
use crate::step::{Session, Statement};
use crate::value::{New, Row};

use super::arrays::most_lists;
use super::cascade::SelfReference;
use super::numbering::Numbering;
use super::select::Among;

/// A record, with the numbers of its key columns.
#[derive(Clone, Copy)]
pub(crate) struct Keyed<'r> {
    pub(crate) new: &'r New,
    pub(crate) values: &'r [u32],
}

/// A row as the database gave it.
pub(crate) struct SelectedRow<DB: Supported> {
    pub(crate) row: Row,
    /// The columns that were selected: those of the model, and behind them the collation keys.
    pub(super) columns: DB::Row,
    /// What was being done, for errors.
    pub(super) at: Step,
}

impl<DB: Supported> SelectedRow<DB> {
    /// The bytes of its id.
    pub(crate) fn id(&self, mapping: Mapping<DB>) -> Result<Vec<u8>, Error> {
        let id = mapping.id_bytes(&self.row);
        id.map_err(|source| Error::of::<DB>(self.at, source))
    }
}

/// A row, with its id in bytes and the numbers of its key columns.
pub(crate) struct NumberedRow {
    pub(crate) row: Row,
    pub(crate) id: Vec<u8>,
    pub(crate) values: Vec<u32>,
    /// Whether it is marked as deleted.
    pub(crate) is_marked: bool,
    /// Its version and how many bytes it is, where that was asked for and it has one.
    pub(crate) version: Option<(i64, usize)>,
}

/// Where the next page of a table begins.
#[derive(Default)]
pub(crate) struct Cursor {
    /// The last row that could be read.
    pub(super) last: Option<Arc<Row>>,
    /// How many rows that cannot be read come behind it.
    pub(super) beyond: usize,
}

impl Cursor {
    /// Goes on behind a row.
    pub(crate) fn pass(&mut self, row: &Arc<Row>) {
        *self = Self {
            last: Some(Arc::clone(row)),
            beyond: 0,
        };
    }

    /// Goes on behind a row that cannot be read.
    pub(crate) fn pass_unreadable(&mut self) {
        self.beyond += 1;
    }
}

/// What many records find.
pub(crate) struct FoundMany {
    pub(crate) rows: Vec<NumberedRow>,
    /// Look-ups and keys that more than one row has.
    pub(crate) ambiguous: Vec<(usize, u32)>,
    /// Look-ups and keys by which a row is found that is marked as deleted, and its place among the rows.
    pub(crate) marked: Vec<(usize, u32, usize)>,
}

impl FoundMany {
    /// Notes all of it. Gives the rows with their numbers, and says whether something of it is news.
    pub(crate) fn note(self, map: &mut IdentityMap) -> (Vec<(u32, NumberedRow, bool)>, bool) {
        let mut has_news = false;
        let mut rows = Vec::with_capacity(self.rows.len());
        for read in self.rows {
            let (row, is_news) = map.see(&read.id, &read.values, read.is_marked);
            has_news |= is_news;
            rows.push((row, read, is_news));
        }
        for (lookup, key) in self.ambiguous {
            has_news |= map.see_ambiguous(lookup, key);
        }
        for (lookup, key, place) in self.marked {
            has_news |= map.see_marked(lookup, key, rows[place].0);
        }
        (rows, has_news)
    }
}

/// The rows that were found so far, look-up by look-up.
#[derive(Default)]
struct Finding {
    rows: Vec<NumberedRow>,
    /// The places of the rows, by their ids.
    by_id: HashMap<Vec<u8>, usize>,
    /// For each look-up that was asked, the place of the row that has this key.
    by_key: Vec<HashMap<u32, usize>>,
}

impl Finding {
    /// The records that are to be looked up by this key, each key once, and the keys.
    ///
    /// Who has found a row that has this key as well need not ask who has it. Blank keys are looked up too, unless they are NULL:
    /// they identify no record, but a unique index lets each in once.
    fn open<'r>(
        &self,
        keys: &mut Keys,
        lookup: usize,
        records: &[Keyed<'r>],
    ) -> (Vec<&'r New>, HashMap<u32, bool>) {
        let (mut open, mut once) = (Vec::new(), HashMap::new());
        for record in records {
            let key = keys.unique(lookup, record.values);
            if key == NONE {
                continue;
            }
            if !self.has(keys, lookup, record, key) && once.insert(key, false).is_none() {
                open.push(record.new);
            }
        }
        (open, once)
    }

    /// Whether the row that a record has found has this key as well.
    fn has(&self, keys: &mut Keys, lookup: usize, record: &Keyed<'_>, key: u32) -> bool {
        let found = self.by_key.iter().enumerate();
        let mut found = found.filter_map(|(lookup, by_key)| {
            let place = by_key.get(&keys.usable(lookup, record.values))?;
            self.rows.get(*place)
        });
        let row = found.next();
        row.is_some_and(|row| {
            (!row.is_marked || keys.marked_hold[lookup]) && keys.unique(lookup, &row.values) == key
        })
    }

    /// The records that have found no row by this look-up and may find one that is marked as deleted, each key once.
    fn without_row<'r>(
        &self,
        keys: &mut Keys,
        lookup: usize,
        records: &[Keyed<'r>],
        by_key: &HashMap<u32, usize>,
    ) -> Vec<&'r New> {
        let mut once = HashSet::new();
        let mut open = Vec::new();
        for record in records {
            let key = keys.usable(lookup, record.values);
            if key != NONE
                && !by_key.contains_key(&key)
                && !self.has(keys, lookup, record, key)
                && once.insert(key)
            {
                open.push(record.new);
            }
        }
        open
    }

    /// Takes note of a row. One that was found before is another one by now.
    fn add(&mut self, row: NumberedRow) -> usize {
        let next = self.rows.len();
        let place = *self.by_id.entry(row.id.clone()).or_insert(next);
        if place == next {
            self.rows.push(row);
        } else {
            self.rows[place] = row;
        }
        place
    }
}

/// Reads rows, and tells them apart by the numbers of their keys.
pub(crate) struct KeyReader<'a, 'c, DB: Supported> {
    pub(super) session: &'a mut Session<'c, DB>,
    pub(super) numbering: Numbering<'a, DB>,
    /// What tells the version of a row, where it is asked for.
    version: Option<String>,
}

impl<'a, 'c, DB: Supported> KeyReader<'a, 'c, DB> {
    /// `collated` are the columns that are compared by a collation key.
    pub(crate) fn new(
        session: &'a mut Session<'c, DB>,
        keys: &'a mut Keys,
        collated: &'a [usize],
    ) -> Self {
        let numbering = Numbering {
            mapping: session.mapping,
            keys,
            collated,
        };
        Self {
            session,
            numbering,
            version: None,
        }
    }

    /// The same, which asks for the versions of the rows that are found, where they have such.
    pub(crate) fn with_versions(self) -> Self {
        let version = self.session.mapping.version();
        Self { version, ..self }
    }

    /// The rows that have a key of these records, by any look-up. They are locked where `lock` says how.
    pub(crate) async fn find(
        &mut self,
        records: &[Keyed<'_>],
        lock: Option<&str>,
    ) -> Result<FoundMany, Error> {
        let mapping = self.session.mapping;
        let mut finding = Finding::default();
        let (mut ambiguous, mut marked) = (Vec::new(), Vec::new());
        let lookups = mapping.model.lookups.len();
        for lookup in 0..self.numbering.keys.all() {
            let columns = mapping.key_columns(lookup);
            let (open, mut is_met) = finding.open(self.numbering.keys, lookup, records);
            let mut by_key = HashMap::new();
            let marked_hold = self.numbering.keys.marked_hold[lookup];
            let among = if marked_hold { Among::All } else { Among::Live };
            for open in open.chunks(mapping.most_rows(columns)) {
                for numbered in self.find_among((columns, among), open, lock).await? {
                    let keys = &mut *self.numbering.keys;
                    let number = keys.unique(lookup, &numbered.values);
                    let Some(is_met) = is_met.get_mut(&number) else {
                        return Err(compared_otherwise(mapping));
                    };
                    // An index may let more than one blank key in.
                    let is_usable = keys.usable(lookup, &numbered.values) != NONE;
                    if mem::replace(is_met, true) && is_usable && lookup < lookups {
                        ambiguous.push((lookup, number));
                    }
                    by_key.insert(number, finding.add(numbered));
                }
            }
            if lookup < lookups && self.numbering.keys.finds_marked && !marked_hold {
                let keys = &mut *self.numbering.keys;
                let open = finding.without_row(keys, lookup, records, &by_key);
                for open in open.chunks(mapping.most_rows(columns)) {
                    let among = (columns, Among::Marked);
                    for numbered in self.find_among(among, open, lock).await? {
                        let key = self.numbering.keys.unique(lookup, &numbered.values);
                        marked.push((lookup, key, finding.add(numbered)));
                    }
                }
            }
            finding.by_key.push(by_key);
        }
        Ok(FoundMany {
            rows: finding.rows,
            ambiguous,
            marked,
        })
    }

    /// The rows that have this key of one of the records.
    async fn find_among(
        &mut self,
        among: (&[usize], Among),
        records: &[&New],
        lock: Option<&str>,
    ) -> Result<Vec<NumberedRow>, Error> {
        let (collated, version) = (self.numbering.collated, self.version.as_deref());
        let (mapping, failed) = (
            self.session.mapping,
            self.session.failed(Operation::LookUpMany),
        );
        let find = Statement::find_by_key(mapping, among, records, (collated, version), lock);
        let find = find.map_err(failed)?;
        self.numbered_rows(find, Operation::LookUpMany).await
    }

    /// The same without a lock given, but all that is found is locked in the end, in the order of the ids.
    pub(crate) async fn find_and_lock(
        &mut self,
        records: &[Keyed<'_>],
    ) -> Result<FoundMany, Error> {
        // What others create and delete meanwhile would be new each time.
        const MOST_ROUNDS: u32 = 20;
        let mut locked: HashSet<Vec<u8>> = HashSet::new();
        let mut found = self.find(records, None).await?;
        for _ in 0..MOST_ROUNDS {
            let is_new = |read: &&NumberedRow| !locked.contains(&read.id);
            let new: Vec<&NumberedRow> = found.rows.iter().filter(is_new).collect();
            if new.is_empty() {
                break;
            }
            let known: Vec<&Row> = new.iter().map(|read| &read.row).collect();
            self.lock(&known).await?;
            locked.extend(new.into_iter().map(|read| read.id.clone()));
            found = self.find(records, None).await?;
        }
        Ok(found)
    }

    /// Takes the lock that imports into the table agree on.
    pub(crate) async fn take_agreed_lock(&mut self) -> Result<(), Error> {
        let mapping = self.session.mapping;
        let Sql { from, names, .. } = mapping.sql();
        if let Some(lock) = DB::Driver::agreed_lock(from, names[mapping.model.id]) {
            let failed = self.session.failed(Operation::Lock);
            let lock = Statement::planned(lock);
            self.session.fetch(lock).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Locks these rows, in the order of their ids, and reads them as they are now. Those that are gone are not among them.
    pub(crate) async fn lock(&mut self, known: &[&Row]) -> Result<Vec<NumberedRow>, Error> {
        let failed = self.session.failed(Operation::Lock);
        let (mapping, locking) = (self.session.mapping, self.session.locking);
        let mut locked = Vec::with_capacity(known.len());
        // The database sorts. Where that takes more than one statement, the order holds in each of them.
        for known in known.chunks(mapping.most_rows(&[mapping.model.id])) {
            let lock = Statement::lock_rows(mapping, known, self.numbering.collated, locking);
            let lock = lock.map_err(failed)?;
            locked.extend(self.numbered_rows(lock, Operation::Lock).await?);
        }
        Ok(locked)
    }

    /// Reads these rows as they are now, without a lock, where a lock may leave rows out that may not be written; elsewhere
    /// what a lock leaves out is gone.
    pub(crate) async fn in_sight(&mut self, known: &[&Row]) -> Result<Vec<NumberedRow>, Error> {
        if known.is_empty() || !DB::Driver::CAPABILITIES.hides_rows {
            return Ok(Vec::new());
        }
        let mut session = self.session.reading();
        let Numbering { keys, collated, .. } = &mut self.numbering;
        KeyReader::new(&mut session, keys, collated)
            .lock(known)
            .await
    }

    /// The rows that refer to these by a foreign key of the table to itself, locked in the order of their ids. It fails if one of
    /// them may not be written: what the database does by itself asks no policy.
    pub(super) async fn referring(
        &mut self,
        rows: &[&Row],
        reference: &SelfReference,
    ) -> Result<Vec<NumberedRow>, Error> {
        let locked = self.all_referring(rows, reference).await?;
        if DB::Driver::CAPABILITIES.hides_rows {
            let mut session = self.session.reading();
            let Numbering { keys, collated, .. } = &mut self.numbering;
            let mut reader = KeyReader::new(&mut session, keys, collated);
            let seen = reader.all_referring(rows, reference).await?;
            let ids: HashSet<&[u8]> = locked.iter().map(|read| &*read.id).collect();
            if seen.iter().any(|read| !ids.contains(&*read.id)) {
                return Err(Error::out_of_reach(self.session.at(Operation::Delete)));
            }
        }
        Ok(locked)
    }

    async fn all_referring(
        &mut self,
        rows: &[&Row],
        reference: &SelfReference,
    ) -> Result<Vec<NumberedRow>, Error> {
        let failed = self.session.failed(Operation::Lock);
        let (mapping, locking) = (self.session.mapping, self.session.locking);
        let mut referring = Vec::new();
        for rows in rows.chunks(mapping.most_rows(&[mapping.model.id])) {
            let collated = self.numbering.collated;
            let select = Statement::referring(mapping, rows, reference, collated, locking);
            let select = select.map_err(failed)?;
            referring.extend(self.numbered_rows(select, Operation::Lock).await?);
        }
        Ok(referring)
    }

    /// A page of the table, in the order of the ids. A row of it that cannot be read is told by its id.
    pub(crate) async fn page(
        &mut self,
        after: &Cursor,
        size: usize,
    ) -> Result<Vec<Result<SelectedRow<DB>, Box<Unreadable>>>, Error> {
        let (mapping, collated) = (self.session.mapping, self.numbering.collated);
        let at = self.session.at(Operation::LookUpMany);
        let failed = self.session.failed(Operation::LookUpMany);
        let page = Statement::page(mapping, after, collated, size).map_err(failed)?;
        let rows = self.session.fetch(page).await.map_err(failed)?;
        self.tell_rows_apart(&rows).await.map_err(failed)?;
        let read = |columns: DB::Row| match mapping.decode(&columns) {
            Ok(row) => Ok(SelectedRow { row, columns, at }),
            Err(source) => {
                let place = mapping.model.columns.len() + collated.len();
                let id = DB::Driver::selected_bytes(&columns, place).ok().flatten();
                Err(Box::new(Unreadable {
                    id: id.and_then(|id| String::from_utf8(id).ok()),
                    error: failed(source),
                }))
            }
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// The numbers of these records' keys.
    pub(crate) async fn values(&mut self, records: &[&New]) -> Result<Vec<Vec<u32>>, Error> {
        let values = if self.numbering.collated.is_empty() {
            let values = records
                .iter()
                .map(|new| self.numbering.of_record(new, |_| Ok(None)));
            values.collect()
        } else {
            self.collated_values(records).await
        };
        values.map_err(self.session.failed(Operation::LookUpMany))
    }

    /// The numbers of these records' keys where the database must be asked for collation keys.
    async fn collated_values(&mut self, records: &[&New]) -> sqlx::Result<Vec<Vec<u32>>> {
        let (mapping, collated) = (self.session.mapping, self.numbering.collated);
        let mut keys: Vec<Vec<Bytes>> = vec![Vec::new(); records.len()];
        let size = most_lists::<DB>(collated.len());
        for (start, records) in (0..).step_by(size).zip(records.chunks(size)) {
            let select = Statement::collation_keys(mapping, records, collated)?;
            for row in self.session.fetch(select).await? {
                let number = DB::Driver::number(&row, 0)?;
                let place = number.and_then(|number| usize::try_from(number).ok());
                // The last record may be there several times.
                let place = place
                    .ok_or(sqlx::Error::RowNotFound)?
                    .min(records.len() - 1);
                let of_record =
                    (0..collated.len()).map(|key| DB::Driver::selected_bytes(&row, 1 + key));
                keys[start + place] = of_record.collect::<sqlx::Result<_>>()?;
            }
        }
        self.tell_apart(&keys).await?;
        let numbered = records.iter().zip(keys).map(|(new, keys)| {
            let collation_key = |key: usize| Ok(keys.get(key).cloned().flatten());
            self.numbering.of_record(new, collation_key)
        });
        numbered.collect()
    }

    /// The rows of a SELECT.
    async fn select(
        &mut self,
        select: Statement<DB>,
        operation: Operation,
    ) -> Result<Vec<SelectedRow<DB>>, Error> {
        let mapping = self.session.mapping;
        let at = self.session.at(operation);
        let failed = self.session.failed(operation);
        let rows = self.session.fetch(select).await.map_err(failed)?;
        self.tell_rows_apart(&rows).await.map_err(failed)?;
        let selected = |columns| {
            Ok(SelectedRow {
                row: mapping.decode(&columns)?,
                columns,
                at,
            })
        };
        let rows = rows.into_iter().map(selected);
        rows.collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// The rows of a SELECT, with the numbers of their keys.
    async fn numbered_rows(
        &mut self,
        select: Statement<DB>,
        operation: Operation,
    ) -> Result<Vec<NumberedRow>, Error> {
        let mut rows = Vec::new();
        for selected in self.select(select, operation).await? {
            rows.push(self.numbered(selected)?);
        }
        Ok(rows)
    }

    fn numbered(&mut self, selected: SelectedRow<DB>) -> Result<NumberedRow, Error> {
        let Numbering {
            mapping, collated, ..
        } = self.numbering;
        let place = mapping.model.columns.len() + collated.len();
        let version = self.version.as_ref();
        let version = version.map(|_| DB::Driver::number(&selected.columns, place));
        let version = version
            .transpose()
            .map_err(|source| Error::of::<DB>(selected.at, source))?;
        Ok(NumberedRow {
            id: selected.id(mapping)?,
            values: self.numbering.of_row(&selected)?,
            version: version
                .flatten()
                .map(|version| (version, DB::Driver::bytes_of(&selected.columns))),
            is_marked: mapping.is_deleted(&selected.row),
            row: selected.row,
        })
    }
}

/// The database calls values equal, and there is no way to tell which.
pub(super) fn compared_otherwise<DB: Supported>(mapping: Mapping<DB>) -> Error {
    Error::Unsupported {
        model: Some(mapping.model.name),
        option: "an import by a key of which it cannot be told beforehand which values are equal",
        database: DB::Driver::CAPABILITIES.title,
    }
}
