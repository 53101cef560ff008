//! Whether it is a row that is marked as deleted which holds a key.

use upsert_runtime::{Error, LockedUpsert, OnDeleted, Retry};

use super::super::log::logged;
use super::{Article, Indexes, WAYS, article, both, moment, run, with_table};
use crate::Db;

tests![
    a_key_that_is_no_look_up,
    a_key_that_an_update_needs,
    a_row_that_is_there_holds_it,
    nothing_is_asked_where_nothing_is_refused on ["postgres", "mysql"],
];

const HELD: bool = true;
const NOT_HELD: bool = false;

fn assert_conflict(error: &Error, is_held: bool) {
    let Error::Conflict {
        holder_is_deleted, ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(*holder_is_deleted, is_held, "{error}");
}

async fn with_rows(db: &Db, indexes: Indexes) {
    with_table(db, indexes).await;
    let at = moment("2026-01-01");
    db.run(&format!(
        "INSERT INTO article (remote_id, slug, title, place, deleted_at) VALUES ('r1', 'a', 'a', 1, '{at}'); \
         INSERT INTO article (remote_id, slug, title, place) VALUES ('r2', 'b', 'b', 2)"
    ))
    .await;
}

async fn a_key_that_is_no_look_up(db: Db) {
    for way in WAYS {
        for indexes in both() {
            for (place, is_held) in [(1, HELD), (2, NOT_HELD)] {
                with_rows(&db, indexes).await;
                let mut new = article("r3", "c");
                new.place = Some(place);
                // One attempt is enough to know.
                let upsert = Article::upsert(new)
                    .on_deleted(OnDeleted::Revive)
                    .retry(Retry::never());
                let done = run(&db, way, upsert).await;
                match done {
                    Ok(_) => assert_eq!((indexes, place), (Indexes::Partial, 1)),
                    Err(error) => assert_conflict(&error, is_held),
                }
            }
        }
    }
}

async fn a_key_that_an_update_needs(db: Db) {
    for way in WAYS {
        for indexes in both() {
            // By a look-up, by a fallback, by the other unique key.
            let mut placed = article("r2", "b");
            placed.place = Some(1);
            for new in [article("r2", "a"), article("r1", "b"), placed] {
                with_rows(&db, indexes).await;
                let done = run(&db, way, Article::upsert(new.clone())).await;
                match done {
                    Ok(_) => assert_eq!(indexes, Indexes::Partial),
                    Err(error) => {
                        assert_eq!(indexes, Indexes::Full, "{new:?}: {error}");
                        assert_conflict(&error, HELD);
                    }
                }
            }
        }
    }
}

/// A marked row with the same key is not to blame where the index leaves it out, or another key was refused.
async fn a_row_that_is_there_holds_it(db: Db) {
    for way in WAYS {
        for indexes in both() {
            with_rows(&db, indexes).await;
            let mut new = article("r3", "c");
            new.place = Some(2);
            let error = run(&db, way, Article::upsert(new)).await.unwrap_err();
            assert_conflict(&error, NOT_HELD);
            if indexes == Indexes::Partial {
                let mut new = article("r1", "c");
                new.place = Some(2);
                let error = run(&db, way, Article::upsert(new)).await.unwrap_err();
                assert_conflict(&error, NOT_HELD);
            }
        }
    }
}

async fn nothing_is_asked_where_nothing_is_refused(db: Db) {
    with_rows(&db, Indexes::Full).await;
    for new in [article("r2", "b"), article("r3", "c"), article("r2", "d")] {
        let (done, log) = logged(Article::upsert(new).run(&db.pool)).await;
        done.expect("an upsert");
        assert!(!log.contains("CASE WHEN EXISTS"), "{log}");
    }
    let (done, log) = logged(Article::upsert(article("r1", "a")).run(&db.pool)).await;
    done.expect_err("a conflict");
    assert!(log.contains("CASE WHEN EXISTS"), "{log}");
}
