//! Deletions where the table refers to itself: what the database would remove besides is known, and locked, before it goes.

use std::collections::HashSet;

use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::import::plan::IdentityMap;
use crate::locking::{Locking, Mode};
use crate::mapping::Mapping;
use crate::step::{Session, Statement};
use crate::value::Row;

use super::judge::Judge;
use super::read::{KeyReader, NumberedRow};

/// A foreign key of the table to itself. Its names come from the database's catalog, which has quoted them.
pub(crate) struct SelfReference {
    /// `"parent_id"`
    pub(super) columns: String,
    /// `"id"`
    pub(super) referenced: String,
    /// Whether a row goes with the row that it refers to.
    cascades: bool,
}

impl SelfReference {
    /// Asks the catalog for the table's foreign keys to itself. Fails if others bring a deletion back to it: which rows would go
    /// cannot be known beforehand then.
    pub(crate) async fn all<DB: Supported>(
        session: &mut Session<'_, DB>,
    ) -> Result<Vec<Self>, Error> {
        let failed = session.failed(Operation::LookUpMany);
        let from = session.mapping.sql().from;
        let by_others = Statement::planned(DB::Driver::cascades_by_others(from));
        if !session.fetch(by_others).await.map_err(failed)?.is_empty() {
            return Err(Error::Unsupported {
                model: Some(session.mapping.model.name),
                option: "`Missing::Delete` in a table to which a deletion comes back by ON DELETE CASCADE of another table",
                database: DB::Driver::CAPABILITIES.title,
            });
        }
        let question = DB::Driver::self_references(from);
        let rows = session.fetch(Statement::planned(question)).await;
        let read = |row: &DB::Row| {
            let text = |place| {
                let bytes = DB::Driver::selected_bytes(row, place)?.unwrap_or_default();
                String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
            };
            Ok(Self {
                columns: text(0)?,
                referenced: text(1)?,
                cascades: DB::Driver::number(row, 2)? == Some(1),
            })
        };
        let rows = rows.map_err(failed)?;
        let references: sqlx::Result<_> = rows.iter().map(read).collect();
        references.map_err(failed)
    }
}

/// Deletes rows that no record is.
///
/// Where a deletion takes rows along, it costs a statement for each level of them, a lock of the rows and a look at what is left;
/// elsewhere nothing.
pub(crate) struct Deleter<'d, DB: Supported> {
    pub(crate) mapping: Mapping<DB>,
    pub(crate) map: &'d mut IdentityMap,
    /// The rows that no record is, in the order of their numbers.
    pub(crate) missing: &'d [u32],
    pub(crate) collated: &'d [usize],
    pub(crate) references: &'d [SelfReference],
    pub(crate) judge: Judge<'d, DB>,
    /// How many rows one statement deletes.
    pub(crate) size: usize,
}

impl<DB: Supported> Deleter<'_, DB> {
    /// Deletes rows, which are locked, unless a row would go with them that is to stay. Gives what went besides.
    pub(crate) async fn delete(
        &mut self,
        session: &mut Session<'_, DB>,
        doomed: &[&Row],
    ) -> Result<Vec<NumberedRow>, Error> {
        if self.judge.marks {
            for rows in doomed.chunks(self.size) {
                let mark = Statement::mark_rows(self.mapping, rows);
                session
                    .write_rows(mark, rows.len(), Operation::Update)
                    .await?;
            }
            return Ok(Vec::new());
        }
        if !self.references.iter().any(|reference| reference.cascades) {
            for rows in doomed.chunks(self.size) {
                let delete = Statement::delete_rows(self.mapping, rows);
                session
                    .write_rows(delete, rows.len(), Operation::Delete)
                    .await?;
            }
            return Ok(Vec::new());
        }
        // Locked so, a row is none that others can begin to refer to.
        let mut session = Session {
            connection: &mut *session.connection,
            mapping: self.mapping,
            locking: Locking {
                mode: Mode::Update,
                ..session.locking
            },
        };
        let mut besides = self.lock_besides(&mut session, doomed).await?;
        let failed = session.failed(Operation::Delete);
        for rows in doomed.chunks(self.size) {
            // Of rows that refer to each other one may be gone by the other's deletion, so they are not counted here.
            let delete = Statement::delete_rows(self.mapping, rows).map_err(failed)?;
            session.execute(delete).await.map_err(failed)?;
        }
        let mut all: Vec<&Row> = besides.iter().map(|read| &read.row).collect();
        all.extend(doomed);
        let left = self.reader(&mut session).lock(&all).await?;
        let left: HashSet<Vec<u8>> = left.into_iter().map(|read| read.id).collect();
        for row in doomed {
            if left.contains(&self.mapping.id_bytes(row).map_err(failed)?) {
                return Err(failed(sqlx::Error::RowNotFound));
            }
        }
        besides.retain(|read| !left.contains(&read.id));
        Ok(besides)
    }

    /// Locks the rows that go with these, level by level, and fails if one of them is to stay.
    async fn lock_besides(
        &mut self,
        session: &mut Session<'_, DB>,
        doomed: &[&Row],
    ) -> Result<Vec<NumberedRow>, Error> {
        let failed = session.failed(Operation::Delete);
        let ids = doomed.iter().map(|row| self.mapping.id_bytes(row));
        let mut seen: HashSet<Vec<u8>> = ids.collect::<sqlx::Result<_>>().map_err(failed)?;
        let mut besides: Vec<NumberedRow> = Vec::new();
        if DB::Driver::CAPABILITIES.locks_rows {
            self.reader(session).lock(doomed).await?;
        }
        let references = self.references;
        let mut level: Vec<&Row> = doomed.to_vec();
        loop {
            let mut referring = Vec::new();
            for reference in references.iter().filter(|one| one.cascades) {
                let mut reader = self.reader(session);
                referring.extend(reader.referring(&level, reference).await?);
            }
            referring.retain(|read| seen.insert(read.id.clone()));
            if referring.iter().any(|read| self.is_to_stay(read)) {
                return Err(Error::Conflict {
                    at: session.at(Operation::Delete),
                    constraint: None,
                    holder_is_deleted: false,
                    source: None,
                });
            }
            let start = besides.len();
            besides.extend(referring);
            level = besides[start..].iter().map(|read| &read.row).collect();
            if level.is_empty() {
                return Ok(besides);
            }
        }
    }

    /// Whether a row is one of the import's, or was missing and has changed since. A row of which the import knows nothing goes
    /// as the schema has it.
    fn is_to_stay(&mut self, read: &NumberedRow) -> bool {
        if self.judge.protects(&read.row) {
            return true;
        }
        let Some(row) = self.map.recognize(&read.id, &read.values) else {
            return false;
        };
        self.map.see(&read.id, &read.values, read.is_marked);
        let is_missing = self.missing.binary_search(&row).is_ok() && self.map.is_candidate(row);
        !(is_missing && self.judge.may_go(&read.row))
    }

    fn reader<'r, 'c>(&'r mut self, session: &'r mut Session<'c, DB>) -> KeyReader<'r, 'c, DB> {
        KeyReader::new(session, &mut self.map.keys, self.collated)
    }
}
