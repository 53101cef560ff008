//! The calls of this crate, compiled once a database.
//!
//! All that is below knows a model as data. Here it is made concrete for each database, behind functions that are not generic
//! and give boxed futures: what is above, which users' crates compile for each of their models, has no algorithm in it.

use std::pin::Pin;

use sqlx::Pool;

use crate::backend::{Supported, for_each_database};
use crate::error::{Error, Report};
use crate::import::{self, Options, Source};
use crate::locking::Wait;
use crate::mapping::{Mapping, Target};
use crate::outcome::Upserted;
use crate::record::{self, MakeChanges, Record, RowSlot};
use crate::schema::{KeyPath, RowKey};
use crate::transaction::{Connections, Retry, Transaction, TransactionRef};
use crate::value::{Changes, KeyParts, New, Row};

/// A database that this crate supports: `sqlx::Postgres`, `sqlx::MySql` (MariaDB too) or `sqlx::Sqlite`.
///
/// Sealed: name it in bounds, do not implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database that `upsert_runtime` supports",
    note = "enable the feature of `upsert-runtime` for it: `postgres`, `mysql` (MariaDB too) or `sqlite`"
)]
pub trait Backend: Supported {
    /// What can be asked of it: not this trait's own items, which would meet those of traits that build on it.
    #[doc(hidden)]
    type Calls: Calls<Self>;
}

/// A call under way.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A call that gives the transaction back, which a row that is found is to borrow.
pub(crate) type LockedAnswer<'t, DB, T> = Answer<'t, (TransactionRef<'t, DB>, T)>;

/// What can be asked of a database.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait Calls<DB: Supported> {
    /// Begins a transaction.
    fn begin(pool: &Pool<DB>, wait: Option<Wait>) -> Answer<'_, Transaction<DB>>;

    /// Commits a transaction.
    fn commit(tx: Transaction<DB>) -> Answer<'static, ()>;

    /// Rolls a transaction back.
    fn rollback(tx: Transaction<DB>) -> Answer<'static, ()>;

    /// Upserts in a transaction of its own.
    fn upsert<'a>(
        connections: Connections<'a, DB>,
        retry: Retry,
        target: Target<DB>,
        record: Record<'a>,
    ) -> Answer<'a, Option<Upserted<Row>>>;

    /// Upserts in the caller's transaction.
    fn upsert_in<'a>(
        tx: TransactionRef<'a, DB>,
        target: Target<DB>,
        record: Record<'a>,
    ) -> Answer<'a, Option<Upserted<Row>>>;

    /// Reads a row, makes changes of it and writes them.
    fn modify<'a>(
        connections: Connections<'a, DB>,
        retry: Retry,
        target: Target<DB>,
        key: Option<RowKey>,
        changes: Box<MakeChanges<'a>>,
    ) -> Answer<'a, Option<Upserted<Row>>>;

    /// Locks the row that has a key.
    fn lock_one(
        tx: TransactionRef<'_, DB>,
        target: Target<DB>,
        key: Option<RowKey>,
    ) -> LockedAnswer<'_, DB, Option<Row>>;

    /// Locks the row of creating data.
    fn lock_new(
        tx: TransactionRef<'_, DB>,
        target: Target<DB>,
        new: New,
    ) -> LockedAnswer<'_, DB, Option<(Row, &'static str)>>;

    /// Locks the rows that have one of these keys.
    fn lock_many(
        tx: TransactionRef<'_, DB>,
        target: Target<DB>,
        path: KeyPath,
        keys: Vec<Option<KeyParts>>,
    ) -> LockedAnswer<'_, DB, Vec<Row>>;

    /// Writes changes of a locked row.
    fn write<'a>(
        tx: &'a mut TransactionRef<'_, DB>,
        target: Target<DB>,
        slot: &'a mut dyn RowSlot,
        changes: Changes,
    ) -> Answer<'a, bool>;

    /// Writes the staged changes of a locked row.
    fn save<'a>(
        tx: &'a mut TransactionRef<'_, DB>,
        target: Target<DB>,
        slot: &'a mut dyn RowSlot,
        staged: &'a mut Changes,
    ) -> Answer<'a, Vec<&'static str>>;

    /// Marks a locked row as deleted, or takes its mark away.
    fn mark<'a>(
        tx: &'a mut TransactionRef<'_, DB>,
        target: Target<DB>,
        slot: &'a mut dyn RowSlot,
        mark: bool,
    ) -> Answer<'a, bool>;

    /// Reads a locked row again.
    fn refresh<'a>(
        tx: &'a mut TransactionRef<'_, DB>,
        target: Target<DB>,
        slot: &'a mut dyn RowSlot,
    ) -> Answer<'a, ()>;

    /// Deletes a locked row.
    fn delete<'a>(
        tx: &'a mut TransactionRef<'_, DB>,
        target: Target<DB>,
        row: &'a Row,
    ) -> Answer<'a, ()>;

    /// Imports in transactions of its own.
    fn import<'a, 'f: 'a>(
        connections: Connections<'a, DB>,
        mapping: Mapping<DB>,
        source: Source<'f>,
        options: Options<'f>,
    ) -> Answer<'a, Report<Row>>;

    /// Imports in the caller's transaction.
    fn import_in<'a, 'f: 'a>(
        tx: TransactionRef<'a, DB>,
        mapping: Mapping<DB>,
        source: Source<'f>,
        options: Options<'f>,
    ) -> Answer<'a, Report<Row>>;
}

