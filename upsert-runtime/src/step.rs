//! The steps of an algorithm, one statement each.

mod alone;
mod columns;
mod delete;
mod holder;
mod insert;
mod known;
mod lookup;
mod session;
mod spelling;
mod statement;
mod update;

pub(crate) use self::alone::Look;
pub(crate) use self::insert::Inserted;
pub(crate) use self::lookup::{Found, SecondLook};
pub(crate) use self::session::Session;
pub(crate) use self::spelling::warn_of_spelling;
pub(crate) use self::statement::Statement;
pub(crate) use self::update::{Assignments, Updated};
