//! The table of the tests about rules: a model that declares all of them.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::LockedUpsert;
use upsert_tests::Target;

use super::oracle::{Merge, Record, Row};
use crate::{Db, Sqlx};

#[derive(Debug, Clone, PartialEq, sqlx::FromRow, LockedUpsert)]
#[lookup(remote_id, slug, code)]
pub(super) struct Ruled {
    pub(super) id: i64,
    pub(super) remote_id: Option<String>,
    pub(super) slug: String,
    pub(super) code: Option<String>,
    #[upsert(unique)]
    pub(super) position: Option<i64>,
    pub(super) name: String,
    #[upsert(keep_none)]
    pub(super) note: Option<String>,
    #[upsert(newer)]
    pub(super) version: Option<i64>,
    #[upsert(uncompared)]
    pub(super) seen: i64,
    #[upsert(readonly)]
    pub(super) locked: bool,
    #[upsert(deleted)]
    pub(super) deleted_at: Option<DateTime<Utc>>,
}

/// What unique indexes have in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indexes {
    /// All rows.
    Full,
    /// Only rows that are not marked: on PostgreSQL and SQLite.
    Partial,
}

impl Indexes {
    /// The kinds that the database has.
    pub(super) const ALL: &'static [Self] = if matches!(Sqlx::TARGET.as_bytes(), b"mysql") {
        &[Self::Full]
    } else {
        &[Self::Full, Self::Partial]
    };
}

/// Makes the table, in place of one that is there.
pub(super) async fn with_table(db: &Db, indexes: Indexes) {
    db.run(&table(indexes)).await;
}

/// The statements that make it.
pub(super) fn table(indexes: Indexes) -> String {
    let mut sql = "DROP TABLE IF EXISTS ruled; \
         CREATE TABLE ruled (id {id}, remote_id {text}, slug {text} NOT NULL, code {text}, position bigint, name {text} NOT NULL, \
         note {text}, version bigint, seen bigint NOT NULL, locked boolean NOT NULL DEFAULT false, deleted_at {time} NULL)"
        .to_owned();
    let live = match indexes {
        Indexes::Full => "",
        Indexes::Partial => " WHERE deleted_at IS NULL",
    };
    for key in ["remote_id", "slug", "code", "position"] {
        let _ = write!(
            sql,
            "; CREATE UNIQUE INDEX ruled_{key} ON ruled ({key}){live}"
        );
    }
    sql
}

/// A row to be stored.
#[derive(Debug, Clone, Default)]
pub(super) struct Seed {
    pub(super) record: Record,
    pub(super) locked: bool,
    pub(super) marked: Option<u8>,
}

impl Seed {
    fn row(&self, id: i64) -> Row {
        let Record {
            keys,
            name,
            note,
            version,
            seen,
        } = self.record.clone();
        Row {
            id,
            keys,
            name,
            note,
            version,
            seen,
            locked: self.locked,
            marked: self.marked,
        }
    }
}

/// Stores the rows that meet no other in the indexes, in place of those that are there.
pub(super) async fn store(
    db: &Db,
    seeds: &[Seed],
    indexes: Indexes,
    fold: fn(&str) -> String,
) -> Vec<Row> {
    let is_in_indexes = |row: &Row| indexes == Indexes::Full || row.marked.is_none();
    let mut rows: Vec<Row> = Vec::new();
    for seed in seeds {
        let new = seed.row(i64::try_from(rows.len()).unwrap() + 1);
        let meets = |row: &Row| {
            let mut keys = row.keys.iter().zip(&new.keys);
            is_in_indexes(row)
                && keys.any(|(one, other)| match (one, other) {
                    (Some(one), Some(other)) => fold(one) == fold(other),
                    _ => false,
                })
        };
        if !is_in_indexes(&new) || !rows.iter().any(meets) {
            rows.push(new);
        }
    }
    put(db, &rows).await;
    rows
}

