//! A locked row cannot be used once its transaction has ended.

use sqlx::SqlitePool;
use upsert_runtime::{Error, LockedUpsert};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Taxonomy {
    id: i64,
    slug: String,
    name: String,
}

async fn after_commit(pool: SqlitePool) -> Result<(), Error> {
    let mut tx = upsert_runtime::begin(&pool).await?;
    let mut rock = Taxonomy::lock().by_slug(&mut tx, "rock").await?.unwrap();
    tx.commit().await?;
    rock.update_name("Rock").await?;
    Ok(())
}

async fn after_rollback(pool: SqlitePool) -> Result<(), Error> {
    let mut tx = upsert_runtime::begin(&pool).await?;
    let rock = Taxonomy::lock().by_slug(&mut tx, "rock").await?.unwrap();
    tx.rollback().await?;
    println!("{}", rock.name);
    Ok(())
}

async fn after_commit_of_sqlx(pool: SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    let mut tx = pool.begin().await?;
    let mut rows = Taxonomy::lock().many_by_slug(&mut tx, ["rock", "soul"]).await?;
    tx.commit().await?;
    rows.get_mut(0);
    Ok(())
}

async fn returned(pool: SqlitePool) -> Option<LockedTaxonomy<'static, sqlx::Sqlite>> {
    let mut tx = upsert_runtime::begin(&pool).await.ok()?;
    Taxonomy::lock().by_slug(&mut tx, "rock").await.ok()?
}

fn main() {}
