//! One record without a transaction around its statements: what is sent, and that nobody can tell it from the chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Pool};
use tokio::task::JoinSet;
use upsert_runtime::{Error, LockedUpsert, Operation, Outcome, Retry, Wait};
use upsert_tests::{Answer, Proxy};

use super::log::logged;
use super::models::{
    NewTaxonomy, TAXONOMY, Taxonomy, TaxonomyChanges, numbered, record, upsert, with_rows,
};
use super::races::until_one_waits;
use crate::{Db, Sqlx};

tests![
    what_is_sent on ["postgres"],
    an_unchanged_row_is_not_locked on ["postgres"],
    the_same_as_the_chain on ["postgres"],
    beside_others_who_rename_delete_and_create on ["postgres"],
    a_row_that_is_changed_meanwhile on ["postgres"],
    a_transaction_that_was_left_open on ["postgres"],
    a_connection_that_breaks on ["postgres"],
    a_session_that_is_ended on ["postgres"],
    a_constraint_that_is_checked_at_the_end on ["postgres"],
    a_created_row_that_could_not_be_read on ["postgres"],
    what_triggers_did_for_no_row on ["postgres"],
];

/// The statements that were sent, whole.
fn statements(log: &str) -> Vec<String> {
    let sent = log.split("summary=\"").skip(1).map(|event| {
        let (text, end) = match event.split_once("db.statement=\"") {
            Some((_, text)) if !text.starts_with('"') => (text, "\" rows_affected="),
            _ => (event, "\" db.statement="),
        };
        let text = text.split(end).next().unwrap_or_default();
        text.replace("\\n", "").replace("\\\"", "\"")
    });
    sent.collect()
}

/// Upserts, and gives what was sent.
async fn sent(db: &Db, new: NewTaxonomy, outcome: Outcome) -> Vec<String> {
    let (done, log) = logged(Taxonomy::upsert(new).run(&db.pool)).await;
    assert_eq!(done.expect("an upsert").outcome, outcome);
    statements(&log)
}

const COLUMNS: &str = r#""id", "remote_id", "slug", "name", "description", "uses", "source", "created_at", "updated_at""#;
const MARK: &str = "(SELECT set_config('upsert.look', '1', true) AS upsert_mark \
     WHERE txid_current_if_assigned() IS NULL AND current_setting('transaction_isolation') = 'read committed') upsert_mark";
const UNMARKED: &str = "current_setting('upsert.look', true) IS DISTINCT FROM '1'";
const READABLE: &str = r#""id" IS NOT NULL AND "slug" IS NOT NULL AND "name" IS NOT NULL AND "uses" IS NOT NULL AND "source" IS NOT NULL AND "created_at" IS NOT NULL AND "updated_at" IS NOT NULL"#;
const WRITTEN: &str = r#"FROM (SELECT) upsert_one LEFT JOIN upsert_written ON TRUE WHERE "id" IS NOT NULL OR current_setting('upsert.look', true) IS DISTINCT FROM '1'"#;

