//! Which rows are deleted if no record is one of them.

use crate::backend::Supported;
use crate::import::options::OfRow;
use crate::mapping::Mapping;
use crate::value::Row;

/// Judges rows: whether one is deleted if no record is this row.
pub(crate) struct Candidates<'s, DB: Supported> {
    mapping: Mapping<DB>,
    /// Which rows may be missing; without it all.
    scope: Option<&'s mut OfRow<'s>>,
}

impl<'s, DB: Supported> Candidates<'s, DB> {
    pub(crate) fn new(mapping: Mapping<DB>, scope: Option<&'s mut OfRow<'_>>) -> Self {
        Self {
            mapping,
            scope: match scope {
                Some(scope) => Some(scope),
                None => None,
            },
        }
    }

    /// Lends the candidates on.
    pub(crate) fn reborrow(&mut self) -> Candidates<'_, DB> {
        Candidates::new(self.mapping, self.scope.as_deref_mut())
    }

    /// Whether the row has a usable first key and is in the scope.
    pub(crate) fn has(&mut self, row: &Row) -> bool {
        let first = &self.mapping.model.lookups[0];
        self.mapping.usable_in_row(first, row) && self.scope.as_mut().is_none_or(|scope| scope(row))
    }
}
