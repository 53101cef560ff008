//! What the statements of many rows have in common.
//!
//! Where the database has arrays, a column is one value, and a text is the same for any number of rows. Elsewhere, and where a
//! column is an array itself (there are no arrays of arrays), each row is a list of values; then a statement has a power of two of
//! rows, so that there are few texts.

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
            for (place, row) in filled::<DB, _>(rows).enumerate() {
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

/// How many lists of so many values one statement takes.
pub(super) fn most_lists<DB: Supported>(values: usize) -> usize {
    one_size::<DB>((DB::Driver::CAPABILITIES.most_values / values.max(1)).max(1))
}

/// How many of these rows are put into a statement that must not say one of them twice.
pub(super) fn one_size<DB: Supported>(rows: usize) -> usize {
    if DB::Driver::CAPABILITIES.few_sizes && rows > 0 {
        1 << rows.ilog2()
    } else {
        rows
    }
}

/// These rows, with the last one again and again until there are as many as statements come in, where it does no harm to say a row twice.
pub(super) fn filled<DB: Supported, T: Copy>(rows: &[T]) -> impl Iterator<Item = T> {
    let missing = if DB::Driver::CAPABILITIES.few_sizes {
        rows.len().next_power_of_two() - rows.len()
    } else {
        0
    };
    let again = rows.last().into_iter().copied().cycle().take(missing);
    rows.iter().copied().chain(again)
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
        most_lists::<DB>(columns.len())
    }

    /// The columns of a key: look-ups come first, then further unique keys.
    pub(super) fn key_columns(self, key: usize) -> &'static [usize] {
        let (lookups, uniques) = (self.model.lookups, self.fields.rules.uniques);
        match lookups.get(key) {
            Some(lookup) => lookup.columns,
            None => uniques[key - lookups.len()].columns,
        }
    }

    /// The columns of all look-ups.
    pub(super) fn lookup_columns(self) -> Vec<usize> {
        let lookups = self.model.lookups.iter();
        lookups.flat_map(|lookup| lookup.columns).copied().collect()
    }
}
