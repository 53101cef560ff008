//! Values that differ for Rust or byte for byte, and are the same for the database.

use upsert_runtime::{LockedUpsert, Outcome};
use upsert_tests::Target;

use super::log::logged;
use crate::{Db, Sqlx};

tests![
    what_is_no_number_does_not_change on ["postgres", "sqlite"],
    a_key_that_is_spelled_in_two_ways_is_told_once,
];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(name)]
struct Measure {
    id: i64,
    name: String,
    /// SQLite stores NULL for what is no number.
    value: Option<f64>,
    again: Option<f32>,
}

async fn what_is_no_number_does_not_change(db: Db) {
    let (double, real) = match Sqlx::TARGET {
        "postgres" => ("double precision", "real"),
        _ => ("real", "real"),
    };
    db.run(&format!(
        "CREATE TABLE measure (id {{id}}, name {{text}} NOT NULL UNIQUE, value {double}, again {real})"
    ))
    .await;
    let new = |name: &str| NewMeasure {
        name: name.into(),
        value: Some(f64::NAN),
        again: Some(f32::NAN),
    };
    let upsert = || Measure::upsert(new("a")).run(&db.pool);
    assert_eq!(upsert().await.expect("a row").outcome, Outcome::Created);
    let unchanged = Outcome::Unchanged { matched_by: "name" };
    assert_eq!(upsert().await.expect("a row").outcome, unchanged);
    let import = || Measure::import([new("a"), new("b")]).run(&db.pool);
    assert_eq!(import().await.expect("an import").created, 1);
    let report = import().await.expect("an import");
    assert_eq!((report.unchanged, report.updated), (2, 0), "{report}");
    let modified = Measure::modify().by_name(&db.pool, "a", |_| MeasureChanges::from(new("a")));
    let modified = modified.await.expect("a modify").expect("a row");
    assert_eq!(modified.outcome, unchanged);
    let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
    let row = Measure::lock().by_name(&mut tx, "a").await;
    let mut row = row.expect("a lock").expect("a row");
    assert!(!row.update_value(Some(f64::NAN)).await.expect("a look"));
    row.set_value(Some(f64::NAN)).set_again(Some(f32::NAN));
    assert!(row.save().await.expect("a look").is_empty());
    // Another number is another one.
    assert!(row.update_value(Some(1.0)).await.expect("a write"));
    assert!(row.update_value(Some(f64::NAN)).await.expect("a write"));
    tx.commit().await.expect("a commit");
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(code)]
struct Spelled {
    id: i64,
    code: String,
    name: String,
}

/// The same in another table, for an import.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "spelled")]
#[lookup(name, code)]
struct Imported {
    id: i64,
    code: String,
    name: String,
}

/// A table whose codes are the same in small letters and in large ones.
async fn spelled(db: &Db) {
    let collation = match Sqlx::TARGET {
        "postgres" => {
            db.run("CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
                .await;
            "text COLLATE nocase"
        }
        "mysql" => "varchar(190) character set utf8mb4 collate utf8mb4_general_ci",
        _ => "text COLLATE NOCASE",
    };
    db.run(&format!(
        "CREATE TABLE spelled (id {{id}}, code {collation} NOT NULL UNIQUE, name {{text}} NOT NULL UNIQUE)"
    ))
    .await;
}

/// The lines that warn.
fn warnings(log: &str) -> Vec<&str> {
    let lines = log.lines().filter(|line| line.contains("WARN"));
    // SQLx warns of slow statements.
    lines
        .filter(|line| line.contains("upsert_runtime"))
        .collect()
}

async fn a_key_that_is_spelled_in_two_ways_is_told_once(db: Db) {
    spelled(&db).await;
    let upsert = |code: &str| {
        let new = NewSpelled {
            code: code.into(),
            name: "a".into(),
        };
        Spelled::upsert(new).run(&db.pool)
    };
    let ((), log) = logged(async {
        for code in ["Secret", "Secret", "SECRET", "secret", "SECRET"] {
            upsert(code).await.expect("an upsert");
        }
    })
    .await;
    let [warning] = &warnings(&log)[..] else {
        panic!("{log}")
    };
    assert!(
        warning.contains("Spelled") && warning.contains("code"),
        "{warning}"
    );
    assert!(!log.to_lowercase().contains("secret"), "{log}");
    let import = |code: &str| {
        let new = NewImported {
            code: code.into(),
            name: "a".into(),
        };
        Imported::import([new]).run(&db.pool)
    };
    let ((), log) = logged(async {
        for code in ["Secret", "secret", "SECRET", "other", "SECRET"] {
            import(code).await.expect("an import");
        }
    })
    .await;
    let [warning] = &warnings(&log)[..] else {
        panic!("{log}")
    };
    assert!(
        warning.contains("Imported") && warning.contains("code"),
        "{warning}"
    );
    assert!(!log.to_lowercase().contains("secret"), "{log}");
}
