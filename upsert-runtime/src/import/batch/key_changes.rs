//! Updates of many rows, whose unique keys the database checks row by row.

use std::collections::HashMap;

use crate::backend::Supported;
use crate::error::{Error, Operation};
use crate::import::plan::Order;
use crate::step::{Session, Statement};
use crate::value::Row;

use super::chunk::Chunk;
use super::write::{RowUpdate, as_conflict};

/// Which updates of a chunk must free a key for another one. Updates are named by their places.
struct KeyChanges {
    /// For each update, those that must come before it.
    needs: Vec<Vec<usize>>,
    /// For each key column that another row needs free, the updates that free it.
    freed: HashMap<usize, Vec<usize>>,
}

impl<DB: Supported> Chunk<'_, DB> {
    /// Updates rows, those that give a key away before those that get it.
    pub(super) async fn update(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
    ) -> Result<(), Error> {
        let KeyChanges { needs, freed } = self.key_changes(updates);
        let Order { layers, parked } = Order::of(&needs);
        for (column, mut freeing) in freed {
            // What is parked is in the order of its places.
            freeing.retain(|update| parked.binary_search(update).is_ok());
            freeing.sort_unstable();
            freeing.dedup();
            let freeing: Vec<&RowUpdate> = freeing.iter().map(|&place| updates[place]).collect();
            self.park(session, column, &freeing).await?;
        }
        let size = self.size(1 + self.mapping.model.updated.len());
        for layer in layers.into_iter().chain([parked]) {
            let layer: Vec<&RowUpdate> = layer.iter().map(|&place| updates[place]).collect();
            for updates in layer.chunks(size) {
                if let [update] = updates {
                    self.culprit = Some(update.record);
                }
                let statement = Statement::update_rows(self.mapping, updates);
                let operation = Operation::Update;
                session
                    .write_rows(statement, updates.len(), operation)
                    .await?;
            }
        }
        Ok(())
    }

    /// Which keys move from one of these rows to another.
    fn key_changes(&mut self, updates: &[&RowUpdate]) -> KeyChanges {
        let places = updates.iter().enumerate();
        let place: HashMap<u32, usize> = places
            .map(|(place, update)| (update.row_number, place))
            .collect();
        let mut needs = vec![Vec::new(); updates.len()];
        let mut freed: HashMap<usize, Vec<usize>> = HashMap::new();
        for (needing, update) in updates.iter().enumerate() {
            let last = self.map.last_values(update.record, Some(update.row_number));
            for lookup in 0..self.map.keys.lookups() {
                let key = self.map.keys.unique(lookup, &last);
                let holder = self.map.holder(lookup, key);
                if let Some(row) = holder.filter(|&row| row != update.row_number)
                    && let Some(&freeing) = place.get(&row)
                {
                    needs[needing].push(freeing);
                    if let Some(column) = self.column_to_free(updates[freeing], lookup) {
                        freed.entry(column).or_default().push(freeing);
                    }
                }
            }
        }
        KeyChanges { needs, freed }
    }

    /// The column that gives the row's key of this look-up away.
    fn column_to_free(&self, update: &RowUpdate, lookup: usize) -> Option<usize> {
        let row = update.row_number;
        let last = self.map.last_values(update.record, Some(row));
        let differing = self.map.keys.differing(lookup, self.map.row(row), &last);
        // What is parked must be written in the end.
        let columns: Vec<usize> = differing.filter(|&column| update.sets(column)).collect();
        // The last one names; those before it often refer to another table.
        let mut from_last = columns.iter().rev();
        let parkable = from_last.find(|&&column| self.mapping.parked_value(column).is_some());
        parkable.or_else(|| columns.first()).copied()
    }

    /// Puts a passing value into a key column of rows that are updated later in the transaction.
    async fn park(
        &mut self,
        session: &mut Session<'_, DB>,
        column: usize,
        updates: &[&RowUpdate],
    ) -> Result<(), Error> {
        for updates in updates.chunks(self.size(1)) {
            self.culprit = updates.first().map(|update| update.record);
            let Some(parked) = self.mapping.parked_value(column) else {
                let field = self.mapping.model.columns[column].field;
                return Err(Error::Conflict {
                    at: session.at(Operation::Park),
                    constraint: Some(field.to_owned()),
                    source: None,
                });
            };
            let rows: Vec<&Row> = updates.iter().map(|update| &update.row).collect();
            let park = Statement::park(self.mapping, &rows, column, &parked);
            let parked = session
                .write_rows(park, updates.len(), Operation::Park)
                .await;
            parked.map_err(as_conflict)?;
        }
        Ok(())
    }
}
