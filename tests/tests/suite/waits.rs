//! Limits of waiting: kept by the server, told apart, and gone with the call.

use std::time::{Duration, Instant};

use sqlx::Pool;
use upsert_runtime::{Error, LockedUpsert, Retry, Wait};
use upsert_tests::Target;

use super::cancellation::polled;
use super::models::{NewTaxonomy, Taxonomy, TaxonomyChanges, record, with_rows};
use crate::{Db, Sqlx};

tests![
    not_at_all_or_for_a_while,
    for_ever,
    without_a_limit_the_sessions_own_holds,
    of_a_transaction,
    of_a_transaction_that_is_no_writer_yet on ["sqlite"],
    of_an_insert_and_an_update on ["postgres", "mysql"],
    of_a_table on ["postgres", "mysql"],
    the_setting_stays_what_it_was,
    a_borrowed_transaction_gets_its_setting_back,
    a_commit_waits_no_longer on ["sqlite"],
];

const SOON: Wait = Wait::AtMost(Duration::from_millis(200));

/// The session's setting, on this connection.
macro_rules! setting {
    ($connection:expr) => {{
        let sql = match Sqlx::TARGET {
            "postgres" => "SHOW lock_timeout",
            "mysql" => "SELECT CONCAT(@@innodb_lock_wait_timeout, ' ', @@lock_wait_timeout)",
            _ => "PRAGMA busy_timeout",
        };
        let row = sqlx::raw_sql(sql)
            .fetch_one($connection)
            .await
            .expect("the setting");
        sqlx::Row::try_get_unchecked::<String, _>(&row, 0).expect("a text")
    }};
}
pub(super) use setting;

/// A pool of one connection, whose setting is no default.
pub(super) async fn set(db: &Db) -> (Pool<Sqlx>, &'static str) {
    let (sql, shown) = match Sqlx::TARGET {
        "postgres" => ("SET lock_timeout = '12345ms'", "12345ms"),
        "mysql" => (
            "SET SESSION innodb_lock_wait_timeout = 33, lock_wait_timeout = 44",
            "33 44",
        ),
        _ => ("PRAGMA busy_timeout = 4321", "4321"),
    };
    let pool = db.pool_of(1).await;
    sqlx::raw_sql(sql).execute(&pool).await.expect("a setting");
    assert_eq!(setting!(&pool), shown);
    (pool, shown)
}

fn rock(name: &str) -> NewTaxonomy {
    record("r1", "rock").named(name)
}

/// A transaction that holds the row, or on SQLite the write lock.
async fn holder(db: &Db) -> upsert_runtime::Transaction<Sqlx> {
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let row = Taxonomy::lock().by_slug(&mut holder, "rock").await;
    drop(row.expect("a lock").expect("a row"));
    holder
}

async fn not_at_all_or_for_a_while(db: Db) {
    with_rows(&db, [rock("rock")]).await;
    let holder = holder(&db).await;
    for wait in [Wait::NoWait, SOON, Wait::AtMost(Duration::ZERO)] {
        let (least, most) = match (wait, Sqlx::TARGET) {
            (Wait::NoWait, _) => (0, 150),
            // Whole seconds.
            (_, "mysql") => (900, 2500),
            (SOON, _) => (190, 900),
            _ => (0, 150),
        };
        let started = Instant::now();
        let told = |error: Error| {
            let took = started.elapsed().as_millis();
            assert!(error.is_retryable(), "{error}");
            match error {
                Error::Locked { .. } => assert_eq!(wait, Wait::NoWait),
                Error::LockTimeout { .. } => assert_ne!(wait, Wait::NoWait),
                error => panic!("{error}"),
            }
            assert!((least..most).contains(&took), "{wait:?}: {took} ms");
        };
        let upsert = Taxonomy::upsert(rock("Rock")).wait(wait);
        told(upsert.run(&db.pool).await.unwrap_err());
        let started = Instant::now();
        let changes = |_: &Taxonomy| TaxonomyChanges::new().name("Rock");
        let modify = Taxonomy::modify().wait(wait);
        let error = modify.by_slug(&db.pool, "rock", changes).await.unwrap_err();
        assert!(
            matches!(error, Error::Locked { .. }) == (wait == Wait::NoWait),
            "{error}"
        );
        assert!((least..most).contains(&started.elapsed().as_millis()));
        // A lock in the caller's transaction; SQLite's is taken when that begins.
        let started = Instant::now();
        let error = match upsert_runtime::begin(&db.pool).wait(wait).await {
            Ok(mut tx) => {
                let lock = Taxonomy::lock().wait(wait);
                let error = lock.by_slug(&mut tx, "rock").await.unwrap_err();
                let row = Taxonomy::lock().by_slug(&mut tx, "none").await;
                assert!(row.expect("the transaction goes on").is_none());
                tx.commit().await.expect("a commit");
                error
            }
            Err(error) => error,
        };
        assert!(
            matches!(error, Error::Locked { .. }) == (wait == Wait::NoWait),
            "{error}"
        );
        assert!((least..most).contains(&started.elapsed().as_millis()));
    }
    holder.rollback().await.expect("a rollback");
    Taxonomy::upsert(rock("Rock"))
        .wait(Wait::NoWait)
        .run(&db.pool)
        .await
        .expect("nobody holds it");
}

