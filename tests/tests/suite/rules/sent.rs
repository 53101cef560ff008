//! What is sent where there are rules, and how often.

use upsert_runtime::{LockedUpsert, OnDeleted};

use super::super::log::logged;
use super::{Article, ArticleChanges, Indexes, NewArticle, Plain, article, plain, with_table};
use crate::Db;

tests![
    without_a_transaction on ["postgres"],
    what_looks_for_marked_rows on ["postgres"],
];

fn statements(log: &str) -> usize {
    log.matches("db.statement=").count()
}

/// A single statement replaces the very version that the rules have judged.
async fn without_a_transaction(db: Db) {
    with_table(&db, Indexes::Full).await;
    Article::upsert(article("r1", "a"))
        .run(&db.pool)
        .await
        .expect("a row");
    let live = r#"AND \"deleted_at\" IS NULL), (SELECT"#;
    let another_version = "IS NOT DISTINCT FROM";
    let changed = NewArticle {
        title: "changed".to_owned(),
        ..article("r1", "a")
    };
    let (done, log) = logged(Article::upsert(changed).run(&db.pool)).await;
    done.expect("an upsert");
    assert_eq!(statements(&log), 2, "{log}");
    assert!(log.contains(live), "{log}");
    assert!(!log.contains(another_version), "{log}");
    let plain_row = |title| Plain::upsert(plain(title));
    for (upsert, is_judged) in [
        (plain_row("one"), false),
        (plain_row("two").protect(|_| false), true),
    ] {
        let (done, log) = logged(upsert.run(&db.pool)).await;
        done.expect("an upsert");
        assert_eq!(statements(&log), 2, "{log}");
        assert_eq!(log.contains(another_version), !is_judged, "{log}");
    }
    // What a rule leaves alone is one statement.
    let (done, log) = logged(plain_row("three").protect(|_| true).run(&db.pool)).await;
    done.expect("an upsert");
    assert_eq!(statements(&log), 1, "{log}");
    let none = Article::upsert(article("r9", "z")).update_only();
    let (done, log) = logged(none.run(&db.pool)).await;
    assert_eq!(done.expect("none"), None);
    assert_eq!(statements(&log), 1, "{log}");
}

async fn what_looks_for_marked_rows(db: Db) {
    with_table(&db, Indexes::Full).await;
    db.run(
        "INSERT INTO article (remote_id, slug, title, deleted_at) VALUES ('r1', 'a', 'a', now())",
    )
    .await;
    let revive = Article::upsert(article("r1", "a"))
        .updating(ArticleChanges::new().title("new"))
        .on_deleted(OnDeleted::Revive);
    let (done, log) = logged(revive.run(&db.pool)).await;
    done.expect("an upsert");
    for sent in [
        r#"WHERE \"remote_id\" = $1 AND \"deleted_at\" IS NULL LIMIT 2 FOR NO KEY UPDATE"#,
        r#"WHERE \"remote_id\" = $1 AND \"deleted_at\" IS NOT NULL ORDER BY \"deleted_at\" DESC, \"id\" DESC LIMIT 1 FOR NO KEY UPDATE"#,
        r#"SET \"title\" = $1, \"deleted_at\" = NULL, \"updated_at\" = clock_timestamp() WHERE \"id\" = $2"#,
    ] {
        let log = log.replace("\\n", " ");
        assert!(log.contains(sent), "{sent}: {log}");
    }
}
