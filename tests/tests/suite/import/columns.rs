//! Columns whose types do not fit the fields, and such as do.

use sqlx::types::chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::{Json, Uuid};
use upsert_runtime::{Error, LockedUpsert, Missing};
use upsert_tests::Target;

use crate::{Db, Sqlx};

tests![
    a_column_that_cannot_be_read,
    columns_that_can_be_read,
    rows_that_could_never_be_read,
    a_row_that_could_never_be_read,
    a_value_that_no_record_gave on ["postgres"],
    types_that_show_in_rows_alone on ["mysql"],
    a_column_that_cannot_be_null on ["mysql"],
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
#[lookup(slug)]
struct Noted {
    id: i64,
    slug: String,
    #[upsert(readonly)]
    note: String,
}

fn noted(slugs: impl IntoIterator<Item = usize>) -> Vec<NewNoted> {
    let noted = |n| NewNoted {
        slug: format!("n{n}"),
    };
    slugs.into_iter().map(noted).collect()
}

/// It is seen once the first rows are there, and they do not stay.
async fn rows_that_could_never_be_read(db: Db) {
    db.run("CREATE TABLE noted (id {id}, slug {text} NOT NULL UNIQUE, note {text} DEFAULT NULL)")
        .await;
    // One after the other, all at once, and a single one.
    for (records, chunk_size) in [(5, 1), (5, 2), (5, 100), (1, 100)] {
        for (atomic, dry_run, looks) in [
            (false, false, false),
            (false, false, true),
            (true, false, false),
            (false, true, false),
        ] {
            let import = Noted::import(noted(0..records)).chunk_size(chunk_size);
            let import = import.atomic(atomic).dry_run(dry_run).changes(looks);
            let error = import.run(&db.pool).await.unwrap_err();
            let Error::Stopped { source, report } = &error else {
                panic!("{error}");
            };
            assert!(source.to_string().contains("column `note`"), "{source}");
            // It is printed with it, and so is not told as its source besides.
            assert!(std::error::Error::source(&error).is_none());
            assert!(!source.is_about_record() && !source.is_retryable());
            assert_eq!((report.created, report.failed.len()), (0, 0), "{report}");
            assert_eq!(db.number("SELECT count(*) FROM noted").await, 0);
        }
    }
}

/// Where other rows can be read it is the record that fails, wherever it stands.
async fn a_row_that_could_never_be_read(db: Db) {
    db.run(
        "CREATE TABLE noted (id {id}, slug {text} NOT NULL UNIQUE, \
         note {text} GENERATED ALWAYS AS (CASE WHEN slug = 'n3' THEN NULL ELSE slug END) STORED)",
    )
    .await;
    let others = [0, 1, 2, 4, 5, 6, 7];
    let orders = [
        [&[3], &others[..]].concat(),
        [&others[..], &[3]].concat(),
        (0..8).collect(),
    ];
    for order in orders {
        for (chunk_size, looks) in [(1, false), (2, true), (3, false), (100, false), (100, true)] {
            db.run("DELETE FROM noted").await;
            if order[0] == 3 {
                // Else nothing could be read before.
                let before = Noted::import(noted([9])).run(&db.pool).await;
                before.expect("a row");
            }
            let records = order.iter().copied();
            let records = records.chain((order[0] == 3).then_some(9));
            let import = Noted::import(noted(records)).chunk_size(chunk_size);
            let report = import.changes(looks).run(&db.pool).await;
            let report = report.unwrap_or_else(|error| panic!("{order:?} {chunk_size}: {error}"));
            let [failure] = &report.failed[..] else {
                panic!("{order:?} {chunk_size}: {report}");
            };
            assert_eq!(order[usize::try_from(failure.index).expect("a place")], 3);
            let error = failure.error.to_string();
            assert!(error.contains("column `note`"), "{error}");
            assert_eq!(report.created, 7, "{order:?} {chunk_size}: {report}");
            assert_eq!(
                db.number("SELECT count(*) FROM noted WHERE slug = 'n3'")
                    .await,
                0
            );
        }
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Dated {
    id: i64,
    slug: String,
    #[upsert(readonly)]
    ends_at: DateTime<Utc>,
}

/// A trigger has made it, and the field's type has no such value.
async fn a_value_that_no_record_gave(db: Db) {
    db.run(
        "CREATE TABLE dated (id {id}, slug {text} NOT NULL UNIQUE, ends_at timestamptz NOT NULL DEFAULT '2030-01-01Z'); \
         CREATE FUNCTION extend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF new.slug = 'd3' THEN new.ends_at = 'infinity'; END IF; RETURN new; END $$; \
         CREATE TRIGGER extend BEFORE INSERT ON dated FOR EACH ROW EXECUTE FUNCTION extend()",
    )
    .await;
    for looks in [false, true] {
        db.run("DELETE FROM dated").await;
        let records = (0..8).map(|n| NewDated {
            slug: format!("d{n}"),
        });
        let report = Dated::import(records).chunk_size(2).changes(looks);
        let report = report.run(&db.pool).await.expect("an import");
        let failed: Vec<u64> = report.failed.iter().map(|failure| failure.index).collect();
        assert_eq!((report.created, failed), (7, vec![3]), "{report}");
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "typed")]
#[lookup(slug)]
struct Sky {
    id: i64,
    slug: String,
    weather: Weather,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "typed")]
#[lookup(slug)]
struct Visit {
    id: i64,
    slug: String,
    token: Uuid,
}

/// sqlx reads no enum from an ENUM that is NOT NULL, and no `Uuid` from a UUID; of an empty table neither shows.
async fn types_that_show_in_rows_alone(db: Db) {
    let with = |column: &str| {
        format!(
            "DROP TABLE IF EXISTS typed; CREATE TABLE typed (id {{id}}, slug {{text}} NOT NULL UNIQUE, {column} NOT NULL)"
        )
    };
    let slug = |n: u32| format!("s{n}");
    db.run(&with("weather enum('rain')")).await;
    let skies = (0..5).map(|n| NewSky {
        slug: slug(n),
        weather: Weather::Rain,
    });
    let error = Sky::import(skies).run(&db.pool).await.unwrap_err();
    assert!(error.to_string().contains("column `weather`"), "{error}");
    assert_eq!(db.number("SELECT count(*) FROM typed").await, 0);
    db.run(&with("token uuid")).await;
    let visits = (0..5).map(|n| NewVisit {
        slug: slug(n),
        token: Uuid::from_u128(u128::from(n)),
    });
    let error = Visit::import(visits).run(&db.pool).await.unwrap_err();
    assert!(error.to_string().contains("column `token`"), "{error}");
    assert_eq!(db.number("SELECT count(*) FROM typed").await, 0);
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

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Sighting {
    id: i64,
    slug: String,
    #[sqlx(rename = "seen at")]
    seen_at: DateTime<Utc>,
}

/// A time that the server's timestamps do not have becomes NULL. The error names the column, and not what a statement calls its value.
async fn a_column_that_cannot_be_null(db: Db) {
    db.run("CREATE TABLE sighting (id {id}, slug {text} NOT NULL UNIQUE, `seen at` datetime(6) NOT NULL)")
        .await;
    let seconds = [1_000_000_000, -300_000_000];
    for (seconds, failed) in seconds.into_iter().zip(0..) {
        let new = NewSighting {
            slug: "a".to_owned(),
            seen_at: DateTime::from_timestamp_secs(seconds).expect("a time"),
        };
        let report = Sighting::import([new]).run(&db.pool).await;
        let report = report.expect("an import");
        assert_eq!(report.failed.len(), failed, "{report}");
        for failure in report.failed {
            let text = failure.to_string();
            assert!(text.contains("Column 'seen at' cannot be null"), "{text}");
        }
    }
}
