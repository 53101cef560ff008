//! The contract that the derive fills: what a model is, as plain data, and what a database needs of it.

use std::fmt::Debug;

use futures_core::Stream;
use sqlx::Database;

use crate::backend::{Backend, BindResult};
use crate::field::{OnChange, OnColumn};
use crate::import::{Import, Source};
use crate::locked::LockedRow;
use crate::upsert::Upsert;

/// A model whose rows are found by one of their keys, locked, updated, else created.
///
/// Derive it; it is not meant to be implemented by hand. Beside this trait the derive makes, for a struct `Taxonomy`:
///
/// | item | what it is |
/// | --- | --- |
/// | `NewTaxonomy` | creating data: one field for each column that a program may write |
/// | `TaxonomyChanges` | updating data: each updatable column is set or left alone |
/// | `LockedTaxonomy<'t, DB>` | a row that is locked in a transaction: derefs to the row, and has methods that update it |
/// | `TaxonomyLock` | what [`lock`](Self::lock) returns: options, and a method for the id and for each look-up |
/// | `TaxonomyModify` | what [`modify`](Self::modify) returns: the same for read, modify, write in one call |
///
/// # Attributes of the struct
///
/// | attribute | meaning |
/// | --- | --- |
/// | `#[lookup(remote_id, slug)]` | the keys, tried in this order; required |
/// | `#[lookup((site_id, slug))]` | a composite key; with an option: `#[lookup(remote_id, (site_id, slug)(unclaimed))]` |
/// | `#[lookup(remote_id, slug(unclaimed))]` | a row found by `slug` whose `remote_id` is another one is an [`Error::IdentityConflict`](crate::Error::IdentityConflict) |
/// | `#[upsert(table = "music.taxonomy")]` | the table, with its schema if there is one; default: the struct's name in `snake_case` |
/// | `#[upsert(crate = path)]` | where this crate is found; default `::upsert_runtime` |
/// | `#[sqlx(rename_all = "camelCase")]` | how column names follow from field names, as in `sqlx::FromRow` |
///
/// # Attributes of a field
///
/// | attribute | meaning |
/// | --- | --- |
/// | `#[upsert(id)]` | the primary key, made by the database; default: the field named `id` |
/// | `#[upsert(id, assigned)]` | the primary key, made by the program; it may be a look-up and is never updated |
/// | `#[upsert(trim)]` | white space around the text is cut off before it is looked up or stored |
/// | `#[upsert(create_only)]` | written on create, never on update |
/// | `#[upsert(readonly)]` | read, never written: a default or a generated column |
/// | `#[upsert(touch)]` | set by the database's wall clock on create and on every real change: a time stamp, on SQLite text as `2026-01-31T12:34:56.789Z` |
/// | `#[sqlx(rename = "page_title")]` | the column's name |
/// | `#[sqlx(skip)]` | no column: filled with `Default::default()` |
///
/// # Blank keys
///
/// A key column that is NULL, empty or only white space identifies no record: a look-up with such a column in it is not asked,
/// and a stored key is not erased by it. When the row is created, a blank key in an `Option` field is stored as NULL; in any
/// other field it is stored as it is, so that a unique index lets only one such row in. See [`Key`](crate::Key).
///
/// # Types
///
/// Whether a column differs is its field's `PartialEq` on what was read. A column that rounds, pads or cuts off what it is given
/// differs every time, and is written every time: take `timestamp(6)` and not `timestamp` on MySQL, cut times to
/// microseconds, avoid `CHAR(n)` and `FLOAT`.
///
/// Every column that is written needs a type that is `Clone`, `Debug` and `PartialEq`, and that sqlx can both bind and read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "missing `#[derive(LockedUpsert)]`",
    note = "add `#[derive(LockedUpsert)]` and `#[lookup(..)]` to `{Self}`"
)]
pub trait LockedUpsert: Sized + Send + Sync + 'static {
    /// Creating data: a value for each column that is written on create.
    type New: Clone + Debug + Send + Sync + 'static;

    /// Updating data: each updatable column is set or left alone.
    type Changes: Clone + Debug + Default + PartialEq + From<Self::New> + Send + Sync + 'static;

    /// A row that is locked in a transaction: `LockedTaxonomy<'t, DB>`.
    type Locked<'t, DB: Backend>: From<LockedRow<'t, Self, DB>>;

    /// What [`lock`](Self::lock) returns: `TaxonomyLock`.
    type Lock: Default;

    /// What [`modify`](Self::modify) returns: `TaxonomyModify`.
    type Modify: Default;

    /// The value of a key, one variant a look-up.
    #[doc(hidden)]
    type Key: Send + Sync + 'static;

    #[doc(hidden)]
    const MODEL: &'static Model;

    /// Finds the row of `new` by its keys and locks it; writes what differs, else creates it.
    ///
    /// `new` is [`LockedUpsert::New`] or anything that converts into it. Nothing happens before [`Upsert::run`] or
    /// [`Upsert::run_in`].
    fn upsert(new: impl Into<Self::New>) -> Upsert<'static, Self> {
        Upsert::new(new.into())
    }

    /// Locks rows in a transaction of the caller's, and lends them as values that cannot outlive it.
    ///
    /// The answer, `TaxonomyLock`, has a `by_…` and a `many_by_…` method for the id and for each look-up, and `find`, which
    /// tries all look-ups in their order. Each gives a `LockedTaxonomy`, which derefs to the row and has a method for each
    /// column that may be updated.
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, uses: i64 }
    /// # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tx = upsert_runtime::begin(&pool).await?;
    /// if let Some(mut rock) = Taxonomy::lock().by_slug(&mut tx, "rock").await? {
    ///     rock.update_uses(rock.uses + 1).await?;
    /// }
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    fn lock() -> Self::Lock {
        Self::Lock::default()
    }

    /// Reads a row, makes changes of it and writes them, in one call and one transaction of its own.
    ///
    /// The answer, `TaxonomyModify`, has a `by_…` and a `try_by_…` method for the id and for each look-up.
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, uses: i64 }
    /// # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    /// // The closure may run more than once.
    /// let changes = |row: &Taxonomy| TaxonomyChanges::new().uses(row.uses + 1);
    /// Taxonomy::modify().by_slug(&pool, "rock", changes).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    fn modify() -> Self::Modify {
        Self::Modify::default()
    }

    /// Imports many records: a whole version of a source, chunk by chunk.
    ///
    /// Items are [`LockedUpsert::New`] or anything that converts into it. Nothing happens before [`Import::run`] or
    /// [`Import::run_in`].
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, uses: i64 }
    /// # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    /// let records = ["rock", "jazz"].map(|slug| NewTaxonomy { slug: slug.into(), uses: 0 });
    /// let report = Taxonomy::import(records).run(&pool).await?;
    /// assert_eq!(report.records, 2);
    /// # Ok(())
    /// # }
    /// ```
    fn import<'f>(records: impl IntoIterator<Item = impl Into<Self::New>>) -> Import<'f, Self> {
        Import::of(Source::memory(records, Self::normalize))
    }

    /// The same for a source that is too large for memory.
    ///
    /// `open` is called twice, and twice again for each time that an import in one transaction is begun anew. Each time it
    /// gives a stream of the same records in the same order: the first reading keeps their keys, the second writes them. An
    /// item that is an error is a failed record, [`Error::Source`](crate::Error::Source); records with other keys than the first
    /// time stop the import.
    ///
    /// Memory is the keys of all records and of the rows that they find, a few records for each chunk, and those whose keys
    /// depend on each other: about 150 bytes a record with two short keys.
    fn import_from<'f, S, N, E>(open: impl FnMut() -> S + Send + 'f) -> Import<'f, Self>
    where
        S: Stream<Item = Result<N, E>> + Send + 'f,
        N: Into<Self::New> + 'f,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'f,
    {
        Import::of(Source::opened(open, Self::normalize))
    }

    /// Trims what is to be trimmed; a blank key in an optional field becomes `None`.
    #[doc(hidden)]
    fn normalize(new: &mut Self::New);

    /// Trims what is to be trimmed.
    #[doc(hidden)]
    fn normalize_changes(changes: &mut Self::Changes);

    /// Trims what is to be trimmed.
    #[doc(hidden)]
    fn normalize_key(key: &mut Self::Key);

    /// Whether no record can be identified by `key`.
    #[doc(hidden)]
    fn key_is_blank(key: &Self::Key) -> bool;

    /// Sets what `changes` set in `staged` too.
    #[doc(hidden)]
    fn stage(staged: &mut Self::Changes, changes: Self::Changes);

    /// Whether both are the same row, by the id.
    #[doc(hidden)]
    fn is_same_row(&self, other: &Self) -> bool;

    /// Whether `new` has no value with which the key column `column` could identify a record.
    #[doc(hidden)]
    fn new_is_blank(new: &Self::New, column: usize) -> bool;

    /// Whether this row has no value with which the key column `column` could identify a record.
    #[doc(hidden)]
    fn is_blank(&self, column: usize) -> bool;

    /// Whether `changes` sets `column` to something else than this row holds.
    #[doc(hidden)]
    fn differs(&self, changes: &Self::Changes, column: usize) -> bool;
}

