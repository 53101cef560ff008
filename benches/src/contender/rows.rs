//! The same with a list of a thousand rows a statement.

use sqlx::{MySql, Pool, QueryBuilder, Sqlite};

use super::{Contender, Timed, timed};
use crate::record::Record;

const CHUNK: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Rows<DB: sqlx::Database>(pub(crate) Pool<DB>);

macro_rules! rows {
    ($database:ty, $name:literal, $conflict:literal) => {
        impl Contender for Rows<$database> {
            fn name(&self) -> &'static str {
                $name
            }

            fn run(&self, records: Vec<Record>) -> Timed<'_> {
                Box::pin(timed(async move {
                    for chunk in records.chunks(CHUNK) {
                        let mut query: QueryBuilder<$database> = QueryBuilder::new(
                            "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) ",
                        );
                        query.push_values(chunk, |mut row, record| {
                            row.push_bind(&record.remote_id)
                                .push_bind(&record.slug)
                                .push_bind(&record.name)
                                .push_bind(&record.description)
                                .push_bind(record.uses)
                                .push_bind(&record.source);
                        });
                        query.push($conflict);
                        query.build().execute(&self.0).await?;
                    }
                    Ok::<_, sqlx::Error>(())
                }))
            }
        }
    };
}

rows! {
    MySql,
    "on-duplicate-key-rows",
    " ON DUPLICATE KEY UPDATE remote_id = VALUES(remote_id), name = VALUES(name), description = VALUES(description), \
     uses = VALUES(uses), updated_at = CURRENT_TIMESTAMP(6)"
}

rows! {
    Sqlite,
    "on-conflict-rows",
    " ON CONFLICT (slug) DO UPDATE SET remote_id = excluded.remote_id, name = excluded.name, description = excluded.description, \
     uses = excluded.uses, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
}
