//! Read, modify, write in one call; and an upsert whose updating data is made from the locked row.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinSet;
use upsert_runtime::{Error, LockedUpsert, Outcome, Retry, Wait};
use upsert_tests::Target;

use super::models::{
    LockedTaxonomy, PAGE, Page, PageChanges, Taxonomy, TaxonomyChanges, page, record, with_rows,
};
use super::races::until_one_waits;
use super::transactions::{kill, session};
use crate::{Db, Sqlx};

tests![
    by_each_way,
    nothing_differs_or_nothing_is_there,
    changes_are_made_from_the_locked_row,
    a_conflict_is_final,
    a_refusal_rolls_back,
    our_error_becomes_the_callers,
    the_whole_is_done_again on ["postgres", "mysql"],
    no_increment_is_lost,
    an_upsert_with_changes_from_the_row,
];

async fn by_each_way(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    db.run(PAGE).await;
    Page::upsert(page(1, Some(7), "a"))
        .run(&db.pool)
        .await
        .expect("an upsert");
    let more = |row: &Taxonomy| TaxonomyChanges::new().uses(row.uses + 1);
    let done = Taxonomy::modify().by_id(&db.pool, rows[0].id, more).await;
    let done = done.unwrap().expect("a row");
    let changed = |matched_by| Outcome::Updated {
        matched_by,
        changed: vec!["uses"],
    };
    assert_eq!((done.row.uses, done.outcome), (1, changed("id")));
    let done = Taxonomy::modify()
        .by_remote_id(&db.pool, " r1 ", more)
        .await;
    let done = done.unwrap().expect("a row");
    assert_eq!((done.row.uses, done.outcome), (2, changed("remote_id")));
    let done = Taxonomy::modify()
        .wait(Wait::Forever)
        .retry(Retry::never())
        .by_slug(&db.pool, "rock".to_owned(), more)
        .await;
    let done = done.unwrap().expect("a row");
    assert_eq!((done.row.uses, done.outcome), (3, changed("slug")));
    assert!(done.row.updated_at > rows[0].updated_at);
    let suffix = String::from("!");
    let titled = |page: &Page| PageChanges::new().title(format!("{}{suffix}", page.title));
    let done = Page::modify()
        .by_site_id_and_slug(&db.pool, 7, "a", titled)
        .await;
    let done = done.unwrap().expect("a row");
    let changed = vec!["title"];
    let matched_by = "(site_id, slug)";
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by,
            changed
        }
    );
}

async fn nothing_differs_or_nothing_is_there(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    let same = |row: &Taxonomy| TaxonomyChanges::new().name(&*row.name);
    let done = Taxonomy::modify().by_slug(&db.pool, "rock", same).await;
    let done = done.unwrap().expect("a row");
    assert_eq!(done.outcome, Outcome::Unchanged { matched_by: "slug" });
    assert_eq!(done.row, rows[0]);
    let never = |_: &Taxonomy| -> TaxonomyChanges { unreachable!("there is no row") };
    let none = Taxonomy::modify().by_slug(&db.pool, "none", never).await;
    assert!(none.unwrap().is_none());
}

async fn changes_are_made_from_the_locked_row(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let held = Taxonomy::lock().by_slug(&mut holder, "rock").await;
    let mut held = held.unwrap().expect("a row");
    let pool = db.pool.clone();
    let waiter = tokio::spawn(async move {
        Taxonomy::modify()
            .by_slug(&pool, "rock", |row| {
                TaxonomyChanges::new().uses(row.uses * 10 + 1)
            })
            .await
    });
    until_one_waits(&db).await;
    held.update_uses(7).await.expect("an update");
    holder.commit().await.expect("a commit");
    let done = waiter.await.expect("no panic").unwrap().expect("a row");
    assert_eq!(done.row.uses, 71);
}

