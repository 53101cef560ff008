//! Transactions, ours and the caller's, and how they end.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{Connection, Pool, Sqlite, SqlitePool};
use upsert_runtime::{Error, LockedUpsert, Outcome, Retry};
use upsert_tests::Target;

use super::models::{NewTaxonomy, TAXONOMY, Taxonomy, record, upsert, with_rows};
use super::races::until_one_waits;
use crate::{Db, Sqlx};

tests![
    committed_rolled_back_dropped,
    the_row_stays_locked_to_the_end,
    a_failed_statement_whose_error_nobody_looked_at,
    a_transaction_that_was_ended_by_a_text,
    a_nested_transaction_left_open,
    a_deadlock_between_two_transactions on ["postgres", "mysql"],
    an_error_costs_no_connection on ["postgres", "mysql"],
    a_connection_killed_while_waiting on ["postgres", "mysql"],
    a_connection_killed_in_the_callers_transaction on ["postgres", "mysql"],
    a_connection_lost_during_commit on ["postgres", "mysql"],
    a_commit_that_a_reader_holds_up on ["sqlite"],
];

async fn committed_rolled_back_dropped(db: Db) {
    with_rows(&db, []).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let done = Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    assert_eq!(done.outcome, Outcome::Created);
    let done = Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Unchanged {
            matched_by: "remote_id"
        }
    );
    tx.commit().await.expect("a commit");
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r2", "jazz"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    tx.rollback().await.expect("a rollback");
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r3", "folk"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    drop(tx);
    let mut tx = db.pool.begin().await.expect("a transaction");
    Taxonomy::upsert(record("r4", "soul"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    tx.commit().await.expect("a commit");
    let mut tx = db.pool.begin().await.expect("a transaction");
    Taxonomy::upsert(record("r5", "funk"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    drop(tx);
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy ORDER BY slug").await,
        ["rock", "soul"]
    );
}

async fn the_row_stays_locked_to_the_end(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    // Also a row that needs no change.
    let done = Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Unchanged {
            matched_by: "remote_id"
        }
    );
    let pool = db.pool.clone();
    let waiter = tokio::spawn(async move {
        Taxonomy::upsert(record("r1", "rock").named("Rock"))
            .run(&pool)
            .await
    });
    until_one_waits(&db).await;
    assert!(!waiter.is_finished());
    // A plain read does not wait.
    assert_eq!(db.texts("SELECT name FROM taxonomy").await, ["rock"]);
    tx.commit().await.expect("a commit");
    waiter.await.expect("no panic").expect("an upsert");
}

async fn a_failed_statement_whose_error_nobody_looked_at(db: Db) {
    with_rows(&db, []).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    let _ = sqlx::raw_sql("INSERT INTO nowhere VALUES (1)")
        .execute(&mut *tx)
        .await;
    let committed = tx.commit().await;
    let stored = db.number("SELECT count(*) FROM taxonomy").await;
    if Sqlx::TARGET == "postgres" {
        assert!(matches!(committed, Err(Error::TransactionLost { .. })));
        assert_eq!(stored, 0);
        // A call of ours says so too.
        let mut tx = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        let _ = sqlx::raw_sql("INSERT INTO nowhere VALUES (1)")
            .execute(&mut *tx)
            .await;
        let error = Taxonomy::upsert(record("r1", "rock"))
            .run_in(&mut tx)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
        assert!(tx.commit().await.is_err());
    } else {
        committed.expect("the statement alone was undone");
        assert_eq!(stored, 1);
    }
}

async fn a_transaction_that_was_ended_by_a_text(db: Db) {
    with_rows(&db, []).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut *tx)
        .await
        .expect("a rollback");
    let error = Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
    assert!(matches!(
        tx.commit().await,
        Err(Error::TransactionLost { .. })
    ));

    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut *tx)
        .await
        .expect("a rollback");
    assert!(matches!(
        tx.commit().await,
        Err(Error::TransactionLost { .. })
    ));

    let mut tx = db.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut *tx)
        .await
        .expect("a rollback");
    let error = Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
    drop(tx);
    assert_eq!(
        db.number("SELECT count(*) FROM taxonomy").await,
        0,
        "nothing was written outside a transaction"
    );
    upsert(&db, record("r1", "rock")).await;
}

