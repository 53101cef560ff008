//! What sees to it that a transaction ends, and does not lie about how.

use std::fmt::{self, Debug, Formatter};
use std::time::{Duration, Instant};

use sqlx::SqlSafeStr as _;
use sqlx_core::rt;
use sqlx_core::transaction::TransactionManager;

use crate::backend::{Cause, Dialect as _, Supported, Wire as _, cause};
use crate::error::{Error, Operation, Step};
use crate::locking::Wait;

use super::connections::{Lease, in_a_transaction, is_in_a_transaction};
use super::limit::Setting;
use super::reference::TransactionRef;
use super::retry::Retry;

/// A transaction on a connection, or a connection on which one is to begin. What [`Transaction`](super::Transaction) says of its
/// end is kept here.
pub(crate) struct Guard<'c, DB: Supported> {
    pub(super) connection: Lease<'c, DB>,
    pub(super) state: State<DB>,
}

/// What is known of a transaction of ours.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct State<DB: Supported> {
    /// Neither committed nor rolled back.
    open: bool,
    /// A call of ours began and has not ended: if nobody waits for it, it was dropped in flight.
    pub(super) in_flight: bool,
    /// The database has undone it.
    pub(super) lost: bool,
    /// The limit of calls that name none.
    pub(super) wait: Option<Wait>,
    /// Whether the connection is to be closed in the end: it leads to a server that takes no writes.
    pub(super) closes: bool,
    /// The connection's own setting, which the limit has replaced and which is put back when the transaction is dropped.
    before: Option<Setting<DB>>,
}

impl<DB: Supported> State<DB> {
    /// Notes what an error tells of the connection. One to a server that takes no writes would refuse each later borrower, and a new
    /// one may lead to the primary.
    pub(super) fn heed(&mut self, error: &Error) {
        self.closes |= matches!(
            error,
            Error::Database { source, .. } if cause::<DB>(source) == Cause::ReadOnly
        );
    }

    /// What is open is the caller's, and goes on.
    fn leave_alone(&mut self, error: &Error) {
        if is_in_a_transaction(error) {
            self.ended();
        }
    }

    fn ended(&mut self) {
        self.open = false;
        self.in_flight = false;
        self.lost = false;
    }
}

impl<'c, DB: Supported> Guard<'c, DB> {
    /// Guards a connection. From the first byte sent on it the guard is armed.
    pub(super) fn new(connection: Lease<'c, DB>, wait: Option<Wait>) -> Self {
        Self {
            connection,
            state: State {
                open: true,
                in_flight: true,
                lost: false,
                wait,
                closes: false,
                before: None,
            },
        }
    }

    /// Begins on the connection.
    pub(super) async fn start(
        &mut self,
        model: Option<&'static str>,
        reads_many: bool,
    ) -> Result<(), Error> {
        let wait = self.state.wait;
        let at = Step::new(model, Operation::Begin);
        let failed = |source| Error::of::<DB>(at, source).under::<DB>(wait);
        self.connection
            .ask(model)
            .await
            .inspect_err(|error| self.state.leave_alone(error))?;
        // A transaction that SQLite has ended by itself leaves sqlx counting one that is not there.
        roll_back_all::<DB>(&mut self.connection)
            .await
            .map_err(failed)?;
        if DB::Driver::CAPABILITIES.limits_begin
            && let Some(limit) = wait.and_then(DB::Driver::setting)
        {
            let before = DB::Driver::read_setting(&mut self.connection).await;
            self.state.before = Some(before.map_err(failed)?);
            DB::Driver::write_setting(&mut self.connection, &limit)
                .await
                .map_err(failed)?;
        }
        let held = DB::Driver::CAPABILITIES.begin_held;
        // A caller's own has no model.
        let checked = DB::Driver::CAPABILITIES.begin_checked;
        let checked = checked.filter(|_| model.is_none());
        let (first, then) = match (held.filter(|_| self.connection.is_held()), checked) {
            (Some([first, then]), _) => (first.into_sql_str(), Some(then)),
            (None, Some(checked)) => (checked.into_sql_str(), None),
            (None, None) => (DB::Driver::begin(wait, reads_many), None),
        };
        let begun = DB::TransactionManager::begin(&mut self.connection, Some(first)).await;
        let is_held = self.connection.is_held();
        begun
            .map_err(|source| match model {
                Some(model) if is_held && cause::<DB>(&source) == Cause::WithinTransaction => {
                    in_a_transaction::<DB>(model)
                }
                _ => failed(source),
            })
            .inspect_err(|error| self.state.leave_alone(error))?;
        if let Some(then) = then {
            let begun = DB::Driver::run(&mut self.connection, then).await;
            begun.map_err(failed)?;
        }
        self.state.in_flight = false;
        Ok(())
    }

    /// Gives the connection back: nothing was begun on it, or what was is ended.
    pub(super) fn release(mut self) {
        self.state.ended();
    }

    /// The connection, for a call of ours that ends with [`finish`](Self::finish) or [`abandon`](Self::abandon).
    pub(super) fn in_flight(&mut self) -> &mut DB::Connection {
        self.state.in_flight = true;
        &mut self.connection
    }

