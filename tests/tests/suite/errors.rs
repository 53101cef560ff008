//! Bad input and bad surroundings: a clear error, nothing lost, and no value in any text.

use std::str::FromStr;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::{Database, Pool};
use upsert_runtime::{Error, LockedUpsert, Retry};
use upsert_tests::Target;

use super::log::logged;
use super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered, record, upsert, with_rows};
use crate::{Db, Sqlx};

tests![
    a_missing_table,
    a_missing_column,
    a_wrong_column_type,
    a_null_in_a_field_that_has_none,
    constraints_name_themselves,
    a_null_byte,
    a_full_disk on ["sqlite"],
    no_server on ["postgres", "mysql"],
    a_triggers_own_words_are_not_shown,
    words_that_only_look_like_the_servers,
    what_a_function_says_of_a_value,
    numbers_that_are_used_up on ["postgres", "mysql"],
    a_type_that_does_not_fit_is_no_records_fault,
    a_uuid_in_other_bytes_is_no_records_fault on ["mysql"],
    no_value_in_errors_or_logs,
];

/// The error of an upsert, which must be one of the database's, and its text.
async fn refused(db: &Db, new: NewTaxonomy) -> String {
    let error = Taxonomy::upsert(new).run(&db.pool).await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    assert!(!error.is_retryable());
    error.to_string()
}

fn assert_holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

async fn a_missing_table(db: Db) {
    let text = refused(&db, record("r1", "rock")).await;
    assert_holds(&text, &["`Taxonomy`", "look-up by `remote_id`", "taxonomy"]);
}

async fn a_missing_column(db: Db) {
    db.run(&TAXONOMY.replace("uses bigint NOT NULL, ", ""))
        .await;
    let text = refused(&db, record("r1", "rock")).await;
    assert_holds(&text, &["`Taxonomy`", "look-up by `remote_id`", "uses"]);
}

async fn a_wrong_column_type(db: Db) {
    db.run(&TAXONOMY.replace("uses bigint NOT NULL", "uses {text} NOT NULL"))
        .await;
    db.run("INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r1', 'rock', 'rock', 'many', 'x')").await;
    let text = refused(&db, record("r1", "rock")).await;
    assert_holds(
        &text,
        &[
            "`Taxonomy`",
            "look-up by `remote_id`",
            "column `uses`",
            "`i64`",
        ],
    );
    assert!(!text.contains("many"), "{text}");
}

async fn a_null_in_a_field_that_has_none(db: Db) {
    db.run(
        &TAXONOMY
            .replace("uses bigint NOT NULL", "uses bigint")
            .replace("name {text} NOT NULL", "name {text}"),
    )
    .await;
    db.run("INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r1', 'rock', 'rock', NULL, 'x')").await;
    let text = refused(&db, record("r1", "rock")).await;
    assert_holds(
        &text,
        &[
            "`Taxonomy`",
            "look-up by `remote_id`",
            "column `uses` is NULL",
        ],
    );
    db.run("UPDATE taxonomy SET uses = 0, name = NULL").await;
    let text = refused(&db, record("r1", "rock")).await;
    assert_holds(&text, &["column `name` is NULL"]);
}

async fn constraints_name_themselves(db: Db) {
    db.run(&TAXONOMY.replace(
        "updated_at {now}",
        "updated_at {now}, CONSTRAINT short CHECK (length(name) < 10)",
    ))
    .await;
    let text = refused(&db, record("r1", "rock").named("a very long name")).await;
    assert_holds(&text, &["`Taxonomy`", "create", "short"]);
    upsert(&db, record("r1", "rock")).await;
    let text = refused(&db, record("r1", "rock").named("a very long name")).await;
    assert_holds(&text, &["`Taxonomy`", "update", "short"]);
    assert_eq!(db.texts("SELECT name FROM taxonomy").await, ["rock"]);
}

async fn a_null_byte(db: Db) {
    with_rows(&db, []).await;
    let result = Taxonomy::upsert(record("r1", "rock").named("a\0b"))
        .run(&db.pool)
        .await;
    if Sqlx::TARGET == "postgres" {
        let text = result.unwrap_err().to_string();
        assert_holds(&text, &["`Taxonomy`", "create", "22021"]);
        upsert(&db, record("r1", "rock")).await;
    } else {
        assert_eq!(result.expect("text may hold it").row.name, "a\0b");
    }
}

