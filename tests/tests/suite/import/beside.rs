//! Another writer beside an import: what comes of each record is what comes of it in a serial order of the two.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::AssertSqlSafe;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use upsert_runtime::{LockedUpsert, Outcome};
use upsert_tests::Target;

use super::oracle::{self, Cause, Expected, Record, Row};
use super::things::{THING, Thing, record, store, stored};
use crate::{Db, Sqlx};

tests![a_writer_comes_before_or_after];

/// What the writer does, in one transaction.
#[derive(Debug, Clone)]
enum Write {
    Insert(Record),
    /// Gives the row with this id other keys.
    Update(i64, Record),
    Rename(i64),
    Delete(i64),
}

#[derive(Debug, Clone)]
struct Case {
    rows: Vec<Record>,
    records: Vec<Record>,
    chunk_size: usize,
    atomic: bool,
    write: Write,
    /// Microseconds: before the import begins, before the writer writes, before it commits.
    pauses: [u64; 3],
}

fn case() -> impl Strategy<Value = Case> {
    let write = prop_oneof![
        record().prop_map(Write::Insert),
        (1..6_i64, record()).prop_map(|(id, record)| Write::Update(id, record)),
        (1..6_i64).prop_map(Write::Rename),
        (1..6_i64).prop_map(Write::Delete),
    ];
    let pause = || 0..3_000_u64;
    (
        vec(record(), 0..6),
        vec(record(), 1..9),
        1..5_usize,
        any::<bool>(),
        write,
        [pause(), pause(), pause()],
    )
        .prop_map(|(rows, records, chunk_size, atomic, write, pauses)| Case {
            rows,
            records,
            chunk_size,
            atomic,
            write,
            pauses,
        })
}

/// How many cases are tried; `PROPTEST_CASES` says otherwise.
const CASES: u32 = 500;

async fn a_writer_comes_before_or_after(db: Db) {
    let db = db.locally().await;
    db.run(THING).await;
    if Sqlx::TARGET == "mysql" {
        db.run("ALTER TABLE thing AUTO_INCREMENT = 100").await;
    }
    let mut config = Config {
        failure_persistence: None,
        // Whether it goes wrong is a matter of time; a smaller case might go wrong less often.
        max_shrink_iters: 0,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let mut runner = TestRunner::new(config);
    block_in_place(|| {
        let tried = runner.run(&case(), |case| {
            Handle::current().block_on(try_case(&db, &case))
        });
        tried.unwrap_or_else(|error| panic!("{error}"));
    });
}

fn fold(key: &str) -> String {
    // MariaDB's binary collation pads with spaces too.
    let spaces: &[char] = if Sqlx::TARGET == "mysql" { &[' '] } else { &[] };
    key.trim_end_matches(spaces).to_owned()
}

async fn try_case(db: &Db, case: &Case) -> Result<(), TestCaseError> {
    let rows = store(db, &case.rows, fold).await;
    let ((outcomes, ids), wrote) = tokio::join!(import(db, case), write(db, case));
    let last = stored(db).await;
    let first = first_serial(&rows, case);
    let second = second_serial(&rows, case);
    let told = |serial: &(Expected, bool)| {
        serial.0.outcomes == outcomes && serial.1 == wrote && same_rows(&serial.0.rows, &last)
    };
    // As a whole it is one of the two orders if it is one transaction, or if nothing came of the writer.
    let is_serial = told(&first) || told(&second);
    let holds = if case.atomic || !wrote {
        is_serial || (!wrote && is_as_if_alone(&rows, case, &outcomes, &last))
    } else {
        // Record by record: what came of each is what comes of it in one of the orders, also where others had failed before the
        // writer came. A record that needs a key of a row whose own record had failed so fails. And what is told as stored is
        // stored.
        let is_one_of_both = (0..outcomes.len()).all(|record| {
            let told = outcomes[record];
            let [one, other] = [true, false]
                .map(|before| among_the_stored(&rows, case, &outcomes, record, before));
            let serial = [
                first.0.outcomes[record],
                second.0.outcomes[record],
                one,
                other,
            ];
            serial.contains(&told) || told == oracle::Outcome::Failed(Cause::Conflict)
        });
        is_serial || (is_one_of_both && are_stored(case, &ids, &last))
    };
    if holds {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{outcomes:?}, wrote {wrote}\n{last:?}\nfirst {first:?}\nsecond {second:?}\nrows {rows:?}"
    )))
}

