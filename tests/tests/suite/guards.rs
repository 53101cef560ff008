//! A locked row: read, written column by column, staged, saved, refreshed, deleted.

use sqlx::types::chrono::Utc;
use upsert_runtime::{Error, LockedUpsert};
use upsert_tests::Target;

use super::cancellation::polled;
use super::log::logged;
use super::models::{Taxonomy, TaxonomyChanges, record, with_rows};
use super::races::in_snapshots_that_go_stale;
use crate::{Db, Sqlx};

tests![
    one_column_now,
    nothing_is_sent_when_nothing_differs,
    staged_then_saved,
    later_words_win,
    a_failed_save_keeps_what_is_staged,
    a_value_is_trimmed,
    null_is_a_value,
    touch_moves_with_real_changes,
    memory_is_what_the_database_stored,
    refreshed,
    refreshed_in_a_snapshot,
    deleted,
    a_row_that_is_gone,
    what_a_trigger_keeps on ["sqlite", "postgres"],
    taken_out,
    staged_changes_that_are_lost,
    the_oldest_form_of_the_job,
    a_lost_transaction on ["postgres", "mysql"],
];

macro_rules! locked {
    ($tx:ident, $slug:literal) => {
        Taxonomy::lock()
            .by_slug(&mut $tx, $slug)
            .await
            .expect("a lock")
            .expect("a row")
    };
}
macro_rules! begun {
    ($db:ident) => {
        upsert_runtime::begin(&$db.pool)
            .await
            .expect("a transaction")
    };
}

