//! Updates of many rows, whose unique keys the database checks row by row.

use std::collections::HashMap;

use crate::backend::Backend;
use crate::error::{Error, Operation, Step};
use crate::model::{LockedUpsert, Stored};
use crate::session::Session;

use super::chunk::Chunk;
use super::order::Order;
use super::statement::{self, Write};
use super::write::{as_conflict, send};

impl<M: LockedUpsert> Chunk<'_, '_, M> {
    /// Updates rows, those that give a key away before those that get it.
    pub(super) async fn update<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        writes: &[&Write<M>],
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Update);
        let place: HashMap<u32, usize> = writes
            .iter()
            .enumerate()
            .map(|(place, write)| (write.row_number, place))
            .collect();
        let mut needs = vec![Vec::new(); writes.len()];
        // For each key column that another row needs free, the writes that free it.
        let mut freed: HashMap<usize, Vec<usize>> = HashMap::new();
        for (needing, write) in writes.iter().enumerate() {
            let last = self.world.last_values(write.record, Some(write.row_number));
            for lookup in 0..self.world.keys.lookups() {
                let key = self.world.keys.unique(lookup, &last);
                let holder = self.world.holder(lookup, key);
                if let Some(row) = holder.filter(|&row| row != write.row_number)
                    && let Some(&freeing) = place.get(&row)
                {
                    needs[needing].push(freeing);
                    let theirs = self.world.last_values(writes[freeing].record, Some(row));
                    let row = self.world.row(row);
                    let differing = self.world.keys.differing(lookup, row, &theirs);
                    // What is parked must be written in the end.
                    let columns: Vec<usize> = differing
                        .filter(|column| writes[freeing].columns.contains(column))
                        .collect();
                    // The last one names; those before it often refer to another table.
                    let parkable = columns
                        .iter()
                        .rev()
                        .find(|&&column| statement::parked_value::<DB, M>(column).is_some());
                    if let Some(&column) = parkable.or_else(|| columns.first()) {
                        freed.entry(column).or_default().push(freeing);
                    }
                }
            }
        }
        let Order { layers, parked } = Order::of(&needs);
        for (column, mut freeing) in freed {
            freeing.retain(|write| parked.contains(write));
            freeing.sort_unstable();
            freeing.dedup();
            let freeing: Vec<&Write<M>> = freeing.iter().map(|&write| writes[write]).collect();
            self.park(session, column, &freeing).await?;
        }
        for layer in layers.into_iter().chain([parked]) {
            let layer: Vec<&Write<M>> = layer.iter().map(|&write| writes[write]).collect();
            for writes in layer.chunks(self.size::<DB>(1 + M::MODEL.updated.len())) {
                if let [write] = writes {
                    self.culprit = Some(write.record);
                }
                let many = statement::update::<DB, M>(writes);
                send::<DB>(session, many, writes.len(), at).await?;
            }
        }
        Ok(())
    }

    /// Puts a passing value into a key column of rows that are updated later in the transaction.
    async fn park<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        column: usize,
        writes: &[&Write<M>],
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Park);
        for writes in writes.chunks(self.size::<DB>(1)) {
            self.culprit = writes.first().map(|write| write.record);
            let rows: Vec<&M> = writes.iter().map(|write| &write.row).collect();
            let many = match statement::park::<DB, M>(&rows, column) {
                Ok(Some(many)) => Ok(many),
                Ok(None) => {
                    return Err(Error::Conflict {
                        at,
                        constraint: Some(M::MODEL.columns[column].field.to_owned()),
                        source: None,
                    });
                }
                Err(error) => Err(error),
            };
            send::<DB>(session, many, writes.len(), at)
                .await
                .map_err(as_conflict)?;
        }
        Ok(())
    }
}
