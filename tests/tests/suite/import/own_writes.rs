//! Rows that an import moves by its own writes, through triggers and foreign keys: its later chunks meet them otherwise than they
//! were planned with. In one transaction it comes to the same end as chunk by chunk.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_stream::iter;
use upsert_runtime::{Error, LockedUpsert, Missing, Outcome, Report};
use upsert_tests::Target;

use super::super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered, record};
use super::super::races::in_snapshots_that_go_stale;
use crate::{Db, Sqlx};

tests![
    later_rows_are_deleted,
    later_rows_are_renamed,
    later_rows_get_the_keys_of_records_without_a_row,
    a_missing_row_gets_the_key_of_a_later_record,
    rows_are_created_for_later_records on ["postgres", "sqlite"],
    keys_follow_a_foreign_key_to_the_table on ["postgres", "sqlite"],
    rows_that_others_move_meanwhile on ["postgres", "mysql"],
    rows_that_never_rest on ["sqlite"],
];

/// Six rows. Each slug is one of another table's, which the database keeps up with, and each row is a part of something.
async fn with_six_rows(db: &Db) {
    db.run("DROP TABLE IF EXISTS taxonomy; DROP TABLE IF EXISTS word; DROP TABLE IF EXISTS whole")
        .await;
    db.run(
        "CREATE TABLE word (slug {text} NOT NULL PRIMARY KEY); CREATE TABLE whole (name {text} NOT NULL PRIMARY KEY); \
         INSERT INTO word VALUES ('s0'), ('s1'), ('s2'), ('s3'), ('s4'), ('s5'), ('s6'), ('s7'); \
         INSERT INTO whole VALUES ('first'), ('last')",
    )
    .await;
    let taxonomy = TAXONOMY.replace(
        "name {text} NOT NULL",
        "name {text} NOT NULL, part_of {text} DEFAULT 'first'",
    );
    let columns = taxonomy.strip_suffix(')').expect("columns");
    db.run(&format!(
        "{columns}, FOREIGN KEY (slug) REFERENCES word (slug) ON UPDATE CASCADE, \
         FOREIGN KEY (part_of) REFERENCES whole (name) ON DELETE CASCADE)"
    ))
    .await;
    let rows = Taxonomy::import((0..6).map(numbered)).run(&db.pool).await;
    rows.expect("rows");
    db.run("UPDATE taxonomy SET part_of = 'last' WHERE slug IN ('s4', 's5')")
        .await;
}

/// Has the update of the first row do this.
async fn on_update_of_the_first(db: &Db, statements: &str) {
    db.run(&match Sqlx::TARGET {
        "postgres" => format!(
            "CREATE OR REPLACE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statements}; RETURN NULL; END $$; \
             CREATE TRIGGER act AFTER UPDATE ON taxonomy FOR EACH ROW WHEN (new.remote_id = 'r0') EXECUTE FUNCTION act()"
        ),
        "mysql" => format!(
            "CREATE TRIGGER act AFTER UPDATE ON taxonomy FOR EACH ROW BEGIN IF new.remote_id = 'r0' THEN {statements}; END IF; END"
        ),
        // A connection that looks at nothing first may still know of a trigger that went with its table (SQLite 3.50.4).
        _ => format!(
            "SELECT 1 FROM taxonomy LIMIT 0; \
             CREATE TRIGGER act AFTER UPDATE ON taxonomy WHEN new.remote_id = 'r0' BEGIN {statements}; END"
        ),
    })
    .await;
}

/// Records of the six rows, of which the even ones change them, and as many behind them as are asked for.
fn records(more: u32) -> Vec<NewTaxonomy> {
    let record = |n: u32| {
        numbered(n).named(&format!(
            "{}{n}",
            if n.is_multiple_of(2) { "new" } else { "s" }
        ))
    };
    (0..6 + more).map(record).collect()
}

/// In which transactions an import is done.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Within {
    OneEach,
    One,
    Callers,
    /// At REPEATABLE READ, but on SQLite.
    CallersSnapshot,
    DryRun,
}

/// What came of an import: the counts, what `each` was told, the rows.
#[derive(Debug, PartialEq)]
struct End {
    report: String,
    told: Vec<(u64, String, Outcome)>,
    rows: [Vec<String>; 3],
}

