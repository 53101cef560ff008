//! Keys that are sent in other bytes than those in which they are stored, or in which another record has them.

use std::fmt::Debug;
use std::ops::Bound;

use sqlx::postgres::PgPoolOptions;
use sqlx::postgres::types::{PgInterval, PgMoney, PgRange};
use sqlx::types::{Decimal, Json};
use sqlx::{MySql, Pool, Postgres};
use upsert_runtime::{Backend, Error, Key, LockedUpsert, Missing, Outcome, Stored};
use upsert_tests::Target;

use super::super::log::logged;
use crate::{Db, Sqlx};

tests![
    numbers on ["postgres", "mysql"],
    numbers_with_zeros_in_front on ["mysql"],
    two_zeros,
    two_zeros_of_single_precision on ["postgres", "mysql"],
    numbers_of_a_domain on ["postgres"],
    texts_with_spaces_at_the_end on ["postgres"],
    texts_without_case on ["postgres"],
    a_collation_that_is_not_deterministic on ["postgres"],
    ranges on ["postgres"],
    ranges_of_numbers on ["postgres"],
    intervals on ["postgres"],
    documents on ["postgres"],
    addresses on ["mysql"],
    uuids_as_texts on ["mysql"],
    a_number_that_is_rounded on ["postgres", "mysql"],
    a_key_of_which_there_is_no_hash on ["postgres"],
    a_missing_row_that_is_spelled_in_another_way on ["postgres", "mysql"],
    no_statement_more_for_keys_whose_bytes_tell on ["postgres"],
];

/// A model of a table with one key of this type.
macro_rules! keyed {
    ($model:ident, $new:ident, $key:ty) => {
        #[derive(Debug, Clone, PartialEq, LockedUpsert)]
        #[upsert(table = "keyed")]
        #[lookup(code)]
        struct $model {
            id: i64,
            code: $key,
        }

        impl From<$key> for $new {
            fn from(code: $key) -> Self {
                Self { code }
            }
        }
    };
}

async fn with_column(db: &Db, column: &str) {
    db.run(&format!(
        "CREATE TABLE keyed (id {{id}}, code {column} NOT NULL UNIQUE)"
    ))
    .await;
}

/// Two spellings of one key, and another key, are the same rows for imports of every kind, as they are for an upsert.
async fn are_one<M, K, DB>(db: &Db, pool: &Pool<DB>, [one, other]: [K; 2], stranger: K)
where
    DB: Backend,
    M: Stored<DB> + LockedUpsert<New: From<K>>,
    K: Clone + Debug + Send + Sync,
{
    let ids = "SELECT id FROM keyed ORDER BY id";
    let new = |key: &K| M::New::from(key.clone());
    for chunk_size in [1, 10] {
        for atomic in [false, true] {
            db.run("DELETE FROM keyed").await;
            let import = |keys: &[&K]| {
                let records: Vec<M::New> = keys.iter().map(|key| new(key)).collect();
                let import = M::import(records).chunk_size(chunk_size);
                let import = import.atomic(atomic).run(pool);
                async move {
                    let report = import.await.unwrap_or_else(|error| panic!("{error}"));
                    assert!(report.failed.is_empty(), "{report}");
                    (
                        report.created,
                        report.updated + report.unchanged,
                        report.superseded,
                    )
                }
            };
            assert_eq!(import(&[&other, &stranger, &one]).await, (2, 0, 1));
            let before = db.texts(ids).await;
            assert_eq!(before.len(), 2);
            assert_eq!(import(&[&one, &stranger]).await, (0, 2, 0), "{one:?}");
            assert_eq!(import(&[&stranger, &other]).await, (0, 2, 0), "{other:?}");
            assert_eq!(import(&[&one, &stranger, &other]).await, (0, 2, 1));
            for key in [&one, &other, &stranger] {
                let done = M::upsert(new(key)).run(pool).await.expect("an upsert");
                let upserted = done.outcome;
                assert!(upserted != Outcome::Created, "{key:?}");
                // The import comes to the same end: where the upsert had to write, the key has another spelling than before.
                let again = M::upsert(new(key)).run(pool).await.expect("an upsert");
                let report = M::import([new(key)]).run(pool).await.expect("an import");
                assert_eq!(
                    again.outcome == Outcome::Unchanged { matched_by: "code" },
                    report.unchanged == 1
                );
            }
            assert_eq!(db.texts(ids).await, before);
        }
    }
}

