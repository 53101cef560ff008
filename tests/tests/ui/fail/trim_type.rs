use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Product {
    id: i64,
    slug: String,
    #[upsert(trim)]
    uses: i64,
}

fn main() {}
