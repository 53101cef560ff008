//! What columns call equal, and which texts they can hold.

use std::str::FromStr;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Sqlite, SqlitePool};
use upsert_runtime::{Error, LockedUpsert, Outcome, Report};
use upsert_tests::Target;

use super::super::models::{TAXONOMY, Taxonomy, numbered, record};
use crate::Db;

tests![
    a_collation_of_the_programs_own on ["sqlite"],
    a_column_that_ignores_case_and_a_field_that_does_not on ["postgres"],
    a_column_that_ignores_spaces_at_the_end on ["sqlite"],
    a_collation_of_several_levels on ["mysql"],
    a_collation_that_no_weights_tell on ["mysql"],
    a_text_that_the_column_cannot_hold on ["mysql"],
];

fn indexes(report: &Report<Taxonomy>) -> Vec<u64> {
    report.failed.iter().map(|failure| failure.index).collect()
}

async fn a_column_that_ignores_spaces_at_the_end(db: Db) {
    for collation in ["RTRIM", "rtrim"] {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        let slug = format!("slug text COLLATE {collation}");
        db.run(&TAXONOMY.replace("slug {text}", &slug)).await;
        let records = ["a", "a ", "b", " b", "b  "].map(|slug| record(None, slug));
        let report = Taxonomy::import(records).chunk_size(2).run(&db.pool).await;
        let report = report.expect("an import");
        assert_eq!((report.created, report.superseded), (3, 2), "{report}");
        let report = Taxonomy::import([record(None, "a"), record(None, "b  ")]);
        let report = report.run(&db.pool).await.expect("an import");
        assert_eq!((report.updated, report.unchanged), (1, 1), "{report}");
    }
}

/// Such as weigh a text on several levels: a space at its end stands in the middle of what it weighs.
async fn a_collation_of_several_levels(db: Db) {
    for collation in [
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_thai_520_w2",
        "CHARACTER SET cp1250 COLLATE cp1250_czech_cs",
        "/*M!101000 CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_as_cs */",
    ] {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        let slug = format!("slug varchar(190) {collation}");
        db.run(&TAXONOMY.replace("slug {text}", &slug)).await;
        for (created, others) in [(3, 1), (0, 4)] {
            let records = ["soul", "a ", "jazz", "soul  "].map(|slug| record(None, slug));
            let report = Taxonomy::import(records).chunk_size(1).run(&db.pool).await;
            let report = report.unwrap_or_else(|error| panic!("{collation}: {error}"));
            let told = report.superseded + report.unchanged + report.updated;
            assert_eq!((report.created, told), (created, others), "{report}");
        }
    }
}

/// Some weights are not what the collation compares. It is said before anything is written.
async fn a_collation_that_no_weights_tell(db: Db) {
    for collation in [
        "CHARACTER SET big5",
        "/*M!101000 CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_cs */",
    ] {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        let slug = format!("slug varchar(190) {collation}");
        db.run(&TAXONOMY.replace("slug {text}", &slug)).await;
        if !collation.starts_with("CHARACTER") && !is_mariadb(&db).await {
            continue;
        }
        let import = Taxonomy::import([numbered(1), numbered(2)]).chunk_size(1);
        let text = import.run(&db.pool).await.unwrap_err().to_string();
        assert!(text.contains("before that: 0 records"), "{text}");
        assert!(text.contains("cannot be told beforehand"), "{text}");
    }
}

async fn is_mariadb(db: &Db) -> bool {
    db.texts("SELECT VERSION()").await[0].contains("MariaDB")
}

/// There is nothing that it compares but itself, and nobody but the program knows how.
async fn a_collation_of_the_programs_own(db: Db) {
    let options = SqliteConnectOptions::from_str(&db.url()).expect("a path");
    let options = options.collation("BACKWARDS", |one, other| {
        one.chars().rev().cmp(other.chars().rev())
    });
    let pool = SqlitePool::connect_with(options).await.expect("a pool");
    for name in ["slug", "Slug"] {
        let table = TAXONOMY.replace("slug {text}", &format!("{name} text COLLATE backwards"));
        let table = "DROP TABLE IF EXISTS taxonomy; ".to_owned() + &Sqlite::spell(&table);
        let made = sqlx::raw_sql(AssertSqlSafe(table)).execute(&pool).await;
        made.expect("a table");
        for import in [
            Taxonomy::import([numbered(1)]),
            Taxonomy::import([numbered(1)]).dry_run(true),
        ] {
            let error = import.run(&pool).await.unwrap_err();
            let Error::Stopped { source, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(
                source.to_string(),
                "`Taxonomy`: SQLite does not support an import by a key of which it cannot be told beforehand which values are equal"
            );
        }
    }
    let done = Taxonomy::upsert(record(None, "s1")).run(&pool).await;
    assert_eq!(done.expect("an upsert").outcome, Outcome::Created);
    pool.close().await;
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
