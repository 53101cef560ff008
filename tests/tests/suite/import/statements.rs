//! What is sent, and what is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use upsert_runtime::LockedUpsert;
use upsert_tests::{Proxy, Target};

use super::super::log::logged;
use super::super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered, with_rows};
use crate::{Db, Sqlx};

tests![
    as_many_statements_for_a_few_rows_as_for_many on ["postgres", "mysql"],
    a_version_that_is_there_writes_nothing,
    what_is_written_is_locked_before on ["postgres"],
    more_values_than_a_statement_takes,
    a_long_chain_of_keys,
];

/// The first words of the statements that name the table, in their order. SQLite's run in a thread of their own, which logs
/// elsewhere.
fn verbs(log: &str) -> Vec<String> {
    let statements = log.lines().filter_map(|line| line.split_once("summary=\""));
    let about_rows = statements.filter(|(_, text)| !text.starts_with("SAVEPOINT"));
    let verb = |(_, text): (&str, &str)| {
        let text = text.trim_start_matches("SET STATEMENT").trim_start();
        let verb = text.split_whitespace().next().unwrap_or_default();
        verb.trim_end_matches(['"', ';']).to_owned()
    };
    let verbs = about_rows.map(verb);
    verbs
        .filter(|verb| ["SELECT", "WITH", "UPDATE", "INSERT", "DELETE"].contains(&&**verb))
        .collect()
}

/// A quarter of the rows of each kind: unchanged, changed, with a key of another one, new. In one chunk.
async fn mixed(db: &Db, quarter: usize) -> Vec<String> {
    db.run("DELETE FROM taxonomy").await;
    let before = (0..3 * quarter).map(numbered);
    Taxonomy::import(before).run(&db.pool).await.expect("rows");
    let records = (0..4 * quarter).map(|n| match n / quarter {
        1 => numbered(n).named("changed"),
        // The rows of this quarter exchange their slugs in pairs.
        2 => NewTaxonomy {
            slug: format!("s{}", 2 * quarter + ((n - 2 * quarter) ^ 1)),
            ..numbered(n)
        },
        _ => numbered(n),
    });
    let import = Taxonomy::import(records.collect::<Vec<_>>()).run(&db.pool);
    let (report, log) = logged(import).await;
    let report = report.expect("an import");
    let quarter = quarter as u64;
    let counts = (report.created, report.updated, report.unchanged);
    assert_eq!(counts, (quarter, 2 * quarter, quarter), "{report}");
    verbs(&log)
}

async fn as_many_statements_for_a_few_rows_as_for_many(db: Db) {
    db.run(TAXONOMY).await;
    let few = mixed(&db, 4).await;
    // A power of two, of which a statement holds one where values stand one by one.
    let many = mixed(&db, 128).await;
    assert_eq!(few, many);
    let expected: &[&str] = match Sqlx::TARGET {
        // The first reading asks what the table is like, once, and finds by each key; then lock what is as it was, find and lock by
        // each key what depends on each other, ask for the type of what is to be parked, once, park what is exchanged, update the others
        // and those, insert.
        "postgres" => &[
            "SELECT", "SELECT", "SELECT", "SELECT", "SELECT", "SELECT", "SELECT", "WITH", "WITH",
            "WITH", "INSERT",
        ],
        // Of each chunk, what the collation compares is asked for first.
        _ => &[
            "SELECT", "SELECT", "SELECT", "SELECT", "SELECT", "SELECT", "SELECT", "SELECT",
            "UPDATE", "UPDATE", "UPDATE", "INSERT",
        ],
    };
    assert_eq!(many, expected);
}

