//! What a server says when it is in trouble, or when the way to it is.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::pool::PoolOptions;
use sqlx::types::Uuid;
use sqlx::{Database, Pool};
use upsert_runtime::{Error, LockedUpsert, Outcome, Retry, Upsert, Wait};
use upsert_tests::{Answer, Proxy, Refusal, SocketFile, Target};

use super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered, record, upsert, with_rows};
use crate::{Db, Sqlx};

tests![
    a_commit_that_a_dying_server_answers on ["postgres"],
    a_commit_whose_outcome_is_open on ["postgres", "mysql"],
    a_session_that_was_idle_for_too_long on ["postgres", "mysql"],
    a_server_that_refuses_for_now on ["postgres", "mysql"],
    a_server_that_refuses_for_good on ["postgres", "mysql"],
    a_socket_file_that_is_gone on ["postgres", "mysql"],
    a_server_that_this_one_cannot_reach on ["postgres"],
    a_pool_that_is_busy on ["postgres", "mysql"],
    a_pool_whose_connections_are_dead on ["postgres", "mysql"],
    a_server_that_was_made_read_only on ["postgres", "mysql"],
    a_session_that_is_read_only on ["postgres"],
    what_no_pause_mends on ["postgres", "mysql"],
    a_node_without_a_quorum on ["mysql"],
    a_transaction_that_the_cluster_has_ended on ["mysql"],
    a_commit_that_the_cluster_refuses on ["mysql"],
    a_connection_lost_on_the_way_back on ["postgres", "mysql"],
    a_statement_that_ran_for_too_long on ["postgres"],
    a_row_for_which_there_is_no_partition on ["mysql"],
    safe_updates on ["mysql"],
    a_type_that_is_not_there on ["postgres"],
    a_uuid_that_is_stored_as_text on ["mysql"],
    an_exclusion_constraint on ["postgres"],
    refusals_that_do_not_follow_each_other on ["postgres"],
    what_the_server_says_of_itself on ["postgres", "mysql"],
    an_update_that_counts_changed_rows on ["mysql"],
];

fn answer(statement: &'static str, severity: &'static str, code: &'static str) -> Answer {
    Answer {
        statement,
        times: 1,
        severity,
        code,
        done: false,
    }
}

async fn stored(db: &Db) -> i64 {
    db.number("SELECT count(*) FROM taxonomy").await
}

/// A record whose statements have a transaction around them: a limit of waiting is said in it.
fn in_a_transaction(n: i64) -> Upsert<'static, Taxonomy> {
    Taxonomy::upsert(numbered(n)).wait(Wait::Forever)
}

async fn a_commit_that_a_dying_server_answers(db: Db) {
    with_rows(&db, []).await;
    for (n, severity) in [(1, "PANIC"), (2, "FATAL")] {
        // The disk of the log is full, and the COMMIT that met it has become durable all the same.
        let full = Answer {
            done: true,
            ..answer("COMMIT", severity, "53100")
        };
        let proxy = Proxy::answering(&db, full).await;
        let pool = proxy.pool(&db, 1);
        let error = in_a_transaction(n).run(&pool).await.unwrap_err();
        assert!(matches!(error, Error::CommitUnknown { .. }), "{error}");
        assert_eq!(stored(&db).await, n);
    }
    // The session lives, so the server has answered for good.
    let proxy = Proxy::answering(&db, answer("COMMIT", "ERROR", "53100")).await;
    let pool = proxy.pool(&db, 1);
    let error = in_a_transaction(3).run(&pool).await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    assert_eq!(stored(&db).await, 2);
}

