//! Records that cannot be stored, and imports that cannot go on.

use std::time::Duration;

use upsert_runtime::{Error, LockedUpsert, Missing, OnFailure, Report, Wait};
use upsert_tests::Target;

use super::super::models::{
    NewTaxonomy, TAXONOMY, Taxonomy, Unclaimed, numbered, record, with_rows,
};
use crate::{Db, Sqlx};

tests![
    bad_records_are_found_among_good_ones,
    all_records_are_bad,
    a_bad_record_in_a_set,
    cycles_that_cannot_be_parked,
    a_value_that_cannot_be_sent on ["postgres"],
    two_rows_for_a_key,
    a_row_of_another_record,
    nothing_stays_after_an_abort,
    a_table_that_is_missing,
    a_row_that_stays_locked,
    errors_show_no_value,
    a_record_that_ends_the_transaction on ["sqlite"],
];

/// The table, whose names may not be `bad`.
async fn judging_table(db: &Db) {
    db.run(&TAXONOMY.replace(
        "name {text} NOT NULL",
        "name {text} NOT NULL CHECK (name <> 'bad')",
    ))
    .await;
}

fn indexes(report: &Report<Taxonomy>) -> Vec<u64> {
    report.failed.iter().map(|failure| failure.index).collect()
}

async fn bad_records_are_found_among_good_ones(db: Db) {
    judging_table(&db).await;
    let records = |bad: [usize; 3]| {
        let record = move |n| numbered(n).named(if bad.contains(&n) { "bad" } else { "good" });
        (0..500).map(record)
    };
    let import = Taxonomy::import(records([0, 250, 499])).chunk_size(200);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!((report.created, indexes(&report)), (497, vec![0, 250, 499]));
    for failure in &report.failed {
        let error = &failure.error;
        assert!(error.is_about_record() && !error.is_retryable(), "{error}");
        assert!(matches!(error, Error::Database { .. }), "{error}");
    }
    // Updates too, and in one transaction.
    let import = Taxonomy::import(records([7, 8, 9])).atomic(true);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!((report.created, indexes(&report)), (3, vec![7, 8, 9]));
    let good = "SELECT count(*) FROM taxonomy WHERE name = 'good'";
    assert_eq!(db.number(good).await, 500);
}

async fn all_records_are_bad(db: Db) {
    judging_table(&db).await;
    let records = (0..40).map(|n| numbered(n).named("bad"));
    let report = Taxonomy::import(records).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!((report.records, report.failed.len()), (40, 40));
}

async fn a_bad_record_in_a_set(db: Db) {
    judging_table(&db).await;
    Taxonomy::import((0..10).map(numbered))
        .run(&db.pool)
        .await
        .expect("rows");
    // 0 and 1 exchange their slugs; 2 takes that of 3, 3 that of 4, and so on to 6, and 4 is bad.
    let records = (0..10).map(|n| NewTaxonomy {
        slug: match n {
            0 | 1 => format!("s{}", 1 - n),
            2..=5 => format!("s{}", n + 1),
            6 => "new".to_owned(),
            _ => format!("s{n}"),
        },
        ..numbered(n).named(if n == 4 { "bad" } else { "good" })
    });
    for atomic in [false, true] {
        let import = Taxonomy::import(records.clone())
            .chunk_size(3)
            .atomic(atomic);
        let report = import.run(&db.pool).await.expect("an import");
        // Who needs the slug of a row that stays as it was fails too.
        assert_eq!(indexes(&report), [2, 3, 4], "{report}");
    }
    let slugs = db
        .texts("SELECT slug FROM taxonomy ORDER BY remote_id")
        .await;
    assert_eq!(
        slugs,
        ["s1", "s0", "s2", "s3", "s4", "s6", "new", "s7", "s8", "s9"]
    );
}

async fn cycles_that_cannot_be_parked(db: Db) {
    let db = db.locally().await;
    // No passing value fits.
    db.run(&TAXONOMY.replace(
        "slug {text} NOT NULL UNIQUE",
        "slug {text} NOT NULL UNIQUE CHECK (slug NOT LIKE 'upsert%')",
    ))
    .await;
    Taxonomy::import((0..302).map(numbered))
        .run(&db.pool)
        .await
        .expect("rows");
    // A hundred and fifty pairs that exchange their slugs, and two that do not.
    let records = (0..302).map(|n| NewTaxonomy {
        slug: format!("s{}", if n < 300 { n ^ 1 } else { n }),
        ..numbered(n).named("changed")
    });
    let report = Taxonomy::import(records)
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!(report.updated, 2, "{report}");
    assert_eq!(indexes(&report), (0..300).collect::<Vec<_>>());
    for failure in &report.failed {
        let error = &failure.error;
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
    }
}

async fn a_value_that_cannot_be_sent(db: Db) {
    db.run(TAXONOMY).await;
    let mut records: Vec<_> = (0..10).map(numbered).collect();
    // A null byte in a key is refused when it is looked up, in another column when it is written.
    records[3].slug = "a\0b".into();
    records[6].name = "a\0b".into();
    let report = Taxonomy::import(records)
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!(
        (report.created, indexes(&report)),
        (8, vec![3, 6]),
        "{report}"
    );
}

