//! One record, or one row: what `upsert`, `lock`, `modify` and a locked row's methods do, whatever the model.

mod alone;
mod chain;
mod lock;
mod locked;
mod modify;
mod options;
mod rules;
mod upsert;

pub(crate) use self::chain::Record;
pub(crate) use self::lock::{MOST_KEYS, lock_many, lock_new, lock_one};
pub(crate) use self::locked::{RowSlot, delete, mark, refresh, save, write};
pub(crate) use self::modify::{MakeChanges, modify};
pub(crate) use self::options::{Updating, UpsertOptions};
pub(crate) use self::upsert::{upsert, upsert_in};
