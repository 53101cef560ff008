//! A record that meets a row which is marked as deleted.

use upsert_runtime::{Error, LockedUpsert, OnDeleted, Operation, Outcome, Upsert};

use super::{
    Article, ArticleChanges, Indexes, NewArticle, Plain, WAYS, Way, article, both, moment, plain,
    run, stored, while_locked, with_table, without_indexes,
};
use crate::Db;

tests![
    ignored,
    revived,
    revived_by_each_look_up_in_its_turn,
    of_several_the_one_marked_last,
    refused,
    a_model_without_marks,
    marked_while_it_is_waited_for,
    restored_while_it_is_waited_for,
    an_earlier_key_comes_back_meanwhile,
    another_row_comes_meanwhile on ["sqlite", "postgres"],
    written_along_when_it_comes_back,
];

/// A row that is marked, beside one that is not.
async fn with_marked(db: &Db, indexes: Indexes) {
    with_table(db, indexes).await;
    let at = moment("2026-01-01");
    db.run(&format!(
        "INSERT INTO article (id, remote_id, slug, title, deleted_at) VALUES (101, 'r1', 'a', 'old', '{at}'); \
         INSERT INTO article (id, remote_id, slug, title) VALUES (102, 'r2', 'b', 'b')"
    ))
    .await;
}

fn upsert(on_deleted: OnDeleted) -> Upsert<'static, Article> {
    Article::upsert(article("r1", "a")).on_deleted(on_deleted)
}

fn updated(matched_by: &'static str, changed: &[&'static str]) -> Outcome {
    Outcome::Updated {
        matched_by,
        changed: changed.to_vec(),
    }
}

fn is_held(error: &Error) -> bool {
    let holder_is_deleted = matches!(
        error,
        Error::Conflict {
            holder_is_deleted: true,
            ..
        }
    );
    assert_eq!(
        holder_is_deleted,
        error.to_string().contains("marked as deleted")
    );
    holder_is_deleted
}

async fn ignored(db: Db) {
    for way in WAYS {
        for indexes in both() {
            with_marked(&db, indexes).await;
            let done = run(&db, way, upsert(OnDeleted::Ignore)).await;
            if indexes == Indexes::Partial {
                let done = done.expect("another row");
                assert_eq!(done.outcome, Outcome::Created, "{way:?}");
                let unchanged = Outcome::Unchanged {
                    matched_by: "remote_id",
                };
                let again = run(&db, way, Article::upsert(article("r1", "a"))).await;
                assert_eq!(again.expect("an upsert").outcome, unchanged);
            } else {
                let error = done.unwrap_err();
                assert!(is_held(&error), "{way:?}: {error}");
                assert!(!error.to_string().contains("r1"), "{error}");
                assert_eq!(stored(&db, "title").await, ["old", "b"]);
            }
        }
    }
}

async fn revived(db: Db) {
    for way in WAYS {
        for indexes in both() {
            with_marked(&db, indexes).await;
            let before = Article::lock().deleted();
            let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
            let before = before
                .by_id(&mut tx, 101)
                .await
                .unwrap()
                .unwrap()
                .into_row();
            drop(tx);
            let done = run(&db, way, upsert(OnDeleted::Revive)).await;
            let done = done.unwrap_or_else(|error| panic!("{way:?} {indexes:?}: {error}"));
            // In the struct's order.
            let back = updated("remote_id", &["title", "deleted_at"]);
            assert_eq!(done.outcome, back, "{way:?} {indexes:?}");
            assert_eq!((done.row.id, done.row.deleted_at), (101, None));
            assert!(done.row.updated_at > before.updated_at);
            let again = run(&db, way, upsert(OnDeleted::Revive)).await;
            let unchanged = Outcome::Unchanged {
                matched_by: "remote_id",
            };
            assert_eq!(again.expect("an upsert").outcome, unchanged);
            // Nothing but the mark, and get or create.
            with_marked(&db, indexes).await;
            let get = upsert(OnDeleted::Revive).updating(ArticleChanges::new());
            let done = run(&db, way, get).await.expect("an upsert");
            assert_eq!(done.outcome, updated("remote_id", &["deleted_at"]));
            assert_eq!(stored(&db, "title").await, ["old", "b"]);
            // A record that is new is new.
            let new = Article::upsert(article("r3", "c")).on_deleted(OnDeleted::Revive);
            let done = run(&db, way, new).await.expect("an upsert");
            assert_eq!(done.outcome, Outcome::Created);
        }
    }
}

