use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Product {
    id: i64,
    slug: String,
    #[upsert(create_only)]
    source: String,
    #[upsert(readonly)]
    created_at: i64,
    #[upsert(touch)]
    updated_at: i64,
}

fn main() {
    let _ = ProductChanges::new().id(1);
    let _ = ProductChanges::new().source("a");
    let _ = ProductChanges::new().created_at(1);
    let _ = ProductChanges::new().updated_at(1);
    let _ = NewProduct { slug: String::new(), source: String::new(), updated_at: 1 };
}
