//! Which record is which row, and in which order keys move. Numbers alone: this room knows no database and no value.

mod arbitrate;
mod components;
mod identity;
mod identity_map;
mod keys;
mod numbers;
mod order;
mod planning;
mod verdict;
mod versions;

pub(super) use self::components::Components;
pub(super) use self::identity::{Decision, MissingRows, Rules};
pub(super) use self::identity_map::{IdentityMap, RecordState, RowState};
pub(super) use self::keys::{Keys, NONE, Shape};
pub(super) use self::order::Order;
pub(super) use self::planning::{Plan, Planning};
pub(super) use self::verdict::{Left, Verdict};
pub(super) use self::versions::Versions;
