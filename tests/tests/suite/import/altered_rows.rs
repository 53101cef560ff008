//! Rows that the database makes others of than an update has written. What becomes of a record is what becomes of it with
//! `upsert`, whoever looks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::Pool;
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{LockedUpsert, Outcome};
use upsert_tests::Target;

use super::super::races::in_snapshots_that_go_stale;
use crate::{Db, Sqlx};

tests![
    a_row_that_cannot_be_read_any_more,
    a_row_that_gets_another_id,
    a_row_that_is_deleted on ["sqlite"],
    a_row_that_is_deleted_behind_it on ["postgres"],
    a_column_that_is_made_of_others,
    a_row_that_cannot_be_read_in_a_swap,
    a_trigger_without_the_right_to_it on ["mysql"],
    what_a_trigger_behind_it_fills_in on ["postgres", "sqlite"],
    a_row_that_a_trigger_keeps_as_it_is_beside_a_snapshot on ["mysql"],
    a_value_that_is_stored_as_null on ["mysql", "sqlite"],
    a_view_with_rules on ["postgres"],
    a_text_that_is_stored_as_a_number on ["sqlite"],
    a_trigger_of_a_child_writes_to_a_later_row on ["postgres", "sqlite"],
    a_trigger_of_a_child_makes_a_row_unreadable on ["postgres", "sqlite"],
];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(number, slug)]
struct Item {
    id: i64,
    number: i64,
    slug: String,
    name: String,
    #[upsert(readonly)]
    note: String,
}

const ITEMS: i64 = 8;
const BAD: i64 = 3;

fn item(number: i64, name: &str) -> NewItem {
    NewItem {
        number,
        slug: format!("s{number}"),
        name: name.to_owned(),
    }
}

fn renamed() -> Vec<NewItem> {
    let name = |number| if number == BAD { "bad" } else { "new" };
    (0..ITEMS)
        .map(|number| item(number, name(number)))
        .collect()
}

fn table(note: &str) -> String {
    format!(
        "CREATE TABLE item (id {{id}}, number bigint NOT NULL UNIQUE, slug {{text}} NOT NULL UNIQUE, \
         name {{text}} NOT NULL, note {{text}} {note})"
    )
}

async fn with_items(db: &Db, note: &str) {
    db.run(&table(note)).await;
    refill(db).await;
}

async fn refill(db: &Db) {
    db.run("DELETE FROM item").await;
    let items = (0..ITEMS).map(|number| item(number, "old"));
    let report = Item::import(items).run(&db.pool).await.expect("an import");
    assert_eq!(report.created, 8, "{report}");
}

/// Does something to each row that is named `bad`.
async fn trigger(db: &Db, postgres: &str, mysql: &str, sqlite: &str) {
    db.run(&match Sqlx::TARGET {
        "postgres" => format!(
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF new.name = 'bad' THEN {postgres}; END IF; RETURN new; END $$; \
             CREATE TRIGGER act BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION act()"
        ),
        "mysql" => format!(
            "CREATE TRIGGER act BEFORE UPDATE ON item FOR EACH ROW SET {mysql}"
        ),
        _ => format!(
            "CREATE TRIGGER act AFTER UPDATE OF name ON item WHEN new.name = 'bad' BEGIN {sqlite}; END"
        ),
    })
    .await;
}

/// The record fails, its row is as it was, and all others are written: by `upsert` and by imports, however they are made.
async fn it_fails_alone(db: &Db, says: &str) {
    it_fails_alone_for(db, &db.pool, says).await;
}

