//! What the statements of many rows have in common.
//!
//! Where the database has arrays, a column is one value, and a text is the same for any number of rows. Elsewhere, and where a
//! column is an array itself (there are no arrays of arrays), each row is a list of values.

use crate::backend::{Dialect as _, Supported};
use crate::mapping::Mapping;
use crate::step::Statement;
use crate::value::{Row, Value};

impl<DB: Supported> Statement<DB> {
    /// `"id" = ANY($1::INT8[])`
    pub(super) fn id_in(&mut self, mapping: Mapping<DB>, rows: &[&Row]) -> sqlx::Result<()> {
        let id = mapping.model.id;
        self.push(mapping.sql().names[id]);
        if mapping.uses_arrays(&[id]) {
            self.push(" = ANY(");
            self.array(mapping, id, &mapping.ids(rows))?;
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

    /// Values of a column as one: `$1::TEXT[]`, or where only the driver knows the type `COALESCE($1, ARRAY[$2])`, of which the
    /// second one is but a NULL of it.
    pub(super) fn array(
        &mut self,
        mapping: Mapping<DB>,
        column: usize,
        values: &[Option<&Value>],
    ) -> sqlx::Result<()> {
        mapping.bind_array(column, values, &mut self.arguments)?;
        if let Some(array_type) = mapping.array_type(column) {
            self.placeholder();
            self.push("::");
            self.push(&array_type);
        } else {
            self.push("COALESCE(");
            self.placeholder();
            mapping.bind(column, None, &mut self.arguments)?;
            self.push(", ARRAY[");
            self.placeholder();
            self.push("])");
        }
        Ok(())
    }

    /// `unnest($1::TEXT[])`: values of a column, one a row.
    ///
    /// It stands in a list of what is selected: behind FROM a value of a composite type would become its fields.
    pub(super) fn unnested(
        &mut self,
        mapping: Mapping<DB>,
        column: usize,
        values: &[Option<&Value>],
    ) -> sqlx::Result<()> {
        self.push("unnest(");
        self.array(mapping, column, values)?;
        self.push(")");
        Ok(())
    }
}

impl<DB: Supported> Mapping<DB> {
    /// Whether each of these columns of many rows can be sent as an array.
    pub(super) fn uses_arrays(self, columns: &[usize]) -> bool {
        // Both are sqlx's names of arrays.
        let is_array = |&column: &usize| {
            let name = self.type_name(column);
            name.ends_with("[]") || name.starts_with('_')
        };
        DB::Driver::CAPABILITIES.arrays && !columns.iter().any(is_array)
    }

    /// How many rows one statement takes that binds these columns of each.
    pub(super) fn most_rows(self, columns: &[usize]) -> usize {
        if self.uses_arrays(columns) {
            return usize::MAX;
        }
        (DB::Driver::CAPABILITIES.most_values / columns.len().max(1)).max(1)
    }

    /// The columns of all look-ups.
    pub(super) fn lookup_columns(self) -> Vec<usize> {
        let lookups = self.model.lookups.iter();
        lookups.flat_map(|lookup| lookup.columns).copied().collect()
    }
}
