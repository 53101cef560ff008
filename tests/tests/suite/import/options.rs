//! What a caller can ask for.

use std::sync::{Arc, Mutex};

use futures_core::Stream;
use upsert_runtime::{Error, LockedUpsert, Outcome};

use super::super::cancellation::polled;
use super::super::models::{PAGE, Page, TAXONOMY, Taxonomy, numbered, page, record, with_rows};
use crate::Db;

tests![
    a_stream_that_is_opened_twice,
    a_stream_that_changes,
    a_stream_with_errors,
    nothing_stays_of_a_dry_run,
    each_row_is_told_once_it_is_committed,
    each_waits_for_the_end_of_one_transaction,
    touched_rows_before_and_after,
    composite_keys_and_assigned_ids,
    columns_of_arrays on ["postgres"],
    dropped_at_each_await_point,
    progress_adds_up,
];

/// A stream of what a closure gives for 0, 1, 2, ….
struct Counted<F>(usize, F);

impl<T, F: FnMut(usize) -> Option<T> + Unpin> Stream for Counted<F> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        let n = self.0;
        self.0 += 1;
        std::task::Poll::Ready((self.1)(n))
    }
}

async fn a_stream_that_is_opened_twice(db: Db) {
    db.run(TAXONOMY).await;
    let mut opened = 0;
    let open = || {
        opened += 1;
        Counted(0, |n| {
            (n < 2_500).then(|| Ok::<_, std::io::Error>(numbered(n)))
        })
    };
    let report = Taxonomy::import_from(open).run(&db.pool).await;
    assert_eq!(report.expect("an import").created, 2_500);
    assert_eq!(opened, 2);
}

async fn a_stream_that_changes(db: Db) {
    db.run(TAXONOMY).await;
    // Another key, one record more, one less.
    for (second, last) in [(true, 30), (false, 31), (false, 29)] {
        let mut opened = 0;
        let open = || {
            opened += 1;
            let is_second = opened == 2;
            Counted(0, move |n| {
                let last = if is_second { last } else { 30 };
                let other = if is_second && second && n == 20 {
                    1_000
                } else {
                    0
                };
                (n < last).then(|| Ok::<_, std::io::Error>(numbered(n + other)))
            })
        };
        let import = Taxonomy::import_from(open).chunk_size(10);
        let error = import.run(&db.pool).await.unwrap_err();
        let Error::Stopped { source, .. } = &error else {
            panic!("{error}");
        };
        assert!(matches!(**source, Error::Source { .. }), "{error}");
    }
}

async fn a_stream_with_errors(db: Db) {
    db.run(TAXONOMY).await;
    let open = || {
        Counted(0, |n| match n {
            3 | 7 => Some(Err(std::io::Error::other("SECRET"))),
            _ => (n < 10).then(|| Ok(numbered(n))),
        })
    };
    let report = Taxonomy::import_from(open)
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!((report.records, report.created), (10, 8));
    let failed: Vec<u64> = report.failed.iter().map(|failure| failure.index).collect();
    assert_eq!(failed, [3, 7]);
    assert!(matches!(report.failed[0].error, Error::Source { .. }));
    assert!(!report.to_string().contains("SECRET"));
}

async fn nothing_stays_of_a_dry_run(db: Db) {
    let before = with_rows(&db, (0..5).map(numbered)).await;
    let records = || (3..8).map(|n| numbered(n).named("changed"));
    let dry = Taxonomy::import(records()).dry_run(true).changes(true);
    let dry = dry.run(&db.pool).await.expect("a dry run");
    assert_eq!((dry.created, dry.updated, dry.changes.len()), (3, 2, 5));
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let within = Taxonomy::import(records())
        .dry_run(true)
        .run_in(&mut tx)
        .await;
    assert_eq!(within.expect("a dry run").created, 3);
    tx.commit().await.expect("a commit");
    let names = db.texts("SELECT name FROM taxonomy ORDER BY id").await;
    let expected: Vec<_> = before.iter().map(|row| row.name.clone()).collect();
    assert_eq!(names, expected);
}