/// Imports, and says how often the source was read.
async fn import(
    db: &Db,
    records: &[NewTaxonomy],
    missing: Missing,
    within: Within,
) -> (End, Report<Taxonomy>, usize) {
    let readings = AtomicUsize::new(0);
    let mut told = Vec::new();
    let open = || {
        readings.fetch_add(1, Ordering::Relaxed);
        iter(records.iter().cloned().map(Ok::<_, Error>))
    };
    let import = Taxonomy::import_from(open)
        .chunk_size(2)
        .missing(missing)
        .max_share(1.0)
        .atomic(within == Within::One)
        .dry_run(within == Within::DryRun)
        .each(|index, row: &Taxonomy, outcome| {
            told.push((index, row.slug.clone(), outcome.clone()));
        });
    let report = match within {
        Within::OneEach | Within::One | Within::DryRun => import.run(&db.pool).await,
        Within::Callers => {
            let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
            let report = import.run_in(&mut tx).await;
            tx.commit().await.expect("a commit");
            report
        }
        Within::CallersSnapshot => {
            let mut tx = db.pool.begin().await.expect("begun");
            if Sqlx::TARGET == "postgres" {
                sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    .execute(&mut *tx)
                    .await
                    .expect("a level");
            }
            let report = import.run_in(&mut tx).await;
            tx.commit().await.expect("a commit");
            report
        }
    };
    let report = report.unwrap_or_else(|error| panic!("{within:?}: {error}"));
    told.sort_by_key(|&(index, ..)| index);
    let mut rows = [const { Vec::new() }; 3];
    for (rows, column) in rows.iter_mut().zip(["remote_id", "slug", "name"]) {
        let select = format!("SELECT {column} FROM taxonomy ORDER BY slug");
        *rows = db.texts(&select).await;
    }
    let end = End {
        report: report.to_string(),
        told,
        rows,
    };
    (end, report, readings.into_inner())
}

/// Imports in each way, where the update of the first row does this. Gives the report, and how often the source was read by an
/// import in one transaction.
async fn import_in_each_way(
    db: &Db,
    statements: &str,
    records: &[NewTaxonomy],
    missing: Missing,
) -> (Report<Taxonomy>, usize) {
    let with_rows = async || {
        with_six_rows(db).await;
        on_update_of_the_first(db, statements).await;
    };
    with_rows().await;
    let (by_chunks, report, _) = import(db, records, missing, Within::OneEach).await;
    let failed = report.failed.len() as u64;
    let stored = report.created + report.updated + report.unchanged;
    let all = (report.records, by_chunks.told.len() as u64);
    assert_eq!(all, (stored + report.superseded + failed, stored));
    let mut readings_of_one = 0;
    for within in [Within::One, Within::Callers, Within::CallersSnapshot] {
        with_rows().await;
        let (end, _, readings) = import(db, records, missing, within).await;
        assert_eq!(end, by_chunks, "{within:?}");
        if within == Within::One {
            readings_of_one = readings;
        }
    }
    with_rows().await;
    let (dry, ..) = import(db, records, missing, Within::DryRun).await;
    assert_eq!(dry.report, by_chunks.report);
    assert_eq!(dry.rows[1], ["s0", "s1", "s2", "s3", "s4", "s5"]);
    (report, readings_of_one)
}

async fn later_rows_are_deleted(db: Db) {
    let db = db.locally().await;
    let delete = "DELETE FROM whole WHERE name = 'last'";
    let (report, _) = import_in_each_way(&db, delete, &records(0), Missing::Keep).await;
    let counts = (report.created, report.updated, report.unchanged);
    assert_eq!(counts, (2, 2, 2), "{report}");
}

async fn later_rows_are_renamed(db: Db) {
    let db = db.locally().await;
    let rename =
        "UPDATE word SET slug = 'renamed' WHERE slug = 's5'; INSERT INTO word VALUES ('s5')";
    let (report, readings) = import_in_each_way(&db, rename, &records(0), Missing::Keep).await;
    // The last one would have stayed as it was.
    let counts = (report.created, report.updated, report.unchanged);
    assert_eq!(counts, (0, 4, 2), "{report}");
    // Where there are other writers it is known once the rows are locked first that none of them did it.
    let expected = if Sqlx::TARGET == "sqlite" { 2 } else { 6 };
    assert_eq!(readings, expected);
}

async fn a_missing_row_gets_the_key_of_a_later_record(db: Db) {
    let db = db.locally().await;
    // The fourth row is missing, and would be deleted in the end.
    let mut records = records(1);
    records.remove(3);
    let rename = "DELETE FROM word WHERE slug = 's6'; UPDATE word SET slug = 's6' WHERE slug = 's3'; INSERT INTO word VALUES ('s3')";
    let (report, _) = import_in_each_way(&db, rename, &records, Missing::Delete).await;
    let counts = (report.updated, report.unchanged, report.deleted);
    assert_eq!(counts, (4, 2, 0), "{report}");
}

