//! The table that an import works on.

use sqlx_core::rt;

use crate::backend::Supported;
use crate::import::batch::{Candidates, SelfReference, collated};
use crate::import::options::Scope;
use crate::import::plan::{IdentityMap, Keys, Plan, Planning, Rules};
use crate::mapping::Mapping;

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
            collated: collated(mapping, &keys.columns),
            map: IdentityMap::new(keys),
            candidates: Candidates::new(mapping, scope),
            references: Vec::new(),
            mapping,
            place,
        }
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