/// What the database `DB` needs of a model: reading a row and binding its columns.
///
/// The derive implements it for every database on which each field is a [`Column`](crate::Column). Name it in the bounds
/// of code that is generic over the database:
///
/// ```
/// # use upsert_runtime::{Backend, Error, LockedUpsert, Stored};
/// async fn save<DB: Backend, M: Stored<DB>>(pool: &sqlx::Pool<DB>, new: M::New) -> Result<M, Error> {
///     Ok(M::upsert(new).run(pool).await?.row)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in `{DB}`",
    label = "a column of `{Self}` has a type that `{DB}` does not know, or `{Self}` is not a model"
)]
pub trait Stored<DB: Backend>: LockedUpsert {
    /// Reads a row whose columns come in the model's order.
    #[doc(hidden)]
    fn decode(row: &DB::Row) -> sqlx::Result<Self>;

    /// Binds one column of the key.
    #[doc(hidden)]
    fn bind_key(key: &Self::Key, part: usize, to: &mut <DB as Database>::Arguments) -> BindResult;

    /// Shows the field of a row that is this column.
    #[doc(hidden)]
    fn row_column<V: OnColumn<DB, Self>>(column: usize, on: V) -> V::Output;

    /// Shows the field of creating data that is this column.
    #[doc(hidden)]
    fn new_column<V: OnColumn<DB, Self::New>>(column: usize, on: V) -> V::Output;

