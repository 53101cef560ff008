use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
enum Product {
    A,
}

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Tuple(i64, String);

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Generic<T> {
    id: i64,
    slug: T,
}

fn main() {}
