//! Keys that a trigger or the column's type makes another of, and rows that are read again by a sure sign.

use sqlx::Pool;
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{LockedUpsert, Outcome};
use upsert_tests::{Proxy, Target};

use super::models::{NewTaxonomy, Taxonomy, record, upsert, with_rows};
use crate::{Db, Sqlx};

tests![
    a_trigger_that_alters_a_key,
    a_trigger_that_alters_an_earlier_key,
    a_key_that_is_altered_in_the_callers_transaction,
    a_trigger_that_alters_what_is_no_key_of_the_record,
    a_time_that_is_rounded on ["postgres", "mysql"],
    an_altered_key_that_the_database_calls_equal,
    a_part_of_a_composite_key_that_is_altered,
    an_id_of_text_beside_a_counter on ["mysql"],
    an_id_of_a_sequence_beside_a_counter on ["mysql"],
    a_row_is_read_back_beside_an_older_one_of_a_snapshot on ["mysql"],
    an_import_ends_the_same_whoever_looks,
    an_import_of_times_that_are_rounded on ["postgres", "mysql"],
    an_import_of_keys_that_are_stored_as_equal_ones,
    an_import_into_a_server_that_gives_no_rows on ["mysql"],
];

/// Makes small letters of a column of each new row. A trigger of SQLite can do so only after the row is stored.
pub(super) async fn lower(db: &Db, table: &str, column: &str) {
    db.run(&match Sqlx::TARGET {
        "postgres" => format!(
            "CREATE FUNCTION lower_{column}() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN new.{column} = lower(new.{column}); RETURN new; END $$; \
             CREATE TRIGGER lower_{column} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION lower_{column}()"
        ),
        "mysql" => format!(
            "CREATE TRIGGER lower_{column} BEFORE INSERT ON {table} FOR EACH ROW SET new.{column} = lower(new.{column})"
        ),
        _ => format!(
            "CREATE TRIGGER lower_{column} AFTER INSERT ON {table} BEGIN \
             UPDATE {table} SET {column} = lower({column}) WHERE id = new.id; END"
        ),
    })
    .await;
}

const SLUG_IS_ALTERED: &str = "`Taxonomy`: create: the key that the database stored in `slug` is not the one given: a trigger alters it, or the column rounds it or cuts it off; give it as it is stored";

async fn a_trigger_that_alters_a_key(db: Db) {
    with_rows(&db, []).await;
    lower(&db, "taxonomy", "slug").await;
    // Found by another key, by no key, and never a second time.
    for new in [
        record("r1", "ABC"),
        record(None, "ABC"),
        record(None, "ABC"),
    ] {
        let error = Taxonomy::upsert(new).run(&db.pool).await.unwrap_err();
        assert_eq!(error.to_string(), SLUG_IS_ALTERED);
        assert!(error.is_about_record() && !error.is_retryable());
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 0);
    }
    let done = upsert(&db, record("r1", "abc")).await;
    assert_eq!(done.outcome, Outcome::Created);
}

async fn a_trigger_that_alters_an_earlier_key(db: Db) {
    with_rows(&db, []).await;
    lower(&db, "taxonomy", "remote_id").await;
    let upsert = Taxonomy::upsert(record("R1", "abc"));
    let error = upsert.run(&db.pool).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        SLUG_IS_ALTERED.replace("slug", "remote_id")
    );
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 0);
}

async fn a_key_that_is_altered_in_the_callers_transaction(db: Db) {
    with_rows(&db, []).await;
    lower(&db, "taxonomy", "slug").await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let create = |slug| Taxonomy::upsert(record(None, slug));
    create("before").run_in(&mut tx).await.expect("an upsert");
    let error = create("ABC").run_in(&mut tx).await.unwrap_err();
    assert_eq!(error.to_string(), SLUG_IS_ALTERED);
    create("after").run_in(&mut tx).await.expect("an upsert");
    tx.commit().await.expect("a commit");
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy ORDER BY id").await,
        ["before", "after"]
    );
}

