use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[upsert(new(derive(serde::Deserialize)), changes(derive(serde::Deserialize)))]
#[lookup(slug)]
struct Page {
    id: i64,
    #[serde(rename = "path")]
    slug: String,
    #[serde(skip)]
    name: String,
    #[serde(default, skip_deserializing)]
    title: String,
    #[serde(flatten)]
    summary: Option<String>,
    // It is in neither struct.
    #[serde(skip)]
    #[upsert(readonly)]
    created_at: i64,
}

fn main() {}
