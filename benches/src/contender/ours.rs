//! This crate.

use sqlx::Pool;
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{Backend, LockedUpsert, Stored};

use super::{Contender, Failure, Timed, timed};
use crate::record::Record;

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
pub(crate) struct Taxonomy {
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

impl From<Record> for NewTaxonomy {
    fn from(record: Record) -> Self {
        Self {
            remote_id: record.remote_id,
            slug: record.slug,
            name: record.name,
            description: record.description,
            uses: record.uses,
            source: record.source,
        }
    }
}

/// `Taxonomy::upsert(..).run(&pool)`, one record after the other.
#[derive(Debug)]
pub(crate) struct One<DB: Backend>(pub(crate) Pool<DB>);

impl<DB: Backend> Contender for One<DB>
where
    Taxonomy: Stored<DB>,
{
    fn name(&self) -> &'static str {
        "ours"
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        let records: Vec<NewTaxonomy> = records.into_iter().map(Into::into).collect();
        Box::pin(timed(async {
            for record in records {
                Taxonomy::upsert(record).run(&self.0).await?;
            }
            Ok::<_, upsert_runtime::Error>(())
        }))
    }
}

/// `Taxonomy::import(..).run(&pool)`.
#[derive(Debug)]
pub(crate) struct Import<DB: Backend>(pub(crate) Pool<DB>);

impl<DB: Backend> Contender for Import<DB>
where
    Taxonomy: Stored<DB>,
{
    fn name(&self) -> &'static str {
        "ours"
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        let records: Vec<NewTaxonomy> = records.into_iter().map(Into::into).collect();
        Box::pin(timed(async {
            let report = Taxonomy::import(records).run(&self.0).await?;
            match report.failed.into_iter().next() {
                Some(failure) => Err(Failure::from(failure.to_string())),
                None => Ok(()),
            }
        }))
    }
}
