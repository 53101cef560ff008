//! Which of two records is the newer version of a thing.

use crate::value::Value;

/// The versions of records, by their index, which nobody here can read: they are compared by the model's own code.
pub(crate) struct Versions {
    values: Vec<Option<Box<Value>>>,
    is_older: fn(&Value, &Value) -> bool,
}

impl Versions {
    pub(crate) fn new(is_older: fn(&Value, &Value) -> bool) -> Self {
        Self {
            values: Vec::new(),
            is_older,
        }
    }

    /// Notes the version of the next record; none for one that has none.
    pub(crate) fn push(&mut self, version: Option<Box<Value>>) {
        self.values.push(version);
    }

    /// Whether a record is older than another one. What cannot be compared is not.
    pub(super) fn is_older(&self, one: u32, other: u32) -> bool {
        let value = |record: u32| self.values.get(record as usize)?.as_deref();
        matches!((value(one), value(other)), (Some(one), Some(other)) if (self.is_older)(one, other))
    }

    /// Whether records have versions.
    pub(super) fn are_there(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }
}
