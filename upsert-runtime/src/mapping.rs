//! A model on a database: its columns read, bound and compared.

use crate::backend::codec::{Bytes, Mismatch};
use crate::backend::{Dialect as _, FieldCodec, Supported};
use crate::locking::Locking;
use crate::rules::DeletedSql;
use crate::schema::{Columns, Fields, Lookup, Model, Sql};
use crate::value::{Changes, New, Row, Value};

/// The codec of each column, in the model's order.
pub type Codecs<DB> = &'static [&'static dyn FieldCodec<DB>];

/// A model on the database `DB`.
#[expect(unnameable_types, reason = "only this crate names it")]
#[derive(Debug)]
pub struct Mapping<DB: Supported> {
    pub(crate) model: &'static Model,
    pub(crate) fields: &'static Fields,
    codecs: Codecs<DB>,
}

impl<DB: Supported> Clone for Mapping<DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB: Supported> Copy for Mapping<DB> {}

impl<DB: Supported> Mapping<DB> {
    pub(crate) const fn new(
        model: &'static Model,
        fields: &'static Fields,
        codecs: Codecs<DB>,
    ) -> Self {
        Self {
            model,
            fields,
            codecs,
        }
    }

    /// The model's statements in the database's dialect.
    pub(crate) fn sql(self) -> &'static Sql {
        DB::Driver::sql(self.model)
    }

    /// The texts about rows that are marked as deleted, where the model marks them.
    pub(crate) fn deleted_sql(self) -> Option<&'static DeletedSql> {
        let deleted = self.fields.rules.deleted.as_ref()?;
        Some(DB::Driver::deleted_sql(deleted))
    }

    /// Whether a row is marked as deleted.
    pub(crate) fn is_deleted(self, row: &Row) -> bool {
        (self.fields.is_deleted)(row)
    }

    /// Reads a row whose columns come in the model's order.
    pub(crate) fn decode(self, row: &DB::Row) -> sqlx::Result<Row> {
        let codecs = self.codecs;
        (self.fields.read)(&mut Reading::<DB> { row, codecs })
    }

    /// Binds the row's id.
    pub(crate) fn bind_id(self, row: &Row, to: &mut DB::Arguments) -> sqlx::Result<()> {
        let id = self.model.id;
        self.bind(id, Some((self.fields.in_row)(row, id)), to)
    }

    /// Binds a column of creating data.
    pub(crate) fn bind_new(
        self,
        new: &New,
        column: usize,
        to: &mut DB::Arguments,
    ) -> sqlx::Result<()> {
        self.bind(column, Some((self.fields.in_new)(new, column)), to)
    }

    /// Binds a column that is set, or NULL for one that keeps its value.
    pub(crate) fn bind_change(
        self,
        changes: &Changes,
        column: usize,
        to: &mut DB::Arguments,
    ) -> sqlx::Result<()> {
        self.bind(column, (self.fields.in_changes)(changes, column), to)
    }

    /// Binds a value of a column, or NULL.
    pub(crate) fn bind(
        self,
        column: usize,
        value: Option<&Value>,
        to: &mut DB::Arguments,
    ) -> sqlx::Result<()> {
        let bound = self.codecs[column].bind(value, to);
        bound.map_err(sqlx::Error::Encode)
    }

    /// The ids of rows.
    pub(crate) fn ids<'r>(self, rows: &[&'r Row]) -> Vec<Option<&'r Value>> {
        let id = |row: &&'r Row| Some((self.fields.in_row)(row, self.model.id));
        rows.iter().map(id).collect()
    }

    /// The values of a column of creating data of many.
    pub(crate) fn news<'n>(self, records: &[&'n New], column: usize) -> Vec<Option<&'n Value>> {
        let value = |new: &&'n New| Some((self.fields.in_new)(new, column));
        records.iter().map(value).collect()
    }

    /// Binds values of a column as one array, with NULL for those that are missing.
    pub(crate) fn bind_array(
        self,
        column: usize,
        values: &[Option<&Value>],
        to: &mut DB::Arguments,
    ) -> sqlx::Result<()> {
        let bound = self.codecs[column].bind_array(values, to);
        bound.map_err(sqlx::Error::Encode)
    }

    /// What the database calls the type of a column's field.
    pub(crate) fn type_name(self, column: usize) -> String {
        self.codecs[column].type_name()
    }

    /// Why a column of this SQL type cannot be read as its field.
    pub(crate) fn misfit(self, column: usize, sql: &DB::TypeInfo) -> Option<Mismatch> {
        self.codecs[column].misfit(sql)
    }

    /// How a statement names the type of arrays of a column's field; `None` where only the driver knows.
    pub(crate) fn array_type(self, column: usize) -> Option<String> {
        self.codecs[column].array_type()
    }

    /// Whether the column's field is an `Option`, so that the column may be NULL.
    pub(crate) fn is_optional(self, column: usize) -> bool {
        self.codecs[column].is_optional()
    }

    /// Whether a value of this column can be read, which stands at this place.
    pub(crate) fn can_read(self, row: &DB::Row, column: usize, place: usize) -> bool {
        self.codecs[column].can_read(row, place)
    }

    /// The bytes in which a column of creating data is sent: what is equal byte for byte.
    pub(crate) fn bytes_of_new(self, new: &New, column: usize) -> sqlx::Result<Bytes> {
        self.bytes(column, (self.fields.in_new)(new, column))
    }

    /// The bytes in which a row's column is sent.
    pub(crate) fn bytes_of_row(self, row: &Row, column: usize) -> sqlx::Result<Bytes> {
        self.bytes(column, (self.fields.in_row)(row, column))
    }

    /// The bytes in which a row's id is sent.
    pub(crate) fn id_bytes(self, row: &Row) -> sqlx::Result<Vec<u8>> {
        Ok(self.bytes_of_row(row, self.model.id)?.unwrap_or_default())
    }

    /// The bytes in which a value of a column is sent.
    pub(crate) fn bytes_of(self, value: &Value, column: usize) -> sqlx::Result<Bytes> {
        self.bytes(column, value)
    }

    fn bytes(self, column: usize, value: &Value) -> sqlx::Result<Bytes> {
        let bytes = self.codecs[column].bytes(value);
        bytes.map_err(sqlx::Error::Encode)
    }

    /// Whether creating data has no value with which this key column could identify a record.
    pub(crate) fn is_new_blank(self, new: &New, column: usize) -> bool {
        (self.fields.is_blank)((self.fields.in_new)(new, column), column)
    }

    /// Whether a row has no value with which this key column could identify a record.
    pub(crate) fn is_row_blank(self, row: &Row, column: usize) -> bool {
        (self.fields.is_blank)((self.fields.in_row)(row, column), column)
    }

    /// Whether creating data have a value in each column of the look-up.
    pub(crate) fn usable(self, lookup: &Lookup, new: &New) -> bool {
        let mut columns = lookup.columns.iter();
        !columns.any(|&column| self.is_new_blank(new, column))
    }

    /// Whether a row has a value in each column of the look-up.
    pub(crate) fn usable_in_row(self, lookup: &Lookup, row: &Row) -> bool {
        let mut columns = lookup.columns.iter();
        !columns.any(|&column| self.is_row_blank(row, column))
    }

    /// The places of the columns that `changes` set to something else than `row` holds.
    pub(crate) fn differing(self, row: &Row, changes: &Changes) -> Vec<usize> {
        let columns = self.model.updated.iter().copied();
        columns
            .filter(|&column| self.differs(row, changes, column))
            .collect()
    }

    /// The places of the columns that are written where a row is found: those that differ, unless all of them are only written along.
    pub(crate) fn to_write(self, row: &Row, changes: &Changes) -> Vec<usize> {
        let mut columns = self.differing(row, changes);
        if columns.iter().all(|&column| self.is_uncompared(column)) {
            columns.clear();
        }
        columns
    }

    /// The names of the fields that changed, of the columns that are written.
    pub(crate) fn changed(self, columns: &[usize]) -> Vec<&'static str> {
        let mut columns = columns.to_vec();
        columns.retain(|&column| !self.is_uncompared(column));
        self.model.names(&columns)
    }

    /// The same of a row that is marked as deleted and comes back to life, which its mark changes.
    pub(crate) fn changed_with(self, columns: &[usize], revives: bool) -> Vec<&'static str> {
        let deleted = self.fields.rules.deleted.as_ref();
        let Some(deleted) = deleted.filter(|_| revives) else {
            return self.changed(columns);
        };
        let mut columns = columns.to_vec();
        columns.push(deleted.column);
        columns.sort_unstable();
        self.changed(&columns)
    }

    fn is_uncompared(self, column: usize) -> bool {
        self.fields.rules.uncompared.contains(&column)
    }

    /// Whether a column is set to something else than the row holds.
    ///
    /// What is not equal to itself, as a float that is no number, would be written each time: so what Rust calls another value is
    /// none if it is sent in the same bytes. What cannot be encoded is told by the statement.
    fn differs(self, row: &Row, changes: &Changes, column: usize) -> bool {
        if !(self.fields.differs)(row, changes, column) {
            return false;
        }
        let Some(value) = (self.fields.in_changes)(changes, column) else {
            return true;
        };
        match (self.bytes(column, value), self.bytes_of_row(row, column)) {
            (Ok(new), Ok(stored)) => new != stored,
            _ => true,
        }
    }

    /// The updating data that follow from creating data, trimmed.
    pub(crate) fn updating(self, new: &New) -> Changes {
        let mut changes = (self.fields.updating)(new);
        (self.fields.trim)(&mut changes);
        changes
    }
}

/// The rows that a call works on: a model's, and how they are locked.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Target<DB: Supported> {
    pub(crate) mapping: Mapping<DB>,
    pub(crate) locking: Locking,
}

impl<DB: Supported> Clone for Target<DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB: Supported> Copy for Target<DB> {}

/// A row that is being read.
struct Reading<'r, DB: Supported> {
    row: &'r DB::Row,
    codecs: Codecs<DB>,
}

impl<DB: Supported> Columns for Reading<'_, DB> {
    fn read(&mut self, column: usize, into: &mut Value) -> sqlx::Result<()> {
        self.codecs[column].read(self.row, column, into)
    }
}
