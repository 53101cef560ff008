use upsert_runtime::LockedUpsert;

#[derive(LockedUpsert)]
#[lookup()]
struct Empty {
    id: i64,
    slug: String,
}

#[derive(LockedUpsert)]
#[lookup[slug]]
struct Brackets {
    id: i64,
    slug: String,
}

#[derive(LockedUpsert)]
#[lookup]
struct Bare {
    id: i64,
    slug: String,
}

#[derive(LockedUpsert)]
#[lookup("slug")]
struct Text {
    id: i64,
    slug: String,
}

#[derive(LockedUpsert)]
#[lookup(slug id)]
struct NoComma {
    id: i64,
    slug: String,
}

#[derive(LockedUpsert)]
#[lookup((slug), ())]
struct Tuples {
    id: i64,
    slug: String,
}

#[derive(LockedUpsert)]
struct None {
    id: i64,
    slug: String,
}

fn main() {}