    /// Shows the field of updating data that is this column.
    #[doc(hidden)]
    fn change_column<V: OnChange<DB, Self::Changes>>(column: usize, on: V) -> V::Output;
}

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
        returning: "",
        write_lock: "",
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

/// A way to find a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By the primary key.
    Id,
    /// By the look-up at this place.
    Lookup(usize),
}

impl By {
    /// The look-up's name; that of the id's field.
    pub(crate) fn name(self, model: &'static Model) -> &'static str {
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

impl Lookup {
    /// Whether `new` has a value in each column of the key.
    pub(crate) fn usable<M: LockedUpsert>(&self, new: &M::New) -> bool {
        !self
            .columns
            .iter()
            .any(|&column| M::new_is_blank(new, column))
    }

    /// Whether `row` has a value in each column of the key.
    pub(crate) fn usable_in<M: LockedUpsert>(&self, row: &M) -> bool {
        !self.columns.iter().any(|&column| row.is_blank(column))
    }
}

/// The texts of one dialect, written at compile time. The module `statement` joins them where the shape is known only later.
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
    /// ` RETURNING "id", …`; empty where the database has none.
    pub returning: &'static str,
    /// An UPDATE that takes the write lock and changes nothing; empty where rows are locked one by one.
    pub write_lock: &'static str,
}

/// The answer to a column that the derive did not write: it cannot be reached by generated code.
///
/// # Errors
///
/// Always.
pub fn no_column(column: usize) -> BindResult {
    Err(format!("the model has no column {column} here").into())
}
