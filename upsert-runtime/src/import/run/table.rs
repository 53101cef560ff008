//! The table that an import works on.

use sqlx_core::rt;

use crate::backend::Supported;
use crate::error::Error;
use crate::import::batch::{Candidates, SelfReference, collated};
use crate::import::options::Scope;
use crate::import::plan::{IdentityMap, Keys, Plan, Planning, Rules};
use crate::mapping::Mapping;
use crate::step::Session;
use crate::transaction::UnitOfWork;

use super::place::Place;

/// The table that an import works on: where its statements are sent, and what is known of its rows and of the records.
pub(super) struct Table<'t, DB: Supported> {
    pub(super) mapping: Mapping<DB>,
    pub(super) place: Place<'t, DB>,
    pub(super) map: IdentityMap,
    /// The columns that are compared by a collation key.
    pub(super) collated: Vec<usize>,
    /// Its foreign keys to itself, which are asked for if rows are missing.
    pub(super) references: Vec<SelfReference>,
    /// Which rows may be missing.
    pub(super) candidates: Candidates<'t, DB>,
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
            collated: Vec::new(),
            map: IdentityMap::new(keys),
            candidates: Candidates::new(mapping, scope),
            references: Vec::new(),
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
        self.collated = self.place.run(&mut work).await?;
        Ok(())
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
    type Output = Vec<usize>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Vec<usize>, Error> {
        collated(session, self.keys).await
    }
}