async fn a_nested_transaction_left_open(db: Db) {
    with_rows(&db, []).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let mut nested = tx.begin().await.expect("a savepoint");
    Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut nested)
        .await
        .expect("an upsert");
    nested.commit().await.expect("a release");
    let mut nested = tx.begin().await.expect("a savepoint");
    Taxonomy::upsert(record("r2", "jazz"))
        .run_in(&mut nested)
        .await
        .expect("an upsert");
    nested.rollback().await.expect("a rollback");
    tx.commit().await.expect("a commit");
    assert_eq!(db.texts("SELECT slug FROM taxonomy").await, ["rock"]);
    // Forgotten, it stays open: COMMIT would end it and nothing else.
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    std::mem::forget(tx.begin().await.expect("a savepoint"));
    assert!(matches!(
        tx.commit().await,
        Err(Error::TransactionLost { .. })
    ));
    upsert(&db, record("r3", "folk")).await;
}

async fn a_deadlock_between_two_transactions(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let mut a = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let mut b = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r1", "rock").named("a1"))
        .run_in(&mut a)
        .await
        .expect("an upsert");
    Taxonomy::upsert(record("r2", "jazz").named("b1"))
        .run_in(&mut b)
        .await
        .expect("an upsert");
    let (a, b) = tokio::join!(
        finish(a, record("r2", "jazz").named("a2")),
        finish(b, record("r1", "rock").named("b2"))
    );
    assert!(
        a.is_ok() != b.is_ok(),
        "one is the victim: {} {}",
        a.is_ok(),
        b.is_ok()
    );
    let written = if a.is_ok() {
        ["a2", "a1"]
    } else {
        ["b1", "b2"]
    };
    assert_eq!(
        db.texts("SELECT name FROM taxonomy ORDER BY slug").await,
        written
    );
}

/// One more record, then the end. After a deadlock the transaction is as it was before the call (PostgreSQL), or lost (MySQL).
async fn finish(mut tx: upsert_runtime::Transaction<Sqlx>, new: NewTaxonomy) -> Result<(), Error> {
    let Err(error) = Taxonomy::upsert(new).run_in(&mut tx).await else {
        return tx.commit().await;
    };
    assert!(error.is_retryable(), "{error}");
    if Sqlx::TARGET == "mysql" {
        assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
        assert!(matches!(
            tx.commit().await,
            Err(Error::TransactionLost { .. })
        ));
    } else {
        assert!(matches!(error, Error::Deadlock { .. }), "{error}");
        sqlx::raw_sql("SELECT 1")
            .execute(&mut *tx)
            .await
            .expect("the transaction can go on");
        tx.rollback().await.expect("a rollback");
    }
    Err(error)
}

/// The server's number for the pool's only connection.
pub(super) async fn session(pool: &Pool<Sqlx>) -> String {
    let sql = match Sqlx::TARGET {
        "postgres" => "SELECT pg_backend_pid()::text",
        _ => "SELECT CAST(CONNECTION_ID() AS CHAR)",
    };
    Sqlx::texts(pool, sql.to_owned()).await.remove(0)
}

async fn an_error_costs_no_connection(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let pool = db.pool_of(1).await;
    let before = session(&pool).await;
    let error = Taxonomy::upsert(record("r2", "rock"))
        .run(&pool)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(session(&pool).await, before);
    pool.close().await;
}

pub(super) async fn kill(pool: &Pool<Sqlx>, session: &str) {
    let sql = match Sqlx::TARGET {
        "postgres" => format!("SELECT pg_terminate_backend({session})"),
        _ => format!("KILL {session}"),
    };
    Sqlx::run_text(pool, sql).await;
}

