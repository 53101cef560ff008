//! Whatever the records, the rows, the options and the chunks: an import does what the rules say.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::AssertSqlSafe;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use upsert_runtime::{Error, LockedUpsert, Missing, OnTakeover, Outcome, Stored};
use upsert_tests::Target;

use super::oracle::{self, Cause, Record, Row};
use crate::{Db, Sqlx};

tests![
    an_import_does_what_the_rules_say,
    an_import_does_what_the_rules_say_under_a_case_insensitive_collation on ["mysql"],
];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "thing")]
#[lookup(remote_id, slug, code)]
struct Thing {
    id: i64,
    remote_id: Option<String>,
    slug: String,
    code: Option<String>,
    name: String,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "thing")]
#[lookup(remote_id, slug(unclaimed), code)]
struct Unclaimed {
    id: i64,
    remote_id: Option<String>,
    slug: String,
    code: Option<String>,
    name: String,
}

const THING: &str = "CREATE TABLE thing (id {id}, remote_id {text} UNIQUE, slug {text} NOT NULL UNIQUE, code {text} UNIQUE, name {text} NOT NULL)";

/// An import to be tried.
#[derive(Debug, Clone)]
struct Case {
    rows: Vec<Record>,
    records: Vec<Record>,
    chunk_size: usize,
    atomic: bool,
    never: bool,
    unclaimed: bool,
    max_share: Option<f64>,
}

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

fn record() -> impl Strategy<Value = Record> {
    let code = prop_oneof![1 => Just(None), 1 => key('c')];
    (key('r'), slug(), code, 0..3_u8).prop_map(|(remote_id, slug, code, name)| Record {
        keys: vec![remote_id, slug, code],
        name: format!("n{name}"),
    })
}

fn case() -> impl Strategy<Value = Case> {
    let max_share = prop_oneof![
        3 => Just(None),
        2 => Just(Some(1.0)),
        1 => Just(Some(0.5)),
    ];
    (
        vec(record(), 0..6),
        vec(record(), 0..9),
        1..7_usize,
        any::<(bool, bool, bool)>(),
        max_share,
    )
        .prop_map(
            |(rows, records, chunk_size, (atomic, never, unclaimed), max_share)| Case {
                rows,
                records,
                chunk_size,
                atomic,
                never,
                unclaimed,
                max_share,
            },
        )
}

/// How many cases are tried; `PROPTEST_CASES` says otherwise.
const CASES: u32 = 2_000;

async fn an_import_does_what_the_rules_say(db: Db) {
    db.run(THING).await;
    // MariaDB's binary collation pads with spaces too.
    let fold: fn(&str) -> String = if Sqlx::TARGET == "mysql" {
        |key| key.trim_end_matches(' ').to_owned()
    } else {
        str::to_owned
    };
    try_cases(&db.locally().await, fold);
}

async fn an_import_does_what_the_rules_say_under_a_case_insensitive_collation(db: Db) {
    let folding = "varchar(190) character set utf8mb4 collate utf8mb4_general_ci";
    db.run(&THING.replace("{text}", folding)).await;
    try_cases(&db.locally().await, |key| {
        key.trim_end_matches(' ').to_lowercase()
    });
}

fn try_cases(db: &Db, fold: fn(&str) -> String) {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let mut runner = TestRunner::new(config);
    block_in_place(|| {
        let tried = runner.run(&case(), |case| {
            Handle::current().block_on(try_case(db, &case, fold))
        });
        tried.unwrap_or_else(|error| panic!("{error}"));
    });
}