async fn it_fails_alone_for(db: &Db, pool: &Pool<Sqlx>, says: &str) {
    let upsert = Item::upsert(item(BAD, "bad"));
    let error = upsert.run(pool).await.unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    assert!(error.is_about_record() && !error.is_retryable(), "{error}");
    let mut tx = upsert_runtime::begin(pool).await.expect("a transaction");
    let upsert = Item::upsert(item(BAD, "bad"));
    let error = upsert.run_in(&mut tx).await.unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    tx.commit().await.expect("a commit");
    for (chunk_size, changes, each, atomic) in [
        (1, false, false, false),
        (3, false, false, false),
        (100, false, false, false),
        (100, true, false, false),
        (100, false, true, false),
        (3, true, true, false),
        (100, false, false, true),
        (1, true, true, true),
    ] {
        refill(db).await;
        let case = format!("{chunk_size} {changes} {each} {atomic}");
        let told = AtomicUsize::new(0);
        let import = Item::import(renamed()).chunk_size(chunk_size);
        let mut import = import.atomic(atomic).changes(changes);
        if each {
            import = import.each(|_, row, _| {
                assert_eq!(row.name, "new");
                told.fetch_add(1, Ordering::Relaxed);
            });
        }
        let report = import.run(pool).await;
        let report = report.unwrap_or_else(|error| panic!("{case}: {error}"));
        let [failure] = &report.failed[..] else {
            panic!("{case}: {report}");
        };
        let error = failure.error.to_string();
        assert_eq!(failure.index, 3, "{case}: {error}");
        assert!(error.contains(says), "{case}: {error}");
        assert_eq!(report.updated, 7, "{case}: {report}");
        assert!(!each || told.into_inner() == 7, "{case}");
        assert_eq!(
            db.texts("SELECT name FROM item ORDER BY number").await,
            ["new", "new", "new", "old", "new", "new", "new", "new"],
            "{case}"
        );
    }
}

async fn a_row_that_cannot_be_read_any_more(db: Db) {
    with_items(&db, "DEFAULT 'noted'").await;
    trigger(
        &db,
        "new.note = NULL",
        "new.note = IF(new.name = 'bad', NULL, new.note)",
        "UPDATE item SET note = NULL WHERE id = new.id",
    )
    .await;
    it_fails_alone(&db, "column `note` is NULL").await;
}

const NOT_THERE: &str = "the row is not there as it was written";

async fn a_row_that_gets_another_id(db: Db) {
    with_items(&db, "NOT NULL DEFAULT 'noted'").await;
    trigger(
        &db,
        "new.id = new.id + 100000",
        "new.id = IF(new.name = 'bad', new.id + 100000, new.id)",
        "UPDATE item SET id = id + 100000 WHERE id = new.id",
    )
    .await;
    it_fails_alone(&db, NOT_THERE).await;
}

async fn a_row_that_is_deleted(db: Db) {
    with_items(&db, "NOT NULL DEFAULT 'noted'").await;
    trigger(&db, "", "", "DELETE FROM item WHERE id = new.id").await;
    it_fails_alone(&db, NOT_THERE).await;
}

/// PostgreSQL gives a row before the triggers that come after it.
async fn a_row_that_is_deleted_behind_it(db: Db) {
    with_items(&db, "NOT NULL DEFAULT 'noted'").await;
    db.run(
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN DELETE FROM item WHERE id = new.id; RETURN NULL; END $$; \
         CREATE TRIGGER act AFTER UPDATE ON item FOR EACH ROW WHEN (new.name = 'bad') EXECUTE FUNCTION act()",
    )
    .await;
    let done = Item::upsert(item(BAD, "bad")).run(&db.pool).await;
    let done = done.expect("an upsert");
    assert!(matches!(done.outcome, Outcome::Updated { .. }));
    for looks in [false, true] {
        refill(&db).await;
        let mut told = Vec::new();
        let mut import = Item::import(renamed());
        if looks {
            import = import.each(|_, row, _| told.push(row.name.clone()));
        }
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!((report.updated, report.failed.len()), (8, 0), "{report}");
        assert_eq!(told.len(), if looks { 8 } else { 0 });
        assert_eq!(db.number("SELECT count(*) FROM item").await, 7);
    }
}

