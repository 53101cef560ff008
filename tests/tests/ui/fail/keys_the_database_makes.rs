use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(id, created_at, updated_at, cached)]
struct Product {
    id: i64,
    slug: String,
    #[upsert(readonly)]
    created_at: i64,
    #[upsert(touch)]
    updated_at: i64,
    #[sqlx(skip)]
    cached: i64,
}

fn main() {}
