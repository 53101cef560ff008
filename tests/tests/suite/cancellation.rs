//! Futures that are dropped before they are done: at each await point, and while they wait for a lock.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use sqlx::Pool;
use upsert_runtime::{Error, LockedUpsert, Wait};
use upsert_tests::Target;

use super::models::{Taxonomy, TaxonomyChanges, record, with_rows};
use super::waits::{set, setting};
use crate::{Db, Sqlx};

tests![
    an_upsert,
    an_upsert_with_a_limit,
    an_upsert_in_a_transaction_of_sqlx on ["sqlite", "postgres"],
    a_modify,
    a_modify_with_a_limit,
    a_begin,
    a_begin_with_a_limit,
    a_lock,
    a_lock_with_a_limit,
    a_lock_in_a_transaction_of_sqlx on ["sqlite", "postgres"],
    many_locks,
    an_update_of_a_locked_row,
    a_save_with_a_limit,
    a_save_in_a_transaction_of_sqlx on ["sqlite", "postgres"],
    a_delete,
    a_commit,
    while_it_waits_for_a_lock,
    in_a_transaction_that_goes_on,
    a_guard_in_a_transaction_that_goes_on,
    an_import_in_a_transaction_that_goes_on on ["postgres", "mysql"],
];

/// Polls a future this many times, then drops it. Whether it was done before.
pub(super) fn polled<F: Future>(
    times: usize,
    future: F,
) -> impl Future<Output = Option<F::Output>> {
    let mut future = Box::pin(future);
    let mut polls = 0;
    poll_fn(move |context| {
        if polls == times {
            return Poll::Ready(None);
        }
        polls += 1;
        future.as_mut().poll(context).map(Some)
    })
}

/// The only connection of a pool is good for whoever comes next: no lock is held, no transaction is open, the setting is the
/// session's, and an autocommit write lasts.
pub(super) async fn check(
    db: &Db,
    pool: &Pool<Sqlx>,
    polls: usize,
    writes: &mut i64,
    before: &str,
) {
    // A connection that was closed has the server's own setting, and so has its successor.
    let closed = match Sqlx::TARGET {
        "postgres" => "0",
        "mysql" => "50 86400",
        // sqlx's `acquire`, dropped in flight, closes the connection.
        _ => "5000",
    };
    let shown = setting!(pool);
    assert!(shown == before || shown == closed, "{polls} polls: {shown}");
    sqlx::raw_sql("UPDATE taxonomy SET uses = uses + 1 WHERE slug = 'rock'")
        .execute(pool)
        .await
        .unwrap_or_else(|error| panic!("{polls} polls: {error}"));
    *writes += 1;
    let stored = "SELECT uses FROM taxonomy WHERE slug = 'rock'";
    assert_eq!(db.number(stored).await, *writes, "{polls} polls");
    // From another connection, and soon: a server needs a moment to see that a connection was closed.
    let soon = Wait::AtMost(Duration::from_secs(3));
    Taxonomy::upsert(record("r1", "rock"))
        .updating(TaxonomyChanges::new().description(Some(polls.to_string())))
        .wait(soon)
        .run(&db.pool)
        .await
        .unwrap_or_else(|error| panic!("{polls} polls: {error}"));
    assert_eq!(pool.size(), 1, "{polls} polls");
}

/// Drops the call after 0, 1, 2, … polls, until it is done, and checks each time. `$call` is an `Option`, as [`polled`] gives it.
///
/// Where the answer is there already, several await points are passed at one poll; so it is begun anew until it has been dropped
/// in flight a good many times.
macro_rules! at_each_await {
    ($db:ident, |$pool:ident, $polls:ident| $call:expr) => {{
        with_rows(&$db, [record("r1", "rock"), record("r2", "soul")]).await;
        let ($pool, before) = set(&$db).await;
        let (mut writes, mut dropped, mut sweeps) = (0, 0, 0);
        while sweeps < 2 || dropped < 12 {
            assert!(sweeps < 100, "dropped in flight {dropped} times only");
            for $polls in 0.. {
                let done = $call;
                check(&$db, &$pool, $polls, &mut writes, before).await;
                if let Some(done) = done {
                    done.expect("a call that nobody drops");
                    break;
                }
                dropped += usize::from($polls > 0);
            }
            sweeps += 1;
        }
        $pool.close().await;
    }};
}

const LIMIT: Wait = Wait::AtMost(Duration::from_secs(2));

fn described(polls: usize) -> TaxonomyChanges {
    TaxonomyChanges::new().description(Some(format!("after {polls} polls")))
}

async fn an_upsert(db: Db) {
    at_each_await!(db, |pool, polls| {
        let upsert = Taxonomy::upsert(record("r1", "rock")).updating(described(polls));
        polled(polls, upsert.run(&pool)).await
    });
}

async fn an_upsert_with_a_limit(db: Db) {
    at_each_await!(db, |pool, polls| {
        let upsert = Taxonomy::upsert(record("r1", "rock")).updating(described(polls));
        polled(polls, upsert.wait(LIMIT).run(&pool)).await
    });
}

