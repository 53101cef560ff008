use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Product {
    id: i64,
    slug: String,
}

async fn use_it(mut pool: sqlx::SqlitePool, mut connection: sqlx::SqliteConnection, new: NewProduct) {
    let _ = Product::upsert(new.clone()).run_in(&mut pool).await;
    let _ = Product::upsert(new).run_in(&mut connection).await;
}

fn main() {}
