//! What columns call equal, and which texts they can hold.

use upsert_runtime::{Error, LockedUpsert, Report};

use super::super::models::{TAXONOMY, Taxonomy, numbered, record};
use crate::Db;

tests![
    a_collation_of_which_nothing_is_known on ["postgres"],
    a_column_that_ignores_case_and_a_field_that_does_not on ["postgres"],
    a_column_that_ignores_spaces_at_the_end on ["sqlite"],
    a_text_that_the_column_cannot_hold on ["mysql"],
];

fn indexes(report: &Report<Taxonomy>) -> Vec<u64> {
    report.failed.iter().map(|failure| failure.index).collect()
}

async fn a_column_that_ignores_spaces_at_the_end(db: Db) {
    db.run(&TAXONOMY.replace("slug {text}", "slug text COLLATE RTRIM"))
        .await;
    let records = ["a", "a ", "b", " b", "b  "].map(|slug| record(None, slug));
    let report = Taxonomy::import(records).chunk_size(2).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!((report.created, report.superseded), (3, 2), "{report}");
    let report = Taxonomy::import([record(None, "a"), record(None, "b  ")]);
    let report = report.run(&db.pool).await.expect("an import");
    assert_eq!((report.updated, report.unchanged), (1, 1), "{report}");
}

async fn a_collation_of_which_nothing_is_known(db: Db) {
    db.run("CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        .await;
    db.run(&TAXONOMY.replace(
        "slug {text} NOT NULL UNIQUE",
        "slug {text} COLLATE ignoring_case NOT NULL UNIQUE",
    ))
    .await;
    let records = [numbered(1), record(None, "S1"), numbered(2)];
    let import = Taxonomy::import(records).chunk_size(1);
    let error = import.run(&db.pool).await.unwrap_err();
    let Error::Stopped { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Unsupported { .. }), "{source}");
    assert!(error.to_string().contains("collation"), "{error}");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 0);
}

async fn a_column_that_ignores_case_and_a_field_that_does_not(db: Db) {
    db.run("CREATE EXTENSION citext").await;
    db.run(&TAXONOMY.replace("slug {text}", "slug citext"))
        .await;
    let import = Taxonomy::import((0..4).map(numbered));
    import.run(&db.pool).await.expect("rows");
    let mut records: Vec<_> = (0..6).map(numbered).collect();
    records[1].name = "changed".into();
    records[4].slug = "S0".into();
    let report = Taxonomy::import(records).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!(
        (report.created, report.updated, indexes(&report)),
        (1, 1, vec![4]),
        "{report}"
    );
    let error = &report.failed[0].error;
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

/// Texts that the columns' character sets do not have: in a key, in another column, in one that is updated.
async fn a_text_that_the_column_cannot_hold(db: Db) {
    let table = TAXONOMY.replace(
        "slug {text}",
        "slug varchar(190) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci",
    );
    let table = table.replace("name {text}", "name varchar(190) CHARACTER SET latin1");
    db.run(&table).await;
    let mut records: Vec<_> = (0..10).map(numbered).collect();
    records[3].slug = "a\u{1f600}".into();
    records[6].name = "b\u{1f600}".into();
    for atomic in [false, true] {
        let import = Taxonomy::import(records.clone()).atomic(atomic);
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!(indexes(&report), [3, 6], "{report}");
        let error = format!("{:?}", report.failed);
        assert!(!error.contains('\u{1f600}'), "{error}");
    }
    records[8].name = "c\u{1f600}".into();
    records[9].name = "changed".into();
    let report = Taxonomy::import(records).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!(
        (report.updated, indexes(&report)),
        (1, vec![3, 6, 8]),
        "{report}"
    );
}
