//! The trait that users name.

use futures_core::Stream;

use crate::calls::Backend;
use crate::contract::Contract;

use super::{Import, LockedRow, Upsert};

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
pub trait LockedUpsert: Contract {
    /// A row that is locked in a transaction: `LockedTaxonomy<'t, DB>`.
    type Locked<'t, DB: Backend>;

    /// What [`lock`](Self::lock) returns: `TaxonomyLock`.
    type Lock: Default;

    /// What [`modify`](Self::modify) returns: `TaxonomyModify`.
    type Modify: Default;

    /// Wraps a locked row.
    #[doc(hidden)]
    fn locked<DB: Backend>(row: LockedRow<'_, Self, DB>) -> Self::Locked<'_, DB>;

    /// Finds the row of `new` by its keys and locks it; writes what differs, else creates it.
    ///
    /// `new` is `NewTaxonomy` or anything that converts into it. Nothing happens before [`Upsert::run`] or
    /// [`Upsert::run_in`].
    fn upsert<'f>(new: impl Into<Self::New>) -> Upsert<'f, Self> {
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
    /// Items are `NewTaxonomy` or anything that converts into it. Nothing happens before [`Import::run`] or
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
        Import::of_memory(records)
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
        Import::of_opened(open)
    }
}