async fn a_trigger_that_alters_what_is_no_key_of_the_record(db: Db) {
    with_rows(&db, []).await;
    lower(&db, "taxonomy", "name").await;
    let done = upsert(&db, record("r1", "abc").named("ABC")).await;
    assert_eq!((done.outcome, &*done.row.name), (Outcome::Created, "abc"));
    // A blank key identifies nothing, whatever becomes of it.
    db.run(
        "CREATE TABLE other (id {id}, remote_id {text} DEFAULT 'R9', slug {text} NOT NULL UNIQUE)",
    )
    .await;
    lower(&db, "other", "remote_id").await;
    let done = Other::upsert(NewOther {
        remote_id: None,
        slug: "rock".to_owned(),
    });
    let done = done.run(&db.pool).await.expect("an upsert");
    assert_eq!(done.outcome, Outcome::Created);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
struct Other {
    id: i64,
    remote_id: Option<String>,
    slug: String,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(at)]
struct Event {
    id: i64,
    at: DateTime<Utc>,
    name: String,
}

/// Events at whole seconds, rounded or cut off by the column.
async fn with_events(db: &Db) {
    let seconds = match Sqlx::TARGET {
        "mysql" => "timestamp NOT NULL DEFAULT current_timestamp",
        _ => "timestamptz(0) NOT NULL",
    };
    db.run(&format!(
        "CREATE TABLE event (id {{id}}, at {seconds} UNIQUE, name {{text}} NOT NULL)"
    ))
    .await;
}

fn event(milliseconds: i64) -> NewEvent {
    NewEvent {
        at: DateTime::from_timestamp_millis(1_700_000_000_000 + milliseconds).expect("a time"),
        name: "rain".to_owned(),
    }
}

async fn a_time_that_is_rounded(db: Db) {
    with_events(&db).await;
    for _ in 0..2 {
        let error = Event::upsert(event(400)).run(&db.pool).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Event`: create: the key that the database stored in `at` is not the one given: a trigger alters it, or the column rounds it or cuts it off; give it as it is stored"
        );
    }
    assert_eq!(db.number("SELECT count(*) FROM event").await, 0);
    let done = Event::upsert(event(0)).run(&db.pool).await;
    assert_eq!(done.expect("an upsert").outcome, Outcome::Created);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "code")]
#[lookup(code, other)]
#[allow(clippy::struct_field_names)] // the table's column is named so
struct Code {
    id: i64,
    code: String,
    other: Option<String>,
}

/// Codes that come back in other bytes, which the database calls equal.
async fn with_codes(db: &Db) {
    let text = match Sqlx::TARGET {
        "postgres" => "char(5)",
        "mysql" => "varchar(190) COLLATE utf8mb4_general_ci",
        _ => "text COLLATE NOCASE",
    };
    db.run(&format!(
        "CREATE TABLE code (id {{id}}, code {text} NOT NULL UNIQUE, other {text} UNIQUE)"
    ))
    .await;
    lower(db, "code", "code").await;
    lower(db, "code", "other").await;
}

/// A code in the bytes that are given, and as it is stored.
fn code(n: u32) -> (NewCode, String) {
    let (given, stored) = match Sqlx::TARGET {
        "postgres" => (format!("a{n}"), format!("{:5}", format!("a{n}"))),
        _ => (format!("A{n}"), format!("a{n}")),
    };
    let new = NewCode {
        other: Some(given.clone()),
        code: given,
    };
    (new, stored)
}

async fn an_altered_key_that_the_database_calls_equal(db: Db) {
    with_codes(&db).await;
    let (new, stored) = code(1);
    let done = Code::upsert(new.clone()).run(&db.pool).await;
    let done = done.expect("an upsert");
    assert_eq!((done.outcome, &done.row.code), (Outcome::Created, &stored));
    assert_eq!(done.row.other.as_ref(), Some(&stored));
    let again = Code::upsert(new).run(&db.pool).await.expect("an upsert");
    assert_eq!(again.row.id, done.row.id);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup((lang, slug))]
struct Entry {
    id: i64,
    lang: String,
    slug: String,
}

async fn a_part_of_a_composite_key_that_is_altered(db: Db) {
    db.run(
        "CREATE TABLE entry (id {id}, lang {text} NOT NULL, slug {text} NOT NULL, UNIQUE (lang, slug))",
    )
    .await;
    lower(&db, "entry", "slug").await;
    let new = |slug: &str| NewEntry {
        lang: "EN".to_owned(),
        slug: slug.to_owned(),
    };
    let error = Entry::upsert(new("ABC")).run(&db.pool).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`Entry`: create: the key that the database stored in `slug` is not the one given: a trigger alters it, or the column rounds it or cuts it off; give it as it is stored"
    );
    assert_eq!(db.number("SELECT count(*) FROM entry").await, 0);
    let done = Entry::upsert(new("abc")).run(&db.pool).await;
    assert_eq!(done.expect("an upsert").outcome, Outcome::Created);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Tag {
    #[upsert(id)]
    id: String,
    slug: String,
    name: String,
}

fn tag(slug: &str) -> NewTag {
    NewTag {
        slug: slug.to_owned(),
        name: slug.to_owned(),
    }
}

const TAG: &str = "CREATE TABLE tag (id varchar(36) PRIMARY KEY DEFAULT uuid(), seq bigint AUTO_INCREMENT UNIQUE, \
     slug {text} UNIQUE, name {text} NOT NULL) AUTO_INCREMENT = 7";

/// Where the INSERT gives the row, and where it does not, as on MySQL.
async fn an_id_of_text_beside_a_counter(db: Db) {
    let proxy = Proxy::hiding_comments(&db).await;
    for pool in [db.pool.clone(), proxy.pool(&db, 2)] {
        db.run("DROP TABLE IF EXISTS tag").await;
        an_id_of_text_beside_a_counter_by(&db, &pool).await;
    }
}

async fn an_id_of_text_beside_a_counter_by(db: &Db, pool: &Pool<Sqlx>) {
    db.run(TAG).await;
    let done = Tag::upsert(tag("rock")).run(pool).await;
    let done = done.expect("an upsert");
    assert_eq!((done.outcome, &*done.row.slug), (Outcome::Created, "rock"));
    // A stranger, whose id is equal to the next number of the counter when it is compared as a number.
    db.run("INSERT INTO tag (id, seq, slug, name) VALUES ('8abc', 100, 'stranger', 'stranger')")
        .await;
    db.run("ALTER TABLE tag AUTO_INCREMENT = 8").await;
    for slug in ["jazz", "folk", "soul"] {
        let done = Tag::upsert(tag(slug)).run(pool).await;
        let done = done.expect("an upsert");
        assert_eq!((done.outcome, &*done.row.slug), (Outcome::Created, slug));
        let mut tx = pool.begin().await.expect("a transaction");
        let slug = format!("{slug} too");
        let done = Tag::upsert(tag(&slug)).run_in(&mut tx).await;
        let done = done.expect("an upsert");
        assert_eq!((done.outcome, &done.row.slug), (Outcome::Created, &slug));
        tx.commit().await.expect("a commit");
    }
    assert_eq!(db.number("SELECT count(*) FROM tag").await, 8);
    // Neither a key nor a number tells which row it is, and it is not told as one that was not stored.
    lower(db, "tag", "slug").await;
    let error = Tag::upsert(tag("ABC")).run(pool).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`Tag`: create: the key that the database stored in `slug` is not the one given: a trigger alters it, or the column rounds it or cuts it off; give it as it is stored"
    );
    assert_eq!(db.number("SELECT count(*) FROM tag").await, 8);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Place {
    id: i64,
    slug: String,
}

async fn an_id_of_a_sequence_beside_a_counter(db: Db) {
    let proxy = Proxy::hiding_comments(&db).await;
    for pool in [db.pool.clone(), proxy.pool(&db, 2)] {
        an_id_of_a_sequence_beside_a_counter_by(&db, &pool).await;
    }
}

async fn an_id_of_a_sequence_beside_a_counter_by(db: &Db, pool: &Pool<Sqlx>) {
    db.run(
        "DROP TABLE IF EXISTS place; DROP SEQUENCE IF EXISTS s; CREATE SEQUENCE s START 1000; \
         CREATE TABLE place (id bigint PRIMARY KEY DEFAULT NEXTVAL(s), seq bigint AUTO_INCREMENT UNIQUE, slug {text} UNIQUE); \
         INSERT INTO place (id, seq, slug) VALUES (1, 100, 'stranger'); ALTER TABLE place AUTO_INCREMENT = 1; \
         INSERT INTO place (id, seq, slug) VALUES (101, 50, 'another')",
    )
    .await;
    for slug in ["rome", "oslo"] {
        let new = NewPlace {
            slug: slug.to_owned(),
        };
        let done = Place::upsert(new).run(pool).await.expect("an upsert");
        assert_eq!((done.outcome, &*done.row.slug), (Outcome::Created, slug));
        assert!(done.row.id >= 1000, "{}", done.row.id);
    }
}

async fn a_row_is_read_back_beside_an_older_one_of_a_snapshot(db: Db) {
    let proxy = Proxy::hiding_comments(&db).await;
    for pool in [db.pool.clone(), proxy.pool(&db, 2)] {
        db.run("DROP TABLE IF EXISTS tag").await;
        a_row_is_read_back_by(&db, &pool).await;
    }
}

async fn a_row_is_read_back_by(db: &Db, pool: &Pool<Sqlx>) {
    db.run(TAG).await;
    let stored = Tag::upsert(tag("rock")).run(pool).await;
    stored.expect("an upsert");
    // REPEATABLE READ, the server's default: a plain read sees `rock` in the row that has another key by now.
    let mut tx = pool.begin().await.expect("a transaction");
    let seen = sqlx::query("SELECT * FROM tag").fetch_all(&mut *tx).await;
    assert_eq!(seen.expect("rows").len(), 1);
    db.run("UPDATE tag SET slug = 'jazz'").await;
    let done = Tag::upsert(tag("rock")).run_in(&mut tx).await;
    let done = done.expect("an upsert");
    assert_eq!((done.outcome, &*done.row.slug), (Outcome::Created, "rock"));
    tx.commit().await.expect("a commit");
    assert_eq!(
        db.texts("SELECT slug FROM tag ORDER BY slug").await,
        ["jazz", "rock"]
    );
}

/// How an import is looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    Away,
    Each,
    Changes,
}

/// What becomes of three records, of which the last two have keys in capitals: the report and its failures as text, the slugs
/// that are stored, and those that were told.
async fn imported(db: &Db, atomic: bool, look: Look) -> (String, Vec<String>, Vec<String>) {
    db.run("DELETE FROM taxonomy").await;
    let records: Vec<NewTaxonomy> = vec![
        record("r1", "abc"),
        record("r2", "DEF"),
        record(None, "GHI"),
    ];
    let mut told = Vec::new();
    let import = Taxonomy::import(records).atomic(atomic);
    let report = match look {
        Look::Away => import.run(&db.pool).await,
        Look::Changes => import.changes(true).run(&db.pool).await,
        Look::Each => {
            let each = import.each(|_, row, _| told.push(row.slug.clone()));
            each.run(&db.pool).await
        }
    };
    let report = report.expect("an import");
    let changed = report.changes.iter();
    told.extend(changed.filter_map(|change| Some(change.after.as_ref()?.slug.clone())));
    let stored = db.texts("SELECT slug FROM taxonomy ORDER BY slug").await;
    (report.to_string(), stored, told)
}

async fn an_import_ends_the_same_whoever_looks(db: Db) {
    with_rows(&db, []).await;
    lower(&db, "taxonomy", "slug").await;
    for atomic in [false, true] {
        let (report, stored, _) = imported(&db, atomic, Look::Away).await;
        let failed = |record| format!("\nrecord {record} failed: {SLUG_IS_ALTERED}");
        let expected = "3 records: 1 created, 0 updated, 0 unchanged, 0 superseded, 2 failed";
        let expected = expected.to_owned() + &failed(1) + &failed(2);
        assert_eq!(report, expected);
        assert_eq!(stored, ["abc"]);
        for look in [Look::Each, Look::Changes] {
            let (report, stored, told) = imported(&db, atomic, look).await;
            assert_eq!(report, expected, "{look:?}");
            assert_eq!(stored, ["abc"], "{look:?}");
            assert_eq!(told, ["abc"], "{look:?}");
        }
    }
}

async fn an_import_of_times_that_are_rounded(db: Db) {
    with_events(&db).await;
    let mut counts = Vec::new();
    for look in [Look::Away, Look::Each, Look::Changes] {
        db.run("DELETE FROM event").await;
        let import = Event::import([event(0), event(1400), event(2000)]);
        let report = match look {
            Look::Away => import.run(&db.pool).await,
            Look::Each => import.each(|_, _, _| ()).run(&db.pool).await,
            Look::Changes => import.changes(true).run(&db.pool).await,
        };
        let report = report.expect("an import");
        let failed: Vec<u64> = report.failed.iter().map(|failure| failure.index).collect();
        counts.push((report.created, failed));
    }
    let expected = (2, vec![1]);
    assert_eq!(counts, [expected.clone(), expected.clone(), expected]);
}

async fn an_import_of_keys_that_are_stored_as_equal_ones(db: Db) {
    with_codes(&db).await;
    let codes: Vec<(NewCode, String)> = (0..5).map(code).collect();
    for look in [Look::Away, Look::Each, Look::Changes] {
        db.run("DELETE FROM code").await;
        let mut told = Vec::new();
        let import = Code::import(codes.iter().map(|(new, _)| new.clone()));
        let report = match look {
            Look::Away => import.run(&db.pool).await,
            Look::Changes => import.changes(true).run(&db.pool).await,
            Look::Each => {
                let each = import.each(|index, row, _| told.push((index, row.code.clone())));
                each.run(&db.pool).await
            }
        };
        let report = report.expect("an import");
        assert_eq!(
            (report.created, report.failed.len()),
            (5, 0),
            "{look:?}: {report}"
        );
        if matches!(look, Look::Each) {
            told.sort();
            let stored = codes.iter().map(|(_, stored)| stored.clone());
            assert_eq!(told, (0..).zip(stored).collect::<Vec<_>>());
        }
    }
}

/// MySQL takes RETURNING for a comment.
async fn an_import_into_a_server_that_gives_no_rows(db: Db) {
    let proxy = Proxy::hiding_comments(&db).await;
    let pool = proxy.pool(&db, 2);
    with_rows(&db, []).await;
    lower(&db, "taxonomy", "slug").await;
    for (chunk_size, looks) in [(1, false), (10, false), (10, true)] {
        db.run("DELETE FROM taxonomy").await;
        let slugs = ["abc", "DEF", "ghi"];
        let import = Taxonomy::import(slugs.map(|slug| record(None, slug)));
        let report = import
            .chunk_size(chunk_size)
            .changes(looks)
            .run(&pool)
            .await;
        let report = report.expect("an import");
        let [failure] = &report.failed[..] else {
            panic!("{report}");
        };
        assert_eq!(failure.error.to_string(), SLUG_IS_ALTERED);
        assert_eq!((report.created, failure.index), (2, 1), "{report}");
        let told = report.changes.iter();
        let told: Vec<&str> = told
            .filter_map(|change| Some(&*change.after.as_ref()?.slug))
            .collect();
        assert_eq!(told, if looks { &["abc", "ghi"][..] } else { &[] });
    }
    pool.close().await;
}
