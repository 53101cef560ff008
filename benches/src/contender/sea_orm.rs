//! sea-orm 2: the chain with `lock_exclusive`, and `insert_many` with `on_conflict`.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::sqlx::types::chrono::{DateTime, Utc};
use sea_orm::{QuerySelect, Set, SqliteTransactionMode, TransactionOptions, TransactionTrait};

use super::{Contender, Timed, timed};
use crate::record::Record;

const CHUNK: usize = 1_000;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "taxonomy")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i64,
    pub(crate) remote_id: Option<String>,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) uses: i64,
    pub(crate) source: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl ActiveModel {
    /// What is written to a row, be it there or not.
    fn fields(self, record: Record) -> Self {
        Self {
            remote_id: Set(record.remote_id),
            slug: Set(record.slug),
            name: Set(record.name),
            description: Set(record.description),
            uses: Set(record.uses),
            updated_at: Set(Utc::now()),
            ..self
        }
    }

    fn new(record: Record) -> Self {
        let source = Set(record.source.clone());
        Self {
            source,
            ..<Self as ActiveModelTrait>::default()
        }
        .fields(record)
    }
}

/// One record after the other.
#[derive(Debug)]
pub(crate) struct One(pub(crate) DatabaseConnection);

impl One {
    async fn upsert(&self, record: Record) -> Result<(), DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let txn = self.0.begin_with_options(options).await?;
        let mut found = None;
        if let Some(remote_id) = &record.remote_id {
            let by_remote_id = Entity::find().filter(Column::RemoteId.eq(remote_id));
            found = by_remote_id.lock_exclusive().one(&txn).await?;
        }
        if found.is_none() {
            let by_slug = Entity::find().filter(Column::Slug.eq(&record.slug));
            found = by_slug.lock_exclusive().one(&txn).await?;
        }
        match found {
            Some(row) => ActiveModel::from(row).fields(record).update(&txn).await?,
            None => ActiveModel::new(record).insert(&txn).await?,
        };
        txn.commit().await
    }
}

impl Contender for One {
    fn name(&self) -> &'static str {
        "sea-orm"
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        Box::pin(timed(async move {
            for record in records {
                self.upsert(record).await?;
            }
            Ok::<_, DbErr>(())
        }))
    }
}

/// A thousand a statement.
#[derive(Debug)]
pub(crate) struct Many(pub(crate) DatabaseConnection);

impl Contender for Many {
    fn name(&self) -> &'static str {
        "sea-orm-insert-many"
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        Box::pin(timed(async move {
            for chunk in records.chunks(CHUNK) {
                let updated = [
                    Column::RemoteId,
                    Column::Name,
                    Column::Description,
                    Column::Uses,
                    Column::UpdatedAt,
                ];
                let on_conflict = OnConflict::column(Column::Slug)
                    .update_columns(updated)
                    .to_owned();
                let insert = Entity::insert_many(chunk.iter().cloned().map(ActiveModel::new));
                insert
                    .on_conflict(on_conflict)
                    .exec_without_returning(&self.0)
                    .await?;
            }
            Ok::<_, DbErr>(())
        }))
    }
}