async fn a_column_that_is_made_of_others(db: Db) {
    with_items(
        &db,
        "GENERATED ALWAYS AS (CASE WHEN name = 'bad' THEN NULL ELSE name END) STORED",
    )
    .await;
    it_fails_alone(&db, "column `note` is NULL").await;
}

/// Records that exchange keys are written one by one to see who is at fault.
async fn a_row_that_cannot_be_read_in_a_swap(db: Db) {
    with_items(
        &db,
        "GENERATED ALWAYS AS (CASE WHEN name = 'bad' THEN NULL ELSE name END) STORED",
    )
    .await;
    let swapped = |number: i64, slug: i64, name: &str| NewItem {
        slug: format!("s{slug}"),
        ..item(number, name)
    };
    for looks in [false, true] {
        refill(&db).await;
        let records = [
            swapped(1, 2, "new"),
            swapped(2, 1, "new"),
            swapped(3, 4, "bad"),
            swapped(4, 3, "new"),
            item(5, "new"),
        ];
        let import = Item::import(records).changes(looks);
        let report = import.run(&db.pool).await.expect("an import");
        let failed: Vec<u64> = report.failed.iter().map(|failure| failure.index).collect();
        // The other one of the swap does not get the key that row 3 keeps.
        assert_eq!((report.updated, &*failed), (3, &[2, 3][..]), "{report}");
        let text = report.failed[0].error.to_string();
        assert!(text.contains("column `note` is NULL"), "{text}");
        assert_eq!(
            db.texts("SELECT slug FROM item ORDER BY number").await,
            ["s0", "s2", "s1", "s3", "s4", "s5", "s6", "s7"]
        );
    }
}

/// Who has not the right to triggers sees their names alone, and yet they run.
async fn a_trigger_without_the_right_to_it(db: Db) {
    with_items(&db, "DEFAULT 'noted'").await;
    let note = "new.note = IF(new.name = 'bad', NULL, new.note)";
    trigger(&db, "", note, "").await;
    let rights = ["SELECT, INSERT, UPDATE, DELETE ON item"];
    let pool = db.pool_with_rights(&rights).await;
    it_fails_alone_for(&db, &pool, "column `note` is NULL").await;
    pool.close().await;
}

/// The row cannot be read when it is written, and can be when the statement has ended.
async fn what_a_trigger_behind_it_fills_in(db: Db) {
    db.run(&table("")).await;
    db.run(match Sqlx::TARGET {
        "postgres" => {
            "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             UPDATE item SET note = 'of ' || new.name WHERE id = new.id AND note IS DISTINCT FROM 'of ' || new.name; RETURN NULL; END $$; \
             CREATE TRIGGER fill AFTER INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION fill()"
        }
        _ => {
            "CREATE TRIGGER created AFTER INSERT ON item BEGIN \
             UPDATE item SET note = 'of ' || new.name WHERE id = new.id; END; \
             CREATE TRIGGER renamed AFTER UPDATE OF name ON item BEGIN \
             UPDATE item SET note = 'of ' || new.name WHERE id = new.id; END"
        }
    })
    .await;
    let done = Item::upsert(item(0, "old")).run(&db.pool).await;
    let done = done.expect("an upsert");
    assert_eq!(
        (done.outcome, &*done.row.note),
        (Outcome::Created, "of old")
    );
    for (chunk_size, looks) in [(1, false), (1, true), (100, false), (100, true)] {
        db.run("DELETE FROM item").await;
        for name in ["old", "new"] {
            let notes = Mutex::new(Vec::new());
            let mut import = Item::import((0..ITEMS).map(|number| item(number, name)));
            if looks {
                import = import.each(|_, row, _| notes.lock().unwrap().push(row.note.clone()));
            }
            let report = import.chunk_size(chunk_size).run(&db.pool).await;
            let report = report.expect("an import");
            let done = report.created + report.updated;
            assert_eq!(
                (done, report.failed.len()),
                (8, 0),
                "{chunk_size} {looks}: {report}"
            );
            let told = notes.into_inner().unwrap();
            let note = format!("of {name}");
            assert_eq!(told, vec![note; if looks { 8 } else { 0 }], "{chunk_size}");
        }
    }
}

