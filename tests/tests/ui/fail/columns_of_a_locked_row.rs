//! A locked row has no methods for columns that are not updated, and no other way to write them.

use sqlx::Sqlite;
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{Error, LockedUpsert};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Taxonomy {
    id: i64,
    slug: String,
    #[upsert(create_only)]
    source: String,
    #[upsert(readonly)]
    created_at: DateTime<Utc>,
    #[upsert(touch)]
    updated_at: DateTime<Utc>,
}

async fn columns(mut rock: LockedTaxonomy<'_, Sqlite>, now: DateTime<Utc>) -> Result<(), Error> {
    rock.update_id(2).await?;
    rock.set_source("mine");
    rock.update_created_at(now).await?;
    rock.set_updated_at(now);
    rock.slug = "soul".to_owned();
    Ok(())
}

fn main() {}
