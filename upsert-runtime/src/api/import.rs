//! Many records: a whole version of a source.

use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use sqlx::Pool;
use sqlx::pool::PoolConnection;

use crate::calls::{Backend, Calls as _};
use crate::contract::{Contract, close};
use crate::error::{Error, Progress, Report};
use crate::import::{Missing, OnFailure, OnTakeover, Only, Options, Source, SourceError};
use crate::in_transaction::InTransaction;
use crate::locking::Wait;
use crate::outcome::Outcome;
use crate::rules::OnDeleted;
use crate::transaction::{Connections, Retry};
use crate::value::{Changes, New, Row};

use super::Stored;
use super::stored::mapping;

/// An import of many records. Set options, then [`run`](Self::run), [`run_on`](Self::run_on) or
/// [`run_in`](Self::run_in).
///
/// It does for a whole version of a source what [`upsert`](crate::LockedUpsert::upsert) does for a record, and better than one record
/// after another could: who is who is settled over all records before anything is written.
///
/// # Which record is which row
///
/// 1. Records with the same first usable key are one record: the last counts, by an `#[upsert(newer)]` column the newest; the others are
///    *superseded*. A record that another one supersedes by its key gives it its data if it is newer.
/// 2. A record that finds a row by the model's first look-up owns it.
/// 3. The others fall back, look-up by look-up. A row that has no owner is theirs; it is taken over if it was another record by
///    an earlier key, which [`on_takeover`](Self::on_takeover) can forbid. A key that an owner will have is no longer to be
///    had: the record is superseded, or fails with [`Error::IdentityConflict`] if an earlier key says that it is another
///    one. A record that finds nothing is created.
/// 4. A unique key that several want is kept by who has it, else goes to the owner by the earlier look-up, else to the last.
///    Who does not get it fails with [`Error::Conflict`], and leaves its row as it was.
///
/// Keys may move from row to row in any order, in chains and in cycles, though the database checks unique indexes row by row:
/// records whose keys depend on each other are written in one transaction, and in a cycle a key gets a passing value
/// of its column's type meanwhile, or NULL, which no other connection ever sees. A column that cannot hold one (an enum, a CHECK)
/// makes the record fail with [`Error::Conflict`].
///
/// # What is sent
///
/// The source is read twice. The first reading looks the records up, chunk by chunk, without a lock: by the first key, and by each further one
/// those that found no row so far or one in which that key is another. What needs no change is settled by that. The second reading writes, chunk by
/// chunk, in a transaction each: it locks the rows that are to be changed in the order of their ids, looks the records up
/// again as far as their rows are not known to be as they were, updates rows (a statement for each set of columns, and a few more where keys move),
/// and inserts the rest, sorted by key. Nothing is written where nothing differs. On PostgreSQL:
///
/// ```sql
/// SELECT … FROM "taxonomy" WHERE "remote_id" = ANY($1::TEXT[]);                                   -- the first reading
/// SELECT … FROM "taxonomy" WHERE "slug" = ANY($1::TEXT[]);
///
/// BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL random_page_cost = 1.1;                         -- the second one
/// SELECT "id", <version> FROM "taxonomy" WHERE "id" = ANY($1::INT8[]) ORDER BY "id" FOR NO KEY UPDATE;
/// WITH upsert_new (…) AS (SELECT unnest($1::INT8[]), unnest($2::TEXT[]))
///   UPDATE "taxonomy" SET "name" = upsert_new.upsert_c3, … FROM upsert_new WHERE "id" = upsert_new.upsert_id;
/// INSERT INTO "taxonomy" (…) SELECT unnest($1::TEXT[]), …, clock_timestamp() RETURNING …;
/// COMMIT;
/// ```
///
/// Rows stay locked until their chunk's COMMIT; with [`atomic`](Self::atomic) and in a transaction of the caller's until the end of that, and there the
/// rows that need no change are locked, too. The guide's chapter on [imports](crate::guide::imports) has the statements of the other databases, and what
/// is sent where keys move, where a table has triggers, and with [`each`](Self::each).
///
/// # Others that write meanwhile
///
/// Each row is checked again under its lock; what another writer moved is planned again. Lost create races and deadlocks are
/// done again, chunk by chunk. For each record the outcome is one that a serial order gives; for the import as a whole only
/// with [`atomic`](Self::atomic).
///
/// # Which keys are equal
///
/// Those that the database calls equal, whatever their type: 12.5 and 12.50 of a `numeric`, one day and 24 hours, texts that a
/// collation calls so. Not known are a collation that a program adds to SQLite and a type of PostgreSQL's that has no hash
/// function (an array of `money`), and of MariaDB's collations `big5_chinese_ci` and those that end in `_ai_cs`: of those an import is [`Error::Unsupported`] before anything is written. A `citext` column is
/// compared as text with a `String`, as `upsert` does; a key that differs in case alone is an [`Error::Conflict`] by the unique index.
///
/// ```
/// # use upsert_runtime::{LockedUpsert, Missing};
/// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
/// # #[lookup(remote_id, slug)]
/// # struct Taxonomy { id: i64, remote_id: String, slug: String, source: String }
/// # async fn example(pool: sqlx::SqlitePool, records: Vec<NewTaxonomy>) -> Result<(), Box<dyn std::error::Error>> {
/// let report = Taxonomy::import(records)
///     .missing(Missing::Delete)
///     .scope(|row| row.source == "remote")
///     .run(&pool)
///     .await?;
/// println!("{report}");
/// for failure in &report.failed {
///     eprintln!("line {}: {}", failure.index + 1, failure.error);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is imported before `run`, `run_on` or `run_in` is awaited"]
pub struct Import<'f, M: Contract> {
    source: Source<'f>,
    options: Options<'f>,
    model: PhantomData<fn() -> M>,
}

