//! What others do between the two readings of an import. The second one looks up again neither what found no row, where a unique index
//! would say no to a second one, nor what is still of the version that was read.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_stream::StreamExt as _;
use upsert_runtime::{LockedUpsert, Report};
use upsert_tests::Target;

use super::super::log::logged;
use crate::{Db, Sqlx};

tests![
    a_row_that_comes_is_found,
    a_row_that_comes_where_no_index_says_no,
    what_is_asked_again on ["postgres", "mysql"],
    a_row_that_is_changed_is_judged_anew,
    what_has_come_is_updated_whatever_a_create_meets,
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

/// Imports these records, while others do this between the two readings.
async fn import_while(
    db: &Db,
    records: Vec<NewEntry>,
    chunk_size: usize,
    others: &str,
) -> Report<Entry> {
    let opened = AtomicU32::new(0);
    let (pool, others) = (db.pool.clone(), others.to_owned());
    let open = || {
        let is_second = opened.fetch_add(1, Ordering::Relaxed) == 1;
        let (pool, others) = (pool.clone(), others.clone());
        let records = records.clone().into_iter().enumerate();
        Box::pin(tokio_stream::iter(records).then(move |(place, record)| {
            let (pool, others) = (pool.clone(), sqlx::AssertSqlSafe(others.clone()));
            async move {
                if is_second && place == 0 {
                    let done = sqlx::raw_sql(others).execute(&pool).await;
                    done.expect("what others do");
                }
                Ok::<_, std::io::Error>(record)
            }
        }))
    };
    let report = Entry::import_from(open).chunk_size(chunk_size);
    report.run(&db.pool).await.expect("an import")
}

/// Others create a row of records 1, by its first key, and 2, by its second one, into this table; then their records are updates, and
/// nothing else is.
async fn rows_come(db: &Db, table: &str, case: &str) {
    let others = format!(
        "INSERT INTO {table} (number, site, slug, name) VALUES (1, 1, 'other', 'theirs'), (NULL, 1, 's2', 'theirs')"
    );
    for chunk_size in [1, 4, 100] {
        db.run("DELETE FROM entry").await;
        let report = import_while(db, entries(), chunk_size, &others).await;
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

async fn a_row_that_is_changed_is_judged_anew(db: Db) {
    with_table(&db, UNIQUE).await;
    let others = "UPDATE entry SET name = 'ours' WHERE slug = 's0'; \
         UPDATE entry SET number = NULL WHERE slug = 's1'; \
         UPDATE entry SET slug = 'moved' WHERE slug = 's2'; \
         DELETE FROM entry WHERE slug = 's3'; \
         UPDATE entry SET slug = 'passing' WHERE number = 4; \
         UPDATE entry SET slug = 's4' WHERE number = 5; \
         UPDATE entry SET slug = 's5' WHERE number = 4";
    for chunk_size in [1, 4, 100] {
        db.run("DELETE FROM entry").await;
        let before = entries().into_iter().map(|entry| NewEntry {
            name: "old".to_owned(),
            ..entry
        });
        Entry::import(before).run(&db.pool).await.expect("rows");
        let report = import_while(&db, entries(), chunk_size, others).await;
        // 0 is as it should be by now; 2 has no number to be found by, and 3 is gone.
        let counts = (report.unchanged, report.updated, report.created);
        assert_eq!(counts, (1, 3, 2), "{chunk_size}: {report}");
        assert!(report.failed.is_empty(), "{report}");
        assert_eq!(
            db.texts(
                "SELECT slug || ' ' || coalesce(number, -1) || ' ' || name FROM entry ORDER BY slug"
            )
            .await,
            [
                "moved -1 old",
                "s0 0 ours",
                "s1 1 ours",
                "s2 -1 ours",
                "s3 3 ours",
                "s4 4 ours",
                "s5 5 ours"
            ],
            "{chunk_size}"
        );
    }
}

/// It is not the unique index that says no to a second row.
async fn what_has_come_is_updated_whatever_a_create_meets(db: Db) {
    with_table(&db, UNIQUE).await;
    db.run(match Sqlx::TARGET {
        "postgres" => {
            "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF EXISTS (SELECT FROM entry WHERE slug = new.slug) THEN RETURN NULL; END IF; RETURN new; END $$; \
             CREATE TRIGGER skip BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION skip()"
        }
        "mysql" => {
            "CREATE TRIGGER skip BEFORE INSERT ON entry FOR EACH ROW BEGIN \
             IF EXISTS (SELECT 1 FROM entry WHERE slug = new.slug) THEN SIGNAL SQLSTATE '45000'; END IF; END"
        }
        _ => {
            "CREATE TRIGGER skip BEFORE INSERT ON entry WHEN EXISTS (SELECT 1 FROM entry WHERE slug = new.slug) \
             BEGIN SELECT RAISE(ABORT, 'no'); END"
        }
    })
    .await;
    rows_come(&db, "entry", "a trigger").await;
}
