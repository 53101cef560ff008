//! This crate.

use sqlx::Pool;
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{Backend, LockedUpsert, Stored};

use super::held::Held;
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

/// `Taxonomy::upsert(..).run_on(&mut connection)`, one record after the other.
#[derive(Debug)]
pub(crate) struct OneHeld<DB: Backend>(pub(crate) Held<DB>);

impl<DB: Backend> Contender for OneHeld<DB>
where
    Taxonomy: Stored<DB>,
{
    fn name(&self) -> &'static str {
        "ours"
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        let records: Vec<NewTaxonomy> = records.into_iter().map(Into::into).collect();
        Box::pin(async {
            let mut connection = self.0.take().await?;
            let took = timed(async {
                for record in records {
                    Taxonomy::upsert(record).run_on(&mut connection).await?;
                }
                Ok::<_, upsert_runtime::Error>(())
            });
            let took = took.await?;
            self.0.keep(connection);
            Ok(took)
        })
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

#[cfg(test)]
mod tests {
    use sqlx::{MySql, Postgres, Sqlite};

    use super::*;

    /// What a caller moves about, and has in each future of its own that awaits it.
    fn is_small<DB: Backend>(url: &str)
    where
        Taxonomy: Stored<DB>,
    {
        let pool: Pool<DB> = Pool::connect_lazy(url).unwrap();
        let record = || NewTaxonomy::from(Record::new("ours", 1, 0));
        let size = size_of_val(&Taxonomy::upsert(record()).run(&pool));
        assert!(size <= 2_048, "run: {size} bytes");
    }

    #[tokio::test]
    async fn futures_are_small() {
        is_small::<Postgres>("postgres://localhost/none");
        is_small::<MySql>("mysql://localhost/none");
        is_small::<Sqlite>("sqlite::memory:");
    }
}