async fn one_column_now(db: Db) {
    with_rows(&db, [record("r1", "rock").named("rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    assert!(rock.update_name("Rock").await.unwrap());
    assert_eq!(rock.name, "Rock");
    assert!(rock.update_uses(rock.uses + 2).await.unwrap());
    assert_eq!(rock.uses, 2);
    tx.commit().await.expect("a commit");
    let sql = "SELECT concat(name, ':', uses) FROM taxonomy";
    let sql = if Sqlx::TARGET == "sqlite" {
        "SELECT name || ':' || uses FROM taxonomy"
    } else {
        sql
    };
    assert_eq!(db.texts(sql).await, ["Rock:2"]);
}

async fn nothing_is_sent_when_nothing_differs(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    let before = rock.updated_at;
    // A statement would have to be waited for.
    let written = polled(1, rock.update_name("rock")).await;
    assert!(!written.expect("at once").unwrap());
    let written = polled(1, rock.update_remote_id(Some(" r1 ".to_owned()))).await;
    assert!(!written.expect("at once").unwrap());
    let written = polled(1, rock.set_slug("rock").set_uses(0).save()).await;
    assert!(written.expect("at once").unwrap().is_empty());
    assert_eq!(rock.updated_at, before);
    assert!(rock.update_name("Rock").await.unwrap());
    tx.commit().await.expect("a commit");
}

async fn staged_then_saved(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    rock.set_uses(3)
        .set_remote_id(Some("r9".into()))
        .set_name("rock");
    rock.apply(TaxonomyChanges::new().slug("rock-roll"))
        .set_description(None);
    assert_eq!((rock.uses, &*rock.slug), (0, "rock"), "not yet");
    assert_eq!(rock.save().await.unwrap(), ["remote_id", "slug", "uses"]);
    assert_eq!((rock.uses, &*rock.slug), (3, "rock-roll"));
    assert!(rock.save().await.unwrap().is_empty(), "saved once");
    sqlx::query("UPDATE taxonomy SET uses = 4")
        .execute(rock.connection())
        .await
        .unwrap();
    rock.refresh().await.unwrap();
    assert!(rock.save().await.unwrap().is_empty(), "staged no more");
    assert_eq!(rock.uses, 4);
    // Creating data is updating data too, but for what is only created.
    rock.apply(record(None, "rock"));
    assert_eq!(
        rock.save().await.unwrap(),
        ["slug", "name", "uses"]
            .into_iter()
            .filter(|name| *name != "name")
            .collect::<Vec<_>>()
    );
    assert_eq!(
        rock.remote_id.as_deref(),
        Some("r9"),
        "a blank key erases nothing"
    );
    tx.commit().await.expect("a commit");
}

async fn later_words_win(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    rock.set_name("one").set_uses(7).set_name("two");
    assert!(rock.update_name("three").await.unwrap());
    assert_eq!((&*rock.name, rock.uses), ("three", 0));
    assert_eq!(
        rock.save().await.unwrap(),
        ["uses"],
        "the name was said anew"
    );
    assert_eq!((&*rock.name, rock.uses), ("three", 7));
}

async fn a_failed_save_keeps_what_is_staged(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    rock.set_slug("jazz").set_uses(7);
    let error = rock.save().await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!((&*rock.slug, rock.uses), ("rock", 0));
    rock.set_slug("folk");
    assert_eq!(rock.save().await.unwrap(), ["slug", "uses"]);
    tx.commit().await.expect("a commit");
}

async fn a_value_is_trimmed(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    assert!(
        rock.update_remote_id(Some(" r2 ".to_owned()))
            .await
            .unwrap()
    );
    assert_eq!(rock.remote_id.as_deref(), Some("r2"));
    rock.set_remote_id(Some("\tr2".to_owned()));
    assert!(rock.save().await.unwrap().is_empty());
}

async fn null_is_a_value(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    assert!(rock.update_description(Some("d".to_owned())).await.unwrap());
    assert!(rock.update_description(None).await.unwrap());
    assert!(rock.update_remote_id(None).await.unwrap());
    assert_eq!(
        (rock.remote_id.as_ref(), rock.description.as_ref()),
        (None, None)
    );
    tx.commit().await.expect("a commit");
    assert_eq!(db.texts("SELECT remote_id FROM taxonomy").await, ["NULL"]);
}

async fn touch_moves_with_real_changes(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    let created = rock.updated_at;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    rock.update_name("rock").await.unwrap();
    assert_eq!(rock.updated_at, created);
    rock.update_name("Rock").await.unwrap();
    let updated = rock.updated_at;
    assert!(updated > created && updated <= Utc::now() + std::time::Duration::from_secs(5));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    rock.set_uses(1);
    rock.save().await.unwrap();
    assert!(rock.updated_at > updated);
    let in_memory = rock.updated_at;
    rock.refresh().await.unwrap();
    assert_eq!(rock.updated_at, in_memory);
}

async fn memory_is_what_the_database_stored(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let trigger = match Sqlx::TARGET {
        "postgres" => {
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.name = upper(new.name); RETURN new; END $$; \
             CREATE TRIGGER shout BEFORE UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION shout()"
        }
        "mysql" => {
            "CREATE TRIGGER shout BEFORE UPDATE ON taxonomy FOR EACH ROW SET new.name = upper(new.name)"
        }
        _ => {
            "CREATE TRIGGER shout AFTER UPDATE ON taxonomy WHEN new.name <> upper(new.name) \
             BEGIN UPDATE taxonomy SET name = upper(new.name) WHERE id = new.id; END"
        }
    };
    db.run(trigger).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    rock.update_name("rock'n'roll").await.unwrap();
    assert_eq!(rock.name, "ROCK'N'ROLL");
    rock.set_name("soul");
    rock.save().await.unwrap();
    assert_eq!(rock.into_row().name, "SOUL");
}

async fn refreshed(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    rock.set_name("staged");
    sqlx::raw_sql("UPDATE taxonomy SET uses = 9")
        .execute(rock.connection())
        .await
        .expect("a statement of the user's");
    assert_eq!(rock.uses, 0);
    rock.refresh().await.unwrap();
    assert_eq!(rock.uses, 9);
    assert_eq!(
        rock.save().await.unwrap(),
        ["name"],
        "what is staged stays so"
    );
}

/// A plain read in a snapshot shows the row as it was before it was locked.
async fn refreshed_in_a_snapshot(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = in_snapshots_that_go_stale(&db).await;
    let mut tx = pool.begin().await.expect("a transaction");
    if Sqlx::TARGET != "sqlite" {
        sqlx::raw_sql("SELECT * FROM taxonomy")
            .execute(&mut *tx)
            .await
            .expect("a snapshot");
    }
    db.run("UPDATE taxonomy SET name = 'Rock', uses = 5").await;
    let mut rock = locked!(tx, "rock");
    assert_eq!((&*rock.name, rock.uses), ("Rock", 5));
    rock.refresh().await.unwrap();
    assert_eq!((&*rock.name, rock.uses), ("Rock", 5));
    assert!(rock.update_uses(rock.uses + 1).await.unwrap());
    assert_eq!((&*rock.name, rock.uses), ("Rock", 6));
    tx.rollback().await.expect("a rollback");
    pool.close().await;
}

async fn deleted(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let reference = if Sqlx::TARGET == "sqlite" {
        "PRAGMA foreign_keys = ON;"
    } else {
        ""
    };
    let mut tx = begun!(db);
    let gone = locked!(tx, "rock").delete().await.expect("a deleted row");
    assert_eq!(gone, rows[0]);
    assert!(
        Taxonomy::lock()
            .by_slug(&mut tx, "rock")
            .await
            .unwrap()
            .is_none()
    );
    tx.commit().await.expect("a commit");
    assert_eq!(db.texts("SELECT slug FROM taxonomy").await, ["jazz"]);
    // A row that the database will not delete.
    db.run(&format!("{reference} CREATE TABLE child (taxonomy_id bigint NOT NULL, FOREIGN KEY (taxonomy_id) REFERENCES taxonomy (id))"))
        .await;
    db.run(&format!("INSERT INTO child VALUES ({})", rows[1].id))
        .await;
    let mut tx = begun!(db);
    let error = locked!(tx, "jazz").delete().await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    assert!(
        error.to_string().starts_with("`Taxonomy`: delete: "),
        "{error}"
    );
    let mut jazz = locked!(tx, "jazz");
    assert!(jazz.update_name("Jazz").await.expect("it goes on"));
    tx.commit().await.expect("a commit");
}

async fn a_row_that_is_gone(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let mut rock = locked!(tx, "rock");
    sqlx::raw_sql("DELETE FROM taxonomy")
        .execute(rock.connection())
        .await
        .expect("a delete");
    let error = rock.update_name("Rock").await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    let error = rock.refresh().await.unwrap_err();
    assert!(
        error.to_string().contains("the row is there no more"),
        "{error}"
    );
    let error = rock.delete().await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    tx.commit().await.expect("a commit");
}

async fn what_a_trigger_keeps(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    db.run(match Sqlx::TARGET {
        "postgres" => {
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
             CREATE TRIGGER keep BEFORE DELETE ON taxonomy FOR EACH ROW EXECUTE FUNCTION keep()"
        }
        _ => "CREATE TRIGGER keep BEFORE DELETE ON taxonomy BEGIN SELECT RAISE(IGNORE); END",
    })
    .await;
    let mut tx = begun!(db);
    let error = locked!(tx, "rock").delete().await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    tx.commit().await.expect("a commit");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 1);
}

async fn taken_out(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begun!(db);
    let rock = locked!(tx, "rock");
    let debugged = format!("{rock:?} {:?}", Taxonomy::lock());
    assert!(!debugged.contains("rock"), "{debugged}");
    let row: Taxonomy = rock.into_row();
    assert_eq!(row, rows[0]);
    tx.commit().await.expect("a commit");
}

async fn staged_changes_that_are_lost(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "secret")]).await;
    let lost = "dropped with staged changes";
    let ((), log) = logged(async {
        let mut tx = begun!(db);
        let mut rock = locked!(tx, "rock");
        rock.set_name("secret");
        drop(rock);
        let mut rows = Taxonomy::lock()
            .many_by_slug(&mut tx, ["rock"])
            .await
            .unwrap();
        rows.get_mut(0).unwrap().set_uses(1);
        drop(rows);
        let mut rock = locked!(tx, "rock");
        rock.set_name("secret");
        let _ = rock.into_row();
        tx.rollback().await.unwrap();
    })
    .await;
    assert_eq!(log.matches(lost).count(), 3, "{log}");
    assert!(log.contains("Taxonomy") && !log.contains("secret"), "{log}");
    let ((), log) = logged(async {
        let mut tx = begun!(db);
        let mut rock = locked!(tx, "rock");
        rock.set_name("Rock").set_uses(2);
        rock.save().await.unwrap();
        rock.set_name("later");
        rock.update_name("Rock").await.unwrap();
        drop(rock);
        let mut rock = locked!(tx, "rock");
        rock.set_name("with the row");
        rock.delete().await.unwrap();
        tx.rollback().await.unwrap();
    })
    .await;
    assert!(!log.contains(lost), "{log}");
}

