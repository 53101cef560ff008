//! What `Taxonomy::lock()` does: rows found by a key, locked in the caller's transaction, and lent from it.

use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

use crate::backend::Backend;
use crate::error::Error;
use crate::in_transaction::InTransaction;
use crate::locked::{LockedRow, LockedRows};
use crate::locking::{Locking, Mode, Wait};
use crate::lookup;
use crate::model::{By, LockedUpsert, Model, Stored};
use crate::savepoint;
use crate::session::Session;
use crate::work::Work;

/// The options behind a model's `TaxonomyLock`, and its calls.
pub struct Lock<M> {
    locking: Locking,
    model: PhantomData<fn() -> M>,
}

/// A locked row, and the name of the look-up that found it.
type Matched<'t, M, DB> = Option<(<M as LockedUpsert>::Locked<'t, DB>, &'static str)>;

#[expect(
    clippy::missing_errors_doc,
    clippy::elidable_lifetime_names,
    reason = "the generated methods say which errors; the lifetime is what it is all about"
)]
impl<M: LockedUpsert> Lock<M> {
    /// The most keys of one call: what a statement of all three databases can hold, with time to spare.
    const MOST_KEYS: usize = 500;

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

    /// Locks the row that has this key.
    pub fn by<'t, T: InTransaction + ?Sized>(
        self,
        tx: &'t mut T,
        by: By,
        mut key: M::Key,
    ) -> impl Future<Output = Result<Option<M::Locked<'t, T::Database>>, Error>> + Send
    where
        M: Stored<T::Database>,
    {
        let locking = self.locking;
        M::normalize_key(&mut key);
        async move {
            locking.check::<T::Database>(M::MODEL.name)?;
            if M::key_is_blank(&key) {
                return Ok(None);
            }
            let mut tx = tx.lend();
            let mut one = One::<M> { by, key };
            let row = savepoint::run_in(&mut tx, locking, &mut one).await?;
            Ok(row.map(|row| LockedRow::new(tx, row, locking).into()))
        }
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
        let mut new = new.clone();
        M::normalize(&mut new);
        async move {
            lookup::check_usable::<M>(&new)?;
            let mut tx = tx.lend();
            let found = savepoint::run_in(&mut tx, locking, &mut Find::<M> { new }).await?;
            Ok(
                found
                    .map(|(row, matched_by)| (LockedRow::new(tx, row, locking).into(), matched_by)),
            )
        }
    }

    /// Locks the rows that have these keys.
    pub fn many_by<'t, T: InTransaction + ?Sized>(
        self,
        tx: &'t mut T,
        by: By,
        keys: impl Iterator<Item = M::Key>,
    ) -> impl Future<Output = Result<LockedRows<'t, M, T::Database>, Error>> + Send
    where
        M: Stored<T::Database>,
    {
        let locking = self.locking;
        let keys = keys
            .map(|mut key| {
                M::normalize_key(&mut key);
                key
            })
            .filter(|key| !M::key_is_blank(key))
            .collect::<Vec<_>>();
        many_by(tx, locking, by, keys)
    }
}

async fn many_by<M, T>(
    tx: &mut T,
    locking: Locking,
    by: By,
    keys: Vec<M::Key>,
) -> Result<LockedRows<'_, M, T::Database>, Error>
where
    T: InTransaction + ?Sized,
    M: Stored<T::Database>,
{
    locking.check::<T::Database>(M::MODEL.name)?;
    if keys.len() > Lock::<M>::MOST_KEYS {
        return Err(Error::Unsupported {
            model: Some(M::MODEL.name),
            option: "more than 500 keys in one call",
            database: "this crate",
        });
    }
    let mut tx = tx.lend();
    let mut many = Many::<M> { by, keys };
    let rows = if many.keys.is_empty() {
        Vec::new()
    } else {
        savepoint::run_in(&mut tx, locking, &mut many).await?
    };
    Ok(LockedRows::new(tx, rows, locking))
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

struct One<M: LockedUpsert> {
    by: By,
    key: M::Key,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for One<M> {
    type Output = Option<M>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Option<M>, Error> {
        lookup::one(session, self.by, &self.key).await
    }
}

struct Find<M: LockedUpsert> {
    new: M::New,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Find<M> {
    type Output = Option<(M, &'static str)>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        let mut found = lookup::find::<DB, M>(session, &self.new).await?;
        if found.is_none() && lookup::may_have_waited(session) {
            found = lookup::find(session, &self.new).await?;
        }
        let Some(found) = found else {
            return Ok(None);
        };
        found.check_identity(&self.new)?;
        Ok(Some((found.row, M::MODEL.lookups[found.lookup].name)))
    }
}

struct Many<M: LockedUpsert> {
    by: By,
    keys: Vec<M::Key>,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Many<M> {
    type Output = Vec<M>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Vec<M>, Error> {
        lookup::many(session, self.by, &self.keys).await
    }
}
