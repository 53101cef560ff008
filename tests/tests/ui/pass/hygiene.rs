//! No prelude, names that shadow what generated code needs, a model named like sqlx's own generics, warnings denied.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub, unnameable_types)]

use ::upsert_runtime::LockedUpsert;

/// Shadows.
pub mod models {
    #![allow(dead_code, non_camel_case_types)]
    use ::upsert_runtime::LockedUpsert;

    struct Option;
    struct Result;
    struct String;
    struct Default;
    struct From;
    struct Into;
    struct Clone;
    struct usize;

    /// A model named like a generic of sqlx's derive.
    #[derive(LockedUpsert)]
    #[lookup(slug, (site, r#type))]
    pub struct R {
        /// The id.
        pub id: i64,
        /// A key.
        #[upsert(trim)]
        pub slug: ::std::option::Option<::std::string::String>,
        /// Another.
        pub site: i64,
        /// A reserved word.
        pub r#type: ::std::string::String,
        #[upsert(touch)]
        updated_at: i64,
    }

    /// Models named like generics of ours.
    #[derive(LockedUpsert)]
    #[lookup(slug)]
    pub struct DB {
        /// The id.
        pub id: i64,
        /// A key.
        pub slug: ::std::string::String,
    }

    /// With rules.
    #[derive(LockedUpsert)]
    #[lookup(slug)]
    #[upsert(unique(site, r#type), new(derive(::core::cmp::PartialOrd)))]
    pub struct Ruled {
        /// The id.
        pub id: i64,
        /// A key.
        pub slug: ::std::string::String,
        /// A part of another.
        pub site: i64,
        /// Written along.
        #[upsert(uncompared)]
        pub text: ::std::string::String,
        /// A reserved word.
        pub r#type: i64,
        #[upsert(keep_none)]
        summary: ::std::option::Option<i64>,
        #[upsert(newer)]
        version: i64,
        #[upsert(deleted)]
        deleted_at: ::std::option::Option<i64>,
    }

    #[derive(LockedUpsert)]
    #[lookup(e)]
    struct T {
        id: i64,
        e: i64,
    }

    #[derive(LockedUpsert)]
    #[lookup(id)]
    struct Private {
        #[upsert(id, assigned)]
        id: i64,
    }
}

fn main() {
    let changes = models::RChanges::new().slug(::std::option::Option::None).r#type("a").site(1);
    let _ = models::R::upsert(models::NewR {
        slug: ::std::option::Option::None,
        site: 1,
        r#type: ::std::string::String::new(),
    })
    .updating(changes);
}
