//! Creates many rows, and sees to it that they have their records' keys.

use crate::backend::{Capabilities, Codec as _, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::mapping::Mapping;
use crate::schema::Lookup;
use crate::step::{Inserted, Session, Statement};
use crate::value::{New, Row};

/// What the INSERT of many rows tells of them.
pub(super) enum Stored<DB: Supported> {
    /// They have the records' keys, and can be read.
    AsGiven,
    /// They are to be read.
    Unread,
    /// The rows.
    Rows(Vec<DB::Row>),
}

impl<DB: Supported> Session<'_, DB> {
    /// Creates the row of a record, and gives it as the database stored it. It is refused if it has another key.
    pub(super) async fn create_row(&mut self, new: &New) -> Result<Row, Error> {
        match self.insert(new, false).await? {
            Inserted::Row(row) => Ok(row),
            Inserted::Refused(Some(error)) | Inserted::NotQuiet(error) => Err(error),
            Inserted::Refused(None) => {
                Err(self.failed(Operation::Create)(sqlx::Error::RowNotFound))
            }
        }
    }

    /// Creates the rows of these records. They are refused if the database tells, with the INSERT, that it stored another key.
    pub(super) async fn create_rows(&mut self, records: &[&New]) -> Result<Stored<DB>, Error> {
        let mapping = self.mapping;
        let failed = self.failed(Operation::Create);
        let insert = Statement::insert_rows(mapping, records);
        let Capabilities {
            reads_again,
            may_return,
            ..
        } = DB::Driver::CAPABILITIES;
        if reads_again && may_return.is_none() {
            self.write_rows(insert, records.len(), Operation::Create)
                .await?;
            return Ok(Stored::Unread);
        }
        let mut insert = insert.map_err(failed)?;
        let columns = telling_columns(mapping);
        if reads_again {
            insert.returning(mapping);
        } else {
            insert.returning_what_tells(mapping, &columns);
        }
        let rows = self.fetch(insert).await.map_err(failed)?;
        if rows.is_empty() && reads_again {
            return Ok(Stored::Unread);
        }
        // A trigger or rule can keep a row from being stored without an error.
        if rows.len() != records.len() {
            return Err(failed(sqlx::Error::RowNotFound));
        }
        if reads_again {
            return Ok(Stored::Rows(rows));
        }
        for lookup in mapping.model.lookups {
            let mut suspects = Vec::new();
            for (&new, row) in records.iter().zip(&rows) {
                if mapping.usable(lookup, new)
                    && !mapping
                        .has_key(lookup, new, &columns, row)
                        .map_err(failed)?
                {
                    suspects.push(new);
                }
            }
            self.check_keys(lookup, &suspects).await?;
        }
        let mut is_read = true;
        for row in &rows {
            is_read &= DB::Driver::number(row, columns.len()).map_err(failed)? != Some(1);
            let mut places = columns.iter().enumerate();
            is_read &= places.all(|(place, &column)| mapping.can_read(row, column, place));
        }
        Ok(if is_read {
            Stored::AsGiven
        } else {
            Stored::Unread
        })
    }

    /// Refuses records that were created and whose key of this look-up no row has. Those whose key was seen in the bytes that
    /// were sent need not be asked for: the others may be stored in another spelling, or in another order than they were sent.
    pub(super) async fn check_keys(
        &mut self,
        lookup: &Lookup,
        suspects: &[&New],
    ) -> Result<(), Error> {
        let Some(&column) = lookup.columns.first().filter(|_| !suspects.is_empty()) else {
            return Ok(());
        };
        let failed = self.failed(Operation::Create);
        let having = Statement::having_keys(self.mapping, lookup.columns, suspects);
        let having = self.fetch(having.map_err(failed)?).await.map_err(failed)?;
        if having.len() < suspects.len() {
            // Which record and which column is known when they are written one by one.
            return Err(self.key_altered(column));
        }
        Ok(())
    }
}

impl<DB: Supported> Statement<DB> {
    /// ` RETURNING "id", "remote_id", "slug", "created_at", CASE WHEN "id" IS NULL OR "slug" IS NULL OR … THEN 1 ELSE 0 END`
    ///
    /// The last one is 1 for a row in which a column is NULL whose field cannot be.
    fn returning_what_tells(&mut self, mapping: Mapping<DB>, columns: &[usize]) {
        let names = mapping.sql().names;
        self.push(" RETURNING ");
        for &column in columns {
            self.push(names[column]);
            self.push(", ");
        }
        let required = (0..names.len()).filter(|&column| !mapping.is_optional(column));
        let is_null: Vec<String> = required
            .map(|column| format!("{} IS NULL", names[column]))
            .collect();
        let is_null = is_null.join(" OR ");
        self.push(&format!("CASE WHEN {is_null} THEN 1 ELSE 0 END"));
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

/// The columns that tell whether a row is as its record, and can be read: those of the look-ups, and those that the record does not
/// set.
fn telling_columns<DB: Supported>(mapping: Mapping<DB>) -> Vec<usize> {
    let model = mapping.model;
    let is_key = |column: &usize| model.lookups.iter().any(|key| key.columns.contains(column));
    let tells = |column: &usize| is_key(column) || !model.created.contains(column);
    (0..model.columns.len()).filter(tells).collect()
}
