//! What `Taxonomy::lock()` does: rows found by a key, locked in the caller's transaction, and lent from it.

use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

use crate::calls::{Backend, Calls as _};
use crate::contract::{close, usable_key};
use crate::error::Error;
use crate::in_transaction::InTransaction;
use crate::locking::{Locking, Mode, Rows, Wait};
use crate::record::MOST_KEYS;
use crate::schema::{KeyPath, RowKey};
use crate::value::KeyParts;

use super::slot::Slot;
use super::stored::target;
use super::typed::Typed;
use super::{LockedRow, LockedRows, LockedUpsert, Stored};

/// The options behind a model's `TaxonomyLock`, and its calls.
pub struct Lock<M> {
    locking: Locking,
    model: PhantomData<fn() -> M>,
}

/// A locked row, and the name of the look-up that found it.
type Matched<'t, M, DB> = Option<(<M as LockedUpsert>::Locked<'t, DB>, &'static str)>;

#[expect(
    clippy::elidable_lifetime_names,
    reason = "the lifetime is what it is all about"
)]
impl<M: LockedUpsert> Lock<M> {
    /// How long a look-up, and a write of the row that it locks, may wait for a lock.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.locking.wait = Some(wait);
        self
    }

    /// How strongly the row is locked.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.locking.mode = mode;
        self
    }

    /// A row that is locked is as if it were not there.
    #[must_use]
    pub fn skip_locked(mut self) -> Self {
        self.locking.skip_locked = true;
        self
    }

    /// Rows that are marked as deleted are found, and no others.
    #[must_use]
    pub fn deleted(mut self) -> Self {
        self.locking.rows = Rows::Marked;
        self
    }

    /// Locks the row that has this key.
    pub fn by<'t, T: InTransaction + ?Sized>(
        self,
        tx: &'t mut T,
        path: KeyPath,
        key: KeyParts,
    ) -> impl Future<Output = Result<Option<M::Locked<'t, T::Database>>, Error>> + Send
    where
        M: Stored<T::Database>,
    {
        let locking = self.locking;
        let target = target::<T::Database, M>(locking);
        let key = usable_key::<M>(path, key).map(|parts| RowKey { path, parts });
        let answer = <T::Database as Backend>::Calls::lock_one(tx.lend(), target, key);
        Typed::new(answer, move |(tx, row)| {
            row.map(|row| M::locked(LockedRow::new(tx, Slot::own(row), locking)))
        })
    }

    /// Locks the row of `new`, and says by which look-up it was found.
    pub fn find<'t, T: InTransaction + ?Sized>(
        self,
        tx: &'t mut T,
        new: &M::New,
    ) -> impl Future<Output = Result<Matched<'t, M, T::Database>, Error>> + Send
    where
        M: Stored<T::Database>,
    {
        let locking = self.locking;
        let target = target::<T::Database, M>(locking);
        let new = close::<M>(new.clone());
        let answer = <T::Database as Backend>::Calls::lock_new(tx.lend(), target, new);
        Typed::new(answer, move |(tx, found)| {
            let (row, matched_by) = found?;
            let row = LockedRow::new(tx, Slot::own(row), locking);
            Some((M::locked(row), matched_by))
        })
    }

    /// Locks the rows that have these keys.
    pub fn many_by<'t, T: InTransaction + ?Sized>(
        self,
        tx: &'t mut T,
        path: KeyPath,
        keys: impl Iterator<Item = KeyParts>,
    ) -> impl Future<Output = Result<LockedRows<'t, M, T::Database>, Error>> + Send
    where
        M: Stored<T::Database>,
    {
        let locking = self.locking;
        let target = target::<T::Database, M>(locking);
        // One more than there may be is enough to tell that there are too many, and blank ones count: the iterator may have no end.
        let keys = keys.take(MOST_KEYS + 1);
        let keys = keys.map(|key| usable_key::<M>(path, key)).collect();
        let answer = <T::Database as Backend>::Calls::lock_many(tx.lend(), target, path, keys);
        Typed::new(answer, move |(tx, rows)| LockedRows::new(tx, rows, locking))
    }
}

impl<M> Default for Lock<M> {
    fn default() -> Self {
        Self {
            locking: Locking::default(),
            model: PhantomData,
        }
    }
}

impl<M> Debug for Lock<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.locking.fmt(f)
    }
}
