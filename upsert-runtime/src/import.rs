//! Many records: a whole version of a source, set by set.

use std::fmt::{self, Debug, Formatter};

use sqlx::Pool;

use crate::backend::Backend;
use crate::error::Error;
use crate::in_transaction::InTransaction;
use crate::locking::{Locking, Wait};
use crate::model::{LockedUpsert, Model, Stored};
use crate::owned;
use crate::retry::Retry;
use crate::savepoint;
use crate::session::Session;
use crate::upsert::Outcome;
use crate::work::Work;

mod chunk;
mod contend;
mod dispatch;
mod engine;
mod keys;
mod learn;
mod missing;
mod order;
mod place;
mod plan;
mod read;
mod read_back;
mod report;
mod sets;
mod source;
mod statement;
mod told;
mod update;
mod world;
mod write;

use self::engine::Engine;
use self::place::Place;
pub use self::report::{Failure, Progress, Report, RowChange};
pub(crate) use self::source::Source;
use self::told::Finished;

/// What becomes of rows that the import does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// They stay; nobody looks for them.
    #[default]
    Keep,
    /// They are deleted, within [`Import::scope`] and [`Import::max_share`].
    Delete,
}

/// What a record that fails does to the import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It is told in [`Report::failed`]; the others are imported.
    #[default]
    Report,
    /// Nothing is imported: [`Error::Aborted`]. It implies [`Import::atomic`].
    Abort,
}

/// Whether a record may take over a row that a fallback look-up found and that an earlier key says is another record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTakeover {
    /// It may, unless the look-up is declared `unclaimed` or the earlier key is the id.
    #[default]
    UnlessClaimed,
    /// It may not: such a record fails with [`Error::IdentityConflict`].
    Never,
}

pub(crate) type Scope<'f, M> = Box<dyn FnMut(&M) -> bool + Send + 'f>;
type OnRow<'f, M> = Box<dyn FnMut(u64, &M, &Outcome) + Send + 'f>;
type OnProgress<'f> = Box<dyn FnMut(&Progress) + Send + 'f>;

/// What a caller asked for.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Options<'f, M> {
    chunk_size: usize,
    dry_run: bool,
    wait: Option<Wait>,
    atomic: bool,
    on_failure: OnFailure,
    on_takeover: OnTakeover,
    missing: Missing,
    scope: Option<Scope<'f, M>>,
    max_share: f64,
    progress: Option<OnProgress<'f>>,
    each: Option<OnRow<'f, M>>,
    changes: bool,
    retry: Retry,
    /// Whether nothing is committed before the end; found when it begins.
    is_one_transaction: bool,
}

/// An import of many records. Set options, then [`run`](Self::run) or [`run_in`](Self::run_in).
///
/// It does for a whole version of a source what [`upsert`](LockedUpsert::upsert) does for a record, and better than one record
/// after another could: who is who is settled over all records before anything is written.
///
/// # Which record is which row
///
/// 1. Records with the same first usable key are one record: the last counts, the others are *superseded*.
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
/// meanwhile (NULL, or `upsert parked …`), which no other connection ever sees. A column that cannot hold one (an enum, a CHECK)
/// makes the record fail with [`Error::Conflict`].
///
/// # What is sent
///
/// The source is read twice: first the keys of all records and of the rows that they find, one statement a chunk; then, for
/// each chunk, one SELECT by all look-ups, one that locks what must change in the order of the primary key, one UPDATE of what
/// differs (a few more where keys move), and one INSERT of the rest, sorted by key. Nothing is written where nothing differs.
/// A statement is split where it would bind more values than the database takes. On PostgreSQL a transaction of the import's own
/// begins with `SET LOCAL random_page_cost = 1.1`, so that rows are reached by their keys.
///
/// ```sql
/// SELECT … FROM "taxonomy" JOIN (SELECT "id" AS upsert_id FROM "taxonomy" WHERE "remote_id" = ANY($1::TEXT[])
///   UNION SELECT "id" AS upsert_id FROM "taxonomy" WHERE "slug" = ANY($2::TEXT[])) upsert_found ON "id" = upsert_id;
/// SELECT … FROM "taxonomy" WHERE "id" = ANY($1::INT8[]) ORDER BY "id" FOR NO KEY UPDATE;
/// WITH upsert_new (upsert_id, upsert_m3, upsert_c3, …) AS (SELECT * FROM unnest($1::INT8[], $2::BOOL[], $3::TEXT[], …))
///   UPDATE "taxonomy" SET "name" = CASE WHEN upsert_m3 THEN upsert_c3 ELSE "name"::TEXT END, … FROM upsert_new WHERE "id" = upsert_id;
/// INSERT INTO "taxonomy" (…) SELECT *, clock_timestamp() FROM unnest($1::TEXT[], …);
/// ```
///
/// # Others that write meanwhile
///
/// Each row is checked again under its lock; what another writer moved is planned again. Lost create races and deadlocks are
/// done again, chunk by chunk. For each record the outcome is one that a serial order gives; for the import as a whole only
/// with [`atomic`](Self::atomic).
///
/// # Which keys are equal
///
/// Those that the database calls equal: by the collations of MySQL and MariaDB, by `NOCASE` and `RTRIM` on SQLite. Not known are
/// PostgreSQL's nondeterministic collations, of which an import is [`Error::Unsupported`] before anything is written, and
/// collations that a program adds to SQLite, of which it is so when two such keys meet. A `citext` column is compared byte for
/// byte, as `upsert` does with a `String`; a key that differs in case alone is an [`Error::Conflict`] by the unique index.
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
#[must_use = "nothing is imported before `run` or `run_in` is awaited"]
pub struct Import<'f, M: LockedUpsert> {
    source: Source<'f, M::New>,
    options: Options<'f, M>,
}

