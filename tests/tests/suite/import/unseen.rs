//! Rows that come between the two readings of an import, of records that found none in the first one. Where a unique index would say no to
//! a second row of theirs they are not looked up again before they are created.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_stream::StreamExt as _;
use upsert_runtime::LockedUpsert;
use upsert_tests::Target;

use super::super::log::logged;
use crate::{Db, Sqlx};

tests![
    a_row_that_comes_is_found,
    a_row_that_comes_where_no_index_says_no,
    what_is_asked_again on ["postgres", "mysql"],
];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(number, (site, slug))]
struct Entry {
    id: i64,
    number: Option<i64>,
    site: i64,
    slug: String,
    name: String,
}

fn entries() -> Vec<NewEntry> {
    let entry = |n: i64| NewEntry {
        number: (n != 2).then_some(n),
        site: 1,
        slug: format!("s{n}"),
        name: "ours".to_owned(),
    };
    (0..6).map(entry).collect()
}

/// A table in which these stand behind its columns.
async fn with_table(db: &Db, keys: &str) {
    db.run(&format!(
        "DROP TABLE IF EXISTS child; DROP TABLE IF EXISTS entry; \
         CREATE TABLE entry (id {{id}}, number bigint, site bigint NOT NULL, slug {{text}} NOT NULL, name {{text}} NOT NULL{keys})"
    ))
    .await;
}

/// Others create a row of records 1, by its first key, and 2, by its second one, into this table; then their records are updates, and
/// nothing else is.
async fn rows_come(db: &Db, table: &str, case: &str) {
    for chunk_size in [1, 4, 100] {
        db.run("DELETE FROM entry").await;
        let opened = AtomicU32::new(0);
        let pool = db.pool.clone();
        let open = || {
            let (is_second, pool) = (opened.fetch_add(1, Ordering::Relaxed) == 1, pool.clone());
            let rows = format!(
                "INSERT INTO {table} (number, site, slug, name) VALUES (1, 1, 'other', 'theirs'), (NULL, 1, 's2', 'theirs')"
            );
            let records = entries().into_iter().enumerate();
            Box::pin(tokio_stream::iter(records).then(move |(place, entry)| {
                let (pool, rows) = (pool.clone(), sqlx::AssertSqlSafe(rows.clone()));
                async move {
                    if is_second && place == 0 {
                        sqlx::raw_sql(rows)
                            .execute(&pool)
                            .await
                            .expect("rows of others");
                    }
                    Ok::<_, std::io::Error>(entry)
                }
            }))
        };
        let report = Entry::import_from(open).chunk_size(chunk_size);
        let report = report.run(&db.pool).await.expect("an import");
        let counts = (report.created, report.updated, report.failed.len());
        assert_eq!(counts, (4, 2, 0), "{case}, {chunk_size}: {report}");
        assert_eq!(
            db.texts("SELECT slug || '' FROM entry WHERE name = 'ours' ORDER BY slug")
                .await,
            ["s0", "s1", "s2", "s3", "s4", "s5"],
            "{case}, {chunk_size}"
        );
    }
}

const UNIQUE: &str = ", UNIQUE (number), UNIQUE (slug, site)";

async fn a_row_that_comes_is_found(db: Db) {
    with_table(&db, UNIQUE).await;
    rows_come(&db, "entry", "unique").await;
}

async fn a_row_that_comes_where_no_index_says_no(db: Db) {
    let (wider, partial) = (
        ", UNIQUE (number), UNIQUE (site, slug, name)",
        ", UNIQUE (number)",
    );
    let mut cases = vec![("", ""), (wider, ""), (partial, "")];
    match Sqlx::TARGET {
        "postgres" => cases.extend([
            (
                partial,
                "CREATE UNIQUE INDEX ON entry (site, slug) WHERE slug <> 's2'",
            ),
            (
                partial,
                "CREATE UNIQUE INDEX ON entry (site, (slug || name))",
            ),
            (
                ", UNIQUE (number) DEFERRABLE INITIALLY DEFERRED, UNIQUE (site, slug) DEFERRABLE INITIALLY DEFERRED",
                "",
            ),
        ]),
        "sqlite" => cases.push((
            partial,
            "CREATE UNIQUE INDEX one ON entry (site, slug) WHERE slug <> 's2'",
        )),
        _ => {}
    }
    for (keys, index) in cases {
        with_table(&db, keys).await;
        if !index.is_empty() {
            db.run(index).await;
        }
        rows_come(&db, "entry", &format!("{keys} {index}")).await;
    }
    if Sqlx::TARGET == "postgres" {
        // The index of a table is not that of its children.
        with_table(&db, UNIQUE).await;
        db.run("CREATE TABLE child () INHERITS (entry); ALTER TABLE child ALTER id SET DEFAULT 1000000 + floor(random() * 1e9)")
            .await;
        rows_come(&db, "child", "a child").await;
    }
}

async fn what_is_asked_again(db: Db) {
    let asked = async |keys: &str| {
        with_table(&db, keys).await;
        let (report, log) = logged(Entry::import(entries()).run(&db.pool)).await;
        assert_eq!(report.expect("an import").created, 6);
        log.matches("summary=\"SELECT").count()
    };
    let unique = asked(UNIQUE).await;
    for keys in ["", ", UNIQUE (number), UNIQUE (site, slug, name)"] {
        // By each of the keys.
        assert_eq!(asked(keys).await, unique + 2, "{keys}");
    }
}
