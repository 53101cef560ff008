//! Which values of a key the database calls equal, where neither their bytes nor their collation keys tell.

use std::collections::{HashMap, HashSet};

use crate::backend::codec::Bytes;
use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::step::Statement;

use super::numbering::Numbering;
use super::read::KeyReader;

/// A value that has a hash in common with others, of which it is not known whether it is one of them.
struct Suspect<'k> {
    /// The place of its column among the key columns.
    place: usize,
    key: &'k [u8],
    /// How many values with the hash are told apart.
    known: usize,
}

impl<DB: Supported> KeyReader<'_, '_, DB> {
    /// [`tell_apart`](Self::tell_apart) for rows.
    pub(super) async fn tell_rows_apart(&mut self, rows: &[DB::Row]) -> sqlx::Result<()> {
        let collated = self.numbering.collated.len();
        if collated == 0 {
            return Ok(());
        }
        let first = self.session.mapping.model.columns.len();
        let keys = rows.iter().map(|row| {
            let keys = (0..collated).map(|key| DB::Driver::selected_bytes(row, first + key));
            keys.collect()
        });
        let keys = keys.collect::<sqlx::Result<Vec<_>>>()?;
        self.tell_apart(&keys).await
    }

    /// Numbers the collation keys of values, one for each collated column, where it takes more than a key to tell which values
    /// are equal.
    ///
    /// Two values can have a hash in common and not be equal: PostgreSQL hashes a number without its sign. So the database is
    /// asked as long as some are not told apart. Each round, one more of those with the same hash is known to be no other.
    pub(super) async fn tell_apart(&mut self, values: &[Vec<Bytes>]) -> sqlx::Result<()> {
        let mut open = self.not_met(values);
        while !open.is_empty() {
            let mut suspects = Vec::new();
            for (place, key) in open {
                let Some((hash, spelled)) = DB::Driver::hashed(key) else {
                    continue;
                };
                match self.numbering.keys.told_apart(place, hash).len() {
                    0 => self.numbering.keys.tell_apart(place, key, hash, spelled),
                    known => suspects.push(Suspect { place, key, known }),
                }
            }
            open = Vec::new();
            let mut equal = self.ask(&suspects).await?;
            for (suspect, Suspect { place, key, known }) in suspects.into_iter().enumerate() {
                let Some((hash, spelled)) = DB::Driver::hashed(key) else {
                    continue;
                };
                let keys = &mut *self.numbering.keys;
                if let Some(number) = equal.remove(&suspect) {
                    keys.join(place, key, number);
                } else if keys.told_apart(place, hash).len() == known {
                    keys.tell_apart(place, key, hash, spelled);
                } else {
                    open.push((place, key));
                }
            }
        }
        Ok(())
    }

    /// Of these keys those with a hash that were not met before, each once, with the places of their columns.
    fn not_met<'k>(&self, values: &'k [Vec<Bytes>]) -> Vec<(usize, &'k [u8])> {
        let Numbering { keys, collated, .. } = &self.numbering;
        let (mut met, mut in_order) = (HashSet::new(), Vec::new());
        for values in values {
            for (key, collated) in values.iter().zip(*collated) {
                let place = keys.columns.iter().position(|column| column == collated);
                if let (Some(place), Some(key)) = (place, key)
                    && DB::Driver::hashed(key).is_some()
                    && !keys.has_number(place, key)
                    && met.insert((place, &key[..]))
                {
                    in_order.push((place, &key[..]));
                }
            }
        }
        in_order
    }

    /// The numbers of the values that the database calls equal to suspects, which are named by their places.
    async fn ask(&mut self, suspects: &[Suspect<'_>]) -> sqlx::Result<HashMap<usize, u32>> {
        let mapping = self.session.mapping;
        let mut equal = HashMap::new();
        for (place, &column) in self.numbering.keys.columns.iter().enumerate() {
            let (mut ones, mut others, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
            for (suspect, Suspect { key, .. }) in suspects
                .iter()
                .enumerate()
                .filter(|(_, suspect)| suspect.place == place)
            {
                let Some((hash, spelled)) = DB::Driver::hashed(key) else {
                    continue;
                };
                for (other, number) in self.numbering.keys.told_apart(place, hash) {
                    ones.push(spelled.to_owned());
                    others.push(other.to_string());
                    pairs.push((suspect, *number));
                }
            }
            if pairs.is_empty() {
                continue;
            }
            let Some(select) = Statement::equal_values(mapping, column, ones, others)? else {
                continue;
            };
            for row in self.session.fetch(select).await? {
                let place = DB::Driver::number(&row, 0)?;
                let place = place.and_then(|place| usize::try_from(place).ok());
                if let Some(pair) = place.and_then(|place| pairs.get(place.checked_sub(1)?)) {
                    equal.insert(pair.0, pair.1);
                }
            }
        }
        Ok(equal)
    }
}
