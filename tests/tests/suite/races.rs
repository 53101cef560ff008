//! Callers that meet.

use std::time::Duration;

use sqlx::Connection;
use tokio::task::{JoinHandle, JoinSet};
use upsert_runtime::{Error, LockedUpsert, Outcome, Retry, Upserted};
use upsert_tests::Target;

use super::models::{NewTaxonomy, Taxonomy, TaxonomyChanges, record, upsert, with_rows};
use crate::{Db, Sqlx};

tests![
    sixteen_callers_create_fifty_rows,
    half_of_the_callers_know_the_slug_only,
    creators_of_different_records_do_not_meet,
    nothing_is_left_out_after_a_wait,
    renamed_while_waiting,
    renamed_and_replaced_while_waiting,
    deleted_and_inserted_again_while_waiting,
    the_first_key_appears_while_waiting_for_the_second,
    the_first_key_moves_while_waiting,
    the_first_key_is_created_during_the_update on ["postgres", "mysql"],
    a_row_that_comes_and_goes,
    a_snapshot_of_the_callers,
    a_snapshot_that_is_kept on ["mysql"],
    a_first_key_that_a_snapshot_hides on ["postgres"],
    a_deadlock_is_tried_again on ["postgres", "mysql"],
    bounds_of_the_retry,
];

/// Waits until a session of the test waits for a lock.
pub(super) async fn until_one_waits(db: &Db) {
    for _ in 0..400 {
        match Sqlx::waiting(&db.pool).await {
            Some(0) => tokio::time::sleep(Duration::from_millis(25)).await,
            Some(_) => return,
            // SQLite does not tell; a caller is at its lock well before this.
            None => return tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
    panic!("nobody waits for a lock");
}

fn spawned(
    db: &Db,
    new: NewTaxonomy,
    changes: Option<TaxonomyChanges>,
) -> JoinHandle<Result<Upserted<Taxonomy>, Error>> {
    let pool = db.pool.clone();
    tokio::spawn(async move {
        let mut upsert = Taxonomy::upsert(new);
        if let Some(changes) = changes {
            upsert = upsert.updating(changes);
        }
        upsert.run(&pool).await
    })
}

/// Runs `upsert` while another transaction has done `before`; that one does `after` and commits once the upsert waits.
async fn while_locked(
    db: &Db,
    before: &'static str,
    after: &'static str,
    new: NewTaxonomy,
    changes: Option<TaxonomyChanges>,
) -> Result<Upserted<Taxonomy>, Error> {
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    sqlx::raw_sql(before)
        .execute(&mut *holder)
        .await
        .expect("a lock");
    let waiter = spawned(db, new, changes);
    until_one_waits(db).await;
    assert!(!waiter.is_finished(), "the row is locked");
    if !after.is_empty() {
        sqlx::raw_sql(after)
            .execute(&mut *holder)
            .await
            .expect("a change");
    }
    holder.commit().await.expect("a commit");
    waiter.await.expect("no panic")
}

/// Sixteen callers upsert fifty records each, all at once. Returns how many were created.
async fn sixteen_by_fifty(db: &Db, record: fn(usize, usize) -> NewTaxonomy) -> usize {
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let pool = db.pool.clone();
        callers.spawn(async move {
            let mut created = 0;
            for n in 0..50 {
                let done = Taxonomy::upsert(record(caller, n))
                    .run(&pool)
                    .await
                    .unwrap_or_else(|error| panic!("{error}"));
                created += usize::from(done.outcome == Outcome::Created);
            }
            created
        });
    }
    callers.join_all().await.into_iter().sum()
}

async fn sixteen_callers_create_fifty_rows(db: Db) {
    with_rows(&db, []).await;
    let created = sixteen_by_fifty(&db, |caller, n| NewTaxonomy {
        remote_id: Some(format!("r{n}")),
        ..record(None, &format!("s{n}")).named(&format!("by {caller}"))
    })
    .await;
    assert_eq!(created, 50);
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 50);
}

async fn half_of_the_callers_know_the_slug_only(db: Db) {
    with_rows(&db, []).await;
    let created = sixteen_by_fifty(&db, |caller, n| NewTaxonomy {
        remote_id: (caller % 2 == 0).then(|| format!("r{n}")),
        ..record(None, &format!("s{n}")).named(&format!("by {caller}"))
    })
    .await;
    assert_eq!(created, 50);
    assert_eq!(
        db.number("SELECT count(*) FROM taxonomy WHERE remote_id IS NOT NULL")
            .await,
        50
    );
}

