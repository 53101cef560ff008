//! What is written, and what is not.

use std::time::Duration;

use upsert_runtime::{Error, LockedUpsert, Outcome};
use upsert_tests::Target;

use super::log::logged;
use super::models::{NewTaxonomy, TAXONOMY, Taxonomy, TaxonomyChanges, record, upsert, with_rows};
use crate::{Db, Sqlx};

tests![
    unchanged_is_not_written,
    only_what_differs_is_written,
    only_updating_columns_are_written,
    get_or_create_changes_nothing,
    create_only_columns_are_never_updated,
    touch_moves_with_real_changes_only,
    what_comes_back_is_what_is_stored,
    a_created_row_comes_with_its_insert on ["mysql"],
    a_number_that_is_the_id_of_another_row on ["sqlite"],
    updates_burn_no_ids,
    a_trigger_that_stores_nothing on ["postgres", "sqlite"],
    an_update_that_a_trigger_keeps on ["postgres", "sqlite"],
    a_schema_that_replaces on ["sqlite"],
    a_table_with_a_rule on ["postgres"],
    any_text_is_stored_as_it_is,
];

/// Notes each row that an UPDATE meets, also one that changes nothing.
async fn note_updates(db: &Db) {
    db.run("CREATE TABLE noted (name {text})").await;
    if Sqlx::TARGET == "postgres" {
        db.run(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN INSERT INTO noted VALUES (new.name); RETURN new; END $$; \
             CREATE TRIGGER note BEFORE UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION note()",
        )
        .await;
    } else {
        let body = "INSERT INTO noted VALUES (new.name)";
        let body = if Sqlx::TARGET == "sqlite" {
            format!("BEGIN {body}; END")
        } else {
            body.to_owned()
        };
        db.run(&format!(
            "CREATE TRIGGER note BEFORE UPDATE ON taxonomy FOR EACH ROW {body}"
        ))
        .await;
    }
}

async fn unchanged_is_not_written(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    note_updates(&db).await;
    db.run("UPDATE taxonomy SET name = name").await;
    assert_eq!(
        db.number("SELECT count(*) FROM noted").await,
        1,
        "the trigger notes an UPDATE that changes nothing"
    );
    let observer = db.pool_of(1).await;
    let version = row_version(&observer).await;
    for record in [
        record("r1", "rock"),
        record(None, "rock"),
        record(" r1", "rock"),
    ] {
        let done = upsert(&db, record).await;
        assert!(
            matches!(done.outcome, Outcome::Unchanged { .. }),
            "{:?}",
            done.outcome
        );
        assert_eq!(done.row, rows[0], "updated_at is untouched");
    }
    assert_eq!(db.number("SELECT count(*) FROM noted").await, 1);
    assert_eq!(row_version(&observer).await, version);
    upsert(&db, record("r1", "rock").named("Rock")).await;
    let moved = row_version(&observer).await != version;
    assert!(moved || Sqlx::TARGET == "mysql", "the counter counts");
    observer.close().await;
}

/// PostgreSQL numbers each version of a row, SQLite each change of the file by another connection. MariaDB counts only for the
/// whole server: there the trigger has to do.
async fn row_version(observer: &sqlx::Pool<Sqlx>) -> Vec<String> {
    let sql = match Sqlx::TARGET {
        "postgres" => "SELECT xmin::text || ctid::text FROM taxonomy",
        "sqlite" => "PRAGMA data_version",
        _ => return Vec::new(),
    };
    Sqlx::texts(observer, sql.to_owned()).await
}

async fn only_what_differs_is_written(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let new = NewTaxonomy {
        uses: 3,
        description: Some("loud".into()),
        ..record("r1", "rock")
    };
    let done = upsert(&db, new).await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["description", "uses"]
        }
    );
    let done = upsert(&db, record("r1", "rock")).await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["description", "uses"]
        }
    );
    assert_eq!(done.row.description, None);
}

async fn only_updating_columns_are_written(db: Db) {
    with_rows(&db, [record("r1", "rock").named("Rock")]).await;
    let new = NewTaxonomy {
        uses: 9,
        ..record("r1", "other").named("Other")
    };
    let changes = TaxonomyChanges::new().description(Some("loud".into()));
    let done = Taxonomy::upsert(new)
        .updating(changes)
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["description"]
        }
    );
    assert_eq!(db.texts("SELECT slug FROM taxonomy").await, ["rock"]);
    assert_eq!(db.texts("SELECT name FROM taxonomy").await, ["Rock"]);
    assert_eq!(db.number("SELECT uses FROM taxonomy").await, 0);
    // If there is no row, all of the creating data is written, and nothing of the updating data.
    let changes = TaxonomyChanges::new().description(Some("loud".into()));
    let done = Taxonomy::upsert(record("r2", "jazz"))
        .updating(changes)
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        (done.outcome, done.row.description),
        (Outcome::Created, None)
    );
}

