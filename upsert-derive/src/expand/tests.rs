//! Snapshots of what users' compilers see.

use quote::quote;

use crate::derive::derive;

fn expansion(input: proc_macro2::TokenStream) -> String {
    let file = syn::parse2(derive(input)).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

#[test]
fn taxonomy() {
    insta::assert_snapshot!(expansion(quote! {
        #[lookup(remote_id, slug(unclaimed))]
        pub struct Taxonomy {
            #[upsert(id)]
            pub id: i64,
            #[upsert(trim)]
            pub remote_id: Option<String>,
            pub slug: String,
            pub name: String,
            #[upsert(create_only)]
            pub source: String,
            #[upsert(readonly)]
            pub created_at: DateTime<Utc>,
            #[upsert(touch)]
            pub updated_at: DateTime<Utc>,
        }
    }));
}

#[test]
fn page() {
    insta::assert_snapshot!(expansion(quote! {
        #[upsert(table = "web.page", crate = crate::upsert)]
        #[lookup(id, (site_id, slug))]
        #[sqlx(rename_all = "camelCase")]
        struct Page {
            #[upsert(id, assigned)]
            id: Uuid,
            site_id: i64,
            slug: String,
            #[sqlx(rename = "page_title")]
            title: Option<String>,
            r#order: i32,
            #[sqlx(skip)]
            cached: Vec<u8>,
        }
    }));
}

#[test]
fn rules() {
    insta::assert_snapshot!(expansion(quote! {
        #[lookup(remote_id, slug)]
        #[upsert(unique(site_id, position))]
        #[upsert(
            new(derive(serde::Deserialize), serde(rename_all = "camelCase")),
            changes(derive(serde::Deserialize))
        )]
        pub struct Page {
            pub id: i64,
            pub remote_id: Option<String>,
            #[serde(rename = "path", default)]
            pub slug: String,
            pub site_id: i64,
            pub position: i64,
            #[upsert(unique, create_only)]
            pub number: i64,
            #[upsert(keep_none)]
            pub summary: Option<String>,
            #[upsert(newer)]
            pub version: i64,
            #[upsert(uncompared)]
            pub fetched_at: i64,
            #[upsert(deleted)]
            pub deleted_at: Option<i64>,
        }
    }));
}
