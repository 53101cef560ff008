use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[upsert(trim, lookup = "slug")]
struct Product {
    id: i64,
    #[lookup(slug)]
    slug: String,
    #[upsert(table = "products")]
    name: String,
}

fn main() {}
