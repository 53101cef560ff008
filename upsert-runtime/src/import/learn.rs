//! The first reading of the source: the keys of all records, and the rows that they find.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::backend::Backend;
use crate::error::Error;
use crate::field::Bytes;
use crate::model::{LockedUpsert, Model, Stored};
use crate::session::Session;
use crate::work::Work;

use super::engine::Engine;
use super::keys::NONE;
use super::place::Place;
use super::read;
use super::source::Source;
use super::world::{State, World};

/// What the first reading showed.
#[derive(Default)]
pub(crate) struct Learned {
    /// Whether some records could not be looked up, so that nobody knows which rows they are.
    pub(super) is_incomplete: bool,
    /// Records that could not be looked up.
    errors: HashMap<u32, Error>,
    /// For each record, a hash of its keys; 0 for an error of the source.
    hashes: Vec<u64>,
    /// Whether it is known that keys can be compared.
    has_checked: bool,
}

impl Learned {
    pub(super) fn take_error(&mut self, record: u32) -> Option<Error> {
        self.errors.remove(&record)
    }
}

impl<'f, M: LockedUpsert> Engine<'_, 'f, M> {
    pub(super) async fn learn<DB: Backend>(
        &mut self,
        source: &mut Source<'f, M::New>,
        place: &mut Place<'_, '_, DB>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let may_change = source.may_change();
        let mut reader = source.open();
        let mut chunk = Vec::new();
        loop {
            let item = reader.next().await;
            let is_last = item.is_none();
            let record = u32::try_from(self.world.records.states.len()).unwrap_or(NONE);
            if let Some(item) = item {
                if may_change {
                    self.learned.hashes.push(hash::<DB, M>(&item));
                }
                let records = &mut self.world.records;
                let width = self.world.keys.width();
                records.keys.resize(records.keys.len() + width, NONE);
                if let Ok(new) = item {
                    let is_usable = M::MODEL.lookups.iter().any(|key| key.usable::<M>(&new));
                    self.learned.is_incomplete |= !is_usable;
                    records.states.push(State::Open);
                    chunk.push((record, new));
                } else {
                    self.learned.is_incomplete = true;
                    records.states.push(State::Absent);
                }
            }
            if chunk.len() >= self.options.chunk_size || (is_last && !chunk.is_empty()) {
                self.look_up(std::mem::take(&mut chunk), place).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Looks records up, in halves where one of them cannot be.
    async fn look_up<DB: Backend>(
        &mut self,
        records: Vec<(u32, Arc<M::New>)>,
        place: &mut Place<'_, '_, DB>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let mut batches = vec![records];
        while let Some(mut records) = batches.pop() {
            let mut work = LookUp::<M> {
                world: &mut self.world,
                folded: &self.folded,
                checks: !self.learned.has_checked,
                records: &records,
            };
            let retry = self.options.retry;
            let error = match place.run(retry, self.options.wait, &mut work).await {
                Ok(()) => {
                    self.learned.has_checked = true;
                    continue;
                }
                Err(error) if !error.is_about_record() => return Err(error),
                Err(error) => error,
            };
            if let [(record, _)] = &records[..] {
                self.learned.is_incomplete = true;
                self.world.records.states[*record as usize] = State::Failed;
                self.learned.errors.insert(*record, error);
            } else {
                let rest = records.split_off(records.len() / 2);
                batches.extend([rest, records]);
            }
        }
        Ok(())
    }
}

impl Learned {
    /// Whether an item of the second reading is as it was; a record that was looked up has the same keys.
    pub(super) fn is_as_before<DB: Backend, M: Stored<DB>>(
        &self,
        record: u32,
        item: Option<&Result<Arc<M::New>, Error>>,
    ) -> bool {
        let before = self.hashes.get(record as usize).copied();
        before == item.map(hash::<DB, M>)
    }
}

/// Records to be looked up, as work.
struct LookUp<'i, M: LockedUpsert> {
    world: &'i mut World,
    folded: &'i [usize],
    checks: bool,
    records: &'i [(u32, Arc<M::New>)],
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for LookUp<'_, M> {
    type Output = ();

    const READS_MANY: bool = true;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<(), Error> {
        let records: Vec<&M::New> = self.records.iter().map(|(_, new)| &**new).collect();
        let keys = &mut self.world.keys;
        if self.checks {
            read::check::<DB, M>(session, keys).await?;
        }
        let values = read::values::<DB, M>(session, keys, self.folded, &records).await?;
        let width = keys.width();
        for ((record, _), values) in self.records.iter().zip(&values) {
            let place = *record as usize * width;
            self.world.records.keys[place..][..width].copy_from_slice(values);
        }
        let keys = &mut self.world.keys;
        let records: Vec<(&M::New, &[u32])> = records
            .into_iter()
            .zip(values.iter().map(Vec::as_slice))
            .collect();
        let found = read::find::<DB, M>(session, keys, self.folded, &records, "").await?;
        for read in found.rows {
            self.world.see(&read.id, &read.values);
        }
        for (lookup, key) in found.ambiguous {
            self.world.see_ambiguous(lookup, key);
        }
        Ok(())
    }
}

/// A hash of the record's keys.
fn hash<DB: Backend, M: Stored<DB>>(item: &Result<Arc<M::New>, Error>) -> u64 {
    let Ok(new) = item else { return 0 };
    let mut hasher = DefaultHasher::new();
    for lookup in M::MODEL.lookups {
        for &column in lookup.columns {
            let bytes = M::new_column(column, Bytes(&**new));
            // What cannot be encoded fails both times.
            bytes.unwrap_or_default().hash(&mut hasher);
        }
    }
    hasher.finish() | 1
}
