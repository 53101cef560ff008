//! An older record never overwrites a newer row.

use upsert_runtime::{LockedUpsert, Outcome};

use super::{Indexes, WAYS, run, stored, while_locked, with_table};
use crate::Db;

tests![
    an_older_record,
    what_is_no_version,
    changes_that_do_not_set_it,
    newer_while_it_is_waited_for,
];

/// No other rule beside it.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
#[upsert(table = "article")]
struct Versioned {
    id: i64,
    slug: String,
    title: String,
    #[upsert(newer)]
    version: Option<i64>,
}

fn versioned(title: &str, version: impl Into<Option<i64>>) -> NewVersioned {
    NewVersioned {
        slug: "a".to_owned(),
        title: title.to_owned(),
        version: version.into(),
    }
}

const STALE: Outcome = Outcome::Stale { matched_by: "slug" };

fn updated(changed: &[&'static str]) -> Outcome {
    Outcome::Updated {
        matched_by: "slug",
        changed: changed.to_vec(),
    }
}

async fn an_older_record(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        for (title, version, outcome) in [
            ("one", 1, Outcome::Created),
            ("three", 3, updated(&["title", "version"])),
            ("two", 2, STALE),
            ("three", 2, STALE),
            // A source that stamps seconds sends two versions in one.
            ("three", 3, Outcome::Unchanged { matched_by: "slug" }),
            ("third", 3, updated(&["title"])),
            ("third", 4, updated(&["version"])),
        ] {
            let done = run(&db, way, Versioned::upsert(versioned(title, version))).await;
            let done = done.expect("an upsert");
            assert_eq!(done.outcome, outcome, "{way:?}: {title} {version}");
        }
        assert_eq!(stored(&db, "title, version").await, ["third 4"]);
    }
}

/// None is less than any.
async fn what_is_no_version(db: Db) {
    with_table(&db, Indexes::Full).await;
    for (title, version, outcome) in [
        ("one", None, Outcome::Created),
        ("two", None, updated(&["title"])),
        ("three", Some(-1), updated(&["title", "version"])),
        ("four", None, STALE),
    ] {
        let done = run(&db, WAYS[0], Versioned::upsert(versioned(title, version)));
        assert_eq!(done.await.expect("an upsert").outcome, outcome, "{title}");
    }
}

async fn changes_that_do_not_set_it(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        run(&db, way, Versioned::upsert(versioned("one", 3)))
            .await
            .expect("a row");
        let older = || Versioned::upsert(versioned("two", 1));
        let upsert = older().updating(VersionedChanges::new().title("two"));
        let done = run(&db, way, upsert).await.expect("an upsert");
        assert_eq!(done.outcome, updated(&["title"]), "{way:?}");
        let upsert = older().updating_with(|row| VersionedChanges::new().version(row.version));
        let done = run(&db, way, upsert).await.expect("an upsert");
        let unchanged = Outcome::Unchanged { matched_by: "slug" };
        assert_eq!(done.outcome, unchanged, "{way:?}");
        let upsert = older().updating_with(|_| VersionedChanges::new().version(Some(2)));
        let done = run(&db, way, upsert).await.expect("an upsert");
        assert_eq!(done.outcome, STALE, "{way:?}");
    }
}

async fn newer_while_it_is_waited_for(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        run(&db, way, Versioned::upsert(versioned("one", 1)))
            .await
            .expect("a row");
        // Of the columns that are written each differs by then, too.
        let before = "UPDATE article SET title = 'three', version = 3";
        let upsert = Versioned::upsert(versioned("two", 2));
        let done = while_locked(&db, way, before, upsert).await;
        assert_eq!(done.expect("an upsert").outcome, STALE, "{way:?}");
        assert_eq!(stored(&db, "title, version").await, ["three 3"]);
    }
}