async fn a_full_disk(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    sqlx::raw_sql("PRAGMA max_page_count = 10")
        .execute(&pool)
        .await
        .expect("a setting");
    let large = || NewTaxonomy {
        description: Some("x".repeat(1_000_000)),
        ..record("r2", "jazz")
    };
    let error = Taxonomy::upsert(large()).run(&pool).await.unwrap_err();
    assert_holds(&error.to_string(), &["`Taxonomy`", "create", "full"]);
    // In a transaction: it goes on, or says that it is lost.
    let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    Taxonomy::upsert(record("r3", "folk"))
        .run_in(&mut tx)
        .await
        .expect("an upsert");
    let error = Taxonomy::upsert(large()).run_in(&mut tx).await.unwrap_err();
    let lost = matches!(error, Error::TransactionLost { .. });
    assert_eq!(tx.commit().await.is_err(), lost, "{error}");
    let slugs = db.texts("SELECT slug FROM taxonomy ORDER BY id").await;
    assert_eq!(
        slugs,
        if lost {
            &["rock"][..]
        } else {
            &["rock", "folk"]
        }
    );
    pool.close().await;
}

async fn no_server(db: Db) {
    drop(db);
    // A port of this machine on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let url = format!(
        "{}://somebody:secret@127.0.0.1:{port}/nothing",
        Sqlx::TARGET
    );
    let options = <<Sqlx as Database>::Connection as sqlx::Connection>::Options::from_str(&url)
        .expect("a URL");
    let pool: Pool<Sqlx> = PoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect_lazy_with(options);
    let error = Taxonomy::upsert(record("r1", "rock"))
        .retry(Retry::never())
        .run(&pool)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_holds(&error.to_string(), &["`Taxonomy`", "getting a connection"]);
    assert!(!error.to_string().contains("secret"));
    let error = upsert_runtime::begin(&pool).await.unwrap_err();
    assert_holds(&error.to_string(), &["getting a connection"]);
}

async fn a_triggers_own_words_are_not_shown(db: Db) {
    with_rows(&db, []).await;
    match Sqlx::TARGET {
        "postgres" => {
            db.run(
                "CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 RAISE EXCEPTION 'bad name %', new.name USING ERRCODE = 'check_violation'; END $$; \
                 CREATE TRIGGER judge BEFORE INSERT ON taxonomy FOR EACH ROW EXECUTE FUNCTION judge()",
            )
            .await;
        }
        "mysql" => {
            db.run(
                "CREATE TRIGGER judge BEFORE INSERT ON taxonomy FOR EACH ROW BEGIN \
                 DECLARE words text DEFAULT concat('bad name ', new.name); \
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = words; END",
            )
            .await;
        }
        _ => {
            db.run("CREATE TRIGGER judge BEFORE INSERT ON taxonomy BEGIN SELECT RAISE(ABORT, 'bad name SECRET'); END").await;
        }
    }
    let text = refused(&db, record("r1", "rock").named("SECRET")).await;
    assert_holds(&text, &["`Taxonomy`", "create", "refused it"]);
    assert!(!text.contains("SECRET"), "{text}");
}

/// A trigger says under the server's codes what it likes, names a constraint as it likes, and a function quotes its arguments; under a
/// code of its own too it is the record that is refused, and the others are stored.
async fn words_that_only_look_like_the_servers(db: Db) {
    let judges: &[&str] = match Sqlx::TARGET {
        "postgres" => &[
            "RAISE EXCEPTION 'no %', new.name USING ERRCODE = 'AB123'",
            "RAISE unique_violation USING MESSAGE = new.name, CONSTRAINT = new.name",
        ],
        "mysql" => &[
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 5000, MESSAGE_TEXT = words",
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1048, MESSAGE_TEXT = words",
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = words",
            "SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1048, MESSAGE_TEXT = words",
            "SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1452, MESSAGE_TEXT = words",
            "SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = words",
            "SIGNAL SQLSTATE '02000' SET MESSAGE_TEXT = words",
        ],
        _ => &[
            "SELECT json_extract('{}', new.name) WHERE new.name LIKE '%SECRET%'",
            "SELECT count(*) FROM found WHERE found MATCH new.name || ':x' AND new.name LIKE '%SECRET%'",
        ],
    };
    for (place, judge) in judges.iter().enumerate() {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        with_rows(&db, []).await;
        if Sqlx::TARGET == "sqlite" {
            db.run("CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5 (x)")
                .await;
        }
        db.run(&match Sqlx::TARGET {
            "postgres" => format!(
                "CREATE OR REPLACE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF new.name LIKE '%SECRET%' THEN {judge}; END IF; RETURN new; END $$; \
                 CREATE TRIGGER judge BEFORE INSERT ON taxonomy FOR EACH ROW EXECUTE FUNCTION judge()"
            ),
            "mysql" => format!(
                "CREATE TRIGGER judge BEFORE INSERT ON taxonomy FOR EACH ROW BEGIN \
                 DECLARE words text DEFAULT concat('no ', new.name, ' for key ', quote(new.name)); \
                 IF new.name LIKE '%SECRET%' THEN {judge}; END IF; END"
            ),
            // Another connection may not know yet that the one before has gone with its table.
            _ => format!("CREATE TRIGGER judge{place} BEFORE INSERT ON taxonomy BEGIN {judge}; END"),
        })
        .await;
        let upsert = Taxonomy::upsert(numbered(3).named("SECRET")).run(&db.pool);
        let text = upsert.await.unwrap_err().to_string();
        assert!(!text.contains("SECRET"), "{judge}: {text}");
        let names = (0..9).map(|n| numbered(n).named(if n == 3 { "SECRET" } else { "good" }));
        let report = Taxonomy::import(names).run(&db.pool).await;
        let report = report.unwrap_or_else(|error| panic!("{judge}: {error}"));
        assert_eq!((report.created, report.failed.len()), (8, 1), "{report}");
        assert!(!report.to_string().contains("SECRET"), "{report}");
    }
}

