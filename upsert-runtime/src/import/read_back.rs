//! Rows as the database stored them, after a chunk was written.

use std::collections::HashMap;

use crate::backend::Backend;
use crate::error::{Error, Operation, Step};
use crate::field::Bytes;
use crate::model::{LockedUpsert, Stored};
use crate::session::Session;

use super::chunk::{Chunk, Member};
use super::keys::NONE;
use super::read;
use super::statement::Write;

impl<M: LockedUpsert> Chunk<'_, '_, M> {
    /// The rows of these writes as the database stored them, by record.
    pub(super) async fn read_back<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        writes: &[&Write<M>],
        creates: &[&Member<M::New>],
    ) -> Result<HashMap<u32, M>, Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Refresh);
        let failed = |source| Error::of::<DB>(at, source);
        let id = |row: &M| {
            let bytes = M::row_column(M::MODEL.id, Bytes(row)).map_err(sqlx::Error::Encode)?;
            Ok(bytes.unwrap_or_default())
        };
        let mut by_id: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut rows = HashMap::new();
        for write in writes {
            by_id.insert(id(&write.row).map_err(failed)?, write.record);
        }
        let updated: Vec<&M> = writes.iter().map(|write| &write.row).collect();
        let (keys, folded) = (&mut self.world.keys, self.folded);
        if !updated.is_empty() {
            for read in read::lock::<DB, M>(session, keys, folded, &updated).await? {
                if let Some(&record) = by_id.get(&read.id) {
                    rows.insert(record, read.row);
                }
            }
        }
        let values: Vec<Vec<u32>> = creates
            .iter()
            .map(|member| self.world.record(member.record).to_vec())
            .collect();
        let mut by_key: HashMap<(usize, u32), u32> = HashMap::new();
        let keys = &mut self.world.keys;
        let lookups = keys.lookups();
        for (member, values) in creates.iter().zip(&values) {
            for lookup in 0..lookups {
                by_key.insert((lookup, keys.usable(lookup, values)), member.record);
            }
        }
        let records: Vec<(&M::New, &[u32])> = creates
            .iter()
            .zip(&values)
            .map(|(member, values)| (&*member.new, &**values))
            .collect();
        if !records.is_empty() {
            for read in read::find::<DB, M>(session, keys, folded, &records, "")
                .await?
                .rows
            {
                let mut found = (0..lookups).filter_map(|lookup| {
                    let key = Some(keys.usable(lookup, &read.values)).filter(|&key| key != NONE);
                    by_key.get(&(lookup, key?))
                });
                let record = found.next().copied();
                if let Some(record) = record {
                    rows.insert(record, read.row);
                }
            }
        }
        if rows.len() < writes.len() + creates.len() {
            return Err(failed(sqlx::Error::RowNotFound));
        }
        Ok(rows)
    }
}
