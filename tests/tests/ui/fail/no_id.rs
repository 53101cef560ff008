use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Product {
    slug: String,
}

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Two {
    #[upsert(id)]
    one: i64,
    #[upsert(id)]
    two: i64,
    slug: String,
}

fn main() {}
