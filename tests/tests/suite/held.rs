//! Calls on a connection that the caller holds.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::pool::PoolConnection;
use upsert_runtime::{Error, LockedUpsert, Outcome, Retry, Wait};
use upsert_tests::{Answer, Proxy, Target};

use super::cancellation::{check, polled};
use super::models::{NewTaxonomy, Taxonomy, TaxonomyChanges, numbered, record, with_rows};
use super::races::until_one_waits;
use super::transactions::kill;
use super::waits::{set, setting};
use crate::{Db, Sqlx};

tests![
    the_same_outcomes_on_the_only_connection,
    dropped_while_it_reads_and_writes,
    dropped_in_a_transaction,
    dropped_with_a_limit,
    dropped_while_it_modifies,
    dropped_while_it_imports,
    dropped_while_it_imports_in_one_transaction,
    tried_again_on_the_same_connection on ["postgres", "mysql"],
    a_session_killed_while_it_waits on ["postgres", "mysql"],
    not_in_a_transaction_of_sqlx,
    not_in_one_begun_by_a_text,
];

type Connection = PoolConnection<Sqlx>;

/// Which session it is; on SQLite nothing tells.
async fn session(connection: &mut Connection) -> String {
    let sql = match Sqlx::TARGET {
        "postgres" => "SELECT pg_backend_pid()::TEXT",
        "mysql" => "SELECT CAST(CONNECTION_ID() AS CHAR)",
        _ => "SELECT 'the file'",
    };
    let row = sqlx::raw_sql(sql).fetch_one(&mut **connection).await;
    sqlx::Row::try_get_unchecked(&row.expect("a row"), 0).expect("a text")
}

const LIMIT: Wait = Wait::AtMost(Duration::from_secs(2));

fn uses(row: &Taxonomy) -> TaxonomyChanges {
    TaxonomyChanges::new().uses(row.uses + 1)
}

/// The pool has no second one, so that a call which takes another waits for it.
async fn the_same_outcomes_on_the_only_connection(db: Db) {
    with_rows(&db, []).await;
    let (pool, before) = set(&db).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let held = session(&mut connection).await;
    let work = async {
        for wait in [None, Some(LIMIT)] {
            let upsert = |new: NewTaxonomy| {
                let upsert = Taxonomy::upsert(new);
                match wait {
                    Some(wait) => upsert.wait(wait),
                    None => upsert,
                }
            };
            let created = upsert(numbered(1)).run_on(&mut connection).await;
            assert_eq!(created.expect("a row").outcome, Outcome::Created);
            let same = upsert(numbered(1)).run_on(&mut connection).await;
            let matched_by = "remote_id";
            assert_eq!(
                same.expect("a row").outcome,
                Outcome::Unchanged { matched_by }
            );
            let renamed = upsert(numbered(1).named("new")).run_on(&mut connection);
            let changed = vec!["name"];
            let outcome = Outcome::Updated {
                matched_by,
                changed,
            };
            assert_eq!(renamed.await.expect("a row").outcome, outcome);
            let counted = upsert(numbered(1))
                .updating_with(uses)
                .run_on(&mut connection);
            assert_eq!(counted.await.expect("a row").row.uses, 1);
            let modified = Taxonomy::modify()
                .by_slug(&mut connection, "s1", uses)
                .await;
            assert_eq!(modified.expect("no error").expect("a row").row.uses, 2);
            let no_changes = |_: &Taxonomy| {
                Err::<TaxonomyChanges, _>(Error::NoUsableKey {
                    model: "none",
                    lookups: String::new(),
                })
            };
            let refused = Taxonomy::modify()
                .try_by_slug(&mut connection, "s1", no_changes)
                .await;
            assert!(matches!(
                refused,
                Err(Error::NoUsableKey { model: "none", .. })
            ));
            let taken = upsert(NewTaxonomy {
                slug: "s1".into(),
                ..numbered(2)
            });
            let taken = taken
                .updating(TaxonomyChanges::new().name("x"))
                .run_on(&mut connection);
            assert_eq!(taken.await.expect("a row").row.name, "x");
            for is_atomic in [false, true] {
                let records = (1..=5).map(|n| numbered(n).named(if is_atomic { "b" } else { "a" }));
                let import = Taxonomy::import(records).chunk_size(2).atomic(is_atomic);
                let report = import.run_on(&mut connection).await.expect("a report");
                let counts = (report.created, report.updated, report.failed.len());
                assert_eq!(counts, if is_atomic { (0, 5, 0) } else { (4, 1, 0) });
            }
            let dry = Taxonomy::import([numbered(6)]).dry_run(true);
            assert_eq!(
                dry.run_on(&mut connection).await.expect("a report").created,
                1
            );
            assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 5);
            db.run("DELETE FROM taxonomy").await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), work).await;
    done.expect("no other connection is waited for");
    assert_eq!(setting!(&mut *connection), before);
    assert_eq!(session(&mut connection).await, held);
    drop(connection);
    assert_eq!(
        session(&mut pool.acquire().await.expect("the same")).await,
        held
    );
}

