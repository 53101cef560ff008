use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[upsert(tabel = "products")]
#[lookup(slug(unclaimd))]
struct Product {
    id: i64,
    #[upsert(trimmed, creat_only)]
    slug: String,
    #[upsert(rename = "label")]
    name: String,
}

fn main() {}
