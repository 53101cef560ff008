//! Rows found and locked in the caller's transaction: by the id, by a key, by many, by the chain.

use std::time::Duration;

use sqlx::types::Uuid;
use upsert_runtime::{Error, LockedUpsert, Mode, Wait};
use upsert_tests::Target;

use super::models::{
    NewTaxonomy, NewUnclaimed, PAGE, Page, TAXONOMY, Taxonomy, Unclaimed, page, record, upsert,
    with_rows,
};
use super::races::until_one_waits;
use crate::{Db, Sqlx};

tests![
    by_the_id_and_by_each_key,
    by_a_composite_key_and_an_assigned_id,
    a_blank_key_finds_nothing,
    keys_are_trimmed,
    an_ambiguous_key,
    the_chain_says_what_matched,
    a_forbidden_fallback,
    many_in_the_order_of_the_keys,
    many_by_a_composite_key,
    many_keys_of_one_row on ["mysql"],
    many_rows_of_one_key,
    too_many_keys,
    many_in_opposite_orders_do_not_deadlock,
    many_wait_for_no_other_row on ["postgres", "mysql"],
    many_appear_while_waiting on ["postgres", "mysql"],
    a_row_that_is_replaced_while_waiting on ["postgres", "mysql"],
    a_row_stays_locked_after_its_guard,
    a_child_row_and_the_modes on ["postgres"],
    the_stronger_mode_is_taken,
    a_locked_row_is_skipped on ["postgres", "mysql"],
    skipping_is_unsupported on ["sqlite"],
    ids_of_any_type,
    in_a_transaction_of_sqlx,
    after_an_error_the_transaction_goes_on,
];

async fn begin(db: &Db) -> upsert_runtime::Transaction<Sqlx> {
    upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction")
}

async fn by_the_id_and_by_each_key(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let mut tx = begin(&db).await;
    let by_id = Taxonomy::lock().by_id(&mut tx, rows[1].id).await.unwrap();
    assert_eq!(by_id.unwrap().into_row(), rows[1]);
    let by_slug = Taxonomy::lock().by_slug(&mut tx, "rock").await.unwrap();
    assert_eq!(*by_slug.unwrap(), rows[0]);
    let key = String::from("r2");
    let by_remote_id = Taxonomy::lock().by_remote_id(&mut tx, &*key).await.unwrap();
    assert_eq!(by_remote_id.unwrap().slug, "jazz");
    assert!(Taxonomy::lock().by_id(&mut tx, -1).await.unwrap().is_none());
    assert!(
        Taxonomy::lock()
            .by_slug(&mut tx, "none")
            .await
            .unwrap()
            .is_none()
    );
    tx.commit().await.expect("a commit");
}

async fn by_a_composite_key_and_an_assigned_id(db: Db) {
    db.run(PAGE).await;
    for new in [
        page(1, Some(7), "a"),
        page(2, Some(7), "b"),
        page(3, Some(8), "a"),
    ] {
        Page::upsert(new).run(&db.pool).await.expect("an upsert");
    }
    let mut tx = begin(&db).await;
    let page = Page::lock().by_site_id_and_slug(&mut tx, 8, "a").await;
    assert_eq!(page.unwrap().expect("a row").id, 3);
    let page = Page::lock().by_id(&mut tx, 2).await;
    assert_eq!(page.unwrap().expect("a row").slug.as_deref(), Some("b"));
    tx.rollback().await.expect("a rollback");
}

