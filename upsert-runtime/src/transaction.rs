//! A transaction that cannot lie about its end, and what else counts as one.

use std::fmt::{self, Debug, Formatter};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::time::{Duration, Instant};

use sqlx::Pool;
use sqlx::pool::PoolConnection;
use sqlx_core::rt;
use sqlx_core::transaction::TransactionManager;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::limit::Setting;
use crate::locking::Wait;
use crate::retry::Retry;

/// Begins a transaction in the mode that locking needs.
///
/// | | sent |
/// | --- | --- |
/// | PostgreSQL | `BEGIN ISOLATION LEVEL READ COMMITTED` |
/// | MySQL, MariaDB | `SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN; SAVEPOINT upsert_begin` |
/// | SQLite | `BEGIN IMMEDIATE`: waits for the database's only write lock, as long as the connection's `busy_timeout` says |
///
/// ```
/// # use upsert_runtime::LockedUpsert;
/// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
/// # #[lookup(slug)]
/// # struct Taxonomy { id: i64, slug: String, uses: i64 }
/// # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
/// let mut tx = upsert_runtime::begin(&pool).await?;
/// Taxonomy::upsert(NewTaxonomy { slug: "rock".into(), uses: 0 }).run_in(&mut tx).await?;
/// sqlx::query("UPDATE taxonomy SET uses = uses + 1").execute(&mut *tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Database`] if no connection is to be had, or the database refuses; [`Error::TransactionLost`] if the connection breaks
/// meanwhile; [`Error::LockTimeout`], or [`Error::Locked`] under [`Wait::NoWait`], on SQLite.
pub fn begin<DB: Backend>(pool: &Pool<DB>) -> Begin<'_, DB> {
    Begin { pool, wait: None }
}

/// What [`begin`] returns: await it.
#[must_use = "nothing happens before it is awaited"]
pub struct Begin<'p, DB: Backend> {
    pool: &'p Pool<DB>,
    wait: Option<Wait>,
}

impl<DB: Backend> Begin<'_, DB> {
    /// How long the calls of this crate in the transaction wait for a lock, unless they name a limit of their own; on SQLite
    /// also how long this one waits for the write lock.
    ///
    /// It ends with the transaction. On PostgreSQL (`SET LOCAL lock_timeout`) and SQLite (`PRAGMA busy_timeout`) it holds for the
    /// caller's own statements too, and costs no round trip more.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = Some(wait);
        self
    }
}

impl<'p, DB: Backend> IntoFuture for Begin<'p, DB> {
    type Output = Result<Transaction<DB>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'p>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(Transaction::begin(self.pool, None, self.wait))
    }
}

impl<DB: Backend> Debug for Begin<'_, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin")
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// A transaction on a connection of a pool, as [`begin`] makes it. Derefs to the connection.
///
/// It differs from `sqlx::Transaction` in what it says of its end:
/// * [`commit`](Self::commit) is an error if what was written is undone, also where the server would answer `Ok`: after a
///   failed statement whose error nobody looked at (PostgreSQL), after a deadlock (MySQL);
/// * dropped while it begins, or while a call of this crate on it is under way, it closes its connection, so that no later
///   borrower of the pool finds an open transaction. On SQLite, where nothing is on a wire, it rolls back;
/// * after a call of this crate that was dropped in flight it is lost, and says so. On SQLite it goes on; whether the dropped
///   call was finished is then open.
///
/// Dropped without `commit`, it rolls back: the statement is sent when the pool takes the connection back.
///
/// Do not end it by a `COMMIT` or `ROLLBACK` text of your own, nor, on MySQL, by a statement that commits implicitly (`CREATE
/// TABLE`): `commit` reports it as lost then.
pub struct Transaction<DB: Backend> {
    pub(crate) connection: PoolConnection<DB>,
    pub(crate) state: State<DB>,
}

/// What is known of a transaction of ours.
pub(crate) struct State<DB: Backend> {
    /// Neither committed nor rolled back.
    open: bool,
    /// A call of ours began and has not ended: if nobody waits for it, it was dropped in flight.
    pub(crate) in_flight: bool,
    /// The database has undone it.
    pub(crate) lost: bool,
    /// The limit of calls that name none.
    pub(crate) wait: Option<Wait>,
    /// The connection's own setting, which the limit has replaced and which is put back when the transaction is dropped.
    before: Option<Setting<DB>>,
}

