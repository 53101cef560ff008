use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
#[sqlx(rename_all = "camelcase")]
struct Product {
    id: i64,
    slug: String,
    #[sqlx(json)]
    tags: Vec<String>,
    #[sqlx(try_from = "i64")]
    uses: u64,
    #[sqlx(flatten)]
    price: Price,
    #[sqlx(default)]
    note: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Price {
    cents: i64,
}

fn main() {}
