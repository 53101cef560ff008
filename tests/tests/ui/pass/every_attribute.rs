//! One model with every attribute, beside `sqlx::FromRow`.
use upsert_runtime::{LockedUpsert, Outcome, Upserted};

#[derive(Debug, Clone, PartialEq, sqlx::FromRow, LockedUpsert)]
#[upsert(table = "shop.product")]
#[lookup(remote_id, slug(unclaimed))]
#[lookup((site_id, number)(unclaimed))]
#[sqlx(rename_all = "camelCase")]
pub struct Product {
    #[upsert(id, assigned)]
    pub key: i64,
    #[upsert(trim)]
    pub remote_id: Option<String>,
    pub slug: String,
    pub site_id: i64,
    pub number: Option<i32>,
    #[sqlx(rename = "product_title")]
    pub title: Box<str>,
    #[upsert(create_only, trim)]
    pub source: String,
    #[upsert(readonly)]
    pub created_at: i64,
    #[upsert(touch)]
    pub updated_at: i64,
    #[sqlx(skip)]
    pub cached: Vec<u8>,
}

struct Remote {
    id: i64,
}

impl From<Remote> for NewProduct {
    fn from(remote: Remote) -> Self {
        Self {
            key: remote.id,
            remote_id: None,
            slug: String::new(),
            site_id: 1,
            number: None,
            title: "".into(),
            source: String::new(),
        }
    }
}

fn main() {
    // The argument types of setters: the type itself, `impl Into` for text, the `Option` for an optional field.
    let changes = ProductChanges::new().remote_id(Some("a".into())).slug("b").site_id(2).number(None).title("c");
    let _ = Product::upsert(Remote { id: 1 }).updating(changes);
    let _ = Product::upsert(Remote { id: 1 }).updating(NewProduct::from(Remote { id: 2 }));
    let _ = |upserted: Upserted<Product>| match upserted.outcome {
        Outcome::Created => Vec::new(),
        Outcome::Updated { matched_by: _, changed } => changed,
        Outcome::Unchanged { matched_by } => vec![matched_by],
        _ => Vec::new(),
    };
}
