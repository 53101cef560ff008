//! When a value can identify a record, and how it is trimmed.

use std::borrow::Cow;
use std::sync::Arc;

use crate::value::Value;

/// A value that may identify a record, unless it is blank.
///
/// Text is blank if it is empty or only white space (Unicode), bytes if they are empty, an `Option` if it is `None` or holds
/// something blank. Types that are `Copy` (numbers, UUIDs, dates) are never blank and need no implementation. A type of your
/// own that wraps text implements it in one line:
///
/// ```
/// use upsert_runtime::Key;
///
/// struct Slug(String);
///
/// impl Key for Slug {
///     fn is_blank(&self) -> bool {
///         self.0.is_blank()
///     }
/// }
/// # assert!(Slug(" ".into()).is_blank());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key of `#[lookup(..)]`",
    label = "it is not known when a `{Self}` is blank",
    note = "text, bytes, `Option`s of them and types that are `Copy` need nothing; implement `upsert_runtime::Key` for others"
)]
pub trait Key {
    /// Whether the value identifies no record.
    fn is_blank(&self) -> bool;
}

impl Key for str {
    fn is_blank(&self) -> bool {
        self.trim().is_empty()
    }
}

impl Key for String {
    fn is_blank(&self) -> bool {
        self.as_str().is_blank()
    }
}

impl Key for [u8] {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl Key for Vec<u8> {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Key> Key for Option<T> {
    fn is_blank(&self) -> bool {
        self.as_ref().is_none_or(Key::is_blank)
    }
}

impl<T: Key + ?Sized> Key for &T {
    fn is_blank(&self) -> bool {
        (**self).is_blank()
    }
}

impl<T: Key + ?Sized> Key for Box<T> {
    fn is_blank(&self) -> bool {
        (**self).is_blank()
    }
}

impl<T: Key + ?Sized> Key for Arc<T> {
    fn is_blank(&self) -> bool {
        (**self).is_blank()
    }
}

impl<T: Key + ToOwned + ?Sized> Key for Cow<'_, T> {
    fn is_blank(&self) -> bool {
        (**self).is_blank()
    }
}

/// Text that can be trimmed in place, for `#[upsert(trim)]`.
///
/// White space is cut off at both ends, as by [`str::trim`] (Unicode).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be trimmed",
    label = "`#[upsert(trim)]` needs text",
    note = "`String`, `Box<str>`, `Cow<'static, str>` and `Option`s of them can be trimmed; implement `upsert_runtime::Trim` for others"
)]
pub trait Trim {
    /// Cuts off white space at both ends.
    fn trim(&mut self);
}

impl Trim for String {
    fn trim(&mut self) {
        self.truncate(self.trim_end().len());
        let leading = self.len() - self.trim_start().len();
        self.drain(..leading);
    }
}

impl Trim for Box<str> {
    fn trim(&mut self) {
        let trimmed = str::trim(self);
        if trimmed.len() < self.len() {
            *self = trimmed.into();
        }
    }
}

impl Trim for Cow<'_, str> {
    fn trim(&mut self) {
        match self {
            Self::Borrowed(text) => *text = text.trim(),
            Self::Owned(text) => text.trim(),
        }
    }
}

impl<T: Trim> Trim for Option<T> {
    fn trim(&mut self) {
        if let Some(value) = self {
            value.trim();
        }
    }
}

/// Trims a field; the type is named where it is called, so that a type that cannot be trimmed is blamed at the field.
pub fn trim<T: Trim>(value: &mut T) {
    value.trim();
}

/// Trims a value of this type.
pub fn trim_value<T: Trim + 'static>(value: &mut Value) {
    if let Some(value) = value.downcast_mut::<T>() {
        value.trim();
    }
}

/// Whether a value of this type is blank, as `is_blank` says.
pub fn is_blank_value<T: 'static>(value: &Value, is_blank: fn(&T) -> bool) -> bool {
    value.downcast_ref().is_some_and(is_blank)
}

/// On create a blank key in an optional field is stored as NULL, so that it never meets a unique index.
pub fn null_if_blank<T>(value: &mut Option<T>, is_blank: bool) {
    if is_blank {
        *value = None;
    }
}

/// A key value that asks, by method resolution, whether it is blank: `(&&&&Probe(&value)).is_blank_key()` finds the first of
/// the four traits below that fits the type; the last one's bound fails with the message of [`Key`].
///
/// It is this and not a bound on `Key`, since UUIDs, dates and decimals come from crates that this one does not depend on.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a, T>(pub &'a T);

/// Values that say themselves when they are blank.
pub trait KeyProbe {
    /// Whether the value identifies no record.
    fn is_blank_key(&self) -> bool;
}

impl<T: Key> KeyProbe for &&&Probe<'_, T> {
    fn is_blank_key(&self) -> bool {
        self.0.is_blank()
    }
}

/// Optional numbers and the like: only `None` is blank.
pub trait OptionProbe {
    /// Whether the value identifies no record.
    fn is_blank_key(&self) -> bool;
}

impl<T: Copy> OptionProbe for &&Probe<'_, Option<T>> {
    fn is_blank_key(&self) -> bool {
        self.0.is_none()
    }
}

/// Numbers and the like are never blank. Whatever owns text or bytes is not `Copy`.
pub trait CopyProbe {
    /// Whether the value identifies no record.
    fn is_blank_key(&self) -> bool;
}

impl<T: Copy> CopyProbe for &Probe<'_, T> {
    fn is_blank_key(&self) -> bool {
        false
    }
}

/// Values of which nothing is known: they need an implementation of [`Key`].
pub trait OtherProbe<T> {
    /// Whether the value identifies no record.
    fn is_blank_key(&self) -> bool
    where
        T: Key;
}

impl<T> OtherProbe<T> for Probe<'_, T> {
    fn is_blank_key(&self) -> bool
    where
        T: Key,
    {
        self.0.is_blank()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_is_null_or_nothing_but_white_space() {
        for text in ["", " ", "\t", "\u{a0}", " \u{2003}\n"] {
            assert!(text.is_blank(), "{text:?}");
            assert!(Some(text.to_owned()).is_blank(), "{text:?}");
        }
        assert!(None::<String>.is_blank());
        assert!(Vec::<u8>::new().is_blank());
        assert!(!b" ".as_slice().is_blank(), "a byte is a byte");
        assert!(!" a ".is_blank());
    }

    #[test]
    #[expect(
        clippy::needless_borrow,
        reason = "the derive writes it without knowing the type"
    )]
    fn the_probe_knows_numbers_and_options_of_them() {
        assert!(!(&&&&Probe(&0_i64)).is_blank_key());
        assert!(!(&&&&Probe(&Some(0_i64))).is_blank_key());
        assert!((&&&&Probe(&None::<i64>)).is_blank_key());
        assert!((&&&&Probe(&Some(" ".to_owned()))).is_blank_key());
        assert!((&&&&Probe(&Cow::Borrowed(" "))).is_blank_key());
    }

    #[test]
    fn trimming_cuts_both_ends() {
        let mut text = Some("\u{a0} a b \t".to_owned());
        text.trim();
        assert_eq!(text.as_deref(), Some("a b"));
        let mut text: Box<str> = " a ".into();
        text.trim();
        assert_eq!(&*text, "a");
        let mut text = Cow::Borrowed(" a ");
        Trim::trim(&mut text);
        assert_eq!(text, "a");
    }
}