/// PostgreSQL does not look for the end of a session (57P01, 57P02) or of a transaction's time (25P04) while it commits, but right
/// after that. MySQL's answers are those of a statement that was interrupted, of a log that could not be written and of a cluster.
async fn a_commit_whose_outcome_is_open(db: Db) {
    with_rows(&db, []).await;
    let (severity, codes): (_, &[_]) = if Sqlx::TARGET == "postgres" {
        ("FATAL", &["25P04", "57P01", "57P02", "08006"])
    } else {
        ("", &["1317", "1026", "1598", "1180", "1053", "1927"])
    };
    let mut n = 0;
    for code in codes {
        for done in [false, true] {
            let open = Answer {
                done,
                ..answer("COMMIT", severity, code)
            };
            let proxy = Proxy::answering(&db, open).await;
            let pool = proxy.pool(&db, 1);
            let error = in_a_transaction(n).run(&pool).await.unwrap_err();
            assert!(matches!(error, Error::CommitUnknown { .. }), "{error}");
            assert!(!error.is_retryable());
            // No connection need have broken.
            assert_eq!(
                error.to_string(),
                "`Taxonomy`: commit: the connection or the server failed meanwhile; whether it took effect is unknown"
            );
            n += i64::from(done);
            assert_eq!(stored(&db).await, n);
        }
    }
}

/// The session goes on: it was told of another connection, not of its own.
async fn a_server_that_this_one_cannot_reach(db: Db) {
    with_rows(&db, []).await;
    db.run(
        "CREATE EXTENSION dblink; CREATE FUNCTION reach() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM dblink_connect('host=127.0.0.1 port=1 connect_timeout=1'); RETURN new; END $$",
    )
    .await;
    for when in [
        "TRIGGER reach AFTER INSERT ON taxonomy",
        "CONSTRAINT TRIGGER reach AFTER INSERT ON taxonomy INITIALLY DEFERRED",
    ] {
        db.run(&format!(
            "DROP TRIGGER IF EXISTS reach ON taxonomy; CREATE {when} FOR EACH ROW EXECUTE FUNCTION reach()"
        ))
        .await;
        for upsert in [Taxonomy::upsert(numbered(1)), in_a_transaction(1)] {
            let error = upsert.run(&db.pool).await.unwrap_err();
            assert!(matches!(error, Error::Database { .. }), "{when}: {error}");
            assert!(error.to_string().contains("(08001)"), "{when}: {error}");
            assert!(!error.is_about_record(), "{when}: {error}");
        }
    }
    // A trigger says under such a code what it likes.
    for code in ["08006", "57P01", "25P02", "25P03", "26000", "55000"] {
        db.run(&format!(
            "CREATE OR REPLACE FUNCTION reach() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE 'no' USING ERRCODE = '{code}'; END $$"
        ))
        .await;
        let error = in_a_transaction(1).run(&db.pool).await.unwrap_err();
        assert!(matches!(error, Error::Database { .. }), "{code}: {error}");
        assert!(error.is_about_record(), "{code}: {error}");
    }
}

/// The server looks for that before it carries out what has come in the meantime, so that COMMIT did not run.
async fn a_session_that_was_idle_for_too_long(db: Db) {
    with_rows(&db, []).await;
    let codes: &[_] = if Sqlx::TARGET == "postgres" {
        &["25P03", "57P05"]
    } else {
        &["4031"]
    };
    for (n, code) in (0..).zip(codes) {
        let idle = || Proxy::answering(&db, answer("COMMIT", "FATAL", code));
        let proxy = idle().await;
        let once = in_a_transaction(n).retry(Retry::never());
        let error = once.run(&proxy.pool(&db, 1)).await.unwrap_err();
        assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
        assert!(error.is_retryable());
        assert_eq!(stored(&db).await, n);
        let proxy = idle().await;
        let pool = proxy.pool(&db, 1);
        let again = in_a_transaction(n).run(&pool).await.expect("an upsert");
        assert_eq!(again.outcome, Outcome::Created);
        assert_eq!(stored(&db).await, n + 1);
    }
}

