//! Values that are larger than the database or the way to it takes: it is the record that fails, for good.

use upsert_runtime::{Error, LockedUpsert, Report};
use upsert_tests::Target;

use super::models::{NewTaxonomy, TAXONOMY, Taxonomy, TaxonomyChanges, numbered, with_rows};
use crate::{Db, Sqlx};

tests![
    a_value_that_no_packet_takes on ["mysql"],
    a_chunk_that_no_packet_takes on ["mysql"],
    a_value_that_the_database_does_not_take,
];

/// How many bytes the server takes at once.
async fn most(db: &Db) -> usize {
    let most = db.number("SELECT @@max_allowed_packet").await;
    most.try_into().expect("a size")
}

/// The record with so many bytes in it.
fn large(n: usize, bytes: usize) -> NewTaxonomy {
    NewTaxonomy {
        description: Some("x".repeat(bytes)),
        ..numbered(n)
    }
}

fn assert_is_too_large(error: &Error) {
    assert!(matches!(error, Error::Database { .. }), "{error}");
    assert!(error.is_about_record() && !error.is_retryable(), "{error}");
    assert!(!error.to_string().contains("xxx"), "it shows the value");
}

/// The numbers of the records that failed, each for what is too large in it.
fn failed(report: &Report<Taxonomy>) -> Vec<u64> {
    let failed = report.failed.iter();
    failed
        .map(|failure| {
            assert_is_too_large(&failure.error);
            failure.index
        })
        .collect()
}

/// The server would close the connection, and a call would try again on one connection after the other.
async fn a_value_that_no_packet_takes(db: Db) {
    with_rows(&db, [numbered(0)]).await;
    let most = most(&db).await;
    let pool = db.pool_of(1).await;
    let session = "SELECT CAST(CONNECTION_ID() AS CHAR)".to_owned();
    let before = Sqlx::texts(&pool, session.clone()).await;
    let is_told = |error: Error| {
        assert_is_too_large(&error);
        let text = error.to_string();
        assert!(text.contains("`max_allowed_packet`"), "{text}");
    };
    // Created, updated, updated by a closure.
    for n in [1, 0] {
        let call = Taxonomy::upsert(large(n, most)).run(&pool).await;
        is_told(call.unwrap_err());
    }
    let changes = |_: &Taxonomy| TaxonomyChanges::new().description(Some("x".repeat(most)));
    let modify = Taxonomy::modify().by_slug(&pool, "s0", changes).await;
    is_told(modify.unwrap_err());
    // In a transaction of the caller's, which goes on.
    let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    let earlier = Taxonomy::upsert(numbered(2)).run_in(&mut tx).await;
    earlier.expect("an upsert");
    is_told(
        Taxonomy::upsert(large(3, most))
            .run_in(&mut tx)
            .await
            .unwrap_err(),
    );
    let lock = Taxonomy::lock().by_slug(&mut tx, "s2").await;
    let mut row = lock.expect("a lock").expect("a row");
    let update = row.update_description(Some("x".repeat(most))).await;
    is_told(update.unwrap_err());
    assert!(row.update_name("after").await.expect("an update"));
    tx.commit().await.expect("a commit");
    assert_eq!(
        db.texts("SELECT concat(name, coalesce(description, '')) FROM taxonomy ORDER BY id")
            .await,
        ["s0", "after"]
    );
    // It never lost its connection.
    assert_eq!(Sqlx::texts(&pool, session).await, before);
    pool.close().await;
}

async fn a_chunk_that_no_packet_takes(db: Db) {
    with_rows(&db, [numbered(0)]).await;
    let most = most(&db).await;
    for atomic in [false, true] {
        // Each but one fits, and no three of them do.
        let sizes = [10, 2 * most / 5, most, 2 * most / 5, 2 * most / 5, 10];
        let records = sizes.into_iter().enumerate();
        let records = records.map(|(n, bytes)| large(n, bytes));
        let import = Taxonomy::import(records.collect::<Vec<_>>()).atomic(atomic);
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!(failed(&report), [2], "{report}");
        let stored = "SELECT concat(slug, ' ', length(description)) FROM taxonomy ORDER BY slug";
        let mut expected = Vec::new();
        for n in [0, 1, 3, 4, 5] {
            expected.push(format!("s{n} {}", sizes[n]));
        }
        assert_eq!(db.texts(stored).await, expected, "{report}");
        // In the other attempt one row more is updated.
        db.run("DELETE FROM taxonomy WHERE slug = 's1'").await;
        db.run("UPDATE taxonomy SET description = NULL").await;
    }
}

/// A key that no page of an index holds, a row that no page holds, what a function makes of a value.
async fn a_value_that_the_database_does_not_take(db: Db) {
    db.run(TAXONOMY).await;
    let mut records = [0, 1, 2].map(numbered);
    match Sqlx::TARGET {
        "postgres" => {
            // What repeats itself is compressed.
            for n in 0..4_000_u64 {
                let digits = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                records[1].slug.push_str(&digits.to_string());
            }
        }
        "mysql" => {
            // Of a column 768 bytes stay in the page.
            let columns =
                (0..12).map(|n| format!("c{n} longtext GENERATED ALWAYS AS (description) STORED"));
            let columns = columns.collect::<Vec<_>>().join(", ");
            db.run("DROP TABLE taxonomy").await;
            let table = TAXONOMY.replace(
                "updated_at {now})",
                &format!("updated_at {{now}}, {columns})"),
            );
            db.run(&format!(
                "SET innodb_strict_mode = OFF; {table} ROW_FORMAT = COMPACT; SET innodb_strict_mode = DEFAULT"
            ))
            .await;
            records[1].description = Some("x".repeat(1_000));
        }
        _ => {
            db.run(
                "CREATE TRIGGER fill BEFORE INSERT ON taxonomy WHEN new.slug = 's1' BEGIN \
                 SELECT length(zeroblob(2000000000)); END",
            )
            .await;
        }
    }
    let call = Taxonomy::upsert(records[1].clone()).run(&db.pool).await;
    assert_is_too_large(&call.unwrap_err());
    for atomic in [false, true] {
        let import = Taxonomy::import(records.clone()).atomic(atomic);
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!(failed(&report), [1], "{report}");
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 2);
    }
}
