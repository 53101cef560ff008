//! What is written along, what is left alone where there is none.

use upsert_runtime::{LockedUpsert, Outcome};

use super::{Indexes, WAYS, run, stored, while_locked, with_table};
use crate::Db;

tests![
    written_along,
    what_is_explicit,
    alone_under_the_lock,
    no_value_leaves_what_is_stored,
];

/// No other rule beside them.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
#[upsert(table = "article")]
struct Noted {
    id: i64,
    slug: String,
    title: String,
    #[upsert(uncompared)]
    fetched: i64,
    #[upsert(keep_none)]
    summary: Option<String>,
}

fn fetched(title: &str, fetched: i64) -> NewNoted {
    NewNoted {
        slug: "a".to_owned(),
        title: title.to_owned(),
        fetched,
        summary: None,
    }
}

const UNCHANGED: Outcome = Outcome::Unchanged { matched_by: "slug" };

fn updated(changed: &[&'static str]) -> Outcome {
    Outcome::Updated {
        matched_by: "slug",
        changed: changed.to_vec(),
    }
}

async fn written_along(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        for (title, at, outcome, is) in [
            ("one", 1, Outcome::Created, 1),
            ("one", 2, UNCHANGED, 1),
            ("two", 3, updated(&["title"]), 3),
            ("two", 4, UNCHANGED, 3),
        ] {
            let done = run(&db, way, Noted::upsert(fetched(title, at))).await;
            let done = done.expect("an upsert");
            assert_eq!((done.outcome, done.row.fetched), (outcome, is), "{way:?}");
        }
    }
}

/// A guard and `modify` write what they are told.
async fn what_is_explicit(db: Db) {
    with_table(&db, Indexes::Full).await;
    run(&db, WAYS[0], Noted::upsert(fetched("one", 1)))
        .await
        .expect("a row");
    let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
    let row = Noted::lock().by_slug(&mut tx, "a").await.expect("a lock");
    let mut row = row.expect("a row");
    assert!(row.update_fetched(2).await.unwrap());
    assert_eq!(row.set_fetched(3).save().await.unwrap(), ["fetched"]);
    tx.commit().await.expect("a commit");
    let changes = |_: &Noted| NotedChanges::new().fetched(4);
    let done = Noted::modify().by_slug(&db.pool, "a", changes).await;
    let done = done.expect("an update").expect("a row");
    assert_eq!(done.outcome, updated(&["fetched"]));
    assert_eq!(stored(&db, "fetched").await, ["4"]);
}

async fn alone_under_the_lock(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        run(&db, way, Noted::upsert(fetched("one", 1)))
            .await
            .expect("a row");
        let before = "UPDATE article SET title = 'two'";
        let upsert = Noted::upsert(fetched("two", 2));
        let done = while_locked(&db, way, before, upsert).await;
        assert_eq!(done.expect("an upsert").outcome, UNCHANGED, "{way:?}");
        assert_eq!(stored(&db, "title, fetched").await, ["two 1"]);
    }
}

async fn no_value_leaves_what_is_stored(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        let with = |summary: Option<&str>| NewNoted {
            summary: summary.map(str::to_owned),
            ..fetched("one", 1)
        };
        for (summary, outcome, is) in [
            (Some("long"), Outcome::Created, "long"),
            (None, UNCHANGED, "long"),
            (Some(""), updated(&["summary"]), ""),
            (Some("short"), updated(&["summary"]), "short"),
        ] {
            let done = run(&db, way, Noted::upsert(with(summary))).await;
            let done = done.expect("an upsert");
            assert_eq!(done.outcome, outcome, "{way:?}");
            assert_eq!(done.row.summary.as_deref(), Some(is));
        }
        // What is set explicitly is written.
        let upsert = Noted::upsert(with(None)).updating(NotedChanges::new().summary(None));
        let done = run(&db, way, upsert).await.expect("an upsert");
        assert_eq!(
            (done.outcome, done.row.summary),
            (updated(&["summary"]), None)
        );
    }
}