async fn an_upsert_in_a_transaction_of_sqlx(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = pool.begin().await.expect("a transaction");
        let upsert = Taxonomy::upsert(record("r1", "rock")).updating(described(polls));
        polled(polls, upsert.wait(LIMIT).run_in(&mut tx)).await
    });
}

async fn a_modify(db: Db) {
    at_each_await!(db, |pool, polls| {
        let modify = Taxonomy::modify().by_slug(&pool, "rock", |_| described(polls));
        polled(polls, modify).await
    });
}

async fn a_modify_with_a_limit(db: Db) {
    at_each_await!(db, |pool, polls| {
        let modify = Taxonomy::modify().wait(LIMIT);
        polled(polls, modify.by_slug(&pool, "rock", |_| described(polls))).await
    });
}

async fn a_begin(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let (pool, before) = set(&db).await;
    let mut writes = 0;
    for polls in 0..8 {
        let begun = polled(polls, upsert_runtime::begin(&pool).into_future()).await;
        drop(begun);
        check(&db, &pool, polls, &mut writes, before).await;
    }
    pool.close().await;
}

async fn a_begin_with_a_limit(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let (pool, before) = set(&db).await;
    let mut writes = 0;
    for polls in 0..12 {
        let begin = upsert_runtime::begin(&pool).wait(LIMIT);
        drop(polled(polls, begin.into_future()).await);
        check(&db, &pool, polls, &mut writes, before).await;
    }
    pool.close().await;
}

async fn a_lock(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let locked = polled(polls, Taxonomy::lock().by_slug(&mut tx, "rock")).await;
        locked.map(|locked| locked.map(drop))
    });
}

async fn a_lock_with_a_limit(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let lock = Taxonomy::lock().wait(LIMIT).by_slug(&mut tx, "rock");
        polled(polls, lock).await.map(|locked| locked.map(drop))
    });
}

async fn a_lock_in_a_transaction_of_sqlx(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = pool.begin().await.expect("a transaction");
        let lock = Taxonomy::lock().wait(LIMIT).by_slug(&mut tx, "rock");
        polled(polls, lock).await.map(|locked| locked.map(drop))
    });
}

async fn many_locks(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let lock = Taxonomy::lock().many_by_slug(&mut tx, ["soul", "none", "rock"]);
        polled(polls, lock).await.map(|locked| locked.map(drop))
    });
}

async fn an_update_of_a_locked_row(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let locked = Taxonomy::lock().by_slug(&mut tx, "rock").await;
        let mut rock = locked.expect("a lock").expect("a row");
        polled(
            polls,
            rock.update_description(Some(format!("after {polls}"))),
        )
        .await
    });
}

async fn a_save_with_a_limit(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let locked = Taxonomy::lock().wait(LIMIT).by_slug(&mut tx, "rock").await;
        let mut rock = locked.expect("a lock").expect("a row");
        polled(polls, rock.apply(described(polls)).save()).await
    });
}

async fn a_save_in_a_transaction_of_sqlx(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = pool.begin().await.expect("a transaction");
        let locked = Taxonomy::lock().wait(LIMIT).by_slug(&mut tx, "rock").await;
        let mut rock = locked.expect("a lock").expect("a row");
        polled(polls, rock.apply(described(polls)).save()).await
    });
}

async fn a_delete(db: Db) {
    at_each_await!(db, |pool, polls| {
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let locked = Taxonomy::lock().by_slug(&mut tx, "rock").await;
        let rock = locked.expect("a lock").expect("a row");
        // Rolled back, so that the row is there the next time.
        polled(polls, rock.delete()).await
    });
}

async fn a_commit(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let (pool, before) = set(&db).await;
    let mut writes = 0;
    for polls in 0..8 {
        let mut tx = upsert_runtime::begin(&pool)
            .wait(LIMIT)
            .await
            .expect("a transaction");
        let locked = Taxonomy::lock().by_slug(&mut tx, "rock").await;
        drop(locked.expect("a lock").expect("a row"));
        let committed = polled(polls, tx.commit()).await;
        check(&db, &pool, polls, &mut writes, before).await;
        if polls == 7 {
            committed.expect("in time").expect("a commit");
        }
    }
    pool.close().await;
}

async fn while_it_waits_for_a_lock(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let (pool, before) = set(&db).await;
    let soon = Duration::from_millis(100);
    let mut writes = 0;
    for turn in 0..4 {
        let mut holder = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        let held = Taxonomy::lock().by_slug(&mut holder, "rock").await;
        drop(held.expect("a lock").expect("a row"));
        let dropped = match turn {
            0 => {
                // What differs: else nothing is waited for where nothing need be locked.
                let upsert = Taxonomy::upsert(record("r1", "rock").named("Rock")).run(&pool);
                tokio::time::timeout(soon, upsert).await.map(drop)
            }
            1 => {
                let upsert = Taxonomy::upsert(record("r1", "rock")).wait(LIMIT);
                tokio::time::timeout(soon, upsert.run(&pool))
                    .await
                    .map(drop)
            }
            2 => {
                let modify = Taxonomy::modify().wait(LIMIT);
                let modify = modify.by_slug(&pool, "rock", |_| TaxonomyChanges::new());
                tokio::time::timeout(soon, modify).await.map(drop)
            }
            _ => {
                let lock = async {
                    let mut tx = upsert_runtime::begin(&pool).wait(LIMIT).await?;
                    let row = Taxonomy::lock().by_slug(&mut tx, "rock").await?;
                    drop(row);
                    tx.commit().await
                };
                tokio::time::timeout(soon, lock).await.map(drop)
            }
        };
        assert!(dropped.is_err(), "turn {turn}: the row is locked");
        holder.commit().await.expect("a commit");
        check(&db, &pool, turn, &mut writes, before).await;
    }
    pool.close().await;
}

