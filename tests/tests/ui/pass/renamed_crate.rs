//! The runtime under another path.
mod reexports {
    pub use upsert_runtime as upsert;
}

use reexports::upsert::LockedUpsert;

#[derive(LockedUpsert)]
#[upsert(crate = crate::reexports::upsert)]
#[lookup(slug)]
pub struct Product {
    pub id: i64,
    pub slug: String,
}

fn main() {
    let _ = Product::upsert(NewProduct { slug: "a".into() });
}
