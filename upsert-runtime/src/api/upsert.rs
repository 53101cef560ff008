//! One record.

use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

use sqlx::Pool;
use sqlx::pool::PoolConnection;

use crate::calls::{Backend, Calls as _};
use crate::contract::{Contract, close};
use crate::error::Error;
use crate::in_transaction::InTransaction;
use crate::locking::{Locking, Wait};
use crate::record::{Record, Updating, UpsertOptions};
use crate::rules::OnDeleted;
use crate::transaction::{Connections, Retry};
use crate::value::{Changes, Row};

use super::Stored;
use super::row_or_none::{OrCreate, RowOrNone, UpdateOnly};
use super::stored::target;

/// One record on its way into the table; made by [`LockedUpsert::upsert`](crate::LockedUpsert::upsert).
///
/// All ways to run it do the same, but that on PostgreSQL [`run`](Self::run) and [`run_on`](Self::run_on) mostly lock a row only while it writes it
/// ([guide](crate::guide::one_record#what-is-sent-what-is-locked-and-until-when)):
///
/// 1. The look-ups are tried in the order declared, but those with a NULL or blank column in the record. The first that finds
///    a row wins, and the row is locked until the transaction ends. On PostgreSQL:
///    `SELECT … WHERE "slug" = $1 LIMIT 2 FOR NO KEY UPDATE`.
/// 2. A row was found: the columns of the updating data that differ from it (by the field's `PartialEq`) are written, with the
///    `touch` columns: `UPDATE … SET "name" = $1, "updated_at" = clock_timestamp() WHERE "id" = $2 RETURNING …`. If none
///    differs, nothing is written.
/// 3. None was found: the row is created. If another caller is faster, it is looked up again.
///
/// Concurrent callers create no duplicates **if each look-up has a unique index**, with NULLs allowed where the field is an
/// `Option`.
///
/// # Rules
///
/// Where a row was found it is asked, in this order, and the first that applies decides: whether it is marked as deleted
/// ([`on_deleted`](Self::on_deleted)), whether it is [protected](Self::protect), whether the record is older
/// ([`#[upsert(newer)]`](crate::LockedUpsert)), what differs. All of it is asked of the row under its lock; where nothing is to be
/// written, perhaps of the row as it was read. The [guide](crate::guide::rules) has an example for each.
#[must_use = "nothing happens before `run`, `run_on` or `run_in` is awaited"]
pub struct Upsert<'f, M: Contract, O = OrCreate> {
    new: M::New,
    options: UpsertOptions<'f>,
    retry: Retry,
    wait: Option<Wait>,
    /// What a run gives.
    gives: PhantomData<fn() -> O>,
}

impl<M: Contract> Upsert<'_, M> {
    pub(crate) fn new(new: M::New) -> Self {
        Self {
            new,
            options: UpsertOptions::default(),
            retry: Retry::default(),
            wait: None,
            gives: PhantomData,
        }
    }
}

impl<'f, M: Contract, O: RowOrNone> Upsert<'f, M, O> {
    /// What is written if a row is found: only columns that are set here, NULL included. Without it, all updatable columns of
    /// the creating data but blank keys.
    ///
    /// With `Changes::new()`, which sets nothing, a row that is found stays as it is: get or create.
    pub fn updating(mut self, changes: impl Into<M::Changes>) -> Self {
        self.options.updating = Updating::Changes(Changes::of::<M::Changes>(changes.into()));
        self
    }