/// Nobody gets to the server by this pool: each call says so at once, and may be made again.
async fn is_unreachable(pool: &Pool<Sqlx>) {
    let once = Taxonomy::upsert(numbered("lost")).retry(Retry::never());
    let import = Taxonomy::import([numbered("lost")]).retry(Retry::never());
    let Error::Stopped { source, .. } = import.run(pool).await.unwrap_err() else {
        panic!("nothing was imported");
    };
    let errors = [
        once.run(pool).await.unwrap_err(),
        upsert_runtime::begin(pool).await.unwrap_err(),
        *source,
    ];
    for error in errors {
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert!(error.is_retryable() && !error.is_about_record());
    }
}

/// An upsert and an import, each of which may begin before the server can be reached.
async fn three_are_stored(pool: &Pool<Sqlx>, first: i64) {
    let (record, import) = tokio::join!(
        Taxonomy::upsert(numbered(first)).run(pool),
        Taxonomy::import([first + 1, first + 2].map(numbered)).run(pool)
    );
    assert_eq!(record.expect("an upsert").outcome, Outcome::Created);
    assert_eq!(import.expect("an import").created, 2);
}

async fn a_server_that_refuses_for_now(db: Db) {
    with_rows(&db, []).await;
    // A pooler whose server is gone; the server ends, has crashed, starts; too many sessions. The same of MySQL, and a cluster's node
    // that is not ready.
    let codes: &[_] = if Sqlx::TARGET == "postgres" {
        &["08P01", "57P01", "57P02", "57P03", "53300"]
    } else {
        &["1040", "1053", "1047"]
    };
    let broken = [Refusal::Closed, Refusal::Reset, Refusal::CutShort];
    let refusals = codes.iter().map(|code| Refusal::Error(code)).chain(broken);
    for (first, refusal) in (0..).step_by(3).zip(refusals) {
        let proxy = Proxy::refusing(&db, refusal, u32::MAX).await;
        // sqlx's pool itself asks again after some of them, for as long as it is told.
        is_unreachable(&pool_at(&proxy.url(&db), Duration::from_millis(200))).await;
        let proxy = Proxy::refusing(&db, refusal, 4).await;
        three_are_stored(&proxy.pool(&db, 2), first).await;
        assert_eq!(stored(&db).await, first + 3, "{refusal:?}");
    }
}

async fn a_server_that_refuses_for_good(db: Db) {
    with_rows(&db, []).await;
    // A wrong password, an unknown database, a host that may not connect.
    let codes = if Sqlx::TARGET == "postgres" {
        ["28P01", "3D000", "28000"]
    } else {
        ["1045", "1049", "1130"]
    };
    for code in codes {
        let proxy = Proxy::refusing(&db, Refusal::Error(code), 1).await;
        let call = Taxonomy::upsert(numbered(1)).run(&proxy.pool(&db, 1)).await;
        let error = call.unwrap_err();
        assert!(matches!(error, Error::Database { .. }), "{error}");
        assert!(!error.is_retryable());
    }
}

/// A server that ends takes its file away, and makes it again once it has started.
async fn a_socket_file_that_is_gone(db: Db) {
    with_rows(&db, []).await;
    let pool = || pool_at(&SocketFile::url(&db), Duration::from_secs(5));
    let file = SocketFile::make(&db);
    three_are_stored(&pool(), 0).await;
    drop(file);
    let pool = pool();
    is_unreachable(&pool).await;
    let made = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        SocketFile::make(&db)
    };
    let ((), _file) = tokio::join!(three_are_stored(&pool, 3), made);
    assert_eq!(stored(&db).await, 6);
}

fn pool_at(url: &str, patience: Duration) -> Pool<Sqlx> {
    let options = <<Sqlx as Database>::Connection as sqlx::Connection>::Options::from_str(url);
    PoolOptions::new()
        .max_connections(1)
        .acquire_timeout(patience)
        .connect_lazy_with(options.expect("a URL"))
}

