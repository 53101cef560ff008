//! An import that is told to stop.

use std::future;

use tokio::sync::oneshot;
use upsert_runtime::Missing;

use super::super::oracle::{Record, Row};
use super::super::ruled::Indexes;
use super::{import, rows, stored, with_rows};
use crate::Db;

tests![
    at_once,
    between_two_chunks,
    all_in_one_transaction,
    never,
    what_is_missing_stays,
];

fn thirty() -> impl Iterator<Item = Record> + Clone {
    (1..=30).map(|n| Record::of(&format!("r{n} s{n}")))
}

/// One end stops an import once it has created something, the other one is what it stops on.
fn once_something_is_created() -> (impl FnMut(u64) + Send, oneshot::Receiver<()>) {
    let (stop, stopped) = oneshot::channel();
    let mut stop = Some(stop);
    let created = move |created: u64| {
        if let Some(stop) = stop.take_if(|_| created > 0) {
            let _ = stop.send(());
        }
    };
    (created, stopped)
}

async fn at_once(db: Db) {
    for atomic in [false, true] {
        with_rows(&db, Indexes::Full, &[]).await;
        let import = import(thirty())
            .chunk_size(5)
            .atomic(atomic)
            .stop_on(future::ready("whatever"));
        let report = import.run(&db.pool).await.expect("a report");
        assert!(!report.complete);
        // It is looked at while the source is read for the first time.
        assert_eq!((report.created, report.failed.len()), (0, 0), "{report}");
        assert!(stored(&db).await.is_empty());
    }
}

async fn between_two_chunks(db: Db) {
    with_rows(&db, Indexes::Full, &[]).await;
    let (mut created, stopped) = once_something_is_created();
    let first = import(thirty())
        .chunk_size(5)
        .progress(move |so_far| created(so_far.created))
        .stop_on(stopped);
    let report = first.run(&db.pool).await.expect("a report");
    assert!(!report.complete);
    // The chunk under way is finished, and the next one not begun.
    assert_eq!((report.created, report.records), (5, 5), "{report}");
    assert_eq!(stored(&db).await.len(), 5);
    // A second run goes on from there.
    let report = import(thirty()).chunk_size(5).run(&db.pool).await;
    let report = report.expect("an import");
    let counts = (report.created, report.unchanged, report.complete);
    assert_eq!(counts, (25, 5, true), "{report}");
}

async fn all_in_one_transaction(db: Db) {
    with_rows(&db, Indexes::Full, &rows(["r99 s99"])).await;
    let (mut created, stopped) = once_something_is_created();
    let atomic = import(thirty())
        .chunk_size(5)
        .atomic(true)
        .progress(move |so_far| created(so_far.created))
        .stop_on(stopped);
    let report = atomic.run(&db.pool).await.expect("a report");
    assert!(!report.complete);
    let counts = (report.created, report.records, report.failed.len());
    assert_eq!(counts, (0, 0, 0), "{report}");
    assert_eq!(stored(&db).await.len(), 1);
    // In one of the caller's what came before the call stays.
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let before = import([Record::of("r50 s50")]).run_in(&mut tx).await;
    before.expect("an import");
    let (mut created, stopped) = once_something_is_created();
    let within = import(thirty())
        .chunk_size(5)
        .progress(move |so_far| created(so_far.created))
        .stop_on(stopped);
    let report = within.run_in(&mut tx).await.expect("a report");
    assert_eq!((report.created, report.complete), (0, false), "{report}");
    tx.commit().await.expect("a commit");
    assert_eq!(stored(&db).await, ["r99 s99 - - old", "r50 s50 - - new"]);
}

async fn never(db: Db) {
    with_rows(&db, Indexes::Full, &[]).await;
    let import = import(thirty()).stop_on(future::pending::<()>());
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!((report.created, report.complete), (30, true), "{report}");
}

async fn what_is_missing_stays(db: Db) {
    for missing in [Missing::Delete, Missing::Mark] {
        let gone = [Row::of(1, "r91 s91"), Row::of(2, "r92 s92")];
        with_rows(&db, Indexes::Full, &gone).await;
        let (mut created, stopped) = once_something_is_created();
        let import = import(thirty())
            .chunk_size(5)
            .missing(missing)
            .max_share(1.0)
            .progress(move |so_far| created(so_far.created))
            .stop_on(stopped);
        let report = import.run(&db.pool).await.expect("a report");
        assert_eq!((report.created, report.deleted), (5, 0), "{report}");
        assert!(!report.complete);
        assert_eq!(
            stored(&db).await[..2],
            ["r91 s91 - - old", "r92 s92 - - old"]
        );
    }
}
