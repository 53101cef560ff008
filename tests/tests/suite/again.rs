//! Work that is done again in the transaction of the caller's, or on a connection whose statements the server refuses.

use upsert_runtime::{Error, InTransaction, LockedUpsert, Retry};
use upsert_tests::{Answer, Proxy};

use super::models::{Taxonomy, TaxonomyChanges, numbered, record, with_rows};
use super::races::until_one_waits;
use crate::{Db, Sqlx};

tests![
    a_column_of_another_type on ["postgres"],
    a_column_of_another_type_on_each_connection on ["postgres"],
    a_column_of_another_type_under_a_guard on ["postgres"],
    a_statement_that_must_be_prepared_again on ["mysql"],
    a_row_that_moves_to_another_partition on ["postgres"],
    a_row_that_a_snapshot_has_in_its_old_partition on ["postgres"],
];

/// The name's column gets another type, which is the result of statements that connections have prepared.
async fn alter(db: &Db, turn: usize) {
    let length = 300 + turn;
    db.run(&format!(
        "ALTER TABLE taxonomy ALTER COLUMN name TYPE varchar({length})"
    ))
    .await;
}

/// Each call, on a connection that has made it before.
async fn a_column_of_another_type(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    let rock = || record("r1", "rock");
    for turn in 0..3 {
        let named = format!("turn {turn}");
        let changes = || TaxonomyChanges::new().name(named.clone());
        alter(&db, turn).await;
        let upsert = Taxonomy::upsert(rock()).updating(changes());
        upsert.retry(Retry::never()).run(&pool).await.expect("run");
        alter(&db, turn + 10).await;
        let modify = Taxonomy::modify().retry(Retry::never());
        let modified = modify.by_slug(&pool, "rock", |_| changes().uses(1)).await;
        modified.expect("a modify");
        alter(&db, turn + 20).await;
        let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
        let own = "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('own', 'own', 0, 'x')";
        sqlx::raw_sql(own).execute(&mut *tx).await.expect("a row");
        let locked = Taxonomy::lock().by_slug(&mut tx, "rock").await;
        drop(locked.expect("a lock").expect("a row"));
        tx.commit().await.expect("a commit");
        alter(&db, turn + 30).await;
        let mut tx = pool.begin().await.expect("begun");
        sqlx::raw_sql("DELETE FROM taxonomy WHERE slug = 'own'")
            .execute(&mut *tx)
            .await
            .expect("what the transaction before wrote");
        let upsert = Taxonomy::upsert(rock()).updating(changes().uses(0));
        upsert.run_in(&mut tx).await.expect("run_in");
        tx.commit().await.expect("a commit");
        assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 1);
        alter(&db, turn + 40).await;
        let import = Taxonomy::import([rock().named("import"), numbered(turn + 10)]);
        let report = import
            .atomic(turn == 2)
            .run(&pool)
            .await
            .expect("an import");
        assert_eq!((report.updated, report.created), (1, 1), "{report}");
        db.run("DELETE FROM taxonomy WHERE slug <> 'rock'").await;
    }
    pool.close().await;
}

/// The next attempt may be on another connection that has old statements too.
async fn a_column_of_another_type_on_each_connection(db: Db) {
    const CONNECTIONS: u32 = 10;
    with_rows(&db, (0..CONNECTIONS).map(numbered)).await;
    let pool = db.pool_of(CONNECTIONS).await;
    for turn in 0..3 {
        let mut transactions = Vec::new();
        for n in 0..CONNECTIONS {
            let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
            let upsert = Taxonomy::upsert(numbered(n).named(&turn.to_string()));
            upsert.run_in(&mut tx).await.expect("an upsert");
            let slug = format!("s{n}");
            let locked = Taxonomy::lock().by_slug(&mut tx, &slug).await;
            drop(locked.expect("a lock").expect("a row"));
            transactions.push(tx);
        }
        assert_eq!(pool.size(), CONNECTIONS);
        for tx in transactions {
            tx.commit().await.expect("a commit");
        }
        alter(&db, turn).await;
        let modify = Taxonomy::modify().retry(Retry::never());
        let modified = modify.by_slug(&pool, "s0", |_| {
            TaxonomyChanges::new().name(format!("turn {turn}"))
        });
        modified.await.expect("a modify").expect("a row");
    }
    pool.close().await;
}