async fn a_pool_that_is_busy(db: Db) {
    with_rows(&db, []).await;
    let pool = pool_at(&db.url(), Duration::from_millis(200));
    let holder = pool.acquire().await.expect("a connection");
    let once = Taxonomy::upsert(numbered(1)).retry(Retry::never());
    let error = once.run(&pool).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
    let of_waiter = pool.clone();
    let waiter = tokio::spawn(async move { Taxonomy::upsert(numbered(1)).run(&of_waiter).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(holder);
    waiter.await.expect("no panic").expect("an upsert");
}

/// The server has restarted, or a firewall has dropped what was idle. More connections than a call makes attempts.
async fn a_pool_whose_connections_are_dead(db: Db) {
    const CONNECTIONS: u32 = 12;
    with_rows(&db, []).await;
    let options =
        <<Sqlx as Database>::Connection as sqlx::Connection>::Options::from_str(&db.url());
    let pool = PoolOptions::<Sqlx>::new()
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .connect_lazy_with(options.expect("a URL"));
    for n in 0..2 {
        let mut connections = Vec::new();
        let mut sessions = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = pool.acquire().await.expect("a connection");
            let row = sqlx::raw_sql(session_of())
                .fetch_one(&mut *connection)
                .await;
            let row = row.expect("a session");
            sessions
                .push(sqlx::Row::try_get_unchecked::<String, usize>(&row, 0).expect("its number"));
            connections.push(connection);
        }
        drop(connections);
        // One that comes back is pinged: they die while they are idle.
        while pool.num_idle() < CONNECTIONS as usize {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for session in sessions {
            db.run(&if Sqlx::TARGET == "postgres" {
                format!("SELECT pg_terminate_backend({session})")
            } else {
                format!("KILL {session}")
            })
            .await;
        }
        let begun = Instant::now();
        if n == 0 {
            let done = Taxonomy::upsert(numbered(0)).run(&pool).await;
            assert_eq!(done.expect("an upsert").outcome, Outcome::Created);
        } else {
            let import = Taxonomy::import([1, 2].map(numbered)).run(&pool).await;
            assert_eq!(import.expect("an import").created, 2);
        }
        // One pause, not one for each connection.
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    assert_eq!(stored(&db).await, 3);
}

/// The number of a connection's session, as a text.
fn session_of() -> &'static str {
    match Sqlx::TARGET {
        "postgres" => "SELECT pg_backend_pid()::text",
        _ => "SELECT CAST(CONNECTION_ID() AS CHAR)",
    }
}

/// It was the primary until others took its place, and its connections are those of clients who still take it for that.
async fn a_server_that_was_made_read_only(db: Db) {
    with_rows(&db, [numbered(0)]).await;
    let session = || session_of().to_owned();
    let codes: &[_] = if Sqlx::TARGET == "postgres" {
        &["25006"]
    } else {
        &["1290", "1836"]
    };
    let is_told = |error: &Error, code: &str| {
        assert!(matches!(error, Error::Database { .. }), "{error}");
        assert!(!error.is_about_record() && !error.is_retryable(), "{error}");
        let text = error.to_string();
        assert!(text.contains("read-only: "), "{text}");
        assert!(text.contains(&format!("({code})")), "{text}");
    };
    for code in codes {
        // PostgreSQL refuses a locking read, too.
        let first = if Sqlx::TARGET == "postgres" {
            "SELECT"
        } else {
            "UPDATE"
        };
        for statement in [first, "INSERT"] {
            let proxy = Proxy::answering(&db, answer(statement, "ERROR", code)).await;
            let pool = proxy.pool(&db, 1);
            let before = Sqlx::texts(&pool, session()).await;
            let n = i64::from(statement == "INSERT");
            let new = || numbered(n).named(&format!("{code} {statement}"));
            let call = Taxonomy::upsert(new()).run(&pool).await;
            is_told(&call.unwrap_err(), code);
            // The next call may get to the new primary.
            assert_ne!(Sqlx::texts(&pool, session()).await, before);
            Taxonomy::upsert(new()).run(&pool).await.expect("an upsert");
            db.run("DELETE FROM taxonomy WHERE slug <> 's0'").await;
            for atomic in [false, true] {
                let proxy = Proxy::answering(&db, answer(statement, "ERROR", code)).await;
                let pool = proxy.pool(&db, 1);
                let before = Sqlx::texts(&pool, session()).await;
                let records = || (n..n + 3).map(|n| numbered(n).named("imported"));
                let import = Taxonomy::import(records()).atomic(atomic);
                let error = import.run(&pool).await.unwrap_err();
                let Error::Stopped { report, source } = &error else {
                    panic!("{error}");
                };
                is_told(source, code);
                assert_eq!(report.failed.len(), 0, "{report}");
                assert_ne!(Sqlx::texts(&pool, session()).await, before);
                let report = Taxonomy::import(records()).atomic(atomic).run(&pool).await;
                assert_eq!(report.expect("an import").records, 3);
                db.run("DELETE FROM taxonomy WHERE slug <> 's0'; UPDATE taxonomy SET name = 's0'")
                    .await;
            }
        }
    }
}

/// A standby sets each transaction so, and here it is the session.
async fn a_session_that_is_read_only(db: Db) {
    with_rows(&db, [numbered(0)]).await;
    let pool = db.pool_of(1).await;
    for n in 0..3 {
        Sqlx::run_text(&pool, "SET default_transaction_read_only = on".to_owned()).await;
        let new = || numbered(n).named("new");
        let error = match n {
            0 => Taxonomy::upsert(new()).run(&pool).await.unwrap_err(),
            1 => Taxonomy::import([new()]).run(&pool).await.unwrap_err(),
            _ => {
                let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
                Taxonomy::upsert(new()).run_in(&mut tx).await.unwrap_err()
            }
        };
        let text = error.to_string();
        assert!(text.contains("the transaction is read-only: "), "{text}");
        assert!(!error.is_about_record() && !error.is_retryable(), "{text}");
        // On another connection.
        Taxonomy::upsert(new()).run(&pool).await.expect("an upsert");
    }
    pool.close().await;
}

async fn what_no_pause_mends(db: Db) {
    let (server, _) = db
        .url()
        .rsplit_once('/')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let unknown = pool_at(&format!("{server}/upsert_nothing"), Duration::from_secs(5));
    let closed = pool_at(&db.url(), Duration::from_secs(5));
    closed.close().await;
    for pool in [unknown, closed] {
        let error = Taxonomy::upsert(numbered(1)).run(&pool).await.unwrap_err();
        assert!(matches!(error, Error::Database { .. }), "{error}");
        assert!(!error.is_retryable());
    }
}

/// It refuses statements unread, a COMMIT too.
async fn a_node_without_a_quorum(db: Db) {
    with_rows(&db, []).await;
    let begin = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN";
    for (n, statement) in (0..).zip([begin, "SELECT", "INSERT", "COMMIT"]) {
        let refusing = || {
            let refused = [statement, "ROLLBACK"].map(|statement| answer(statement, "", "1047"));
            Proxy::answering_each(&db, refused)
        };
        let proxy = refusing().await;
        let once = Taxonomy::upsert(numbered(n)).retry(Retry::never());
        let error = once.run(&proxy.pool(&db, 1)).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(error.is_retryable());
        assert_eq!(stored(&db).await, n);
        let proxy = refusing().await;
        let pool = proxy.pool(&db, 1);
        let again = Taxonomy::upsert(numbered(n)).run(&pool);
        assert_eq!(again.await.expect("an upsert").outcome, Outcome::Created);
        assert_eq!(stored(&db).await, n + 1);
    }
}

async fn a_transaction_that_the_cluster_has_ended(db: Db) {
    with_rows(&db, []).await;
    let set = "SAVEPOINT upsert; RELEASE SAVEPOINT upsert; SAVEPOINT upsert";
    for statement in [set, "RELEASE SAVEPOINT upsert"] {
        let proxy = Proxy::answering(&db, answer(statement, "", "1213")).await;
        let pool = proxy.pool(&db, 1);
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let call = Taxonomy::upsert(numbered(1)).run_in(&mut tx);
        let error = call.await.unwrap_err();
        assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
        tx.rollback().await.expect("there is nothing to undo");
    }
    let proxy = Proxy::answering(&db, answer("ROLLBACK", "", "1213")).await;
    let pool = proxy.pool(&db, 1);
    let tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    tx.rollback().await.expect("there is nothing to undo");
    assert_eq!(stored(&db).await, 0);
}

/// Galera compares transactions at COMMIT, and answers 1213 where that of another node has won. It is undone then.
async fn a_commit_that_the_cluster_refuses(db: Db) {
    with_rows(&db, []).await;
    let refused = || Proxy::answering(&db, answer("COMMIT", "", "1213"));
    let proxy = refused().await;
    let pool = proxy.pool(&db, 1);
    let done = Taxonomy::upsert(numbered(1)).run(&pool).await;
    assert_eq!(done.expect("an upsert").outcome, Outcome::Created);
    assert_eq!(stored(&db).await, 1);
    let proxy = refused().await;
    let pool = proxy.pool(&db, 1);
    let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    let done = Taxonomy::upsert(numbered(2)).run_in(&mut tx).await;
    done.expect("an upsert");
    let error = tx.commit().await.unwrap_err();
    assert!(matches!(error, Error::Deadlock { .. }), "{error}");
    assert!(error.is_retryable());
    assert_eq!(stored(&db).await, 1);
    // The connection can be used again.
    let done = Taxonomy::upsert(numbered(3)).run(&pool).await;
    done.expect("an upsert");
    assert_eq!(stored(&db).await, 2);
}

async fn a_connection_lost_on_the_way_back(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let codes: &[_] = if Sqlx::TARGET == "postgres" {
        &["57P01"]
    } else {
        &["1927", "1047"]
    };
    for code in codes {
        let ended = answer("ROLLBACK TO SAVEPOINT upsert", "FATAL", code);
        let proxy = Proxy::answering(&db, ended).await;
        let pool = proxy.pool(&db, 1);
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        let call = Taxonomy::upsert(record("r2", "rock")).run_in(&mut tx);
        let error = call.await.unwrap_err();
        // Not by the unique key that was refused before, which ends no transaction.
        let Error::TransactionLost {
            source: Some(source),
            ..
        } = &error
        else {
            panic!("{error}");
        };
        let text = source.to_string();
        assert!(text.contains("played"), "{text}");
    }
}

async fn a_statement_that_ran_for_too_long(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    Sqlx::run_text(&pool, "SET statement_timeout = '100ms'".to_owned()).await;
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let lock = Taxonomy::lock().by_slug(&mut holder, "rock").await;
    assert!(lock.expect("a lock").is_some());
    let renamed = Taxonomy::upsert(record("r1", "rock").named("Rock"));
    let error = renamed.run(&pool).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("statement timeout"), "{text}");
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Dated {
    id: i64,
    slug: String,
    year: i32,
}

async fn a_row_for_which_there_is_no_partition(db: Db) {
    db.run(
        "CREATE TABLE dated (id bigint auto_increment, slug varchar(190) NOT NULL, year int NOT NULL, KEY (id), KEY (slug)) \
         PARTITION BY RANGE (year) (PARTITION early VALUES LESS THAN (2020))",
    )
    .await;
    let new = |slug: &str, year| NewDated {
        slug: slug.to_owned(),
        year,
    };
    let error = Dated::upsert(new("x", 4242))
        .run(&db.pool)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(error.is_about_record(), "{text}");
    assert!(text.contains("no partition"), "{text}");
    assert!(!text.contains("4242"), "{text}");
    let import = Dated::import([new("a", 2018), new("b", 4242), new("c", 2019)]);
    let report = import.run(&db.pool).await.expect("an import");
    let failed: Vec<_> = report.failed.iter().map(|failure| failure.index).collect();
    assert_eq!((report.created, failed), (2, vec![1]));
}

async fn safe_updates(db: Db) {
    with_rows(&db, (0..3).map(numbered)).await;
    let pool = db.pool_of(1).await;
    Sqlx::run_text(&pool, "SET sql_safe_updates = 1".to_owned()).await;
    let records = (0..3).map(|n| numbered(n).named("new"));
    let result = Taxonomy::import(records).run(&pool).await;
    let text = result.unwrap_err().to_string();
    assert!(text.contains("safe update mode"), "{text}");
}

#[derive(Debug, Clone, Copy, PartialEq, sqlx::Type)]
#[sqlx(type_name = "absent_mood", rename_all = "lowercase")]
enum Mood {
    Glad,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Moody {
    id: i64,
    slug: String,
    mood: Mood,
}

async fn a_type_that_is_not_there(db: Db) {
    db.run("CREATE TABLE moody (id {id}, slug {text} NOT NULL UNIQUE, mood {text})")
        .await;
    let new = NewMoody {
        slug: "rock".to_owned(),
        mood: Mood::Glad,
    };
    let error = Moody::upsert(new).run(&db.pool).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("absent_mood"), "{text}");
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Coded {
    id: i64,
    slug: String,
    code: Uuid,
}

async fn a_uuid_that_is_stored_as_text(db: Db) {
    db.run("CREATE TABLE coded (id {id}, slug {text} NOT NULL UNIQUE, code varchar(36))")
        .await;
    let code = Uuid::from_u128(4242);
    db.run(&format!(
        "INSERT INTO coded (slug, code) VALUES ('rock', '{code}')"
    ))
    .await;
    let new = NewCoded {
        slug: "rock".to_owned(),
        code,
    };
    let error = Coded::upsert(new).run(&db.pool).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("column `code`: Expected 16 bytes, got 36"),
        "{text}"
    );
    assert!(text.contains("Hyphenated"), "{text}");
}

async fn an_exclusion_constraint(db: Db) {
    db.run(&TAXONOMY.replace(
        "updated_at {now}",
        "updated_at {now}, CONSTRAINT apart EXCLUDE USING gist (box(point(uses, uses), point(uses, uses)) WITH &&)",
    ))
    .await;
    let using = |n, uses| NewTaxonomy {
        uses,
        ..numbered(n)
    };
    upsert(&db, using(1, 1)).await;
    upsert(&db, using(2, 2)).await;
    for new in [using(3, 1), using(2, 1)] {
        let error = Taxonomy::upsert(new).run(&db.pool).await.unwrap_err();
        let Error::Conflict { constraint, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(constraint.as_deref(), Some("apart"));
    }
    let import = Taxonomy::import([using(3, 1), using(4, 4)]);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!((report.created, report.failed.len()), (1, 1));
    let error = &report.failed[0].error;
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

async fn refusals_that_do_not_follow_each_other(db: Db) {
    db.run(&TAXONOMY.replace("name {text} NOT NULL", "name {text} NOT NULL UNIQUE"))
        .await;
    upsert(&db, record("r1", "rock").named("taken")).await;
    // The numbers of a sequence are not rolled back. One refusal without a transaction, two in one, then another end of the attempt,
    // then a third refusal.
    db.run(
        "CREATE SEQUENCE tries; \
         CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         CASE nextval('tries') WHEN 1, 2, 3, 5 THEN RETURN new; \
         WHEN 4 THEN RAISE EXCEPTION 'played' USING ERRCODE = 'serialization_failure'; \
         ELSE new.name := 'free'; RETURN new; END CASE; END $$; \
         CREATE TRIGGER judge BEFORE INSERT ON taxonomy FOR EACH ROW EXECUTE FUNCTION judge()",
    )
    .await;
    let done = upsert(&db, record("r2", "jazz").named("taken")).await;
    assert_eq!(done.outcome, Outcome::Created);
    assert_eq!(db.number("SELECT last_value FROM tries").await, 6);
}

async fn what_the_server_says_of_itself(db: Db) {
    with_rows(&db, []).await;
    // A full disk; a statement that took too long.
    let answers = if Sqlx::TARGET == "postgres" {
        [("53100", "played"), ("57014", "played")]
    } else {
        [
            (
                "1021",
                "Disk full (played); waiting for someone to free some space...",
            ),
            (
                "1969",
                "Query execution was interrupted (max_statement_time exceeded)",
            ),
        ]
    };
    for (code, words) in answers {
        let proxy = Proxy::answering(&db, answer("INSERT", "ERROR", code)).await;
        let pool = proxy.pool(&db, 1);
        let error = Taxonomy::upsert(numbered(1)).run(&pool).await.unwrap_err();
        assert!(matches!(error, Error::Database { .. }), "{error}");
        assert!(!error.is_about_record() && !error.is_retryable());
        let text = error.to_string();
        assert_eq!(text, format!("`Taxonomy`: create: {words} ({code})"));
        let proxy = Proxy::answering(&db, answer("INSERT", "ERROR", code)).await;
        let pool = proxy.pool(&db, 1);
        let import = Taxonomy::import((0..3).map(numbered)).run(&pool).await;
        let text = import.unwrap_err().to_string();
        assert!(
            text.contains(&format!("create: {words} ({code})")),
            "{text}"
        );
    }
    assert_eq!(stored(&db).await, 0);
}

/// sqlx has an UPDATE count the rows that it finds. Another client, and a version to come, may have it count those in which it has
/// changed something.
async fn an_update_that_counts_changed_rows(db: Db) {
    let rows = with_rows(&db, (0..6).map(numbered)).await;
    db.run(
        "CREATE TRIGGER keep BEFORE UPDATE ON taxonomy FOR EACH ROW \
         SET NEW.name = OLD.name, NEW.updated_at = OLD.updated_at",
    )
    .await;
    let proxy = Proxy::counting_changed_rows(&db).await;
    let pool = proxy.pool(&db, 1);
    let same = sqlx::query("UPDATE taxonomy SET uses = uses").execute(&pool);
    assert_eq!(same.await.expect("an update").rows_affected(), 0);
    let named = |n: usize| numbered(n).named("new");
    let done = Taxonomy::upsert(named(0)).run(&pool).await;
    let done = done.expect("an upsert");
    assert!(matches!(done.outcome, Outcome::Updated { .. }), "{done:?}");
    assert_eq!(done.row, rows[0]);
    for size in [1, 6] {
        let import = Taxonomy::import((0..6).map(named)).chunk_size(size);
        let report = import.run(&pool).await.expect("an import");
        assert_eq!((report.updated, report.failed.len()), (6, 0), "{report}");
    }
    // Keys that two rows exchange, one of them parked; a lock and a deletion.
    let swapped = [(0, "s1"), (1, "s0")].map(|(n, slug)| NewTaxonomy {
        slug: slug.to_owned(),
        ..numbered(n)
    });
    let report = Taxonomy::import(swapped).run(&pool).await;
    assert_eq!(report.expect("an import").updated, 2);
    let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    let lock = Taxonomy::lock().by_slug(&mut tx, "s2").await;
    let mut row = lock.expect("a lock").expect("a row");
    assert!(row.update_name("new").await.expect("an update"));
    row.delete().await.expect("a deletion");
    tx.commit().await.expect("a commit");
    let slugs = db.texts("SELECT slug FROM taxonomy ORDER BY id").await;
    assert_eq!(slugs, ["s1", "s0", "s3", "s4", "s5"]);
}
