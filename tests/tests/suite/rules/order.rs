//! The rules are asked in their order, and the first that applies decides.

use upsert_runtime::{Error, LockedUpsert, OnDeleted, Outcome};

use super::{Article, Indexes, WAYS, article, moment, run, stored, with_table};
use crate::Db;

tests![
    identity_comes_first,
    one_after_the_other,
    a_row_that_would_be_taken_over
];

/// Neither may be taken over.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug(unclaimed))]
#[upsert(table = "article")]
struct Unclaimed {
    id: i64,
    remote_id: Option<String>,
    slug: String,
    #[upsert(newer)]
    version: Option<i64>,
}

async fn identity_comes_first(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        db.run("INSERT INTO article (remote_id, slug, version) VALUES ('r1', 'a', 3)")
            .await;
        let new = NewUnclaimed {
            remote_id: Some("r2".to_owned()),
            slug: "a".to_owned(),
            version: Some(1),
        };
        let upsert = Unclaimed::upsert(new).protect(|_| true);
        let error = run(&db, way, upsert).await.unwrap_err();
        assert!(matches!(error, Error::IdentityConflict { .. }), "{error}");
    }
}

async fn one_after_the_other(db: Db) {
    let matched_by = "remote_id";
    let protected = Outcome::Protected { matched_by };
    let stale = Outcome::Stale { matched_by };
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        let at = moment("2026-01-01");
        db.run(&format!(
            "INSERT INTO article (remote_id, slug, version, locked, deleted_at) VALUES ('r1', 'a', 3, TRUE, '{at}')"
        ))
        .await;
        let older = |on_deleted| {
            let mut new = article("r1", "a");
            new.version = Some(1);
            Article::upsert(new)
                .on_deleted(on_deleted)
                .protect(|row| row.locked)
        };
        // Deleted before protected, protected before stale, and what is left alone is not brought back.
        let error = run(&db, way, older(OnDeleted::Refuse)).await.unwrap_err();
        assert!(matches!(error, Error::Deleted { .. }), "{error}");
        let marked = "SELECT count(*) FROM article WHERE deleted_at IS NOT NULL";
        for (sql, outcome) in [("TRUE", &protected), ("FALSE", &stale)] {
            db.run(&format!("UPDATE article SET locked = {sql}")).await;
            let done = run(&db, way, older(OnDeleted::Revive)).await;
            let done = done.expect("an upsert");
            assert_eq!(done.outcome, *outcome, "{way:?}");
            assert!(done.row.deleted_at.is_some());
            assert_eq!(db.number(marked).await, 1);
        }
        db.run("UPDATE article SET deleted_at = NULL, locked = TRUE")
            .await;
        for (sql, outcome) in [("TRUE", &protected), ("FALSE", &stale)] {
            db.run(&format!("UPDATE article SET locked = {sql}")).await;
            let done = run(&db, way, older(OnDeleted::Ignore)).await;
            assert_eq!(done.expect("an upsert").outcome, *outcome, "{way:?}");
        }
    }
}

async fn a_row_that_would_be_taken_over(db: Db) {
    for way in WAYS {
        with_table(&db, Indexes::Full).await;
        db.run("INSERT INTO article (remote_id, slug, locked) VALUES ('r1', 'a', TRUE)")
            .await;
        let upsert = Article::upsert(article("r2", "a")).protect(|row| row.locked);
        let done = run(&db, way, upsert).await.expect("an upsert");
        let protected = Outcome::Protected { matched_by: "slug" };
        assert_eq!(done.outcome, protected, "{way:?}");
        assert_eq!(stored(&db, "remote_id").await, ["r1"]);
    }
}