async fn a_conflict_is_final(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let calls = AtomicU32::new(0);
    let error = Taxonomy::modify()
        .by_slug(&db.pool, "rock", |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            TaxonomyChanges::new().slug("jazz").name("x")
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(calls.into_inner(), 1);
    let names = db.texts("SELECT name FROM taxonomy ORDER BY id").await;
    assert_eq!(names, ["rock", "jazz"]);
}

#[derive(Debug)]
enum Refusal {
    TooMany(i64),
    Upsert(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Upsert(error)
    }
}

fn at_most_two(row: &Taxonomy) -> Result<TaxonomyChanges, Refusal> {
    if row.uses >= 2 {
        return Err(Refusal::TooMany(row.uses));
    }
    Ok(TaxonomyChanges::new().uses(row.uses + 1))
}

async fn a_refusal_rolls_back(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    for _ in 0..2 {
        let done = Taxonomy::modify().try_by_slug(&db.pool, "rock", at_most_two);
        done.await.expect("not yet").expect("a row");
    }
    let refused = Taxonomy::modify()
        .try_by_remote_id(&db.pool, "r1", at_most_two)
        .await;
    assert!(matches!(refused, Err(Refusal::TooMany(2))), "{refused:?}");
    let refused = Taxonomy::modify()
        .try_by_id(&db.pool, rows[0].id, at_most_two)
        .await;
    assert!(matches!(refused, Err(Refusal::TooMany(2))), "{refused:?}");
    // Nothing is locked any more.
    Taxonomy::upsert(record("r1", "rock"))
        .wait(Wait::NoWait)
        .run(&db.pool)
        .await
        .expect("an upsert");
}

async fn our_error_becomes_the_callers(db: Db) {
    // No table.
    let refused = Taxonomy::modify()
        .try_by_slug(&db.pool, "rock", at_most_two)
        .await;
    assert!(
        matches!(refused, Err(Refusal::Upsert(Error::Database { .. }))),
        "{refused:?}"
    );
}

async fn the_whole_is_done_again(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    // The first attempt's connection is killed after the closure has run; the closure runs again, on the row as it is then.
    let pool = db.pool_of(2).await;
    let calls = AtomicU32::new(0);
    let (sender, receiver) = std::sync::mpsc::channel();
    let done = Taxonomy::modify()
        .by_slug(&pool, "rock", |row| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                // Nothing can be awaited in here, so another thread ends the sessions of this pool.
                let (db, sender) = (db.clone(), sender.clone());
                let killer = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .expect("a runtime");
                    runtime.block_on(async {
                        let pool = db.pool_of(1).await;
                        let own = session(&pool).await;
                        let others = match Sqlx::TARGET {
                            "postgres" => "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
                            _ => "SELECT CAST(trx_mysql_thread_id AS CHAR) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id IN \
                                  (SELECT id FROM information_schema.processlist WHERE db = DATABASE())",
                        };
                        let ids = Sqlx::texts(&pool, others.to_owned()).await;
                        for id in ids.iter().filter(|id| **id != own) {
                            kill(&pool, id).await;
                        }
                        sender.send(ids.len()).expect("a receiver");
                    });
                });
                killer.join().expect("no panic");
            }
            TaxonomyChanges::new().uses(row.uses + 1)
        })
        .await
        .expect("done again")
        .expect("a row");
    assert_eq!(
        receiver.recv().expect("a number"),
        1,
        "one session was killed"
    );
    assert_eq!((done.row.uses, calls.into_inner()), (1, 2));
    pool.close().await;
}

async fn by_guard(pool: &sqlx::Pool<Sqlx>) -> Result<(), Error> {
    let mut tx = upsert_runtime::begin(pool).await?;
    let row: Option<LockedTaxonomy<'_, Sqlx>> = Taxonomy::lock().by_slug(&mut tx, "rock").await?;
    let mut row = row.expect("a row");
    row.update_uses(row.uses + 1).await?;
    tx.commit().await
}

async fn no_increment_is_lost(db: Db) {
    const CALLERS: i64 = 16;
    const INCREMENTS: i64 = 300;
    with_rows(&db, [record("r1", "rock")]).await;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let pool = db.pool.clone();
        callers.spawn(async move {
            for _ in 0..INCREMENTS {
                if caller % 2 == 0 {
                    let more = |row: &Taxonomy| TaxonomyChanges::new().uses(row.uses + 1);
                    let done = Taxonomy::modify()
                        .retry(Retry::attempts(1000).within(std::time::Duration::from_mins(2)))
                        .by_slug(&pool, "rock", more)
                        .await;
                    done.expect("an increment").expect("a row");
                } else {
                    // The caller's own transaction is the caller's to begin again.
                    while let Err(error) = by_guard(&pool).await {
                        assert!(error.is_retryable(), "{error}");
                        assert_eq!(Sqlx::TARGET, "sqlite", "one row cannot deadlock: {error}");
                    }
                }
            }
        });
    }
    callers.join_all().await;
    let uses = db.number("SELECT uses FROM taxonomy").await;
    assert_eq!(uses, CALLERS * INCREMENTS);
}

async fn an_upsert_with_changes_from_the_row(db: Db) {
    with_rows(&db, []).await;
    let calls = AtomicU32::new(0);
    let upsert = || {
        Taxonomy::upsert(record("r1", "rock").named("from the source")).updating_with(|row| {
            calls.fetch_add(1, Ordering::Relaxed);
            let changes = TaxonomyChanges::new()
                .uses(row.uses + 1)
                .remote_id(Some(" r1 ".into()));
            // What an editor has changed by hand stays.
            if row.name == "by hand" {
                changes
            } else {
                changes.name("counted")
            }
        })
    };
    let done = upsert().run(&db.pool).await.expect("an upsert");
    assert_eq!(done.outcome, Outcome::Created);
    assert_eq!((done.row.uses, &*done.row.name), (0, "from the source"));
    assert_eq!(calls.load(Ordering::Relaxed), 0, "there was no row");
    let done = upsert().run(&db.pool).await.expect("an upsert");
    let changed = vec!["name", "uses"];
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed
        }
    );
    db.run("UPDATE taxonomy SET name = 'by hand'").await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let done = upsert().run_in(&mut tx).await.expect("an upsert");
    tx.commit().await.expect("a commit");
    assert_eq!((done.row.uses, &*done.row.name), (2, "by hand"));
    assert_eq!(
        done.row.remote_id.as_deref(),
        Some("r1"),
        "trimmed, as any changes"
    );
    // Two that meet: each counts.
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let pool = db.pool.clone();
        callers.spawn(async move {
            Taxonomy::upsert(record("r2", "soul"))
                .updating_with(|row| TaxonomyChanges::new().uses(row.uses + 1))
                .run(&pool)
                .await
                .expect("an upsert");
        });
    }
    callers.join_all().await;
    assert_eq!(
        db.number("SELECT uses FROM taxonomy WHERE slug = 'soul'")
            .await,
        7
    );
}
