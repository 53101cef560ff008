//! Texts that are put together at run time, and kept: those of one record, of which each model has few.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::schema::Sql;

/// What a text depends on beside the model and the dialect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    kind: Kind,
    /// Places of look-ups or columns, a bit for each.
    places: [u64; 2],
}

/// Which statement it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Look,
    /// Of a row that this look-up found.
    UpdateAlone(usize),
    /// Of the version of a row that was read, and no other.
    UpdateVersion,
    InsertAlone,
    Insert {
        quiet: bool,
    },
    Update,
}

impl Shape {
    /// The shape of a statement in which these places are used. `None` where there are too many of them: its text is not kept.
    pub(super) fn new(
        kind: Kind,
        first: impl IntoIterator<Item = usize>,
        second: impl IntoIterator<Item = usize>,
    ) -> Option<Self> {
        let places = [bits(first)?, bits(second)?];
        Some(Self { kind, places })
    }
}

fn bits(places: impl IntoIterator<Item = usize>) -> Option<u64> {
    places.into_iter().try_fold(0, |bits, place| {
        let bit = 1_u64.checked_shl(u32::try_from(place).ok()?)?;
        Some(bits | bit)
    })
}

/// The most that are kept: which columns differ may be another set each time.
const MOST: usize = 1_000;

/// The texts, by the place of the model's statements in memory, which are there for good.
static TEXTS: RwLock<BTreeMap<(usize, Shape), &'static str>> = RwLock::new(BTreeMap::new());

/// The text of this shape, if it was kept.
pub(super) fn text(sql: &'static Sql, shape: Shape) -> Option<&'static str> {
    let texts = TEXTS.read().unwrap_or_else(PoisonError::into_inner);
    texts.get(&(place(sql), shape)).copied()
}

/// Keeps the text of this shape, as long as there is room.
pub(super) fn keep(sql: &'static Sql, shape: Shape, text: &str) {
    let mut texts = TEXTS.write().unwrap_or_else(PoisonError::into_inner);
    if texts.len() < MOST {
        let text = || &*String::leak(text.to_owned());
        texts.entry((place(sql), shape)).or_insert_with(text);
    }
}

fn place(sql: &'static Sql) -> usize {
    std::ptr::from_ref(sql).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_differ_by_each_place() {
        let shape = |first: &[usize], second: &[usize]| {
            Shape::new(Kind::Look, first.iter().copied(), second.iter().copied())
        };
        let shapes = [
            shape(&[], &[]),
            shape(&[0], &[]),
            shape(&[], &[0]),
            shape(&[1], &[0]),
            shape(&[0, 1], &[63]),
        ];
        for (place, one) in shapes.iter().enumerate() {
            assert!(one.is_some());
            assert!(shapes[..place].iter().all(|other| other != one));
        }
        assert!(shape(&[64], &[]).is_none() && shape(&[], &[usize::MAX]).is_none());
    }
}
