//! Who may overwrite what, case by case.

mod brakes;
mod chains;
mod deleted;
mod left_alone;
mod stopped;
mod waited;

use std::sync::{Arc, Mutex};

use upsert_runtime::{Import, LockedUpsert, Outcome, Report};

use super::oracle::{Record, Row, in_words};
use super::ruled::{self, Indexes, Ruled};
use crate::Db;

pub(super) fn add(suite: &mut upsert_tests::Suite<crate::Sqlx>) {
    brakes::add(suite);
    chains::add(suite);
    deleted::add(suite);
    left_alone::add(suite);
    stopped::add(suite);
    waited::add(suite);
}

/// A table with these rows.
async fn with_rows(db: &Db, indexes: Indexes, rows: &[Row]) {
    ruled::with_table(db, indexes).await;
    ruled::put(db, rows).await;
}

/// Rows that stand in a full index with the ids 1, 2, 3, ….
fn rows<const N: usize>(keys: [&str; N]) -> [Row; N] {
    let mut id = 0;
    keys.map(|keys| {
        id += 1;
        Row::of(id, keys)
    })
}

fn records<const N: usize>(keys: [&str; N]) -> Vec<Record> {
    keys.map(Record::of).into()
}

/// What is stored, in words.
async fn stored(db: &Db) -> Vec<String> {
    in_words(&ruled::stored(db).await)
}

/// The report of an import, and what was told of each record that has a row in the end.
async fn told(db: &Db, import: Import<'_, Ruled>) -> (Report<Ruled>, Vec<(u64, Outcome)>) {
    // The import may outlive this function, as far as the compiler knows.
    let each = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&each);
    let import =
        import.each(move |index, _, outcome| tell.lock().unwrap().push((index, outcome.clone())));
    let report = import.run(&db.pool).await.expect("an import");
    let mut told = std::mem::take(&mut *each.lock().unwrap());
    told.sort_by_key(|(index, _)| *index);
    (report, told)
}

/// Which records failed, and how.
fn failed(report: &Report<Ruled>) -> Vec<(u64, String)> {
    let failures = report.failed.iter();
    failures
        .map(|failure| {
            let error = format!("{:?}", failure.error);
            let (cause, _) = error.split_once('(').expect("a variant");
            (failure.index, cause.to_owned())
        })
        .collect()
}

fn import<'f>(records: impl IntoIterator<Item = Record>) -> Import<'f, Ruled> {
    Ruled::import(records)
}