async fn a_blank_key_finds_nothing(db: Db) {
    db.run(TAXONOMY).await;
    // Rows that somebody else stored, whose keys are blank.
    let insert =
        "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('', ' ', 'n', 0, 's')";
    db.run(insert).await;
    let mut tx = begin(&db).await;
    for key in ["", " ", "\t", "\u{a0}"] {
        let lock = Taxonomy::lock;
        assert!(lock().by_slug(&mut tx, key).await.unwrap().is_none());
        assert!(lock().by_remote_id(&mut tx, key).await.unwrap().is_none());
        let many = lock().many_by_slug(&mut tx, [key]).await.unwrap();
        assert!(many.is_empty());
    }
    let error = Taxonomy::lock()
        .find(&mut tx, &record("", " "))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoUsableKey { .. }), "{error}");
    tx.rollback().await.expect("a rollback");
    let done = Taxonomy::modify()
        .by_slug(&db.pool, " ", |_| unreachable!("no row"))
        .await;
    assert!(done.unwrap().is_none());
}

async fn keys_are_trimmed(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begin(&db).await;
    let row = Taxonomy::lock().by_remote_id(&mut tx, " r1\t").await;
    assert!(row.unwrap().is_some());
    let rows = Taxonomy::lock().many_by_remote_id(&mut tx, ["r1 "]).await;
    assert_eq!(rows.unwrap().len(), 1);
    // Only what is marked is trimmed. A number of spaces at the end is no difference to MariaDB's `PAD SPACE`.
    let row = Taxonomy::lock().by_slug(&mut tx, " rock").await;
    assert!(row.unwrap().is_none());
}

async fn an_ambiguous_key(db: Db) {
    db.run(&TAXONOMY.replace("slug {text} NOT NULL UNIQUE", "slug {text} NOT NULL"))
        .await;
    for key in ["r1", "r2"] {
        let insert = format!(
            "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('{key}', 'rock', 'n', 0, 's')"
        );
        db.run(&insert).await;
    }
    let mut tx = begin(&db).await;
    let error = Taxonomy::lock().by_slug(&mut tx, "rock").await.unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }), "{error}");
    let error = Taxonomy::lock()
        .many_by_slug(&mut tx, ["rock"])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }), "{error}");
    tx.commit().await.expect("it goes on");
}

async fn the_chain_says_what_matched(db: Db) {
    with_rows(&db, [record("r1", "rock"), record(None, "jazz")]).await;
    let mut tx = begin(&db).await;
    let found = |new: NewTaxonomy| new;
    let (row, matched_by) = Taxonomy::lock()
        .find(&mut tx, &found(record(" r1 ", "jazz")))
        .await
        .unwrap()
        .expect("a row");
    assert_eq!((&*row.slug, matched_by), ("rock", "remote_id"));
    let (row, matched_by) = Taxonomy::lock()
        .find(&mut tx, &found(record("r9", "jazz")))
        .await
        .unwrap()
        .expect("a row");
    assert_eq!((&*row.slug, matched_by), ("jazz", "slug"));
    let none = Taxonomy::lock()
        .find(&mut tx, &record("r9", "none"))
        .await
        .unwrap();
    assert!(none.is_none());
}

async fn a_forbidden_fallback(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let new = NewUnclaimed {
        remote_id: Some("r9".to_owned()),
        slug: "rock".to_owned(),
        name: String::new(),
        uses: 0,
        source: String::new(),
    };
    let mut tx = begin(&db).await;
    let error = Unclaimed::lock().find(&mut tx, &new).await.unwrap_err();
    assert!(matches!(error, Error::IdentityConflict { .. }), "{error}");
    let row = Unclaimed::lock().by_slug(&mut tx, "rock").await.unwrap();
    assert!(row.is_some(), "who asks for the slug alone gets it");
}

