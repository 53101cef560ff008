//! Rows that others create and delete between our look and our insert: what refuses a record then is no conflict.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use upsert_runtime::{Error, LockedUpsert, Outcome, Retry, Upsert, Wait};
use upsert_tests::Proxy;

use super::models::{Taxonomy, record, with_rows};
use crate::Db;

tests![
    a_row_that_is_gone_whenever_it_is_to_be_locked on ["postgres"],
    a_row_that_never_stays on ["postgres"],
];

/// Others have the row deleted before each statement that would lock it, and created before each other one, until so many rows
/// were to be created by us. Gives the way on which they do so, and the number of such statements.
async fn with_others(db: &Db, inserts: u32) -> (Proxy, Arc<AtomicU32>) {
    with_rows(db, []).await;
    let sent = Arc::new(AtomicU32::new(0));
    let (of_others, number) = (db.pool.clone(), Arc::clone(&sent));
    let meanwhile = move |text: String| {
        let (pool, number) = (of_others.clone(), Arc::clone(&number));
        async move {
            let is_over = number.load(Ordering::Relaxed) >= inserts;
            if text.starts_with("INSERT") {
                number.fetch_add(1, Ordering::Relaxed);
            }
            let sql = if text.contains(" FOR ") && !is_over {
                "DELETE FROM taxonomy"
            } else {
                "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('rock', 'theirs', 0, 'x') ON CONFLICT DO NOTHING"
            };
            sqlx::raw_sql(sql).execute(&pool).await.expect("the others");
        }
    };
    (Proxy::doing_before_each(db, meanwhile).await, sent)
}

/// A limit of waiting is said in a transaction; without one a single statement writes the row, whether it comes and goes or not.
fn in_a_transaction() -> Upsert<'static, Taxonomy> {
    Taxonomy::upsert(record(None, "rock")).wait(Wait::Forever)
}

async fn a_row_that_is_gone_whenever_it_is_to_be_locked(db: Db) {
    let (proxy, inserts) = with_others(&db, 7).await;
    let upsert = in_a_transaction().retry(Retry::never());
    let done = upsert.run(&proxy.pool(&db, 1)).await;
    let updated = Outcome::Updated {
        matched_by: "slug",
        changed: vec!["name"],
    };
    assert_eq!(done.expect("no conflict").outcome, updated);
    assert_eq!(inserts.load(Ordering::Relaxed), 7);
}

async fn a_row_that_never_stays(db: Db) {
    let (proxy, _) = with_others(&db, u32::MAX).await;
    let pool = proxy.pool(&db, 1);
    let upsert = || in_a_transaction().retry(Retry::attempts(2));
    let error = upsert().run(&pool).await.unwrap_err();
    let Error::Exhausted { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Serialization { .. }), "{source}");
    // The caller's transaction goes on.
    let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    let error = upsert().run_in(&mut tx).await.unwrap_err();
    assert!(matches!(error, Error::Serialization { .. }), "{error}");
    assert!(error.is_retryable());
    tx.commit().await.expect("a commit");
}
