use upsert_runtime::LockedUpsert;

/// About updates, on columns that no update writes.
#[derive(LockedUpsert)]
#[lookup(slug)]
struct Written {
    #[upsert(id, newer)]
    id: i64,
    slug: String,
    #[upsert(create_only, newer)]
    source: i64,
    #[upsert(create_only, keep_none)]
    first_seen: Option<i64>,
    #[upsert(readonly, uncompared)]
    created_at: i64,
    #[upsert(touch, newer)]
    updated_at: i64,
    #[upsert(deleted, keep_none)]
    deleted_at: Option<i64>,
    #[upsert(readonly, unique)]
    number: i64,
}

/// Two of one kind, or two that say opposite things.
#[derive(LockedUpsert)]
#[lookup(slug)]
struct Twice {
    id: i64,
    slug: String,
    #[upsert(newer)]
    version: i64,
    #[upsert(newer)]
    changed_at: i64,
    #[upsert(newer, uncompared)]
    fetched_at: i64,
    #[upsert(unique, uncompared)]
    position: i64,
    #[upsert(deleted)]
    deleted_at: Option<i64>,
    #[upsert(deleted)]
    hidden_at: Option<i64>,
    #[upsert(deleted, readonly)]
    gone_at: Option<i64>,
}

/// On a look-up.
#[derive(LockedUpsert)]
#[lookup(remote_id, slug, number)]
struct Keys {
    id: i64,
    #[upsert(keep_none)]
    remote_id: Option<String>,
    #[upsert(uncompared)]
    slug: String,
    #[upsert(newer)]
    number: i64,
}

/// In a unique key of several columns.
#[derive(LockedUpsert)]
#[lookup(slug)]
#[upsert(unique(site_id, position), unique(site_id, version))]
struct Unique {
    id: i64,
    slug: String,
    site_id: i64,
    #[upsert(uncompared)]
    position: i64,
    #[upsert(newer)]
    version: i64,
}

/// Of another type.
#[derive(LockedUpsert)]
#[lookup(slug)]
struct Types {
    id: i64,
    slug: String,
    #[upsert(keep_none)]
    summary: String,
    #[upsert(deleted)]
    deleted: bool,
}

/// Unique keys.
#[derive(LockedUpsert)]
#[upsert(unique(position), unique(site_id, slug), unique(site_id, missing))]
#[upsert(unique(site_id, position), unique(site_id, position))]
#[lookup((site_id, slug))]
struct Uniques {
    id: i64,
    site_id: i64,
    slug: String,
    position: i64,
    #[sqlx(skip)]
    #[upsert(unique)]
    cached: i64,
}

fn main() {}