async fn each_row_is_told_once_it_is_committed(db: Db) {
    with_rows(&db, (0..2).map(numbered)).await;
    let mut told = Vec::new();
    let mut records: Vec<_> = (0..4).map(|n| numbered(n).named("n")).collect();
    records.push(records[3].clone());
    records[0] = numbered(0);
    let import = Taxonomy::import(records)
        .chunk_size(2)
        .each(|index, row, outcome| {
            let outcome = match outcome {
                Outcome::Created => "created",
                Outcome::Updated {
                    matched_by,
                    changed,
                } => {
                    assert_eq!((*matched_by, &changed[..]), ("remote_id", &["name"][..]));
                    "updated"
                }
                Outcome::Unchanged { .. } => "unchanged",
                other => panic!("{other:?}"),
            };
            told.push((index, row.id, row.slug.clone(), outcome));
        });
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!(report.superseded, 1);
    told.sort();
    let ids = db.texts("SELECT id FROM taxonomy ORDER BY slug").await;
    let ids: Vec<i64> = ids.iter().map(|id| id.parse().expect("an id")).collect();
    let row = |index: u64, n: usize, outcome| (index, ids[n], format!("s{n}"), outcome);
    let expected = [
        row(0, 0, "unchanged"),
        row(1, 1, "updated"),
        row(2, 2, "created"),
        row(4, 3, "created"),
    ];
    assert_eq!(told, expected);
}

async fn each_waits_for_the_end_of_one_transaction(db: Db) {
    db.run(TAXONOMY).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let (rows, chunks) = (Arc::clone(&order), Arc::clone(&order));
    let import = Taxonomy::import((0..4).map(numbered))
        .atomic(true)
        .chunk_size(2)
        .each(move |_, _, _| rows.lock().unwrap().push("row"))
        .progress(move |_| chunks.lock().unwrap().push("chunk"));
    import.run(&db.pool).await.expect("an import");
    let order = order.lock().unwrap();
    let first_row = order.iter().position(|what| *what == "row").expect("rows");
    assert!(
        order[first_row..].iter().all(|what| *what == "row"),
        "{order:?}"
    );
    assert_eq!(order.iter().filter(|what| **what == "row").count(), 4);
}

async fn touched_rows_before_and_after(db: Db) {
    with_rows(&db, (0..3).map(numbered)).await;
    let records = [numbered(0), numbered(1).named("changed"), numbered(9)];
    let report = Taxonomy::import(records).changes(true).run(&db.pool).await;
    let report = report.expect("an import");
    let [updated, created] = &report.changes[..] else {
        panic!("{:?}", report.changes);
    };
    assert_eq!(
        (&updated.changed[..], updated.matched_by),
        (&["name"][..], Some("remote_id"))
    );
    let name = |row: &Option<Taxonomy>| row.as_ref().map(|row| row.name.clone());
    assert_eq!(name(&updated.before).as_deref(), Some("s1"));
    assert_eq!(name(&updated.after).as_deref(), Some("changed"));
    let (before, after) = (updated.before.as_ref(), updated.after.as_ref());
    assert!(before.map(|row| row.updated_at) < after.map(|row| row.updated_at));
    assert!(created.before.is_none() && created.matched_by.is_none());
    assert_eq!(name(&created.after).as_deref(), Some("s9"));
    assert_eq!(report.changed.get("name"), Some(&1));
    let text = report.to_string();
    assert!(
        text.starts_with("3 records: 1 created, 1 updated, 1 unchanged"),
        "{text}"
    );
}

