//! The table that an import works on.

use sqlx_core::rt;

use crate::backend::Supported;
use crate::error::Error;
use crate::import::batch::{self, Candidates, Facts, KeyColumns, KeyReader, SelfReference};
use crate::import::options::Scope;
use crate::import::plan::{IdentityMap, Keys, Plan, Planning, Rules};
use crate::mapping::Mapping;
use crate::step::Session;
use crate::transaction::UnitOfWork;
use crate::value::Row;

use super::place::Place;

/// The table that an import works on: where its statements are sent, and what is known of its rows and of the records.
pub(super) struct Table<'t, DB: Supported> {
    pub(super) mapping: Mapping<DB>,
    pub(super) place: Place<'t, DB>,
    pub(super) map: IdentityMap,
    pub(super) facts: Facts,
    /// Its foreign keys to itself, which are asked for if rows are missing.
    pub(super) references: Vec<SelfReference>,
    /// Its key columns that have had to be parked.
    pub(super) key_columns: KeyColumns,
    /// Whether a row that the import created could be read.
    pub(super) is_readable: bool,
    /// Which rows may be missing.
    pub(super) candidates: Candidates<'t, DB>,
    /// Whether the rows that the records find are locked before the plan is made.
    pub(super) locks_first: bool,
    /// Rows that were found when others had moved some.
    pub(super) moved: Vec<Row>,
}

impl<'t, DB: Supported> Table<'t, DB> {
    /// A table of which nothing is known.
    pub(super) fn new(
        mapping: Mapping<DB>,
        place: Place<'t, DB>,
        scope: Option<&'t mut Scope<'_>>,
    ) -> Self {
        let model = mapping.model;
        let keys = Keys::new(model.lookups.iter().map(|key| key.columns), model.updated);
        Self {
            facts: Facts::default(),
            map: IdentityMap::new(keys),
            candidates: Candidates::new(mapping, scope),
            references: Vec::new(),
            locks_first: false,
            moved: Vec::new(),
            key_columns: KeyColumns::new(),
            is_readable: false,
            mapping,
            place,
        }
    }

    /// Asks what must be known of the table before anything is done.
    pub(super) async fn learn(&mut self) -> Result<(), Error> {
        let mut work = Learn {
            mapping: self.mapping,
            keys: &self.map.keys,
        };
        self.facts = self.place.run(&mut work).await?;
        Ok(())
    }

    /// Has the rows that the records find locked before the plan is made. One import at a time does so: in which order it locks
    /// them is its records', and two would meet in the middle.
    pub(super) async fn lock_first(&mut self) -> Result<(), Error> {
        self.locks_first = true;
        let mut work = Locks {
            mapping: self.mapping,
            map: &mut self.map,
            collated: &self.facts.collated,
            rows: &[],
        };
        self.place.run(&mut work).await
    }

    /// Undoes what was written, and keeps the rows locked that were locked first. Those that were in the way are locked, too.
    pub(super) async fn start_over(&mut self) -> Result<(), Error> {
        self.place.return_to_mark().await?;
        let mut work = Locks {
            mapping: self.mapping,
            map: &mut self.map,
            collated: &self.facts.collated,
            rows: &self.moved,
        };
        self.place.run(&mut work).await
    }

    /// Makes the plan. It asks no database, so that others are let run between its stages.
    pub(super) async fn plan(&mut self, rules: &Rules) -> Plan {
        let mut planning = Planning::new(&mut self.map, rules);
        loop {
            if let Some(plan) = planning.step() {
                return plan;
            }
            rt::yield_now().await;
        }
    }
}

/// The question what the table is like, as a unit of work.
struct Learn<'i, DB: Supported> {
    mapping: Mapping<DB>,
    keys: &'i Keys,
}

impl<DB: Supported> UnitOfWork<DB> for Learn<'_, DB> {
    type Output = Facts;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Facts, Error> {
        batch::ask(session, self.keys).await
    }
}

/// The locking of rows before the plan is made, as a unit of work: the lock that imports agree on, and these rows.
struct Locks<'i, DB: Supported> {
    mapping: Mapping<DB>,
    map: &'i mut IdentityMap,
    collated: &'i [usize],
    rows: &'i [Row],
}

impl<DB: Supported> UnitOfWork<DB> for Locks<'_, DB> {
    type Output = ();

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<(), Error> {
        let mut reader = KeyReader::new(session, &mut self.map.keys, self.collated);
        reader.take_agreed_lock().await?;
        let rows: Vec<&Row> = self.rows.iter().collect();
        if !rows.is_empty() {
            reader.lock(&rows).await?;
        }
        Ok(())
    }
}