/// The second import of what is stored in the spelling in which it is given, or in one that the field calls equal.
async fn is_unchanged<M, K, DB>(db: &Db, pool: &Pool<DB>, keys: &[K])
where
    DB: Backend,
    M: Stored<DB> + LockedUpsert<New: From<K>>,
    K: Clone + Send + Sync,
{
    db.run("DELETE FROM keyed").await;
    let import = || {
        let records: Vec<M::New> = keys.iter().cloned().map(M::New::from).collect();
        M::import(records).run(pool)
    };
    let first = import().await.expect("an import");
    assert_eq!(first.created, keys.len() as u64);
    let second = import().await.expect("an import");
    assert_eq!(second.unchanged, keys.len() as u64, "{second}");
}

/// A pool of a database that is PostgreSQL, for types that only that has.
async fn postgres(db: &Db) -> Pool<Postgres> {
    let pool = PgPoolOptions::new().max_connections(2);
    pool.connect(&db.url()).await.expect("a pool")
}

async fn mysql(db: &Db) -> Pool<MySql> {
    let pool = sqlx::mysql::MySqlPoolOptions::new().max_connections(2);
    pool.connect(&db.url()).await.expect("a pool")
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a number")
}
keyed!(Number, NewNumber, Decimal);

/// Numbers in the column that the table has.
async fn check_numbers<DB: Backend>(db: &Db, pool: &Pool<DB>)
where
    Number: Stored<DB>,
{
    for [one, other] in [
        ["12.5", "12.50"],
        ["3.0", "3.00"],
        ["-7", "-7.0"],
        ["0", "0.00"],
        ["100", "100.0"],
    ] {
        // A hash does not know the sign.
        let stranger = -decimal(one) + Decimal::from(u8::from(one == "0"));
        let same = [decimal(one), decimal(other)];
        are_one::<Number, _, _>(db, pool, same, stranger).await;
        is_unchanged::<Number, _, _>(db, pool, &[same[0], stranger]).await;
    }
}

async fn numbers(db: Db) {
    with_column(&db, "numeric(10, 2)").await;
    match Sqlx::TARGET {
        "postgres" => check_numbers(&db, &postgres(&db).await).await,
        _ => check_numbers(&db, &mysql(&db).await).await,
    }
}

async fn numbers_with_zeros_in_front(db: Db) {
    with_column(&db, "decimal(10, 2) zerofill").await;
    let pool = mysql(&db).await;
    for [one, other, stranger] in [["1.5", "1.50", "15"], ["0", "0.00", "0.5"]] {
        let same = [decimal(one), decimal(other)];
        are_one::<Number, _, _>(&db, &pool, same, decimal(stranger)).await;
    }
}

async fn numbers_of_a_domain(db: Db) {
    db.run("CREATE DOMAIN price AS numeric; CREATE DOMAIN good_price AS price")
        .await;
    with_column(&db, "good_price").await;
    check_numbers(&db, &postgres(&db).await).await;
}

keyed!(Double, NewDouble, f64);

async fn two_zeros(db: Db) {
    let column = if Sqlx::TARGET == "sqlite" {
        "real"
    } else {
        "double precision"
    };
    with_column(&db, column).await;
    are_one::<Double, _, _>(&db, &db.pool, [0.0, -0.0], 1.5).await;
    are_one::<Double, _, _>(&db, &db.pool, [-0.0, 0.0], -1.5).await;
    is_unchanged::<Double, _, _>(&db, &db.pool, &[0.0, 0.1, -0.1, 1e-300]).await;
    is_unchanged::<Double, _, _>(&db, &db.pool, &[-0.0, 1e300]).await;
}

keyed!(Single, NewSingle, f32);

async fn two_zeros_of_single_precision(db: Db) {
    with_column(
        &db,
        if Sqlx::TARGET == "mysql" {
            "float"
        } else {
            "real"
        },
    )
    .await;
    are_one::<Single, _, _>(&db, &db.pool, [0.0, -0.0], 0.1).await;
}

/// Texts of a type of PostgreSQL's.
macro_rules! text {
    ($text:ident, $name:literal) => {
        #[derive(Debug, Clone, PartialEq, sqlx::Type)]
        #[sqlx(type_name = $name)]
        struct $text(String);

        impl Key for $text {
            fn is_blank(&self) -> bool {
                self.0.is_blank()
            }
        }
    };
}

text!(Padded, "bpchar");
keyed!(ByPadded, NewByPadded, Padded);
keyed!(ByText, NewByText, String);

async fn texts_with_spaces_at_the_end(db: Db) {
    with_column(&db, "char(5)").await;
    let pool = postgres(&db).await;
    let padded = |text: &str| Padded(text.to_owned());
    let same = [padded("a1"), padded("a1   ")];
    are_one::<ByPadded, _, _>(&db, &pool, same, padded("a2")).await;
    is_unchanged::<ByPadded, _, _>(&db, &pool, &[padded("a1   "), padded("b    ")]).await;
    // A text is another type, in which spaces count; those of the column do not.
    let text = |text: &str| text.to_owned();
    are_one::<ByText, _, _>(&db, &pool, [text("a1"), text("a1")], text("b2")).await;
}

