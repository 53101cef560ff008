//! How much an import may change, and how many of its records may fail.

use upsert_runtime::{Error, Missing};

use super::super::oracle::{Record, Row};
use super::super::ruled::{self, Indexes};
use super::{import, stored, with_rows};
use crate::Db;

tests![
    too_many_changes_are_refused,
    failures_that_the_plan_knows,
    failures_that_come_while_it_writes,
    as_many_failures_as_may_be,
];

fn numbered(n: i64) -> Record {
    Record::of(&format!("r{n} s{n}"))
}

async fn with_forty(db: &Db) -> Vec<Row> {
    let rows: Vec<Row> = (1..=40)
        .map(|n| Row::of(n, &format!("r{n} s{n}")))
        .collect();
    with_rows(db, Indexes::Full, &rows).await;
    rows
}

async fn too_many_changes_are_refused(db: Db) {
    let rows = with_forty(&db).await;
    // Of forty that are found thirty are to be changed; what is created is none of them.
    let unchanged = |n| numbered(n).named("old");
    let records = || {
        let created = (50..60).map(numbered);
        (1..=30)
            .map(numbered)
            .chain((31..=40).map(unchanged))
            .chain(created)
    };
    for (share, atomic) in [(0.74, false), (0.0, true), (f64::NAN, false)] {
        let refused = import(records())
            .chunk_size(7)
            .atomic(atomic)
            .max_changed_share(share);
        let error = refused.run(&db.pool).await.unwrap_err();
        let text = error.to_string();
        let Error::Refused {
            option, count, of, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((option, count, of), ("max_changed_share", 30, 40));
        let says = "refused to change 30 of 40 rows: that is more than its `max_changed_share`";
        assert!(text.contains(says), "{text}");
        assert_eq!(ruled::stored(&db).await, rows);
    }
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let within = import(records()).max_changed_share(0.5);
    let error = within.run_in(&mut tx).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    tx.commit().await.expect("a commit");
    assert_eq!(ruled::stored(&db).await, rows);
    let allowed = import(records()).max_changed_share(0.75);
    let report = allowed.run(&db.pool).await.expect("an import");
    assert_eq!((report.updated, report.created), (30, 10), "{report}");
    // Twenty are never too many; rows that a rule leaves alone are not changed.
    let few = import((1..=20).map(|n| numbered(n).named("other"))).max_changed_share(0.0);
    assert_eq!(few.run(&db.pool).await.expect("an import").updated, 20);
    let many = import((1..=40).map(|n| numbered(n).named("third"))).max_changed_share(0.5);
    let report = many.protect(|row| row.id > 20).run(&db.pool).await;
    assert_eq!(report.expect("an import").protected, 20);
    // `max_share` names itself too.
    let error = import([numbered(1)]).missing(Missing::Delete);
    let text = error.run(&db.pool).await.unwrap_err().to_string();
    assert!(text.contains("`max_share`"), "{text}");
}

/// What an import was stopped by: how many failed, how many of them the report has, and how many rows were written.
fn stopped(error: Error) -> (u64, usize, u64) {
    let text = error.to_string();
    let Error::Stopped { report, source } = error else {
        panic!("{text}");
    };
    let Error::TooManyFailed { failed, last, .. } = *source else {
        panic!("{text}");
    };
    assert!(text.contains("`max_failed`"), "{text}");
    assert!(!report.complete && last.error.is_about_record(), "{text}");
    (failed, report.failed.len(), report.created + report.updated)
}

async fn failures_that_the_plan_knows(db: Db) {
    let rows = with_forty(&db).await;
    let records = || {
        let nobody = (0..3).map(|_| Record::of("-"));
        // The keys of another record that comes first, by its first key.
        let others = (0..3).map(|n| Record::of(&format!("r{} s1", 90 + n)));
        (1..=40).map(numbered).chain(nobody).chain(others)
    };
    for max_failed in [0, 2, 3, 5] {
        for chunk_size in [1, 10, 1000] {
            let import = import(records())
                .chunk_size(chunk_size)
                .max_failed(max_failed);
            let (failed, told, written) = stopped(import.run(&db.pool).await.unwrap_err());
            assert_eq!((failed, written), (max_failed + 1, 0));
            assert!(told as u64 <= max_failed, "{told}");
            assert_eq!(ruled::stored(&db).await, rows);
        }
    }
    let import = import(records()).max_failed(6);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!((report.updated, report.failed.len()), (40, 6), "{report}");
}

/// Of thirty records every third is refused by the database.
fn every_third_is_bad() -> impl Iterator<Item = Record> + Clone {
    (1..=30).map(|n| numbered(n).named(if n % 3 == 0 { "bad" } else { "good" }))
}

async fn that_refuses_some(db: &Db) {
    let table = ruled::table(Indexes::Full).replace(
        "name {text} NOT NULL",
        "name {text} NOT NULL CHECK (name <> 'bad')",
    );
    db.run(&table).await;
}

async fn failures_that_come_while_it_writes(db: Db) {
    that_refuses_some(&db).await;
    for chunk_size in [1, 5, 100] {
        db.run("DELETE FROM ruled").await;
        let import = import(every_third_is_bad())
            .chunk_size(chunk_size)
            .max_failed(3)
            .progress(|so_far| assert!(so_far.failed <= 3, "{so_far:?}"));
        let (failed, told, written) = stopped(import.run(&db.pool).await.unwrap_err());
        assert_eq!(failed, 4);
        assert!(told <= 3 && written < 20, "{told}, {written}");
        // The report counts what was committed.
        assert_eq!(stored(&db).await.len() as u64, written);
    }
    db.run("DELETE FROM ruled").await;
    let atomic = import(every_third_is_bad())
        .chunk_size(4)
        .atomic(true)
        .max_failed(3);
    let (failed, told, written) = stopped(atomic.run(&db.pool).await.unwrap_err());
    assert_eq!((failed, written), (4, 0));
    assert!(told <= 3, "{told}");
    assert!(stored(&db).await.is_empty());
    // A transaction of the caller's is as before the call.
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let first = import([numbered(77)]).run_in(&mut tx).await;
    first.expect("an import");
    let within = import(every_third_is_bad()).chunk_size(4).max_failed(3);
    stopped(within.run_in(&mut tx).await.unwrap_err());
    tx.commit().await.expect("a commit");
    assert_eq!(stored(&db).await, ["r77 s77 - - new"]);
}

async fn as_many_failures_as_may_be(db: Db) {
    that_refuses_some(&db).await;
    for chunk_size in [1, 7, 100] {
        db.run("DELETE FROM ruled").await;
        let import = import(every_third_is_bad())
            .chunk_size(chunk_size)
            .max_failed(10);
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!((report.created, report.failed.len()), (20, 10), "{report}");
        assert!(report.complete);
    }
}