/// What is written is what another writer has stored meanwhile, so that the row gets no new version of this transaction's.
async fn a_row_that_a_trigger_keeps_as_it_is_beside_a_snapshot(db: Db) {
    with_items(&db, "NOT NULL DEFAULT 'noted'").await;
    db.run("CREATE TRIGGER act BEFORE UPDATE ON item FOR EACH ROW SET new.name = IF(new.name = 'ours', old.name, new.name)")
        .await;
    let pool = in_snapshots_that_go_stale(&db).await;
    for imports in [false, true] {
        refill(&db).await;
        let mut tx = pool.begin().await.expect("a transaction");
        let seen = sqlx::query("SELECT * FROM item").fetch_all(&mut *tx).await;
        assert_eq!(seen.expect("rows").len(), 8);
        db.run("UPDATE item SET name = 'theirs'").await;
        let told = if imports {
            let told = Mutex::new(Vec::new());
            let import = Item::import([item(1, "ours")]);
            let import = import.each(|_, row, _| told.lock().unwrap().push(row.name.clone()));
            import.run_in(&mut tx).await.expect("an import");
            told.into_inner().unwrap()
        } else {
            let upsert = Item::upsert(item(1, "ours")).run_in(&mut tx).await;
            vec![upsert.expect("an upsert").row.name]
        };
        assert_eq!(told, ["theirs"], "{imports}");
        tx.commit().await.expect("a commit");
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "measured")]
#[lookup(slug)]
struct Level {
    id: i64,
    slug: String,
    value: f64,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "measured")]
#[lookup(slug)]
struct Moment {
    id: i64,
    slug: String,
    value: DateTime<Utc>,
}

/// A float that is no number, a time before 1970: the column may be NULL, and the field may not.
async fn a_value_that_is_stored_as_null(db: Db) {
    let value = if Sqlx::TARGET == "sqlite" {
        "real"
    } else {
        "timestamp NULL"
    };
    db.run(&format!(
        "CREATE TABLE measured (id {{id}}, slug {{text}} NOT NULL UNIQUE, value {value})"
    ))
    .await;
    let level = |n: i32, value: f64| NewLevel {
        slug: format!("s{n}"),
        value,
    };
    let moment = |n: i32, seconds| NewMoment {
        slug: format!("s{n}"),
        value: DateTime::from_timestamp(seconds, 0).expect("a time"),
    };
    for looks in [false, true] {
        db.run("DELETE FROM measured").await;
        let failed: Vec<u64> = if Sqlx::TARGET == "sqlite" {
            let before = (0..4).map(|n| level(n, 1.0));
            Level::import(before).run(&db.pool).await.expect("rows");
            let records = (0..4).map(|n| level(n, if n == 2 { f64::NAN } else { 2.0 }));
            let report = Level::import(records).changes(looks).run(&db.pool).await;
            let report = report.expect("an import");
            report.failed.iter().map(|failure| failure.index).collect()
        } else {
            let before = (0..4).map(|n| moment(n, 1_000_000));
            Moment::import(before).run(&db.pool).await.expect("rows");
            let records = (0..4).map(|n| moment(n, if n == 2 { -1_000 } else { 2_000_000 }));
            let report = Moment::import(records).changes(looks).run(&db.pool).await;
            let report = report.expect("an import");
            report.failed.iter().map(|failure| failure.index).collect()
        };
        assert_eq!(failed, [2], "{looks}");
        assert_eq!(
            db.number("SELECT count(*) FROM measured WHERE value IS NULL")
                .await,
            0
        );
    }
}

