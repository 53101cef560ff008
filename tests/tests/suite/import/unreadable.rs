//! Stored rows that cannot be read, in a table from which missing rows are deleted.

use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{Error, Import, LockedUpsert, Missing, Report};
use upsert_tests::Target;

use super::super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered};
use crate::{Db, Sqlx};

tests![
    one_stays_and_is_named,
    many_in_a_row,
    one_that_a_record_finds_keeps_all,
    a_date_that_is_none on ["mysql"],
    a_time_without_end on ["postgres"],
];

/// Rows of which the third column of those with these numbers holds what its field cannot.
async fn with_unreadable(db: &Db, rows: u32, unreadable: impl Fn(u32) -> bool) {
    db.run(&TAXONOMY.replace("uses bigint NOT NULL", "uses bigint"))
        .await;
    // SQLite stores any value in any column; elsewhere it is NULL.
    let wrong = match Sqlx::TARGET {
        "sqlite" => "'many'",
        _ => "NULL",
    };
    for n in 0..rows {
        let uses = if unreadable(n) { wrong } else { "0" };
        db.run(&format!(
            "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r{n}', 's{n}', 's{n}', {uses}, 'remote')"
        ))
        .await;
    }
}

fn import(records: impl Iterator<Item = u32>) -> Import<'static, Taxonomy> {
    let records: Vec<NewTaxonomy> = records.map(numbered).collect();
    Taxonomy::import(records).missing(Missing::Delete)
}

fn unreadable(report: &Report<Taxonomy>) -> Vec<Option<&str>> {
    for row in &report.unreadable {
        let error = &row.error;
        assert!(matches!(error, Error::Database { .. }), "{error}");
        assert!(error.to_string().contains("uses"), "{error}");
    }
    let rows = report.unreadable.iter();
    rows.map(|row| row.id.as_deref()).collect()
}

async fn one_stays_and_is_named(db: Db) {
    with_unreadable(&db, 20, |n| n == 10).await;
    // Nobody knows whether it is in the scope, which is asked of rows that can be read.
    let records = || (0..22).filter(|&n| n != 10 && n != 19);
    for dry_run in [true, false] {
        let import = import(records()).scope(|row| row.source == "remote");
        let report = import.dry_run(dry_run).run(&db.pool).await;
        let report = report.expect("an import");
        assert_eq!(unreadable(&report), [Some("11")]);
        assert!(
            report.to_string().contains("1 row that cannot be read"),
            "{report}"
        );
        let counts = (report.missing, report.deleted, report.created);
        assert_eq!(counts, (1, 1, 2), "{report}");
    }
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 21);
    // Without a scope too: what cannot be read is not deleted.
    let report = import(records()).run(&db.pool).await.expect("an import");
    assert_eq!(unreadable(&report), [Some("11")]);
    assert_eq!((report.missing, report.unchanged), (0, 20), "{report}");
    assert_eq!(
        db.number("SELECT count(*) FROM taxonomy WHERE id = 11")
            .await,
        1
    );
    // Nobody looks for rows that may stay.
    let report = import(records()).missing(Missing::Keep).run(&db.pool).await;
    assert!(report.expect("an import").unreadable.is_empty());
}

/// More of them than a page has, also at both ends of the table.
async fn many_in_a_row(db: Db) {
    let is_unreadable = |n| matches!(n, 0..=1 | 7..=15 | 28..=29);
    for chunk_size in [1, 4, 100] {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        with_unreadable(&db, 30, is_unreadable).await;
        let records = (0..26).filter(|&n| !is_unreadable(n));
        let import = import(records).chunk_size(chunk_size).max_share(0.5);
        let report = import.run(&db.pool).await.expect("an import");
        let ids = (0..30)
            .filter(|&n| is_unreadable(n))
            .map(|n| (n + 1).to_string());
        let ids: Vec<String> = ids.collect();
        let expected: Vec<Option<&str>> = ids.iter().map(|id| Some(&**id)).collect();
        assert_eq!(unreadable(&report), expected);
        assert_eq!((report.missing, report.deleted), (2, 2), "{report}");
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 28);
    }
}

/// Such a record could be any row.
async fn one_that_a_record_finds_keeps_all(db: Db) {
    with_unreadable(&db, 20, |n| n == 10).await;
    let report = import(0..19).run(&db.pool).await.expect("an import");
    assert_eq!((report.failed.len(), report.deleted), (1, 0), "{report}");
    assert_eq!(report.failed[0].index, 10);
    assert_eq!((report.records, report.unchanged), (19, 18));
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 20);
}

async fn a_date_that_is_none(db: Db) {
    with_unreadable(&db, 20, |_| false).await;
    db.run(
        "SET SESSION sql_mode = ''; UPDATE taxonomy SET created_at = '0000-00-00' WHERE id = 11; \
         SET SESSION sql_mode = DEFAULT",
    )
    .await;
    let records = (0..19).filter(|&n| n != 10);
    let report = import(records).run(&db.pool).await.expect("an import");
    let ids: Vec<_> = report
        .unreadable
        .iter()
        .map(|row| row.id.as_deref())
        .collect();
    assert_eq!(ids, [Some("11")]);
    assert_eq!((report.missing, report.deleted), (1, 1), "{report}");
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Ending {
    id: i64,
    slug: String,
    ends_at: DateTime<Utc>,
}

/// sqlx 0.9.0 reads such a value with a panic.
async fn a_time_without_end(db: Db) {
    db.run(
        "CREATE TABLE ending (id {id}, slug {text} NOT NULL UNIQUE, ends_at timestamptz NOT NULL); \
         INSERT INTO ending (slug, ends_at) VALUES ('a', 'infinity'), ('b', '2030-01-01Z'), ('c', '2030-01-01Z')",
    )
    .await;
    let ending = |slug: &str| NewEnding {
        slug: slug.to_owned(),
        ends_at: DateTime::from_timestamp(1_893_456_000, 0).expect("a time"),
    };
    let error = Ending::upsert(ending("a")).run(&db.pool).await.unwrap_err();
    assert!(error.to_string().contains("column `ends_at`"), "{error}");
    let import = Ending::import([ending("b")])
        .missing(Missing::Delete)
        .max_share(1.0);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!((report.unchanged, report.deleted), (1, 1), "{report}");
    let [row] = &report.unreadable[..] else {
        panic!("{report}");
    };
    assert_eq!(row.id.as_deref(), Some("1"));
}