impl<'f, M: Contract> Import<'f, M> {
    pub(crate) fn of_memory(records: impl IntoIterator<Item = impl Into<M::New>>) -> Self {
        let mut closed = Vec::new();
        for new in records {
            closed.push(close::<M>(new.into()));
        }
        Self::of(Source::Memory(closed))
    }

    /// An import of the records that `open` gives each time.
    pub(crate) fn of_opened<S, N, E>(mut open: impl FnMut() -> S + Send + 'f) -> Self
    where
        S: Stream<Item = Result<N, E>> + Send + 'f,
        N: Into<M::New> + 'f,
        E: Into<SourceError> + 'f,
    {
        Self::of(Source::Opened(Box::new(move || {
            Box::pin(Closed {
                stream: Box::pin(open()),
                close: |new: N| close::<M>(new.into()),
            })
        })))
    }

    fn of(source: Source<'f>) -> Self {
        Self {
            source,
            options: Options::default(),
            model: PhantomData,
        }
    }

    /// How many records are written at once; the default is 1,000, and 0 counts as 1. Without [`atomic`](Self::atomic) rows are
    /// locked as long as a chunk takes. On MySQL and MariaDB a chunk is halved that does not fit into `max_allowed_packet`.
    pub fn chunk_size(mut self, records: usize) -> Self {
        self.options.chunk_size = records.max(1);
        self
    }

    /// Does everything in one transaction and rolls it back: the counts and errors are the true ones. It takes the locks of a real
    /// import, fires triggers, and may burn ids of a sequence. [`each`](Self::each) is not called.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.options.dry_run = dry_run;
        self
    }

    /// How long each statement may wait for a lock; without it the session's own setting holds. A limit that is reached stops
    /// the import.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Does everything in one transaction, instead of one a chunk. Rows that need no change are locked too, so that the import
    /// as a whole comes before or after any other writer; all stay locked until the end. After a deadlock it begins anew, as
    /// [`retry`](Self::retry) allows: by default not later than 30 seconds after it began. From the third attempt on it locks the
    /// rows that its records find before it makes its plan, so that it gets through beside others who write them all the time. Rows
    /// that move by its own writes, through triggers and foreign keys, are planned again in the same transaction. A
    /// deferred constraint is judged by the COMMIT, which fails the import then, and not the record.
    ///
    /// A row that may be read but not locked ([`Error::NotPermitted`]) fails its record, even if it needs no change.
    ///
    /// Of rows only their keys stay in memory, as they do without it, unless [`each`](Self::each) or [`changes`](Self::changes)
    /// is to be told of them.
    pub fn atomic(mut self, atomic: bool) -> Self {
        self.options.atomic = atomic;
        self
    }

