//! Keys as numbers: equal numbers are what the database calls equal.

use std::collections::HashMap;

use super::numbers::Numbers;

/// NULL, or no key.
pub(crate) const NONE: u32 = u32::MAX;

/// Set in the number of a value that is stored but identifies no record.
const BLANK: u32 = 1 << 31;

/// How a value is spelled, and its number.
pub(crate) type Spelled = (Box<str>, u32);

/// When creating data leave a key column of the row alone that they update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LeftOut {
    /// No update sets it.
    Always,
    /// Where its value identifies no record.
    Blank,
    /// Where it is NULL.
    Null,
    Never,
}

/// What the keys of a model are. Columns are places in the model.
pub(crate) struct Shape<'m> {
    /// The columns of each look-up.
    pub(crate) lookups: Vec<&'m [usize]>,
    /// The columns of each further unique key.
    pub(crate) uniques: Vec<&'m [usize]>,
    /// The columns that an update may set.
    pub(crate) updated: &'m [usize],
    /// Those that creating data leave alone where they have no value.
    pub(crate) keep_none: &'m [usize],
}

/// The columns of all keys, look-ups first, then further unique keys, and a number for each value seen in them.
pub(crate) struct Keys {
    /// Their places in the model.
    pub(crate) columns: Vec<usize>,
    /// When creating data leave them alone.
    left_out: Vec<LeftOut>,
    /// How many of the keys are look-ups.
    lookups: usize,
    /// For each key, where its columns are in `columns`.
    places: Vec<Vec<usize>>,
    /// For each key, whether rows that are marked as deleted have it too, as the unique index has them in it.
    pub(crate) marked_hold: Vec<bool>,
    /// Whether records find rows that are marked as deleted.
    pub(crate) finds_marked: bool,
    /// For each of `columns`, the number of each value by the bytes that are compared.
    values: Vec<Numbers>,
    /// For each of `columns`, by their hashes, the values that are known to be no other.
    told_apart: Vec<HashMap<Box<[u8]>, Vec<Spelled>>>,
    /// For each key of several columns, a number for each value.
    tuples: Vec<HashMap<Box<[u32]>, u32>>,
}

impl Keys {
    pub(crate) fn new(shape: &Shape<'_>) -> Self {
        let mut columns: Vec<usize> = Vec::new();
        let mut place = |column: &usize| {
            let known = columns.iter().position(|known| known == column);
            known.unwrap_or_else(|| {
                columns.push(*column);
                columns.len() - 1
            })
        };
        let keys: Vec<Vec<usize>> = shape
            .lookups
            .iter()
            .chain(&shape.uniques)
            .map(|key| key.iter().map(&mut place).collect())
            .collect();
        let left_out = |column: &usize| {
            if !shape.updated.contains(column) {
                LeftOut::Always
            } else if shape.lookups.iter().any(|key| key.contains(column)) {
                LeftOut::Blank
            } else if shape.keep_none.contains(column) {
                LeftOut::Null
            } else {
                LeftOut::Never
            }
        };
        Self {
            left_out: columns.iter().map(left_out).collect(),
            values: columns.iter().map(|_| Numbers::default()).collect(),
            told_apart: columns.iter().map(|_| HashMap::new()).collect(),
            tuples: keys.iter().map(|_| HashMap::new()).collect(),
            columns,
            lookups: shape.lookups.len(),
            marked_hold: vec![false; keys.len()],
            finds_marked: false,
            places: keys,
        }
    }

    /// How many key columns there are, and so how many numbers a row or a record has.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// How many look-ups there are.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups
    }

    /// How many keys there are: look-ups, and behind them further unique keys.
    pub(crate) fn all(&self) -> usize {
        self.places.len()
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
        let columns = &self.places[lookup];
        if columns.iter().any(|&column| values[column] & BLANK != 0) {
            return NONE;
        }
        self.unique(lookup, values)
    }

    /// The key that these values make in a unique index, blank ones too; [`NONE`] if it meets no other.
    pub(crate) fn unique(&mut self, key: usize, values: &[u32]) -> u32 {
        let value = |column: &usize| match values[*column] {
            NONE => NONE,
            number => number & !BLANK,
        };
        match &self.places[key][..] {
            [column] => value(column),
            columns => {
                let tuple: Box<[u32]> = columns.iter().map(value).collect();
                if tuple.contains(&NONE) {
                    return NONE;
                }
                let tuples = &mut self.tuples[key];
                let next = next_number(tuples.len());
                *tuples.entry(tuple).or_insert(next)
            }
        }
    }

    /// What a row holds once it is updated: blank keys, and columns that no update sets, stay. `follows` says of each column whether
    /// it becomes the record's, where that is known otherwise.
    pub(crate) fn updated(&self, row: &[u32], record: &[u32], follows: &[bool]) -> Vec<u32> {
        let columns = row.iter().zip(record).zip(&self.left_out).enumerate();
        columns
            .map(|(place, ((&row, &record), left_out))| {
                let follows = follows.get(place).copied().unwrap_or(match left_out {
                    LeftOut::Always => false,
                    LeftOut::Blank => record & BLANK == 0,
                    LeftOut::Null => record != NONE,
                    LeftOut::Never => true,
                });
                if follows { record } else { row }
            })
            .collect()
    }

    /// The columns of a key in which these values differ, as places in the model.
    pub(crate) fn differing(
        &self,
        key: usize,
        one: &[u32],
        other: &[u32],
    ) -> impl Iterator<Item = usize> {
        let columns = self.places[key].iter();
        let differing = columns.filter(|&&column| one[column] != other[column]);
        differing.map(|&column| self.columns[column])
    }
}

fn next_number(taken: usize) -> u32 {
    // Two billion values do not fit into memory.
    u32::try_from(taken).unwrap_or(NONE) & !BLANK
}
