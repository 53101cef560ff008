//! The first reading of the source: the keys of all records, and the rows that they find.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;

use crate::backend::Supported;
use crate::error::Error;
use crate::import::batch::{Judge, KeptRow, KeptRows, KeyReader, Keyed};
use crate::import::plan::{IdentityMap, RecordState};
use crate::import::source::Source;
use crate::mapping::Mapping;
use crate::step::Session;
use crate::transaction::UnitOfWork;
use crate::value::{New, Row};

use super::course::Halt;
use super::stop::Stopper;
use super::table::Table;

/// What the first reading showed, beside what the identity map knows of it.
#[derive(Default)]
pub(super) struct Learned {
    /// Whether some records could not be looked up, so that nobody knows which rows they are.
    pub(super) is_incomplete: bool,
    /// Records that could not be looked up.
    errors: HashMap<u32, Error>,
    /// For each record, a hash of its keys; 0 for an error of the source. Empty for a source that cannot change.
    hashes: Vec<u64>,
}

impl Learned {
    /// Whether a record could not be looked up, or is an error of the source.
    pub(super) fn has_error(&self, record: u32) -> bool {
        self.errors.contains_key(&record)
    }

    /// Why a record could not be looked up.
    pub(super) fn take_error(&mut self, record: u32) -> Option<Error> {
        self.errors.remove(&record)
    }

    /// Whether an item of the second reading is as it was; a record that was looked up has the same keys.
    pub(super) fn is_as_before<DB: Supported>(
        &self,
        mapping: Mapping<DB>,
        record: u32,
        item: Option<&Result<New, Error>>,
    ) -> bool {
        let before = self.hashes.get(record as usize).copied();
        before == item.map(|item| hash(mapping, item))
    }
}

/// The first reading under way.
pub(super) struct FirstPass<'p, 't, DB: Supported> {
    table: &'p mut Table<'t, DB>,
    learned: Learned,
    /// How many records are looked up at once.
    chunk_size: usize,
    /// Whether rows that are to be changed are kept for the second reading.
    keeps_rows: bool,
    /// How many errors of the source are kept, since they are counted before anything is written.
    keeps_errors: usize,
}

impl<'p, 't, DB: Supported> FirstPass<'p, 't, DB> {
    pub(super) fn new(
        table: &'p mut Table<'t, DB>,
        chunk_size: usize,
        (keeps_rows, keeps_errors): (bool, usize),
    ) -> Self {
        Self {
            keeps_errors,
            table,
            learned: Learned::default(),
            chunk_size,
            keeps_rows,
        }
    }

    /// Reads the source to its end.
    pub(super) async fn run(
        mut self,
        source: &mut Source<'_>,
        stop: &mut Stopper<'_>,
    ) -> Result<Learned, Halt> {
        let may_change = source.may_change();
        let mut reader = source.open();
        let mut chunk = Vec::new();
        stop.check().await?;
        while let Some(item) = reader.next().await {
            if may_change {
                let hash = hash(self.table.mapping, &item);
                self.learned.hashes.push(hash);
            }
            chunk.extend(self.note(item));
            if chunk.len() >= self.chunk_size {
                self.look_up(mem::take(&mut chunk)).await?;
                stop.check().await?;
            }
        }
        if !chunk.is_empty() {
            self.look_up(chunk).await?;
        }
        Ok(self.learned)
    }

    /// Takes note of an item of the source; a record is to be looked up.
    fn note(&mut self, item: Result<New, Error>) -> Option<(u32, New)> {
        let Table { map, mapping, .. } = &mut *self.table;
        let version = item.as_ref().ok().and_then(mapping.fields.version);
        if let Some(versions) = &mut map.records.versions {
            versions.push(version);
        }
        let new = match item {
            Ok(new) => new,
            Err(error) => {
                self.learned.is_incomplete = true;
                let record = map.add_record(RecordState::Absent);
                if self.learned.errors.len() < self.keeps_errors {
                    self.learned.errors.insert(record, error);
                }
                return None;
            }
        };
        let mut lookups = mapping.model.lookups.iter();
        self.learned.is_incomplete |= !lookups.any(|key| mapping.usable(key, &new));
        Some((map.add_record(RecordState::Open), new))
    }