    /// What a record that fails does to the import.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.options.on_failure = on_failure;
        self
    }

    /// Whether records may take over rows of others.
    pub fn on_takeover(mut self, on_takeover: OnTakeover) -> Self {
        self.options.on_takeover = on_takeover;
        self
    }

    /// What is written to the row that a record finds, made from the row and the record: to keep what an editor has changed, to
    /// merge, to count. Without it, all updatable columns of the creating data but blank keys.
    ///
    /// It may be called more than once for a record, also with a row that the record does not get in the end, and must give the same for the same. What
    /// is written is made of the row as it is under its lock.
    ///
    /// Who gets which key is settled before anything is written. So a column of a look-up or of a unique key that the changes leave out, or set to the
    /// row's value, stays as it is stored, which other records can count on; set to the record's value it follows the record; anything else fails the record with
    /// [`Error::KeyAltered`].
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(remote_id, slug)]
    /// # struct Taxonomy { id: i64, remote_id: Option<String>, slug: String, name: String }
    /// # async fn example(pool: sqlx::SqlitePool, records: Vec<NewTaxonomy>) -> Result<(), Box<dyn std::error::Error>> {
    /// // The slug is ours: links lead to it.
    /// Taxonomy::import(records)
    ///     .updating_with(|row, new| TaxonomyChanges::from(new.clone()).slug(row.slug.clone()))
    ///     .run(&pool)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn updating_with(
        mut self,
        mut changes: impl FnMut(&M, &M::New) -> M::Changes + Send + 'f,
    ) -> Self {
        self.options.rules.merge = Some(Box::new(move |row: &Row, new: &New| {
            Changes::of(changes(row.open(), new.open()))
        }));
        self
    }

    /// Which rows are to be left alone: nothing is written to them, they keep their keys, and they are never deleted, marked or
    /// counted as missing. A record that finds such a row is [`Outcome::Protected`](crate::Outcome::Protected), also where it
    /// would have taken the row over.
    ///
    /// It may be called more than once for a row. Where something is to be written it is asked of the row as it is under its lock.
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, name: String, locked: bool }
    /// # async fn example(pool: sqlx::SqlitePool, records: Vec<NewTaxonomy>) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = Taxonomy::import(records).protect(|row| row.locked).run(&pool).await?;
    /// println!("{} left as they are", report.protected);
    /// # Ok(())
    /// # }
    /// ```
    pub fn protect(mut self, mut protect: impl FnMut(&M) -> bool + Send + 'f) -> Self {
        self.options.rules.protect = Some(Box::new(move |row: &Row| protect(row.open())));
        self
    }

    /// Writes only records that find no row, or only those that find one; the others are
    /// [`Outcome::Skipped`](crate::Outcome::Skipped). With [`Only::Update`] a record without a row claims no key: who lost one to it is
    /// judged without it.
    pub fn only(mut self, only: Only) -> Self {
        self.options.rules.only = Some(only);
        self
    }

    /// What becomes of a record that finds a row which is marked as deleted; the default is [`OnDeleted::Ignore`]. For a model with an
    /// `#[upsert(deleted)]` field; another one is [`Error::Unsupported`] with anything but the default.
    pub fn on_deleted(mut self, on_deleted: OnDeleted) -> Self {
        self.options.rules.on_deleted = on_deleted;
        self
    }

    /// The largest share of the rows found that may be changed, from 0 to 1: with more of them, and more than twenty, it is
    /// [`Error::Refused`] before anything is written. It is counted once all records have been looked up. Without it there is no limit.
    pub fn max_changed_share(mut self, share: f64) -> Self {
        self.options.max_changed_share = Some(share);
        self
    }

    /// How many records may fail. The next failure stops the import with [`Error::Stopped`], whose source is
    /// [`Error::TooManyFailed`]. Failures that are known once all records have been looked up count before anything is written. Without it there is no
    /// limit.
    pub fn max_failed(mut self, records: u64) -> Self {
        self.options.max_failed = Some(records);
        self
    }

    /// Stops the import when `stop` is ready, whatever its output: the chunk under way is finished, and the report comes back with
    /// `complete == false`. It is looked at between chunks, while the source is read for the first time too. Nothing missing is deleted then. An
    /// import in one transaction is rolled back, and its counts are zero.
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, name: String }
    /// # async fn example(pool: sqlx::SqlitePool, records: Vec<NewTaxonomy>) -> Result<(), Box<dyn std::error::Error>> {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// // `stop.send(())` ends it, as does `tokio::signal::ctrl_c()` in place of the receiver.
    /// let report = Taxonomy::import(records).stop_on(stopped).run(&pool).await?;
    /// if !report.complete {
    ///     println!("stopped; a second run goes on from here");
    /// }
    /// # drop(stop);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop_on(mut self, stop: impl Future + Send + 'f) -> Self {
        self.options.stop = Some(Box::pin(async move {
            stop.await;
        }));
        self
    }

    /// What becomes of rows that the import does not have. For an import that is *complete*: each row of the scope that is not
    /// in it is gone from the source.
    ///
    /// A row is missing if it was there at the start, is in the [`scope`](Self::scope), has a usable first key, and no record is
    /// this row. It is deleted together with the record that needs one of its keys, else in the end, if no record failed; each is
    /// looked at again under its lock. A row that the database will not delete (a foreign key) stays, and so does one that cannot
    /// be read, which [`Report::unreadable`] tells. A record without a usable key, or an error of the source, makes the import
    /// incomplete: nothing is deleted then.
    pub fn missing(mut self, missing: Missing) -> Self {
        self.options.missing = missing;
        self
    }

    /// Which rows may be missing; without it all. It is asked at the start, and again under the row's lock.
    pub fn scope(mut self, mut scope: impl FnMut(&M) -> bool + Send + 'f) -> Self {
        self.options.rules.scope = Some(Box::new(move |row: &Row| scope(row.open())));
        self
    }

    /// The largest share of the rows that may be missing, from 0 to 1; the default is 0.1. With more of them, or no records at all,
    /// it is [`Error::Refused`] before anything is written. It holds for [`Missing::Mark`], too.
    pub fn max_share(mut self, share: f64) -> Self {
        self.options.max_share = share;
        self
    }

    /// Is told after each chunk, and once more in the end, how far the import has come. It begins at 0 again where an import in one transaction does.
    pub fn progress(mut self, progress: impl FnMut(&Progress) + Send + 'f) -> Self {
        self.options.progress = Some(Box::new(progress));
        self
    }

    /// Is told of each row that a record was stored in, once it is committed: the record's index from 0, the row as it is
    /// stored, and what was done. In [`run_in`](Self::run_in) it is told in the end; the commit is the caller's. For children
    /// that refer to the row. It costs a statement for the rows that a chunk updates, and one for those that it creates (MariaDB gives those with the
    /// INSERT).
    ///
    /// With [`atomic`](Self::atomic) and in [`run_in`](Self::run_in) all stored rows are kept in memory at once until they are told,
    /// those that need no change too: a million rows of 1 KB are 1 GB. What is told is what was committed, and a second reading
    /// could show what others have made of it. Where that is too much, import without `atomic`, which keeps a chunk's, or ask for
    /// [`changes`](Self::changes), which keeps touched rows alone.
    ///
    /// What becomes of a record is the same with and without it.
    pub fn each(mut self, mut each: impl FnMut(u64, &M, &Outcome) + Send + 'f) -> Self {
        self.options.each = Some(Box::new(move |index, row: &Row, outcome: &Outcome| {
            each(index, row.open(), outcome);
        }));
        self
    }

    /// Keeps each touched row in [`Report::changes`], as it was before and is after: for an audit, or for the diff of a dry run.
    /// It costs memory, and statements, as [`each`](Self::each) does. [`Error::Stopped`] tells no changes.
    pub fn changes(mut self, changes: bool) -> Self {
        self.options.changes = changes;
        self
    }

    /// How often, and for how long, a chunk is tried, or the whole with [`atomic`](Self::atomic); the default is
    /// [`Retry::default`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Imports, in transactions of its own.
    ///
    /// Dropped in flight, it leaves no lock and no open transaction behind; chunks that are committed stay.
    ///
    /// # Errors
    ///
    /// A record that fails is no error but told in the [`Report`]. [`Error::Stopped`]: the server is gone, others were in the
    /// way for too long, a source gave other records the second time, a GRANT is missing, or a column cannot be read as its field, which is
    /// asked before anything is written; it says what was committed, and in its source why. [`Error::Refused`]: [`max_share`](Self::max_share),
    /// [`max_changed_share`](Self::max_changed_share). [`Error::TooManyFailed`], as the source of `Stopped`: [`max_failed`](Self::max_failed).
    /// [`Error::Aborted`]: [`OnFailure::Abort`]. [`Error::Unsupported`], as the source of `Stopped`, before anything is written: keys of which it cannot be
    /// told which are equal, and [`Missing::Delete`] where a deletion comes back to the table by other tables' `ON DELETE CASCADE`.
    pub fn run<DB: Backend>(
        self,
        pool: &Pool<DB>,
    ) -> impl Future<Output = Result<Report<M>, Error>> + Send
    where
        M: Stored<DB>,
    {
        let Self {
            source, options, ..
        } = self;
        async move {
            let mapping = mapping::<DB, M>();
            let done = DB::Calls::import(Connections::Pool(pool), mapping, source, options).await;
            done.map(Report::typed)
        }
    }

    /// Imports as [`run`](Self::run) does, in transactions of its own, all of them on a connection that the caller holds: so no other
    /// task of the program is waited for, or keeps the import waiting, between two chunks. A connection that is lost ends the import.
    ///
    /// ```
    /// # use upsert_runtime::LockedUpsert;
    /// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    /// # #[lookup(slug)]
    /// # struct Taxonomy { id: i64, slug: String, uses: i64 }
    /// # async fn example(pool: sqlx::SqlitePool, records: Vec<NewTaxonomy>) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut connection = pool.acquire().await?;
    /// println!("{}", Taxonomy::import(records).run_on(&mut connection).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Rows are locked as long as a chunk takes, with [`atomic`](Self::atomic) until the end. Dropped in flight, the connection is as
    /// after [`Upsert::run_on`](crate::Upsert::run_on); chunks that are committed stay.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run), and [`Error::Unsupported`] within a transaction on the connection.
    pub fn run_on<DB: Backend>(
        self,
        connection: &mut PoolConnection<DB>,
    ) -> impl Future<Output = Result<Report<M>, Error>> + Send
    where
        M: Stored<DB>,
    {
        let Self {
            source, options, ..
        } = self;
        async move {
            let (connection, mapping) = (Connections::held(connection), mapping::<DB, M>());
            let done = DB::Calls::import(connection, mapping, source, options).await;
            done.map(Report::typed)
        }
    }

    /// Imports in the caller's transaction, all or nothing with it; rows stay locked until it ends.
    ///
    /// It runs in a savepoint: after an error the transaction is as before the call, unless the error is
    /// [`Error::TransactionLost`] within [`Error::Stopped`]. Begin it with [`begin`](crate::begin): at REPEATABLE READ, MySQL's
    /// default, a row that another transaction has committed since is not seen, and a record that meets it ends the import
    /// with [`Error::Serialization`], or on MariaDB since 11.6 with `TransactionLost`, which a new transaction does not meet
    /// again.
    ///
    /// The rows of a chunk are locked in the order of the primary key and created in the order of their keys, whatever the order of
    /// the records. So transactions with the same records, as many as fit into a chunk, wait for each other and do not deadlock,
    /// as those can that upsert them one by one.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run); deadlocks are not tried again.
    pub fn run_in<T: InTransaction + ?Sized>(
        self,
        tx: &mut T,
    ) -> impl Future<Output = Result<Report<M>, Error>> + Send
    where
        M: Stored<T::Database>,
    {
        let Self {
            source, options, ..
        } = self;
        async move {
            let (tx, mapping) = (tx.lend(), mapping::<T::Database, M>());
            let done =
                <T::Database as Backend>::Calls::import_in(tx, mapping, source, options).await;
            done.map(Report::typed)
        }
    }
}

/// A stream whose items are closed, and whose errors are boxed.
struct Closed<S, N> {
    stream: Pin<Box<S>>,
    close: fn(N) -> New,
}

impl<S, N, E> Stream for Closed<S, N>
where
    S: Stream<Item = Result<N, E>>,
    E: Into<SourceError>,
{
    type Item = Result<New, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(context);
        polled.map(|item| item.map(|item| item.map(self.close).map_err(Into::into)))
    }
}

impl<M: Contract> Debug for Import<'_, M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        f.debug_struct("Import")
            .field("model", &M::MODEL.name)
            .field("chunk_size", &options.chunk_size)
            .field("dry_run", &options.dry_run)
            .field("wait", &options.wait)
            .field("atomic", &options.atomic)
            .field("on_failure", &options.on_failure)
            .field("on_takeover", &options.on_takeover)
            .field("missing", &options.missing)
            .field("max_share", &options.max_share)
            .field("retry", &options.retry)
            .finish_non_exhaustive()
    }
}
