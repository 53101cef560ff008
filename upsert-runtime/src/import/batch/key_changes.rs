//! Updates of many rows, whose unique keys the database checks row by row.

use std::collections::{BTreeMap, HashMap};

use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::import::plan::Order;
use crate::step::{Session, Statement};
use crate::value::Row;

use super::chunk::Chunk;
use super::write::RowUpdate;

/// Which updates of a chunk must free a key for another one. Updates are named by their places.
struct KeyChanges {
    /// For each update, those that must come before it.
    needs: Vec<Vec<usize>>,
    /// The updates that free a key, and of which look-up.
    freeing: Vec<(usize, usize)>,
}

impl<DB: Supported> Chunk<'_, DB> {
    /// Updates rows, those that give a key away before those that get it. Puts those that the statements give into `after`.
    pub(super) async fn update(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
        after: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let KeyChanges { needs, freeing } = self.key_changes(updates);
        let Order { layers, parked } = Order::of(&needs);
        // What is parked is in the order of its places.
        let is_parked = |(update, _): &(usize, usize)| parked.binary_search(update).is_ok();
        let to_park: Vec<(usize, usize)> = freeing.into_iter().filter(is_parked).collect();
        self.park(session, updates, &to_park).await?;
        for layer in layers.into_iter().chain([parked]) {
            let layer = layer.iter().map(|&place| updates[place]);
            self.update_layer(session, layer, after).await?;
        }
        Ok(())
    }

    /// Updates rows that give no key to each other. A statement sets what its rows change, and nothing else: a trigger looks at
    /// the columns that a statement names, and a `json` that is written is not what it was.
    async fn update_layer<'u>(
        &mut self,
        session: &mut Session<'_, DB>,
        layer: impl Iterator<Item = &'u RowUpdate>,
        after: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let mut by_columns: BTreeMap<(bool, &[usize]), Vec<&RowUpdate>> = BTreeMap::new();
        for update in layer {
            let columns = (update.revives, &*update.columns);
            by_columns.entry(columns).or_default().push(update);
        }
        for ((revives, columns), updates) in by_columns {
            let bound = [&[self.mapping.model.id], columns].concat();
            for updates in updates.chunks(self.size(&bound)) {
                if let [update] = updates {
                    self.culprit = Some(update.record);
                }
                self.send_updates(session, updates, (columns, revives), after)
                    .await?;
            }
        }
        Ok(())
    }

    /// Updates rows by one statement, and looks at what it gives.
    async fn send_updates(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
        (columns, revives): (&[usize], bool),
        after: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let statement = Statement::update_rows(self.mapping, updates, columns, revives);
        if !self.manner.reads_updates || DB::Driver::CAPABILITIES.reads_again {
            let rows = updates.len();
            return session.write_rows(statement, rows, Operation::Update).await;
        }
        let failed = session.failed(Operation::Update);
        let mut statement = statement.map_err(failed)?;
        statement.push(self.mapping.sql().returning.unwrap_or_default());
        let rows = session.fetch(statement).await.map_err(failed)?;
        self.take_updated(&rows, updates, after).map_err(failed)
    }

    /// Which keys move from one of these rows to another.
    fn key_changes(&mut self, updates: &[&RowUpdate]) -> KeyChanges {
        let places = updates.iter().enumerate();
        let place: HashMap<u32, usize> = places
            .map(|(place, update)| (update.row_number, place))
            .collect();
        let mut needs = vec![Vec::new(); updates.len()];
        let mut freeing = Vec::new();
        for (needing, update) in updates.iter().enumerate() {
            let last = self.map.last_values(update.record, Some(update.row_number));
            for lookup in 0..self.map.keys.all() {
                let key = self.map.keys.unique(lookup, &last);
                let holder = self.map.holder(lookup, key);
                if let Some(row) = holder.filter(|&row| row != update.row_number)
                    && let Some(&holding) = place.get(&row)
                {
                    needs[needing].push(holding);
                    freeing.push((holding, lookup));
                }
            }
        }
        KeyChanges { needs, freeing }
    }

    /// The columns that give the row's key of this look-up away, the last one first: it names, and those before it often refer to
    /// another table.
    fn columns_to_free(&self, update: &RowUpdate, lookup: usize) -> Vec<usize> {
        let row = update.row_number;
        let last = self.map.last_values(update.record, Some(row));
        let differing = self.map.keys.differing(lookup, self.map.row(row), &last);
        // What is parked must be written in the end.
        let mut columns: Vec<usize> = differing.filter(|&column| update.sets(column)).collect();
        columns.reverse();
        columns
    }

    /// Puts passing values into keys that these updates, each of this look-up, must free.
    async fn park(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
        to_park: &[(usize, usize)],
    ) -> Result<(), Error> {
        let mut by_column: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &(place, lookup) in to_park {
            let columns = self.columns_to_free(updates[place], lookup);
            for &column in &columns {
                self.learn(session, column).await?;
            }
            if let Some(column) = self.best_parked(&columns) {
                by_column.entry(column).or_default().push(place);
            }
        }
        for (column, mut places) in by_column {
            places.sort_unstable();
            places.dedup();
            let size = self.size(&[self.mapping.model.id, column]);
            for places in places.chunks(size) {
                self.culprit = places.first().map(|&place| updates[place].record);
                let rows: Vec<&Row> = places.iter().map(|&place| &updates[place].row).collect();
                self.park_rows(session, column, &rows).await?;
            }
        }
        Ok(())
    }
}
