//! Several records in one transaction, from callers that have them in different orders.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use upsert_runtime::{Error, LockedUpsert, Wait};
use upsert_tests::Target;

use super::models::{Taxonomy, numbered, with_rows};
use crate::{Db, Sqlx};

tests![
    one_by_one_in_opposite_orders on ["postgres", "mysql"],
    one_by_one_on_one_write_lock on ["sqlite"],
    an_import_of_rows_that_are_there,
    an_import_of_new_rows,
];

/// Upserts both records in one transaction. `is_held` is waited for once the first one is locked.
async fn one_by_one(
    pool: &sqlx::Pool<Sqlx>,
    order: [usize; 2],
    is_held: Option<Arc<Barrier>>,
) -> Result<(), Error> {
    let mut tx = upsert_runtime::begin(pool).await?;
    for (place, n) in order.into_iter().enumerate() {
        let record = numbered(n).named(&format!("{order:?}"));
        Taxonomy::upsert(record).run_in(&mut tx).await?;
        if let (0, Some(is_held)) = (place, &is_held) {
            is_held.wait().await;
        }
    }
    tx.commit().await
}

/// Each has what the other one wants next. One gets through, and the other one is told so and can begin anew.
async fn one_by_one_in_opposite_orders(db: Db) {
    with_rows(&db, (0..2).map(numbered)).await;
    let barrier = Arc::new(Barrier::new(2));
    let mut callers = JoinSet::new();
    for order in [[0, 1], [1, 0]] {
        let (pool, barrier) = (db.pool.clone(), Arc::clone(&barrier));
        callers.spawn(async move { (order, one_by_one(&pool, order, Some(barrier)).await) });
    }
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for (order, result) in callers.join_all().await {
        match result {
            Ok(()) => done.push(order),
            Err(error) => refused.push((order, error)),
        }
    }
    let ([winner], [(loser, error)]) = (&done[..], &refused[..]) else {
        panic!("{done:?} {refused:?}");
    };
    let names = "SELECT DISTINCT name FROM taxonomy";
    assert_eq!(db.texts(names).await, [format!("{winner:?}")]);
    // MySQL has rolled back the whole transaction, PostgreSQL the call.
    let is_told = match error {
        Error::Deadlock { .. } => Sqlx::TARGET == "postgres",
        Error::TransactionLost { .. } => Sqlx::TARGET == "mysql",
        _ => false,
    };
    assert!(is_told, "{error}");
    assert!(error.is_retryable());
    let again = one_by_one(&db.pool, *loser, None).await;
    again.expect("nobody else is there");
    assert_eq!(db.texts(names).await, [format!("{loser:?}")]);
}

async fn one_by_one_on_one_write_lock(db: Db) {
    with_rows(&db, (0..2).map(numbered)).await;
    let mut callers = JoinSet::new();
    for order in [[0, 1], [1, 0]] {
        let pool = db.pool.clone();
        callers.spawn(async move { one_by_one(&pool, order, None).await });
    }
    for result in callers.join_all().await {
        result.expect("the second one has waited");
    }
}

async fn an_import_of_rows_that_are_there(db: Db) {
    with_rows(&db, (0..20).map(numbered)).await;
    two_hundred_imports(db).await;
}

async fn an_import_of_new_rows(db: Db) {
    with_rows(&db, []).await;
    two_hundred_imports(db).await;
}

/// 200 transactions of 20 records each, in both orders, from eight callers; nobody begins anew.
async fn two_hundred_imports(db: Db) {
    let db = db.locally().await;
    let mut callers = JoinSet::new();
    for caller in 0..8 {
        let pool = db.pool.clone();
        callers.spawn(async move {
            for round in 0..25 {
                let name = format!("{caller} {round}");
                let mut records: Vec<_> = (0..20).map(|n| numbered(n).named(&name)).collect();
                if (caller + round) % 2 == 0 {
                    records.reverse();
                }
                let wait = Wait::AtMost(Duration::from_mins(1));
                let mut tx = upsert_runtime::begin(&pool).wait(wait).await?;
                let report = Taxonomy::import(records).run_in(&mut tx).await?;
                assert_eq!(report.created + report.updated, 20, "{report}");
                tx.commit().await?;
            }
            Ok::<_, Error>(())
        });
    }
    for result in callers.join_all().await {
        result.unwrap_or_else(|error| panic!("{error}"));
    }
    // The last one wrote them all.
    let names = db.texts("SELECT DISTINCT name FROM taxonomy").await;
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 20);
}
