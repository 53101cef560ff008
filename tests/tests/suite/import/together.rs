//! Two imports at once.

use std::collections::BTreeSet;

use tokio::task::JoinHandle;
use upsert_runtime::{Error, LockedUpsert, Report, Retry, Wait};

use super::super::models::{NewTaxonomy, TAXONOMY, Taxonomy, numbered, record, with_rows};
use super::super::races::until_one_waits;
use crate::Db;

tests![
    the_same_keys_in_opposite_orders,
    the_same_keys_in_opposite_orders_atomically,
    atomic_imports_that_each_find_half_of_their_rows_unchanged,
    in_one_transaction_every_row_is_locked_that_decided on ["postgres", "mysql"],
    a_deadlock_says_where_it_came on ["mysql"],
];

const KEYS: u32 = 3_000;
const ROUNDS: usize = 20;

/// What one of two imports says of all keys.
fn records(name: &str) -> Vec<NewTaxonomy> {
    let record = |n| NewTaxonomy {
        remote_id: Some(format!("r{n}")),
        description: Some(name.to_owned()),
        ..record(None, &format!("s{n}")).named(name)
    };
    (0..KEYS).map(record).collect()
}

fn import(db: &Db, records: Vec<NewTaxonomy>, atomic: bool) -> JoinHandle<Report<Taxonomy>> {
    let pool = db.pool.clone();
    tokio::spawn(async move {
        let import = Taxonomy::import(records).chunk_size(200).atomic(atomic);
        let report = import.run(&pool).await;
        report.unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Both at once, the second backwards. Gives the names that the rows have then.
async fn both(db: &Db, atomic: bool) -> BTreeSet<String> {
    let mut backwards = records("two");
    backwards.reverse();
    let one = import(db, records("one"), atomic);
    let two = import(db, backwards, atomic);
    for report in [one.await.expect("no panic"), two.await.expect("no panic")] {
        assert!(report.failed.is_empty(), "{report}");
        assert_eq!(report.records, u64::from(KEYS));
    }
    assert_eq!(
        db.number("SELECT count(*) FROM taxonomy").await,
        i64::from(KEYS)
    );
    // Each row is what one of the two says, and not a part of both.
    let torn = "SELECT count(*) FROM taxonomy WHERE name <> description";
    assert_eq!(db.number(torn).await, 0);
    let names = db.texts("SELECT DISTINCT name FROM taxonomy").await;
    names.into_iter().collect()
}

async fn rounds(db: Db, atomic: bool) {
    let db = db.locally().await;
    db.run(TAXONOMY).await;
    for round in 0..ROUNDS {
        // Every other round creates what the round before updated.
        if round % 2 == 0 {
            db.run("DELETE FROM taxonomy").await;
        }
        let names = both(&db, atomic).await;
        assert!(names.iter().all(|name| name == "one" || name == "two"));
        if atomic {
            assert_eq!(names.len(), 1, "round {round}: the table is a mixture");
        }
    }
}

async fn the_same_keys_in_opposite_orders(db: Db) {
    rounds(db, false).await;
}

async fn the_same_keys_in_opposite_orders_atomically(db: Db) {
    rounds(db, true).await;
}

async fn atomic_imports_that_each_find_half_of_their_rows_unchanged(db: Db) {
    let db = db.locally().await;
    db.run(TAXONOMY).await;
    import(&db, records("one"), true).await.expect("no panic");
    for round in 0..ROUNDS {
        db.run(
            "UPDATE taxonomy SET name = 'one', description = 'one'; \
             UPDATE taxonomy SET name = 'two', description = 'two' WHERE id % 2 = 0",
        )
        .await;
        let names = both(&db, true).await;
        assert_eq!(names.len(), 1, "round {round}: the table is a mixture");
    }
}

async fn in_one_transaction_every_row_is_locked_that_decided(db: Db) {
    let rows = [
        record("r1", "rock"),
        record(None, "taken"),
        record("r3", "soul"),
        record("r4", "free"),
    ];
    with_rows(&db, rows).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    // The first wants a key of a row that nobody changes; the second is as it was.
    let records = [record("r1", "taken"), record("r3", "soul")];
    let report = Taxonomy::import(records).run_in(&mut tx).await;
    let report = report.expect("an import");
    assert_eq!((report.failed.len(), report.unchanged), (1, 1), "{report}");
    for (slug, is_locked) in [
        ("rock", true),
        ("taken", true),
        ("soul", true),
        ("free", false),
    ] {
        let mut other = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        let lock = Taxonomy::lock().wait(Wait::NoWait);
        let locked = lock.by_slug(&mut other, slug).await;
        assert_eq!(
            matches!(locked, Err(Error::Locked { .. })),
            is_locked,
            "{slug}"
        );
    }
}

/// The server ends the transaction that has written less: the import.
async fn a_deadlock_says_where_it_came(db: Db) {
    let rows = with_rows(&db, (0..10).map(numbered)).await;
    for is_ours in [true, false] {
        let mut other = upsert_runtime::begin(&db.pool).await.expect("begun");
        sqlx::query("UPDATE taxonomy SET uses = uses + 1 WHERE id > ?")
            .bind(rows[1].id)
            .execute(&mut *other)
            .await
            .expect("an update");
        let pool = db.pool.clone();
        let import = tokio::spawn(async move {
            let records = [0, 5].map(|n| numbered(n).named("new"));
            let import = Taxonomy::import(records)
                .chunk_size(1)
                .retry(Retry::never())
                .atomic(is_ours);
            if is_ours {
                return import.run(&pool).await;
            }
            let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
            import.run_in(&mut tx).await
        });
        until_one_waits(&db).await;
        sqlx::query("UPDATE taxonomy SET uses = uses + 1 WHERE id = ?")
            .bind(rows[0].id)
            .execute(&mut *other)
            .await
            .expect("the other one is ended");
        let error = import.await.expect("no panic").unwrap_err();
        let Error::Stopped { source, .. } = &error else {
            panic!("{error}");
        };
        let is_told = match &**source {
            Error::Deadlock { .. } => is_ours,
            Error::TransactionLost { .. } => !is_ours,
            _ => false,
        };
        let text = source.to_string();
        assert!(is_told, "{text}");
        assert!(text.starts_with("`Taxonomy`: locking rows: "), "{text}");
        other.rollback().await.expect("a rollback");
    }
}