    /// Commits, unless what was written is undone already.
    pub(crate) async fn commit_checked(mut self) -> Result<(), Error> {
        let at = Step::new(None, Operation::Commit);
        if self.state.lost || (self.state.in_flight && !DB::Driver::CAPABILITIES.survives_drop) {
            self.give_up().await;
            return Err(Error::TransactionLost { at, source: None });
        }
        self.state.in_flight = true;
        let checked = match ensure_open::<DB>(&mut self.connection).await {
            Ok(()) => self.check().await.map_err(Some),
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

    /// Fails if the database has undone the transaction.
    async fn check(&mut self) -> sqlx::Result<()> {
        match DB::Driver::CAPABILITIES.check {
            Some(check) => DB::Driver::run(&mut self.connection, check).await,
            None => Ok(()),
        }
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
            let again = DB::Driver::CAPABILITIES.survives_drop
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
    pub(crate) async fn roll_back(mut self) -> Result<(), Error> {
        if self.state.lost || (self.state.in_flight && !DB::Driver::CAPABILITIES.survives_drop) {
            self.give_up().await;
            return Ok(());
        }
        self.state.in_flight = true;
        match roll_back_all::<DB>(&mut self.connection).await {
            Ok(()) => {
                self.state.ended();
                Ok(())
            }
            // Of a cluster, which has ended the transaction. The connection is closed: sqlx still counts a transaction on it.
            Err(source) if cause::<DB>(&source) == Cause::Deadlock => Ok(()),
            Err(source) => Err(Error::of::<DB>(
                Step::new(None, Operation::Rollback),
                source,
            )),
        }
    }

    /// Ends a transaction that is lost: its connection is closed. SQLite's is set right instead.
    async fn give_up(&mut self) {
        self.state.lost = true;
        if DB::Driver::CAPABILITIES.survives_drop {
            self.abandon().await;
        }
    }

    /// Notes what an error tells of the connection.
    pub(crate) fn heed(&mut self, error: &Error) {
        self.state.heed(error);
    }

    /// Has the connection forget its prepared statements. If that fails, so does whatever comes next on it.
    pub(crate) async fn forget_statements(&mut self) {
        self.state.in_flight = true;
        let _ = DB::Driver::forget_statements(&mut self.connection).await;
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
async fn roll_back_all<DB: Supported>(connection: &mut DB::Connection) -> sqlx::Result<()> {
    while DB::TransactionManager::get_transaction_depth(connection) > 0 {
        if let Some(begin) = DB::Driver::CAPABILITIES.begin_if_none {
            // Refused, unless there is nothing to roll back: then it makes something.
            let _ = DB::Driver::run(connection, begin).await;
        }
        DB::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}

/// Makes sure that a transaction is open, on a database whose other statements do not tell.
pub(super) async fn ensure_open<DB: Supported>(
    connection: &mut DB::Connection,
) -> Result<(), Option<sqlx::Error>> {
    let Some(begin) = DB::Driver::CAPABILITIES.begin_if_none else {
        return Ok(());
    };
    if DB::Driver::run(connection, begin).await.is_err() {
        return Ok(());
    }
    // It began a transaction, so there was none.
    DB::Driver::run(connection, "ROLLBACK")
        .await
        .map_err(Some)?;
    Err(None)
}

impl<DB: Supported> Drop for Guard<'_, DB> {
    fn drop(&mut self) {
        if let Some(before) = &self.state.before {
            DB::Driver::queue_setting(&mut self.connection, before);
        }
        if self.state.closes {
            self.connection.close_on_drop();
        }
        if !self.state.open {
            return;
        }
        // A nested `begin()` of the user's that was forgotten is counted too.
        let depth = DB::TransactionManager::get_transaction_depth(&self.connection);
        if (self.state.in_flight || self.state.lost) && !DB::Driver::CAPABILITIES.survives_drop {
            self.connection.close_on_drop();
            if !self.connection.is_held() {
                return;
            }
            // Its holder may go on with it. sqlx counts a transaction when BEGIN is answered, and begun it may be before.
            if depth == 0 {
                DB::Driver::queue_rollback(&mut self.connection);
                return;
            }
        }
        for _ in 0..depth.max(1) {
            DB::TransactionManager::start_rollback(&mut self.connection);
        }
    }
}

impl<DB: Supported> Guard<'_, DB> {
    /// Lends it for a call.
    pub(super) fn reference(&mut self) -> TransactionRef<'_, DB> {
        TransactionRef::of_ours(&mut **self.connection, &mut self.state)
    }
}

impl<DB: Supported> Debug for Guard<'_, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("open", &self.state.open)
            .field("lost", &self.state.lost)
            .finish_non_exhaustive()
    }
}

/// The time until which something may be tried again.
pub(super) fn deadline(from: Instant, within: Duration) -> Instant {
    // `Duration::MAX` is a fair way to say «for ever».
    from.checked_add(within)
        .unwrap_or_else(|| from + Duration::from_secs(u64::from(u32::MAX)))
}