/// Another statement on the connection takes effect by itself, or none does.
async fn goes_on(db: &Db, mut connection: Connection, polls: usize, writes: &mut i64) {
    let write = sqlx::raw_sql("UPDATE taxonomy SET uses = uses + 1 WHERE slug = 'rock'");
    let stored = "SELECT uses FROM taxonomy WHERE slug = 'rock'";
    let write = write.execute(&mut *connection);
    match tokio::time::timeout(
        Duration::from_secs(if Sqlx::TARGET == "mysql" { 1 } else { 10 }),
        write,
    )
    .await
    {
        Ok(Ok(done)) if done.rows_affected() == 1 => {
            *writes += 1;
            assert_eq!(db.number(stored).await, *writes, "{polls} polls");
            let again = session(&mut connection).await;
            assert!(!again.is_empty());
        }
        // sqlx loses count of what the server answers.
        other => {
            assert_eq!(Sqlx::TARGET, "mysql", "{polls} polls: {other:?}");
            drop(connection);
            tokio::time::sleep(Duration::from_millis(50)).await;
            *writes = db.number(stored).await;
        }
    }
}

/// Drops the call after 0, 1, 2, … polls. The connection is used again at once, or given back.
macro_rules! at_each_await {
    ($db:ident, |$connection:ident, $polls:ident| $call:expr) => {{
        with_rows(&$db, [record("r1", "rock"), record("r2", "soul")]).await;
        let (pool, before) = set(&$db).await;
        let (mut writes, mut dropped, mut sweeps) = (0, 0, 0);
        while sweeps < 2 || dropped < 12 {
            assert!(sweeps < 100, "dropped in flight {dropped} times only");
            for $polls in 0.. {
                let mut connection = pool.acquire().await.expect("a connection");
                let $connection = &mut connection;
                let done = $call;
                if sweeps % 2 == 0 {
                    goes_on(&$db, connection, $polls, &mut writes).await;
                } else {
                    drop(connection);
                }
                check(&$db, &pool, $polls, &mut writes, before).await;
                if let Some(done) = done {
                    done.expect("a call that nobody drops");
                    break;
                }
                dropped += usize::from($polls > 0);
            }
            sweeps += 1;
        }
        pool.close().await;
    }};
}

fn described(polls: usize) -> TaxonomyChanges {
    TaxonomyChanges::new().description(Some(format!("after {polls} polls")))
}

async fn dropped_while_it_reads_and_writes(db: Db) {
    at_each_await!(db, |connection, polls| {
        let upsert = Taxonomy::upsert(record("r1", "rock")).updating(described(polls));
        polled(polls, upsert.run_on(connection)).await
    });
}

