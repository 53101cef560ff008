//! What `Taxonomy::modify()` does: lock a row, make changes of it, write them, in a transaction of its own.

use std::convert::Infallible;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

use sqlx::Pool;

use crate::backend::Backend;
use crate::error::Error;
use crate::locking::{Locking, Mode, Wait};
use crate::lookup;
use crate::model::{By, LockedUpsert, Model, Stored};
use crate::owned;
use crate::retry::Retry;
use crate::session::Session;
use crate::update::update;
use crate::upsert::Upserted;
use crate::work::Work;

/// The options behind a model's `TaxonomyModify`, and its calls.
pub struct Modify<M> {
    locking: Locking,
    retry: Retry,
    model: PhantomData<fn() -> M>,
}

#[expect(
    clippy::missing_errors_doc,
    clippy::manual_async_fn,
    reason = "the generated methods say which errors; these say that their futures are `Send`"
)]
impl<M: LockedUpsert> Modify<M> {
    /// How long each statement may wait for a lock.
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

    /// How often the whole is tried.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Modifies the row that has this key.
    pub fn by<DB: Backend>(
        self,
        pool: &Pool<DB>,
        by: By,
        key: M::Key,
        mut changes: impl FnMut(&M) -> M::Changes + Send,
    ) -> impl Future<Output = Result<Option<Upserted<M>>, Error>> + Send
    where
        M: Stored<DB>,
    {
        let changes = move |row: &M| Ok::<_, Infallible>(changes(row));
        async move {
            match self.run(pool, by, key, changes).await? {
                Ok(done) => Ok(done),
                Err(never) => match never {},
            }
        }
    }

    /// The same with changes that may refuse.
    pub fn try_by<DB: Backend, E: From<Error> + Send>(
        self,
        pool: &Pool<DB>,
        by: By,
        key: M::Key,
        changes: impl FnMut(&M) -> Result<M::Changes, E> + Send,
    ) -> impl Future<Output = Result<Option<Upserted<M>>, E>> + Send
    where
        M: Stored<DB>,
    {
        async move { self.run(pool, by, key, changes).await? }
    }

    async fn run<DB: Backend, E: Send>(
        self,
        pool: &Pool<DB>,
        by: By,
        mut key: M::Key,
        changes: impl FnMut(&M) -> Result<M::Changes, E> + Send,
    ) -> Result<Result<Option<Upserted<M>>, E>, Error>
    where
        M: Stored<DB>,
    {
        M::normalize_key(&mut key);
        if M::key_is_blank(&key) {
            return Ok(Ok(None));
        }
        let mut work = ReadModifyWrite::<M, _> { by, key, changes };
        owned::run(pool, self.retry, self.locking, &mut work).await
    }
}

impl<M> Default for Modify<M> {
    fn default() -> Self {
        Self {
            locking: Locking::default(),
            retry: Retry::default(),
            model: PhantomData,
        }
    }
}

impl<M> Debug for Modify<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modify")
            .field("locking", &self.locking)
            .field("retry", &self.retry)
            .finish()
    }
}

struct ReadModifyWrite<M: LockedUpsert, F> {
    by: By,
    key: M::Key,
    changes: F,
}

impl<DB, M, F, E> Work<DB> for ReadModifyWrite<M, F>
where
    DB: Backend,
    M: Stored<DB>,
    F: FnMut(&M) -> Result<M::Changes, E> + Send,
    E: Send,
{
    type Output = Result<Option<Upserted<M>>, E>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        let Some(row) = lookup::one::<DB, M>(session, self.by, &self.key).await? else {
            return Ok(Ok(None));
        };
        let mut changes = match (self.changes)(&row) {
            Ok(changes) => changes,
            Err(refused) => return Ok(Err(refused)),
        };
        M::normalize_changes(&mut changes);
        let updated = update(session, &row, &changes).await?;
        Ok(Ok(Some(Upserted::of(row, self.by.name(M::MODEL), updated))))
    }

    fn stays(output: &Self::Output) -> bool {
        output.is_ok()
    }
}