async fn try_case(db: &Db, case: &Case, fold: fn(&str) -> String) -> Result<(), TestCaseError> {
    let rows = store(db, case, fold).await;
    let options = oracle::Options {
        fold,
        never: case.never,
        unclaimed: vec![false, case.unclaimed, false],
        delete_missing: case.max_share,
    };
    let expected = oracle::expected(&rows, &case.records, &options);
    let done = if case.unclaimed {
        import::<Unclaimed>(db, case).await
    } else {
        import::<Thing>(db, case).await
    };
    let stored = stored(db).await;
    let Some(expected) = expected else {
        let error = done.err();
        check(matches!(error, Some(Error::Refused { .. })), || {
            format!("{error:?}")
        })?;
        return check(stored == rows, || "something was written".to_owned());
    };
    let done = done.map_err(|error| TestCaseError::fail(format!("{error}")))?;
    check(done.outcomes == expected.outcomes, || {
        format!("{:?}\nexpected {:?}", done.outcomes, expected.outcomes)
    })?;
    let last = rows.last().map_or(0, |row| row.id);
    let (mut kept, mut created): (Vec<Row>, Vec<Row>) =
        stored.into_iter().partition(|row| row.id <= last);
    for row in &rows {
        let key = |row: &Row| {
            let key = row.keys[0].as_deref().map(fold);
            key.filter(|key| !key.trim().is_empty())
        };
        let mut others = kept.iter().chain(&created);
        let survivor = others.find(|other| key(row).is_some() && key(row) == key(other));
        check(survivor.is_none_or(|other| other.id == row.id), || {
            format!("{row:?} became {survivor:?}")
        })?;
    }
    for row in &mut created {
        row.id = 0;
    }
    created.sort_by(|one, other| (&one.keys, &one.name).cmp(&(&other.keys, &other.name)));
    kept.extend(created);
    check(kept == expected.rows, || {
        format!("{kept:?}\nexpected {:?}", expected.rows)
    })?;
    let counts = (done.missing, done.deleted);
    let expected = (expected.missing as u64, expected.deleted as u64);
    check(counts == expected, || {
        format!("missing and deleted {counts:?}, expected {expected:?}")
    })
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), TestCaseError> {
    if holds {
        Ok(())
    } else {
        Err(TestCaseError::fail(otherwise()))
    }
}

/// Stores the rows that meet no other.
async fn store(db: &Db, case: &Case, fold: fn(&str) -> String) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for record in &case.rows {
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
        sql += &format!(
            "; INSERT INTO thing (id, remote_id, slug, code, name) VALUES {}",
            values.join(", ")
        );
    }
    db.run(&sql).await;
    rows
}

async fn stored(db: &Db) -> Vec<Row> {
    let things: Vec<(i64, Option<String>, String, Option<String>, String)> = sqlx::query_as(
        AssertSqlSafe("SELECT id, remote_id, slug, code, name FROM thing ORDER BY id"),
    )
    .fetch_all(&db.pool)
    .await
    .expect("rows");
    let row = |(id, remote_id, slug, code, name)| Row {
        id,
        keys: vec![remote_id, Some(slug), code],
        name,
    };
    things.into_iter().map(row).collect()
}

struct Done {
    outcomes: Vec<oracle::Outcome>,
    missing: u64,
    deleted: u64,
}

/// What a model's import of the case does, record by record.
async fn import<M>(db: &Db, case: &Case) -> Result<Done, Error>
where
    M: Stored<Sqlx>,
    M::New: From<Record>,
{
    let mut outcomes = BTreeMap::new();
    let mut import = M::import(case.records.iter().cloned())
        .chunk_size(case.chunk_size)
        .atomic(case.atomic)
        .each(|index, _, outcome| {
            let outcome = match outcome {
                Outcome::Created => oracle::Outcome::Created,
                Outcome::Updated { .. } => oracle::Outcome::Updated,
                Outcome::Unchanged { .. } => oracle::Outcome::Unchanged,
            };
            assert!(outcomes.insert(index, outcome).is_none(), "told twice");
        });
    if case.never {
        import = import.on_takeover(OnTakeover::Never);
    }
    if let Some(share) = case.max_share {
        import = import.missing(Missing::Delete).max_share(share);
    }
    let report = import.run(&db.pool).await?;
    for failure in &report.failed {
        let cause = match &failure.error {
            Error::NoUsableKey { .. } => Cause::NoUsableKey,
            Error::IdentityConflict { .. } => Cause::Identity,
            Error::Conflict { .. } => Cause::Conflict,
            other => panic!("{other}"),
        };
        let outcome = oracle::Outcome::Failed(cause);
        assert!(
            outcomes.insert(failure.index, outcome).is_none(),
            "told twice"
        );
    }
    let told = report.created + report.updated + report.unchanged + report.failed.len() as u64;
    assert_eq!(told + report.superseded, case.records.len() as u64);
    assert_eq!(report.records, case.records.len() as u64);
    let outcome = |index| {
        let told = outcomes.get(&(index as u64)).copied();
        told.unwrap_or(oracle::Outcome::Superseded)
    };
    let all: Vec<_> = (0..case.records.len()).map(outcome).collect();
    Ok(Done {
        outcomes: all,
        missing: report.missing,
        deleted: report.deleted,
    })
}

impl From<Record> for NewThing {
    fn from(Record { mut keys, name }: Record) -> Self {
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