/// A pool whose session does not wait for long.
async fn impatient(db: &Db) -> Pool<Sqlx> {
    let pool = db.pool_of(1).await;
    let sql = match Sqlx::TARGET {
        "postgres" => "SET lock_timeout = '100ms'",
        "mysql" => "SET SESSION innodb_lock_wait_timeout = 1",
        _ => "PRAGMA busy_timeout = 100",
    };
    sqlx::raw_sql(sql).execute(&pool).await.expect("a setting");
    pool
}

async fn for_ever(db: Db) {
    with_rows(&db, [rock("rock")]).await;
    let pool = impatient(&db).await;
    let holder = holder(&db).await;
    let waiter = tokio::spawn(async move {
        let upsert = Taxonomy::upsert(rock("Rock")).wait(Wait::Forever);
        upsert.retry(Retry::never()).run(&pool).await
    });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!waiter.is_finished(), "the session's limit is over");
    holder.commit().await.expect("a commit");
    waiter.await.expect("no panic").expect("an upsert");
}

async fn without_a_limit_the_sessions_own_holds(db: Db) {
    with_rows(&db, [rock("rock")]).await;
    let pool = impatient(&db).await;
    let _holder = holder(&db).await;
    let upsert = Taxonomy::upsert(rock("Rock")).retry(Retry::never());
    let error = upsert.run(&pool).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
}

async fn of_a_transaction(db: Db) {
    with_rows(&db, [rock("rock")]).await;
    // The limit of calls that name none.
    let mut tx = upsert_runtime::begin(&db.pool)
        .wait(Wait::NoWait)
        .await
        .expect("a transaction");
    let shown = setting!(&mut *tx);
    match Sqlx::TARGET {
        "postgres" => assert_eq!(shown, "1ms"),
        "sqlite" => assert_eq!(shown, "0"),
        _ => {}
    }
    let mut row = Taxonomy::lock()
        .by_slug(&mut tx, "rock")
        .await
        .unwrap()
        .expect("a row");
    assert!(row.update_name("Rock").await.expect("an update"));
    if Sqlx::TARGET != "sqlite" {
        let mut other = upsert_runtime::begin(&db.pool)
            .wait(Wait::NoWait)
            .await
            .expect("a transaction");
        let refused = Taxonomy::lock().by_slug(&mut other, "rock").await;
        assert!(matches!(refused, Err(Error::Locked { .. })));
        let refused = Taxonomy::upsert(rock("Rock")).run_in(&mut other).await;
        assert!(matches!(refused, Err(Error::Locked { .. })));
        // One of its own goes before.
        let started = Instant::now();
        let refused = Taxonomy::lock()
            .wait(SOON)
            .by_slug(&mut other, "rock")
            .await;
        assert!(matches!(refused, Err(Error::LockTimeout { .. })));
        assert!(started.elapsed() >= Duration::from_millis(190));
        assert_eq!(setting!(&mut *other), shown, "put back");
        other.commit().await.expect("a commit");
    }
    tx.commit().await.expect("a commit");
}

async fn of_a_transaction_that_is_no_writer_yet(db: Db) {
    with_rows(&db, [rock("rock")]).await;
    let holder = holder(&db).await;
    let (pool, before) = set(&db).await;
    let mut tx = pool.begin().await.expect("a transaction");
    let lock = Taxonomy::lock().wait(Wait::NoWait);
    let error = lock.by_slug(&mut tx, "rock").await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert_eq!(setting!(&mut *tx), before);
    let started = Instant::now();
    let error = Taxonomy::lock()
        .wait(SOON)
        .many_by_slug(&mut tx, ["rock"])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    assert!((190..900).contains(&started.elapsed().as_millis()));
    assert_eq!(setting!(&mut *tx), before);
    holder.commit().await.expect("a commit");
    let row = Taxonomy::lock().wait(SOON).by_slug(&mut tx, "rock").await;
    assert!(row.expect("a lock").is_some());
    assert_eq!(setting!(&mut *tx), before);
}

