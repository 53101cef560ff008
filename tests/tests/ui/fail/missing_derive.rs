use upsert_runtime::LockedUpsert;

struct Product {
    id: i64,
    slug: String,
}

fn save<M: LockedUpsert>() {}

fn main() {
    save::<Product>();
}
