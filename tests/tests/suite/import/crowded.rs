//! An import in one transaction beside others that write the same rows all the time: it gets through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Pool};
use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};
use tokio_stream::{StreamExt, iter};
use upsert_runtime::{Error, LockedUpsert, Report, Retry};
use upsert_tests::Target;

use super::super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered, with_rows};
use crate::{Db, Sqlx};

tests![
    rows_that_move_at_each_reading on ["postgres", "mysql"],
    rows_that_come_at_each_reading on ["postgres", "mysql"],
    rows_that_come_are_judged_with_all_records on ["postgres", "mysql"],
    rows_that_move_at_each_reading_of_a_callers_import on ["postgres", "mysql"],
    imports_that_lock_first_take_turns on ["postgres", "mysql"],
    writers_of_the_same_keys,
];

/// The longest that an import may take.
const LIMIT: Duration = Duration::from_mins(1);

/// A connection that does not wait long for a row.
async fn impatient(db: &Db) -> Pool<Sqlx> {
    let pool = db.pool_of(1).await;
    let limit = match Sqlx::TARGET {
        "postgres" => "SET lock_timeout = '100ms'",
        _ => "SET SESSION innodb_lock_wait_timeout = 1",
    };
    sqlx::raw_sql(limit).execute(&pool).await.expect("a limit");
    pool
}

/// An import in one transaction of these records, before each reading of which something else is done. It is given how
/// often there was one.
async fn read_beside<F>(
    db: &Db,
    records: Vec<NewTaxonomy>,
    is_callers: bool,
    meanwhile: impl Fn(u32) -> F + Send + Sync,
) -> (Result<Report<Taxonomy>, Error>, u32)
where
    F: Future<Output = ()> + Send,
{
    let readings = AtomicU32::new(0);
    let open = || {
        let reading = readings.fetch_add(1, Ordering::Relaxed);
        let (records, meanwhile) = (records.clone(), &meanwhile);
        let first = async move {
            meanwhile(reading).await;
            iter(records.into_iter().map(Ok::<_, Error>))
        };
        Box::pin(flattened(Box::pin(first)))
    };
    let import = Taxonomy::import_from(open).chunk_size(3).atomic(true);
    let report = timeout(LIMIT, async {
        if !is_callers {
            return import.run(&db.pool).await;
        }
        let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
        let report = import.run_in(&mut tx).await;
        tx.commit().await.expect("a commit");
        report
    });
    let report = report.await.expect("an end");
    (report, readings.into_inner())
}

/// The stream that a future gives.
fn flattened<S: futures_core::Stream + Unpin>(
    future: impl Future<Output = S> + Unpin,
) -> impl futures_core::Stream<Item = S::Item> {
    struct Flattened<F, S>(Result<S, F>);
    impl<S: futures_core::Stream + Unpin, F: Future<Output = S> + Unpin> futures_core::Stream
        for Flattened<F, S>
    {
        type Item = S::Item;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<S::Item>> {
            if let Err(future) = &mut self.0 {
                let stream = std::task::ready!(std::pin::Pin::new(future).poll(context));
                self.0 = Ok(stream);
            }
            match &mut self.0 {
                Ok(stream) => std::pin::Pin::new(stream).poll_next(context),
                Err(_) => std::task::Poll::Pending,
            }
        }
    }
    Flattened(Err(future))
}

/// Another writer renames a row each time, as long as it can be had.
async fn renamed_at_each_reading(db: Db, is_callers: bool) {
    with_rows(&db, (0..10).map(numbered)).await;
    let other = impatient(&db).await;
    let rename = |reading: u32| {
        let sql = format!("UPDATE taxonomy SET slug = 'renamed{reading}' WHERE remote_id = 'r4'");
        let other = other.clone();
        async move {
            let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&other).await;
        }
    };
    let records: Vec<_> = (0..10).map(numbered).collect();
    let (report, readings) = read_beside(&db, records, is_callers, rename).await;
    let report = report.expect("an import");
    assert_eq!(report.records, 10);
    assert!(readings <= 8, "{readings} readings");
    let slugs = db
        .texts("SELECT slug FROM taxonomy WHERE remote_id = 'r4'")
        .await;
    assert_eq!(slugs, ["s4"]);
    other.close().await;
}

