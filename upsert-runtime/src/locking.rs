//! How a row is locked, and how long that may wait.

use std::time::Duration;

/// How long a statement may wait for a lock that another transaction holds. Without one the session's own setting holds.
///
/// The server keeps the limit: nobody is left waiting for a caller that has gone. It is a limit for each lock, and covers
/// the locks of INSERT, UPDATE and DELETE too.
///
/// | | what is sent | unit |
/// | --- | --- | --- |
/// | PostgreSQL | `SET LOCAL lock_timeout`, and `NOWAIT` behind the lock clause | 1 ms |
/// | MariaDB | `SET STATEMENT innodb_lock_wait_timeout = n, lock_wait_timeout = n FOR` before each statement | 1 s |
/// | SQLite | `PRAGMA busy_timeout`, put back afterwards: what is waited for is the database's only write lock | 1 ms |
///
/// On SQLite `begin(&pool)` takes the write lock, so a limit for it belongs there: `begin(&pool).wait(..)`; one of `lock()`
/// would come too late. A caller that waits keeps its connection: with a pool that has none left, others wait for the pool,
/// which knows no `Wait` but its own `acquire_timeout`.
///
/// MySQL has no `SET STATEMENT`: there a limit is [`Error::Unsupported`](crate::Error::Unsupported). SQLite connections with a shared cache (`cache=shared`,
/// `sqlite::memory:`) keep no limit: sqlx waits there until the other connection is done.
///
/// Sources: [PostgreSQL](https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT),
/// [MariaDB](https://mariadb.com/docs/server/reference/sql-statements/administrative-sql-statements/set-commands/set-statement),
/// [SQLite](https://www.sqlite.org/pragma.html#pragma_busy_timeout).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until the lock is granted. On SQLite 24 days, on MariaDB three years: their settings know no more.
    Forever,
    /// Not at all: a row that is locked is [`Error::Locked`](crate::Error::Locked). On PostgreSQL a lock other than a row's is waited for 1 ms, the
    /// shortest that there is.
    NoWait,
    /// At most so long for each lock, rounded up to the database's unit and at least one unit; then it is
    /// [`Error::LockTimeout`](crate::Error::LockTimeout).
    AtMost(Duration),
}

impl Wait {
    /// The limit as a number of `unit`s, at least one, at most `most`; `None` where there is none.
    pub(crate) fn in_units(self, unit: Duration, most: u32) -> Option<u32> {
        match self {
            Self::Forever => None,
            Self::NoWait => Some(0),
            Self::AtMost(limit) => {
                let units = limit.as_nanos().div_ceil(unit.as_nanos());
                Some(u32::try_from(units).unwrap_or(most).clamp(1, most))
            }
        }
    }
}

/// How strongly a row is locked: a minimum. Where the database knows only the stronger mode, that one is taken.
///
/// | | PostgreSQL | MySQL, MariaDB | SQLite |
/// | --- | --- | --- | --- |
/// | `NoKeyUpdate` | `FOR NO KEY UPDATE` | `FOR UPDATE` | the write transaction |
/// | `Update` | `FOR UPDATE` | `FOR UPDATE` | the write transaction |
///
/// Source: [PostgreSQL's row-level locks](https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Keeps others from locking, updating and deleting the row, and lets them insert rows that reference it.
    #[default]
    NoKeyUpdate,
    /// Also keeps others from inserting rows that reference it: for a row that is to be deleted.
    Update,
}

/// What a caller asked for.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    unnameable_types,
    reason = "the methods that name it are this crate's own"
)]
pub struct Locking {
    pub(crate) wait: Option<Wait>,
    pub(crate) mode: Mode,
    /// Whether a row that is locked is as if it were not there.
    pub(crate) skip_locked: bool,
    /// Whether rows are only read, to see what a locking read leaves out.
    pub(crate) is_plain: bool,
    /// Which rows a look-up finds, of a model that marks rows as deleted.
    pub(crate) rows: Rows,
}

/// Which rows a look-up finds, of a model that marks rows as deleted. A row that is known is found whether it is marked or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Rows {
    /// Those that are not marked.
    #[default]
    Live,
    /// Those that are.
    Marked,
    /// Those that are not, then those that are, before the next look-up is asked.
    LiveThenMarked,
}

impl Rows {
    /// The looks of each look-up, in their order.
    pub(crate) fn looks(self) -> &'static [Self] {
        match self {
            Self::Live => &[Self::Live],
            Self::Marked => &[Self::Marked],
            Self::LiveThenMarked => &[Self::Live, Self::Marked],
        }
    }
}

impl Locking {
    pub(crate) fn waiting(wait: Option<Wait>) -> Self {
        Self {
            wait,
            ..Self::default()
        }
    }

    /// Whether a look-up may wait for a row's lock.
    pub(crate) fn waits(self) -> bool {
        !self.is_plain && !self.skip_locked && self.wait != Some(Wait::NoWait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_rounded_up_and_at_least_one_unit() {
        let units = |limit| Wait::AtMost(limit).in_units(Duration::from_secs(1), 100);
        assert_eq!(units(Duration::ZERO), Some(1));
        assert_eq!(units(Duration::from_nanos(1)), Some(1));
        assert_eq!(units(Duration::from_secs(2)), Some(2));
        assert_eq!(units(Duration::from_millis(2001)), Some(3));
        assert_eq!(units(Duration::MAX), Some(100));
    }
}