async fn composite_keys_and_assigned_ids(db: Db) {
    db.run(PAGE).await;
    let pages = |ids: std::ops::Range<i64>| ids.map(|id| page(id, Some(id % 3), &format!("p{id}")));
    let report = Page::import(pages(0..30))
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!(report.created, 30);
    // Two pages exchange their places; another id wants a place that is taken; one moves.
    let mut records: Vec<_> = pages(0..30).collect();
    let places = (records[4].slug.clone(), records[7].slug.clone());
    (records[7].slug, records[4].slug) = places;
    records.push(page(99, Some(0), "p3"));
    records[9].site_id = Some(77);
    let report = Page::import(records).chunk_size(5).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!(
        (report.updated, report.unchanged, report.failed.len()),
        (3, 27, 1),
        "{report}"
    );
    assert_eq!(report.failed[0].index, 30);
    assert!(
        matches!(report.failed[0].error, Error::IdentityConflict { .. }),
        "{report}"
    );
    let slugs = db
        .texts("SELECT slug FROM page WHERE id IN (4, 7) ORDER BY id")
        .await;
    assert_eq!(slugs, ["p7", "p4"]);
}

async fn dropped_at_each_await_point(db: Db) {
    db.run(TAXONOMY).await;
    let pool = db.pool_of(1).await;
    for polls in 0.. {
        let name = format!("n{polls}");
        let records = (0..30).map(|n| numbered(n).named(&name));
        let import = Taxonomy::import(records).chunk_size(10);
        let done = polled(polls, import.run(&pool)).await.is_some();
        // No lock is left, nor an open transaction: an autocommit write lasts.
        let write = "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('x', 'x', 0, 'x')";
        sqlx::raw_sql(write).execute(&pool).await.expect("a write");
        assert_eq!(
            db.number("SELECT count(*) FROM taxonomy WHERE slug = 'x'")
                .await,
            1
        );
        db.run("DELETE FROM taxonomy WHERE slug = 'x'").await;
        // Chunks are whole.
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await % 10, 0);
        if done {
            return;
        }
    }
}

async fn progress_adds_up(db: Db) {
    db.run(TAXONOMY).await;
    let mut told = Vec::new();
    let mut records: Vec<_> = (0..25).map(numbered).collect();
    records.push(record(None, ""));
    records.push(numbered(0));
    let import = Taxonomy::import(records).chunk_size(10).progress(|so_far| {
        let parts = so_far.created + so_far.updated + so_far.unchanged;
        assert_eq!(so_far.records, parts + so_far.superseded + so_far.failed);
        told.push(so_far.records);
    });
    import.run(&db.pool).await.expect("an import");
    assert!(told.is_sorted() && told.len() >= 3, "{told:?}");
    assert_eq!(told.last(), Some(&27));
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Tagged {
    id: i64,
    slug: String,
    tags: Vec<String>,
    rank: Option<i32>,
}

async fn columns_of_arrays(db: Db) {
    db.run("CREATE TABLE tagged (id {id}, slug {text} NOT NULL UNIQUE, tags text[] NOT NULL, rank int)")
        .await;
    let pool = sqlx::PgPool::connect(&db.url()).await.expect("a pool");
    let tagged = |n: usize, rank: Option<i32>| NewTagged {
        slug: format!("s{n}"),
        // Of different lengths.
        tags: (0..n % 3).map(|tag| format!("t{tag}")).collect(),
        rank,
    };
    let records = |rank| (0..50).map(move |n| tagged(n, rank));
    let report = Tagged::import(records(None))
        .run(&pool)
        .await
        .expect("an import");
    assert_eq!(report.created, 50);
    let mut changed: Vec<_> = records(Some(1)).collect();
    changed[7].tags.push("more".to_owned());
    changed[8].rank = None;
    let report = Tagged::import(changed).run(&pool).await.expect("an import");
    assert_eq!((report.updated, report.unchanged), (49, 1), "{report}");
    assert_eq!((report.changed["rank"], report.changed["tags"]), (49, 1));
    let tags = db.texts("SELECT array_to_string(tags, ' ') FROM tagged WHERE slug IN ('s7', 's8') ORDER BY slug").await;
    assert_eq!(tags, ["t0 more", "t0 t1"]);
    pool.close().await;
}