async fn later_rows_get_the_keys_of_records_without_a_row(db: Db) {
    let db = db.locally().await;
    // The seventh record has a row now, which was the sixth's, and that is found by its other key.
    let rename = "DELETE FROM word WHERE slug = 's6'; UPDATE word SET slug = 's6' WHERE slug = 's5'; INSERT INTO word VALUES ('s5')";
    let (report, _) = import_in_each_way(&db, rename, &records(2), Missing::Keep).await;
    assert_eq!((report.created, report.updated), (2, 4), "{report}");
}

async fn rows_are_created_for_later_records(db: Db) {
    let db = db.locally().await;
    let create = "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r6', 's6', 'new6', 0, 'trigger')";
    let (report, readings) = import_in_each_way(&db, create, &records(2), Missing::Keep).await;
    let counts = (report.created, report.updated, report.unchanged);
    assert_eq!(counts, (1, 3, 4), "{report}");
    // Where others may have created it, it is looked whether it is still there once all is undone.
    let expected = if Sqlx::TARGET == "sqlite" { 2 } else { 8 };
    assert_eq!(readings, expected);
}

/// A page of a book, which names the page that it is under.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(code, (under, title))]
struct Leaf {
    id: i64,
    code: String,
    slug: String,
    under: Option<String>,
    title: String,
}

/// A key that refers to another row's goes with it.
async fn keys_follow_a_foreign_key_to_the_table(db: Db) {
    let leaf = |code: &str, slug: &str, under: Option<&str>| NewLeaf {
        code: code.to_owned(),
        slug: slug.to_owned(),
        under: under.map(str::to_owned),
        title: code.to_owned(),
    };
    let mut ends = Vec::new();
    for atomic in [false, true] {
        db.run(
            "DROP TABLE IF EXISTS leaf; CREATE TABLE leaf (id {id}, code {text} NOT NULL UNIQUE, slug {text} NOT NULL UNIQUE, \
             under {text} REFERENCES leaf (slug) ON UPDATE CASCADE, title {text} NOT NULL, UNIQUE (under, title))",
        )
        .await;
        let before = [
            leaf("a", "old", None),
            leaf("b", "b", Some("old")),
            leaf("c", "c", Some("old")),
        ];
        Leaf::import(before)
            .chunk_size(1)
            .run(&db.pool)
            .await
            .expect("rows");
        let after = [
            leaf("a", "new", None),
            leaf("b", "b", Some("new")),
            leaf("c", "c", Some("new")),
        ];
        let import = Leaf::import(after).chunk_size(1).atomic(atomic);
        let report = import.run(&db.pool).await.expect("an import");
        let under = db.texts("SELECT under FROM leaf ORDER BY code").await;
        ends.push((report.to_string(), under));
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0].1, ["NULL", "new", "new"]);
}

/// In a snapshot that is older than what others have written, it is never said that nobody else did it.
async fn rows_that_others_move_meanwhile(db: Db) {
    with_six_rows(&db).await;
    let pool = in_snapshots_that_go_stale(&db).await;
    let mut tx = pool.begin().await.expect("begun");
    if Sqlx::TARGET == "postgres" {
        let level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        let set = sqlx::raw_sql(level).execute(&mut *tx).await;
        set.expect("a level");
    }
    let seen = sqlx::raw_sql("SELECT * FROM taxonomy")
        .fetch_all(&mut *tx)
        .await;
    assert_eq!(seen.expect("a snapshot").len(), 6);
    db.run("UPDATE taxonomy SET slug = 's6' WHERE slug = 's5'")
        .await;
    // It starts over fifty times, which is why there is no more than a record.
    let import = Taxonomy::import([numbered(5)]);
    let error = import.run_in(&mut tx).await.unwrap_err();
    let Error::Stopped { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Serialization { .. }), "{source}");
    tx.rollback().await.expect("a rollback");
    pool.close().await;
}

/// What moves at each reading is said to be no other writer's doing where there can be none.
async fn rows_that_never_rest(db: Db) {
    db.run(&TAXONOMY.replace("TABLE taxonomy", "TABLE stored"))
        .await;
    db.run(
        "INSERT INTO stored (remote_id, slug, name, uses, source) VALUES ('r0', 's0', 'x', 0, 'x'); \
         CREATE VIEW taxonomy AS SELECT id, remote_id, 's' || random() AS slug, name, description, uses, source, created_at, \
         updated_at FROM stored; \
         CREATE TRIGGER taken INSTEAD OF UPDATE ON taxonomy BEGIN UPDATE stored SET name = new.name WHERE id = new.id; END",
    )
    .await;
    let import = Taxonomy::import([record("r0", "s0")]).atomic(true);
    let error = import.run(&db.pool).await.unwrap_err();
    let Error::Stopped { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Database { .. }), "{source}");
    assert!(
        source.to_string().contains("by no other writer"),
        "{source}"
    );
    assert!(!error.is_retryable());
}
