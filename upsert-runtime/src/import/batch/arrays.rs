//! What the statements of many rows have in common.
//!
//! Where the database has arrays, a column is one value, and a text is the same for any number of rows. Elsewhere, and for
//! models with array columns (`unnest` would flatten them), each row is a list of values.

use crate::backend::{Dialect as _, Supported};
use crate::mapping::Mapping;
use crate::step::Statement;
use crate::value::Row;

impl<DB: Supported> Statement<DB> {
    /// `"id" = ANY($1::INT8[])`
    pub(super) fn id_in(&mut self, mapping: Mapping<DB>, rows: &[&Row]) -> sqlx::Result<()> {
        let id = mapping.sql().names[mapping.model.id];
        self.push(id);
        if DB::Driver::CAPABILITIES.arrays {
            self.push(" = ANY(");
            self.id_array(mapping, rows)?;
        } else {
            self.push(" IN (");
            for (place, row) in rows.iter().enumerate() {
                self.separate(place);
                self.id(mapping, row)?;
            }
        }
        self.push(")");
        Ok(())
    }

    /// The ids of rows, as one value.
    pub(super) fn id_array(&mut self, mapping: Mapping<DB>, rows: &[&Row]) -> sqlx::Result<()> {
        mapping.bind_ids(rows, &mut self.arguments)?;
        self.array_placeholder(&mapping.type_name(mapping.model.id));
        Ok(())
    }

    /// `$1::TEXT[]`
    pub(super) fn array_placeholder(&mut self, type_name: &str) {
        self.placeholder();
        self.push("::");
        self.push(type_name);
        self.push("[]");
    }
}

impl<DB: Supported> Mapping<DB> {
    /// Whether a column of many rows can be sent as an array: `unnest` flattens an array of arrays.
    pub(super) fn uses_arrays(self) -> bool {
        let mut columns = self.model.created.iter().chain(self.model.updated);
        DB::Driver::CAPABILITIES.arrays
            && !columns.any(|&column| self.type_name(column).ends_with("[]"))
    }

    /// How many rows one statement takes that binds so many values for each.
    pub(super) fn most_rows(self, values: usize) -> usize {
        if self.uses_arrays() {
            return usize::MAX;
        }
        (DB::Driver::CAPABILITIES.most_values / values.max(1)).max(1)
    }
}