async fn many_in_the_order_of_the_keys(db: Db) {
    with_rows(&db, ["a", "b", "c", "d"].map(|slug| record(None, slug))).await;
    let mut tx = begin(&db).await;
    let keys = ["d", "none", "a", " ", "c", "a"];
    let mut rows = Taxonomy::lock()
        .many_by_slug(&mut tx, keys)
        .await
        .expect("rows");
    assert_eq!((rows.len(), rows.is_empty()), (3, false));
    let slugs: Vec<_> = rows.iter().map(|row| &*row.slug).collect();
    assert_eq!(slugs, ["d", "a", "c"]);
    assert_eq!(rows.get(1).expect("a row").slug, "a");
    assert!(rows.get_mut(3).is_none());
    for i in 0..rows.len() {
        let mut row = rows.get_mut(i).expect("a row");
        row.update_uses(i64::try_from(i).unwrap() + 1)
            .await
            .expect("an update");
    }
    let uses: Vec<_> = (&rows).into_iter().map(|row| row.uses).collect();
    assert_eq!(uses, [1, 2, 3], "what is written is in memory too");
    let gone = rows.get_mut(1).expect("a row").delete().await;
    assert_eq!(gone.expect("a deleted row").slug, "a");
    assert!(rows.get_mut(1).is_none() && rows.get(1).is_none());
    let out = rows.get_mut(0).expect("a row").into_row();
    assert_eq!((out.slug.as_str(), out.uses), ("d", 1));
    assert_eq!(rows.len(), 3, "places stay");
    let left: Vec<_> = rows.into_rows().into_iter().map(|row| row.slug).collect();
    assert_eq!(left, ["c"]);
    tx.commit().await.expect("a commit");
    let stored = db
        .texts("SELECT slug FROM taxonomy WHERE uses > 0 ORDER BY slug")
        .await;
    assert_eq!(stored, ["c", "d"]);
    let mut tx = begin(&db).await;
    let none = Taxonomy::lock().many_by_slug(&mut tx, [""; 0]).await;
    assert!(none.expect("no rows").is_empty());
    let ids = Taxonomy::lock().many_by_id(&mut tx, [3, 2, 99]).await;
    assert_eq!(ids.expect("rows").len(), 2);
}

async fn many_by_a_composite_key(db: Db) {
    db.run(PAGE).await;
    for new in [
        page(1, Some(7), "a"),
        page(2, Some(7), "b"),
        page(3, Some(8), "a"),
    ] {
        Page::upsert(new).run(&db.pool).await.expect("an upsert");
    }
    let mut tx = begin(&db).await;
    let keys = [(8, "a"), (8, "b"), (7, "a"), (7, " ")];
    let rows = Page::lock().many_by_site_id_and_slug(&mut tx, keys).await;
    let rows = rows.expect("rows");
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 1]);
}

async fn many_keys_of_one_row(db: Db) {
    // What is equal the database says.
    db.run(
        &TAXONOMY
            .replace("utf8mb4_bin", "utf8mb4_general_ci")
            .replace("{text}", "varchar(190)"),
    )
    .await;
    upsert(&db, record(None, "rock")).await;
    let mut tx = begin(&db).await;
    let rows = Taxonomy::lock()
        .many_by_slug(&mut tx, ["ROCK", "rock", "Rock "])
        .await
        .expect("rows");
    assert_eq!(rows.len(), 1);
}

async fn many_rows_of_one_key(db: Db) {
    with_rows(&db, (0..500).map(|n| record(None, &format!("s{n}")))).await;
    let mut tx = begin(&db).await;
    let keys = (0..500).rev().map(|n| format!("s{n}"));
    let rows = Taxonomy::lock().many_by_slug(&mut tx, keys).await;
    let rows = rows.expect("as many as there may be");
    assert_eq!(rows.len(), 500);
    assert_eq!(rows.get(0).expect("a row").slug, "s499");
}

async fn too_many_keys(db: Db) {
    with_rows(&db, []).await;
    let mut tx = begin(&db).await;
    let error = Taxonomy::lock()
        .many_by_id(&mut tx, 0..501)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    // No more is read than what tells that they are too many, blank ones included.
    let mut read = 0;
    let ids = (0..100_000).inspect(|_| read += 1);
    let error = Taxonomy::lock().many_by_id(&mut tx, ids).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert_eq!(read, 501);
    let blank = std::iter::repeat_n("", 501);
    let error = Taxonomy::lock().many_by_slug(&mut tx, blank).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    tx.commit().await.expect("nothing was sent");
}