/// An expression of the table refuses one record's value, under whatever code.
async fn what_a_function_says_of_a_value(db: Db) {
    let expressions: &[&str] = match Sqlx::TARGET {
        "postgres" => &[
            "q tsquery GENERATED ALWAYS AS (to_tsquery('simple', name)) STORED",
            "CHECK (name = 'good' OR name::jsonpath IS NOT NULL)",
            "CHECK (name = 'good' OR name::regconfig IS NOT NULL)",
            "CHECK (name = 'good' OR name::regtype IS NOT NULL)",
            "CHECK (name = 'good' OR name::regclass IS NOT NULL)",
            "CHECK (name = 'good' OR split_part(name, ' ', 1)::regclass IS NOT NULL)",
            "CHECK (name = 'good' OR ('a.b.' || split_part(name, ' ', 1))::regclass IS NOT NULL)",
            "CHECK (name = 'good' OR ('a.' || split_part(name, ' ', 1))::regclass IS NOT NULL)",
            "CHECK (name = 'good' OR split_part(name, ' ', 1)::regproc IS NOT NULL)",
        ],
        "mysql" => &[
            "q date AS (CASE name WHEN 'good' THEN NULL ELSE str_to_date(name, '%Y%m%d') END) STORED",
            "q varchar(190) AS (convert(name USING latin1)) STORED",
        ],
        _ => &[
            "q text AS (json_extract(CASE name WHEN 'good' THEN '{}' ELSE name END, '$.a')) STORED",
        ],
    };
    for expression in expressions {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        let updated_at = format!("updated_at {{now}}, {expression}");
        db.run(&TAXONOMY.replace("updated_at {now}", &updated_at))
            .await;
        let bad = || numbered(1).named("secret secret \u{1f600}");
        let error = Taxonomy::upsert(bad()).run(&db.pool).await.unwrap_err();
        let text = error.to_string();
        assert!(error.is_about_record(), "{expression}: {text}");
        assert!(!text.contains("secret"), "{expression}: {text}");
        let import = [numbered(0).named("good"), bad(), numbered(2).named("good")];
        let report = Taxonomy::import(import).run(&db.pool).await;
        let report = report.unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!((report.created, report.failed.len()), (2, 1), "{report}");
    }
}

/// Another record would fare no better.
async fn numbers_that_are_used_up(db: Db) {
    let ids: &[&str] = match Sqlx::TARGET {
        "postgres" => {
            &["bigint GENERATED BY DEFAULT AS IDENTITY (MINVALUE 0 MAXVALUE 1 START 1) PRIMARY KEY"]
        }
        _ => &[
            "tinyint AUTO_INCREMENT PRIMARY KEY",
            "bigint AUTO_INCREMENT PRIMARY KEY",
        ],
    };
    for id in ids {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        db.run(&TAXONOMY.replace("{id}", id)).await;
        if Sqlx::TARGET == "mysql" {
            let last = if id.starts_with("tiny") {
                i64::from(i8::MAX)
            } else {
                i64::MAX
            };
            db.run(&format!("ALTER TABLE taxonomy AUTO_INCREMENT = {last}"))
                .await;
        }
        let mut last = Ok(());
        for n in 0..2 {
            last = Taxonomy::upsert(numbered(n)).run(&db.pool).await.map(drop);
        }
        let error = last.expect_err("there is no number left");
        assert!(!error.is_about_record() && !error.is_retryable(), "{error}");
        let import = Taxonomy::import((2..9).map(numbered)).run(&db.pool).await;
        let error = import.expect_err("the import is stopped");
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "narrow")]
#[lookup(slug)]
struct Wide {
    id: i64,
    slug: String,
    n: i64,
}

