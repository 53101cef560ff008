//! Numbers by bytes, as a map that keeps all bytes in one place: a million keys of ten bytes each would take three times the memory by themselves.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A number for each of many strings of bytes.
#[derive(Default)]
pub(super) struct Numbers {
    /// The bytes of one behind those of another.
    bytes: Vec<u8>,
    /// Where those of each end.
    ends: Vec<usize>,
    /// The number of each.
    given: Vec<u32>,
    /// The places of the strings in `ends`.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Numbers {
    /// How many strings have a number.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of a string.
    pub(super) fn get(&self, string: &[u8]) -> Option<u32> {
        self.place(self.hasher.hash_one(string), string)
            .map(|place| self.given[place])
    }

    /// The number of a string, which is this one if it has none so far.
    pub(super) fn get_or_set(&mut self, string: &[u8], number: u32) -> u32 {
        let hash = self.hasher.hash_one(string);
        if let Some(place) = self.place(hash, string) {
            return self.given[place];
        }
        let Self {
            bytes,
            ends,
            given,
            places,
            hasher,
        } = self;
        // Four billion strings do not fit into memory.
        let place = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(string);
        ends.push(bytes.len());
        given.push(number);
        places.insert_unique(hash, place, |&place| {
            hasher.hash_one(string_at(bytes, ends, place as usize))
        });
        number
    }

    /// Gives a string this number, whatever it had.
    pub(super) fn set(&mut self, string: &[u8], number: u32) {
        self.get_or_set(string, number);
        if let Some(place) = self.place(self.hasher.hash_one(string), string) {
            self.given[place] = number;
        }
    }

    fn place(&self, hash: u64, string: &[u8]) -> Option<usize> {
        let is_it = |&place: &u32| string_at(&self.bytes, &self.ends, place as usize) == string;
        self.places.find(hash, is_it).map(|&place| place as usize)
    }
}

/// The string at a place.
fn string_at<'b>(bytes: &'b [u8], ends: &[usize], place: usize) -> &'b [u8] {
    let start = place.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[place]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_keeps_its_number() {
        let mut numbers = Numbers::default();
        let string = |n: u32| format!("{}{n}", "x".repeat(n as usize % 7)).into_bytes();
        for n in 0..10_000 {
            assert_eq!(numbers.get(&string(n)), None);
            assert_eq!(numbers.get_or_set(&string(n), n * 2), n * 2);
            assert_eq!(numbers.get_or_set(&string(n), 1), n * 2);
        }
        numbers.set(&string(5), 77);
        assert_eq!(numbers.len(), 10_000);
        numbers.set(b"", 78);
        for n in 0..10_000 {
            let number = if n == 5 { 77 } else { n * 2 };
            assert_eq!(numbers.get(&string(n)), Some(number));
        }
        assert_eq!((numbers.get(b""), numbers.len()), (Some(78), 10_001));
    }
}
