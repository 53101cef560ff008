//! What does not change is not written, also where another row of the same chunk changes there.

use sqlx::types::Json;
use upsert_runtime::LockedUpsert;
use upsert_tests::Target;

use super::super::log::logged;
use crate::{Db, Sqlx};

tests![
    json_stays_as_it_is_spelled,
    a_trigger_of_a_column_looks_at_nothing_else on ["postgres", "sqlite"],
    every_row_in_other_columns,
];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Document {
    id: i64,
    slug: String,
    name: String,
    body: Json<serde_json::Value>,
    uses: i64,
    pages: i64,
}

async fn documents(db: &Db, rows: i64) {
    let json = if Sqlx::TARGET == "sqlite" {
        "text"
    } else {
        "json"
    };
    db.run(&format!(
        "CREATE TABLE document (id {{id}}, slug {{text}} NOT NULL UNIQUE, name {{text}} NOT NULL, body {json} NOT NULL, \
         uses bigint NOT NULL, pages bigint NOT NULL)"
    ))
    .await;
    for n in 0..rows {
        db.run(&format!(
            "INSERT INTO document (slug, name, body, uses, pages) VALUES ('s{n}', 'a', '{{\"b\":  1, \"a\": 0, \"a\": 2}}', 0, 0)"
        ))
        .await;
    }
}

fn document(n: i64) -> NewDocument {
    NewDocument {
        slug: format!("s{n}"),
        name: "a".to_owned(),
        body: Json(serde_json::json!({ "a": 2, "b": 1 })),
        uses: 0,
        pages: 0,
    }
}

async fn json_stays_as_it_is_spelled(db: Db) {
    documents(&db, 3).await;
    let records = vec![
        NewDocument {
            name: "b".to_owned(),
            ..document(0)
        },
        NewDocument {
            body: Json(serde_json::json!([])),
            ..document(1)
        },
        document(2),
    ];
    let report = Document::import(records)
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!((report.updated, report.unchanged), (2, 1), "{report}");
    let spelled = db.texts("SELECT body FROM document ORDER BY slug").await;
    let as_it_was = "{\"b\":  1, \"a\": 0, \"a\": 2}";
    // MySQL's own JSON type keeps no spelling.
    if spelled[2] == as_it_was {
        assert_eq!(spelled, [as_it_was, "[]", as_it_was]);
    }
}

async fn a_trigger_of_a_column_looks_at_nothing_else(db: Db) {
    documents(&db, 2).await;
    db.run("CREATE TABLE fired (slug {text})").await;
    db.run(match Sqlx::TARGET {
        "postgres" => {
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN INSERT INTO fired VALUES (NEW.slug); RETURN NEW; END'; \
             CREATE TRIGGER note BEFORE UPDATE OF name ON document FOR EACH ROW EXECUTE FUNCTION note()"
        }
        _ => {
            "CREATE TRIGGER note AFTER UPDATE OF name ON document \
             BEGIN INSERT INTO fired VALUES (NEW.slug); END"
        }
    })
    .await;
    let records = vec![
        NewDocument {
            name: "b".to_owned(),
            ..document(0)
        },
        NewDocument {
            uses: 1,
            ..document(1)
        },
    ];
    let report = Document::import(records)
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!(report.updated, 2, "{report}");
    assert_eq!(db.texts("SELECT slug FROM fired").await, ["s0"]);
}

async fn every_row_in_other_columns(db: Db) {
    documents(&db, 64).await;
    let record = |n: i64| NewDocument {
        name: if n & 1 > 0 { "b" } else { "a" }.to_owned(),
        uses: n >> 1 & 1,
        pages: n >> 2 & 1,
        ..document(n)
    };
    let import = Document::import((0..64).map(record).collect::<Vec<_>>()).run(&db.pool);
    let (report, log) = logged(import).await;
    let report = report.expect("an import");
    assert_eq!((report.updated, report.unchanged), (56, 8), "{report}");
    // One statement for each set of columns, whatever the number of rows.
    if Sqlx::TARGET != "sqlite" {
        let update = if Sqlx::TARGET == "postgres" {
            "FROM upsert_new WHERE"
        } else {
            "STRAIGHT_JOIN `document`"
        };
        assert_eq!(log.matches(update).count(), 7, "{log}");
    }
    let right = "SELECT count(*) FROM document WHERE (name = 'b' AND uses = 1 AND pages = 1 AND slug = 's63') \
                 OR (name = 'a' AND uses = 1 AND pages = 0 AND slug = 's2')";
    assert_eq!(db.number(right).await, 2);
    let report = Document::import((0..64).map(record).collect::<Vec<_>>())
        .run(&db.pool)
        .await;
    assert_eq!(report.expect("an import").unchanged, 64);
}
