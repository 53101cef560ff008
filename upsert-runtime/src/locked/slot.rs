/// Where a locked row is kept: by itself, or at its place among others.
pub(super) enum Slot<'t, M> {
    Own(M),
    /// Never empty: only [`take`](Slot::take) empties it, and consumes this.
    Among(&'t mut Option<M>),
}

const TAKEN: &str = "a row that was taken out is lent no more";

impl<M> Slot<'_, M> {
    pub(super) fn get(&self) -> &M {
        match self {
            Self::Own(row) => row,
            Self::Among(place) => place.as_ref().expect(TAKEN),
        }
    }

    pub(super) fn set(&mut self, row: M) {
        match self {
            Self::Own(own) => *own = row,
            Self::Among(place) => **place = Some(row),
        }
    }

    pub(super) fn take(self) -> M {
        match self {
            Self::Own(row) => row,
            Self::Among(place) => place.take().expect(TAKEN),
        }
    }
}
