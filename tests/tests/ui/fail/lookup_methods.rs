use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup(id, slug)]
struct RemoteId {
    #[upsert(id)]
    pk: i64,
    id: String,
    slug: String,
}

#[derive(LockedUpsert)]
#[lookup((site, slug), site_and_slug)]
struct Page {
    id: i64,
    site: i64,
    slug: String,
    site_and_slug: String,
}

fn main() {}