async fn rows_that_move_at_each_reading(db: Db) {
    renamed_at_each_reading(db, false).await;
}

async fn rows_that_move_at_each_reading_of_a_callers_import(db: Db) {
    renamed_at_each_reading(db, true).await;
}

/// Another writer deletes a row and creates it again, in turn, as long as it can be had. What it creates is another row.
async fn rows_that_come_at_each_reading(db: Db) {
    with_rows(&db, (0..10).map(numbered)).await;
    let other = impatient(&db).await;
    let turn = |reading: u32| {
        let sql = if reading.is_multiple_of(2) {
            "DELETE FROM taxonomy WHERE remote_id = 'r4'"
        } else {
            "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r4', 's4', 'x', 0, 'x')"
        };
        let other = other.clone();
        async move {
            let _ = sqlx::raw_sql(sql).execute(&other).await;
        }
    };
    let records: Vec<_> = (0..10).map(numbered).collect();
    let (report, readings) = read_beside(&db, records, false, turn).await;
    let report = report.expect("an import");
    assert_eq!(report.records, 10);
    assert!(readings <= 10, "{readings} readings");
    let names = db
        .texts("SELECT name FROM taxonomy WHERE remote_id = 'r4'")
        .await;
    assert_eq!(names, ["s4"]);
    other.close().await;
}

/// Rows move at the first two attempts. At the third, when the rows are locked and the plan is made, another writer creates two
/// rows, one after the other. The last record is the second of them by its first key, so that a record of a chunk that is written
/// before does not get its key any more.
async fn rows_that_come_are_judged_with_all_records(db: Db) {
    with_rows(&db, (0..10).map(numbered)).await;
    let other = impatient(&db).await;
    let write = |reading: u32| {
        let create = |remote_id: &str, slug: &str| {
            format!(
                "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('{remote_id}', '{slug}', 'x', 0, 'x')"
            )
        };
        let sql = match reading {
            1 | 3 => {
                format!("UPDATE taxonomy SET slug = 'renamed{reading}' WHERE remote_id = 'r4'")
            }
            5 => create("r10", "s10"),
            7 => create("last", "free"),
            _ => String::new(),
        };
        let other = other.clone();
        async move {
            if !sql.is_empty() {
                let written = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&other).await;
                written.expect("a write");
            }
        }
    };
    let wanted = |record: NewTaxonomy| NewTaxonomy {
        slug: "wanted".to_owned(),
        ..record
    };
    let mut records: Vec<_> = (0..11).map(numbered).collect();
    records[0] = wanted(numbered(0));
    records.push(NewTaxonomy {
        remote_id: Some("last".to_owned()),
        ..wanted(numbered(0))
    });
    let (report, readings) = read_beside(&db, records, false, write).await;
    let report = report.expect("an import");
    assert_eq!(readings, 10);
    let failed: Vec<u64> = report.failed.iter().map(|failure| failure.index).collect();
    assert_eq!(failed, [0], "{report}");
    let holder = "SELECT remote_id FROM taxonomy WHERE slug = 'wanted'";
    assert_eq!(db.texts(holder).await, ["last"]);
    other.close().await;
}

