//! Rows that are marked as deleted are not there, but for who asks for them.

use upsert_runtime::{Error, LockedUpsert};

use super::super::cancellation::polled;
use super::{Article, ArticleChanges, Indexes, article, stored, with_table, without_indexes};
use crate::Db;

tests![
    not_there,
    found_where_they_are_asked_for,
    of_several_the_one_marked_last,
    many_of_them,
    marked_and_restored,
    after_other_statements,
    marked_while_it_is_waited_for,
    restored_while_it_is_waited_for,
];

macro_rules! begun {
    ($db:ident) => {
        upsert_runtime::begin(&$db.pool).await.expect("begun")
    };
}

/// A row that is marked, and one that is not.
async fn with_rows(db: &Db) -> (i64, i64) {
    with_table(db, Indexes::Full).await;
    let row = |new| async {
        Article::upsert(new)
            .run(&db.pool)
            .await
            .expect("a row")
            .row
            .id
    };
    let ids = (row(article("r1", "a")).await, row(article("r2", "b")).await);
    let at = super::moment("2026-01-01");
    db.run(&format!(
        "UPDATE article SET deleted_at = '{at}' WHERE slug = 'a'"
    ))
    .await;
    ids
}

async fn not_there(db: Db) {
    let (marked, live) = with_rows(&db).await;
    let mut tx = begun!(db);
    let by_id = Article::lock().by_id(&mut tx, marked).await;
    assert!(by_id.expect("a look").is_none());
    let by_slug = Article::lock().by_slug(&mut tx, "a").await;
    assert!(by_slug.expect("a look").is_none());
    let new = article("r1", "a");
    let found = Article::lock().find(&mut tx, &new).await;
    assert!(found.expect("a look").is_none());
    let rows = Article::lock().many_by_id(&mut tx, [marked, live]).await;
    let ids = |rows: &[Article]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(&rows.expect("rows").into_rows()), [live]);
    let rows = Article::lock().many_by_slug(&mut tx, ["a", "b"]).await;
    assert_eq!(ids(&rows.expect("rows").into_rows()), [live]);
    tx.commit().await.expect("a commit");
    let changes = |_: &Article| ArticleChanges::new().title("changed");
    let done = Article::modify().by_slug(&db.pool, "a", changes).await;
    assert!(done.expect("a look").is_none());
    let done = Article::modify().by_id(&db.pool, marked, changes).await;
    assert!(done.expect("a look").is_none());
}

async fn found_where_they_are_asked_for(db: Db) {
    let (marked, live) = with_rows(&db).await;
    let mut tx = begun!(db);
    let deleted = || Article::lock().deleted();
    let row = deleted().by_id(&mut tx, marked).await.expect("a look");
    assert_eq!(row.expect("a row").slug, "a");
    let row = deleted().by_slug(&mut tx, "a").await.expect("a look");
    assert!(row.expect("a row").deleted_at.is_some());
    let new = article("r1", "c");
    let found = deleted().find(&mut tx, &new).await.expect("a look");
    let (row, matched_by) = found.expect("a row");
    assert_eq!((row.id, matched_by), (marked, "remote_id"));
    // And no others.
    assert!(deleted().by_id(&mut tx, live).await.unwrap().is_none());
    assert!(deleted().by_slug(&mut tx, "b").await.unwrap().is_none());
}

/// Without a full unique index several may have had a key.
async fn of_several_the_one_marked_last(db: Db) {
    without_indexes(&db).await;
    for (id, day) in [(1, "01"), (2, "03"), (3, "02"), (4, "03")] {
        let at = super::moment(&format!("2026-01-{day}"));
        db.run(&format!(
            "INSERT INTO article (id, slug, deleted_at) VALUES ({id}, 'a', '{at}')"
        ))
        .await;
    }
    let mut tx = begun!(db);
    let row = Article::lock().deleted().by_slug(&mut tx, "a").await;
    // Of two that were marked at once the one with the highest id.
    assert_eq!(row.expect("a look").expect("a row").id, 4);
    let rows = Article::lock().deleted().many_by_slug(&mut tx, ["a"]).await;
    let error = rows.map(drop).unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }), "{error}");
}

async fn many_of_them(db: Db) {
    let (marked, live) = with_rows(&db).await;
    let mut tx = begun!(db);
    let rows = Article::lock()
        .deleted()
        .many_by_id(&mut tx, [live, marked])
        .await;
    let mut rows = rows.expect("rows");
    assert_eq!(rows.len(), 1);
    assert!(rows.get_mut(0).expect("a row").restore().await.unwrap());
    assert_eq!(rows.get(0).map(|row| row.deleted_at), Some(None));
    tx.commit().await.expect("a commit");
    let left = "SELECT count(*) FROM article WHERE deleted_at IS NOT NULL";
    assert_eq!(db.number(left).await, 0);
}