async fn many_in_opposite_orders_do_not_deadlock(db: Db) {
    with_rows(&db, (0..40).map(|n| record(None, &format!("s{n}")))).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..4 {
        let pool = db.pool.clone();
        callers.spawn(async move {
            for round in 0..25 {
                let mut keys: Vec<_> = (0..40)
                    .map(|n| format!("s{}", (n * 7 + round) % 40))
                    .collect();
                if caller % 2 == 0 {
                    keys.reverse();
                }
                let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
                let mut rows = Taxonomy::lock()
                    .many_by_slug(&mut tx, keys)
                    .await
                    .unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(rows.len(), 40);
                for i in 0..2 {
                    let mut row = rows.get_mut(i).expect("a row");
                    row.update_uses(row.uses + 1).await.expect("an update");
                }
                tx.commit().await.expect("a commit");
            }
        });
    }
    callers.join_all().await;
    assert_eq!(
        db.number("SELECT CAST(sum(uses) AS DECIMAL(9, 0)) FROM taxonomy")
            .await,
        200
    );
}

async fn many_wait_for_no_other_row(db: Db) {
    with_rows(&db, ["a", "b", "c", "d"].map(|slug| record(None, slug))).await;
    let mut holder = begin(&db).await;
    let held = Taxonomy::lock().by_slug(&mut holder, "b").await;
    drop(held.expect("a lock").expect("a row"));
    // In a table this small a scan would be cheaper than the index.
    let mut tx = begin(&db).await;
    let rows = Taxonomy::lock()
        .wait(Wait::NoWait)
        .many_by_slug(&mut tx, ["d", "c", "a"])
        .await;
    assert_eq!(rows.expect("nobody is in the way").len(), 3);
}

async fn many_appear_while_waiting(db: Db) {
    with_rows(&db, ["a", "b"].map(|slug| record(None, slug))).await;
    let mut holder = begin(&db).await;
    let mut held = Taxonomy::lock()
        .by_slug(&mut holder, "a")
        .await
        .expect("a lock")
        .expect("a row");
    held.update_slug("old").await.expect("an update");
    let pool = db.pool.clone();
    let waiter = tokio::spawn(async move {
        let mut tx = upsert_runtime::begin(&pool).await?;
        let rows = Taxonomy::lock().many_by_slug(&mut tx, ["a", "b"]).await?;
        Ok::<_, Error>(rows.into_rows())
    });
    until_one_waits(&db).await;
    let insert = "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('a', 'new', 0, 's')";
    sqlx::raw_sql(insert)
        .execute(held.connection())
        .await
        .expect("a row");
    holder.commit().await.expect("a commit");
    let rows = waiter.await.expect("no panic").expect("rows");
    let names: Vec<_> = rows.iter().map(|row| &*row.name).collect();
    assert_eq!(names, ["new", "b"], "the row that has the key now");
}

async fn a_row_that_is_replaced_while_waiting(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    for by_id in [false, true] {
        let mut holder = begin(&db).await;
        let delete = "DELETE FROM taxonomy WHERE slug = 'rock'";
        sqlx::raw_sql(delete)
            .execute(&mut *holder)
            .await
            .expect("a delete");
        let pool = db.pool.clone();
        let id = if by_id { 77 } else { 1 };
        let waiter = tokio::spawn(async move {
            let mut tx = upsert_runtime::begin(&pool).await?;
            let lock = Taxonomy::lock();
            let row = if by_id {
                lock.by_id(&mut tx, id).await?
            } else {
                lock.by_slug(&mut tx, "rock").await?
            };
            Ok::<_, Error>(row.map(LockedTaxonomyRow::name))
        });
        until_one_waits(&db).await;
        let insert = "INSERT INTO taxonomy (id, slug, name, uses, source) VALUES (77, 'rock', 'new', 0, 's')";
        sqlx::raw_sql(insert)
            .execute(&mut *holder)
            .await
            .expect("a row");
        holder.commit().await.expect("a commit");
        let name = waiter.await.expect("no panic").expect("no error");
        assert_eq!(
            name.as_deref(),
            Some("new"),
            "nothing found after a wait proves nothing"
        );
    }
}