/// The row is locked by a statement that the connection has not prepared, so that the guard's own one is the first to be outdated.
async fn a_column_of_another_type_under_a_guard(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    for turn in 0..4 {
        let pool = db.pool_of(1).await;
        let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
        let locked = Taxonomy::lock().by_slug(&mut tx, "rock").await;
        let mut row = locked.expect("a lock").expect("a row");
        row.update_name(format!("before {turn}"))
            .await
            .expect("an update");
        row.refresh().await.expect("the row");
        tx.commit().await.expect("a commit");
        alter(&db, turn).await;
        let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
        let own = "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('own', 'own', 0, 'x')";
        sqlx::raw_sql(own).execute(&mut *tx).await.expect("a row");
        let name = format!("turn {turn}");
        if turn == 3 {
            let locked = Taxonomy::lock().many_by_remote_id(&mut tx, ["r1"]).await;
            let mut rows = locked.expect("a lock");
            let mut row = rows.get_mut(0).expect("a row");
            assert!(row.update_name(name.as_str()).await.expect("an update"));
        } else {
            let locked = Taxonomy::lock().by_remote_id(&mut tx, "r1").await;
            let mut row = locked.expect("a lock").expect("a row");
            match turn {
                0 => assert!(row.update_name(name.as_str()).await.expect("an update")),
                1 => {
                    row.refresh().await.expect("the row");
                    assert!(row.update_name(name.as_str()).await.expect("an update"));
                }
                _ => {
                    let saved = row.set_name(name.as_str()).save().await;
                    assert_eq!(saved.expect("an update"), ["name"]);
                }
            }
            assert_eq!(row.name, name);
        }
        tx.commit().await.expect("a commit");
        let names = db.texts("SELECT name FROM taxonomy ORDER BY id").await;
        assert_eq!(names, [name.as_str(), "own"]);
        db.run("DELETE FROM taxonomy WHERE slug = 'own'").await;
        pool.close().await;
    }
}

