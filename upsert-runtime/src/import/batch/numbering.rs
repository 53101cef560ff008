//! The numbers of the keys of records and rows, by the bytes that the database compares.

use crate::backend::codec::Bytes;
use crate::backend::{Codec as _, Supported};
use crate::error::Error;
use crate::import::plan::Keys;
use crate::mapping::Mapping;
use crate::value::New;

use super::read::SelectedRow;

/// Gives a number to each value of a key column.
pub(crate) struct Numbering<'k, DB: Supported> {
    pub(crate) mapping: Mapping<DB>,
    pub(crate) keys: &'k mut Keys,
    /// The columns that are compared by a collation key.
    pub(crate) collated: &'k [usize],
}

impl<DB: Supported> Numbering<'_, DB> {
    /// The numbers of a record's values. `collation_key` gives the key of the collated column at a place, `None` for a value
    /// that has none.
    pub(super) fn of_record(
        &mut self,
        new: &New,
        collation_key: impl Fn(usize) -> sqlx::Result<Bytes>,
    ) -> sqlx::Result<Vec<u32>> {
        let mapping = self.mapping;
        self.numbers(
            collation_key,
            |column| mapping.bytes_of_new(new, column),
            |column| mapping.is_new_blank(new, column),
        )
    }

    /// The numbers of a row's values. Collation keys were selected behind the model's columns.
    pub(crate) fn of_row(&mut self, selected: &SelectedRow<DB>) -> Result<Vec<u32>, Error> {
        let mapping = self.mapping;
        let first = mapping.model.columns.len();
        let numbers = self.numbers(
            |place| DB::Driver::selected_bytes(&selected.columns, first + place),
            |column| mapping.bytes_of_row(&selected.row, column),
            |column| mapping.is_row_blank(&selected.row, column),
        );
        numbers.map_err(|source| Error::of::<DB>(selected.at, source))
    }

    fn numbers(
        &mut self,
        collation_key: impl Fn(usize) -> sqlx::Result<Bytes>,
        bytes: impl Fn(usize) -> sqlx::Result<Bytes>,
        is_blank: impl Fn(usize) -> bool,
    ) -> sqlx::Result<Vec<u32>> {
        let mut numbers = Vec::with_capacity(self.keys.width());
        for place in 0..self.keys.width() {
            let column = self.keys.columns[place];
            let collated = self.collated.iter().position(|&other| other == column);
            let compared = match collated.map(&collation_key).transpose()?.flatten() {
                Some(compared) => Some(compared),
                None => bytes(column)?,
            };
            numbers.push(self.keys.number(place, compared, is_blank(column)));
        }
        Ok(numbers)
    }
}