async fn creators_of_different_records_do_not_meet(db: Db) {
    // No gap is locked around a key that is not there: a deadlock would be an error here, as nothing is tried again.
    with_rows(&db, []).await;
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let pool = db.pool.clone();
        callers.spawn(async move {
            for n in 0..30 {
                // Neighbours in the index belong to other callers.
                let key = format!("{n:03} {caller:03}");
                let new = NewTaxonomy {
                    remote_id: Some(format!("r{key}")),
                    ..record(None, &key)
                };
                let done = Taxonomy::upsert(new).retry(Retry::never()).run(&pool).await;
                assert_eq!(
                    done.unwrap_or_else(|error| panic!("{error}")).outcome,
                    Outcome::Created
                );
            }
        });
    }
    callers.join_all().await;
}

async fn nothing_is_left_out_after_a_wait(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    // What the record says of the name is what the row held before the wait, and no more.
    let done = while_locked(
        &db,
        "UPDATE taxonomy SET name = 'other', uses = 5",
        "",
        NewTaxonomy {
            uses: 7,
            ..record("r1", "rock")
        },
        None,
    )
    .await
    .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["name", "uses"]
        }
    );
    assert_eq!((&*done.row.name, done.row.uses), ("rock", 7));
}

async fn renamed_while_waiting(db: Db) {
    with_rows(&db, [record(None, "rock")]).await;
    let done = while_locked(
        &db,
        "UPDATE taxonomy SET slug = 'jazz'",
        "",
        record(None, "rock").named("Rock"),
        None,
    )
    .await;
    assert_eq!(done.expect("an upsert").outcome, Outcome::Created);
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy ORDER BY id").await,
        ["jazz", "rock"]
    );
}

async fn renamed_and_replaced_while_waiting(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let replace = "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r2', 'rock', 'new', 0, 'x')";
    let changes = TaxonomyChanges::new().uses(9);
    let done = while_locked(
        &db,
        "UPDATE taxonomy SET slug = 'jazz'",
        replace,
        record(None, "rock"),
        Some(changes),
    )
    .await;
    assert_eq!(
        done.expect("an upsert").outcome,
        Outcome::Updated {
            matched_by: "slug",
            changed: vec!["uses"]
        }
    );
    assert_eq!(
        db.texts("SELECT remote_id FROM taxonomy WHERE uses = 9")
            .await,
        ["r2"]
    );
}

async fn deleted_and_inserted_again_while_waiting(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let again = "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r1', 'rock', 'new', 0, 'x')";
    let done = while_locked(
        &db,
        "DELETE FROM taxonomy",
        again,
        record("r1", "rock").named("Rock"),
        None,
    )
    .await
    .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["name"]
        }
    );
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 1);
}

async fn the_first_key_appears_while_waiting_for_the_second(db: Db) {
    with_rows(&db, [record(None, "rock")]).await;
    let appears = "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r1', 'jazz', 'new', 0, 'x')";
    let changes = TaxonomyChanges::new().uses(9);
    let done = while_locked(
        &db,
        "UPDATE taxonomy SET uses = 1",
        appears,
        record("r1", "rock"),
        Some(changes),
    )
    .await;
    assert_eq!(
        done.expect("an upsert").outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["uses"]
        }
    );
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy WHERE uses = 9").await,
        ["jazz"]
    );
}

async fn the_first_key_moves_while_waiting(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let changes = TaxonomyChanges::new().uses(9);
    let done = while_locked(
        &db,
        "UPDATE taxonomy SET remote_id = NULL WHERE slug = 'rock'",
        "UPDATE taxonomy SET remote_id = 'r1' WHERE slug = 'jazz'",
        record("r1", "rock"),
        Some(changes),
    )
    .await;
    assert_eq!(
        done.expect("an upsert").outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["uses"]
        }
    );
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy WHERE uses = 9").await,
        ["jazz"]
    );
}

async fn the_first_key_is_created_during_the_update(db: Db) {
    // The fallback's row is locked, and the first key is found nowhere; another caller creates it before our UPDATE, which
    // wants it for the fallback's row. In the order «they, then we» the record is theirs: no conflict but one to look again.
    with_rows(&db, [record(None, "rock")]).await;
    let creates = "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r1', 'jazz', 'new', 0, 'x')";
    let changes = TaxonomyChanges::new().remote_id(Some("r1".into())).uses(9);
    let mut holder = db.pool.begin().await.expect("a transaction");
    // An uncommitted key is seen by no look-up, and makes the UPDATE wait.
    sqlx::raw_sql(creates)
        .execute(&mut *holder)
        .await
        .expect("a row");
    let waiter = spawned(&db, record("r1", "rock"), Some(changes));
    until_one_waits(&db).await;
    holder.commit().await.expect("a commit");
    let done = waiter.await.expect("no panic").expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["uses"]
        }
    );
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy WHERE uses = 9").await,
        ["jazz"]
    );
}