/// Each call, whichever of its statements it is, in a transaction of its own and in one of the caller's.
async fn a_statement_that_must_be_prepared_again(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    // MySQL's tables have changed too often meanwhile; a proxy, or the server behind it, does not know the statement.
    for code in ["1615", "1243"] {
        for statement in ["SELECT", "UPDATE", "INSERT"] {
            let played = || {
                let answer = Answer {
                    statement,
                    times: 2,
                    severity: "",
                    code,
                    done: false,
                };
                Proxy::answering(&db, answer)
            };
            let name = format!("{code} {statement}");
            let rock = || record("r1", "rock").named(&name);
            let proxy = played().await;
            let pool = proxy.pool(&db, 1);
            let upsert = |new| Taxonomy::upsert(new).retry(Retry::never());
            upsert(rock()).run(&pool).await.expect("an update");
            upsert(numbered(21)).run(&pool).await.expect("a create");
            let proxy = played().await;
            let pool = proxy.pool(&db, 1);
            let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
            sqlx::raw_sql(
                "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('own', 'own', 0, 'x')",
            )
            .execute(&mut *tx)
            .await
            .expect("a row");
            upsert(numbered(22))
                .run_in(&mut tx)
                .await
                .expect("a create");
            let lock = Taxonomy::lock().by_slug(&mut tx, "rock").await;
            let mut row = lock.expect("a lock").expect("a row");
            row.update_uses(row.uses + 1).await.expect("an update");
            tx.commit().await.expect("a commit");
            assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 4);
            db.run("DELETE FROM taxonomy WHERE slug <> 'rock'").await;
            for atomic in [false, true] {
                let proxy = played().await;
                let named = rock().named(&format!("{name} {atomic}"));
                let import = Taxonomy::import([named, numbered(23), numbered(24)]).atomic(atomic);
                let report = import.run(&proxy.pool(&db, 1)).await.expect("an import");
                assert_eq!((report.updated, report.created), (1, 2), "{report}");
                db.run("DELETE FROM taxonomy WHERE slug <> 'rock'").await;
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(code)]
struct Parted {
    id: i64,
    #[upsert(create_only)]
    part: i32,
    code: String,
    name: String,
}

async fn parted(db: &Db) {
    db.run(
        "CREATE TABLE parted (id bigserial, part int NOT NULL, code text NOT NULL, name text NOT NULL) PARTITION BY LIST (part); \
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); \
         CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2); \
         INSERT INTO parted (part, code, name) VALUES (1, 'a', 'before')",
    )
    .await;
}

fn named(name: &str) -> NewParted {
    NewParted {
        part: 1,
        code: "a".to_owned(),
        name: name.to_owned(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Call {
    Upsert,
    Lock,
    Many,
    Import,
}

/// A call that waits for the row in a transaction, which has written something before.
async fn call<T: InTransaction<Database = Sqlx>>(tx: &mut T, call: Call) -> Result<(), Error> {
    match call {
        Call::Upsert => Parted::upsert(named("after")).run_in(tx).await.map(drop),
        Call::Lock => {
            let row = Parted::lock().by_code(tx, "a").await?;
            row.expect("a row").update_name("after").await.map(drop)
        }
        Call::Many => {
            let mut rows = Parted::lock().many_by_code(tx, ["a"]).await?;
            let mut row = rows.get_mut(0).expect("a row");
            row.update_name("after").await.map(drop)
        }
        Call::Import => {
            let report = Parted::import([named("after")]).run_in(tx).await?;
            assert_eq!(report.updated, 1, "{report}");
            Ok(())
        }
    }
}

/// Someone who moves the row to its other partition, and has not committed.
async fn mover(db: &Db) -> sqlx::Transaction<'static, Sqlx> {
    let mut mover = db.pool.begin().await.expect("begun");
    sqlx::raw_sql("UPDATE parted SET part = 3 - part WHERE code = 'a'")
        .execute(&mut *mover)
        .await
        .expect("a move");
    mover
}

/// The server says 40001 of it, at READ COMMITTED too, where the same statement finds the row the next time.
async fn a_row_that_moves_to_another_partition(db: Db) {
    const OWN: &str = "INSERT INTO parted (part, code, name) VALUES (1, 'own', 'own')";
    parted(&db).await;
    let calls = [Call::Upsert, Call::Lock, Call::Many, Call::Import];
    for (turn, what) in calls.into_iter().enumerate() {
        for is_ours in [true, false] {
            db.run("UPDATE parted SET name = 'before'; DELETE FROM parted WHERE code = 'own'")
                .await;
            let mover = mover(&db).await;
            let pool = db.pool.clone();
            let waiter = tokio::spawn(async move {
                if is_ours {
                    let mut tx = upsert_runtime::begin(&pool).await?;
                    sqlx::raw_sql(OWN).execute(&mut *tx).await.expect("a row");
                    call(&mut tx, what).await?;
                    tx.commit().await
                } else {
                    let mut tx = pool.begin().await.expect("begun");
                    sqlx::raw_sql(OWN).execute(&mut *tx).await.expect("a row");
                    call(&mut tx, what).await?;
                    tx.commit().await.expect("a commit");
                    Ok(())
                }
            });
            until_one_waits(&db).await;
            mover.commit().await.expect("a commit");
            let done = waiter.await.expect("no panic");
            done.unwrap_or_else(|error| panic!("{what:?}, turn {turn}: {error}"));
            let names = db.texts("SELECT name FROM parted ORDER BY code").await;
            assert_eq!(names, ["after", "own"], "{what:?}");
        }
    }
}

/// There it would fail each time.
async fn a_row_that_a_snapshot_has_in_its_old_partition(db: Db) {
    parted(&db).await;
    let mover = mover(&db).await;
    let pool = db.pool.clone();
    let waiter = tokio::spawn(async move {
        let mut tx = pool.begin().await.expect("begun");
        sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(&mut *tx)
            .await
            .expect("a level");
        call(&mut tx, Call::Upsert).await
    });
    until_one_waits(&db).await;
    mover.commit().await.expect("a commit");
    let error = waiter.await.expect("no panic").unwrap_err();
    assert!(matches!(error, Error::Serialization { .. }), "{error}");
}