/// What comes of a record in an import, before or after the writer, of those that are told as stored and this one.
fn among_the_stored(
    rows: &[Row],
    case: &Case,
    outcomes: &[oracle::Outcome],
    record: usize,
    before: bool,
) -> oracle::Outcome {
    let is_in = |other: usize| other == record || !is_failed(outcomes[other]);
    let records = case.records.iter().enumerate();
    let some = Case {
        records: records
            .filter(|(other, _)| is_in(*other))
            .map(|(_, record)| record.clone())
            .collect(),
        ..case.clone()
    };
    let place = (0..record).filter(|&other| is_in(other)).count();
    let (expected, _) = if before {
        first_serial(rows, &some)
    } else {
        second_serial(rows, &some)
    };
    expected.outcomes[place]
}

fn is_failed(outcome: oracle::Outcome) -> bool {
    matches!(
        outcome,
        oracle::Outcome::Failed(_) | oracle::Outcome::Superseded
    )
}

/// Whether each record that is told as stored is in the row that was told; but for the row that the writer changes, and its keys.
fn are_stored(case: &Case, ids: &BTreeMap<u64, i64>, last: &[Row]) -> bool {
    let changed = match case.write {
        Write::Insert(_) => INSERTED,
        Write::Update(id, _) | Write::Rename(id) | Write::Delete(id) => id,
    };
    let mut stored = ids.iter().filter(|(_, id)| **id != changed);
    stored.all(|(&index, id)| {
        let record = &case.records[usize::try_from(index).expect("an index")];
        last.iter().any(|row| {
            if row.id != *id {
                return false;
            }
            let mut keys = row.keys.iter().zip(&record.keys);
            let blank = |key: &Option<String>| key.as_ref().is_none_or(|key| key.trim().is_empty());
            row.name == record.name && keys.all(|(row, record)| blank(record) || row == record)
        })
    })
}

/// The writer was the victim of a deadlock.
fn is_as_if_alone(rows: &[Row], case: &Case, outcomes: &[oracle::Outcome], last: &[Row]) -> bool {
    let alone = serial(rows, case);
    alone.outcomes == outcomes && same_rows(&alone.rows, last)
}

fn serial(rows: &[Row], case: &Case) -> Expected {
    let options = oracle::Options {
        fold,
        never: false,
        unclaimed: vec![false; 3],
        delete_missing: None,
        rules: oracle::Rules::default(),
    };
    oracle::expected(rows, &case.records, &options).expect("nothing is refused")
}

/// The import, then the writer; and whether the writer wrote.
fn first_serial(rows: &[Row], case: &Case) -> (Expected, bool) {
    let mut expected = serial(rows, case);
    let wrote = apply(&mut expected.rows, &case.write);
    (expected, wrote)
}

/// The writer, then the import.
fn second_serial(rows: &[Row], case: &Case) -> (Expected, bool) {
    let mut rows = rows.to_vec();
    let wrote = apply(&mut rows, &case.write);
    (serial(&rows, case), wrote)
}

/// What the writer makes of the rows. Nothing where a unique key refuses it.
fn apply(rows: &mut Vec<Row>, write: &Write) -> bool {
    let with_keys = |id: i64, record: &Record| Row {
        id,
        keys: record.keys.clone(),
        name: record.name.clone(),
        ..Row::default()
    };
    let meets = |rows: &[Row], new: &Row| {
        rows.iter()
            .filter(|row| row.id != new.id || row.id == 0)
            .any(|row| {
                let mut keys = row.keys.iter().zip(&new.keys);
                keys.any(|(one, other)| match (one, other) {
                    (Some(one), Some(other)) => fold(one) == fold(other),
                    _ => false,
                })
            })
    };
    match write {
        Write::Insert(record) => {
            let new = with_keys(INSERTED, record);
            let refused = meets(rows, &new);
            if !refused {
                rows.push(new);
            }
            !refused
        }
        Write::Update(id, record) => {
            let new = with_keys(*id, record);
            let refused = meets(rows, &new);
            if let Some(row) = rows.iter_mut().find(|row| row.id == *id)
                && !refused
            {
                *row = new;
                return true;
            }
            // No row, no refusal.
            !rows.iter().any(|row| row.id == *id)
        }
        Write::Rename(id) => {
            if let Some(row) = rows.iter_mut().find(|row| row.id == *id) {
                row.name = "renamed".into();
            }
            true
        }
        Write::Delete(id) => {
            rows.retain(|row| row.id != *id);
            true
        }
    }
}

