//! What updating data say of one column.

use std::fmt::{self, Debug, Formatter};

use crate::key::Trim;
use crate::value::Value;

/// What updating data says of one column.
///
/// Not an `Option`: in `Option<Option<T>>` nobody can tell at a glance whether `None` erases or keeps.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// The column keeps its value.
    #[default]
    Keep,
    /// The column is set to this value, NULL included.
    Set(T),
}

impl<T> Change<T> {
    /// `Keep` where `keep` holds, else `Set(value)`.
    pub fn set_unless(keep: bool, value: T) -> Self {
        if keep { Self::Keep } else { Self::Set(value) }
    }

    /// Becomes `change` unless that keeps the value.
    pub fn stage(&mut self, change: Self) {
        if !change.is_keep() {
            *self = change;
        }
    }

    /// Whether the column is left alone.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The value to be set.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Keep => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T: Send + Sync + 'static> Change<T> {
    /// The value to be set, whatever its type.
    pub fn closed(&self) -> Option<&Value> {
        self.value().map(|value| value as &Value)
    }
}

impl<T: PartialEq> Change<T> {
    /// Whether the column is set to something else than `stored`.
    pub fn differs(&self, stored: &T) -> bool {
        matches!(self, Self::Set(value) if value != stored)
    }
}

impl<T: PartialOrd> Change<T> {
    /// Whether the column is set to less than `stored`.
    pub fn is_less_than(&self, stored: &T) -> bool {
        matches!(self, Self::Set(value) if value < stored)
    }
}

/// Trims the value to be set.
pub fn trim_change<T: Trim>(change: &mut Change<T>) {
    if let Change::Set(value) = change {
        value.trim();
    }
}

impl<T: Debug> Debug for Change<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("(keep)"),
            Self::Set(value) => value.fmt(f),
        }
    }
}

/// What is there is set, `null` as NULL; a member that is absent keeps the column's value, by the `#[serde(default)]` that the derive
/// writes.
#[cfg(feature = "serde")]
impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Change<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Set)
    }
}

/// The value that is set. A column that keeps its own is left out, by the `#[serde(skip_serializing_if)]` that the derive writes.
#[cfg(feature = "serde")]
impl<T: serde::Serialize> serde::Serialize for Change<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}
