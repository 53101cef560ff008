//! What users call, in their models' types: options are gathered here, and given to `calls`.

mod begin;
mod import;
mod lock;
mod locked_row;
mod locked_rows;
mod locked_upsert;
mod modify;
mod on_connection;
mod row_or_none;
mod slot;
mod staged;
mod stored;
mod transaction;
mod typed;
mod upsert;

pub use self::begin::{Begin, begin};
pub use self::import::Import;
pub use self::lock::Lock;
pub use self::locked_row::LockedRow;
pub use self::locked_rows::LockedRows;
pub use self::locked_upsert::LockedUpsert;
pub use self::modify::Modify;
pub use self::on_connection::OnConnection;
pub use self::row_or_none::{OrCreate, RowOrNone, UpdateOnly};
pub use self::stored::Stored;
pub use self::upsert::Upsert;