async fn a_row_that_comes_and_goes(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut callers = JoinSet::new();
    for caller in 0..4 {
        let pool = db.pool.clone();
        callers.spawn(async move {
            for n in 0..40 {
                let new = record("r1", "rock").named(&format!("{caller} {n}"));
                let retry = Retry::attempts(1_000);
                Taxonomy::upsert(new)
                    .retry(retry)
                    .run(&pool)
                    .await
                    .unwrap_or_else(|error| panic!("{error}"));
            }
        });
    }
    let pool = db.pool.clone();
    callers.spawn(async move {
        for _ in 0..40 {
            let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
            let deleted = sqlx::raw_sql("DELETE FROM taxonomy").execute(&mut *tx).await;
            let again = "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r1', 'rock', 'churn', 0, 'x')";
            // It may be the victim of a deadlock.
            if deleted.is_ok() && sqlx::raw_sql(again).execute(&mut *tx).await.is_ok() {
                tx.commit().await.expect("a commit");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    callers.join_all().await;
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 1);
}

/// A transaction of the caller's that reads from a snapshot: MySQL's default, PostgreSQL's REPEATABLE READ, SQLite's deferred.
async fn a_snapshot_of_the_callers(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = in_snapshots_that_go_stale(&db).await;
    let mut tx = pool.begin().await.expect("a transaction");
    if Sqlx::TARGET == "postgres" {
        sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(&mut *tx)
            .await
            .expect("a level");
    }
    sqlx::raw_sql("SELECT * FROM taxonomy")
        .fetch_all(&mut *tx)
        .await
        .expect("a snapshot");
    upsert(&db, record("r2", "jazz")).await;
    let result = Taxonomy::upsert(record("r2", "jazz").named("Jazz"))
        .run_in(&mut tx)
        .await;
    if Sqlx::TARGET == "mysql" {
        let done = result.expect("a locking read sees what is committed");
        assert_eq!(
            done.outcome,
            Outcome::Updated {
                matched_by: "remote_id",
                changed: vec!["name"]
            }
        );
    } else {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Serialization { .. }), "{error}");
        assert!(error.is_retryable());
    }
    // The transaction itself has lost nothing.
    sqlx::raw_sql("SELECT * FROM taxonomy")
        .fetch_all(&mut *tx)
        .await
        .expect("rows");
    tx.rollback().await.expect("a rollback");
    pool.close().await;
    // A deferred transaction that has read nothing becomes a writer before it looks.
    let mut connection = db.pool.acquire().await.expect("a connection");
    let mut tx = connection.begin().await.expect("a transaction");
    Taxonomy::upsert(record("r2", "jazz").named("jazz?"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    let waiter = spawned(&db, record("r1", "rock").named("Rock"), None);
    if Sqlx::TARGET == "sqlite" {
        until_one_waits(&db).await;
        assert!(!waiter.is_finished(), "the write lock is held");
    }
    tx.commit().await.expect("a commit");
    waiter.await.expect("no panic").expect("an upsert");
}

/// Connections on which a locking read sees what was committed since the transaction's snapshot: on MariaDB what the default was up
/// to 11.6.
pub(super) async fn in_snapshots_that_go_stale(db: &Db) -> sqlx::Pool<Sqlx> {
    with_snapshot_isolation(db, false).await
}

async fn with_snapshot_isolation(db: &Db, is_on: bool) -> sqlx::Pool<Sqlx> {
    let pool = db.pool_of(1).await;
    if Sqlx::TARGET == "mysql" {
        let set = format!("SET innodb_snapshot_isolation = {}", u8::from(is_on));
        Sqlx::run_text(&pool, set).await;
    }
    pool
}

/// MariaDB's default since 11.6: a locking read of a row that was written since the snapshot ends the transaction.
async fn a_snapshot_that_is_kept(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = with_snapshot_isolation(&db, true).await;
    for turn in 0..4 {
        let begun = async || {
            let mut tx = pool.begin().await.expect("a transaction");
            sqlx::raw_sql("SELECT * FROM taxonomy")
                .fetch_all(&mut *tx)
                .await
                .expect("a snapshot");
            tx
        };
        let mut tx = begun().await;
        upsert(&db, record("r1", "rock").named(&format!("turn {turn}"))).await;
        let renamed = || record("r1", "rock").named("renamed");
        let error = match turn {
            0 => Taxonomy::upsert(renamed()).run_in(&mut tx).await.err(),
            1 => Taxonomy::lock().by_remote_id(&mut tx, "r1").await.err(),
            2 => Taxonomy::lock()
                .many_by_remote_id(&mut tx, ["r1"])
                .await
                .err(),
            _ => match Taxonomy::import([renamed()]).run_in(&mut tx).await {
                Err(Error::Stopped { source, .. }) => Some(*source),
                other => panic!("{other:?}"),
            },
        };
        let error = error.expect("an error");
        assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
        assert!(error.is_retryable());
        let text = error.to_string();
        let step = ["look-up by `remote_id`", "locking rows"][usize::from(turn == 3)];
        assert!(text.starts_with(&format!("`Taxonomy`: {step}: ")), "{text}");
        tx.rollback().await.expect("a rollback");
        // A new transaction can do it.
        let mut tx = begun().await;
        let done = Taxonomy::upsert(renamed()).run_in(&mut tx).await;
        let done = done.expect("an upsert");
        assert!(matches!(done.outcome, Outcome::Updated { .. }));
        tx.commit().await.expect("a commit");
    }
    pool.close().await;
}

async fn a_first_key_that_a_snapshot_hides(db: Db) {
    with_rows(&db, [record(None, "rock")]).await;
    let mut tx = db.pool.begin().await.expect("a transaction");
    let level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    sqlx::raw_sql(level)
        .execute(&mut *tx)
        .await
        .expect("a level");
    sqlx::raw_sql("SELECT 1")
        .execute(&mut *tx)
        .await
        .expect("a snapshot");
    upsert(&db, record("r1", "jazz")).await;
    // The fallback's row is wanted for a key that another row has got since: a new transaction sees it.
    let error = Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Serialization { .. }), "{error}");
}

/// Makes the next `times` updates of the table fail as the victims of a deadlock.
async fn fail_updates(db: &Db, times: u32) {
    if Sqlx::TARGET == "postgres" {
        // A sequence counts what a rollback does not undo.
        db.run(&format!(
            "CREATE SEQUENCE IF NOT EXISTS failures; SELECT setval('failures', 1000); \
             CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('failures') <= {} THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; RETURN new; END $$; \
             CREATE OR REPLACE TRIGGER fail BEFORE UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION fail()",
            1000 + times
        ))
        .await;
    } else {
        db.run(&format!(
            "CREATE OR REPLACE TABLE failures (n int) ENGINE = MyISAM; INSERT INTO failures VALUES ({times}); \
             CREATE OR REPLACE TRIGGER fail BEFORE UPDATE ON taxonomy FOR EACH ROW BEGIN \
             UPDATE failures SET n = n - 1; \
             IF (SELECT n FROM failures) >= 0 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF; END"
        ))
        .await;
    }
}

async fn a_deadlock_is_tried_again(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    fail_updates(&db, 3).await;
    let done = upsert(&db, record("r1", "rock").named("Rock")).await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["name"]
        }
    );
    // In the caller's transaction it is the caller's to do.
    fail_updates(&db, 1).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let error = Taxonomy::upsert(record("r1", "rock").named("Roll"))
        .run_in(&mut tx)
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    tx.rollback().await.expect("a rollback");
}