async fn of_an_insert_and_an_update(db: Db) {
    with_rows(&db, [rock("rock")]).await;
    // A key that no look-up asks for: only the INSERT can wait for it.
    db.run("CREATE UNIQUE INDEX one_name ON taxonomy (name)")
        .await;
    let mut creator = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r2", "jazz"))
        .run_in(&mut creator)
        .await
        .expect("an upsert");
    // Whoever wants the same keys waits for the creator's end: to insert, and to update.
    for (wait, locked) in [(Wait::NoWait, true), (SOON, false)] {
        let started = Instant::now();
        let upsert = Taxonomy::upsert(record("r3", "jazz")).wait(wait);
        let error = upsert.run(&db.pool).await.unwrap_err();
        assert_eq!(matches!(error, Error::Locked { .. }), locked, "{error}");
        assert_eq!(
            matches!(error, Error::LockTimeout { .. }),
            !locked,
            "{error}"
        );
        let upsert = Taxonomy::upsert(record("r4", "folk").named("jazz")).wait(wait);
        let error = upsert.run(&db.pool).await.unwrap_err();
        assert_eq!(matches!(error, Error::Locked { .. }), locked, "{error}");
        assert_eq!(
            matches!(error, Error::LockTimeout { .. }),
            !locked,
            "{error}"
        );
        let mut tx = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        let mut row = Taxonomy::lock()
            .wait(wait)
            .by_slug(&mut tx, "rock")
            .await
            .unwrap()
            .expect("a row");
        let error = row.update_slug("jazz").await.unwrap_err();
        assert_eq!(matches!(error, Error::Locked { .. }), locked, "{error}");
        assert_eq!(
            matches!(error, Error::LockTimeout { .. }),
            !locked,
            "{error}"
        );
        assert!(row.update_name("Rock").await.expect("it goes on"));
        let took = started.elapsed();
        assert!(
            took < Duration::from_secs(20),
            "not the server's own limit: {took:?}"
        );
    }
    creator.rollback().await.expect("a rollback");
}

async fn of_a_table(db: Db) {
    with_rows(&db, [rock("rock")]).await;
    let pool = db.pool_of(1).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let (lock, unlock) = match Sqlx::TARGET {
        "postgres" => ("BEGIN; LOCK TABLE taxonomy", "COMMIT"),
        _ => ("LOCK TABLES taxonomy WRITE", "UNLOCK TABLES"),
    };
    sqlx::raw_sql(lock)
        .execute(&mut *connection)
        .await
        .expect("a lock");
    let upsert = Taxonomy::upsert(rock("Rock")).wait(SOON);
    let error = upsert.run(&db.pool).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    let upsert = Taxonomy::upsert(rock("Rock")).wait(Wait::NoWait);
    let error = upsert.run(&db.pool).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    sqlx::raw_sql(unlock)
        .execute(&mut *connection)
        .await
        .expect("an end");
}

