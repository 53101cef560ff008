//! The models of the suite, and their tables.

use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{LockedUpsert, Outcome, Upserted};

use crate::Db;

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
pub(crate) struct Taxonomy {
    #[upsert(id)]
    pub(crate) id: i64,
    #[upsert(trim)]
    pub(crate) remote_id: Option<String>,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) uses: i64,
    #[upsert(create_only)]
    pub(crate) source: String,
    #[upsert(readonly)]
    pub(crate) created_at: DateTime<Utc>,
    #[upsert(touch)]
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) const TAXONOMY: &str = "CREATE TABLE taxonomy (id {id}, remote_id {text} UNIQUE, slug {text} NOT NULL UNIQUE, \
     name {text} NOT NULL, description {long}, uses bigint NOT NULL, source {text} NOT NULL, created_at {now}, updated_at {now})";

/// A record with both keys; its name is the slug.
pub(crate) fn record(remote_id: impl Into<Option<&'static str>>, slug: &str) -> NewTaxonomy {
    NewTaxonomy {
        remote_id: remote_id.into().map(str::to_owned),
        slug: slug.to_owned(),
        name: slug.to_owned(),
        description: None,
        uses: 0,
        source: "remote".to_owned(),
    }
}

/// The record with the keys `r1` and `s1`, for 1.
pub(crate) fn numbered(n: impl std::fmt::Display) -> NewTaxonomy {
    NewTaxonomy {
        remote_id: Some(format!("r{n}")),
        ..record(None, &format!("s{n}"))
    }
}

impl NewTaxonomy {
    pub(crate) fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }
}

/// The table, and a row for each record.
pub(crate) async fn with_rows(
    db: &Db,
    records: impl IntoIterator<Item = NewTaxonomy>,
) -> Vec<Taxonomy> {
    db.run(TAXONOMY).await;
    let mut rows = Vec::new();
    for record in records {
        let done = upsert(db, record).await;
        assert_eq!(done.outcome, Outcome::Created);
        rows.push(done.row);
    }
    rows
}

pub(crate) async fn upsert(db: &Db, record: NewTaxonomy) -> Upserted<Taxonomy> {
    Taxonomy::upsert(record)
        .run(&db.pool)
        .await
        .expect("an upsert")
}

/// A look-up that an earlier key can forbid.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "taxonomy")]
#[lookup(remote_id, slug(unclaimed))]
pub(crate) struct Unclaimed {
    pub(crate) id: i64,
    pub(crate) remote_id: Option<String>,
    pub(crate) slug: String,
    pub(crate) name: String,
    #[upsert(create_only)]
    pub(crate) uses: i64,
    #[upsert(create_only)]
    pub(crate) source: String,
}

/// An id that the program makes, and a composite key.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(id, (site_id, slug))]
pub(crate) struct Page {
    #[upsert(id, assigned)]
    pub(crate) id: i64,
    pub(crate) site_id: Option<i64>,
    pub(crate) slug: Option<String>,
    pub(crate) title: String,
}

pub(crate) const PAGE: &str = "CREATE TABLE page (id bigint NOT NULL PRIMARY KEY, site_id bigint, slug {text}, \
     title {text} NOT NULL, UNIQUE (site_id, slug))";

pub(crate) fn page(id: i64, site_id: Option<i64>, slug: &str) -> NewPage {
    NewPage {
        id,
        site_id,
        slug: Some(slug.to_owned()),
        title: format!("{site_id:?} {slug}"),
    }
}
