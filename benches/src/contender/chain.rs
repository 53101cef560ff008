//! The chain of look-ups under lock, written by hand in sqlx as Django users write it: one key, then the other, then UPDATE or
//! INSERT, in a transaction.

use sqlx::{MySql, Pool, Postgres, Sqlite};

use super::{Contender, Timed, timed};
use crate::record::Record;

#[derive(Debug)]
pub(crate) struct Chain<DB: sqlx::Database>(pub(crate) Pool<DB>);

// sqlx's calls need a database that is named.
macro_rules! chain {
    ($database:ty, $begin:literal, $by_remote_id:literal, $by_slug:literal, $update:literal, $insert:literal) => {
        impl Chain<$database> {
            async fn upsert(&self, record: &Record) -> sqlx::Result<()> {
                let mut tx = self.0.begin_with($begin).await?;
                let mut id: Option<i64> = None;
                if let Some(remote_id) = &record.remote_id {
                    id = sqlx::query_scalar($by_remote_id)
                        .bind(remote_id)
                        .fetch_optional(&mut *tx)
                        .await?;
                }
                if id.is_none() {
                    id = sqlx::query_scalar($by_slug)
                        .bind(&record.slug)
                        .fetch_optional(&mut *tx)
                        .await?;
                }
                let fields = match id {
                    Some(_) => sqlx::query($update),
                    None => sqlx::query($insert),
                };
                let fields = fields
                    .bind(&record.remote_id)
                    .bind(&record.slug)
                    .bind(&record.name)
                    .bind(&record.description)
                    .bind(record.uses);
                match id {
                    Some(id) => fields.bind(id).execute(&mut *tx).await?,
                    None => fields.bind(&record.source).execute(&mut *tx).await?,
                };
                tx.commit().await
            }
        }

        impl Contender for Chain<$database> {
            fn name(&self) -> &'static str {
                "chain"
            }

            fn run(&self, records: Vec<Record>) -> Timed<'_> {
                Box::pin(timed(async move {
                    for record in &records {
                        self.upsert(record).await?;
                    }
                    Ok::<_, sqlx::Error>(())
                }))
            }
        }
    };
}

chain! {
    Postgres,
    "BEGIN",
    "SELECT id FROM taxonomy WHERE remote_id = $1 FOR UPDATE",
    "SELECT id FROM taxonomy WHERE slug = $1 FOR UPDATE",
    "UPDATE taxonomy SET remote_id = $1, slug = $2, name = $3, description = $4, uses = $5, updated_at = clock_timestamp() WHERE id = $6",
    "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) VALUES ($1, $2, $3, $4, $5, $6)"
}

chain! {
    MySql,
    "BEGIN",
    "SELECT id FROM taxonomy WHERE remote_id = ? FOR UPDATE",
    "SELECT id FROM taxonomy WHERE slug = ? FOR UPDATE",
    "UPDATE taxonomy SET remote_id = ?, slug = ?, name = ?, description = ?, uses = ?, updated_at = CURRENT_TIMESTAMP(6) WHERE id = ?",
    "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) VALUES (?, ?, ?, ?, ?, ?)"
}

chain! {
    Sqlite,
    // A deferred transaction fails where another one writes.
    "BEGIN IMMEDIATE",
    "SELECT id FROM taxonomy WHERE remote_id = ?",
    "SELECT id FROM taxonomy WHERE slug = ?",
    "UPDATE taxonomy SET remote_id = ?, slug = ?, name = ?, description = ?, uses = ?, \
     updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?",
    "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) VALUES (?, ?, ?, ?, ?, ?)"
}
