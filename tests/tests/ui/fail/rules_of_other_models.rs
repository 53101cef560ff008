use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(slug)]
struct Versioned {
    id: i64,
    slug: String,
    #[upsert(readonly)]
    number: i64,
}

// No row of this model is marked.
async fn marks(mut tx: upsert_runtime::Transaction<sqlx::Sqlite>) {
    let row = Versioned::lock().deleted().by_slug(&mut tx, "a").await;
    row.unwrap().unwrap().restore().await.unwrap();
}

// A row is not there each time.
async fn update_only(pool: sqlx::SqlitePool, new: NewVersioned) -> Versioned {
    Versioned::upsert(new).update_only().run(&pool).await.unwrap().row
}

fn main() {}
