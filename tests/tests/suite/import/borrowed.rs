//! Imports in a transaction of the caller's.

use upsert_runtime::{Error, LockedUpsert};
use upsert_tests::Target;

use super::super::models::{TAXONOMY, Taxonomy, numbered, upsert, with_rows};
use super::super::races::in_snapshots_that_go_stale;
use crate::{Db, Sqlx};

tests![
    in_a_transaction_of_the_callers,
    an_error_in_a_transaction_of_the_callers,
    a_winner_that_the_transaction_does_not_see on ["postgres", "mysql"],
];

async fn in_a_transaction_of_the_callers(db: Db) {
    with_rows(&db, (0..3).map(numbered)).await;
    let records = || (0..6).map(|n| numbered(n).named("changed"));
    let mut tx = db.pool.begin().await.expect("a transaction");
    let report = Taxonomy::import(records())
        .chunk_size(2)
        .run_in(&mut tx)
        .await;
    let report = report.expect("an import");
    assert_eq!((report.updated, report.created), (3, 3));
    tx.rollback().await.expect("a rollback");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 3);
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(numbered(9))
        .run_in(&mut tx)
        .await
        .expect("a row");
    Taxonomy::import(records())
        .run_in(&mut tx)
        .await
        .expect("an import");
    tx.commit().await.expect("a commit");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 7);
}

async fn an_error_in_a_transaction_of_the_callers(db: Db) {
    db.run(&TAXONOMY.replace(
        "name {text} NOT NULL",
        "name {text} NOT NULL CHECK (name <> 'bad')",
    ))
    .await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(numbered(0))
        .run_in(&mut tx)
        .await
        .expect("a row");
    let records = (1..9).map(|n| numbered(n).named(if n == 5 { "bad" } else { "good" }));
    let import = Taxonomy::import(records.clone())
        .chunk_size(3)
        .on_failure(upsert_runtime::OnFailure::Abort);
    let error = import.run_in(&mut tx).await.unwrap_err();
    assert!(matches!(error, Error::Aborted { .. }), "{error}");
    // The transaction is as before the call. The bad record alone is left out where it may be.
    let report = Taxonomy::import(records)
        .run_in(&mut tx)
        .await
        .expect("an import");
    assert_eq!((report.created, report.failed.len()), (7, 1));
    tx.commit().await.expect("a commit");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 8);
}

/// At REPEATABLE READ a row that was committed since the transaction began is seen by its unique index alone.
async fn a_winner_that_the_transaction_does_not_see(db: Db) {
    with_rows(&db, (0..3).map(numbered)).await;
    let records = || (0..6).map(numbered);
    let pool = in_snapshots_that_go_stale(&db).await;
    let mut tx = pool.begin().await.expect("a transaction");
    if Sqlx::TARGET == "postgres" {
        sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(&mut *tx)
            .await
            .expect("a level");
    }
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM taxonomy")
        .fetch_one(&mut *tx)
        .await
        .expect("a count");
    assert_eq!(seen, 3);
    upsert(&db, numbered(4)).await;
    let import = Taxonomy::import(records()).run_in(&mut tx).await;
    let error = import.unwrap_err();
    let Error::Stopped { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Serialization { .. }), "{source}");
    assert!(error.is_retryable());
    tx.rollback().await.expect("a rollback");
    pool.close().await;
    let mut tx = db.pool.begin().await.expect("a transaction");
    let import = Taxonomy::import(records()).run_in(&mut tx).await;
    let report = import.expect("an import");
    assert_eq!((report.created, report.unchanged), (2, 4), "{report}");
    tx.commit().await.expect("a commit");
}
