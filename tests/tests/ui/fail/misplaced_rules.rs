use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[upsert(newer, deleted = "deleted_at")]
#[upsert(new, changes = "derive(Deserialize)")]
#[upsert(new(upsert(trim)))]
#[lookup(slug)]
struct Page {
    id: i64,
    slug: String,
    #[upsert(new(derive(Debug)))]
    name: String,
    #[upsert(newer = true)]
    version: i64,
    #[upsert(keepnone)]
    summary: Option<String>,
}

fn main() {}
