//! No row is created.

use upsert_runtime::{LockedUpsert, Outcome};

use super::super::log::logged;
use super::{Indexes, Plain, WAYS, plain, run, while_locked, with_table};
use crate::Db;

tests![
    none_where_there_is_no_row,
    replaced_while_it_is_waited_for,
    // SQLite's own thread may close the span later.
    what_the_span_tells on ["postgres", "mysql"],
];

fn updated() -> Outcome {
    Outcome::Updated {
        matched_by: "slug",
        changed: vec!["title"],
    }
}

async fn none_where_there_is_no_row(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        let only = |title| Plain::upsert(plain(title)).update_only();
        assert_eq!(run(&db, way, only("one")).await.expect("none"), None);
        assert_eq!(db.number("SELECT count(*) FROM article").await, 0);
        run(&db, way, Plain::upsert(plain("one")))
            .await
            .expect("a row");
        let done = run(&db, way, only("two")).await.expect("an upsert");
        assert_eq!(done.expect("a row").outcome, updated(), "{way:?}");
        // The order in which a builder is called is all the same.
        let upsert = only("three").protect(|_| true);
        let done = run(&db, way, upsert).await.expect("an upsert");
        let protected = Outcome::Protected { matched_by: "slug" };
        assert_eq!(done.expect("a row").outcome, protected);
    }
}

/// Nothing found after a wait proves nothing.
async fn replaced_while_it_is_waited_for(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        run(&db, way, Plain::upsert(plain("one")))
            .await
            .expect("a row");
        let before = "DELETE FROM article; INSERT INTO article (slug, title) VALUES ('a', 'other')";
        let upsert = Plain::upsert(plain("two")).update_only();
        let done = while_locked(&db, way, before, upsert).await;
        let done = done.expect("an upsert").expect("a row");
        assert_eq!(done.outcome, updated(), "{way:?}");
    }
}

async fn what_the_span_tells(db: Db) {
    with_table(&db, Indexes::Full).await;
    let call = async {
        let upsert = Plain::upsert(plain("one")).update_only();
        upsert.run(&db.pool).await
    };
    let (done, log) = logged(call).await;
    assert_eq!(done.expect("none"), None);
    assert!(log.contains(r#"outcome="skipped""#), "{log}");
    run(&db, WAYS[0], Plain::upsert(plain("one")))
        .await
        .expect("a row");
    let call = async {
        let upsert = Plain::upsert(plain("two")).protect(|_| true);
        upsert.run(&db.pool).await
    };
    let (done, log) = logged(call).await;
    done.expect("an upsert");
    assert!(
        log.contains(r#"outcome="protected" matched_by="slug""#),
        "{log}"
    );
}