/// They do something else than an UPDATE, which gives no rows then.
async fn a_view_with_rules(db: Db) {
    with_items(&db, "NOT NULL DEFAULT 'noted'").await;
    db.run(
        "ALTER TABLE item RENAME TO stored; CREATE VIEW item AS SELECT * FROM stored; \
         CREATE RULE act AS ON UPDATE TO item DO INSTEAD UPDATE stored SET name = new.name || '!' WHERE id = old.id",
    )
    .await;
    let report = Item::import(renamed()).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!((report.updated, report.failed.len()), (8, 0), "{report}");
    let name = "SELECT DISTINCT name FROM stored ORDER BY name";
    assert_eq!(db.texts(name).await, ["bad!", "new!"]);
}

/// A column of a type that SQLite takes for a number's.
async fn a_text_that_is_stored_as_a_number(db: Db) {
    let note = "NOT NULL DEFAULT 'noted'";
    db.run(&table(note).replace("name {text}", "name string"))
        .await;
    for looks in [false, true] {
        refill(&db).await;
        let name = |number| if number == BAD { "007" } else { "new" };
        let import = Item::import((0..ITEMS).map(|number| item(number, name(number))));
        let report = import.changes(looks).run(&db.pool).await;
        let report = report.expect("an import");
        let failed: Vec<u64> = report.failed.iter().map(|failure| failure.index).collect();
        assert_eq!((report.updated, &*failed), (7, &[3][..]), "{report}");
        assert_eq!(
            db.texts("SELECT name FROM item WHERE number = 3").await,
            ["old"]
        );
    }
}

/// Another table refers to the slug, and its trigger does this when a slug changes.
async fn with_child(db: &Db, act: &str) {
    with_items(db, "DEFAULT 'noted'").await;
    db.run("CREATE TABLE child (slug {text} NOT NULL REFERENCES item (slug) ON UPDATE CASCADE)")
        .await;
    db.run(&match Sqlx::TARGET {
        "postgres" => format!(
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {act}; RETURN NULL; END $$; \
             CREATE TRIGGER act AFTER UPDATE ON child FOR EACH ROW EXECUTE FUNCTION act()"
        ),
        _ => format!("CREATE TRIGGER act AFTER UPDATE ON child BEGIN {act}; END"),
    })
    .await;
}

async fn refill_with_child(db: &Db) {
    db.run("DELETE FROM child").await;
    refill(db).await;
    db.run("INSERT INTO child VALUES ('s0')").await;
}

fn moved() -> NewItem {
    NewItem {
        slug: "moved".to_owned(),
        ..item(0, "old")
    }
}

async fn a_trigger_of_a_child_writes_to_a_later_row(db: Db) {
    with_child(&db, "UPDATE item SET name = 'touched' WHERE number = 2").await;
    for chunk_size in [1, 100] {
        refill_with_child(&db).await;
        let import = Item::import([moved(), item(1, "new"), item(2, "old")]);
        let report = import.chunk_size(chunk_size).run(&db.pool).await;
        report.expect("an import");
        let names = "SELECT name FROM item WHERE number < 3 ORDER BY number";
        let last = if chunk_size == 1 { "old" } else { "touched" };
        assert_eq!(db.texts(names).await, ["old", "new", last]);
    }
}

async fn a_trigger_of_a_child_makes_a_row_unreadable(db: Db) {
    with_child(&db, "UPDATE item SET note = NULL WHERE slug = new.slug").await;
    refill_with_child(&db).await;
    let upsert = Item::upsert(moved()).run(&db.pool).await;
    let expected = usize::from(upsert.is_err());
    for (chunk_size, atomic, looks) in [(1, false, false), (100, false, true), (100, true, false)] {
        refill_with_child(&db).await;
        let import = Item::import([moved(), item(1, "new")]);
        let import = import.chunk_size(chunk_size).atomic(atomic).changes(looks);
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!(
            report.failed.len(),
            expected,
            "{chunk_size} {looks}: {report}"
        );
    }
}
