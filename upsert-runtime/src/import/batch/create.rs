//! Creates many rows, and sees to it that they have their records' keys.

use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::mapping::Mapping;
use crate::schema::Lookup;
use crate::step::{Session, Statement};
use crate::value::New;

impl<DB: Supported> Session<'_, DB> {
    /// Creates the rows of these records. They are refused if the database tells, with the INSERT, that it stored another key.
    ///
    /// Where it does not tell, it is not asked: that would be a statement more for each.
    pub(super) async fn create_rows(&mut self, records: &[&New]) -> Result<(), Error> {
        let mapping = self.mapping;
        let failed = self.failed(Operation::Create);
        let insert = Statement::insert_rows(mapping, records);
        if DB::Driver::CAPABILITIES.reads_again {
            return self
                .write_rows(insert, records.len(), Operation::Create)
                .await;
        }
        let columns = key_columns(mapping);
        let mut insert = insert.map_err(failed)?;
        match records {
            [_] => insert.push(mapping.sql().returning.unwrap_or_default()),
            _ => insert.returning(mapping, &columns),
        }
        let rows = self.fetch(insert).await.map_err(failed)?;
        // A trigger or rule can keep a row from being stored without an error.
        if rows.len() != records.len() {
            return Err(failed(sqlx::Error::RowNotFound));
        }
        if let ([new], [row]) = (records, &rows[..]) {
            let row = mapping.decode(row).map_err(failed)?;
            let altered = self.altered_key(new, &row, &[]).await.map_err(failed)?;
            return altered.map_or(Ok(()), |column| Err(self.key_altered(column)));
        }
        self.check_keys(records, &columns, &rows).await
    }

    /// Refuses records whose keys the database has altered. The rows have the bytes of these columns.
    ///
    /// A key that has other bytes than its record's, or comes in another order, is asked for.
    async fn check_keys(
        &mut self,
        records: &[&New],
        columns: &[usize],
        rows: &[DB::Row],
    ) -> Result<(), Error> {
        let mapping = self.mapping;
        let failed = self.failed(Operation::Create);
        for lookup in mapping.model.lookups {
            let mut suspects = Vec::new();
            for (&new, row) in records.iter().zip(rows) {
                if mapping.usable(lookup, new)
                    && !mapping.has_key(lookup, new, columns, row).map_err(failed)?
                {
                    suspects.push(new);
                }
            }
            let Some(&column) = lookup.columns.first().filter(|_| !suspects.is_empty()) else {
                continue;
            };
            let having = Statement::having_keys(mapping, lookup.columns, &suspects);
            let having = self.fetch(having.map_err(failed)?).await.map_err(failed)?;
            if having.len() < suspects.len() {
                // Which record and which column is known when they are written one by one.
                return Err(self.key_altered(column));
            }
        }
        Ok(())
    }
}

impl<DB: Supported> Statement<DB> {
    /// ` RETURNING "remote_id", "slug"`
    fn returning(&mut self, mapping: Mapping<DB>, columns: &[usize]) {
        self.push(" RETURNING ");
        for (place, &column) in columns.iter().enumerate() {
            self.separate(place);
            self.push(mapping.sql().names[column]);
        }
    }
}

impl<DB: Supported> Mapping<DB> {
    /// Whether a row of these columns has the record's key byte for byte.
    fn has_key(
        self,
        lookup: &Lookup,
        new: &New,
        columns: &[usize],
        row: &DB::Row,
    ) -> sqlx::Result<bool> {
        for (place, column) in columns.iter().enumerate() {
            if lookup.columns.contains(column)
                && DB::Driver::selected_bytes(row, place)? != self.bytes_of_new(new, *column)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The columns of all look-ups, each once.
fn key_columns<DB: Supported>(mapping: Mapping<DB>) -> Vec<usize> {
    let mut columns = Vec::new();
    for &column in mapping.model.lookups.iter().flat_map(|key| key.columns) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}