impl<DB: Backend> State<DB> {
    fn ended(&mut self) {
        self.open = false;
        self.in_flight = false;
        self.lost = false;
    }
}

impl<DB: Backend> Transaction<DB> {
    /// Takes a connection and begins on it. From the first byte sent the guard is armed.
    pub(crate) async fn begin(
        pool: &Pool<DB>,
        model: Option<&'static str>,
        wait: Option<Wait>,
    ) -> Result<Self, Error> {
        // Nothing was sent, so nothing is lost, whatever the code says.
        let connection = pool.acquire().await.map_err(|source| Error::Database {
            at: Step::new(model, Operation::Connect),
            detail: unreachable_detail(&source),
            about_record: false,
            source,
        })?;
        let mut tx = Self {
            connection,
            state: State {
                open: true,
                in_flight: true,
                lost: false,
                wait,
                before: None,
            },
        };
        let at = Step::new(model, Operation::Begin);
        let failed = |source| Error::of::<DB>(at, source).under::<DB>(wait);
        // A transaction that SQLite has ended by itself leaves sqlx counting one that is not there.
        roll_back_all::<DB>(&mut tx.connection)
            .await
            .map_err(failed)?;
        if DB::Driver::LIMITS_BEGIN
            && let Some(limit) = wait.and_then(DB::Driver::setting)
        {
            let before = DB::Driver::read_setting(&mut tx.connection).await;
            tx.state.before = Some(before.map_err(failed)?);
            DB::Driver::write_setting(&mut tx.connection, &limit)
                .await
                .map_err(failed)?;
        }
        DB::TransactionManager::begin(&mut tx.connection, Some(DB::Driver::begin(wait)))
            .await
            .map_err(failed)?;
        tx.state.in_flight = false;
        Ok(tx)
    }

