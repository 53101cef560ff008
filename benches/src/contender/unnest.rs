//! The same with an array a column, which is how sqlx's documentation inserts many rows on PostgreSQL; a thousand a statement.

use sqlx::PgPool;

use super::{Contender, Timed, timed};
use crate::record::Record;

const CHUNK: usize = 1_000;

const SQL: &str = "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) \
    ON CONFLICT (slug) DO UPDATE SET remote_id = excluded.remote_id, name = excluded.name, description = excluded.description, \
    uses = excluded.uses, updated_at = clock_timestamp() RETURNING id, xmax = 0 AS created";

#[derive(Debug)]
pub(crate) struct Unnest(pub(crate) PgPool);

impl Unnest {
    async fn upsert(&self, records: &[Record]) -> sqlx::Result<()> {
        let remote_ids: Vec<_> = records
            .iter()
            .map(|record| record.remote_id.as_deref())
            .collect();
        let slugs: Vec<_> = records.iter().map(|record| record.slug.as_str()).collect();
        let names: Vec<_> = records.iter().map(|record| record.name.as_str()).collect();
        let descriptions: Vec<_> = records
            .iter()
            .map(|record| record.description.as_deref())
            .collect();
        let uses: Vec<_> = records.iter().map(|record| record.uses).collect();
        let sources: Vec<_> = records
            .iter()
            .map(|record| record.source.as_str())
            .collect();
        let query = sqlx::query_as::<_, (i64, bool)>(SQL)
            .bind(remote_ids)
            .bind(slugs)
            .bind(names)
            .bind(descriptions)
            .bind(uses)
            .bind(sources);
        query.fetch_all(&self.0).await?;
        Ok(())
    }
}

impl Contender for Unnest {
    fn name(&self) -> &'static str {
        "unnest"
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        Box::pin(timed(async move {
            for chunk in records.chunks(CHUNK) {
                self.upsert(chunk).await?;
            }
            Ok::<_, sqlx::Error>(())
        }))
    }
}
