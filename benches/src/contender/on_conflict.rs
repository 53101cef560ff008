//! `INSERT … ON CONFLICT DO UPDATE`, on MariaDB `ON DUPLICATE KEY UPDATE`, one record a statement. It knows one key alone; the
//! slug is the one that each record has.

use sqlx::{MySql, Pool, Postgres, Sqlite};

use super::held::Held;
use super::{Contender, Timed, timed};
use crate::record::Record;

/// Each statement a transaction of its own.
#[derive(Debug)]
pub(crate) struct OnConflict<DB: sqlx::Database>(pub(crate) Pool<DB>);

/// The same on a connection that is held.
#[derive(Debug)]
pub(crate) struct OnConflictHeld<DB: sqlx::Database>(pub(crate) Held<DB>);

/// All in one transaction.
#[derive(Debug)]
pub(crate) struct InOneTransaction<DB: sqlx::Database>(pub(crate) Pool<DB>);

macro_rules! on_conflict {
    ($database:ty, $name:literal, $sql:literal) => {
        impl OnConflict<$database> {
            async fn upsert(
                executor: impl sqlx::Executor<'_, Database = $database>,
                record: &Record,
            ) -> sqlx::Result<()> {
                let query = sqlx::query($sql)
                    .bind(&record.remote_id)
                    .bind(&record.slug)
                    .bind(&record.name)
                    .bind(&record.description)
                    .bind(record.uses)
                    .bind(&record.source);
                query.execute(executor).await?;
                Ok(())
            }
        }

        impl Contender for OnConflict<$database> {
            fn name(&self) -> &'static str {
                $name
            }

            fn run(&self, records: Vec<Record>) -> Timed<'_> {
                Box::pin(timed(async move {
                    for record in &records {
                        Self::upsert(&self.0, record).await?;
                    }
                    Ok::<_, sqlx::Error>(())
                }))
            }
        }

        impl Contender for OnConflictHeld<$database> {
            fn name(&self) -> &'static str {
                $name
            }

            fn run(&self, records: Vec<Record>) -> Timed<'_> {
                Box::pin(async move {
                    let mut connection = self.0.take().await?;
                    let took = timed(async {
                        for record in &records {
                            OnConflict::<$database>::upsert(&mut *connection, record).await?;
                        }
                        Ok::<_, sqlx::Error>(())
                    });
                    let took = took.await?;
                    self.0.keep(connection);
                    Ok(took)
                })
            }
        }

        impl Contender for InOneTransaction<$database> {
            fn name(&self) -> &'static str {
                concat!($name, "-in-one-transaction")
            }

            fn run(&self, records: Vec<Record>) -> Timed<'_> {
                Box::pin(timed(async move {
                    let mut tx = self.0.begin().await?;
                    for record in &records {
                        OnConflict::<$database>::upsert(&mut *tx, record).await?;
                    }
                    tx.commit().await
                }))
            }
        }
    };
}

on_conflict! {
    Postgres,
    "on-conflict",
    "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (slug) DO UPDATE SET remote_id = excluded.remote_id, name = excluded.name, description = excluded.description, \
     uses = excluded.uses, updated_at = clock_timestamp() RETURNING id, xmax = 0 AS created"
}

on_conflict! {
    MySql,
    "on-duplicate-key",
    "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) VALUES (?, ?, ?, ?, ?, ?) \
     ON DUPLICATE KEY UPDATE remote_id = VALUES(remote_id), name = VALUES(name), description = VALUES(description), \
     uses = VALUES(uses), updated_at = CURRENT_TIMESTAMP(6)"
}

on_conflict! {
    Sqlite,
    "on-conflict",
    "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) VALUES (?, ?, ?, ?, ?, ?) \
     ON CONFLICT (slug) DO UPDATE SET remote_id = excluded.remote_id, name = excluded.name, description = excluded.description, \
     uses = excluded.uses, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') RETURNING id"
}