    /// The connection, for a call of ours that ends with [`finish`](Self::finish) or [`abandon`](Self::abandon).
    pub(crate) fn in_flight(&mut self) -> &mut DB::Connection {
        self.state.in_flight = true;
        &mut self.connection
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionLost`] if the database has undone the transaction, or it has ended by a statement of the caller's (on
    /// MySQL a `CREATE TABLE` commits what came before it); this call then commits nothing. [`Error::CommitUnknown`] if the connection broke meanwhile. A constraint that is checked at the
    /// end is an [`Error::Conflict`] or [`Error::Database`], and everything is rolled back.
    pub async fn commit(mut self) -> Result<(), Error> {
        let at = Step::new(None, Operation::Commit);
        if self.state.lost || (self.state.in_flight && !DB::Driver::SURVIVES_DROP) {
            self.give_up().await;
            return Err(Error::TransactionLost { at, source: None });
        }
        self.state.in_flight = true;
        let checked = match probe::<DB>(&mut self.connection).await {
            Ok(()) if !DB::Driver::CHECK.is_empty() => {
                DB::Driver::run(&mut self.connection, DB::Driver::CHECK)
                    .await
                    .map_err(Some)
            }
            probed => probed,
        };
        if let Err(source) = checked {
            self.abandon().await;
            return Err(Error::TransactionLost { at, source });
        }
        // A nested `begin()` of the user's that is still open, or was dropped in flight: COMMIT would only end that one.
        if DB::TransactionManager::get_transaction_depth(&self.connection) != 1 {
            self.abandon().await;
            return Err(Error::TransactionLost { at, source: None });
        }
        self.finish(None, Instant::now()).await
    }

    /// Commits a transaction in which only calls of ours ran, whose errors were all looked at. Where COMMIT can fail for
    /// want of a lock and be sent again (SQLite), it is, until `deadline`, unless it has waited as long as the caller said.
    pub(crate) async fn finish(
        mut self,
        model: Option<&'static str>,
        deadline: Instant,
    ) -> Result<(), Error> {
        self.state.in_flight = true;
        loop {
            let Err(source) = DB::TransactionManager::commit(&mut self.connection).await else {
                self.state.ended();
                return Ok(());
            };
            let at = Step::new(model, Operation::Commit);
            let error = Error::of_commit::<DB>(at, source).under::<DB>(self.state.wait);
            let again = DB::Driver::SURVIVES_DROP
                && self.state.wait.is_none()
                && matches!(error, Error::LockTimeout { .. });
            if again && Instant::now() < deadline {
                rt::sleep(Retry::short_pause()).await;
                continue;
            }
            if !matches!(error, Error::CommitUnknown { .. }) {
                self.abandon().await;
            }
            return Err(error);
        }
    }

    /// Rolls back.
    ///
    /// # Errors
    ///
    /// If the connection is lost: the server rolls back by itself then.
    pub async fn rollback(mut self) -> Result<(), Error> {
        if self.state.lost || (self.state.in_flight && !DB::Driver::SURVIVES_DROP) {
            self.give_up().await;
            return Ok(());
        }
        self.state.in_flight = true;
        roll_back_all::<DB>(&mut self.connection)
            .await
            .map_err(|source| Error::of::<DB>(Step::new(None, Operation::Rollback), source))?;
        self.state.ended();
        Ok(())
    }

    /// Ends a transaction that is lost: its connection is closed. SQLite's is set right instead.
    async fn give_up(&mut self) {
        self.state.lost = true;
        if DB::Driver::SURVIVES_DROP {
            self.abandon().await;
        }
    }

    /// Rolls back after an error, which is what the caller wants to know of; if that fails too, the connection is closed.
    pub(crate) async fn abandon(&mut self) {
        self.state.in_flight = true;
        if roll_back_all::<DB>(&mut self.connection).await.is_ok() {
            self.state.ended();
        }
    }
}

/// Rolls back, nested `begin()`s of the user's included.
async fn roll_back_all<DB: Backend>(connection: &mut DB::Connection) -> sqlx::Result<()> {
    while DB::TransactionManager::get_transaction_depth(connection) > 0 {
        if !DB::Driver::PROBE.is_empty() {
            // Refused, unless there is nothing to roll back: then it makes something.
            let _ = DB::Driver::run(connection, DB::Driver::PROBE).await;
        }
        DB::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}

/// Makes sure that a transaction is open, on a database whose other statements do not tell.
pub(crate) async fn probe<DB: Backend>(
    connection: &mut DB::Connection,
) -> Result<(), Option<sqlx::Error>> {
    if DB::Driver::PROBE.is_empty()
        || DB::Driver::run(connection, DB::Driver::PROBE)
            .await
            .is_err()
    {
        return Ok(());
    }
    // It began a transaction, so there was none.
    DB::Driver::run(connection, "ROLLBACK")
        .await
        .map_err(Some)?;
    Err(None)
}

/// What stopped a connection from being made. No record has been sent, so no text can quote a value.
fn unreachable_detail(source: &sqlx::Error) -> String {
    match source {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => source.to_string(),
        _ => "the connection could not be made".to_owned(),
    }
}

impl<DB: Backend> Drop for Transaction<DB> {
    fn drop(&mut self) {
        if let Some(before) = &self.state.before {
            DB::Driver::queue_setting(&mut self.connection, before);
        }
        if !self.state.open {
            return;
        }
        if (self.state.in_flight || self.state.lost) && !DB::Driver::SURVIVES_DROP {
            self.connection.close_on_drop();
        } else {
            // A nested `begin()` of the user's that was forgotten is counted too.
            let depth = DB::TransactionManager::get_transaction_depth(&self.connection);
            for _ in 0..depth.max(1) {
                DB::TransactionManager::start_rollback(&mut self.connection);
            }
        }
    }
}

impl<DB: Backend> Deref for Transaction<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<DB: Backend> DerefMut for Transaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<DB: Backend> Debug for Transaction<DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("open", &self.state.open)
            .field("lost", &self.state.lost)
            .finish_non_exhaustive()
    }
}

/// The time until which something may be tried again.
pub(crate) fn deadline(from: Instant, within: Duration) -> Instant {
    // `Duration::MAX` is a fair way to say «for ever».
    from.checked_add(within)
        .unwrap_or_else(|| from + Duration::from_secs(u64::from(u32::MAX)))
}