/// Stores these rows in place of those that are there.
pub(super) async fn put(db: &Db, rows: &[Row]) {
    // Ids of created rows are greater than these.
    let mut sql = match Sqlx::TARGET {
        "postgres" => "TRUNCATE ruled; ALTER SEQUENCE ruled_id_seq RESTART WITH 100",
        "mysql" => "DELETE FROM ruled",
        _ => {
            "DELETE FROM ruled; INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq) VALUES (1, 'ruled', 100)"
        }
    }
    .to_owned();
    if !rows.is_empty() {
        let values: Vec<String> = rows.iter().map(values).collect();
        sql += "; INSERT INTO ruled (id, remote_id, slug, code, position, name, note, version, seen, locked, deleted_at) VALUES ";
        sql += &values.join(", ");
    }
    db.run(&sql).await;
}

fn values(row: &Row) -> String {
    let null = || "NULL".to_owned();
    let text = |text: &Option<String>| text.as_ref().map_or_else(null, |text| format!("'{text}'"));
    let mut keys: Vec<String> = row.keys.iter().map(text).collect();
    keys[POSITION].retain(|letter| letter != '\'');
    format!(
        "({}, {}, '{}', {}, {}, {}, {}, {})",
        row.id,
        keys.join(", "),
        row.name,
        text(&row.note),
        row.version.map_or_else(null, |version| version.to_string()),
        row.seen,
        row.locked,
        row.marked.map_or_else(null, |at| format!("'{}'", time(at))),
    )
}

/// A time long ago, as the database reads it.
pub(super) fn time(at: u8) -> String {
    match Sqlx::TARGET {
        "mysql" => format!("2024-01-01 00:00:{at:02}"),
        _ => format!("2024-01-01T00:00:{at:02}.000Z"),
    }
}

/// The first second of that year.
const MARKED: i64 = 1_704_067_200;
/// The place of the positions.
const POSITION: usize = 3;

/// All rows, marked ones too.
pub(super) async fn stored(db: &Db) -> Vec<Row> {
    let rows: Vec<Ruled> = sqlx::query_as(AssertSqlSafe(
        "SELECT id, remote_id, slug, code, position, name, note, version, seen, locked, deleted_at FROM ruled ORDER BY id",
    ))
    .fetch_all(&db.pool)
    .await
    .expect("rows");
    let marked = |at: DateTime<Utc>| u8::try_from(at.timestamp() - MARKED).unwrap_or(Row::NOW);
    let row = |row: Ruled| Row {
        id: row.id,
        keys: vec![
            row.remote_id,
            Some(row.slug),
            row.code,
            row.position.map(|position| position.to_string()),
        ],
        name: row.name,
        note: row.note,
        version: row.version,
        seen: row.seen,
        locked: row.locked,
        marked: row.deleted_at.map(marked),
    };
    rows.into_iter().map(row).collect()
}

impl From<Record> for NewRuled {
    fn from(record: Record) -> Self {
        let Record {
            keys,
            name,
            note,
            version,
            seen,
        } = record;
        let [remote_id, slug, code, position] =
            keys.try_into().expect("three look-ups and a position");
        Self {
            remote_id,
            slug: slug.unwrap_or_default(),
            code,
            position: position.map(|position| position.parse().expect("a number")),
            name,
            note,
            version,
            seen,
        }
    }
}

impl RuledChanges {
    /// What a merge of the property test gives.
    pub(super) fn merged(merge: Merge, row: &Ruled, new: &NewRuled) -> Self {
        let changes = Self::from(new.clone());
        match merge {
            Merge::KeepSlug(name) if row.name == name => changes.slug(row.slug.clone()),
            Merge::KeepPosition => changes.position(row.position),
            Merge::NameOnly => Self::new().name(new.name.clone()),
            Merge::Follow => changes
                .remote_id(new.remote_id.clone())
                .slug(new.slug.clone())
                .code(new.code.clone()),
            Merge::AlterSlug(name) if row.name == name => changes.slug(Merge::OTHER_SLUG),
            Merge::AlterPosition(name) if row.name == name => {
                changes.position(Some(Merge::OTHER_POSITION))
            }
            _ => changes,
        }
    }
}
