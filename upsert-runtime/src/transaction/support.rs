//! What a database cannot do is refused before anything is sent.

use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::locking::Locking;

/// Refuses what the database cannot do, before anything is sent.
pub(crate) fn check_support<DB: Supported>(
    locking: Locking,
    model: &'static str,
) -> Result<(), Error> {
    if locking.skip_locked && !DB::Driver::CAPABILITIES.locks_rows {
        return Err(Error::Unsupported {
            model: Some(model),
            option: "`skip_locked`",
            database: DB::Driver::CAPABILITIES.title,
        });
    }
    Ok(())
}