/// The id of the row that the writer inserts, below those of created rows.
const INSERTED: i64 = 50;

/// Whether these are the same rows; created ones have an id that nobody knows before.
fn same_rows(expected: &[Row], stored: &[Row]) -> bool {
    let sorted = |rows: &[Row]| {
        let known = |row: &Row| if row.id > INSERTED { 0 } else { row.id };
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| (known(row), row.keys.clone(), row.name.clone()))
            .collect();
        rows.sort();
        rows
    };
    sorted(expected) == sorted(stored)
}

/// What became of each record, and the rows of those that are stored.
async fn import(db: &Db, case: &Case) -> (Vec<oracle::Outcome>, BTreeMap<u64, i64>) {
    tokio::time::sleep(Duration::from_micros(case.pauses[0])).await;
    let mut outcomes = BTreeMap::new();
    let mut ids = BTreeMap::new();
    let import = Thing::import(case.records.iter().cloned())
        .chunk_size(case.chunk_size)
        .atomic(case.atomic)
        .each(|index, row, outcome| {
            ids.insert(index, row.id);
            let outcome = match outcome {
                Outcome::Created => oracle::Outcome::Created,
                Outcome::Updated { .. } => oracle::Outcome::Updated,
                Outcome::Unchanged { .. } => oracle::Outcome::Unchanged,
                other => panic!("{other:?}"),
            };
            assert!(outcomes.insert(index, outcome).is_none(), "told twice");
        });
    let report = import.run(&db.pool).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    for failure in &report.failed {
        let why = match &failure.error {
            upsert_runtime::Error::NoUsableKey { .. } => Cause::NoUsableKey,
            upsert_runtime::Error::IdentityConflict { .. } => Cause::Identity,
            upsert_runtime::Error::Conflict { .. } => Cause::Conflict,
            other => panic!("{other}"),
        };
        outcomes.insert(failure.index, oracle::Outcome::Failed(why));
    }
    let outcome = |index| {
        let told = outcomes.get(&(index as u64)).copied();
        told.unwrap_or(oracle::Outcome::Superseded)
    };
    let outcomes = (0..case.records.len()).map(outcome).collect();
    (outcomes, ids)
}

/// Whether the writer wrote: a unique key, or a deadlock, may have refused it.
async fn write(db: &Db, case: &Case) -> bool {
    let text = |key: &Option<String>| {
        key.as_ref()
            .map_or_else(|| "NULL".to_owned(), |key| format!("'{key}'"))
    };
    let sql = match &case.write {
        Write::Insert(Record { keys, name, .. }) => format!(
            "INSERT INTO thing (id, remote_id, slug, code, name) VALUES ({INSERTED}, {}, {}, {}, '{name}')",
            text(&keys[0]),
            text(&keys[1]),
            text(&keys[2])
        ),
        Write::Update(id, Record { keys, name, .. }) => format!(
            "UPDATE thing SET remote_id = {}, slug = {}, code = {}, name = '{name}' WHERE id = {id}",
            text(&keys[0]),
            text(&keys[1]),
            text(&keys[2])
        ),
        Write::Rename(id) => format!("UPDATE thing SET name = 'renamed' WHERE id = {id}"),
        Write::Delete(id) => format!("DELETE FROM thing WHERE id = {id}"),
    };
    tokio::time::sleep(Duration::from_micros(case.pauses[1])).await;
    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    if sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut *tx)
        .await
        .is_err()
    {
        let _ = tx.rollback().await;
        return false;
    }
    tokio::time::sleep(Duration::from_micros(case.pauses[2])).await;
    tx.commit().await.is_ok()
}
