use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[upsert(table = "a.b.c")]
#[lookup(slug)]
struct Product {
    id: i64,
    slug: String,
    #[sqlx(rename = "slug")]
    name: String,
    new: bool,
}

fn main() {}