    /// The same, made from the row that was found, under its lock: keep what an editor changed by hand, count up, merge.
    ///
    /// `changes` runs anew in each attempt, on the row as it is then, and not at all where the row is created.
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, uses: i64 }
    /// # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    /// Taxonomy::upsert(NewTaxonomy { slug: "rock".into(), uses: 1 })
    ///     .updating_with(|row| TaxonomyChanges::new().uses(row.uses + 1))
    ///     .run(&pool)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn updating_with(mut self, mut changes: impl FnMut(&M) -> M::Changes + Send + 'f) -> Self {
        self.options.updating =
            Updating::Row(Box::new(move |row: &Row| Changes::of(changes(row.open()))));
        self
    }

    /// Whether a row that is found is to be left alone: then nothing is written to it, and it is
    /// [`Outcome::Protected`](crate::Outcome::Protected), also where the record would have taken it over from another one.
    ///
    /// It may be called more than once, and must give the same for the same row. Where something is to be written it is asked of
    /// the row as it is under its lock.
    ///
    /// ```
    /// # use upsert_runtime::{LockedUpsert, Outcome};
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Page { id: i64, slug: String, title: String, #[upsert(readonly)] locked: bool }
    /// # async fn example(pool: sqlx::SqlitePool, new: NewPage) -> Result<(), Box<dyn std::error::Error>> {
    /// // An editor has locked what was corrected by hand.
    /// let done = Page::upsert(new).protect(|row| row.locked).run(&pool).await?;
    /// if let Outcome::Protected { matched_by } = done.outcome {
    ///     println!("{} stays as it is, found by {matched_by}", done.row.title);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn protect(mut self, mut protect: impl FnMut(&M) -> bool + Send + 'f) -> Self {
        self.options.protect = Some(Box::new(move |row: &Row| protect(row.open())));
        self
    }

    /// What becomes of the record where it finds a row that is marked as deleted; the default is [`OnDeleted::Ignore`], for which
    /// such rows are not there. For a model with an `#[upsert(deleted)]` field; another one is [`Error::Unsupported`] with anything
    /// but the default.
    ///
    /// With `Revive` and `Refuse` each look-up is two: `SELECT … AND "deleted_at" IS NULL LIMIT 2 FOR NO KEY UPDATE`, then
    /// `SELECT … AND "deleted_at" IS NOT NULL ORDER BY "deleted_at" DESC, "id" DESC LIMIT 1 FOR NO KEY UPDATE`, before the next
    /// look-up is asked. A row comes back to life by the one UPDATE that writes what differs, `SET …, "deleted_at" = NULL`.
    ///
    /// ```
    /// # use upsert_runtime::{LockedUpsert, OnDeleted};
    /// # use sqlx::types::chrono::{DateTime, Utc};
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Page { id: i64, slug: String, title: String, #[upsert(deleted)] deleted_at: Option<DateTime<Utc>> }
    /// # async fn example(pool: sqlx::SqlitePool, new: NewPage) -> Result<(), Box<dyn std::error::Error>> {
    /// let done = Page::upsert(new).on_deleted(OnDeleted::Revive).run(&pool).await?;
    /// assert!(done.row.deleted_at.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_deleted(mut self, on_deleted: OnDeleted) -> Self {
        self.options.on_deleted = on_deleted;
        self
    }

    /// Creates no row: where none is found nothing is written, and the answer is `None`.
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, uses: i64 }
    /// # async fn example(pool: sqlx::SqlitePool, new: NewTaxonomy) -> Result<(), Box<dyn std::error::Error>> {
    /// match Taxonomy::upsert(new).update_only().run(&pool).await? {
    ///     Some(done) => println!("{:?}", done.outcome),
    ///     None => println!("nobody knows this one"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_only(self) -> Upsert<'f, M, UpdateOnly> {
        Upsert {
            new: self.new,
            options: UpsertOptions {
                update_only: true,
                ..self.options
            },
            retry: self.retry,
            wait: self.wait,
            gives: PhantomData,
        }
    }

    /// How long each statement may wait for a lock; without it the session's own setting holds, in a transaction of
    /// [`begin`](crate::begin) the limit of that one.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = Some(wait);
        self
    }

    /// How often [`run`](Self::run) and [`run_on`](Self::run_on) try; the default is [`Retry::default`]. It has no meaning for
    /// [`run_in`](Self::run_in).
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Runs in a transaction of its own, which may be a single statement.
    ///
    /// After a deadlock, a serialization failure, a lost create race, a connection lost before COMMIT or one that was not to be
    /// had the whole is done again, within the bounds of [`retry`](Self::retry). Dropped in flight, it leaves no lock and no open transaction behind;
    /// whether the row is written is then open.
    ///
    /// So a server that restarts, or a pool that has no free connection within its `acquire_timeout`, is asked again: ten
    /// attempts live through at least eight seconds. Where the server refuses connections sqlx's pool asks again too, within
    /// the one attempt, until its `acquire_timeout` (30 s by default). What comes out in the end is [`Error::Unreachable`], as
    /// it is or in [`Error::Exhausted`]. A wrong password, an unknown database and a closed pool are [`Error::Database`] at once.
    ///
    /// # Errors
    ///
    /// [`Error::NoUsableKey`], [`Error::Ambiguous`], [`Error::IdentityConflict`], [`Error::Conflict`], [`Error::Deleted`]: the record
    /// does not fit what is stored. [`Error::LockTimeout`], [`Error::Exhausted`]: others were in the way, or the server was away, for too
    /// long; [`Error::Unreachable`]: the same, after one attempt.
    /// [`Error::CommitUnknown`]: it may be stored. [`Error::Database`]: anything else. But for `CommitUnknown`, nothing is
    /// written then; unless, on PostgreSQL, the table puts a value into a column that the record does not set, and the field's
    /// type has none such (`infinity`, an enum's label that Rust does not know): the row is there, and nobody can read it.
    pub fn run<DB: Backend>(
        self,
        pool: &Pool<DB>,
    ) -> impl Future<Output = Result<O::Of<M>, Error>> + Send
    where
        M: Stored<DB>,
    {
        let target = target::<DB, M>(Locking::waiting(self.wait));
        let (retry, record) = (self.retry, self.record());
        // The block lets what the closures borrow end at another time than what the pool's reference borrows.
        async move {
            let done = DB::Calls::upsert(Connections::Pool(pool), retry, target, record).await;
            done.map(O::typed)
        }
    }

    /// Runs as [`run`](Self::run) does, in a transaction of its own, on a connection that the caller holds: for one record after
    /// another, each of which saves the way to the pool and the ping with which that tests a connection
    /// ([guide](crate::guide::one_record#on-a-connection-that-you-hold)).
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, uses: i64 }
    /// # async fn example(pool: sqlx::SqlitePool, records: Vec<NewTaxonomy>) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut connection = pool.acquire().await?;
    /// for new in records {
    ///     Taxonomy::upsert(new).run_on(&mut connection).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What is locked, and until when, is the same: nothing is locked any more when it returns. It is tried again on the same
    /// connection; if that is lost there is no other one, and the error is returned.
    ///
    /// Dropped in flight, its rollback goes out before whatever comes next on the connection, or when the connection is dropped; until
    /// then what it locked stays locked. On a server the pool closes the connection then, instead of lending it out. **On MySQL and
    /// MariaDB drop the connection at once**: sqlx 0.9 may have lost count of the answers, so that a further statement on it waits
    /// for ever, or is refused as one in a transaction that may only read. It never takes effect in a transaction that is undone.
    ///
    /// Not within a transaction on the connection. One of sqlx's is refused before anything is sent. One that was begun by a text is
    /// refused before anything is written or locked; on PostgreSQL an unchanged record may be read in it.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run), with [`Error::TransactionLost`] and [`Error::Unreachable`] where that one takes another connection,
    /// and [`Error::Unsupported`] within a transaction.
    pub fn run_on<DB: Backend>(
        self,
        connection: &mut PoolConnection<DB>,
    ) -> impl Future<Output = Result<O::Of<M>, Error>> + Send
    where
        M: Stored<DB>,
    {
        let target = target::<DB, M>(Locking::waiting(self.wait));
        let (retry, record) = (self.retry, self.record());
        async move {
            let connection = Connections::held(connection);
            let done = DB::Calls::upsert(connection, retry, target, record).await;
            done.map(O::typed)
        }
    }

    /// Runs in the caller's transaction, which may be one of [`begin`](crate::begin) or sqlx's own. The row stays locked until
    /// that transaction ends.
    ///
    /// **Several records in one transaction can deadlock**: another transaction that takes the same ones in another order has
    /// what this one wants next. One of the two gets [`Error::Deadlock`], on MySQL [`Error::TransactionLost`], and is to begin
    /// anew. [`Import::run_in`](crate::Import::run_in) takes many records and orders its locks; the
    /// [guide](crate::guide::deadlocks) has other ways.
    ///
    /// It runs in a savepoint: after an error the transaction is as before the call and can go on, unless the error is
    /// [`Error::TransactionLost`]. The transaction is never begun again; an error that [is retryable](Error::is_retryable) asks
    /// the caller to do so. Above READ COMMITTED a lost race can be such an error. That is MySQL's default, where a look-up
    /// that finds nothing then also locks the gap around the key, and creators of *different* records can deadlock: begin with
    /// [`begin`](crate::begin), which is READ COMMITTED everywhere.
    ///
    /// On SQLite a transaction that was begun with plain `BEGIN` takes the write lock first; if another connection has written
    /// since it read, that is [`Error::Serialization`].
    ///
    /// The savepoint is named `upsert`; give none of yours that name.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run), with [`Error::Deadlock`], [`Error::Serialization`] and [`Error::TransactionLost`] where that
    /// one tries again, and without [`Error::CommitUnknown`].
    pub fn run_in<T: InTransaction + ?Sized>(
        self,
        tx: &mut T,
    ) -> impl Future<Output = Result<O::Of<M>, Error>> + Send
    where
        M: Stored<T::Database>,
    {
        let target = target::<T::Database, M>(Locking::waiting(self.wait));
        let record = self.record();
        async move {
            let done = <T::Database as Backend>::Calls::upsert_in(tx.lend(), target, record).await;
            done.map(O::typed)
        }
    }

    /// The record, and the span that begins now.
    fn record(self) -> Record<'f> {
        Record::new(M::MODEL, close::<M>(self.new), self.options)
    }
}

impl<M: Contract, O> Debug for Upsert<'_, M, O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upsert")
            .field("model", &M::MODEL.name)
            .field("options", &self.options)
            .field("retry", &self.retry)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}