impl<'f, M: LockedUpsert> Import<'f, M> {
    pub(crate) fn of(source: Source<'f, M::New>) -> Self {
        Self {
            source,
            options: Options {
                chunk_size: 1_000,
                dry_run: false,
                wait: None,
                atomic: false,
                on_failure: OnFailure::default(),
                on_takeover: OnTakeover::default(),
                missing: Missing::default(),
                scope: None,
                max_share: 0.1,
                progress: None,
                each: None,
                changes: false,
                retry: Retry::default(),
                is_one_transaction: false,
            },
        }
    }

    /// How many records are written at once; the default is 1,000, and 0 counts as 1. Without [`atomic`](Self::atomic) rows are
    /// locked as long as a chunk takes. On MySQL and MariaDB a chunk must fit into `max_allowed_packet`.
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
    /// [`retry`](Self::retry) allows: by default not later than 30 seconds after it began. A deferred constraint is judged by the
    /// COMMIT, which fails the import then, and not the record.
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

    /// What becomes of rows that the import does not have. For an import that is *complete*: each row of the scope that is not
    /// in it is gone from the source.
    ///
    /// A row is missing if it was there at the start, is in the [`scope`](Self::scope), has a usable first key, and no record is
    /// this row. It is deleted together with the record that needs one of its keys, else in the end, if no record failed; each is
    /// looked at again under its lock. A row that the database will not delete (a foreign key) stays. A record without a usable
    /// key, or an error of the source, makes the import incomplete: nothing is deleted then.
    pub fn missing(mut self, missing: Missing) -> Self {
        self.options.missing = missing;
        self
    }

    /// Which rows may be missing; without it all. It is asked at the start, and again under the row's lock.
    pub fn scope(mut self, scope: impl FnMut(&M) -> bool + Send + 'f) -> Self {
        self.options.scope = Some(Box::new(scope));
        self
    }

    /// The largest share of the rows that may be missing, from 0 to 1; the default is 0.1. With more of them, or no records at all,
    /// it is [`Error::Refused`] before anything is written.
    pub fn max_share(mut self, share: f64) -> Self {
        self.options.max_share = share;
        self
    }

    /// Is told after each chunk how far the import has come. It begins at 0 again where an import in one transaction does.
    pub fn progress(mut self, progress: impl FnMut(&Progress) + Send + 'f) -> Self {
        self.options.progress = Some(Box::new(progress));
        self
    }

    /// Is told of each row that a record was stored in, once it is committed: the record's index from 0, the row as it is
    /// stored, and what was done. In [`run_in`](Self::run_in) it is told in the end; the commit is the caller's. For children
    /// that refer to the row. It costs a statement for the rows that a chunk updates, and one for those that it creates.
    pub fn each(mut self, each: impl FnMut(u64, &M, &Outcome) + Send + 'f) -> Self {
        self.options.each = Some(Box::new(each));
        self
    }

