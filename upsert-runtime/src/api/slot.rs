use std::fmt::{self, Debug, Formatter};

use crate::record::RowSlot;
use crate::value::Row;

/// A locked row as it was last written or read, and when that was.
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Kept {
    pub(super) row: Row,
    /// How many times its transaction or connection had been lent by then; `None` where that is not known.
    lends: Option<u64>,
}

impl Kept {
    /// A row that was just read.
    pub(super) fn new(row: Row) -> Self {
        Self {
            row,
            lends: Some(0),
        }
    }
}

impl Debug for Kept {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut this = f.debug_struct("Kept");
        this.field("lends", &self.lends).finish_non_exhaustive()
    }
}

/// A locked row, and how many times the transaction or connection of its guard was lent.
pub(crate) struct Slot<'t> {
    place: Place<'t>,
    lends: Lends<'t>,
}

/// Where a locked row is kept: by itself, or at its place among others.
enum Place<'t> {
    /// By itself.
    Own(Kept),
    /// At its place. It is never empty: only [`take`](Slot::take) empties it, and consumes this.
    Among(&'t mut Option<Kept>),
}

/// Where lends are counted: for one row, or for several rows, any of which may lend.
enum Lends<'t> {
    Own(u64),
    Shared(&'t mut u64),
}

const TAKEN: &str = "a row that was taken out is lent no more";

impl<'t> Slot<'t> {
    /// A row by itself that was just read.
    pub(super) fn own(row: Row) -> Self {
        Self {
            place: Place::Own(Kept::new(row)),
            lends: Lends::Own(0),
        }
    }

    /// A row among others, for which lends are counted together.
    pub(super) fn among(place: &'t mut Option<Kept>, lends: &'t mut u64) -> Self {
        Self {
            place: Place::Among(place),
            lends: Lends::Shared(lends),
        }
    }

    /// Takes note that the transaction or the connection is lent.
    pub(super) fn lend(&mut self) {
        match &mut self.lends {
            Lends::Own(lends) => *lends += 1,
            Lends::Shared(lends) => **lends += 1,
        }
    }

    pub(super) fn take(self) -> Row {
        match self.place {
            Place::Own(kept) => kept.row,
            Place::Among(place) => place.take().expect(TAKEN).row,
        }
    }

    fn lends(&self) -> u64 {
        match &self.lends {
            Lends::Own(lends) => *lends,
            Lends::Shared(lends) => **lends,
        }
    }

    fn kept(&self) -> &Kept {
        match &self.place {
            Place::Own(kept) => kept,
            Place::Among(place) => place.as_ref().expect(TAKEN),
        }
    }

    fn kept_mut(&mut self) -> &mut Kept {
        match &mut self.place {
            Place::Own(kept) => kept,
            Place::Among(place) => place.as_mut().expect(TAKEN),
        }
    }
}

impl RowSlot for Slot<'_> {
    fn get(&self) -> &Row {
        &self.kept().row
    }

    fn set(&mut self, row: Row) {
        let lends = Some(self.lends());
        *self.kept_mut() = Kept { row, lends };
    }

    fn is_stale(&self) -> bool {
        self.kept().lends != Some(self.lends())
    }

    fn set_stale(&mut self, is_stale: bool) {
        let lends = self.lends();
        self.kept_mut().lends = (!is_stale).then_some(lends);
    }
}
