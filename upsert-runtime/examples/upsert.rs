//! One record: created, then updated, then left alone.
//!
//! `cargo run -p upsert-runtime --features sqlite --example upsert`

use sqlx::sqlite::SqlitePoolOptions;
use upsert_runtime::{LockedUpsert, Outcome};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)] // tried in this order
struct Taxonomy {
    id: i64, // the primary key, made by the database
    #[upsert(trim)]
    remote_id: Option<String>,
    slug: String,
    name: String,
}

// Each look-up has a unique index. Without one, two callers at once could create the same record twice.
const TABLE: &str = "CREATE TABLE taxonomy (
    id INTEGER PRIMARY KEY,
    remote_id TEXT UNIQUE,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
)";

fn rock(remote_id: Option<&str>, name: &str) -> NewTaxonomy {
    NewTaxonomy {
        remote_id: remote_id.map(Into::into),
        slug: "rock".into(),
        name: name.into(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One connection: several to `sqlite::memory:` share a cache, in which sqlx keeps no limit of waiting.
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await?;
    sqlx::raw_sql(TABLE).execute(&pool).await?;

    // `run` takes a connection, begins a transaction, looks the row up, writes and commits.
    let upsert = Taxonomy::upsert(rock(Some("r1"), "Rock"));
    let done = upsert.run(&pool).await?;
    println!("{:?}: {:?}", done.outcome, done.row);
    assert_eq!(done.outcome, Outcome::Created);

    // Spaces around `remote_id` are trimmed, so the row is found. Only what differs is written.
    let upsert = Taxonomy::upsert(rock(Some(" r1 "), "Rock & Roll"));
    let done = upsert.run(&pool).await?;
    println!("{:?}: {:?}", done.outcome, done.row);
    assert!(matches!(done.outcome, Outcome::Updated { changed, .. } if changed == ["name"]));

    // A record without the first key is found by the second, and the stored first key stays.
    let upsert = Taxonomy::upsert(rock(None, "Rock & Roll"));
    let done = upsert.run(&pool).await?;
    println!("{:?}: {:?}", done.outcome, done.row);
    let matched_by = "slug";
    assert_eq!(done.outcome, Outcome::Unchanged { matched_by });
    assert_eq!(done.row.remote_id.as_deref(), Some("r1"));

    // Get or create: if the row is there, nothing of it is written.
    let upsert = Taxonomy::upsert(rock(Some("r1"), "another name"));
    let done = upsert.updating(TaxonomyChanges::new()).run(&pool).await?;
    let (row, created) = done.into_pair();
    println!("created: {created}, {row:?}");
    assert!(!created && row.name == "Rock & Roll");
    Ok(())
}
