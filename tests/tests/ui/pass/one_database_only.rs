//! A type that only PostgreSQL knows, in a build in which the others are enabled too.
use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
pub struct Product {
    pub id: i64,
    pub slug: String,
    pub tags: Vec<String>,
}

pub async fn use_it(pool: sqlx::PgPool, new: NewProduct) -> Result<Product, upsert_runtime::Error> {
    Ok(Product::upsert(new).run(&pool).await?.row)
}

fn main() {}