async fn get_or_create_changes_nothing(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    let new = record("r1", "other").named("Other");
    let done = Taxonomy::upsert(new)
        .updating(TaxonomyChanges::new())
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Unchanged {
            matched_by: "remote_id"
        }
    );
    assert_eq!(done.row, rows[0]);
}

async fn create_only_columns_are_never_updated(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let done = upsert(
        &db,
        NewTaxonomy {
            source: "else".into(),
            ..record("r1", "rock").named("Rock")
        },
    )
    .await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["name"]
        }
    );
    assert_eq!(done.row.source, "remote");
}

async fn touch_moves_with_real_changes_only(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let same = upsert(&db, record("r1", "rock")).await.row;
    assert_eq!(same.updated_at, rows[0].updated_at);
    let changed = upsert(&db, record("r1", "rock").named("Rock")).await.row;
    assert!(changed.updated_at > rows[0].updated_at);
    assert_eq!(changed.created_at, rows[0].created_at);
    // The wall clock, not the start of a transaction that has long waited.
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let first = Taxonomy::upsert(record("r1", "rock").named("a"))
        .run_in(&mut tx)
        .await
        .expect("an upsert")
        .row;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = Taxonomy::upsert(record("r1", "rock").named("b"))
        .run_in(&mut tx)
        .await
        .expect("an upsert")
        .row;
    tx.commit().await.expect("a commit");
    assert!(second.updated_at > first.updated_at);
}

async fn what_comes_back_is_what_is_stored(db: Db) {
    // The database stores something else than it was given.
    db.run(TAXONOMY).await;
    match Sqlx::TARGET {
        "postgres" => {
            db.run(
                "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN new.description := upper(new.description); RETURN new; END $$; \
                 CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION shout()",
            )
            .await;
        }
        "mysql" => {
            for event in ["INSERT", "UPDATE"] {
                db.run(&format!(
                    "CREATE TRIGGER shout_{event} BEFORE {event} ON taxonomy FOR EACH ROW SET new.description = upper(new.description)"
                ))
                .await;
            }
        }
        _ => {
            for event in ["INSERT", "UPDATE"] {
                db.run(&format!(
                    "CREATE TRIGGER shout_{event} AFTER {event} ON taxonomy BEGIN \
                     UPDATE taxonomy SET description = upper(description) WHERE id = new.id; END"
                ))
                .await;
            }
        }
    }
    let new = NewTaxonomy {
        description: Some("loud".into()),
        ..record("r1", "rock")
    };
    let created = upsert(&db, new).await.row;
    let stored = db.texts("SELECT description FROM taxonomy").await;
    assert_eq!(created.description, Some(stored[0].clone()));
    let changes = TaxonomyChanges::new().description(Some("louder".into()));
    let updated = Taxonomy::upsert(record("r1", "rock"))
        .updating(changes)
        .run(&db.pool)
        .await
        .expect("an upsert")
        .row;
    let stored = db.texts("SELECT description FROM taxonomy").await;
    assert_eq!(updated.description, Some(stored[0].clone()));
    assert_eq!(updated.id, created.id);
}

async fn updates_burn_no_ids(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    for n in 0..10 {
        upsert(&db, record("r1", "rock").named(&format!("Rock {n}"))).await;
        upsert(&db, record(None, "rock")).await;
    }
    assert_eq!(
        upsert(&db, record("r2", "jazz")).await.row.id,
        rows[0].id + 1
    );
}

async fn a_trigger_that_stores_nothing(db: Db) {
    with_rows(&db, []).await;
    if Sqlx::TARGET == "postgres" {
        db.run(
            "CREATE FUNCTION veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
             CREATE TRIGGER veto BEFORE INSERT ON taxonomy FOR EACH ROW EXECUTE FUNCTION veto()",
        )
        .await;
    } else {
        db.run("CREATE TRIGGER veto BEFORE INSERT ON taxonomy BEGIN SELECT RAISE(IGNORE); END")
            .await;
    }
    let upsert = Taxonomy::upsert(record("r1", "rock")).run(&db.pool);
    let error = tokio::time::timeout(Duration::from_secs(10), upsert)
        .await
        .expect("an end")
        .unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("`Taxonomy`: create: the database stored no row"),
        "{error}"
    );
}

/// The database says nothing of it but that no row was written.
async fn an_update_that_a_trigger_keeps(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    if Sqlx::TARGET == "postgres" {
        db.run(
            "CREATE FUNCTION veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
             CREATE TRIGGER veto BEFORE UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION veto()",
        )
        .await;
    } else {
        db.run("CREATE TRIGGER veto BEFORE UPDATE ON taxonomy BEGIN SELECT RAISE(IGNORE); END")
            .await;
    }
    let new = || record("r1", "rock").named("Rock");
    let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
    let lock = Taxonomy::lock().by_slug(&mut tx, "rock").await;
    let mut row = lock.expect("a lock").expect("a row");
    let by_guard = row.update_name("Rock").await.map(drop);
    tx.rollback().await.expect("a rollback");
    let modified = Taxonomy::modify()
        .by_slug(&db.pool, "rock", |_| TaxonomyChanges::new().name("Rock"))
        .await;
    let upserted = Taxonomy::upsert(new()).run(&db.pool).await;
    let closure = |_: &Taxonomy| TaxonomyChanges::new().name("Rock");
    let by_closure = Taxonomy::upsert(new()).updating_with(closure);
    for done in [
        by_guard,
        modified.map(drop),
        upserted.map(drop),
        by_closure.run(&db.pool).await.map(drop),
    ] {
        let text = done.expect_err("nothing was stored").to_string();
        assert!(
            text.contains("`Taxonomy`: update: the row is not there as it was written"),
            "{text}"
        );
    }
    let report = Taxonomy::import([new()]).run(&db.pool).await;
    assert_eq!(report.expect("an import").failed.len(), 1);
}

