use crate::model::LockedUpsert;

/// Changes that wait to be saved. Dropped with any, it says so: most likely a `save()` was forgotten.
pub(super) struct Staged<M: LockedUpsert> {
    pub(super) changes: M::Changes,
}

impl<M: LockedUpsert> Default for Staged<M> {
    fn default() -> Self {
        Self {
            changes: M::Changes::default(),
        }
    }
}

impl<M: LockedUpsert> Drop for Staged<M> {
    fn drop(&mut self) {
        if self.changes != M::Changes::default() {
            tracing::warn!(
                model = M::MODEL.name,
                "a locked row was dropped with staged changes, which are lost: call `save()`"
            );
        }
    }
}
