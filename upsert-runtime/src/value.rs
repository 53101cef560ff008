//! Values that only a model's own code opens: rows, creating data, updating data, keys.
//!
//! The algorithms of this crate pass them on and never name their types, so that they are compiled once a database and not once
//! a model.

use std::any::Any;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// The value of a column, in the type of its field.
pub type Value = dyn Any + Send + Sync;

/// Each of these is made, and opened, by the same model's code: `contract`.
const WRONG_MODEL: &str = "a value is opened as the type that it was made of";

/// A row of a model.
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Row(Box<Value>);

impl Row {
    /// A row whose type is not known any more.
    pub fn of<M: Any + Send + Sync>(row: M) -> Self {
        Self(Box::new(row))
    }

    /// The row in its type, which must be that it was made of.
    #[must_use]
    pub fn open<M: Any>(&self) -> &M {
        self.0.downcast_ref().expect(WRONG_MODEL)
    }

    /// The row in its type, taken out.
    #[must_use]
    pub fn into_inner<M: Any>(self) -> M {
        *self.0.downcast().expect(WRONG_MODEL)
    }
}

/// Creating data of a model.
#[expect(unnameable_types, reason = "only this crate names it")]
#[derive(Clone)]
pub struct New(Arc<Value>);

impl New {
    /// Creating data whose type is not known any more.
    pub fn of<N: Any + Send + Sync>(new: N) -> Self {
        Self(Arc::new(new))
    }

    /// The creating data in their type.
    #[must_use]
    pub fn open<N: Any>(&self) -> &N {
        self.0.downcast_ref().expect(WRONG_MODEL)
    }
}

/// Updating data of a model.
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Changes(Box<Value>);

impl Changes {
    /// Updating data whose type is not known any more.
    pub fn of<C: Any + Send + Sync>(changes: C) -> Self {
        Self(Box::new(changes))
    }

    /// The updating data in their type.
    #[must_use]
    pub fn open<C: Any>(&self) -> &C {
        self.0.downcast_ref().expect(WRONG_MODEL)
    }

    /// The updating data in their type, to be changed.
    pub fn open_mut<C: Any>(&mut self) -> &mut C {
        self.0.downcast_mut().expect(WRONG_MODEL)
    }
}

/// The value of a key: its parts, each in the type of its field.
#[derive(Default)]
pub struct KeyParts(pub(crate) Vec<Box<Value>>);

impl KeyParts {
    /// The key with one part more.
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, part: T) -> Self {
        self.0.push(Box::new(part));
        self
    }

    /// The part at this place.
    pub(crate) fn get(&self, part: usize) -> Option<&Value> {
        self.0.get(part).map(|part| &**part)
    }
}

/// Shows no value: a log is no place for it.
macro_rules! closed {
    ($($name:ident),+) => {$(
        impl Debug for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}
closed!(Row, New, Changes, KeyParts);
