//! A key that is written in another spelling, which the database calls equal.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::schema::Model;

/// The models and columns of which it was told, by the model's place in memory: two models may have one name.
static TOLD: Mutex<BTreeSet<(usize, usize)>> = Mutex::new(BTreeSet::new());

/// Warns, once a process for each column, that a row's key was written again though the database calls it equal to the one that
/// the row had. Where two sources spell it differently each run writes it, and whoever looks at the rows written wonders why.
pub(crate) fn warn_of_spelling(model: &'static Model, column: usize) {
    let place = std::ptr::from_ref(model).addr();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.insert((place, column)) {
        tracing::warn!(
            model = model.name,
            column = model.columns[column].field,
            "a key was written in another spelling, which the database calls equal to the one stored (letter case, accents or \
             spaces at the end); if sources spell it differently, each run writes it again"
        );
    }
}