async fn bounds_of_the_retry(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut holder = None;
    if Sqlx::TARGET == "sqlite" {
        holder = Some(
            upsert_runtime::begin(&db.pool)
                .await
                .expect("the write lock"),
        );
    } else {
        fail_updates(&db, 1_000).await;
    }
    let pool = impatient(&db).await;
    let failing = |retry| {
        Taxonomy::upsert(record("r1", "rock").named("Rock"))
            .retry(retry)
            .run(&pool)
    };
    let error = failing(Retry::attempts(3)).await.unwrap_err();
    let Error::Exhausted { attempts, source } = &error else {
        panic!("{error}")
    };
    assert_eq!(*attempts, 3);
    assert!(
        matches!(**source, Error::Deadlock { .. } | Error::LockTimeout { .. }),
        "{source}"
    );
    assert!(error.is_retryable());
    let error = failing(Retry::never()).await.unwrap_err();
    assert!(
        matches!(error, Error::Deadlock { .. } | Error::LockTimeout { .. }),
        "{error}"
    );
    let started = std::time::Instant::now();
    let error = failing(Retry::attempts(1_000_000).within(Duration::from_millis(500)))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Exhausted { .. }), "{error}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    pool.close().await;
    drop(holder);
}

/// On SQLite, connections that wait 50 ms for the write lock.
async fn impatient(db: &Db) -> sqlx::Pool<Sqlx> {
    let pool = db.pool_of(1).await;
    if Sqlx::TARGET == "sqlite" {
        sqlx::raw_sql("PRAGMA busy_timeout = 50")
            .execute(&pool)
            .await
            .expect("a setting");
    }
    pool
}