/// It goes on, or says that it is lost: nothing in between. A statement of the user's own, sent after the drop, is not taken
/// back with what was dropped.
async fn in_a_transaction_that_goes_on(db: Db) {
    with_rows(&db, []).await;
    for polls in 0.. {
        db.run("DELETE FROM taxonomy").await;
        let mut tx = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        Taxonomy::upsert(record("r1", "rock"))
            .run_in(&mut tx)
            .await
            .expect("an upsert");
        let done = polled(
            polls,
            Taxonomy::upsert(record("r2", "jazz")).run_in(&mut tx),
        )
        .await;
        let dropped = done.is_none() && polls > 0;
        let own = "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('own', 'own', 0, 'x')";
        let own = sqlx::raw_sql(own).execute(&mut *tx).await;
        let second = Taxonomy::upsert(record("r3", "folk")).run_in(&mut tx).await;
        let committed = tx.commit().await;
        let stored = db.texts("SELECT slug FROM taxonomy ORDER BY id").await;
        if dropped && Sqlx::TARGET != "sqlite" {
            assert!(
                matches!(second, Err(Error::TransactionLost { .. })),
                "{polls} polls"
            );
            assert!(
                matches!(committed, Err(Error::TransactionLost { .. })),
                "{polls} polls"
            );
            assert!(stored.is_empty(), "{polls} polls: {stored:?}");
        } else {
            own.expect("a row");
            second.expect("an upsert");
            committed.expect("a commit");
            let all = ["rock", "jazz", "own", "folk"];
            let without = ["rock", "own", "folk"];
            // On SQLite a dropped call may have been finished.
            let right = match (done.is_some(), dropped) {
                (true, _) => stored == all,
                (false, true) => stored == all || stored == without,
                (false, false) => stored == without,
            };
            assert!(right, "{polls} polls: {stored:?}");
        }
        if done.is_some() {
            break;
        }
    }
}

/// The same for the calls of a locked row.
async fn a_guard_in_a_transaction_that_goes_on(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "soul")]).await;
    for polls in 0.. {
        db.run("UPDATE taxonomy SET name = 'before', uses = 0")
            .await;
        let mut tx = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        let locked = Taxonomy::lock().by_slug(&mut tx, "rock").await;
        let mut rock = locked.expect("a lock").expect("a row");
        rock.update_uses(1).await.expect("an update");
        let done = polled(polls, rock.update_name("after")).await;
        let dropped = done.is_none() && polls > 0;
        let again = rock.update_uses(2).await;
        let other = Taxonomy::lock().by_slug(rock.transaction(), "soul").await;
        let other = other.map(|row| row.is_some());
        let committed = tx.commit().await;
        let uses = db
            .number("SELECT uses FROM taxonomy WHERE slug = 'rock'")
            .await;
        if dropped && Sqlx::TARGET != "sqlite" {
            let lost = |error| matches!(error, Error::TransactionLost { .. });
            assert!(again.is_err_and(lost), "{polls} polls");
            assert!(other.is_err_and(lost), "{polls} polls");
            assert!(committed.is_err_and(lost), "{polls} polls");
            assert_eq!(uses, 0, "{polls} polls");
        } else {
            assert!(again.expect("an update") && other.expect("a lock"));
            committed.expect("a commit");
            assert_eq!(uses, 2, "{polls} polls");
        }
        if done.is_some() {
            break;
        }
    }
}

/// The same for an import, which puts passing values into keys meanwhile: they are never committed.
async fn an_import_in_a_transaction_that_goes_on(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "soul")]).await;
    for polls in 0.. {
        let mut tx = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        let exchanged = [record("r1", "soul"), record("r2", "rock")];
        let import = Taxonomy::import(exchanged).run_in(&mut tx);
        let done = polled(polls, import).await;
        let dropped = done.is_none() && polls > 0;
        let committed = tx.commit().await;
        let stored = db
            .texts("SELECT slug FROM taxonomy ORDER BY remote_id")
            .await;
        if let Some(done) = done {
            done.expect("an import");
            committed.expect("a commit");
            assert_eq!(stored, ["soul", "rock"]);
            break;
        }
        assert_eq!(
            matches!(committed, Err(Error::TransactionLost { .. })),
            dropped,
            "{polls} polls"
        );
        assert_eq!(stored, ["rock", "soul"], "{polls} polls");
    }
}
