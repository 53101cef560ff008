//! The model is fine; a database on which a field is no column is not.
use upsert_runtime::LockedUpsert;

#[derive(Debug, Clone, PartialEq)]
struct Weird;

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Product {
    id: i64,
    slug: String,
    weird: Weird,
}

async fn use_it(pool: sqlx::SqlitePool, new: NewProduct) {
    let _ = Product::upsert(new).run(&pool).await;
}

fn main() {}
