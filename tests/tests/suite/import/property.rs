//! Whatever the records, the rows, the options and the chunks: an import does what the rules say.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use upsert_runtime::{Error, Missing, OnTakeover, Outcome, Stored};
use upsert_tests::Target;

use super::oracle::{self, Cause, Record, Row};
use super::things::{THING, Thing, Unclaimed, record, store, stored};
use crate::{Db, Sqlx};

tests![
    an_import_does_what_the_rules_say,
    an_import_does_what_the_rules_say_under_a_case_insensitive_collation on ["mysql", "sqlite"],
];

/// An import to be tried.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
struct Case {
    rows: Vec<Record>,
    records: Vec<Record>,
    chunk_size: usize,
    atomic: bool,
    /// Whether each row that is stored is told. What nobody wants to see is not read again.
    looks: bool,
    never: bool,
    unclaimed: bool,
    max_share: Option<f64>,
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
        any::<(bool, bool, bool, bool)>(),
        max_share,
    )
        .prop_map(
            |(rows, records, chunk_size, (atomic, looks, never, unclaimed), max_share)| Case {
                rows,
                records,
                chunk_size,
                atomic,
                looks,
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
    if Sqlx::TARGET == "sqlite" {
        db.run(&THING.replace("{text}", "text COLLATE NOCASE"))
            .await;
        try_cases(&db, str::to_ascii_lowercase);
    } else {
        let folding = "varchar(190) character set utf8mb4 collate utf8mb4_general_ci";
        db.run(&THING.replace("{text}", folding)).await;
        try_cases(&db.locally().await, |key| {
            key.trim_end_matches(' ').to_lowercase()
        });
    }
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
    let rows = store(db, &case.rows, fold).await;
    let options = oracle::Options {
        fold,
        never: case.never,
        unclaimed: vec![false, case.unclaimed, false],
        delete_missing: case.max_share,
        rules: oracle::Rules::default(),
    };
    let expected = oracle::expected(&rows, &case.records, &options);
    let done = if case.unclaimed {
        import::<Unclaimed>(db, case).await
    } else {
        import::<Thing>(db, case).await
    };
    let stored = stored(db).await;
    let Ok(expected) = expected else {
        let error = done.err();
        check(matches!(error, Some(Error::Refused { .. })), || {
            format!("{error:?}")
        })?;
        return check(stored == rows, || "something was written".to_owned());
    };
    let done = done.map_err(|error| TestCaseError::fail(format!("{error}")))?;
    let (outcomes, told) = (done.outcomes, &expected.outcomes);
    let is_right = if case.looks {
        outcomes == *told
    } else {
        let mut known = outcomes.iter().zip(told);
        let is_failed = |outcome: &oracle::Outcome| matches!(outcome, oracle::Outcome::Failed(_));
        known.all(|(one, other)| one == other || !(is_failed(one) || is_failed(other)))
    };
    check(is_right, || format!("{outcomes:?}\nexpected {told:?}"))?;
    let count = |outcome| told.iter().filter(|&told| *told == outcome).count() as u64;
    let counts = [
        count(oracle::Outcome::Created),
        count(oracle::Outcome::Updated),
        count(oracle::Outcome::Unchanged),
    ];
    check(done.counts == counts, || {
        format!("{:?}, expected {told:?}", done.counts)
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
    created.sort();
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

struct Done {
    /// What was told of each record, where somebody looked; else what failed.
    outcomes: Vec<oracle::Outcome>,
    /// How many were created, updated and unchanged.
    counts: [u64; 3],
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
        .atomic(case.atomic);
    if case.looks {
        import = import.each(|index, _, outcome| {
            let outcome = match outcome {
                Outcome::Created => oracle::Outcome::Created,
                Outcome::Updated { .. } => oracle::Outcome::Updated,
                Outcome::Unchanged { .. } => oracle::Outcome::Unchanged,
                other => panic!("{other:?}"),
            };
            assert!(outcomes.insert(index, outcome).is_none(), "told twice");
        });
    }
    if case.never {
        import = import.on_takeover(OnTakeover::Never);
    }
    if let Some(share) = case.max_share {
        import = import.missing(Missing::Delete).max_share(share);
    }
    let report = import.run(&db.pool).await?;
    for failure in &report.failed {
        let why = match &failure.error {
            Error::NoUsableKey { .. } => Cause::NoUsableKey,
            Error::IdentityConflict { .. } => Cause::Identity,
            Error::Conflict { .. } => Cause::Conflict,
            other => panic!("{other}"),
        };
        let outcome = oracle::Outcome::Failed(why);
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
        counts: [report.created, report.updated, report.unchanged],
        missing: report.missing,
        deleted: report.deleted,
    })
}
