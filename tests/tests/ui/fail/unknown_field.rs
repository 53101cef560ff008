//! Three mistakes, three messages, in one compile.
use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(remot_id, slgu)]
#[lookup = "name"]
struct Product {
    id: i64,
    remote_id: Option<String>,
    slug: String,
    name: String,
}

async fn use_it(pool: sqlx::SqlitePool) {
    // Nothing else is reported, least of all here.
    let new = NewProduct { remote_id: None, slug: "a".into(), name: "b".into() };
    let changes = ProductChanges::new().name("c").slug("d").remote_id(None);
    let _ = Product::upsert(new).updating(changes).run(&pool).await;
}

fn main() {}