/// Implements the calls for one database: each is the boxed future of a function in a lower room.
macro_rules! calls {
    ($database:ty) => {
        impl Backend for $database {
            type Calls = Self;
        }

        impl Calls<Self> for $database {
            fn begin(pool: &Pool<Self>, wait: Option<Wait>) -> Answer<'_, Transaction<Self>> {
                Box::pin(Transaction::begin(pool, wait))
            }

            fn commit(tx: Transaction<Self>) -> Answer<'static, ()> {
                Box::pin(tx.commit_checked())
            }

            fn rollback(tx: Transaction<Self>) -> Answer<'static, ()> {
                Box::pin(tx.roll_back())
            }

            fn upsert<'a>(
                connections: Connections<'a, Self>,
                retry: Retry,
                target: Target<Self>,
                record: Record<'a>,
            ) -> Answer<'a, Option<Upserted<Row>>> {
                Box::pin(record::upsert(connections, retry, target, record))
            }

            fn upsert_in<'a>(
                tx: TransactionRef<'a, Self>,
                target: Target<Self>,
                record: Record<'a>,
            ) -> Answer<'a, Option<Upserted<Row>>> {
                Box::pin(record::upsert_in(tx, target, record))
            }

            fn modify<'a>(
                connections: Connections<'a, Self>,
                retry: Retry,
                target: Target<Self>,
                key: Option<RowKey>,
                changes: Box<MakeChanges<'a>>,
            ) -> Answer<'a, Option<Upserted<Row>>> {
                Box::pin(record::modify(connections, retry, target, key, changes))
            }

            fn lock_one(
                tx: TransactionRef<'_, Self>,
                target: Target<Self>,
                key: Option<RowKey>,
            ) -> LockedAnswer<'_, Self, Option<Row>> {
                Box::pin(record::lock_one(tx, target, key))
            }

            fn lock_new(
                tx: TransactionRef<'_, Self>,
                target: Target<Self>,
                new: New,
            ) -> LockedAnswer<'_, Self, Option<(Row, &'static str)>> {
                Box::pin(record::lock_new(tx, target, new))
            }

            fn lock_many(
                tx: TransactionRef<'_, Self>,
                target: Target<Self>,
                path: KeyPath,
                keys: Vec<Option<KeyParts>>,
            ) -> LockedAnswer<'_, Self, Vec<Row>> {
                Box::pin(record::lock_many(tx, target, path, keys))
            }

            fn write<'a>(
                tx: &'a mut TransactionRef<'_, Self>,
                target: Target<Self>,
                slot: &'a mut dyn RowSlot,
                changes: Changes,
            ) -> Answer<'a, bool> {
                Box::pin(record::write(tx, target, slot, changes))
            }

            fn save<'a>(
                tx: &'a mut TransactionRef<'_, Self>,
                target: Target<Self>,
                slot: &'a mut dyn RowSlot,
                staged: &'a mut Changes,
            ) -> Answer<'a, Vec<&'static str>> {
                Box::pin(record::save(tx, target, slot, staged))
            }

            fn mark<'a>(
                tx: &'a mut TransactionRef<'_, Self>,
                target: Target<Self>,
                slot: &'a mut dyn RowSlot,
                mark: bool,
            ) -> Answer<'a, bool> {
                Box::pin(record::mark(tx, target, slot, mark))
            }

            fn refresh<'a>(
                tx: &'a mut TransactionRef<'_, Self>,
                target: Target<Self>,
                slot: &'a mut dyn RowSlot,
            ) -> Answer<'a, ()> {
                Box::pin(record::refresh(tx, target, slot))
            }

            fn delete<'a>(
                tx: &'a mut TransactionRef<'_, Self>,
                target: Target<Self>,
                row: &'a Row,
            ) -> Answer<'a, ()> {
                Box::pin(record::delete(tx, target, row))
            }

            fn import<'a, 'f: 'a>(
                connections: Connections<'a, Self>,
                mapping: Mapping<Self>,
                source: Source<'f>,
                options: Options<'f>,
            ) -> Answer<'a, Report<Row>> {
                Box::pin(import::run(connections, mapping, source, options))
            }

            fn import_in<'a, 'f: 'a>(
                tx: TransactionRef<'a, Self>,
                mapping: Mapping<Self>,
                source: Source<'f>,
                options: Options<'f>,
            ) -> Answer<'a, Report<Row>> {
                Box::pin(import::run_in(tx, mapping, source, options))
            }
        }
    };
}
for_each_database!(calls);
