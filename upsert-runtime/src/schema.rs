//! A model as data: its columns, its look-ups, its statements, and what only its own code can do with its values.

use crate::rules::Rules;
use crate::value::{Changes, KeyParts, New, Row, Value};

/// A model as data. Columns are named by their place in `columns`, look-ups by their place in `lookups`.
#[derive(Debug)]
pub struct Model {
    /// The struct's name.
    pub name: &'static str,
    /// Every column, in the order in which they are selected.
    pub columns: &'static [ModelColumn],
    /// The look-ups, in the order in which they are tried.
    pub lookups: &'static [Lookup],
    /// The place of the primary key.
    pub id: usize,
    /// The places of the columns that an INSERT binds, in the order of its placeholders.
    pub created: &'static [usize],
    /// The places of the columns that an UPDATE may set, in the order in which it sets them.
    pub updated: &'static [usize],
    /// The statements for PostgreSQL.
    pub postgres: Sql,
    /// The statements for MySQL and MariaDB.
    pub mysql: Sql,
    /// The statements for SQLite.
    pub sqlite: Sql,
}

/// Stands for a model with a mistake, which does not compile.
pub const NO_MODEL: &Model = {
    const NO_SQL: Sql = Sql {
        select: "",
        from: "",
        find: &[],
        by_id: "",
        insert: "",
        insert_touch: "",
        update: "",
        names: &[],
        touch: "",
        where_id: "",
        returning: None,
        write_lock: None,
    };
    &Model {
        name: "",
        columns: &[],
        lookups: &[],
        id: 0,
        created: &[],
        updated: &[],
        postgres: NO_SQL,
        mysql: NO_SQL,
        sqlite: NO_SQL,
    }
};

/// The value of a column that is not there: no column can be bound as it.
pub const NO_COLUMN: &Value = &();

impl Model {
    /// The names of these columns' fields.
    pub(crate) fn names(&self, columns: &[usize]) -> Vec<&'static str> {
        let names = columns.iter().map(|&column| self.columns[column].field);
        names.collect()
    }
}

/// A column of a model.
#[derive(Debug)]
pub struct ModelColumn {
    /// The field's name, without `r#`.
    pub field: &'static str,
}

/// A key by which a record may be found.
#[derive(Debug)]
pub struct Lookup {
    /// The field's name; for a composite key `(site_id, slug)`.
    pub name: &'static str,
    /// The places of its columns.
    pub columns: &'static [usize],
    /// Whether a row that an earlier key claims for another record is left alone.
    pub unclaimed: bool,
}

/// The key by which a row is reached: the primary key, or a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPath {
    /// The primary key.
    Id,
    /// The look-up at this place.
    Lookup(usize),
}

impl KeyPath {
    /// The name of the look-up; for the primary key, that of its field.
    pub(crate) fn name(self, model: &Model) -> &'static str {
        match self {
            Self::Id => model.columns[model.id].field,
            Self::Lookup(lookup) => model.lookups[lookup].name,
        }
    }

    /// The places of its columns.
    pub(crate) fn columns(self, model: &'static Model) -> &'static [usize] {
        match self {
            Self::Id => std::slice::from_ref(&model.id),
            Self::Lookup(lookup) => model.lookups[lookup].columns,
        }
    }
}

/// A key by which one row is reached, and its value.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct RowKey {
    pub(crate) path: KeyPath,
    pub(crate) parts: KeyParts,
}

