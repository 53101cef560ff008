//! Which record is which row, and in which order keys move. Numbers alone: this room knows no database and no value.

mod arbitrate;
mod components;
mod identity;
mod identity_map;
mod keys;
mod numbers;
mod order;
mod planning;

pub(super) use self::components::Components;
pub(super) use self::identity::{Decision, Rules};
pub(super) use self::identity_map::{IdentityMap, RecordState, RowState};
pub(super) use self::keys::{Keys, NONE};
pub(super) use self::order::Order;
pub(super) use self::planning::{Plan, Planning};
