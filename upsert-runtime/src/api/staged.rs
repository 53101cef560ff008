use std::marker::PhantomData;

use crate::contract::Contract;
use crate::value::Changes;

/// Changes that wait to be saved. Dropped with any, it says so: most likely a `save()` was forgotten.
pub(super) struct Staged<M: Contract> {
    pub(super) changes: Changes,
    model: PhantomData<fn() -> M>,
}

impl<M: Contract> Default for Staged<M> {
    fn default() -> Self {
        Self {
            changes: Changes::of(M::Changes::default()),
            model: PhantomData,
        }
    }
}

impl<M: Contract> Drop for Staged<M> {
    fn drop(&mut self) {
        if *self.changes.open::<M::Changes>() != M::Changes::default() {
            tracing::warn!(
                model = M::MODEL.name,
                "a locked row was dropped with staged changes, which are lost: call `save()`"
            );
        }
    }
}