/// Else who leaves bad records out would leave out all, one by one.
async fn a_type_that_does_not_fit_is_no_records_fault(db: Db) {
    let n = match Sqlx::TARGET {
        "mysql" => "int unsigned",
        "postgres" => "integer",
        _ => "text",
    };
    db.run(&format!(
        "CREATE TABLE narrow (id {{id}}, slug {{text}} NOT NULL UNIQUE, n {n} NOT NULL)"
    ))
    .await;
    let wide = || NewWide {
        slug: "a".to_owned(),
        n: 1,
    };
    for _ in 0..2 {
        let error = Wide::upsert(wide()).run(&db.pool).await.unwrap_err();
        assert_holds(
            &error.to_string(),
            &["column `n`", "cannot be read as `i64`"],
        );
        assert!(!error.is_about_record(), "{error}");
        db.run(
            "INSERT INTO narrow (slug, n) SELECT 'a', 1 WHERE NOT EXISTS (SELECT 1 FROM narrow)",
        )
        .await;
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Coded {
    id: i64,
    slug: String,
    code: sqlx::types::Uuid,
}

/// The driver reads MySQL's, of 16 bytes, and MariaDB sends a text.
async fn a_uuid_in_other_bytes_is_no_records_fault(db: Db) {
    db.run("CREATE TABLE coded (id {id}, slug {text} NOT NULL UNIQUE, code varchar(36) NOT NULL)")
        .await;
    db.run("INSERT INTO coded (slug, code) VALUES ('a', uuid())")
        .await;
    let new = NewCoded {
        slug: "a".to_owned(),
        code: sqlx::types::Uuid::nil(),
    };
    let error = Coded::upsert(new).run(&db.pool).await.unwrap_err();
    assert!(!error.is_about_record(), "{error}");
}

async fn no_value_in_errors_or_logs(db: Db) {
    db.run(&TAXONOMY.replace(
        "updated_at {now}",
        "updated_at {now}, CONSTRAINT short CHECK (length(name) < 30)",
    ))
    .await;
    let secret = |remote_id: &str, slug: &str| NewTaxonomy {
        remote_id: Some(format!("SECRET {remote_id}")),
        slug: format!("SECRET {slug}"),
        name: "SECRET".into(),
        description: Some("SECRET".into()),
        uses: 424_242,
        source: "SECRET".into(),
    };
    let (errors, log) = logged(async {
        Taxonomy::upsert(secret("a", "a"))
            .run(&db.pool)
            .await
            .expect("an upsert");
        Taxonomy::upsert(secret("b", "b"))
            .run(&db.pool)
            .await
            .expect("an upsert");
        Taxonomy::upsert(secret("a", "a"))
            .run(&db.pool)
            .await
            .expect("an upsert");
        Taxonomy::upsert(secret("c", "a"))
            .run(&db.pool)
            .await
            .expect("an upsert");
        let conflict = Taxonomy::upsert(secret("b", "a"))
            .run(&db.pool)
            .await
            .unwrap_err();
        let too_long = secret("b", "b").named(&"SECRET".repeat(10));
        let refused = Taxonomy::upsert(too_long).run(&db.pool).await.unwrap_err();
        db.run("ALTER TABLE taxonomy RENAME TO other").await;
        let missing = Taxonomy::upsert(secret("b", "b"))
            .run(&db.pool)
            .await
            .unwrap_err();
        [conflict, refused, missing]
    })
    .await;
    for error in &errors {
        let (shown, debugged) = (error.to_string(), format!("{error:?}"));
        assert!(
            !shown.contains("SECRET") && !debugged.contains("SECRET"),
            "{shown} {debugged}"
        );
    }
    assert!(!log.contains("SECRET") && !log.contains("424242"), "{log}");
    assert_holds(
        &log,
        &[
            "model=\"Taxonomy\"",
            "outcome=\"created\"",
            "outcome=\"updated\"",
            "matched_by=\"slug\"",
            "attempts=1",
        ],
    );
}
