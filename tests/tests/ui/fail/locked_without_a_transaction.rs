//! A lock is released at the end of a transaction, so one is needed.

use sqlx::{PgConnection, PgPool};
use upsert_runtime::{Error, LockedUpsert};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Taxonomy {
    id: i64,
    slug: String,
}

async fn on_a_pool(mut pool: PgPool) -> Result<(), Error> {
    Taxonomy::lock().by_slug(&mut pool, "rock").await?;
    Ok(())
}

async fn on_a_shared_pool(pool: &PgPool) -> Result<(), Error> {
    Taxonomy::lock().by_slug(pool, "rock").await?;
    Ok(())
}

async fn on_a_connection(connection: &mut PgConnection) -> Result<(), Error> {
    Taxonomy::lock().many_by_slug(connection, ["rock"]).await?;
    Ok(())
}

fn main() {}