async fn what_is_sent(db: Db) {
    with_rows(&db, [record("r1", "rock"), record(None, "jazz")]).await;
    let version = r#"NULLIF("taxonomy".xmin::TEXT::INT8, 0)"#;
    let look = format!(
        r#"SELECT {COLUMNS}, CASE WHEN "remote_id" = $1 THEN 0 WHEN "slug" = $2 THEN 1 END, {version} FROM {MARK} LEFT JOIN "taxonomy" ON "id" = COALESCE((SELECT "id" FROM "taxonomy" WHERE "remote_id" = $1), (SELECT "id" FROM "taxonomy" WHERE "slug" = $2))"#
    );
    let matched_by = "remote_id";
    let unchanged = Outcome::Unchanged { matched_by };
    assert_eq!(sent(&db, record("r1", "rock"), unchanged).await, [&*look]);
    let updated = Outcome::Updated {
        matched_by,
        changed: vec!["name"],
    };
    let is = |name: &str, not: &str, n: u32| {
        format!(r#" AND "{name}"::TEXT COLLATE "C" IS {not}DISTINCT FROM ${n}::TEXT COLLATE "C""#)
    };
    let same = [
        is("remote_id", "NOT ", 5),
        is("slug", "NOT ", 6),
        is("name", "", 7),
        is("description", "NOT ", 8),
        is("uses", "NOT ", 9),
    ];
    let same = same.concat();
    let update = format!(
        r#"WITH upsert_written AS (UPDATE "taxonomy" SET "name" = $1, "updated_at" = clock_timestamp() WHERE "id" = $2 AND ({version} = $3 OR ("remote_id" = $4{same})) AND {UNMARKED} RETURNING {COLUMNS}) SELECT {COLUMNS}, 1 / CASE WHEN "id" = $10 AND {READABLE} THEN 1 ELSE 0 END {WRITTEN}"#
    );
    let changed = record("r1", "rock").named("Rock");
    assert_eq!(sent(&db, changed, updated).await, [&*look, &*update]);
    let insert = format!(
        r#"WITH upsert_written AS (INSERT INTO "taxonomy" ("remote_id", "slug", "name", "description", "uses", "source", "updated_at") SELECT $1, $2, $3, $4, $5, $6, clock_timestamp() WHERE {UNMARKED} ON CONFLICT DO NOTHING RETURNING {COLUMNS}) SELECT {COLUMNS}, 1 / CASE WHEN "remote_id" = $7 AND "slug" = $8 AND {READABLE} THEN 1 ELSE 0 END {WRITTEN}"#
    );
    let new = record("r3", "folk");
    assert_eq!(sent(&db, new, Outcome::Created).await, [look, insert]);
    // A key that is to be written: all of it under lock.
    for (new, matched_by, changed) in [
        (record("r2", "jazz"), "slug", "remote_id"),
        (record("r3", "soul").named("folk"), "remote_id", "slug"),
    ] {
        let changed = vec![changed];
        let updated = Outcome::Updated {
            matched_by,
            changed,
        };
        let chain = sent(&db, new, updated).await;
        assert!(chain.len() > 3, "{chain:?}");
        assert!(chain.iter().any(|sql| sql.contains("FOR NO KEY UPDATE")));
        assert_eq!(chain.last().map(String::as_str), Some("COMMIT"));
    }
}

async fn an_unchanged_row_is_not_locked(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    let state = "SELECT xmin || ' ' || xmax || ' ' || ctid::TEXT FROM taxonomy";
    let before = db.texts(state).await;
    let mut holder = upsert_runtime::begin(&db.pool).await.expect("begun");
    let lock = Taxonomy::lock().by_slug(&mut holder, "rock").await;
    drop(lock.expect("a lock").expect("a row"));
    let same = Taxonomy::upsert(record("r1", "rock")).run(&db.pool);
    let done = tokio::time::timeout(Duration::from_secs(5), same).await;
    let done = done.expect("nothing is waited for").expect("an upsert");
    assert_eq!(done.row, rows[0]);
    holder.rollback().await.expect("a rollback");
    upsert(&db, record("r1", "rock")).await;
    let after = db.texts(state).await;
    // The holder's lock is in `xmax`.
    let version = |state: &[String]| state[0].split(' ').next().map(str::to_owned);
    assert_eq!(version(&before), version(&after));
}

/// Each record on each table, by the short path and by the chain, which a limit of waiting asks for.
async fn the_same_as_the_chain(db: Db) {
    db.run(TAXONOMY).await;
    let tables = [
        vec![],
        vec![record("r1", "rock")],
        vec![record("r1", "jazz")],
        vec![record(None, "rock")],
        vec![record("r2", "rock")],
        vec![record("r1", "jazz"), record("r2", "rock")],
        vec![record("r1", "jazz").named("rock"), record(None, "rock")],
    ];
    let records = [
        record("r1", "rock"),
        record(None, "rock"),
        record("r1", "jazz").named("rock"),
        record("r3", "rock"),
        record("r3", "folk"),
    ];
    let changes = [
        None,
        Some(TaxonomyChanges::new()),
        Some(TaxonomyChanges::new().uses(7).description(None)),
        Some(TaxonomyChanges::new().slug("soul").uses(7)),
    ];
    let state = "SELECT concat_ws(' ', remote_id, slug, name, description, uses, source) FROM taxonomy ORDER BY slug";
    for table in &tables {
        for new in &records {
            for changes in &changes {
                let mut both = Vec::new();
                for by_chain in [false, true] {
                    db.run("DELETE FROM taxonomy").await;
                    for row in table {
                        Taxonomy::upsert(row.clone())
                            .run(&db.pool)
                            .await
                            .expect("a row");
                    }
                    let mut upsert = Taxonomy::upsert(new.clone());
                    if let Some(changes) = changes {
                        upsert = upsert.updating(changes.clone());
                    }
                    if by_chain {
                        upsert = upsert.wait(Wait::Forever);
                    }
                    let done = upsert.run(&db.pool).await;
                    let told = done
                        .map(|done| (done.outcome, done.row.slug, done.row.name, done.row.uses))
                        .map_err(|error| error.to_string());
                    both.push((told, db.texts(state).await));
                }
                assert_eq!(both[0], both[1], "{table:?}, {new:?}, {changes:?}");
            }
        }
    }
}

/// What the record of a caller says of two columns. No two of them differ in one column only but the first two, so that a row that is
/// no caller's tells of a write that left a column out.
const SAID: [(&str, &str); 4] = [("a", "a"), ("a", "b"), ("b", "c"), ("c", "d")];

fn said(key: u32, n: usize) -> NewTaxonomy {
    let (name, description) = SAID[n % SAID.len()];
    NewTaxonomy {
        description: Some(description.to_owned()),
        ..numbered(key).named(name)
    }
}

async fn beside_others_who_rename_delete_and_create(db: Db) {
    const KEYS: u32 = 3;
    with_rows(&db, (0..KEYS).map(numbered)).await;
    let there = Arc::new(AtomicI64::new(i64::from(KEYS)));
    let mut tasks = JoinSet::new();
    for caller in 0..4_usize {
        let (pool, there) = (db.pool.clone(), there.clone());
        tasks.spawn(async move {
            for n in 0..150_usize {
                let key = u32::try_from((caller + n * 7) % 3).unwrap();
                let new = said(key, caller + n);
                let done = loop {
                    let upsert = Taxonomy::upsert(new.clone()).retry(Retry::attempts(1_000));
                    match upsert.run(&pool).await {
                        // Of a row that comes and goes three times in a row.
                        Err(Error::Conflict { at, .. }) if at.operation == Operation::Create => {}
                        done => break done.unwrap_or_else(|error| panic!("{error}")),
                    }
                };
                let row = done.row;
                assert_eq!((&row.remote_id, &row.slug), (&new.remote_id, &new.slug));
                assert_eq!((&row.name, &row.description), (&new.name, &new.description));
                there.fetch_add(
                    i64::from(done.outcome == Outcome::Created),
                    Ordering::Relaxed,
                );
            }
        });
    }
    for mover in 0..2_usize {
        let (pool, there) = (db.pool.clone(), there.clone());
        tasks.spawn(async move {
            for n in 0..200_usize {
                let key = (n + mover) % 3;
                let (name, description) = SAID[(n / 3) % SAID.len()];
                let sql = match (n + mover) % 5 {
                    0 => format!("DELETE FROM taxonomy WHERE remote_id = 'r{key}'"),
                    1 => format!(
                        "UPDATE taxonomy SET remote_id = NULL, slug = 'free {mover} {n}' WHERE remote_id = 'r{key}'"
                    ),
                    2 => format!("UPDATE taxonomy SET uses = uses + 1, slug = 's{key}' WHERE remote_id = 'r{key}'"),
                    3 => format!(
                        "INSERT INTO taxonomy (remote_id, slug, name, uses, source) \
                         VALUES ('r{key}', 's{key}', 'moved', 0, 'x') ON CONFLICT DO NOTHING"
                    ),
                    _ => format!(
                        "UPDATE taxonomy SET name = '{name}', description = '{description}' WHERE remote_id = 'r{key}'"
                    ),
                };
                let is_delete = sql.starts_with("DELETE");
                let is_insert = sql.starts_with("INSERT");
                let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await;
                let rows = i64::try_from(done.expect("a statement").rows_affected()).unwrap();
                let sign = i64::from(is_insert) - i64::from(is_delete);
                there.fetch_add(sign * rows, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    let rows = db.number("SELECT count(*) FROM taxonomy").await;
    assert_eq!(rows, there.load(Ordering::Relaxed));
}

/// The write waits, and the row is another one by then.
async fn a_row_that_is_changed_meanwhile(db: Db) {
    type Way = fn(usize) -> bool;
    with_rows(&db, []).await;
    let matched_by = "remote_id";
    let updated = |changed| Outcome::Updated {
        matched_by,
        changed,
    };
    let by_chain = |statements: usize| statements > 2;
    let alone = |statements: usize| statements == 2;
    let states: [(&str, Outcome, Way); 5] = [
        // What the record says of the name is what the row was read with: it must be written now.
        ("name = 'other'", updated(vec!["name", "uses"]), by_chain),
        // What is to be written is there already.
        ("uses = 7", Outcome::Unchanged { matched_by }, by_chain),
        // It differs as before, or in what the record does not say of a row that is there.
        ("uses = 5", updated(vec!["uses"]), alone),
        ("source = 'other'", updated(vec!["uses"]), alone),
        // A row of the same content and no key.
        ("remote_id = NULL, slug = 'x'", Outcome::Created, by_chain),
    ];
    for (set, outcome, way) in states {
        db.run("DELETE FROM taxonomy").await;
        upsert(&db, record("r1", "rock")).await;
        let mut holder = db.pool.begin().await.expect("begun");
        sqlx::raw_sql(AssertSqlSafe(format!("UPDATE taxonomy SET {set}")))
            .execute(&mut *holder)
            .await
            .expect("a change");
        let pool = db.pool.clone();
        let new = NewTaxonomy {
            uses: 7,
            ..record("r1", "rock")
        };
        let waiter = async move { Taxonomy::upsert(new).run(&pool).await };
        let waiter = tokio::spawn(logged(waiter));
        until_one_waits(&db).await;
        holder.commit().await.expect("a commit");
        let (done, log) = waiter.await.expect("no panic");
        let done = done.expect("an upsert");
        assert_eq!(done.outcome, outcome, "{set}");
        assert_eq!((&*done.row.name, done.row.uses), ("rock", 7), "{set}");
        assert!(way(statements(&log).len()), "{set}: {log}");
    }
}

/// Somebody gave a connection back inside a transaction. What is done in it without a COMMIT would be undone with it.
async fn a_transaction_that_was_left_open(db: Db) {
    for begin in [
        "BEGIN; SELECT count(*) FROM taxonomy",
        "BEGIN; UPDATE taxonomy SET uses = uses",
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM taxonomy",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM taxonomy",
        "BEGIN; SELECT 1 / 0",
    ] {
        for new in [record("r1", "rock").named("Rock"), record("r2", "jazz")] {
            db.run("DROP TABLE IF EXISTS taxonomy").await;
            with_rows(&db, [record("r1", "rock")]).await;
            let pool = left_open(&db, begin).await;
            let upsert = Taxonomy::upsert(new.clone()).retry(Retry::never());
            let done = upsert.run(&pool).await;
            // The server goes on with a transaction of the same level, and a COMMIT ends it.
            let goes_on = !begin.contains("ISOLATION") && !begin.contains('/');
            assert_eq!(done.is_ok(), goes_on, "{begin}: {done:?}");
            let names = format!("SELECT name FROM taxonomy WHERE slug = '{}'", new.slug);
            let stored = db.texts(&names).await.first() == Some(&new.name);
            assert_eq!(stored, goes_on, "{begin}: what is told is stored");
            pool.close().await;
        }
    }
    // What it has seen is long past.
    let pool = left_open(
        &db,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM taxonomy",
    )
    .await;
    db.run("UPDATE taxonomy SET name = 'Rock'").await;
    let same = Taxonomy::upsert(record("r1", "rock")).retry(Retry::never());
    let done = same.run(&pool).await;
    done.expect_err("not unchanged by what the row was");
    pool.close().await;
}

/// A pool whose only connection is inside a transaction of which sqlx does not know.
async fn left_open(db: &Db, begin: &'static str) -> Pool<Sqlx> {
    let pool = db.pool_of(1).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let answer = sqlx::raw_sql(begin).execute(&mut *connection).await;
    assert_eq!(answer.is_err(), begin.contains('/'));
    drop(connection);
    pool
}

fn answer(statement: &'static str, severity: &'static str, code: &'static str) -> Answer {
    Answer {
        statement,
        times: 1,
        severity,
        code,
        done: false,
    }
}

/// Nobody knows what became of a write. What only reads is done again.
async fn a_connection_that_breaks(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let new = || record("r1", "rock").named("Rock");
    for (statement, new) in [("UPDATE", new()), ("INSERT", record("r2", "jazz"))] {
        let proxy = Proxy::answering(&db, answer(statement, "", Answer::NONE)).await;
        let pool = proxy.pool(&db, 1);
        let error = Taxonomy::upsert(new).run(&pool).await.unwrap_err();
        assert!(matches!(error, Error::CommitUnknown { .. }), "{error}");
        assert!(!error.is_retryable());
    }
    assert_eq!(db.texts("SELECT name FROM taxonomy").await, ["rock"]);
    let proxy = Proxy::answering(&db, answer("SELECT", "", Answer::NONE)).await;
    let pool = proxy.pool(&db, 1);
    let done = Taxonomy::upsert(new()).run(&pool).await;
    assert_eq!(done.expect("again").row.name, "Rock");
}

/// The server says so in place of a row: nothing has taken effect. Behind a row it says nothing of that.
async fn a_session_that_is_ended(db: Db) {
    with_rows(&db, []).await;
    for n in [1, 2] {
        let statement = if n == 1 { "INSERT" } else { "UPDATE" };
        let proxy = Proxy::answering(&db, answer(statement, "FATAL", "57P01")).await;
        let pool = proxy.pool(&db, 1);
        let done = Taxonomy::upsert(numbered(1).named(&n.to_string())).run(&pool);
        assert_eq!(done.await.expect("again").row.name, n.to_string());
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 1);
    }
    db.run(
        "CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER fall AFTER INSERT OR UPDATE ON taxonomy INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION fall()",
    )
    .await;
    for new in [numbered(1).named("new"), numbered(2)] {
        let once = Taxonomy::upsert(new).retry(Retry::never());
        let error = once.run(&db.pool).await.unwrap_err();
        assert!(matches!(error, Error::CommitUnknown { .. }), "{error}");
    }
}

/// It refuses when the rows have been sent.
async fn a_constraint_that_is_checked_at_the_end(db: Db) {
    db.run(TAXONOMY).await;
    db.run("ALTER TABLE taxonomy ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
        .await;
    upsert(&db, numbered(1).named("taken")).await;
    upsert(&db, numbered(2)).await;
    for new in [numbered(2).named("taken"), numbered(3).named("taken")] {
        let error = Taxonomy::upsert(new).run(&db.pool).await.unwrap_err();
        let Error::Conflict { at, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(at.operation, Operation::Commit);
    }
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 2);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "taxonomy")]
#[lookup(slug)]
struct Narrow {
    id: i64,
    slug: String,
    name: String,
    #[upsert(create_only)]
    uses: i64,
    #[upsert(create_only)]
    source: String,
    #[upsert(readonly)]
    description: i64,
}

/// The chain reads it before it commits.
async fn a_created_row_that_could_not_be_read(db: Db) {
    with_rows(&db, []).await;
    let narrow = || NewNarrow {
        slug: "rock".into(),
        name: "rock".into(),
        uses: 0,
        source: "x".into(),
    };
    // A column of another type; then one that is NULL.
    for alter in [
        "ALTER TABLE taxonomy ALTER COLUMN description SET DEFAULT 'x'",
        "ALTER TABLE taxonomy ALTER COLUMN description DROP DEFAULT, ALTER COLUMN description TYPE bigint USING NULL",
    ] {
        db.run(alter).await;
        let error = Narrow::upsert(narrow()).run(&db.pool).await.unwrap_err();
        assert!(
            error.to_string().contains("column `description`"),
            "{error}"
        );
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 0);
    }
    // A trigger makes it so.
    db.run(
        "ALTER TABLE taxonomy ALTER COLUMN description SET DEFAULT 1; \
         CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.description := NULL; RETURN new; END $$; \
         CREATE TRIGGER forget BEFORE UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION forget()",
    )
    .await;
    let created = Narrow::upsert(narrow()).run(&db.pool).await;
    assert_eq!(created.expect("a row").outcome, Outcome::Created);
    let other = NewNarrow {
        name: "Rock".into(),
        ..narrow()
    };
    let error = Narrow::upsert(other).run(&db.pool).await.unwrap_err();
    assert!(error.to_string().contains("is NULL"), "{error}");
    assert_eq!(db.texts("SELECT name FROM taxonomy").await, ["rock"]);
}

/// A statement that stores no row is undone, with all that triggers wrote for it.
async fn what_triggers_did_for_no_row(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    db.run(
        "ALTER TABLE taxonomy ADD CONSTRAINT one_name UNIQUE (name); \
         CREATE TABLE audit (name text); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO audit VALUES (new.name); \
         IF new.name = 'veto' THEN RETURN NULL; END IF; RETURN new; END $$; \
         CREATE TRIGGER note BEFORE INSERT OR UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION note()",
    )
    .await;
    for new in [
        record("r2", "jazz").named("rock"),
        record("r2", "jazz").named("veto"),
        record("r1", "rock").named("veto"),
    ] {
        let done = Taxonomy::upsert(new).run(&db.pool).await;
        done.expect_err("no row is stored");
    }
    assert_eq!(db.number("SELECT count(*) FROM audit").await, 0);
    let stored = upsert(&db, record("r2", "jazz")).await;
    assert_eq!(stored.outcome, Outcome::Created);
    assert_eq!(db.texts("SELECT name FROM audit").await, ["jazz"]);
}
