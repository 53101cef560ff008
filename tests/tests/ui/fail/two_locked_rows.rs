//! One transaction lends one locked row at a time; the row lends the transaction on.

use sqlx::SqlitePool;
use upsert_runtime::{Error, LockedUpsert};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Taxonomy {
    id: i64,
    slug: String,
    name: String,
}

async fn two(pool: SqlitePool) -> Result<(), Error> {
    let mut tx = upsert_runtime::begin(&pool).await?;
    let mut rock = Taxonomy::lock().by_slug(&mut tx, "rock").await?.unwrap();
    let soul = Taxonomy::lock().by_slug(&mut tx, "soul").await?.unwrap();
    rock.update_name(soul.name.clone()).await?;
    Ok(())
}

async fn two_of_many(pool: SqlitePool) -> Result<(), Error> {
    let mut tx = upsert_runtime::begin(&pool).await?;
    let mut rows = Taxonomy::lock().many_by_slug(&mut tx, ["rock", "soul"]).await?;
    let (rock, soul) = (rows.get_mut(0).unwrap(), rows.get_mut(1).unwrap());
    println!("{} {}", rock.name, soul.name);
    Ok(())
}

fn swapped<'t>(a: &mut LockedTaxonomy<'t, sqlx::Sqlite>, b: &mut LockedTaxonomy<'t, sqlx::Sqlite>) {
    std::mem::swap(a.transaction(), b.transaction());
}

fn main() {}