/// The marked rows of a look-up come before the next look-up.
async fn revived_by_each_look_up_in_its_turn(db: Db) {
    for way in WAYS {
        for indexes in both() {
            with_marked(&db, indexes).await;
            let revive = |new| Article::upsert(new).on_deleted(OnDeleted::Revive);
            let new = article("r1", "c");
            let done = run(&db, way, revive(new)).await.expect("an upsert");
            assert_eq!((done.row.id, &*done.row.slug), (101, "c"));
            with_marked(&db, indexes).await;
            let new = article("r9", "a");
            let done = run(&db, way, revive(new)).await.expect("an upsert");
            let changed = updated("slug", &["remote_id", "title", "deleted_at"]);
            assert_eq!((done.row.id, done.outcome), (101, changed));
            // The slug is that of a row that is there, the first key of one that is not.
            with_marked(&db, indexes).await;
            let new = article("r1", "b");
            let error = run(&db, way, revive(new)).await.unwrap_err();
            assert!(matches!(error, Error::Conflict { .. }), "{way:?}: {error}");
            assert!(!is_held(&error));
        }
    }
}

async fn of_several_the_one_marked_last(db: Db) {
    for way in WAYS {
        without_indexes(&db).await;
        for (id, day) in [(1, "01"), (2, "03"), (3, "02")] {
            let at = moment(&format!("2026-01-{day}"));
            db.run(&format!(
                "INSERT INTO article (id, slug, deleted_at) VALUES ({id}, 'a', '{at}')"
            ))
            .await;
        }
        let done = run(&db, way, upsert(OnDeleted::Revive)).await;
        assert_eq!(done.expect("an upsert").row.id, 2, "{way:?}");
    }
}

async fn refused(db: Db) {
    for way in WAYS {
        for indexes in both() {
            with_marked(&db, indexes).await;
            let error = run(&db, way, upsert(OnDeleted::Refuse)).await.unwrap_err();
            let Error::Deleted { at } = &error else {
                panic!("{error}");
            };
            let lookup = "remote_id";
            assert_eq!(at.operation, Operation::LookUp { lookup }, "{way:?}");
            assert_eq!(
                error.to_string(),
                "`Article`: look-up by `remote_id`: the row is marked as deleted"
            );
            assert!(!error.is_retryable() && error.is_about_record());
            assert_eq!(stored(&db, "title").await, ["old", "b"]);
            let other = Article::upsert(article("r2", "b")).on_deleted(OnDeleted::Refuse);
            let done = run(&db, way, other).await.expect("an upsert");
            assert!(matches!(done.outcome, Outcome::Unchanged { .. }));
        }
    }
}

async fn a_model_without_marks(db: Db) {
    with_table(&db, Indexes::Full).await;
    for way in WAYS {
        for on_deleted in [OnDeleted::Revive, OnDeleted::Refuse] {
            let upsert = Plain::upsert(plain("one")).on_deleted(on_deleted);
            let error = run(&db, way, upsert).await.unwrap_err();
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            assert!(error.to_string().contains("`on_deleted`"), "{error}");
        }
        let upsert = Plain::upsert(plain("one")).on_deleted(OnDeleted::Ignore);
        run(&db, way, upsert).await.expect("an upsert");
    }
}

const MARKED: &str = "UPDATE article SET deleted_at = updated_at WHERE id = 101";
const RESTORED: &str = "UPDATE article SET deleted_at = NULL WHERE id = 101";

