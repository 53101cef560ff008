//! Ours and its peers, each written as its own documentation writes it.

use std::error::Error;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::record::Record;

pub(crate) mod chain;
pub(crate) mod copy_merge;
pub(crate) mod django;
pub(crate) mod held;
pub(crate) mod on_conflict;
pub(crate) mod ours;
pub(crate) mod process;
pub(crate) mod rows;
pub(crate) mod sea_orm;
pub(crate) mod unnest;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

pub(crate) type Timed<'a> = Pin<Box<dyn Future<Output = Result<Duration, Failure>> + 'a>>;

/// One way to get records into the table.
pub(crate) trait Contender {
    /// What it is called, and the source of its rows.
    fn name(&self) -> &str;

    /// Upserts records, in calls of one record one after the other or all in one call, and says how long that took. What is
    /// done before the first call, such as copies of the records, does not count.
    fn run(&self, records: Vec<Record>) -> Timed<'_>;

    /// Whether an import takes so much longer than that of others that once is enough.
    fn is_slow(&self) -> bool {
        false
    }
}

/// The time until it is done.
async fn timed<E: Into<Failure>>(
    work: impl Future<Output = Result<(), E>>,
) -> Result<Duration, Failure> {
    let started = Instant::now();
    work.await.map_err(Into::into)?;
    Ok(started.elapsed())
}
