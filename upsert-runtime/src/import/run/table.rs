//! The table that an import works on.

use std::collections::HashSet;
use std::mem;

use sqlx_core::rt;

use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::import::batch::{
    self, Facts, Judge, KeptRows, KeyColumns, KeyReader, Moved, NumberedRow, SelfReference,
};
use crate::import::plan::{IdentityMap, Keys, Plan, Planning, Rules, Shape, Versions};
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
    /// Its rows that need not be read again.
    pub(super) kept: KeptRows,
    /// Its key columns that have had to be parked.
    pub(super) key_columns: KeyColumns,
    /// Whether a row that the import created could be read.
    pub(super) is_readable: bool,
    /// What the rules say of its rows.
    pub(super) judge: Judge<'t, DB>,
    /// Whether the rows that the records find are locked before the plan is made.
    pub(super) locks_first: bool,
    /// Whether rows that come up on the way are taken for those that its own writes put there.
    pub(super) brings_rows: bool,
    /// The rows that were the last to move.
    pub(super) moved: Moved,
}

impl<'t, DB: Supported> Table<'t, DB> {
    /// A table of which nothing is known.
    pub(super) fn new(mapping: Mapping<DB>, place: Place<'t, DB>, judge: Judge<'t, DB>) -> Self {
        let (model, rules) = (mapping.model, mapping.fields.rules);
        let keys = Keys::new(&Shape {
            lookups: model.lookups.iter().map(|key| key.columns).collect(),
            uniques: rules.uniques.iter().map(|key| key.columns).collect(),
            updated: model.updated,
            keep_none: rules.keep_none,
        });
        let mut map = IdentityMap::new(keys);
        let is_older = mapping.fields.is_older;
        map.records.versions = rules.newer.map(|_| Versions::new(is_older));
        map.keys.finds_marked = judge.finds_marked();
        Self {
            facts: Facts::default(),
            map,
            judge,
            references: Vec::new(),
            kept: KeptRows::default(),
            locks_first: false,
            brings_rows: false,
            moved: Moved::default(),
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
        self.map
            .keys
            .marked_hold
            .clone_from(&self.facts.marked_hold);
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
        self.place.run(&mut work).await?;
        Ok(())
    }

    /// Undoes what was written, and keeps the rows locked that were locked first. Those that were in the way are locked, too. Says
    /// whether others had put them there: what this import's own writes did is undone with them.
    pub(super) async fn start_over(&mut self) -> Result<bool, Error> {
        self.place.return_to_mark().await?;
        let Moved {
            strangers,
            by_others,
            ..
        } = mem::take(&mut self.moved);
        let rows: Vec<&Row> = strangers.iter().map(|read| &read.row).collect();
        let mut work = Locks {
            mapping: self.mapping,
            map: &mut self.map,
            collated: &self.facts.collated,
            rows: &rows,
        };
        let locked = self.place.run(&mut work).await?;
        let found = strangers.iter().map(|read| (&read.id, &read.values));
        let found: HashSet<_> = found.collect();
        let is_still_there = |read: &NumberedRow| found.contains(&(&read.id, &read.values));
        Ok(by_others || locked.iter().any(is_still_there))
    }

    /// Whether what has moved last was moved by this import, in one transaction: by a trigger or a foreign key that its own writes
    /// set off. Then the plan can be made again with what is written; nobody else comes before or after it for that.
    pub(super) async fn has_moved_itself(&mut self) -> bool {
        let Moved {
            strangers,
            by_others,
            by_versions,
        } = &self.moved;
        if *by_versions {
            return true;
        }
        if *by_others || !self.place.is_one_transaction() {
            return false;
        }
        let is_alone = !DB::Driver::CAPABILITIES.locks_rows;
        let has_locked = self.locks_first && (strangers.is_empty() || self.brings_rows);
        is_alone || has_locked || self.place.sees_a_snapshot().await
    }

    /// Whether rows that need no change are read with their chunks all the same: something may happen to them, or they are to be shown.
    pub(super) fn reads_unchanged(&self, wants_rows: bool) -> bool {
        self.facts.writes_itself || self.place.is_one_transaction() || wants_rows
    }

    /// Whether rows are kept that are to be changed, as it is enough to ask whether they are still of the version that was read.
    pub(super) fn keeps_rows(&self, wants_rows: bool) -> bool {
        DB::Driver::CAPABILITIES.locks_in_order
            && self.facts.are_keys_unique
            && !self.reads_unchanged(wants_rows)
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
    rows: &'i [&'i Row],
}

impl<DB: Supported> UnitOfWork<DB> for Locks<'_, DB> {
    type Output = Vec<NumberedRow>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Vec<NumberedRow>, Error> {
        let mut reader = KeyReader::new(session, &mut self.map.keys, self.collated);
        reader.take_agreed_lock().await?;
        reader.lock(self.rows).await
    }
}