async fn marked_while_it_is_waited_for(db: Db) {
    for way in WAYS {
        for indexes in both() {
            let live = || async {
                with_marked(&db, indexes).await;
                db.run(RESTORED).await;
            };
            live().await;
            let done = while_locked(&db, way, MARKED, upsert(OnDeleted::Ignore)).await;
            match done {
                Ok(done) => assert_eq!(done.outcome, Outcome::Created, "{way:?}"),
                Err(error) => assert!(is_held(&error), "{error}"),
            }
            live().await;
            let done = while_locked(&db, way, MARKED, upsert(OnDeleted::Revive)).await;
            let done = done.expect("an upsert");
            let back = updated("remote_id", &["title", "deleted_at"]);
            assert_eq!((done.row.id, done.outcome), (101, back), "{way:?}");
            live().await;
            let done = while_locked(&db, way, MARKED, upsert(OnDeleted::Refuse)).await;
            let error = done.unwrap_err();
            assert!(matches!(error, Error::Deleted { .. }), "{error}");
        }
    }
}

async fn restored_while_it_is_waited_for(db: Db) {
    for way in WAYS {
        for indexes in both() {
            for on_deleted in [OnDeleted::Revive, OnDeleted::Refuse] {
                with_marked(&db, indexes).await;
                let done = while_locked(&db, way, RESTORED, upsert(on_deleted)).await;
                let done = done.unwrap_or_else(|error| panic!("{way:?} {indexes:?}: {error}"));
                let outcome = updated("remote_id", &["title"]);
                assert_eq!((done.row.id, done.outcome), (101, outcome), "{way:?}");
            }
        }
    }
}

/// The row that the slug finds is waited for, and by then the first key's row is there: that one is the record's.
async fn an_earlier_key_comes_back_meanwhile(db: Db) {
    for way in WAYS {
        for indexes in both() {
            with_marked(&db, indexes).await;
            let before = "UPDATE article SET title = 'held' WHERE id = 102; \
                          UPDATE article SET remote_id = 'r9' WHERE id = 101";
            let new = article("r9", "b");
            let upsert = Article::upsert(new)
                .on_deleted(OnDeleted::Revive)
                .updating(ArticleChanges::new().title("new"));
            let done = while_locked(&db, way, before, upsert).await;
            let done = done.expect("an upsert");
            assert_eq!(done.row.id, 101, "{way:?} {indexes:?}");
            assert_eq!(done.row.deleted_at, None);
            assert_eq!(stored(&db, "title").await, ["new", "held"]);
        }
    }
}

/// While a row is brought back one is created that is not marked: that one is the record's.
async fn another_row_comes_meanwhile(db: Db) {
    for way in WAYS {
        with_marked(&db, Indexes::Partial).await;
        let before = "INSERT INTO article (id, remote_id, slug) VALUES (103, 'r1', 'a')";
        let done = while_locked(&db, way, before, upsert(OnDeleted::Revive)).await;
        let done = done.expect("an upsert");
        let outcome = updated("remote_id", &["title"]);
        assert_eq!((done.row.id, done.outcome), (103, outcome), "{way:?}");
        let marked = "SELECT id FROM article WHERE deleted_at IS NOT NULL";
        assert_eq!(db.number(marked).await, 101);
        // The one that is marked was found and waited for: what was not found before it is looked for again.
        with_marked(&db, Indexes::Partial).await;
        let before = "UPDATE article SET title = 'held' WHERE id = 101; \
                      INSERT INTO article (id, remote_id, slug) VALUES (103, 'r1', 'a')";
        let done = while_locked(&db, way, before, upsert(OnDeleted::Refuse)).await;
        assert_eq!(done.expect("an upsert").row.id, 103, "{way:?}");
    }
}

async fn written_along_when_it_comes_back(db: Db) {
    with_marked(&db, Indexes::Full).await;
    let new = NewArticle {
        title: "old".to_owned(),
        fetched: 7,
        ..article("r1", "a")
    };
    let upsert = Article::upsert(new).on_deleted(OnDeleted::Revive);
    let done = run(&db, Way::Run, upsert).await.expect("an upsert");
    assert_eq!(done.outcome, updated("remote_id", &["deleted_at"]));
    assert_eq!(done.row.fetched, 7);
}
