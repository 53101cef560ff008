use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[upsert(table = "product", table = "products")]
#[lookup(slug(unclaimed), name, (name, name), name)]
struct Product {
    id: i64,
    slug: String,
    name: String,
    #[upsert(readonly, create_only)]
    created_by: String,
    #[upsert(touch, trim)]
    updated_at: String,
    #[upsert(assigned)]
    uses: i64,
    #[sqlx(skip)]
    #[upsert(trim)]
    cached: String,
    #[upsert(create_only = true)]
    source: String,
}

fn main() {}