async fn marked_and_restored(db: Db) {
    let (_, live) = with_rows(&db).await;
    let mut tx = begun!(db);
    let mut row = Article::lock().by_id(&mut tx, live).await.unwrap().unwrap();
    let before = row.updated_at;
    // A statement would have to be waited for.
    let done = polled(1, row.restore()).await;
    assert!(!done.expect("at once").unwrap(), "it is there");
    row.set_title("staged");
    assert!(row.mark_deleted().await.unwrap());
    let marked = row.deleted_at.expect("the guard's row shows it");
    assert!(row.updated_at > before, "a real change");
    assert_eq!(row.title, "b", "what is staged stays so");
    let done = polled(1, row.mark_deleted()).await;
    assert!(!done.expect("at once").unwrap(), "it is so already");
    row.refresh().await.expect("a row that is marked");
    assert_eq!(row.deleted_at, Some(marked));
    let moved = row.updated_at;
    assert_eq!(row.save().await.unwrap(), ["title"]);
    assert!(row.restore().await.unwrap());
    assert_eq!(row.deleted_at, None);
    assert!(row.updated_at >= moved);
    assert!(row.mark_deleted().await.unwrap());
    drop(row);
    tx.commit().await.expect("a commit");
    let mut tx = begun!(db);
    let gone = Article::lock().by_id(&mut tx, live).await.unwrap();
    assert!(gone.is_none());
    let row = Article::lock().deleted().by_id(&mut tx, live).await;
    let mut row = row.unwrap().expect("a row");
    assert!(row.restore().await.unwrap());
    drop(row);
    tx.commit().await.expect("a commit");
    let left = "SELECT title FROM article WHERE deleted_at IS NULL";
    assert_eq!(db.texts(left).await, ["staged"]);
}

/// What was written past the guard is read first.
async fn after_other_statements(db: Db) {
    let (_, live) = with_rows(&db).await;
    let mut tx = begun!(db);
    let mut row = Article::lock().by_id(&mut tx, live).await.unwrap().unwrap();
    let at = super::moment("2026-02-01");
    let sql = format!("UPDATE article SET deleted_at = '{at}', title = 'other' WHERE id = {live}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(row.connection())
        .await
        .expect("marked");
    assert!(!row.mark_deleted().await.unwrap(), "it is so already");
    assert_eq!(row.title, "other");
    assert!(row.restore().await.unwrap());
    drop(row);
    tx.commit().await.expect("a commit");
    assert_eq!(stored(&db, "title").await, ["a", "other"]);
}

async fn marked_while_it_is_waited_for(db: Db) {
    let (_, live) = with_rows(&db).await;
    for by in 0..4 {
        db.run(&format!(
            "UPDATE article SET deleted_at = NULL WHERE id = {live}"
        ))
        .await;
        let mut holder = begun!(db);
        let row = Article::lock().by_id(&mut holder, live).await;
        row.unwrap().unwrap().mark_deleted().await.unwrap();
        let commit = async {
            super::until_one_waits(&db).await;
            holder.commit().await.expect("a commit");
        };
        let look = async {
            let mut tx = begun!(db);
            let lock = Article::lock();
            match by {
                0 => lock.by_id(&mut tx, live).await.unwrap().is_some(),
                1 => lock.by_slug(&mut tx, "b").await.unwrap().is_some(),
                2 => !lock.many_by_id(&mut tx, [live]).await.unwrap().is_empty(),
                _ => !lock.many_by_slug(&mut tx, ["b"]).await.unwrap().is_empty(),
            }
        };
        assert!(!tokio::join!(look, commit).0, "{by}");
    }
}

async fn restored_while_it_is_waited_for(db: Db) {
    let (marked, _) = with_rows(&db).await;
    let mut holder = begun!(db);
    let row = Article::lock().deleted().by_id(&mut holder, marked).await;
    row.unwrap().unwrap().restore().await.unwrap();
    let commit = async {
        super::until_one_waits(&db).await;
        holder.commit().await.expect("a commit");
    };
    let look = async {
        let mut tx = begun!(db);
        let row = Article::lock().deleted().by_slug(&mut tx, "a").await;
        row.expect("a look").is_some()
    };
    assert!(!tokio::join!(look, commit).0);
}