async fn a_version_that_is_there_writes_nothing(db: Db) {
    db.run(TAXONOMY).await;
    let records: Vec<_> = (0..2_500).map(numbered).collect();
    let import = || Taxonomy::import(records.clone()).run(&db.pool);
    assert_eq!(import().await.expect("an import").created, 2_500);
    let versions = "SELECT xmin || ' ' || xmax || ' ' || ctid::text FROM taxonomy ORDER BY id";
    let before = match Sqlx::TARGET {
        "postgres" => db.texts(versions).await,
        _ => Vec::new(),
    };
    for event in ["INSERT", "UPDATE", "DELETE"] {
        match Sqlx::TARGET {
            "mysql" => {
                db.run(&format!(
                    "CREATE TRIGGER no_{event} BEFORE {event} ON taxonomy FOR EACH ROW SIGNAL SQLSTATE '45000'"
                ))
                .await;
            }
            "sqlite" => {
                db.run(&format!(
                    "CREATE TRIGGER no_{event} BEFORE {event} ON taxonomy BEGIN SELECT RAISE(ABORT, 'no'); END"
                ))
                .await;
            }
            _ => {}
        }
    }
    let (report, log) = logged(import()).await;
    let report = report.expect("an import");
    assert_eq!(
        (report.unchanged, report.failed.len()),
        (2_500, 0),
        "{report}"
    );
    let verbs = verbs(&log);
    assert!(verbs.iter().all(|verb| verb == "SELECT"), "{verbs:?}");
    // What the table is like is asked once; then each chunk is read once, in the first reading. On MariaDB a chunk's collation
    // keys are asked for before.
    let expected = match Sqlx::TARGET {
        "postgres" => 1 + 3,
        "mysql" => 1 + 2 * 3,
        _ => 0,
    };
    assert_eq!(verbs.len(), expected, "{verbs:?}");
    if Sqlx::TARGET == "postgres" {
        assert_eq!(db.texts(versions).await, before);
    }
}

async fn more_values_than_a_statement_takes(db: Db) {
    db.run(TAXONOMY).await;
    // Each row binds six values: SQLite takes 32,766 in all.
    let records: Vec<_> = (0..12_000).map(numbered).collect();
    let import = |records: Vec<NewTaxonomy>| Taxonomy::import(records).chunk_size(20_000);
    let report = import(records.clone()).run(&db.pool).await.expect("rows");
    assert_eq!(report.created, 12_000);
    let changed = records.into_iter().map(|record| record.named("other"));
    let report = import(changed.collect()).run(&db.pool).await.expect("rows");
    assert_eq!(report.updated, 12_000);
}

async fn a_long_chain_of_keys(db: Db) {
    db.run(TAXONOMY).await;
    let before = (0..100).map(numbered);
    Taxonomy::import(before).run(&db.pool).await.expect("rows");
    // Each takes the slug of the next one, and the last a new one.
    let chain = (0..100).map(|n| NewTaxonomy {
        slug: format!("s{}", n + 1),
        ..numbered(n)
    });
    let import = Taxonomy::import(chain.collect::<Vec<_>>()).chunk_size(7);
    let (report, log) = logged(import.run(&db.pool)).await;
    let report = report.expect("an import");
    assert_eq!((report.updated, report.failed.len()), (100, 0), "{report}");
    let updates = verbs(&log);
    let updates = updates
        .iter()
        .filter(|verb| *verb == "UPDATE" || *verb == "WITH");
    assert!(updates.count() <= 10, "no statement a row");
    let parked = "SELECT count(*) FROM taxonomy WHERE slug LIKE 'upsert%'";
    assert_eq!(db.number(parked).await, 0);
}

/// Whoever comes between the finding of a chunk's rows and the UPDATE of them waits.
async fn what_is_written_is_locked_before(db: Db) {
    with_rows(&db, (0..3).map(numbered)).await;
    let refused = Arc::new(AtomicU32::new(0));
    let (pool, number) = (db.pool.clone(), Arc::clone(&refused));
    let meanwhile = move |text: String| {
        let (pool, number) = (pool.clone(), Arc::clone(&number));
        async move {
            if text.starts_with("WITH") {
                let steal = "BEGIN; SET LOCAL lock_timeout = '50ms'; UPDATE taxonomy SET remote_id = NULL WHERE slug = 's1'; COMMIT";
                let mut connection = pool.acquire().await.expect("a connection");
                let stolen = sqlx::raw_sql(steal).execute(&mut *connection).await;
                number.fetch_add(u32::from(stolen.is_err()), Ordering::Relaxed);
                connection.close().await.expect("an end");
            }
        }
    };
    let proxy = Proxy::doing_before_each(&db, meanwhile).await;
    let records: Vec<_> = (0..3).map(|n| numbered(n).named("changed")).collect();
    let import = Taxonomy::import(records).run(&proxy.pool(&db, 1)).await;
    assert_eq!(import.expect("an import").updated, 3);
    assert_eq!(refused.load(Ordering::Relaxed), 1);
    let keys = "SELECT coalesce(remote_id, 'stolen') FROM taxonomy ORDER BY slug";
    assert_eq!(db.texts(keys).await, ["r0", "r1", "r2"]);
}