    /// Keeps each touched row in [`Report::changes`], as it was before and is after: for an audit, or for the diff of a dry run.
    /// It costs memory, and two statements a chunk, as [`each`](Self::each) does. [`Error::Stopped`] tells no changes.
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
    /// way for too long, or a source gave other records the second time; it says what was committed. [`Error::Refused`]:
    /// [`max_share`](Self::max_share). [`Error::Aborted`]: [`OnFailure::Abort`].
    pub fn run<DB: Backend>(
        self,
        pool: &Pool<DB>,
    ) -> impl Future<Output = Result<Report<M>, Error>> + Send
    where
        M: Stored<DB>,
    {
        let Self {
            mut source,
            mut options,
        } = self;
        let locking = Locking::waiting(options.wait);
        let retry = options.retry;
        options.is_one_transaction =
            options.atomic || options.dry_run || options.on_failure == OnFailure::Abort;
        async move {
            if options.is_one_transaction {
                let mut whole = Whole::new(&mut source, &mut options);
                let done = owned::run(pool, retry, locking, &mut whole).await;
                let finished = done.map_err(|error| stopped(error, Report::<M>::default()))?;
                return Ok(finished.tell(&mut options));
            }
            let mut engine = Engine::new::<DB>(&mut options);
            let done = engine.run(&mut source, &mut Place::Pool(pool)).await;
            let report = engine.finish().tell(&mut options);
            match done {
                Ok(()) => Ok(report),
                Err(error) => Err(stopped(error.under::<DB>(locking.wait), report)),
            }
        }
    }

    /// Imports in the caller's transaction, all or nothing with it; rows stay locked until it ends.
    ///
    /// It runs in a savepoint: after an error the transaction is as before the call, unless the error is
    /// [`Error::TransactionLost`] within [`Error::Stopped`]. Begin it with [`begin`](crate::begin): at REPEATABLE READ, MySQL's
    /// default, a row that another transaction has committed since is not seen, and a record that meets it ends the import
    /// with [`Error::Serialization`], which a new transaction does not meet again.
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
            mut source,
            mut options,
        } = self;
        let locking = Locking::waiting(options.wait);
        options.is_one_transaction = true;
        async move {
            let mut whole = Whole::new(&mut source, &mut options);
            let done = savepoint::run_in(&mut tx.lend(), locking, &mut whole).await;
            let finished = done.map_err(|error| stopped(error, Report::<M>::default()))?;
            Ok(finished.tell(&mut options))
        }
    }
}

/// An import that was stopped, unless it was refused or aborted.
fn stopped<M>(error: Error, report: Report<M>) -> Error {
    match error {
        Error::Refused { .. } | Error::Aborted { .. } => error,
        source => Error::Stopped {
            report: Box::new(report.without_changes()),
            source: Box::new(source),
        },
    }
}

/// A whole import, as work in one transaction.
struct Whole<'w, 'f, M: LockedUpsert> {
    source: &'w mut Source<'f, M::New>,
    options: &'w mut Options<'f, M>,
    /// Whether the last attempt ended because others had moved rows.
    has_moved: bool,
    /// How many times more it may begin anew for that.
    patience: u32,
}

impl<'w, 'f, M: LockedUpsert> Whole<'w, 'f, M> {
    fn new(source: &'w mut Source<'f, M::New>, options: &'w mut Options<'f, M>) -> Self {
        Self {
            source,
            options,
            has_moved: false,
            patience: 20,
        }
    }
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Whole<'_, '_, M> {
    type Output = Finished<M>;

    const READS_MANY: bool = true;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Finished<M>, Error> {
        let mut engine = Engine::new::<DB>(self.options);
        let done = engine.run(self.source, &mut Place::Within(session)).await;
        self.has_moved = engine.has_moved;
        done?;
        Ok(engine.finish())
    }

    fn again(&mut self, _: &Error) -> bool {
        let again = self.has_moved && self.patience > 0;
        self.patience -= u32::from(again);
        again
    }

    fn stays(finished: &Finished<M>) -> bool {
        finished.stays
    }
}

impl<M: LockedUpsert> Debug for Import<'_, M> {
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
