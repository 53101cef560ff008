//! Keys as numbers: equal numbers are what the database calls equal.

use std::collections::HashMap;

use super::numbers::Numbers;

/// NULL, or no key.
pub(crate) const NONE: u32 = u32::MAX;

/// Set in the number of a value that is stored but identifies no record.
const BLANK: u32 = 1 << 31;

/// How a value is spelled, and its number.
pub(crate) type Spelled = (Box<str>, u32);

/// The columns of all look-ups, and a number for each value seen in them.
pub(crate) struct Keys {
    /// Their places in the model.
    pub(crate) columns: Vec<usize>,
    /// Whether an update may set them.
    updatable: Vec<bool>,
    /// For each look-up, where its columns are in `columns`.
    lookups: Vec<Vec<usize>>,
    /// For each of `columns`, the number of each value by the bytes that are compared.
    values: Vec<Numbers>,
    /// For each of `columns`, by their hashes, the values that are known to be no other.
    told_apart: Vec<HashMap<Box<[u8]>, Vec<Spelled>>>,
    /// For each look-up of several columns, a number for each key.
    tuples: Vec<HashMap<Box<[u32]>, u32>>,
}

impl Keys {
    /// `lookups` are the columns of each look-up, `updated` the columns that an update may set, as places in the model.
    pub(crate) fn new<'m>(
        lookups: impl IntoIterator<Item = &'m [usize]>,
        updated: &[usize],
    ) -> Self {
        let mut columns: Vec<usize> = Vec::new();
        let mut place = |column: &usize| {
            let known = columns.iter().position(|known| known == column);
            known.unwrap_or_else(|| {
                columns.push(*column);
                columns.len() - 1
            })
        };
        let lookups: Vec<Vec<usize>> = lookups
            .into_iter()
            .map(|lookup| lookup.iter().map(&mut place).collect())
            .collect();
        Self {
            updatable: columns
                .iter()
                .map(|column| updated.contains(column))
                .collect(),
            values: columns.iter().map(|_| Numbers::default()).collect(),
            told_apart: columns.iter().map(|_| HashMap::new()).collect(),
            tuples: lookups.iter().map(|_| HashMap::new()).collect(),
            columns,
            lookups,
        }
    }

    /// How many key columns there are, and so how many numbers a row or a record has.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// How many look-ups there are.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.len()
    }

    /// The number of a value of the column at this place in `columns`: the bytes by which it is compared, `None` for NULL.
    /// `is_blank` says whether the value identifies no record.
    pub(crate) fn number(&mut self, place: usize, bytes: Option<Vec<u8>>, is_blank: bool) -> u32 {
        let Some(bytes) = bytes else { return NONE };
        let values = &mut self.values[place];
        let next = next_number(values.len());
        let number = values.get_or_set(&bytes, next);
        if is_blank { number | BLANK } else { number }
    }

    /// Whether a value of the column at this place has a number.
    pub(crate) fn has_number(&self, place: usize, bytes: &[u8]) -> bool {
        self.values[place].get(bytes).is_some()
    }

    /// The values of a column, with this hash, that are known to be no other.
    pub(crate) fn told_apart(&self, place: usize, hash: &[u8]) -> &[Spelled] {
        self.told_apart[place].get(hash).map_or(&[], Vec::as_slice)
    }

    /// Notes that a value is none of those that have its hash.
    pub(crate) fn tell_apart(&mut self, place: usize, bytes: &[u8], hash: &[u8], spelled: &str) {
        let number = self.number(place, Some(bytes.to_vec()), false);
        let others = self.told_apart[place].entry(hash.into()).or_default();
        others.push((spelled.into(), number));
    }

    /// Notes that a value is the one with this number, in other bytes.
    pub(crate) fn join(&mut self, place: usize, bytes: &[u8], number: u32) {
        self.values[place].set(bytes, number);
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