/// By the id, else by the slug; one value; saved.
async fn the_oldest_form_of_the_job(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    for (id, slug, found) in [
        (Some(rows[0].id), "jazz", 0),
        (None, "jazz", 1),
        (Some(-1), "jazz", 1),
    ] {
        let mut tx = begun!(db);
        let mut row = match id {
            Some(id) => Taxonomy::lock().by_id(&mut tx, id).await.unwrap(),
            None => None,
        };
        if row.is_none() {
            drop(row);
            row = Taxonomy::lock().by_slug(&mut tx, slug).await.unwrap();
        }
        let mut row = row.expect("a row");
        row.update_uses(row.uses + 1).await.unwrap();
        assert_eq!(row.id, rows[found].id);
        tx.commit().await.expect("a commit");
    }
    assert_eq!(
        db.texts("SELECT uses FROM taxonomy ORDER BY id").await,
        ["1", "2"]
    );
}

async fn a_lost_transaction(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool_of(1).await;
    let session = super::transactions::session(&pool).await;
    let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
    let mut rock = locked!(tx, "rock");
    super::transactions::kill(&db.pool, &session).await;
    let error = rock.update_name("Rock").await.unwrap_err();
    assert!(matches!(error, Error::TransactionLost { .. }), "{error}");
    let error = rock.update_name("rock").await.unwrap_err();
    assert!(
        matches!(error, Error::TransactionLost { .. }),
        "also where nothing would be sent: {error}"
    );
    assert!(matches!(
        tx.commit().await,
        Err(Error::TransactionLost { .. })
    ));
    pool.close().await;
}
