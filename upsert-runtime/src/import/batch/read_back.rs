//! Rows as the database stored them, after a chunk was written.

use std::collections::HashMap;

use crate::backend::Supported;
use crate::error::{Error, Operation};
use crate::import::plan::NONE;
use crate::step::Session;
use crate::value::Row;

use super::chunk::{Chunk, Member};
use super::read::{KeyReader, Keyed};
use super::write::RowUpdate;

impl<DB: Supported> Chunk<'_, DB> {
    /// The rows of these updates and creates as the database stored them, by record.
    pub(super) async fn read_back(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
        creates: &[&Member],
    ) -> Result<HashMap<u32, Row>, Error> {
        let mut rows = HashMap::new();
        self.read_updated(session, updates, &mut rows).await?;
        self.read_created(session, creates, &mut rows).await?;
        if rows.len() < updates.len() + creates.len() {
            let failed = session.failed(Operation::Refresh);
            return Err(failed(sqlx::Error::RowNotFound));
        }
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
        for read in reader.lock(&known).await? {
            if let Some(&record) = by_id.get(&read.id) {
                rows.insert(record, read.row);
            }
        }
        Ok(())
    }

    /// Reads rows by the keys that they were created with.
    async fn read_created(
        &mut self,
        session: &mut Session<'_, DB>,
        creates: &[&Member],
        rows: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        if creates.is_empty() {
            return Ok(());
        }
        let values: Vec<Vec<u32>> = creates
            .iter()
            .map(|member| self.map.record(member.record).to_vec())
            .collect();
        let keys = &mut self.map.keys;
        let lookups = keys.lookups();
        let mut by_key: HashMap<(usize, u32), u32> = HashMap::new();
        for (member, values) in creates.iter().zip(&values) {
            for lookup in 0..lookups {
                by_key.insert((lookup, keys.usable(lookup, values)), member.record);
            }
        }
        let records: Vec<Keyed<'_>> = creates
            .iter()
            .zip(&values)
            .map(|(member, values)| Keyed {
                new: &member.new,
                values,
            })
            .collect();
        let mut reader = KeyReader::new(session, keys, self.collated);
        let found = reader.find(&records, None).await?;
        for read in found.rows {
            let mut records = (0..lookups).filter_map(|lookup| {
                let key = self.map.keys.usable(lookup, &read.values);
                let key = Some(key).filter(|&key| key != NONE)?;
                by_key.get(&(lookup, key))
            });
            let record = records.next().copied();
            if let Some(record) = record {
                rows.insert(record, read.row);
            }
        }
        Ok(())
    }
}