    /// Looks records up, in halves where one of them cannot be.
    async fn look_up(&mut self, records: Vec<(u32, New)>) -> Result<(), Error> {
        let keeps = self.keeps_rows;
        let mut batches = vec![records];
        while let Some(mut records) = batches.pop() {
            let mut work = LookUp {
                mapping: self.table.mapping,
                map: &mut self.table.map,
                collated: &self.table.facts.collated,
                locks: self.table.locks_first,
                judge: self.table.judge.reborrow(),
                kept: keeps.then_some(&mut self.table.kept),
                records: &records,
            };
            let error = match self.table.place.run(&mut work).await {
                Ok(()) => continue,
                Err(error) if !error.is_about_record() => return Err(error),
                Err(error) => error,
            };
            if let [(record, _)] = &records[..] {
                self.learned.is_incomplete = true;
                self.table.map.set_record(*record, RecordState::Failed);
                self.learned.errors.insert(*record, error);
            } else {
                let rest = records.split_off(records.len() / 2);
                batches.extend([rest, records]);
            }
        }
        Ok(())
    }
}

/// The look-up of records, as a unit of work.
struct LookUp<'i, DB: Supported> {
    mapping: Mapping<DB>,
    map: &'i mut IdentityMap,
    collated: &'i [usize],
    /// Whether the rows that are found are locked.
    locks: bool,
    /// What the rules say.
    judge: Judge<'i, DB>,
    /// Where rows go that are changed and need not be read again.
    kept: Option<&'i mut KeptRows>,
    records: &'i [(u32, New)],
}

impl<DB: Supported> UnitOfWork<DB> for LookUp<'_, DB> {
    type Output = ();

    const READS_MANY: bool = true;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<(), Error> {
        let mut reader = KeyReader::new(session, &mut self.map.keys, self.collated);
        let records: Vec<&New> = self.records.iter().map(|(_, new)| new).collect();
        let values = reader.values(&records).await?;
        for ((record, _), values) in self.records.iter().zip(&values) {
            self.map.know_record(*record, values);
        }
        let records = records.into_iter().zip(&values);
        let records: Vec<Keyed<'_>> = records.map(|(new, values)| Keyed { new, values }).collect();
        let mut reader = KeyReader::new(session, &mut self.map.keys, self.collated);
        if self.kept.is_some() {
            reader = reader.with_versions();
        }
        let found = if self.locks {
            reader.find_and_lock(&records).await?
        } else {
            reader.find(&records, None).await?
        };
        let mut rows = RowsRead::new();
        for (number, read, _) in found.note(self.map).0 {
            rows.insert(number, (read.row, read.version));
        }
        if !self.judge.is_plain() {
            self.judge(&rows);
        }
        // What is unchanged need not be read again, nor what can be told to be still as it was.
        for (record, new) in self.records {
            let Some(number) = self.map.found_by(*record) else {
                continue;
            };
            let Some((stored, _)) = rows.get(&number) else {
                continue;
            };
            if self.map.verdicts.left(*record, number).is_some() {
                continue;
            }
            if !self.judge.would_change(stored, new) {
                self.map.note_same(number, *record);
            } else if let Some(kept) = &mut self.kept
                && let Some((row, Some((version, bytes)))) = rows.remove(&number)
            {
                kept.keep(
                    number,
                    KeptRow {
                        row,
                        version,
                        bytes,
                    },
                );
            }
        }
        Ok(())
    }
}

impl<DB: Supported> LookUp<'_, DB> {
    /// Asks the rules of each record and each of these rows that it may be.
    fn judge(&mut self, rows: &RowsRead) {
        for (record, new) in self.records {
            for number in self.map.all_found(*record) {
                if let Some((stored, _)) = rows.get(&number) {
                    let verdict = self.judge.verdict(stored, new, &self.map.keys);
                    self.map.verdicts.note(*record, number, verdict);
                }
            }
        }
    }
}

/// Rows by their numbers, with their versions and how many bytes they are.
type RowsRead = HashMap<u32, (Row, Option<(i64, usize)>)>;

/// A hash of the record's keys.
fn hash<DB: Supported>(mapping: Mapping<DB>, item: &Result<New, Error>) -> u64 {
    let Ok(new) = item else { return 0 };
    let mut hasher = DefaultHasher::new();
    let lookups = mapping.model.lookups.iter().map(|key| key.columns);
    let uniques = mapping.fields.rules.uniques.iter().map(|key| key.columns);
    for columns in lookups.chain(uniques) {
        for &column in columns {
            // What cannot be encoded fails both times.
            let bytes = mapping.bytes_of_new(new, column).unwrap_or_default();
            bytes.hash(&mut hasher);
        }
    }
    hasher.finish() | 1
}
