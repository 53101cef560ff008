//! Rows that were planned with and are gone when their chunk is written: their records are told all the same.

use tokio::runtime::Handle;
use tokio::task::block_in_place;
use upsert_runtime::{LockedUpsert, Progress, Report};
use upsert_tests::Target;

use super::super::models::{NewTaxonomy, Taxonomy, numbered, with_rows};
use crate::{Db, Sqlx};

tests![
    a_row_of_a_later_chunk_is_deleted_by_others,
    a_row_is_deleted_by_a_trigger on ["postgres", "sqlite"],
];

/// Each record is one of these.
fn assert_adds_up(report: &Report<Taxonomy>) {
    let failed = report.failed.len() as u64;
    let told = report.created + report.updated + report.unchanged + report.superseded + failed;
    assert_eq!((report.records, told), (6, 6), "{report}");
}

/// Six records, of which some change their rows.
fn records(changes: fn(u32) -> bool) -> impl Iterator<Item = NewTaxonomy> {
    let name = move |n| format!("{}{n}", if changes(n) { "new" } else { "s" });
    (0..6).map(move |n| numbered(n).named(&name(n)))
}

async fn slugs(db: &Db) -> Vec<String> {
    db.texts("SELECT slug FROM taxonomy ORDER BY slug").await
}

async fn a_row_of_a_later_chunk_is_deleted_by_others(db: Db) {
    // One, both of a chunk, and all that are left.
    for (chunk, gone, created) in [
        (1, "'s4'", 1),
        (2, "'s4', 's5'", 2),
        (2, "'s2', 's3', 's4', 's5'", 4),
    ] {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        with_rows(&db, (0..6).map(numbered)).await;
        let progress = |so_far: &Progress| {
            if so_far.records == chunk {
                let delete = format!("DELETE FROM taxonomy WHERE slug IN ({gone})");
                block_in_place(|| Handle::current().block_on(db.run(&delete)));
            }
        };
        let import = Taxonomy::import(records(|_| true))
            .chunk_size(usize::try_from(chunk).unwrap())
            .progress(progress);
        let report = import.run(&db.pool).await.expect("an import");
        assert_adds_up(&report);
        assert_eq!(report.created, created, "{report}");
        assert_eq!(slugs(&db).await.len(), 6);
    }
}

/// The update of one row deletes others: by a trigger of the table's, such as one that keeps it small.
async fn a_row_is_deleted_by_a_trigger(db: Db) {
    with_rows(&db, (0..6).map(numbered)).await;
    let delete = "DELETE FROM taxonomy WHERE slug IN ('s4', 's5')";
    db.run(&match Sqlx::TARGET {
        "postgres" => format!(
            "CREATE FUNCTION prune() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {delete}; RETURN NULL; END $$; \
             CREATE TRIGGER prune AFTER UPDATE ON taxonomy FOR EACH ROW WHEN (new.slug = 's0') EXECUTE FUNCTION prune()"
        ),
        _ => format!(
            "CREATE TRIGGER prune AFTER UPDATE ON taxonomy WHEN new.slug = 's0' BEGIN {delete}; END"
        ),
    })
    .await;
    // One that would change, and one that would not.
    let import = Taxonomy::import(records(|n| n.is_multiple_of(2))).chunk_size(2);
    let report = import.run(&db.pool).await.expect("an import");
    assert_adds_up(&report);
    assert_eq!((report.created, slugs(&db).await.len()), (2, 6), "{report}");
}