text!(CaseInsensitive, "citext");
keyed!(ByCaseInsensitive, NewByCaseInsensitive, CaseInsensitive);

async fn texts_without_case(db: Db) {
    db.run("CREATE EXTENSION citext").await;
    with_column(&db, "citext").await;
    let pool = postgres(&db).await;
    let text = |text: &str| CaseInsensitive(text.to_owned());
    let same = [text("Rock"), text("ROCK")];
    are_one::<ByCaseInsensitive, _, _>(&db, &pool, same, text("Rocks")).await;
    is_unchanged::<ByCaseInsensitive, _, _>(&db, &pool, &[text("Rock"), text("jazz")]).await;
}

async fn a_collation_that_is_not_deterministic(db: Db) {
    db.run("CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        .await;
    with_column(&db, "text COLLATE ignoring_case").await;
    let pool = postgres(&db).await;
    let text = |text: &str| text.to_owned();
    let same = [text("Café"), text("CAFE\u{301}")];
    are_one::<ByText, _, _>(&db, &pool, same, text("cafe")).await;
    is_unchanged::<ByText, _, _>(&db, &pool, &[text("Rock"), text("jazz")]).await;
}

/// A key that has no blank value.
macro_rules! never_blank {
    ($key:ident, $inner:ty) => {
        #[derive(Debug, Clone, PartialEq, sqlx::Type)]
        #[sqlx(transparent, no_pg_array)]
        struct $key($inner);

        impl Key for $key {
            fn is_blank(&self) -> bool {
                false
            }
        }
    };
}

never_blank!(Span, PgRange<i32>);
keyed!(BySpan, NewBySpan, Span);

async fn ranges(db: Db) {
    with_column(&db, "int4range").await;
    let pool = postgres(&db).await;
    let span = |start, end| Span(PgRange { start, end });
    let same = [
        span(Bound::Included(1), Bound::Included(5)),
        span(Bound::Included(1), Bound::Excluded(6)),
    ];
    let stranger = span(Bound::Included(1), Bound::Excluded(5));
    are_one::<BySpan, _, _>(&db, &pool, same.clone(), stranger.clone()).await;
    is_unchanged::<BySpan, _, _>(&db, &pool, &[same[1].clone(), stranger]).await;
}

never_blank!(Scope, PgRange<Decimal>);
keyed!(ByScope, NewByScope, Scope);

async fn ranges_of_numbers(db: Db) {
    with_column(&db, "numrange").await;
    let pool = postgres(&db).await;
    let scope = |start: &str, end: &str| {
        Scope(PgRange {
            start: Bound::Included(decimal(start)),
            end: Bound::Excluded(decimal(end)),
        })
    };
    let same = [scope("-1", "2.0"), scope("-1.0", "2")];
    // Two that have the hash in common with them.
    are_one::<ByScope, _, _>(&db, &pool, same.clone(), scope("1", "2")).await;
    is_unchanged::<ByScope, _, _>(
        &db,
        &pool,
        &[scope("1", "2"), scope("-1", "2"), scope("-2", "-1")],
    )
    .await;
}

never_blank!(Lapse, PgInterval);
keyed!(ByLapse, NewByLapse, Lapse);

async fn intervals(db: Db) {
    with_column(&db, "interval").await;
    let pool = postgres(&db).await;
    let lapse = |months, days, hours: i64| {
        let microseconds = hours * 3_600_000_000;
        Lapse(PgInterval {
            months,
            days,
            microseconds,
        })
    };
    are_one::<ByLapse, _, _>(
        &db,
        &pool,
        [lapse(0, 1, 0), lapse(0, 0, 24)],
        lapse(0, 2, 0),
    )
    .await;
    are_one::<ByLapse, _, _>(
        &db,
        &pool,
        [lapse(1, 0, 0), lapse(0, 30, 0)],
        lapse(0, 31, 0),
    )
    .await;
    is_unchanged::<ByLapse, _, _>(&db, &pool, &[lapse(0, 1, 0), lapse(0, 0, 25)]).await;
}

never_blank!(Document, Json<serde_json::Value>);
keyed!(ByDocument, NewByDocument, Document);

async fn documents(db: Db) {
    with_column(&db, "jsonb").await;
    let pool = postgres(&db).await;
    let document = |text: &str| Document(Json(serde_json::from_str(text).expect("JSON")));
    let same = [document(r#"{"a": 1}"#), document(r#"{"a": 1.0}"#)];
    are_one::<ByDocument, _, _>(&db, &pool, same, document(r#"{"a": -1}"#)).await;
}

async fn addresses(db: Db) {
    with_column(&db, "inet6").await;
    let pool = mysql(&db).await;
    let text = |text: &str| text.to_owned();
    let same = [text("fe80::1"), text("FE80:0:0::1")];
    are_one::<ByText, _, _>(&db, &pool, same, text("fe80::2")).await;
    is_unchanged::<ByText, _, _>(&db, &pool, &[text("fe80::1"), text("::1")]).await;
}

async fn uuids_as_texts(db: Db) {
    with_column(&db, "uuid").await;
    let pool = mysql(&db).await;
    let text = |text: &str| text.to_owned();
    let same = [
        text("6ccd780c-baba-1026-9564-5b8c656024db"),
        text("6CCD780CBABA102695645B8C656024DB"),
    ];
    let stranger = text("6ccd780c-baba-1026-9564-5b8c656024dc");
    are_one::<ByText, _, _>(&db, &pool, same, stranger).await;
}

async fn a_number_that_is_rounded(db: Db) {
    with_column(&db, "numeric(10, 2)").await;
    match Sqlx::TARGET {
        "postgres" => check_rounded(&db, &postgres(&db).await).await,
        _ => check_rounded(&db, &mysql(&db).await).await,
    }
}

/// What the column would make of a number says nothing of what it is equal to.
async fn check_rounded<DB: Backend>(db: &Db, pool: &Pool<DB>)
where
    Number: Stored<DB>,
{
    for _ in 0..2 {
        let upsert = Number::upsert(NewNumber::from(decimal("5.555")));
        let error = upsert.run(pool).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Number`: create: the key that the database stored in `code` is not the one given: a trigger alters it, or the column rounds it or cuts it off; give it as it is stored"
        );
        assert_eq!(db.number("SELECT count(*) FROM keyed").await, 0);
    }
    for (created, unchanged) in [(2, 0), (0, 2)] {
        let keys = ["5.56", "5.555", "7"].map(|key| NewNumber::from(decimal(key)));
        let report = Number::import(keys).run(pool).await.expect("an import");
        let failed: Vec<u64> = report.failed.iter().map(|failure| failure.index).collect();
        assert_eq!(
            (report.created, report.unchanged, failed),
            (created, unchanged, vec![1]),
            "{report}"
        );
    }
}

never_blank!(Sums, Vec<PgMoney>);
keyed!(BySums, NewBySums, Sums);

/// It is said before anything is written.
async fn a_key_of_which_there_is_no_hash(db: Db) {
    with_column(&db, "money[]").await;
    let pool = postgres(&db).await;
    for dry_run in [false, true] {
        let import = BySums::import([Sums(vec![PgMoney(1)])]).dry_run(dry_run);
        let error = import.run(&pool).await.unwrap_err();
        let Error::Stopped { source, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(
            source.to_string(),
            "`BySums`: PostgreSQL does not support an import by a key for whose type it has no hash function"
        );
    }
    assert_eq!(db.number("SELECT count(*) FROM keyed").await, 0);
}

/// The row is not missing, and one that is missing is deleted.
async fn a_missing_row_that_is_spelled_in_another_way(db: Db) {
    with_column(&db, "numeric(10, 4)").await;
    db.run("INSERT INTO keyed (code) VALUES (1.5), (-1.5), (2)")
        .await;
    match Sqlx::TARGET {
        "postgres" => check_missing(&db, &postgres(&db).await).await,
        _ => check_missing(&db, &mysql(&db).await).await,
    }
}

async fn check_missing<DB: Backend>(db: &Db, pool: &Pool<DB>)
where
    Number: Stored<DB>,
{
    let keys = ["1.50", "2.0"].map(|key| NewNumber::from(decimal(key)));
    let import = Number::import(keys).missing(Missing::Delete).max_share(1.0);
    let report = import.run(pool).await.expect("an import");
    assert_eq!((report.unchanged, report.deleted), (2, 1), "{report}");
    let left = "SELECT count(*) FROM keyed WHERE code > 0";
    assert_eq!(db.number(left).await, 2);
}

keyed!(ByNumber, NewByNumber, i64);

async fn no_statement_more_for_keys_whose_bytes_tell(db: Db) {
    with_column(&db, "bigint").await;
    let records: Vec<NewByNumber> = (0..10).map(NewByNumber::from).collect();
    let (report, log) = logged(ByNumber::import(records).run(&db.pool)).await;
    assert_eq!(report.expect("an import").created, 10);
    assert!(!log.contains("hash_array_extended"), "{log}");
}
