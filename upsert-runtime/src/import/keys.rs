//! Keys as numbers: equal numbers are what the database calls equal.

use std::collections::HashMap;

use crate::backend::{Backend, Driver as _};
use crate::field::{Bytes, TypeName};
use crate::model::{Model, Stored};

/// NULL, or no key.
pub(crate) const NONE: u32 = u32::MAX;

/// Set in the number of a value that is stored but identifies no record.
const BLANK: u32 = 1 << 31;

/// The columns of all look-ups, and a number for each value seen in them.
pub(crate) struct Keys {
    /// Their places in the model.
    pub(crate) columns: Vec<usize>,
    /// Whether an update may set them.
    updatable: Vec<bool>,
    /// For each look-up, where its columns are in `columns`.
    lookups: Vec<Vec<usize>>,
    values: Vec<HashMap<Box<[u8]>, u32>>,
    /// For each look-up of several columns, a number for each key.
    tuples: Vec<HashMap<Box<[u32]>, u32>>,
}

impl Keys {
    pub(crate) fn new(model: &Model) -> Self {
        let mut columns: Vec<usize> = Vec::new();
        let mut place = |column: &usize| {
            let known = columns.iter().position(|known| known == column);
            known.unwrap_or_else(|| {
                columns.push(*column);
                columns.len() - 1
            })
        };
        let lookups: Vec<Vec<usize>> = model
            .lookups
            .iter()
            .map(|lookup| lookup.columns.iter().map(&mut place).collect())
            .collect();
        Self {
            updatable: columns
                .iter()
                .map(|column| model.updated.contains(column))
                .collect(),
            values: columns.iter().map(|_| HashMap::new()).collect(),
            tuples: lookups.iter().map(|_| HashMap::new()).collect(),
            columns,
            lookups,
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.len()
    }

    /// The places in the model of the key columns that the database compares otherwise than byte for byte.
    pub(crate) fn folded<DB: Backend, M: Stored<DB>>(&self) -> Vec<usize> {
        let columns = self.columns.iter().copied();
        columns
            .filter(|&column| DB::Driver::folded(&M::row_column(column, TypeName), "").is_some())
            .collect()
    }

    /// The numbers of a record's values. `folded` is what the database compares instead of the folded columns.
    pub(crate) fn of_record<DB: Backend, M: Stored<DB>>(
        &mut self,
        new: &M::New,
        mut folded: impl FnMut(usize) -> sqlx::Result<Option<Vec<u8>>>,
    ) -> sqlx::Result<Vec<u32>> {
        let columns = self.columns.clone();
        let numbers = columns.into_iter().enumerate().map(|(place, column)| {
            let bytes = match folded(column)? {
                Some(bytes) => Some(bytes),
                None => M::new_column(column, Bytes(new)).map_err(sqlx::Error::Encode)?,
            };
            Ok(self.number(place, bytes, M::new_is_blank(new, column)))
        });
        numbers.collect()
    }

    /// The numbers of a row's values, in the same way.
    pub(crate) fn of_row<DB: Backend, M: Stored<DB>>(
        &mut self,
        row: &M,
        mut folded: impl FnMut(usize) -> sqlx::Result<Option<Vec<u8>>>,
    ) -> sqlx::Result<Vec<u32>> {
        let columns = self.columns.clone();
        let numbers = columns.into_iter().enumerate().map(|(place, column)| {
            let bytes = match folded(column)? {
                Some(bytes) => Some(bytes),
                None => M::row_column(column, Bytes(row)).map_err(sqlx::Error::Encode)?,
            };
            Ok(self.number(place, bytes, row.is_blank(column)))
        });
        numbers.collect()
    }

    fn number(&mut self, place: usize, value: Option<Vec<u8>>, is_blank: bool) -> u32 {
        let Some(value) = value else { return NONE };
        let values = &mut self.values[place];
        let next = next_number(values.len());
        let number = *values.entry(value.into_boxed_slice()).or_insert(next);
        if is_blank { number | BLANK } else { number }
    }

    /// The key that these values make, by which a record is found; [`NONE`] if it identifies none.
    pub(crate) fn usable(&mut self, lookup: usize, values: &[u32]) -> u32 {
        let columns = &self.lookups[lookup];
        if columns.iter().any(|&column| values[column] & BLANK != 0) {
            return NONE;
        }
        self.unique(lookup, values)
    }

    /// The key that these values make in a unique index, blank ones too; [`NONE`] if it meets no other.
    pub(crate) fn unique(&mut self, lookup: usize, values: &[u32]) -> u32 {
        let value = |column: &usize| match values[*column] {
            NONE => NONE,
            number => number & !BLANK,
        };
        match &self.lookups[lookup][..] {
            [column] => value(column),
            columns => {
                let tuple: Box<[u32]> = columns.iter().map(value).collect();
                if tuple.contains(&NONE) {
                    return NONE;
                }
                let tuples = &mut self.tuples[lookup];
                let next = next_number(tuples.len());
                *tuples.entry(tuple).or_insert(next)
            }
        }
    }

    /// What a row holds once it is updated: blank keys, and columns that no update sets, stay.
    pub(crate) fn updated(&self, row: &[u32], record: &[u32]) -> Vec<u32> {
        let columns = row.iter().zip(record).zip(&self.updatable);
        columns
            .map(|((&row, &record), &updatable)| {
                if updatable && record & BLANK == 0 {
                    record
                } else {
                    row
                }
            })
            .collect()
    }

    /// The columns of a look-up in which these values differ, as places in the model.
    pub(crate) fn differing(
        &self,
        lookup: usize,
        one: &[u32],
        other: &[u32],
    ) -> impl Iterator<Item = usize> {
        let columns = self.lookups[lookup].iter();
        let differing = columns.filter(|&&column| one[column] != other[column]);
        differing.map(|&column| self.columns[column])
    }
}

fn next_number(taken: usize) -> u32 {
    // Two billion values do not fit into memory.
    u32::try_from(taken).unwrap_or(NONE) & !BLANK
}
