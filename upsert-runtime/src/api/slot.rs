use crate::record::RowSlot;
use crate::value::Row;

/// Where a locked row is kept: by itself, or at its place among others.
pub(crate) enum Slot<'t> {
    /// By itself.
    Own(Row),
    /// At its place. It is never empty: only [`take`](Slot::take) empties it, and consumes this.
    Among(&'t mut Option<Row>),
}

const TAKEN: &str = "a row that was taken out is lent no more";

impl Slot<'_> {
    pub(super) fn take(self) -> Row {
        match self {
            Self::Own(row) => row,
            Self::Among(place) => place.take().expect(TAKEN),
        }
    }
}

impl RowSlot for Slot<'_> {
    fn get(&self) -> &Row {
        match self {
            Self::Own(row) => row,
            Self::Among(place) => place.as_ref().expect(TAKEN),
        }
    }

    fn set(&mut self, row: Row) {
        match self {
            Self::Own(own) => *own = row,
            Self::Among(place) => **place = Some(row),
        }
    }
}
