//! What `Taxonomy::modify()` does: lock a row, make changes of it, write them, in a transaction of its own.

use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

use crate::calls::{Answer, Backend, Calls as _};
use crate::contract::{Contract, usable_key};
use crate::error::Error;
use crate::locking::{Locking, Mode, Wait};
use crate::outcome::Upserted;
use crate::record::MakeChanges;
use crate::schema::{KeyPath, RowKey};
use crate::transaction::Retry;
use crate::value::{Changes, KeyParts, Row};

use super::stored::target;
use super::{OnConnection, Stored};

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
impl<M: Contract> Modify<M> {
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
    pub fn by<C: OnConnection>(
        self,
        on: C,
        path: KeyPath,
        key: KeyParts,
        mut changes: impl FnMut(&M) -> M::Changes + Send,
    ) -> impl Future<Output = Result<Option<Upserted<M>>, Error>> + Send
    where
        M: Stored<C::Database>,
    {
        async move {
            let changes = Box::new(|row: &Row| Some(Changes::of(changes(row.open()))));
            let done = self.call(on, path, key, changes).await;
            done.map(typed)
        }
    }

    /// The same with changes that may refuse.
    pub fn try_by<C: OnConnection, E: From<Error> + Send>(
        self,
        on: C,
        path: KeyPath,
        key: KeyParts,
        mut changes: impl FnMut(&M) -> Result<M::Changes, E> + Send,
    ) -> impl Future<Output = Result<Option<Upserted<M>>, E>> + Send
    where
        M: Stored<C::Database>,
    {
        async move {
            let mut refused = None;
            let changes = Box::new(|row: &Row| match changes(row.open()) {
                Ok(changes) => Some(Changes::of(changes)),
                Err(refusal) => {
                    refused = Some(refusal);
                    None
                }
            });
            let done = self.call(on, path, key, changes).await?;
            refused.map_or_else(|| Ok(typed(done)), Err)
        }
    }

    fn call<'a, C: OnConnection + 'a>(
        self,
        on: C,
        path: KeyPath,
        key: KeyParts,
        changes: Box<MakeChanges<'a>>,
    ) -> Answer<'a, Option<Upserted<Row>>>
    where
        M: Stored<C::Database>,
    {
        let target = target::<C::Database, M>(self.locking);
        let key = usable_key::<M>(path, key).map(|parts| RowKey { path, parts });
        let connections = on.connections();
        <C::Database as Backend>::Calls::modify(connections, self.retry, target, key, changes)
    }
}

/// The row in its type.
fn typed<M: Contract>(done: Option<Upserted<Row>>) -> Option<Upserted<M>> {
    done.map(Upserted::typed)
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
