//! Constraints that are checked at the end of a transaction, and whose refusal is no statement's.

use upsert_runtime::{Error, LockedUpsert, Operation, Report};

use super::super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered};
use upsert_tests::Target;

use crate::{Db, Sqlx};

tests![
    the_record_at_fault_is_found on ["postgres"],
    the_record_at_fault_is_found_in_a_component on ["postgres", "sqlite"],
    an_upsert_says_what_refused_it on ["postgres"],
];

/// What `uses` refers to is looked for at the end, and so is another row with the name.
async fn deferring_table(db: &Db) {
    db.run("CREATE TABLE owner (id bigint PRIMARY KEY); INSERT INTO owner VALUES (0), (1)")
        .await;
    let with_owner = TAXONOMY.replace(
        "uses bigint NOT NULL",
        "uses bigint NOT NULL CONSTRAINT has_owner REFERENCES owner (id) DEFERRABLE INITIALLY DEFERRED",
    );
    // SQLite defers foreign keys alone.
    db.run(&if Sqlx::TARGET == "sqlite" {
        with_owner
    } else {
        with_owner.replace(
            "name {text} NOT NULL",
            "name {text} NOT NULL CONSTRAINT one_name UNIQUE DEFERRABLE INITIALLY DEFERRED",
        )
    })
    .await;
    let rows = Taxonomy::import((0..20).map(numbered));
    rows.run(&db.pool).await.expect("rows");
}

fn failed(report: &Report<Taxonomy>) -> Vec<u64> {
    report.failed.iter().map(|failure| failure.index).collect()
}

async fn the_record_at_fault_is_found(db: Db) {
    deferring_table(&db).await;
    let mut records: Vec<_> = (0..30).map(numbered).collect();
    records[3].uses = 99;
    records[25].name = "s4".into();
    let report = Taxonomy::import(records).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!(
        (failed(&report), report.created),
        (vec![3, 25], 9),
        "{report}"
    );
    assert!(
        matches!(&report.failed[1].error, Error::Conflict { constraint: Some(name), .. } if name == "one_name")
    );
    assert!(
        report.failed[0].to_string().contains("has_owner"),
        "{report}"
    );
}

/// Records that must be written together are refused together, by the COMMIT.
async fn the_record_at_fault_is_found_in_a_component(db: Db) {
    deferring_table(&db).await;
    // Each takes the slug of the next one, and the names go round, which is refused only while it lasts.
    let ring = |n: u32| NewTaxonomy {
        slug: format!("s{}", (n + 1) % 6),
        ..numbered(n).named(&format!("s{}", (n + 1) % 6))
    };
    let report = Taxonomy::import((0..6).map(ring)).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!((report.updated, report.failed.len()), (6, 0), "{report}");
    for wrong in 0..3_usize {
        // A chain: 10 gets a new slug, 11 that of 10, and so on.
        let chain = |n: u32| NewTaxonomy {
            slug: format!(
                "s{}",
                if n == 10 {
                    90 + u32::try_from(wrong).unwrap()
                } else {
                    n - 1
                }
            ),
            ..numbered(n).named(&format!("{wrong} {n}"))
        };
        let mut records: Vec<_> = (10..13).map(chain).collect();
        records[wrong].uses = 99;
        let report = Taxonomy::import(records).run(&db.pool).await;
        let report = report.expect("an import");
        let error = |place: usize| &report.failed[place].error;
        // Who needs the slug of a row that stays as it was fails, too, and says so.
        let named = if Sqlx::TARGET == "sqlite" {
            "FOREIGN KEY"
        } else {
            "has_owner"
        };
        let culprit = report
            .failed
            .iter()
            .find(|failure| failure.to_string().contains(named));
        assert_eq!(
            culprit.map(|failure| failure.index),
            Some(wrong as u64),
            "{report}"
        );
        for place in 0..report.failed.len() {
            let is_conflict = matches!(error(place), Error::Conflict { .. });
            assert_eq!(
                is_conflict,
                report.failed[place].index != wrong as u64,
                "{report}"
            );
        }
        assert_eq!(report.failed.len(), 3 - wrong, "{report}");
        // As they were.
        for slug in ["'free' || id", "'s' || substr(remote_id, 2)"] {
            db.run(&format!(
                "UPDATE taxonomy SET slug = {slug}, name = {slug} WHERE remote_id IN ('r10', 'r11', 'r12')"
            ))
            .await;
        }
    }
}

async fn an_upsert_says_what_refused_it(db: Db) {
    deferring_table(&db).await;
    let upsert = |new: NewTaxonomy| Taxonomy::upsert(new).run(&db.pool);
    let error = upsert(numbered(1).named("s4")).await.unwrap_err();
    let Error::Conflict { at, constraint, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(at.operation, Operation::Commit);
    assert_eq!(constraint.as_deref(), Some("one_name"));
    assert!(
        error.to_string().contains("at the end of the transaction"),
        "{error}"
    );
    let error = upsert(NewTaxonomy {
        uses: 99,
        ..numbered(1)
    })
    .await
    .unwrap_err();
    assert!(error.is_about_record(), "{error}");
    assert!(error.to_string().contains("has_owner"), "{error}");
    assert!(
        error.to_string().contains("at the end of the transaction"),
        "{error}"
    );
}
