//! Columns whose types do not fit the fields, and such as do.

use sqlx::types::chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::{Json, Uuid};
use upsert_runtime::{Error, LockedUpsert, Missing};
use upsert_tests::Target;

use crate::{Db, Sqlx};

tests![
    a_column_that_cannot_be_read,
    columns_that_can_be_read,
    a_number_in_a_column_of_texts on ["sqlite"],
];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Gauge {
    id: i64,
    slug: String,
    #[sqlx(rename = "the level")]
    level: i64,
}

fn gauges() -> Vec<NewGauge> {
    let gauge = |n: i64| NewGauge {
        slug: format!("g{n}"),
        level: n,
    };
    (0..5).map(gauge).collect()
}

/// It would be written, and never read.
async fn a_column_that_cannot_be_read(db: Db) {
    let (level, called) = match Sqlx::TARGET {
        "postgres" => ("integer", "INT4"),
        "mysql" => ("int unsigned", "INT UNSIGNED"),
        _ => ("text", "TEXT"),
    };
    let name = if Sqlx::TARGET == "postgres" {
        "\"the level\""
    } else {
        "`the level`"
    };
    db.run(&format!(
        "CREATE TABLE gauge (id {{id}}, slug {{text}} NOT NULL UNIQUE, {name} {level} NOT NULL)"
    ))
    .await;
    let expected = format!(
        "`Gauge`: checking the columns: column `level`: SQL type `{called}` cannot be read as `i64`"
    );
    for import in [
        Gauge::import(gauges()),
        Gauge::import(gauges()).dry_run(true),
        Gauge::import(gauges()).atomic(true),
        Gauge::import(gauges()).missing(Missing::Delete),
        Gauge::import(Vec::<NewGauge>::new()),
    ] {
        let error = import.run(&db.pool).await.unwrap_err();
        let Error::Stopped { source, report } = &error else {
            panic!("{error}");
        };
        assert_eq!(source.to_string(), expected);
        assert!(!source.is_about_record() && !source.is_retryable());
        assert_eq!(report.records, 0, "{report}");
        assert_eq!(db.number("SELECT count(*) FROM gauge").await, 0);
    }
    // In the caller's transaction, which goes on.
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let error = Gauge::import(gauges()).run_in(&mut tx).await.unwrap_err();
    assert!(error.to_string().contains(&expected), "{error}");
    tx.commit().await.expect("a commit");
    // Once it fits, it is imported, on the same connections too.
    let alter = match Sqlx::TARGET {
        "postgres" => "ALTER TABLE gauge ALTER COLUMN \"the level\" TYPE bigint",
        "mysql" => "ALTER TABLE gauge MODIFY `the level` bigint NOT NULL",
        _ => {
            "ALTER TABLE gauge DROP COLUMN `the level`; ALTER TABLE gauge ADD COLUMN `the level` integer"
        }
    };
    db.run(alter).await;
    let report = Gauge::import(gauges()).run(&db.pool).await;
    assert_eq!(report.expect("an import").created, 5);
}

#[derive(Debug, Clone, Copy, PartialEq, sqlx::Type)]
#[sqlx(type_name = "weather", rename_all = "snake_case")]
enum Weather {
    Rain,
}

#[derive(Debug, Clone, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
struct Name(String);

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Station {
    id: i64,
    slug: String,
    name: Name,
    letter: Option<String>,
    open: bool,
    small: i16,
    middle: Option<i32>,
    height: f64,
    token: Uuid,
    picture: Vec<u8>,
    weather: Option<Weather>,
    tags: Json<Vec<String>>,
    built: Option<NaiveDate>,
    seen_at: DateTime<Utc>,
    #[upsert(readonly)]
    note: Option<String>,
}

/// Columns of the kinds that are at hand, none of which is refused though it is empty.
async fn columns_that_can_be_read(db: Db) {
    let columns = match Sqlx::TARGET {
        "postgres" => {
            db.run("CREATE TYPE weather AS ENUM ('rain'); CREATE DOMAIN title AS varchar(20); CREATE EXTENSION citext")
                .await;
            "name title NOT NULL, letter char(1), open boolean NOT NULL, small smallint NOT NULL, middle integer, \
             height double precision NOT NULL, token uuid NOT NULL, picture bytea NOT NULL, weather weather, \
             tags json NOT NULL, built date, seen_at timestamptz NOT NULL, note citext DEFAULT 'a'"
        }
        "mysql" => {
            "name varchar(20) COLLATE latin1_swedish_ci NOT NULL, letter char(1), open tinyint(1) NOT NULL, small tinyint NOT NULL, \
             middle bigint, height float NOT NULL, token binary(16) NOT NULL, picture longblob NOT NULL, \
             weather enum('rain'), tags json NOT NULL, built date, seen_at timestamp NOT NULL, note enum('a') DEFAULT 'a'"
        }
        _ => {
            "name varchar(20) NOT NULL, letter, open boolean NOT NULL, small bigint NOT NULL, middle int8, \
             height double NOT NULL, token text NOT NULL, picture text NOT NULL, weather character(9), \
             tags json NOT NULL, built date, seen_at timestamp NOT NULL, note datetime DEFAULT 'a'"
        }
    };
    db.run(&format!(
        "CREATE TABLE station (id {{id}}, slug {{text}} NOT NULL UNIQUE, {columns})"
    ))
    .await;
    let station = |n: u8| NewStation {
        slug: format!("s{n}"),
        name: Name("Oslo".to_owned()),
        letter: Some("a".to_owned()),
        open: true,
        small: 1,
        middle: Some(7),
        height: 1.5,
        token: Uuid::from_u128(7),
        picture: vec![1, 2],
        weather: Some(Weather::Rain),
        tags: Json(vec!["a".to_owned()]),
        built: NaiveDate::from_ymd_opt(1900, 1, 2),
        seen_at: DateTime::from_timestamp(1_700_000_000, 0).expect("a time"),
    };
    for (created, unchanged) in [(3, 0), (0, 3)] {
        let report = Station::import((0..3).map(station)).run(&db.pool).await;
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (report.created, report.unchanged),
            (created, unchanged),
            "{report}"
        );
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "gauge")]
#[lookup(slug)]
struct Real {
    id: i64,
    slug: String,
    level: f64,
}

/// Whole numbers become integers in a column of integers, and numbers become texts in one of texts.
async fn a_number_in_a_column_of_texts(db: Db) {
    for (column, called) in [("INT", "INTEGER"), ("varchar(9)", "TEXT")] {
        db.run(&format!(
            "DROP TABLE IF EXISTS gauge; CREATE TABLE gauge (id {{id}}, slug {{text}} NOT NULL UNIQUE, level {column})"
        ))
        .await;
        let new = NewReal {
            slug: "g".to_owned(),
            level: 1.0,
        };
        let error = Real::import([new]).run(&db.pool).await.unwrap_err();
        let expected = format!("column `level`: SQL type `{called}` cannot be read as `f64`");
        assert!(error.to_string().contains(&expected), "{error}");
        assert_eq!(db.number("SELECT count(*) FROM gauge").await, 0);
    }
}