async fn two_rows_for_a_key(db: Db) {
    db.run(&TAXONOMY.replace("slug {text} NOT NULL UNIQUE", "slug {text} NOT NULL"))
        .await;
    db.run("INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r1', 's1', 'x', 0, 'x'), ('r2', 's1', 'y', 0, 'x')")
        .await;
    // It asks for a key only if no earlier one finds a row.
    let records = [
        numbered(1).named("changed"),
        NewTaxonomy {
            slug: "s1".into(),
            ..numbered(2).named("changed")
        },
        NewTaxonomy {
            slug: "s1".into(),
            ..numbered(3)
        },
        record(None, "s1"),
        numbered(4),
    ];
    for written in [(1, 2), (0, 0)] {
        let import = Taxonomy::import(records.clone())
            .missing(Missing::Delete)
            .chunk_size(2);
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!(
            (report.created, report.updated, indexes(&report)),
            (written.0, written.1, vec![2, 3]),
            "{report}"
        );
        for failure in &report.failed {
            let error = &failure.error;
            assert!(matches!(error, Error::Ambiguous { .. }), "{error}");
        }
    }
}

async fn a_row_of_another_record(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let new = |remote_id: &str, slug: &str| super::super::models::NewUnclaimed {
        remote_id: Some(remote_id.to_owned()),
        slug: slug.to_owned(),
        name: "n".to_owned(),
        uses: 0,
        source: "x".to_owned(),
    };
    let records = [new("r9", "rock"), new("r8", "pop")];
    let report = Unclaimed::import(records)
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!((report.created, report.failed.len()), (1, 1));
    assert!(matches!(
        report.failed[0].error,
        Error::IdentityConflict {
            matched_by: "slug",
            claimed_by: "remote_id",
            ..
        }
    ));
}

async fn nothing_stays_after_an_abort(db: Db) {
    judging_table(&db).await;
    let records = (0..50).map(|n| numbered(n).named(if n == 30 { "bad" } else { "good" }));
    let import = Taxonomy::import(records)
        .on_failure(OnFailure::Abort)
        .chunk_size(10);
    let error = import.run(&db.pool).await.unwrap_err();
    match &error {
        Error::Aborted { failure } => assert_eq!(failure.index, 30),
        other => panic!("{other}"),
    }
    assert!(error.to_string().contains("record 30"), "{error}");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 0);
}

async fn a_table_that_is_missing(db: Db) {
    let error = Taxonomy::import((0..3).map(numbered))
        .run(&db.pool)
        .await
        .unwrap_err();
    let Error::Stopped { report, source } = &error else {
        panic!("{error}");
    };
    assert_eq!(report.records, 0);
    assert!(matches!(**source, Error::Database { .. }), "{source}");
    assert!(error.to_string().contains("taxonomy"), "{error}");
}

async fn a_row_that_stays_locked(db: Db) {
    let rows = with_rows(&db, (0..30).map(numbered)).await;
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let held = Taxonomy::lock().by_id(&mut holder, rows[25].id).await;
    drop(held.expect("a lock"));
    let records = || (0..30).map(|n| numbered(n).named("changed"));
    // What was committed before is counted. SQLite has one lock only.
    let committed = if Sqlx::TARGET == "sqlite" { 0 } else { 20 };
    for (wait, updated) in [
        (Wait::NoWait, committed),
        (Wait::AtMost(Duration::from_millis(50)), 0),
    ] {
        let import = Taxonomy::import(records()).chunk_size(10).wait(wait);
        let error = import.run(&db.pool).await.unwrap_err();
        let Error::Stopped { report, source } = &error else {
            panic!("{error}");
        };
        let is_told = match wait {
            Wait::NoWait => matches!(**source, Error::Locked { .. }),
            _ => matches!(**source, Error::LockTimeout { .. }),
        };
        assert!(is_told && error.is_retryable(), "{source}");
        let counts = (report.updated, report.records);
        assert_eq!(counts, (updated, committed), "{report}");
    }
    holder.rollback().await.expect("a rollback");
    let changed = "SELECT count(*) FROM taxonomy WHERE name = 'changed'";
    assert_eq!(db.number(changed).await.cast_unsigned(), committed);
    let report = Taxonomy::import(records())
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!(report.unchanged, committed);
}

async fn errors_show_no_value(db: Db) {
    judging_table(&db).await;
    db.run("INSERT INTO taxonomy (slug, name, uses, source) VALUES ('SECRET', 'x', 0, 'x')")
        .await;
    let records = [
        numbered(1).named("bad"),
        NewTaxonomy {
            uses: 1,
            source: "SECRET".repeat(60),
            ..numbered(2)
        },
        NewTaxonomy {
            slug: "SECRET".to_owned(),
            ..numbered(3)
        },
        NewTaxonomy {
            slug: "SECRET".to_owned(),
            ..record(None, "x")
        },
    ];
    let (report, log) = super::super::log::logged(Taxonomy::import(records).run(&db.pool)).await;
    let report = report.expect("an import");
    for text in [format!("{report}"), format!("{:?}", report.failed), log] {
        assert!(!text.contains("SECRET"), "{text}");
    }
}

/// It would do so again, and what came before it is gone.
async fn a_record_that_ends_the_transaction(db: Db) {
    with_rows(&db, []).await;
    db.run(
        "CREATE TRIGGER judge BEFORE INSERT ON taxonomy WHEN new.name = 'bad' \
         BEGIN SELECT RAISE(ROLLBACK, 'SECRET'); END",
    )
    .await;
    let records = || [numbered(0), numbered(1).named("bad"), numbered(2)];
    for (size, whose) in [(1, "by record 1;"), (10, "by one of the records 0 to 2;")] {
        let import = Taxonomy::import(records()).atomic(true).chunk_size(size);
        let error = import.run(&db.pool).await.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_retryable(), "{text}");
        let words = "create: SQLite refused it (1811), and has ended the whole transaction, ";
        assert!(text.contains(&format!("{words}{whose}")), "{text}");
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 0);
    }
    let report = Taxonomy::import(records()).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!((report.created, indexes(&report)), (2, vec![1]));
}