/// The texts of one dialect, written at compile time. `step::statement`, `step::alone` and `import::batch` join them where the
/// shape is known only later.
#[derive(Debug)]
pub struct Sql {
    /// `SELECT "id", …`
    pub select: &'static str,
    /// ` FROM "taxonomy"`
    pub from: &'static str,
    /// For each look-up, the SELECT of at most two rows that match, without a lock clause.
    pub find: &'static [&'static str],
    /// The SELECT of the row with an id.
    pub by_id: &'static str,
    /// `INSERT INTO "taxonomy" ("slug", …)`: the created columns, then the `touch` columns.
    pub insert: &'static str,
    /// The values of the `touch` columns, each behind a comma.
    pub insert_touch: &'static str,
    /// `UPDATE "taxonomy" SET `.
    pub update: &'static str,
    /// For each column, its name, quoted.
    pub names: &'static [&'static str],
    /// The assignments of the `touch` columns, each behind a comma.
    pub touch: &'static str,
    /// ` WHERE "id" = `.
    pub where_id: &'static str,
    /// ` RETURNING "id", …`, where the database has that.
    pub returning: Option<&'static str>,
    /// An UPDATE that takes the write lock and changes nothing, where rows are not locked one by one.
    pub write_lock: Option<&'static str>,
}

impl Sql {
    /// A name of ours in a statement: `upsert_…`, with more underscores where the table or a column is called so.
    pub(crate) fn own(&self, name: &str) -> String {
        let mut prefix = "upsert_".to_owned();
        // Names without quotes may be compared without case.
        let theirs = self.names.join(" ").to_lowercase() + &self.from.to_lowercase();
        while theirs.contains(&prefix) {
            prefix.push('_');
        }
        prefix + name
    }
}

/// What only the model's own code can do with its values. It knows no database.
///
/// A column is named by its place; where there is no such column, the value is `()`, which no column can be bound as.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Makes a row of columns that are read one by one.
    pub(crate) read: fn(&mut dyn Columns) -> sqlx::Result<Row>,
    /// A row's value in a column.
    pub(crate) in_row: fn(&Row, usize) -> &Value,
    /// The value of a column in creating data.
    pub(crate) in_new: fn(&New, usize) -> &Value,
    /// The value to which updating data set a column; `None` for a column that keeps its own.
    pub(crate) in_changes: fn(&Changes, usize) -> Option<&Value>,
    /// Whether updating data set a column to something else than the row holds.
    pub(crate) differs: fn(&Row, &Changes, usize) -> bool,
    /// Whether a key column's value identifies no record.
    pub(crate) is_blank: fn(&Value, usize) -> bool,
    /// The updating data that follow from creating data.
    pub(crate) updating: fn(&New) -> Changes,
    /// The same updating data again.
    pub(crate) clone_changes: fn(&Changes) -> Changes,
    /// Trims what is to be trimmed.
    pub(crate) trim: fn(&mut Changes),
    /// Has every column keep its value.
    pub(crate) clear: fn(&mut Changes),
    /// Who may overwrite what.
    pub(crate) rules: &'static Rules,
    /// Whether updating data set the version to less than the row's.
    pub(crate) is_stale: fn(&Row, &Changes) -> bool,
    /// The version of creating data, where the model has versions.
    pub(crate) version: fn(&New) -> Option<Box<Value>>,
    /// Whether one version is less than another one.
    pub(crate) is_older: fn(&Value, &Value) -> bool,
    /// Creating data with the keys of others.
    pub(crate) with_keys_of: fn(&New, &New) -> New,
    /// Creating data with the keys of a row.
    pub(crate) with_keys_of_row: fn(&New, &Row) -> New,
    /// Whether a row is marked as deleted.
    pub(crate) is_deleted: fn(&Row) -> bool,
}

/// A row of a database, to be read column by column.
pub trait Columns {
    /// Puts the column's value into the `Option` of the field's type that is behind `into`.
    ///
    /// # Errors
    ///
    /// If the column's SQL type and the field's type do not fit, or the value cannot be decoded.
    fn read(&mut self, column: usize, into: &mut Value) -> sqlx::Result<()>;
}

/// Reads a column.
///
/// # Errors
///
/// As [`Columns::read`].
pub fn read<T: Send + Sync + 'static>(from: &mut dyn Columns, column: usize) -> sqlx::Result<T> {
    let mut value: Option<T> = None;
    from.read(column, &mut value)?;
    value.ok_or(sqlx::Error::ColumnIndexOutOfBounds {
        index: column,
        len: column,
    })
}