async fn dropped_in_a_transaction(db: Db) {
    at_each_await!(db, |connection, polls| {
        let upsert = Taxonomy::upsert(record("r1", "rock")).updating_with(|_| described(polls));
        polled(polls, upsert.run_on(connection)).await
    });
}

async fn dropped_with_a_limit(db: Db) {
    at_each_await!(db, |connection, polls| {
        let upsert = Taxonomy::upsert(record("r1", "rock")).updating(described(polls));
        polled(polls, upsert.wait(LIMIT).run_on(connection)).await
    });
}

async fn dropped_while_it_modifies(db: Db) {
    at_each_await!(db, |connection, polls| {
        let modify = Taxonomy::modify().by_slug(connection, "rock", |_| described(polls));
        polled(polls, modify).await
    });
}

/// The records of an import, in which only the description is another one each time.
fn records(polls: usize) -> [NewTaxonomy; 2] {
    [record("r2", "soul"), record("r3", "jazz")].map(|new| NewTaxonomy {
        description: Some(format!("after {polls} polls")),
        ..new
    })
}

async fn dropped_while_it_imports(db: Db) {
    at_each_await!(db, |connection, polls| {
        let import = Taxonomy::import(records(polls)).chunk_size(1);
        polled(polls, import.run_on(connection)).await
    });
}

async fn dropped_while_it_imports_in_one_transaction(db: Db) {
    at_each_await!(db, |connection, polls| {
        let import = Taxonomy::import(records(polls)).atomic(true).wait(LIMIT);
        polled(polls, import.run_on(connection)).await
    });
}

/// A deadlock ends the transaction and not the connection.
async fn tried_again_on_the_same_connection(db: Db) {
    with_rows(&db, [numbered(1)]).await;
    let (statement, severity, code) = match Sqlx::TARGET {
        "postgres" => ("COMMIT", "ERROR", "40P01"),
        _ => ("COMMIT", "", "1213"),
    };
    let deadlock = || Answer {
        statement,
        times: 2,
        severity,
        code,
        done: false,
    };
    let proxy = Proxy::answering(&db, deadlock()).await;
    let pool = proxy.pool(&db, 1);
    let mut connection = pool.acquire().await.expect("a connection");
    let held = session(&mut connection).await;
    let mut calls = 0;
    let modified = Taxonomy::modify().by_slug(&mut connection, "s1", |row| {
        calls += 1;
        uses(row)
    });
    assert_eq!(
        modified.await.expect("no error").expect("a row").row.uses,
        1
    );
    assert_eq!(calls, 3);
    assert_eq!(session(&mut connection).await, held);
    let proxy = Proxy::answering(&db, deadlock()).await;
    let pool = proxy.pool(&db, 1);
    let mut connection = pool.acquire().await.expect("a connection");
    let never = Taxonomy::modify().retry(Retry::never());
    let error = never
        .by_slug(&mut connection, "s1", uses)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Deadlock { .. }), "{error}");
    let modified = Taxonomy::modify()
        .by_slug(&mut connection, "s1", uses)
        .await;
    assert_eq!(modified.expect("no error").expect("a row").row.uses, 2);
}

