//! The table of the property tests: three look-ups, whose keys are few, so that they meet.

use proptest::prelude::{Just, Strategy};
use proptest::prop_oneof;
use sqlx::AssertSqlSafe;
use upsert_runtime::LockedUpsert;
use upsert_tests::Target;

use super::oracle::{Record, Row};
use crate::{Db, Sqlx};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "thing")]
#[lookup(remote_id, slug, code)]
pub(super) struct Thing {
    pub(super) id: i64,
    pub(super) remote_id: Option<String>,
    pub(super) slug: String,
    pub(super) code: Option<String>,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "thing")]
#[lookup(remote_id, slug(unclaimed), code)]
pub(super) struct Unclaimed {
    pub(super) id: i64,
    pub(super) remote_id: Option<String>,
    pub(super) slug: String,
    pub(super) code: Option<String>,
    pub(super) name: String,
}

pub(super) const THING: &str = "CREATE TABLE thing (id {id}, remote_id {text} UNIQUE, slug {text} NOT NULL UNIQUE, code {text} UNIQUE, name {text} NOT NULL)";

/// Few keys, so that they meet; variants that a collation may call equal; blanks.
fn key(letter: char) -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        8 => (0..4_u8).prop_map(move |n| Some(format!("{letter}{n}"))),
        2 => (0..4_u8).prop_map(move |n| Some(format!("{}{n}", letter.to_ascii_uppercase()))),
        1 => (0..4_u8).prop_map(move |n| Some(format!("{letter}{n} "))),
    ]
}

fn slug() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => prop_oneof![Just(String::new()), Just(" ".to_owned())].prop_map(Some),
        9 => key('s').prop_map(|key| Some(key.unwrap_or_default())),
    ]
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    let code = prop_oneof![1 => Just(None), 1 => key('c')];
    (key('r'), slug(), code, 0..3_u8).prop_map(|(remote_id, slug, code, name)| Record {
        keys: vec![remote_id, slug, code],
        name: format!("n{name}"),
        ..Record::default()
    })
}

/// Stores the rows that meet no other.
pub(super) async fn store(db: &Db, records: &[Record], fold: fn(&str) -> String) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for record in records {
        let meets = |row: &Row| {
            let mut keys = row.keys.iter().zip(&record.keys);
            keys.any(|(one, other)| match (one, other) {
                (Some(one), Some(other)) => fold(one) == fold(other),
                _ => false,
            })
        };
        if !rows.iter().any(meets) {
            rows.push(Row {
                id: i64::try_from(rows.len()).unwrap() + 1,
                keys: record.keys.clone(),
                name: record.name.clone(),
                ..Row::default()
            });
        }
    }
    // Ids of created rows are greater than these.
    let empty = match Sqlx::TARGET {
        "postgres" => "TRUNCATE thing; ALTER SEQUENCE thing_id_seq RESTART WITH 100",
        "mysql" => "DELETE FROM thing",
        _ => {
            "DELETE FROM thing; INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq) VALUES (1, 'thing', 100)"
        }
    };
    let values = |row: &Row| {
        let text = |key: &Option<String>| {
            key.as_ref()
                .map_or_else(|| "NULL".to_owned(), |key| format!("'{key}'"))
        };
        let keys: Vec<String> = row.keys.iter().map(text).collect();
        format!("({}, {}, '{}')", row.id, keys.join(", "), row.name)
    };
    let values: Vec<String> = rows.iter().map(values).collect();
    let mut sql = empty.to_owned();
    if !values.is_empty() {
        sql.push_str("; INSERT INTO thing (id, remote_id, slug, code, name) VALUES ");
        sql.push_str(&values.join(", "));
    }
    db.run(&sql).await;
    rows
}

pub(super) async fn stored(db: &Db) -> Vec<Row> {
    type Columns = (i64, Option<String>, String, Option<String>, String);
    let things: Vec<Columns> = sqlx::query_as(AssertSqlSafe(
        "SELECT id, remote_id, slug, code, name FROM thing ORDER BY id",
    ))
    .fetch_all(&db.pool)
    .await
    .expect("rows");
    let row = |(id, remote_id, slug, code, name)| Row {
        id,
        keys: vec![remote_id, Some(slug), code],
        name,
        ..Row::default()
    };
    things.into_iter().map(row).collect()
}

impl From<Record> for NewThing {
    fn from(Record { mut keys, name, .. }: Record) -> Self {
        let code = keys.pop().flatten();
        let slug = keys.pop().flatten().unwrap_or_default();
        let remote_id = keys.pop().flatten();
        Self {
            remote_id,
            slug,
            code,
            name,
        }
    }
}

impl From<Record> for NewUnclaimed {
    fn from(record: Record) -> Self {
        let NewThing {
            remote_id,
            slug,
            code,
            name,
        } = record.into();
        Self {
            remote_id,
            slug,
            code,
            name,
        }
    }
}