/// Two imports whose records are in opposite orders find rows moved twice, and then lock what their records find, each in its
/// own order: one after the other.
async fn imports_that_lock_first_take_turns(db: Db) {
    with_rows(&db, (0..10).map(numbered)).await;
    let both = Arc::new(Barrier::new(2));
    let mut imports = Vec::new();
    for turn in 0..2 {
        let (pool, both) = (db.pool.clone(), Arc::clone(&both));
        imports.push(tokio::spawn(async move {
            let mut records: Vec<_> = (0..10).map(|n| numbered(n).named("import")).collect();
            if turn == 1 {
                records.reverse();
            }
            let moved = 4 + turn;
            let mut readings = 0;
            let open = || {
                let (reading, pool, both) = (readings, pool.clone(), Arc::clone(&both));
                readings += 1;
                iter(records.clone().into_iter().enumerate()).then(move |(n, record)| {
                    let (pool, both) = (pool.clone(), Arc::clone(&both));
                    async move {
                        match (reading, n) {
                            // What has just been planned: a row that this import comes to before the other one does.
                            (1 | 3, 0) => {
                                both.wait().await;
                                let sql = format!(
                                    "UPDATE taxonomy SET slug = 'renamed{reading}_{moved}' WHERE remote_id = 'r{moved}'"
                                );
                                let sql = AssertSqlSafe(sql);
                                sqlx::raw_sql(sql).execute(&pool).await.expect("a name");
                            }
                            // Half of the rows are locked, if it is this import's turn.
                            (4, 5) => sleep(Duration::from_millis(500)).await,
                            _ => {}
                        }
                        Ok::<_, Error>(record)
                    }
                })
            };
            let import = Taxonomy::import_from(open).chunk_size(1).atomic(true);
            // A deadlock would be an error.
            let import = import.retry(Retry::never()).run(&pool);
            let report = timeout(LIMIT, import).await.expect("an end");
            (report.map(|report| report.records), readings)
        }));
    }
    for import in imports {
        let (records, readings) = import.await.expect("no panic");
        assert_eq!(records.expect("an import"), 10);
        assert!(readings >= 6, "{readings} readings");
    }
}

/// How many keys are written.
const KEYS: u32 = 60;

/// Ten writers that rename, change, delete and create the rows of two imports, which have their records in opposite orders.
async fn writers_of_the_same_keys(db: Db) {
    let db = db.locally().await;
    db.run(TAXONOMY).await;
    let rows = Taxonomy::import((0..KEYS).map(numbered));
    rows.run(&db.pool).await.expect("rows");
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..10 {
        let (pool, is_over) = (db.pool.clone(), Arc::clone(&is_over));
        writers.push(tokio::spawn(async move {
            let mut n = writer * 7;
            while !is_over.load(Ordering::Relaxed) {
                n = (n * 5 + 11) % 1_009;
                let key = n % KEYS;
                let sql = match n % 7 {
                    0 => format!("DELETE FROM taxonomy WHERE remote_id = 'r{key}'"),
                    1 | 2 => format!(
                        "UPDATE taxonomy SET slug = 'renamed{key}' WHERE remote_id = 'r{key}'"
                    ),
                    3 => format!("UPDATE taxonomy SET uses = uses + 1 WHERE slug = 's{key}'"),
                    _ => {
                        // What comes of it is another test's.
                        let _ = Taxonomy::upsert(numbered(key).named("upsert"))
                            .run(&pool)
                            .await;
                        continue;
                    }
                };
                let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await;
            }
        }));
    }
    let mut imports = Vec::new();
    for turn in 0..2 {
        let pool = db.pool.clone();
        imports.push(tokio::spawn(async move {
            for _ in 0..6 {
                let mut records: Vec<_> = (0..KEYS).map(|n| numbered(n).named("import")).collect();
                if turn == 1 {
                    records.reverse();
                }
                let import = Taxonomy::import(records).chunk_size(8).atomic(true);
                let report = timeout(LIMIT, import.run(&pool)).await.expect("an end");
                let report = report.expect("an import");
                let failed = report.failed.len() as u64;
                let told = report.created + report.updated + report.unchanged + failed;
                assert_eq!((report.records, told), (u64::from(KEYS), u64::from(KEYS)));
            }
        }));
    }
    let mut ends = Vec::new();
    for import in imports {
        ends.push(import.await);
    }
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("no panic");
    }
    for end in ends {
        end.expect("no panic");
    }
}
