//! Connections that are lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use upsert_runtime::{Error, LockedUpsert, Report, Retry};

use super::super::models::{Taxonomy, numbered, with_rows};
use super::super::races::until_one_waits;
use super::super::transactions::{kill, session};
use crate::Db;

tests![
    a_server_that_is_gone on ["postgres", "mysql"],
    a_session_that_is_killed on ["postgres", "mysql"],
    a_session_that_is_killed_and_no_retry on ["postgres", "mysql"],
];

async fn a_server_that_is_gone(db: Db) {
    with_rows(&db, (0..30).map(numbered)).await;
    let pool = db.pool_of(2).await;
    let closing = pool.clone();
    let records = (0..30).map(|n| numbered(n).named("changed"));
    // Nobody can be reached any more after the first chunk.
    let import = Taxonomy::import(records)
        .chunk_size(10)
        .progress(move |so_far| {
            if so_far.records == 10 {
                drop(closing.close());
            }
        });
    let error = import.run(&pool).await.unwrap_err();
    let Error::Stopped { report, source } = &error else {
        panic!("{error}");
    };
    assert!(!source.is_about_record(), "{source}");
    assert_eq!(report.updated, 10, "{report}");
}

/// An import of thirty changed rows in chunks of ten, whose only connection is killed while it waits for the sixteenth; and how
/// often its source was opened.
async fn killed(db: &Db, atomic: bool, retry: Retry) -> (Result<Report<Taxonomy>, Error>, u32) {
    let pool = db.pool_of(1).await;
    let killed = session(&pool).await;
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(numbered(15))
        .run_in(&mut holder)
        .await
        .expect("an upsert");
    let opened = Arc::new(AtomicU32::new(0));
    let open = {
        let opened = Arc::clone(&opened);
        move || {
            opened.fetch_add(1, Ordering::Relaxed);
            let records = (0..30).map(|n| Ok::<_, std::io::Error>(numbered(n).named("changed")));
            tokio_stream::iter(records)
        }
    };
    let of_waiter = pool.clone();
    let waiter = tokio::spawn(async move {
        let import = Taxonomy::import_from(open).chunk_size(10).atomic(atomic);
        import.retry(retry).run(&of_waiter).await
    });
    until_one_waits(db).await;
    kill(&db.pool, &killed).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    holder.commit().await.expect("a commit");
    let done = waiter.await.expect("no panic");
    pool.close().await;
    (done, opened.load(Ordering::Relaxed))
}

const CHANGED: &str = "SELECT count(*) FROM taxonomy WHERE name = 'changed'";

async fn a_session_that_is_killed(db: Db) {
    with_rows(&db, (0..30).map(numbered)).await;
    // The chunk is done again, or the whole: twice opened, and twice again.
    for (atomic, opened) in [(false, 2), (true, 4)] {
        db.run("UPDATE taxonomy SET name = 'before'").await;
        let (done, was_opened) = killed(&db, atomic, Retry::default()).await;
        let report = done.expect("an import");
        assert_eq!((report.updated, report.records), (30, 30), "{report}");
        assert_eq!((db.number(CHANGED).await, was_opened), (30, opened));
    }
}

async fn a_session_that_is_killed_and_no_retry(db: Db) {
    with_rows(&db, (0..30).map(numbered)).await;
    for (atomic, committed) in [(false, 10), (true, 0)] {
        db.run("UPDATE taxonomy SET name = 'before'").await;
        let (done, _) = killed(&db, atomic, Retry::never()).await;
        let error = done.unwrap_err();
        let Error::Stopped { report, source } = &error else {
            panic!("{error}");
        };
        assert!(
            matches!(**source, Error::TransactionLost { .. }),
            "{source}"
        );
        assert!(error.is_retryable());
        assert_eq!((report.updated, report.records), (committed, committed));
        assert_eq!(db.number(CHANGED).await.cast_unsigned(), committed);
    }
}
