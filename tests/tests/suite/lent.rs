//! What is written through what a locked row lends, its connection and its transaction, is seen by its next write.

use upsert_runtime::{Error, LockedUpsert};

use super::cancellation::polled;
use super::models::{Taxonomy, record, with_rows};
use crate::Db;

tests![
    by_a_row,
    by_several_rows,
    the_row_is_read_once,
    what_failed_is_read_again,
    a_row_that_is_deleted_meanwhile,
];

const NAMES: &str = "SELECT name FROM taxonomy ORDER BY id";

macro_rules! begun {
    ($db:ident) => {
        upsert_runtime::begin(&$db.pool)
            .await
            .expect("a transaction")
    };
}
macro_rules! locked {
    ($tx:ident) => {
        Taxonomy::lock()
            .by_slug(&mut $tx, "rock")
            .await
            .expect("a lock")
            .expect("a row")
    };
}
macro_rules! run {
    ($connection:expr, $sql:literal) => {
        sqlx::raw_sql($sql)
            .execute($connection)
            .await
            .expect("a statement of the user's")
    };
}

async fn by_a_row(db: Db) {
    with_rows(&db, [record("r1", "rock").named("A")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx);
    for by_save in [false, true] {
        for by_upsert in [false, true] {
            if by_upsert {
                let other = Taxonomy::upsert(record("r1", "rock").named("B"));
                other.run_in(rock.transaction()).await.expect("an upsert");
            } else {
                run!(
                    rock.connection(),
                    "UPDATE taxonomy SET name = 'B', uses = 7"
                );
            }
            assert_eq!(rock.name, "A", "not read yet");
            if by_save {
                assert_eq!(rock.set_name("A").save().await.unwrap(), ["name"]);
            } else {
                assert!(rock.update_name("A").await.unwrap());
            }
            let uses = if by_upsert { 0 } else { 7 };
            assert_eq!((&*rock.name, rock.uses), ("A", uses));
        }
    }
    tx.commit().await.expect("a commit");
    assert_eq!(db.texts(NAMES).await, ["A"]);
}

async fn by_several_rows(db: Db) {
    let records = || [record("r1", "rock"), record("r2", "soul")];
    with_rows(&db, records().map(|record| record.named("A"))).await;
    let mut tx = begun!(db);
    let rows = Taxonomy::lock().many_by_slug(&mut tx, ["rock", "soul"]);
    let mut rows = rows.await.expect("locks");
    for lends in 0..3 {
        match lends {
            0 => drop(run!(rows.connection(), "UPDATE taxonomy SET name = 'B'")),
            1 => {
                for record in records() {
                    let other = Taxonomy::upsert(record.named("B"));
                    other.run_in(rows.transaction()).await.expect("an upsert");
                }
            }
            // One of the rows lends it, and both are written.
            _ => {
                let mut rock = rows.get_mut(0).expect("a row");
                run!(rock.connection(), "UPDATE taxonomy SET name = 'B'");
            }
        }
        for place in [1, 0] {
            let mut row = rows.get_mut(place).expect("a row");
            assert!(row.update_name("A").await.unwrap(), "{lends}, {place}");
        }
    }
    tx.commit().await.expect("a commit");
    assert_eq!(db.texts(NAMES).await, ["A", "A"]);
}

/// What is read is kept, also where nothing differs from it; then nothing is sent any more.
async fn the_row_is_read_once(db: Db) {
    with_rows(&db, [record("r1", "rock").named("A")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx);
    run!(
        rock.connection(),
        "UPDATE taxonomy SET name = 'B', uses = 7"
    );
    assert!(!rock.update_name("B").await.unwrap());
    assert_eq!((&*rock.name, rock.uses), ("B", 7));
    // A statement would have to be waited for.
    let again = polled(1, rock.update_name("B")).await;
    assert!(!again.expect("at once").unwrap());
    let nothing = polled(1, rock.set_uses(7).save()).await;
    assert!(nothing.expect("at once").unwrap().is_empty());
    run!(rock.connection(), "UPDATE taxonomy SET uses = 8");
    rock.refresh().await.unwrap();
    let again = polled(1, rock.update_uses(8)).await;
    assert!(!again.expect("at once").unwrap());
    tx.commit().await.expect("a commit");
}

async fn what_failed_is_read_again(db: Db) {
    with_rows(&db, [record("r1", "rock").named("A"), record("r2", "soul")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx);
    run!(
        rock.connection(),
        "UPDATE taxonomy SET name = 'B' WHERE slug = 'rock'"
    );
    let error = rock.update_slug("soul").await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert!(rock.update_name("A").await.unwrap());
    tx.commit().await.expect("a commit");
    assert_eq!(db.texts(NAMES).await, ["A", "soul"]);
}

async fn a_row_that_is_deleted_meanwhile(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx);
    run!(rock.connection(), "DELETE FROM taxonomy");
    // It is not there, whether something would differ or not.
    for name in ["rock", "Rock"] {
        let error = rock.update_name(name).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("the row is there no more"), "{text}");
    }
    tx.commit().await.expect("a commit");
}
