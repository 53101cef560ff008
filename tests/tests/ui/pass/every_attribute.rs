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

/// Who may overwrite what.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
#[upsert(unique(site_id, position))]
#[upsert(
    new(derive(serde::Serialize, serde::Deserialize, Eq), serde(rename_all = "camelCase", deny_unknown_fields)),
    changes(derive(serde::Deserialize))
)]
pub struct Page {
    pub id: i64,
    pub remote_id: Option<String>,
    #[serde(rename = "path", alias = "slug", default)]
    pub slug: String,
    pub site_id: i64,
    pub position: i64,
    #[upsert(unique, create_only)]
    pub number: i64,
    #[upsert(keep_none)]
    pub summary: Option<String>,
    #[upsert(newer, keep_none)]
    pub source_updated_at: Option<i64>,
    #[upsert(uncompared)]
    pub fetched_at: i64,
    #[upsert(deleted)]
    pub deleted_at: Option<i64>,
    pub locked: bool,
}

/// The closures may borrow, each of them something else.
async fn rules(pool: &sqlx::SqlitePool, new: NewPage) {
    let (names, mut asked) = (vec![String::new()], 0);
    let done: Option<Upserted<Page>> = Page::upsert(new)
        .protect(|row| row.locked || names.contains(&row.slug))
        .updating_with(|_| {
            asked += 1;
            PageChanges::new()
        })
        .on_deleted(upsert_runtime::OnDeleted::Revive)
        .update_only()
        .run(pool)
        .await
        .unwrap();
    drop((done, names, asked));
}

fn sendable() {
    fn is_send<T: Send>(_: T) {}
    let _ = |pool: &'static sqlx::SqlitePool, new: NewPage| is_send(rules(pool, new));
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
    sendable();
}
