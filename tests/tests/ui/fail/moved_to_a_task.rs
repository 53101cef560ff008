//! A task may outlive the transaction, so a locked row cannot go there without it.

use sqlx::SqlitePool;
use upsert_runtime::{Error, LockedUpsert};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Taxonomy {
    id: i64,
    slug: String,
    name: String,
}

async fn moved(pool: SqlitePool) -> Result<(), Error> {
    let mut tx = upsert_runtime::begin(&pool).await?;
    let mut rock = Taxonomy::lock().by_slug(&mut tx, "rock").await?.unwrap();
    tokio::spawn(async move { rock.update_name("Rock").await });
    Ok(())
}

fn main() {}
