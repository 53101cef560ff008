//! Whatever the records, the rows, the options, the chunks and the rules: an import keeps them.

use std::collections::BTreeMap;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use upsert_runtime::{Error, LockedUpsert, Missing, OnTakeover, Only, Outcome, Report};
use upsert_tests::Target;

use super::oracle::{self, Cause, Expected, Record, Row, Stop};
use super::ruled::{self, Indexes, Ruled, RuledChanges};
use super::ruled_cases::{Case, case};
use crate::{Db, Sqlx};

tests![
    an_import_keeps_the_rules,
    an_import_keeps_the_rules_where_indexes_leave_deleted_rows_out on ["postgres", "sqlite"],
];

/// How many cases are tried; `PROPTEST_CASES` says otherwise.
const CASES: u32 = 2_000;

async fn an_import_keeps_the_rules(db: Db) {
    try_cases(&db.locally().await, Indexes::Full).await;
}

async fn an_import_keeps_the_rules_where_indexes_leave_deleted_rows_out(db: Db) {
    try_cases(&db.locally().await, Indexes::Partial).await;
}

async fn try_cases(db: &Db, indexes: Indexes) {
    ruled::with_table(db, indexes).await;
    if Sqlx::TARGET == "mysql" {
        db.run("ALTER TABLE ruled AUTO_INCREMENT = 100").await;
    }
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let mut runner = TestRunner::new(config);
    block_in_place(|| {
        let tried = runner.run(&case(indexes), |case| {
            Handle::current().block_on(try_case(db, &case, indexes))
        });
        tried.unwrap_or_else(|error| panic!("{error}"));
    });
}

fn fold(key: &str) -> String {
    // MariaDB's binary collation pads with spaces too.
    let spaces: &[char] = if Sqlx::TARGET == "mysql" { &[' '] } else { &[] };
    key.trim_end_matches(spaces).to_owned()
}

