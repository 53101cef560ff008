//! Work in a transaction: one of ours, done again where that is safe, or the caller's.

mod begun;
mod borrowed;
mod connections;
mod guard;
mod limit;
mod owned;
mod reference;
mod retry;
mod support;
mod unit_of_work;

pub use self::begun::Transaction;
pub(crate) use self::borrowed::{part, run_in, sees_a_snapshot};
pub(crate) use self::connections::{Connections, is_in_a_transaction};
pub(crate) use self::owned::run;
pub use self::reference::TransactionRef;
pub use self::retry::Retry;
pub(crate) use self::support::check_support;
pub(crate) use self::unit_of_work::UnitOfWork;
