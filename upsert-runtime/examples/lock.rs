//! Lock rows, look at them, change them, in one transaction: move a number from one row to another.
//!
//! `cargo run -p upsert-runtime --features sqlite --example lock`

use std::time::Duration;

use sqlx::sqlite::SqlitePoolOptions;
use upsert_runtime::{LockedUpsert, Wait};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Shelf {
    id: i64,
    slug: String,
    books: i64,
}

const TABLE: &str = "CREATE TABLE shelf (
    id INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    books BIGINT NOT NULL
)";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await?;
    sqlx::raw_sql(TABLE).execute(&pool).await?;
    for (slug, books) in [("hall", 10), ("study", 1)] {
        let slug = slug.into();
        Shelf::upsert(NewShelf { slug, books }).run(&pool).await?;
    }

    // The limit holds for each lock that a call in this transaction waits for; then it is `Error::LockTimeout`.
    let limit = Wait::AtMost(Duration::from_secs(2));
    let mut tx = upsert_runtime::begin(&pool).wait(limit).await?;

    // Both rows are locked in the order of their ids, so that two callers with the same keys do not deadlock. They stay
    // locked until the transaction ends. The rows come in the order of the keys.
    let locked = Shelf::lock().many_by_slug(&mut tx, ["study", "hall"]);
    let mut rows = locked.await?;
    let available = rows.get(1).map_or(0, |hall| hall.books);
    let moved = available.min(3);

    if let Some(mut study) = rows.get_mut(0) {
        // One UPDATE of one column, now; `false` if it has this value already.
        let changed = study.update_books(study.books + moved).await?;
        println!("{} has {} books now", study.slug, study.books);
        assert!(changed);
    }
    if let Some(mut hall) = rows.get_mut(1) {
        // Or staged first, and then saved in one UPDATE of the columns that differ.
        hall.set_books(available - moved).set_slug("hall");
        let changed = hall.save().await?;
        println!("{} has {} books now: {changed:?}", hall.slug, hall.books);
        assert_eq!(changed, ["books"]);
    }

    // Other callers see the change, and get the locks, from here on. Using `rows` below this line does not compile.
    tx.commit().await?;

    let stored = "SELECT group_concat(slug || ' ' || books, ', ') FROM shelf ORDER BY slug";
    let stored: String = sqlx::query_scalar(stored).fetch_one(&pool).await?;
    println!("stored: {stored}");
    assert_eq!(stored, "hall 7, study 4");
    Ok(())
}