async fn try_case(db: &Db, case: &Case, indexes: Indexes) -> Result<(), TestCaseError> {
    let rows = ruled::store(db, &case.rows, indexes, fold).await;
    let options = oracle::Options {
        fold,
        never: case.never,
        unclaimed: vec![false; 3],
        delete_missing: case.max_share,
        rules: case.rules.clone(),
    };
    let expected = oracle::expected(&rows, &case.records, &options);
    let mut told = BTreeMap::new();
    let done = import(db, case, &mut told).await;
    let stored = ruled::stored(db).await;
    let judged = match (&expected, done) {
        (Err(stops), Err(error)) => stopped(stops, case, &error, stored == rows),
        (Ok(expected), Ok(report)) => {
            let last = rows.last().map_or(0, |row| row.id);
            finished(expected, case, &report, told)
                .and_then(|()| are_stored(&expected.rows, stored, last))
        }
        (_, done) => Err(match done {
            Ok(report) => format!("{report}"),
            Err(error) => format!("{error}"),
        }),
    };
    judged.map_err(|why| {
        let records = case.records.iter().map(|record| format!("\n  {record:?}"));
        let rows = rows.iter().map(|row| format!("\n  {row:?}"));
        let (rows, records) = (rows.collect::<String>(), records.collect::<String>());
        TestCaseError::fail(format!(
            "{why}\nexpected {expected:?}\nrows {rows}\nrecords {records}\n{:?}",
            case.rules
        ))
    })
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Whether the error is one that the rules give. `nothing`: whether nothing was written.
fn stopped(stops: &[Stop], case: &Case, error: &Error, nothing: bool) -> Result<(), String> {
    let count = |count: usize| count as u64;
    let is_told = stops.iter().any(|stop| match (stop, error) {
        (
            Stop::Missing { count: n, of: all },
            Error::Refused {
                option: "max_share",
                count: found,
                of,
                missing,
                candidates,
                ..
            },
        ) => {
            let expected = (count(*n), count(*all));
            (*found, *of) == expected && (*missing, *candidates) == expected
        }
        (Stop::Failed { .. }, Error::Stopped { report, source }) => {
            let most = count(case.rules.max_failed.unwrap_or_default());
            let is_told =
                matches!(**source, Error::TooManyFailed { failed, .. } if failed == most + 1);
            is_told && report.failed.len() as u64 <= most && !report.complete
        }
        _ => false,
    });
    check(is_told, || format!("{error}"))?;
    let is_last = matches!(stops, [Stop::Failed { is_planned: false }]);
    let may_be_written = is_last && !case.atomic;
    check(nothing || may_be_written, || {
        format!("{error}\nsomething was written")
    })
}

/// Whether the report and what was told of each record are what the rules give.
fn finished(
    expected: &Expected,
    case: &Case,
    report: &Report<Ruled>,
    mut told: BTreeMap<u64, oracle::Outcome>,
) -> Result<(), String> {
    for failure in &report.failed {
        let why = match &failure.error {
            Error::NoUsableKey { .. } => Cause::NoUsableKey,
            Error::IdentityConflict { .. } => Cause::Identity,
            Error::Conflict { .. } => Cause::Conflict,
            Error::KeyAltered { .. } => Cause::KeyAltered,
            Error::Deleted { .. } => Cause::Deleted,
            other => return Err(format!("{other}")),
        };
        let before = told.insert(failure.index, oracle::Outcome::Failed(why));
        check(before.is_none(), || format!("{} told twice", failure.index))?;
    }
    // Who has no row in the end is not told; and where nobody looks only failures are.
    let mut is_told = BTreeMap::new();
    for (index, &outcome) in (0_u64..).zip(&expected.outcomes) {
        let has_row = match outcome {
            oracle::Outcome::Superseded => false,
            oracle::Outcome::Skipped => case.rules.only == Some(Only::Create),
            _ => true,
        };
        if matches!(outcome, oracle::Outcome::Failed(_)) || (case.looks && has_row) {
            is_told.insert(index, outcome);
        }
    }
    check(told == is_told, || format!("{told:?}\n{report}"))?;
    let count = |outcome| {
        let outcomes = expected.outcomes.iter();
        outcomes.filter(|&told| *told == outcome).count() as u64
    };
    let counts = [
        (report.created, oracle::Outcome::Created),
        (report.updated, oracle::Outcome::Updated),
        (report.unchanged, oracle::Outcome::Unchanged),
        (report.protected, oracle::Outcome::Protected),
        (report.stale, oracle::Outcome::Stale),
        (report.skipped, oracle::Outcome::Skipped),
        (report.superseded, oracle::Outcome::Superseded),
    ];
    let is_right = counts
        .iter()
        .all(|(told, outcome)| *told == count(*outcome));
    check(is_right && report.complete, || format!("{report}"))?;
    let sum: u64 = counts.iter().map(|(told, _)| told).sum();
    let all = case.records.len() as u64;
    check(
        sum + report.failed.len() as u64 == all && report.records == all,
        || format!("counts do not add up: {report}"),
    )?;
    check(report.changed == expected.changed, || {
        format!("changed {:?}", report.changed)
    })?;
    let (missing, deleted) = (expected.missing as u64, expected.deleted as u64);
    check(
        (report.missing, report.deleted) == (missing, deleted),
        || format!("{report}"),
    )
}

/// Whether the rows are the expected ones; `last` is the id of the last that was there before.
fn are_stored(expected: &[Row], stored: Vec<Row>, last: i64) -> Result<(), String> {
    let (mut rows, mut created): (Vec<Row>, Vec<Row>) =
        stored.into_iter().partition(|row| row.id <= last);
    for row in &mut created {
        row.id = 0;
    }
    created.sort();
    rows.extend(created);
    check(rows == expected, || format!("{rows:?}"))
}

async fn import(
    db: &Db,
    case: &Case,
    told: &mut BTreeMap<u64, oracle::Outcome>,
) -> Result<Report<Ruled>, Error> {
    let rules = &case.rules;
    let records: Vec<Record> = case.records.clone();
    let mut import = Ruled::import(records)
        .chunk_size(case.chunk_size)
        .atomic(case.atomic)
        .on_deleted(rules.on_deleted);
    if case.looks {
        import = import.each(|index, _, outcome| {
            let outcome = match outcome {
                Outcome::Created => oracle::Outcome::Created,
                Outcome::Updated { .. } => oracle::Outcome::Updated,
                Outcome::Unchanged { .. } => oracle::Outcome::Unchanged,
                Outcome::Protected { .. } => oracle::Outcome::Protected,
                Outcome::Stale { .. } => oracle::Outcome::Stale,
                Outcome::Skipped { .. } => oracle::Outcome::Skipped,
                other => panic!("{other:?}"),
            };
            assert!(told.insert(index, outcome).is_none(), "told twice");
        });
    }
    if case.never {
        import = import.on_takeover(OnTakeover::Never);
    }
    if let Some(share) = case.max_share {
        let missing = if rules.mark {
            Missing::Mark
        } else {
            Missing::Delete
        };
        import = import.missing(missing).max_share(share);
    }
    if let Some(merge) = rules.merge {
        import = import.updating_with(move |row, new| RuledChanges::merged(merge, row, new));
    }
    if rules.protect {
        import = import.protect(|row| row.locked);
    }
    if let Some(only) = rules.only {
        import = import.only(only);
    }
    if let Some(share) = rules.max_changed_share {
        import = import.max_changed_share(share);
    }
    if let Some(records) = rules.max_failed {
        import = import.max_failed(records as u64);
    }
    import.run(&db.pool).await
}