trait LockedTaxonomyRow {
    fn name(self) -> String;
}

impl LockedTaxonomyRow for super::models::LockedTaxonomy<'_, Sqlx> {
    fn name(self) -> String {
        self.into_row().name
    }
}

async fn a_row_stays_locked_after_its_guard(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begin(&db).await;
    let row = Taxonomy::lock().by_slug(&mut tx, "rock").await.unwrap();
    drop(row);
    let error = Taxonomy::upsert(record("r1", "rock").named("Rock"))
        .wait(Wait::NoWait)
        .run(&db.pool)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    tx.commit().await.expect("a commit");
    Taxonomy::upsert(record("r1", "rock").named("Rock"))
        .wait(Wait::NoWait)
        .run(&db.pool)
        .await
        .expect("the lock is gone");
}

async fn a_child_row_and_the_modes(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    db.run("CREATE TABLE child (taxonomy_id bigint NOT NULL REFERENCES taxonomy (id))")
        .await;
    let insert = format!(
        "SET lock_timeout = '100ms'; INSERT INTO child VALUES ({})",
        rows[0].id
    );
    let child = async || {
        let pool = db.pool_of(1).await;
        let inserted = sqlx::raw_sql(sqlx::AssertSqlSafe(insert.clone()))
            .execute(&pool)
            .await;
        inserted.is_ok()
    };
    let mut tx = begin(&db).await;
    let mut row = Taxonomy::lock()
        .by_slug(&mut tx, "rock")
        .await
        .unwrap()
        .expect("a row");
    assert!(child().await, "the default lets a child row in");
    row.update_name("Rock").await.expect("an update");
    assert!(child().await, "also after an update that changes no key");
    let mut row = Taxonomy::lock()
        .mode(Mode::Update)
        .by_slug(row.transaction(), "rock")
        .await
        .unwrap()
        .expect("a row");
    assert!(!child().await, "`Mode::Update` keeps it out");
    row.refresh().await.expect("the row");
    tx.commit().await.expect("a commit");
    assert!(child().await);
    assert_eq!(db.number("SELECT count(*) FROM child").await, 3);
}

async fn the_stronger_mode_is_taken(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut tx = begin(&db).await;
    let lock = Taxonomy::lock().mode(Mode::Update).wait(Wait::NoWait);
    assert!(lock.by_slug(&mut tx, "rock").await.unwrap().is_some());
    let waiting = Taxonomy::modify()
        .mode(Mode::Update)
        .wait(Wait::NoWait)
        .by_slug(&db.pool, "rock", |row| {
            super::models::TaxonomyChanges::new().uses(row.uses + 1)
        })
        .await;
    assert!(matches!(waiting, Err(Error::Locked { .. })));
}

async fn a_locked_row_is_skipped(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let mut holder = begin(&db).await;
    let held = Taxonomy::lock().by_slug(&mut holder, "rock").await.unwrap();
    drop(held.expect("a row"));
    let mut tx = begin(&db).await;
    for mode in [Mode::NoKeyUpdate, Mode::Update] {
        let lock = || Taxonomy::lock().skip_locked().mode(mode);
        assert!(lock().by_slug(&mut tx, "rock").await.unwrap().is_none());
        assert!(lock().by_slug(&mut tx, "jazz").await.unwrap().is_some());
        let rows = lock().many_by_slug(&mut tx, ["rock", "jazz"]).await;
        assert_eq!(rows.unwrap().len(), 1);
        // As if it were not there: the chain goes on.
        let (row, matched_by) = lock()
            .find(&mut tx, &record("r1", "jazz"))
            .await
            .unwrap()
            .expect("a row");
        assert_eq!((&*row.slug, matched_by), ("jazz", "slug"));
    }
    let both = Taxonomy::lock().skip_locked().wait(Wait::NoWait);
    assert!(both.by_slug(&mut tx, "rock").await.unwrap().is_none());
    holder.commit().await.expect("a commit");
    let row = Taxonomy::lock()
        .skip_locked()
        .by_slug(&mut tx, "rock")
        .await;
    assert!(row.unwrap().is_some());
}