async fn the_setting_stays_what_it_was(db: Db) {
    with_rows(&db, [rock("rock"), record("r2", "jazz")]).await;
    let (pool, before) = set(&db).await;
    for wait in [Wait::Forever, Wait::NoWait, SOON] {
        // Done, failed, and nothing to do.
        let upsert = |new| Taxonomy::upsert(new).wait(wait);
        upsert(rock("a")).run(&pool).await.expect("an upsert");
        assert_eq!(setting!(&pool), before);
        upsert(record("r1", "jazz")).run(&pool).await.unwrap_err();
        assert_eq!(setting!(&pool), before);
        let changes = |_: &Taxonomy| TaxonomyChanges::new();
        let modify = Taxonomy::modify().wait(wait);
        modify.by_id(&pool, 1, changes).await.expect("no change");
        assert_eq!(setting!(&pool), before);
        // Committed, rolled back, dropped.
        let begin = async || {
            upsert_runtime::begin(&pool)
                .wait(wait)
                .await
                .expect("a transaction")
        };
        begin().await.commit().await.expect("a commit");
        assert_eq!(setting!(&pool), before);
        begin().await.rollback().await.expect("a rollback");
        assert_eq!(setting!(&pool), before);
        drop(begin().await);
        assert_eq!(setting!(&pool), before);
        let mut tx = begin().await;
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *tx).await;
        tx.commit().await.unwrap_err();
        assert_eq!(setting!(&pool), before);
    }
    // Refused, because somebody else holds the lock.
    let holder = holder(&db).await;
    for wait in [Wait::NoWait, SOON] {
        let upsert = Taxonomy::upsert(rock("b")).wait(wait);
        upsert.run(&pool).await.unwrap_err();
        assert_eq!(setting!(&pool), before);
    }
    if Sqlx::TARGET == "sqlite" {
        for polls in 0..6 {
            // Dropped while it waits: the connection is not closed, and its thread still waits.
            let upsert = Taxonomy::upsert(rock("b")).wait(SOON);
            let upsert =
                tokio::time::timeout(Duration::from_millis(20), polled(polls, upsert.run(&pool)));
            let _ = upsert.await;
            // sqlx's `acquire`, dropped in flight, closes the connection.
            let before = setting!(&pool);
            assert!(
                ["4321", "5000"].contains(&&*before),
                "{polls} polls: {before}"
            );
            let mut tx = pool.begin().await.expect("a transaction");
            let lock = Taxonomy::lock().wait(SOON).by_slug(&mut tx, "rock");
            let _ = tokio::time::timeout(Duration::from_millis(20), polled(polls, lock)).await;
            assert_eq!(setting!(&mut *tx), before, "{polls} polls");
            drop(tx);
            assert_eq!(setting!(&pool), before, "{polls} polls");
        }
    }
    holder.commit().await.expect("a commit");
    pool.close().await;
}

async fn a_borrowed_transaction_gets_its_setting_back(db: Db) {
    with_rows(&db, [rock("rock"), record("r2", "jazz")]).await;
    let (pool, before) = set(&db).await;
    let mut tx = pool.begin().await.expect("a transaction");
    let (own, shown) = match Sqlx::TARGET {
        "postgres" => ("SET LOCAL lock_timeout = '7s'", "7s"),
        "mysql" => ("SET SESSION innodb_lock_wait_timeout = 34", "34 44"),
        _ => ("PRAGMA busy_timeout = 777", "777"),
    };
    sqlx::raw_sql(own)
        .execute(&mut *tx)
        .await
        .expect("a setting");
    let mut row = Taxonomy::lock()
        .wait(SOON)
        .by_slug(&mut tx, "rock")
        .await
        .unwrap()
        .expect("a row");
    assert_eq!(setting!(row.connection()), shown);
    row.update_name("Rock").await.expect("an update");
    assert_eq!(setting!(row.connection()), shown);
    row.update_slug("jazz").await.unwrap_err();
    assert_eq!(setting!(row.connection()), shown);
    row.refresh().await.expect("the row");
    assert_eq!(setting!(row.connection()), shown);
    let upsert = Taxonomy::upsert(record("r3", "folk")).wait(Wait::NoWait);
    upsert.run_in(&mut tx).await.expect("an upsert");
    assert_eq!(setting!(&mut *tx), shown);
    tx.commit().await.expect("a commit");
    if Sqlx::TARGET == "postgres" {
        assert_eq!(setting!(&pool), before, "the transaction's own has ended");
    }
    pool.close().await;
}

async fn a_commit_waits_no_longer(db: Db) {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
    // The rollback journal: a COMMIT waits for readers.
    let options = SqliteConnectOptions::new()
        .filename(db.folder().join("journal.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Delete);
    let pool = sqlx::SqlitePool::connect_with(options)
        .await
        .expect("a connection");
    let table = sqlx::Sqlite::spell(super::models::TAXONOMY);
    sqlx::Sqlite::run_text(&pool, table).await;
    let mut reader = pool.acquire().await.expect("a connection");
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM taxonomy")
        .execute(&mut *reader)
        .await
        .expect("a read lock");
    for (wait, most) in [(Wait::NoWait, 150), (SOON, 900)] {
        let started = Instant::now();
        let upsert = Taxonomy::upsert(rock("rock")).wait(wait);
        let error = upsert.run(&pool).await.unwrap_err();
        assert_eq!(
            matches!(error, Error::Locked { .. }),
            wait == Wait::NoWait,
            "{error}"
        );
        assert!(
            started.elapsed() < Duration::from_millis(most),
            "{:?}",
            started.elapsed()
        );
    }
    drop(reader);
    pool.close().await;
}