async fn a_schema_that_replaces(db: Db) {
    db.run(&TAXONOMY.replace(
        "slug {text} NOT NULL UNIQUE",
        "slug {text} NOT NULL UNIQUE ON CONFLICT REPLACE",
    ))
    .await;
    upsert(&db, record("r1", "rock")).await;
    upsert(&db, record("r2", "jazz")).await;
    let error = Taxonomy::upsert(record("r2", "rock"))
        .run(&db.pool)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy ORDER BY id").await,
        ["rock", "jazz"],
        "no row was deleted"
    );
}

/// PostgreSQL knows no `ON CONFLICT` where there is one.
async fn a_table_with_a_rule(db: Db) {
    with_rows(&db, []).await;
    db.run(
        "CREATE TABLE noted (slug text); CREATE RULE note AS ON INSERT TO taxonomy DO ALSO INSERT INTO noted VALUES (new.slug)",
    )
    .await;
    for outcome in [
        Outcome::Created,
        Outcome::Unchanged {
            matched_by: "remote_id",
        },
    ] {
        assert_eq!(upsert(&db, record("r1", "rock")).await.outcome, outcome);
    }
    let renamed = upsert(&db, record("r1", "rock").named("Rock")).await;
    assert_eq!(renamed.row.name, "Rock");
    assert_eq!(db.texts("SELECT slug FROM noted").await, ["rock"]);
}

async fn any_text_is_stored_as_it_is(db: Db) {
    db.run(TAXONOMY).await;
    let long = "ö".repeat(60_000);
    let texts = [
        "'",
        "\"",
        "\\",
        "`; DROP TABLE taxonomy; --",
        "$1 ? {x}",
        "日本語",
        "👩‍👩‍👧‍👦",
        "a\u{301}",
        "%_",
        "\u{202e}abc",
        &long,
    ];
    for (n, text) in texts.into_iter().enumerate() {
        let key = if text.len() > 200 {
            format!("long{n}")
        } else {
            text.to_owned()
        };
        let new = || NewTaxonomy {
            remote_id: Some(key.clone()),
            slug: format!("slug {key}"),
            name: key.clone(),
            description: Some(text.to_owned()),
            uses: 0,
            source: key.clone(),
        };
        let created = upsert(&db, new()).await;
        assert_eq!(created.outcome, Outcome::Created, "{key}");
        assert_eq!(created.row.description.as_deref(), Some(text));
        assert_eq!(
            upsert(&db, new()).await.outcome,
            Outcome::Unchanged {
                matched_by: "remote_id"
            }
        );
        let by_slug = NewTaxonomy {
            remote_id: None,
            ..new()
        };
        assert_eq!(
            upsert(&db, by_slug).await.outcome,
            Outcome::Unchanged { matched_by: "slug" }
        );
    }
}

/// MariaDB gives the row that an INSERT stored, triggers included. MySQL is asked for it.
async fn a_created_row_comes_with_its_insert(db: Db) {
    with_rows(&db, []).await;
    db.run("CREATE TRIGGER other BEFORE INSERT ON taxonomy FOR EACH ROW SET new.name = 'other'")
        .await;
    let (created, log) = logged(Taxonomy::upsert(record("r1", "rock")).run(&db.pool)).await;
    let created = created.expect("an upsert");
    assert_eq!(created.outcome, Outcome::Created);
    assert_eq!(created.row.name, "other");
    let behind = log.split("summary=\"INSERT").nth(1).expect("an INSERT");
    let is_mariadb = db.texts("SELECT VERSION()").await[0].contains("MariaDB");
    assert_eq!(behind.contains("summary=\"SELECT"), !is_mariadb, "{log}");
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Named {
    id: String,
    slug: String,
}

/// The number that SQLite gives a row is the id of another one.
async fn a_number_that_is_the_id_of_another_row(db: Db) {
    db.run(
        "CREATE TABLE named (id TEXT PRIMARY KEY DEFAULT ('new'), slug TEXT NOT NULL UNIQUE); \
         INSERT INTO named (id, slug) VALUES ('2', 'first')",
    )
    .await;
    let new = NewNamed {
        slug: "second".to_owned(),
    };
    let created = Named::upsert(new).run(&db.pool).await.expect("an upsert");
    let row = (&*created.row.id, &*created.row.slug);
    assert_eq!(row, ("new", "second"));
}
