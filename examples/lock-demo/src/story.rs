//! The story: four callers and one row. It is the same code on every database.

use std::time::Duration;

use anyhow::{bail, ensure};
use sqlx::Pool;
use tokio::sync::SetOnce;
use tokio::time::sleep;
use tokio::try_join;
use upsert_runtime::{Backend, Error, LockedUpsert, Stored, Wait, begin};

use crate::model::{NewTaxonomy, Taxonomy};
use crate::timeline::{Actor, Timeline};

/// The row's key.
const SLUG: &str = "rock";

/// How long the holder keeps the row: longer than the two-second caller waits.
const HOLD: Duration = Duration::from_secs(3);

/// The limit of the two-second caller.
const LIMIT: Duration = Duration::from_secs(2);

/// The callers come one after the other, this long apart, so that the timeline is easy to read.
const PAUSE: Duration = Duration::from_millis(200);

/// Plays the story on an empty table, and prints what happens.
pub(crate) async fn story<DB: Backend>(pool: &Pool<DB>) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    let new = NewTaxonomy {
        slug: SLUG.to_owned(),
        uses: 0,
    };
    Taxonomy::upsert(new).run(pool).await?;

    let timeline = Timeline::begin();
    // Set when the holder has the lock: a signal, and no guess how long that may take.
    let held = SetOnce::new();
    // All four at a time, each in a transaction of its own. The first error ends the story: the other callers are dropped,
    // and a transaction that is dropped rolls back.
    try_join!(
        holder(pool, &timeline, &held),
        no_wait(pool, &timeline, &held),
        two_second(pool, &timeline, &held),
        waiter(pool, &timeline, &held),
    )?;

    let row = read(pool).await?;
    ensure!(row.uses == 2, "an update is lost: {row:?}");
    timeline.end(format_args!("{row:?}: nothing is lost"))
}

/// Locks the row, keeps it for a while, counts up and commits.
async fn holder<DB: Backend>(
    pool: &Pool<DB>,
    timeline: &Timeline,
    held: &SetOnce<()>,
) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    timeline.say(Actor::Holder, "asks for the row")?;
    let mut tx = begin(pool).await?;
    let Some(mut row) = Taxonomy::lock().by_slug(&mut tx, SLUG).await? else {
        bail!("the row is gone");
    };
    timeline.say(
        Actor::Holder,
        format_args!("has the row, uses = {}; keeps it for {HOLD:?}", row.uses),
    )?;
    held.set(())?;

    // The work that needs the lock.
    sleep(HOLD).await;

    row.update_uses(row.uses + 1).await?;
    // Said before the commit: after it, the waiter may be faster to speak.
    timeline.say(
        Actor::Holder,
        format_args!("has set uses = {}; commits", row.uses),
    )?;
    tx.commit().await?;
    Ok(())
}

/// Asks for the row, and wants an answer at once.
async fn no_wait<DB: Backend>(
    pool: &Pool<DB>,
    timeline: &Timeline,
    held: &SetOnce<()>,
) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    held.wait().await;
    sleep(PAUSE).await;
    timeline.say(Actor::NoWait, "asks for the row, and will not wait")?;
    match ask(pool, Wait::NoWait).await {
        Err(error @ Error::Locked { .. }) => timeline.say(
            Actor::NoWait,
            format_args!("is answered at once, Error::Locked: {error}"),
        ),
        Err(error) => Err(error.into()),
        Ok(()) => bail!("the no-wait caller got the row while it was held"),
    }
}

/// Asks for the row, and gives up after two seconds.
async fn two_second<DB: Backend>(
    pool: &Pool<DB>,
    timeline: &Timeline,
    held: &SetOnce<()>,
) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    held.wait().await;
    sleep(2 * PAUSE).await;
    timeline.say(
        Actor::TwoSecond,
        format_args!("asks for the row, and will wait for {LIMIT:?} at most"),
    )?;
    match ask(pool, Wait::AtMost(LIMIT)).await {
        Err(error @ Error::LockTimeout { .. }) => timeline.say(
            Actor::TwoSecond,
            format_args!("gives up, Error::LockTimeout: {error}"),
        ),
        Err(error) => Err(error.into()),
        Ok(()) => bail!("the two-second caller got the row while it was held"),
    }
}

/// Waits for the row for as long as it takes, sees what the holder wrote, and counts up too.
async fn waiter<DB: Backend>(
    pool: &Pool<DB>,
    timeline: &Timeline,
    held: &SetOnce<()>,
) -> anyhow::Result<()>
where
    Taxonomy: Stored<DB>,
{
    held.wait().await;
    sleep(3 * PAUSE).await;
    timeline.say(
        Actor::Waiter,
        "asks for the row, and will wait for as long as it takes",
    )?;
    let mut tx = begin(pool).wait(Wait::Forever).await?;
    let Some(mut row) = Taxonomy::lock().by_slug(&mut tx, SLUG).await? else {
        bail!("the row is gone");
    };
    timeline.say(
        Actor::Waiter,
        format_args!("has the row, uses = {}", row.uses),
    )?;
    row.update_uses(row.uses + 1).await?;
    timeline.say(
        Actor::Waiter,
        format_args!("has set uses = {}; commits", row.uses),
    )?;
    tx.commit().await?;
    Ok(())
}

/// Locks the row under this limit, and lets it go again.
async fn ask<DB: Backend>(pool: &Pool<DB>, wait: Wait) -> Result<(), Error>
where
    Taxonomy: Stored<DB>,
{
    // The limit is the transaction's: on SQLite `begin` is what waits for the lock, elsewhere it is the look-up. A limit of
    // `lock()` would come too late for SQLite.
    let mut tx = begin(pool).wait(wait).await?;
    Taxonomy::lock().by_slug(&mut tx, SLUG).await?;
    tx.rollback().await
}

/// The row as it is in the end.
async fn read<DB: Backend>(pool: &Pool<DB>) -> anyhow::Result<Taxonomy>
where
    Taxonomy: Stored<DB>,
{
    let mut tx = begin(pool).await?;
    let Some(row) = Taxonomy::lock().by_slug(&mut tx, SLUG).await? else {
        bail!("the row is gone");
    };
    // The row as a value of its own, which may outlive the transaction.
    let row = row.into_row();
    tx.rollback().await?;
    Ok(row)
}
