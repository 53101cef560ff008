//! A connection's own setting of how long it waits, replaced for a call.

use crate::backend::{Supported, Wire};
use crate::locking::Wait;

pub(super) type Setting<DB> = <<DB as Supported>::Driver as Wire<DB>>::Setting;

/// A connection whose setting is replaced until [`put_back`](Self::put_back).
///
/// Dropped before, on SQLite it puts the setting back itself; a server's was set for the transaction only, or is not touched
/// at all.
pub(crate) struct Limit<'c, DB: Supported> {
    pub(crate) connection: &'c mut DB::Connection,
    before: Option<Setting<DB>>,
}

impl<'c, DB: Supported> Limit<'c, DB> {
    pub(crate) async fn set(
        connection: &'c mut DB::Connection,
        wait: Option<Wait>,
    ) -> sqlx::Result<Self> {
        let mut this = Self {
            connection,
            before: None,
        };
        if let Some(setting) = wait.and_then(DB::Driver::setting) {
            this.before = Some(DB::Driver::read_setting(this.connection).await?);
            DB::Driver::write_setting(this.connection, &setting).await?;
        }
        Ok(this)
    }

    pub(crate) async fn put_back(mut self) -> sqlx::Result<()> {
        if let Some(before) = &self.before {
            DB::Driver::write_setting(self.connection, before).await?;
            self.before = None;
        }
        Ok(())
    }
}

impl<DB: Supported> Drop for Limit<'_, DB> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            DB::Driver::queue_setting(self.connection, &before);
        }
    }
}