/// There is no other connection to try it again on. The pool makes a new one.
async fn a_session_killed_while_it_waits(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    for turn in 0..3 {
        let mut connection = pool.acquire().await.expect("a connection");
        let id = session(&mut connection).await;
        let mut holder = upsert_runtime::begin(&db.pool).await.expect("begun");
        let lock = Taxonomy::lock().by_slug(&mut holder, "rock").await;
        drop(lock.expect("a lock").expect("a row"));
        let call = tokio::spawn(async move {
            let new = || record("r1", "rock").named("new");
            let error = match turn {
                0 => Taxonomy::upsert(new())
                    .updating_with(uses)
                    .run_on(&mut connection)
                    .await
                    .map(drop),
                1 => Taxonomy::modify()
                    .by_slug(&mut connection, "rock", uses)
                    .await
                    .map(drop),
                _ => Taxonomy::import([new()])
                    .run_on(&mut connection)
                    .await
                    .map(drop),
            };
            let after = Taxonomy::upsert(new()).run_on(&mut connection).await;
            (error.unwrap_err(), after.unwrap_err())
        });
        until_one_waits(&db).await;
        kill(&db.pool, &id).await;
        let (error, after) = call.await.expect("no panic");
        let error = match error {
            Error::Stopped { source, .. } => *source,
            error => error,
        };
        assert!(
            matches!(error, Error::TransactionLost { .. }),
            "{turn}: {error}"
        );
        assert!(
            matches!(after, Error::TransactionLost { .. }),
            "{turn}: {after}"
        );
        holder.rollback().await.expect("a rollback");
        let again = Taxonomy::upsert(record("r1", "rock")).run(&pool).await;
        assert_eq!(again.expect("a new connection").row.uses, 0);
    }
}

/// All calls, none of which may do anything.
async fn all_are_refused(connection: &mut Connection) {
    let new = || record("r1", "rock").named("new");
    let upsert = Taxonomy::upsert(new()).run_on(connection).await.map(drop);
    let waiting = Taxonomy::upsert(new()).wait(LIMIT).run_on(connection).await;
    let modify = Taxonomy::modify()
        .by_slug(&mut *connection, "rock", uses)
        .await;
    let import = Taxonomy::import([new()]).run_on(connection).await;
    let atomic = Taxonomy::import([new()])
        .atomic(true)
        .run_on(connection)
        .await;
    let all = [
        upsert,
        waiting.map(drop),
        modify.map(drop),
        import.map(drop),
        atomic.map(drop),
    ];
    for (place, done) in all.into_iter().enumerate() {
        let error = done.unwrap_err();
        assert!(
            matches!(error, Error::Unsupported { .. }),
            "{place}: {error}"
        );
        assert!(
            error.to_string().contains("`run_on` within a transaction"),
            "{error}"
        );
    }
}

/// A statement of the caller's.
async fn run(connection: &mut Connection, sql: &'static str) {
    let done = sqlx::raw_sql(sql).execute(&mut **connection).await;
    done.expect("a statement");
}

const OWN: &str = "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('own', 'own', 0, 'x')";

async fn not_in_a_transaction_of_sqlx(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    let mut connection = pool.acquire().await.expect("a connection");
    // Its guard borrows the connection.
    std::mem::forget(connection.begin().await.expect("begun"));
    run(&mut connection, OWN).await;
    all_are_refused(&mut connection).await;
    run(&mut connection, "COMMIT").await;
    assert_eq!(
        db.texts("SELECT name FROM taxonomy ORDER BY id").await,
        ["rock", "own"]
    );
    connection.close().await.expect("closed");
}

/// It goes on after that, with what was done in it.
async fn not_in_one_begun_by_a_text(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let texts: &[&str] = match Sqlx::TARGET {
        "postgres" => &["BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE"],
        _ => &["BEGIN"],
    };
    for text in texts {
        for writes_first in [false, true] {
            run(&mut connection, text).await;
            if writes_first {
                run(&mut connection, OWN).await;
            }
            all_are_refused(&mut connection).await;
            if !writes_first {
                run(&mut connection, OWN).await;
            }
            let names = "SELECT name FROM taxonomy ORDER BY id";
            assert_eq!(db.texts(names).await, ["rock"], "{text}");
            run(&mut connection, "COMMIT").await;
            assert_eq!(db.texts(names).await, ["rock", "own"], "{text}");
            run(&mut connection, "DELETE FROM taxonomy WHERE name = 'own'").await;
        }
    }
    // It was given back as it was.
    Taxonomy::upsert(record("r1", "rock").named("new"))
        .run_on(&mut connection)
        .await
        .expect("no transaction");
}