async fn skipping_is_unsupported(db: Db) {
    // No table: nothing is sent.
    let mut tx = begin(&db).await;
    let lock = || Taxonomy::lock().skip_locked();
    let error = lock().by_slug(&mut tx, "rock").await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "`Taxonomy`: SQLite does not support `skip_locked`"
    );
    assert!(!error.is_retryable());
    let error = lock().many_by_slug(&mut tx, ["rock"]).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let error = lock()
        .find(&mut tx, &record("r1", "rock"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    tx.commit().await.expect("a commit");
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(id, name)]
struct Device {
    #[upsert(id, assigned)]
    id: Uuid,
    name: Option<String>,
}

async fn ids_of_any_type(db: Db) {
    let uuid = match Sqlx::TARGET {
        "postgres" => "uuid",
        "mysql" => "binary(16)",
        _ => "blob",
    };
    db.run(&format!(
        "CREATE TABLE device (id {uuid} NOT NULL PRIMARY KEY, name {{text}} UNIQUE)"
    ))
    .await;
    let ids = [3_u128, 1, 2].map(Uuid::from_u128);
    for id in ids {
        let new = NewDevice {
            id,
            name: Some(id.to_string()),
        };
        Device::upsert(new).run(&db.pool).await.expect("an upsert");
    }
    let mut tx = begin(&db).await;
    let rows = Device::lock().many_by_id(&mut tx, ids).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    let mut row = Device::lock()
        .by_id(&mut tx, ids[2])
        .await
        .unwrap()
        .unwrap();
    assert!(row.update_name(None).await.expect("an update"));
    tx.commit().await.expect("a commit");
}

async fn in_a_transaction_of_sqlx(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let mut tx = db.pool.begin().await.expect("a transaction");
    let mut rock = Taxonomy::lock()
        .by_slug(&mut tx, "rock")
        .await
        .unwrap()
        .expect("a row");
    assert!(rock.update_uses(rock.uses + 1).await.unwrap());
    let jazz = Taxonomy::lock().by_slug(rock.transaction(), "jazz").await;
    assert_eq!(jazz.unwrap().expect("a row").slug, "jazz");
    // Upserts too run in what a row lends.
    Taxonomy::upsert(record("r3", "folk"))
        .run_in(rock.transaction())
        .await
        .expect("an upsert");
    assert_eq!(rock.uses, 1);
    tx.commit().await.expect("a commit");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 3);
}

async fn after_an_error_the_transaction_goes_on(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let mut tx = begin(&db).await;
    let mut rock = Taxonomy::lock()
        .by_slug(&mut tx, "rock")
        .await
        .unwrap()
        .expect("a row");
    let error = rock.update_slug("jazz").await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(rock.slug, "rock", "memory is as before too");
    // Still locked, and the transaction still takes writes.
    let waiting = Taxonomy::upsert(record("r1", "rock").named("x"))
        .wait(Wait::AtMost(Duration::from_millis(20)))
        .run(&db.pool)
        .await;
    assert!(matches!(waiting, Err(Error::LockTimeout { .. })));
    assert!(rock.update_name("Rock").await.expect("an update"));
    tx.commit().await.expect("a commit");
    assert_eq!(
        db.texts("SELECT name FROM taxonomy ORDER BY slug").await,
        ["jazz", "Rock"]
    );
}
