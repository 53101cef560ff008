//! Rows as the database stored them, after a chunk was written.

use std::collections::HashMap;

use crate::backend::Supported;
use crate::backend::codec::Bytes;
use crate::error::{Error, Operation};
use crate::mapping::Mapping;
use crate::step::{Session, Statement};
use crate::value::{New, Row};

use super::chunk::{Chunk, Member};
use super::read::KeyReader;
use super::write::RowUpdate;

impl<DB: Supported> Chunk<'_, DB> {
    /// The rows of these updates and creates as the database stored them, by record. One that is not found is not told of: that
    /// somebody looks must not change what becomes of a record.
    pub(super) async fn read_back(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
        creates: &[&Member],
    ) -> Result<HashMap<u32, Row>, Error> {
        let mut rows = HashMap::new();
        self.read_updated(session, updates, &mut rows).await?;
        self.read_created(session, creates, &mut rows).await?;
        Ok(rows)
    }

    /// Reads rows again by their ids.
    async fn read_updated(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
        rows: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let failed = session.failed(Operation::Refresh);
        let mut by_id: HashMap<Vec<u8>, u32> = HashMap::new();
        for update in updates {
            let id = self.mapping.id_bytes(&update.row).map_err(failed)?;
            by_id.insert(id, update.record);
        }
        if updates.is_empty() {
            return Ok(());
        }
        let known: Vec<&Row> = updates.iter().map(|update| &update.row).collect();
        let mut reader = KeyReader::new(session, &mut self.map.keys, self.collated);
        let mut read = reader.lock(&known).await?;
        if read.len() < known.len() {
            // They are locked, but what was written has made them rows that may not be written again.
            read = reader.in_sight(&known).await?;
        }
        for read in read {
            if let Some(&record) = by_id.get(&read.id) {
                rows.insert(record, read.row);
            }
        }
        Ok(())
    }

    /// Reads the rows that were created. One whose keys the database has altered, and that has no other sign, is not found.
    async fn read_created(
        &mut self,
        session: &mut Session<'_, DB>,
        creates: &[&Member],
        rows: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let mapping = self.mapping;
        let failed = session.failed(Operation::Refresh);
        for creates in creates.chunks(self.size(&mapping.lookup_columns())) {
            let wanted = Created::new(mapping, creates).map_err(failed)?;
            let find = Statement::find_by_keys(mapping, &wanted.by_lookup, &[], None);
            let Some(find) = find.map_err(failed)? else {
                continue;
            };
            let mut found: HashMap<u32, Vec<Row>> = HashMap::new();
            for row in session.fetch(find).await.map_err(failed)? {
                let row = mapping.decode(&row).map_err(failed)?;
                if let Some(record) = wanted.record_of(mapping, &row).map_err(failed)? {
                    found.entry(record).or_default().push(row);
                }
            }
            for member in creates {
                // In a snapshot another row may still have a key of the record: then it is looked up under lock.
                let mut own = found.remove(&member.record).unwrap_or_default();
                let row = if own.len() == 1 {
                    own.pop()
                } else {
                    session.created(&member.new).await.map_err(failed)?
                };
                rows.extend(row.map(|row| (member.record, row)));
            }
        }
        Ok(())
    }
}

impl<DB: Supported> Session<'_, DB> {
    /// The row that was created of a record: by its own id, or by what the database calls its key.
    async fn created(&mut self, new: &New) -> sqlx::Result<Option<Row>> {
        let mapping = self.mapping;
        for way in self.ways_back(new, None) {
            if let [row] = &self.fetch(way.select?).await?[..] {
                return mapping.decode(row).map(Some);
            }
        }
        Ok(None)
    }
}

/// Records whose rows were created.
struct Created<'r> {
    /// For each look-up, those that have a key by which they are found.
    by_lookup: Vec<Vec<&'r New>>,
    /// The record that has this key of a look-up, in bytes.
    by_key: HashMap<(usize, Vec<Bytes>), u32>,
}

impl<'r> Created<'r> {
    fn new<DB: Supported>(mapping: Mapping<DB>, creates: &[&'r Member]) -> sqlx::Result<Self> {
        let mut this = Self {
            by_lookup: Vec::new(),
            by_key: HashMap::new(),
        };
        for (place, lookup) in mapping.model.lookups.iter().enumerate() {
            let mut records = Vec::new();
            for member in creates {
                if mapping.usable(lookup, &member.new) {
                    let columns = lookup.columns.iter();
                    let key = columns.map(|&column| mapping.bytes_of_new(&member.new, column));
                    let key = key.collect::<sqlx::Result<_>>()?;
                    this.by_key.insert((place, key), member.record);
                    records.push(&member.new);
                }
            }
            this.by_lookup.push(records);
        }
        Ok(this)
    }

    /// The record that has a key of the row.
    fn record_of<DB: Supported>(
        &self,
        mapping: Mapping<DB>,
        row: &Row,
    ) -> sqlx::Result<Option<u32>> {
        for (place, lookup) in mapping.model.lookups.iter().enumerate() {
            let columns = lookup.columns.iter();
            let key = columns.map(|&column| mapping.bytes_of_row(row, column));
            let key = key.collect::<sqlx::Result<_>>()?;
            if let Some(&record) = self.by_key.get(&(place, key)) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}
