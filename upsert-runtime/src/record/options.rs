//! What a caller asks of an upsert.

use std::fmt::{self, Debug, Formatter};

use crate::locking::Rows;
use crate::rules::OnDeleted;
use crate::value::{Changes, Row};

/// Where the updating data come from.
#[derive(Default)]
pub(crate) enum Updating<'f> {
    /// The creating data, but for blank keys.
    #[default]
    New,
    /// The caller.
    Changes(Changes),
    /// The locked row.
    Row(Box<dyn FnMut(&Row) -> Changes + Send + 'f>),
}

/// Says whether a row is to be left alone.
pub(crate) type Protect<'f> = dyn FnMut(&Row) -> bool + Send + 'f;

/// What a caller asked for: the methods of [`Upsert`](crate::Upsert) say what each of these means.
#[derive(Default)]
pub(crate) struct UpsertOptions<'f> {
    pub(crate) updating: Updating<'f>,
    pub(crate) protect: Option<Box<Protect<'f>>>,
    pub(crate) on_deleted: OnDeleted,
    pub(crate) update_only: bool,
}

impl UpsertOptions<'_> {
    /// Which rows the record may find.
    pub(super) fn rows(&self) -> Rows {
        match self.on_deleted {
            OnDeleted::Ignore => Rows::Live,
            OnDeleted::Revive | OnDeleted::Refuse => Rows::LiveThenMarked,
        }
    }
}

impl Debug for UpsertOptions<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpsertOptions")
            .field("on_deleted", &self.on_deleted)
            .field("update_only", &self.update_only)
            .finish_non_exhaustive()
    }
}
