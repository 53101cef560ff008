//! The contract that the derive fills: what a model is, in its own types.

use std::fmt::Debug;

use crate::rules::Rules;
use crate::schema::{Columns, Fields, KeyPath, Model};
use crate::value::{Changes, KeyParts, New, Row, Value};

/// What only the derive writes: a model as data, and what its own code does with its values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "missing `#[derive(LockedUpsert)]`",
    note = "add `#[derive(LockedUpsert)]` and `#[lookup(..)]` to `{Self}`"
)]
pub trait Contract: Sized + Send + Sync + 'static {
    /// Creating data: a value for each column that is written on create.
    type New: Clone + Debug + Send + Sync + 'static;

    /// Updating data: each updatable column is set or left alone.
    type Changes: Clone + Debug + Default + PartialEq + From<Self::New> + Send + Sync + 'static;

    #[doc(hidden)]
    const MODEL: &'static Model;

    /// Who may overwrite what.
    #[doc(hidden)]
    const RULES: &'static Rules = &Rules::NONE;

    /// Reads a row, column by column.
    #[doc(hidden)]
    fn read(columns: &mut dyn Columns) -> sqlx::Result<Self>;

    /// This row's value in `column`.
    #[doc(hidden)]
    fn in_row(&self, column: usize) -> &Value;

    /// The value of `column` in creating data.
    #[doc(hidden)]
    fn in_new(new: &Self::New, column: usize) -> &Value;

    /// The value to which `changes` set `column`, if they do.
    #[doc(hidden)]
    fn in_changes(changes: &Self::Changes, column: usize) -> Option<&Value>;

    /// Whether `changes` sets `column` to something else than this row holds.
    #[doc(hidden)]
    fn differs(&self, changes: &Self::Changes, column: usize) -> bool;

    /// Whether the value of the key column `column` identifies no record.
    #[doc(hidden)]
    fn is_blank(value: &Value, column: usize) -> bool;

    /// Trims what is to be trimmed; a blank key in an optional field becomes `None`.
    #[doc(hidden)]
    fn normalize(new: &mut Self::New);

    /// Trims what is to be trimmed.
    #[doc(hidden)]
    fn normalize_changes(changes: &mut Self::Changes);

    /// Trims the value of the key column `column`, if it is to be trimmed.
    #[doc(hidden)]
    fn normalize_key(value: &mut Value, column: usize);

    /// Sets what `changes` set in `staged` too.
    #[doc(hidden)]
    fn stage(staged: &mut Self::Changes, changes: Self::Changes);

    /// Whether `changes` set the version to less than this row's.
    #[doc(hidden)]
    fn is_stale(&self, _changes: &Self::Changes) -> bool {
        false
    }

    /// The version of creating data, where the model has versions.
    #[doc(hidden)]
    fn version(_new: &Self::New) -> Option<Box<Value>> {
        None
    }

    /// Whether one version is less than another one.
    #[doc(hidden)]
    fn is_older(_one: &Value, _other: &Value) -> bool {
        false
    }

    /// Gives creating data the keys of others.
    #[doc(hidden)]
    fn take_keys(_new: &mut Self::New, _owner: &Self::New) {}

    /// Gives creating data the keys of this row.
    #[doc(hidden)]
    fn give_keys(&self, _new: &mut Self::New) {}

    /// Whether this row is marked as deleted.
    #[doc(hidden)]
    fn is_deleted(&self) -> bool {
        false
    }
}

/// What only the model's code can do with its values, behind functions that do not name its types.
pub(crate) const fn fields<M: Contract>() -> Fields {
    Fields {
        read: |columns| M::read(columns).map(Row::of),
        in_row: |row, column| row.open::<M>().in_row(column),
        in_new: |new, column| M::in_new(new.open(), column),
        in_changes: |changes, column| M::in_changes(changes.open(), column),
        differs: |row, changes, column| row.open::<M>().differs(changes.open(), column),
        is_blank: M::is_blank,
        updating: |new| Changes::of(M::Changes::from(new.open::<M::New>().clone())),
        clone_changes: |changes| Changes::of(changes.open::<M::Changes>().clone()),
        trim: |changes| M::normalize_changes(changes.open_mut()),
        clear: |changes| *changes.open_mut::<M::Changes>() = M::Changes::default(),
        rules: M::RULES,
        is_stale: |row, changes| row.open::<M>().is_stale(changes.open()),
        version: |new| M::version(new.open()),
        is_older: M::is_older,
        with_keys_of: |new, owner| {
            let mut new = new.open::<M::New>().clone();
            M::take_keys(&mut new, owner.open());
            New::of(new)
        },
        with_keys_of_row: |new, row| {
            let mut new = new.open::<M::New>().clone();
            row.open::<M>().give_keys(&mut new);
            New::of(new)
        },
        is_deleted: |row| row.open::<M>().is_deleted(),
    }
}

/// The creating data, normalized and closed.
pub(crate) fn close<M: Contract>(mut new: M::New) -> New {
    M::normalize(&mut new);
    New::of(new)
}

/// The key, trimmed; `None` if it identifies no record.
pub(crate) fn usable_key<M: Contract>(path: KeyPath, mut key: KeyParts) -> Option<KeyParts> {
    let columns = path.columns(M::MODEL);
    let mut is_blank = false;
    for (part, &column) in key.0.iter_mut().zip(columns) {
        M::normalize_key(&mut **part, column);
        is_blank |= M::is_blank(&**part, column);
    }
    (!is_blank).then_some(key)
}
