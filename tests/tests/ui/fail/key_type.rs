use upsert_runtime::LockedUpsert;

#[derive(Debug, Clone, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
struct Slug(String);

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Product {
    id: i64,
    slug: Slug,
}

fn main() {}
