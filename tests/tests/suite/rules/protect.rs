//! A row that is to be left alone.

use upsert_runtime::{LockedUpsert, Outcome};

use super::{Indexes, Plain, PlainChanges, WAYS, plain, run, stored, while_locked, with_table};
use crate::Db;

tests![
    left_alone,
    protected_while_it_is_waited_for,
    no_longer_protected_while_it_is_waited_for,
    before_the_updating_data_are_made,
];

const MATCHED_BY: &str = "slug";

async fn left_alone(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        db.run("INSERT INTO article (slug, title, locked) VALUES ('a', 'old', TRUE)")
            .await;
        // What would differ, and what would not.
        for title in ["new", "old"] {
            let upsert = Plain::upsert(plain(title)).protect(|row| row.locked);
            let done = run(&db, way, upsert).await.expect("an upsert");
            let protected = Outcome::Protected {
                matched_by: MATCHED_BY,
            };
            assert_eq!(done.outcome, protected, "{way:?}");
            assert_eq!(done.row.title, "old");
            assert!(!done.into_pair().1);
        }
        db.run("UPDATE article SET locked = FALSE").await;
        let upsert = Plain::upsert(plain("new")).protect(|row| row.locked);
        let done = run(&db, way, upsert).await.expect("an upsert");
        let updated = Outcome::Updated {
            matched_by: MATCHED_BY,
            changed: vec!["title"],
        };
        assert_eq!(done.outcome, updated, "{way:?}");
        // Of a row that is created nobody asks.
        db.run("DELETE FROM article").await;
        let done = run(&db, way, Plain::upsert(plain("new")).protect(|_| true)).await;
        assert_eq!(done.expect("an upsert").outcome, Outcome::Created);
    }
}

async fn protected_while_it_is_waited_for(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        db.run("INSERT INTO article (slug, title) VALUES ('a', 'old')")
            .await;
        let upsert = Plain::upsert(plain("new")).protect(|row| row.locked);
        let before = "UPDATE article SET locked = TRUE";
        let done = while_locked(&db, way, before, upsert).await;
        let protected = Outcome::Protected {
            matched_by: MATCHED_BY,
        };
        assert_eq!(done.expect("an upsert").outcome, protected, "{way:?}");
        assert_eq!(stored(&db, "title").await, ["old"]);
    }
}

/// Asked without a lock it may be told that the row was protected: as if it had come before. Under one it is not.
async fn no_longer_protected_while_it_is_waited_for(db: Db) {
    with_table(&db, Indexes::Full).await;
    db.run("INSERT INTO article (slug, title, locked) VALUES ('a', 'old', TRUE)")
        .await;
    let upsert = Plain::upsert(plain("new")).protect(|row| row.locked);
    let before = "UPDATE article SET locked = FALSE";
    let done = while_locked(&db, super::Way::RunIn, before, upsert).await;
    assert_eq!(done.expect("an upsert").row.title, "new");
}

async fn before_the_updating_data_are_made(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        db.run("INSERT INTO article (slug, title, locked) VALUES ('a', 'old', TRUE)")
            .await;
        let (mut asked, mut made) = (0, 0);
        let upsert = Plain::upsert(plain("new"))
            .protect(|row| {
                asked += 1;
                row.locked
            })
            .updating_with(|_| {
                made += 1;
                PlainChanges::new().title("made")
            });
        run(&db, way, upsert).await.expect("an upsert");
        assert!(asked > 0);
        assert_eq!(made, 0, "{way:?}");
    }
}