async fn a_connection_killed_while_waiting(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    let session = session(&pool).await;
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut holder)
        .await
        .expect("an upsert");
    let of_waiter = pool.clone();
    let waiter = tokio::spawn(async move {
        Taxonomy::upsert(record("r1", "rock").named("Rock"))
            .run(&of_waiter)
            .await
    });
    until_one_waits(&db).await;
    kill(&db.pool, &session).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    holder.commit().await.expect("a commit");
    // Nothing was committed on the lost connection, so the whole is done again.
    let done = waiter.await.expect("no panic").expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["name"]
        }
    );
    pool.close().await;
}

async fn a_connection_killed_in_the_callers_transaction(db: Db) {
    with_rows(&db, []).await;
    let pool = db.pool_of(1).await;
    let session = session(&pool).await;
    let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    Taxonomy::upsert(record("r1", "rock"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    kill(&db.pool, &session).await;
    let error = Taxonomy::upsert(record("r2", "jazz"))
        .run_in(&mut tx)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
    assert!(error.is_retryable());
    assert!(matches!(
        tx.commit().await,
        Err(Error::TransactionLost { .. })
    ));
    let done = Taxonomy::upsert(record("r2", "jazz"))
        .run(&pool)
        .await
        .expect("a new connection");
    assert_eq!(done.outcome, Outcome::Created);
    pool.close().await;
}

async fn a_connection_lost_during_commit(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let renamed = || Taxonomy::upsert(record("r1", "rock").named("Rock"));
    let error = if Sqlx::TARGET == "postgres" {
        // The server ends the session while it commits.
        db.run(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$; \
             CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON taxonomy DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION die()",
        )
        .await;
        renamed().run(&db.pool).await.unwrap_err()
    } else {
        // A backup holds the COMMIT up; the session is killed while it waits.
        let pool = db.pool_of(1).await;
        let session = session(&pool).await;
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        renamed().run_in(&mut tx).await.expect("an upsert");
        let mut backup = db.pool.acquire().await.expect("a connection");
        sqlx::raw_sql("BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT")
            .execute(&mut *backup)
            .await
            .expect("a backup");
        let commit = tokio::spawn(tx.commit());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!commit.is_finished());
        kill(&db.pool, &session).await;
        let result = commit.await.expect("no panic");
        sqlx::raw_sql("BACKUP STAGE END")
            .execute(&mut *backup)
            .await
            .expect("an end");
        result.unwrap_err()
    };
    assert!(matches!(error, Error::CommitUnknown { .. }), "{error}");
    assert!(!error.is_retryable());
}

async fn a_commit_that_a_reader_holds_up(db: Db) {
    // The rollback journal, SQLite's default: a COMMIT waits for readers.
    let options = SqliteConnectOptions::new()
        .filename(db.folder().join("journal.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Delete)
        .busy_timeout(Duration::from_millis(50));
    let pool = SqlitePool::connect_with(options)
        .await
        .expect("a connection");
    Sqlite::run_text(&pool, Sqlite::spell(TAXONOMY)).await;
    let mut reader = pool.acquire().await.expect("a connection");
    let read = sqlx::raw_sql("BEGIN; SELECT count(*) FROM taxonomy");
    read.execute(&mut *reader).await.expect("a read lock");
    let soon = Retry::attempts(100).within(Duration::from_millis(300));
    let started = std::time::Instant::now();
    let error = Taxonomy::upsert(record("r1", "rock"))
        .retry(soon)
        .run(&pool)
        .await
        .unwrap_err();
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    // A reader that ends in time: the same COMMIT is sent again, and nothing is done twice.
    let of_writer = pool.clone();
    let writer =
        tokio::spawn(async move { Taxonomy::upsert(record("r1", "rock")).run(&of_writer).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!writer.is_finished());
    sqlx::raw_sql("COMMIT")
        .execute(&mut *reader)
        .await
        .expect("an end");
    let done = writer.await.expect("no panic").expect("an upsert");
    assert_eq!((done.outcome, done.row.id), (Outcome::Created, 1));
    drop(reader);
    pool.close().await;
}
