//! Rows that exchange a unique key: a passing value of the column's type, which what refers to the key follows.

use sqlx::mysql::MySqlPool;
use sqlx::postgres::PgPool;
use sqlx::postgres::types::{PgInterval, PgMoney, PgRange};
use sqlx::types::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;
use sqlx::types::mac_address::MacAddress;
use sqlx::types::{BitVec, Decimal, Uuid};
use upsert_runtime::{Key, LockedUpsert, Report};
use upsert_tests::Target;

use crate::{Db, Sqlx};

tests![
    what_refers_to_a_key_follows_it,
    a_null_that_may_be_there_once on ["postgres"],
    short_texts,
    numbers,
    small_numbers on ["postgres", "mysql"],
    dates_and_times,
    moments,
    uuids_and_bytes,
    decimals on ["postgres", "mysql"],
    addresses_and_intervals on ["postgres"],
    bits on ["postgres", "mysql"],
    hardware_addresses on ["postgres"],
    money on ["postgres"],
    ranges on ["postgres"],
    texts_in_other_types on ["mysql"],
    texts_that_only_look_so on ["postgres"],
    a_domain on ["postgres"],
    a_check_that_lets_a_made_up_value_in,
    a_check_that_lets_null_alone_in,
    a_check_that_lets_no_other_value_in,
    an_enum_that_is_referred_to on ["postgres"],
    texts_of_a_list on ["mysql"],
    a_key_that_is_almost_used_up,
    a_key_that_is_used_up,
    places_in_lists,
];

/// A model whose rows have a name and a code, both unique. Two of its rows exchange their codes.
macro_rules! item {
    ($item:ident, $code:ty) => {
        mod $item {
            #[allow(unused_imports)]
            use super::*;

            #[derive(Debug, Clone, PartialEq, LockedUpsert)]
            #[upsert(table = "item")]
            #[lookup(name, code)]
            pub(super) struct Item {
                pub(super) id: i64,
                pub(super) name: String,
                pub(super) code: $code,
            }

            /// Makes the rows a and b, each with something that refers to it.
            pub(super) async fn make<DB>(db: &Db, pool: &sqlx::Pool<DB>, codes: [&$code; 2])
            where
                DB: upsert_runtime::Backend,
                Item: upsert_runtime::Stored<DB>,
            {
                let report = import(pool, codes).await;
                assert_eq!(report.created, 2, "{report} {:?}", report.failed);
                db.run("INSERT INTO child (parent, code) SELECT name, code FROM item")
                    .await;
            }

            pub(super) async fn import<DB>(
                pool: &sqlx::Pool<DB>,
                codes: [&$code; 2],
            ) -> Report<Item>
            where
                DB: upsert_runtime::Backend,
                Item: upsert_runtime::Stored<DB>,
            {
                let record = |(name, code): (&str, &$code)| NewItem {
                    name: name.to_owned(),
                    code: code.clone(),
                };
                let records: Vec<_> = ["a", "b"].into_iter().zip(codes).map(record).collect();
                Item::import(records).run(pool).await.expect("an import")
            }

            /// Two rows exchange these codes, and are followed.
            #[allow(dead_code)]
            pub(super) async fn exchange<DB>(
                db: &Db,
                pool: &sqlx::Pool<DB>,
                column: &str,
                codes: [$code; 2],
            ) where
                DB: upsert_runtime::Backend,
                Item: upsert_runtime::Stored<DB>,
            {
                tables(db, column).await;
                let [one, two] = codes.each_ref();
                make(db, pool, [one, two]).await;
                let report = import(pool, [two, one]).await;
                let (updated, failed) = (report.updated, &report.failed);
                assert_eq!(
                    (updated, failed.len()),
                    (2, 0),
                    "{column}: {report} {failed:?}"
                );
                let report = import(pool, [two, one]).await;
                assert_eq!(
                    report.unchanged, 2,
                    "{column}: {report} {:?}",
                    report.failed
                );
                all_follow(db, column).await;
            }
        }
    };
}

/// The table, whose code is this column, and another one that refers to it.
async fn tables(db: &Db, column: &str) {
    db.run("DROP TABLE IF EXISTS child; DROP TABLE IF EXISTS item")
        .await;
    let code = column.replace(" NOT NULL", "");
    let code = code.split(" CHECK").next().unwrap_or_default();
    let null = if column.contains("NOT NULL") {
        "NOT NULL"
    } else {
        ""
    };
    db.run(&format!(
        "CREATE TABLE item (id {{id}}, name {{text}} NOT NULL UNIQUE, code {column}, UNIQUE (code))"
    ))
    .await;
    db.run(&format!(
        "CREATE TABLE child (id {{id}}, parent {{text}} NOT NULL, code {code} {null}, \
         FOREIGN KEY (code) REFERENCES item (code) ON UPDATE CASCADE)"
    ))
    .await;
}

async fn all_follow(db: &Db, column: &str) {
    let follow = "SELECT count(*) FROM child JOIN item ON item.name = child.parent AND item.code = child.code";
    assert_eq!(db.number(follow).await, 2, "{column}");
}

/// What the databases call a type: PostgreSQL, MySQL, SQLite.
fn spelled(names: [&'static str; 3]) -> &'static str {
    match Sqlx::TARGET {
        "postgres" => names[0],
        "mysql" => names[1],
        _ => names[2],
    }
}

item!(optional, Option<String>);
item!(text, String);

async fn what_refers_to_a_key_follows_it(db: Db) {
    let some = |code: &str| Some(code.to_owned());
    optional::exchange(&db, &db.pool, "{text}", [some("rock"), some("soul")]).await;
    text::exchange(
        &db,
        &db.pool,
        "{text} NOT NULL",
        ["rock".into(), "soul".into()],
    )
    .await;
    // The field may be NULL, the column may not.
    optional::exchange(
        &db,
        &db.pool,
        "{text} NOT NULL",
        [some("rock"), some("soul")],
    )
    .await;
}

async fn a_null_that_may_be_there_once(db: Db) {
    db.run(
        "CREATE TABLE item (id {id}, name {text} NOT NULL UNIQUE, code {text} UNIQUE NULLS NOT DISTINCT); \
         INSERT INTO item (name, code) VALUES ('c', NULL)",
    )
    .await;
    let codes = ["rock", "soul"].map(|code| Some(code.to_owned()));
    optional::import(&db.pool, codes.each_ref()).await;
    let report = optional::import(&db.pool, [&codes[1], &codes[0]]).await;
    assert_eq!((report.updated, report.failed.len()), (2, 0), "{report}");
}

async fn short_texts(db: Db) {
    let pair = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
    text::exchange(&db, &db.pool, "varchar(10) NOT NULL", pair("rock", "soul")).await;
    text::exchange(&db, &db.pool, "varchar(1) NOT NULL", pair("r", "s")).await;
    text::exchange(&db, &db.pool, "char(3) NOT NULL", pair("usd", "eur")).await;
    text::exchange(&db, &db.pool, "varchar(26) NOT NULL", pair("usd", "eur")).await;
}

item!(long, i64);
item!(double, f64);
item!(single, f32);

async fn numbers(db: Db) {
    long::exchange(&db, &db.pool, "bigint NOT NULL", [1, 2]).await;
    long::exchange(&db, &db.pool, "bigint NOT NULL", [i64::MIN, i64::MAX]).await;
    double::exchange(
        &db,
        &db.pool,
        spelled(["float8 NOT NULL", "double NOT NULL", "real NOT NULL"]),
        [1.5, 2.5],
    )
    .await;
    if Sqlx::TARGET != "sqlite" {
        single::exchange(
            &db,
            &db.pool,
            spelled(["float4 NOT NULL", "float NOT NULL", ""]),
            [1.5, 2.5],
        )
        .await;
    }
}

item!(small, i16);

async fn small_numbers(db: Db) {
    small::exchange(&db, &db.pool, "smallint NOT NULL", [1, 2]).await;
    small::exchange(&db, &db.pool, "smallint NOT NULL CHECK (code > 0)", [1, 2]).await;
    if Sqlx::TARGET == "mysql" {
        item!(tiny, u8);
        let pool = MySqlPool::connect(&db.url()).await.expect("a pool");
        tiny::exchange(&db, &pool, "tinyint unsigned NOT NULL", [1, 255]).await;
        item!(year, u16);
        year::exchange(&db, &pool, "year NOT NULL", [1970, 2026]).await;
        pool.close().await;
    }
}

item!(date, NaiveDate);
item!(time, NaiveTime);

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 5, day).expect("a date")
}

async fn dates_and_times(db: Db) {
    date::exchange(&db, &db.pool, "date NOT NULL", [day(1), day(2)]).await;
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("a time");
    time::exchange(&db, &db.pool, "time NOT NULL", [time(0), time(1)]).await;
}

item!(moment, DateTime<Utc>);
item!(naive, NaiveDateTime);

async fn moments(db: Db) {
    let moment = |date| day(date).and_hms_opt(12, 30, 0).expect("a time");
    let utc = |date| moment(date).and_utc();
    for column in spelled([
        "timestamptz NOT NULL/timestamptz(0) NOT NULL",
        "timestamp(6) NOT NULL/timestamp NOT NULL",
        "text NOT NULL/timestamp NOT NULL",
    ])
    .split('/')
    {
        moment::exchange(&db, &db.pool, column, [utc(1), utc(2)]).await;
    }
    let column = spelled([
        "timestamp(0) NOT NULL",
        "datetime NOT NULL",
        "datetime NOT NULL",
    ]);
    naive::exchange(&db, &db.pool, column, [moment(1), moment(2)]).await;
}

item!(uuid, Uuid);
item!(bytes, Vec<u8>);

async fn uuids_and_bytes(db: Db) {
    let uuids = [Uuid::from_u128(1), Uuid::from_u128(2)];
    uuid::exchange(
        &db,
        &db.pool,
        spelled(["uuid NOT NULL", "binary(16) NOT NULL", "blob NOT NULL"]),
        uuids,
    )
    .await;
    let column = spelled(["bytea NOT NULL", "varbinary(3) NOT NULL", "blob NOT NULL"]);
    bytes::exchange(&db, &db.pool, column, [vec![0, 255], vec![1]]).await;
}

item!(decimal, Decimal);

async fn decimals(db: Db) {
    let codes = [Decimal::new(1250, 2), Decimal::new(-300, 2)];
    for column in ["decimal(5, 2) NOT NULL", "decimal(28, 2) NOT NULL"] {
        if Sqlx::TARGET == "postgres" {
            let pool = PgPool::connect(&db.url()).await.expect("a pool");
            decimal::exchange(&db, &pool, column, codes).await;
            pool.close().await;
        } else {
            let pool = MySqlPool::connect(&db.url()).await.expect("a pool");
            decimal::exchange(&db, &pool, column, codes).await;
            pool.close().await;
        }
    }
}

item!(address, IpNetwork);
item!(span, Own<PgInterval>);

/// A key of a type that the crate knows nothing of.
#[derive(Debug, Clone, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
struct Own<T>(T);

impl<T> Key for Own<T> {
    fn is_blank(&self) -> bool {
        false
    }
}

async fn addresses_and_intervals(db: Db) {
    let pool = PgPool::connect(&db.url()).await.expect("a pool");
    let addresses = ["10.0.0.1", "fe80::1"].map(|text| text.parse().expect("an address"));
    address::exchange(&db, &pool, "inet NOT NULL", addresses).await;
    let spans = [1, 2].map(|days| {
        Own(PgInterval {
            months: 0,
            days,
            microseconds: 0,
        })
    });
    span::exchange(&db, &pool, "interval NOT NULL", spans).await;
    pool.close().await;
}

async fn bits(db: Db) {
    if Sqlx::TARGET == "mysql" {
        item!(number, u64);
        let pool = MySqlPool::connect(&db.url()).await.expect("a pool");
        for column in ["bit(2) NOT NULL", "bit(64) NOT NULL"] {
            number::exchange(&db, &pool, column, [2, 3]).await;
        }
        pool.close().await;
    } else {
        item!(bits, Own<BitVec>);
        let pool = PgPool::connect(&db.url()).await.expect("a pool");
        for (column, bytes) in [
            ("bit(8) NOT NULL", 1),
            ("bit(72) NOT NULL", 9),
            ("bit varying(8) NOT NULL", 1),
            ("bit varying NOT NULL", 9),
        ] {
            let codes = [1, 2].map(|byte| Own(BitVec::from_bytes(&vec![byte; bytes])));
            bits::exchange(&db, &pool, column, codes).await;
        }
        pool.close().await;
    }
}

async fn hardware_addresses(db: Db) {
    item!(mac, Own<MacAddress>);
    let pool = PgPool::connect(&db.url()).await.expect("a pool");
    let codes = [1, 2].map(|byte| Own(MacAddress::new([byte; 6])));
    mac::exchange(&db, &pool, "macaddr NOT NULL", codes).await;
    pool.close().await;
}

async fn money(db: Db) {
    item!(price, Own<PgMoney>);
    let pool = PgPool::connect(&db.url()).await.expect("a pool");
    let codes = [-1_50, 2_99].map(|cents| Own(PgMoney(cents)));
    price::exchange(&db, &pool, "money NOT NULL", codes).await;
    pool.close().await;
}

async fn ranges(db: Db) {
    item!(numbers, Own<PgRange<i32>>);
    item!(long, Own<PgRange<i64>>);
    item!(decimals, Own<PgRange<Decimal>>);
    item!(days, Own<PgRange<NaiveDate>>);
    item!(times, Own<PgRange<NaiveDateTime>>);
    item!(moments, Own<PgRange<DateTime<Utc>>>);
    let pool = PgPool::connect(&db.url()).await.expect("a pool");
    let ranges = [1, 11].map(|n| Own(PgRange::from(n..n + 10)));
    numbers::exchange(&db, &pool, "int4range NOT NULL", ranges).await;
    let ranges = [1, 11].map(|n| Own(PgRange::from(n..n + 10)));
    long::exchange(&db, &pool, "int8range NOT NULL", ranges).await;
    let decimal = |n| Decimal::new(n, 1);
    let ranges = [1, 11].map(|n| Own(PgRange::from(decimal(n)..decimal(n + 10))));
    decimals::exchange(&db, &pool, "numrange NOT NULL", ranges).await;
    let ranges = [1, 11].map(|n| Own(PgRange::from(day(n)..day(n + 10))));
    days::exchange(&db, &pool, "daterange NOT NULL", ranges).await;
    let time = |n| day(n).and_hms_opt(0, 0, 0).expect("a time");
    let ranges = [1, 11].map(|n| Own(PgRange::from(time(n)..time(n + 10))));
    times::exchange(&db, &pool, "tsrange NOT NULL", ranges).await;
    let ranges = [1, 11].map(|n| Own(PgRange::from(time(n).and_utc()..time(n + 10).and_utc())));
    // That no two ranges overlap is a rule that a made-up value must keep as well.
    moments::exchange(&db, &pool, "tstzrange NOT NULL", ranges.clone()).await;
    db.run("ALTER TABLE item ADD EXCLUDE USING gist (code WITH &&)")
        .await;
    let [one, two] = ranges.each_ref();
    let report = moments::import(&pool, [one, two]).await;
    let (updated, failed) = (report.updated, &report.failed);
    assert_eq!((updated, failed.len()), (2, 0), "{report} {failed:?}");
    all_follow(&db, "tstzrange").await;
    pool.close().await;
}

/// The column's type counts, not the field's.
async fn texts_in_other_types(db: Db) {
    let pair = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
    if db.texts("SELECT VERSION()").await[0].contains("MariaDB") {
        let uuids = pair(
            "2d2b0d0c-0000-4000-8000-000000000001",
            "2d2b0d0c-0000-4000-8000-000000000002",
        );
        text::exchange(&db, &db.pool, "uuid NOT NULL", uuids).await;
        text::exchange(&db, &db.pool, "inet6 NOT NULL", pair("fe80::1", "fe80::2")).await;
    }
}

async fn texts_that_only_look_so(db: Db) {
    let pair = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
    text::exchange(&db, &db.pool, "name NOT NULL", pair("rock", "soul")).await;
    db.run("CREATE DOMAIN code AS varchar(4) CHECK (VALUE ~ '^[a-z0-9]+$')")
        .await;
    text::exchange(&db, &db.pool, "code NOT NULL", pair("rock", "soul")).await;
}

async fn a_domain(db: Db) {
    db.run("CREATE DOMAIN month AS integer CHECK (VALUE BETWEEN 1 AND 12)")
        .await;
    tables(&db, "month NOT NULL").await;
    let pool = PgPool::connect(&db.url()).await.expect("a pool");
    item!(month, i32);
    month::make(&db, &pool, [&1, &2]).await;
    let report = month::import(&pool, [&2, &1]).await;
    assert_refused(&report, 0);
    pool.close().await;
    all_follow(&db, "month").await;
}

/// The report of an exchange for which there is no passing value: so many others were updated.
fn assert_refused<M: std::fmt::Debug>(report: &Report<M>, updated: u64) {
    assert_eq!(
        (report.updated, report.failed.len()),
        (updated, 2),
        "{report}"
    );
    let said = report
        .failed
        .iter()
        .map(|failure| failure.error.to_string());
    let said: Vec<String> = said.collect();
    let is_said = |text: &String| {
        text.contains("no passing value")
            && text.contains("type or a constraint")
            && text.contains("`code`")
    };
    assert!(said.iter().any(is_said), "{said:?}");
    assert!(
        report
            .failed
            .iter()
            .all(|failure| failure.error.is_about_record())
    );
}

async fn a_check_that_lets_a_made_up_value_in(db: Db) {
    let pair = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
    text::exchange(
        &db,
        &db.pool,
        "varchar(40) NOT NULL CHECK (length(code) < 39)",
        pair("rock", "soul"),
    )
    .await;
    long::exchange(&db, &db.pool, "bigint NOT NULL CHECK (code > 0)", [1, 2]).await;
}

async fn a_check_that_lets_null_alone_in(db: Db) {
    db.run(
        "CREATE TABLE item (id {id}, name {text} NOT NULL UNIQUE, code {text} UNIQUE CHECK (code IN ('rock', 'soul')))",
    )
    .await;
    let codes = ["rock", "soul"].map(|code| Some(code.to_owned()));
    optional::import(&db.pool, codes.each_ref()).await;
    let report = optional::import(&db.pool, [&codes[1], &codes[0]]).await;
    assert_eq!(
        (report.updated, report.failed.len()),
        (2, 0),
        "{report} {:?}",
        report.failed
    );
}

async fn a_check_that_lets_no_other_value_in(db: Db) {
    tables(
        &db,
        "varchar(40) NOT NULL CHECK (code IN ('rock', 'soul', 'jazz', 'pop'))",
    )
    .await;
    let codes = ["rock", "soul"].map(str::to_owned);
    text::make(&db, &db.pool, codes.each_ref()).await;
    let others = [("c", "jazz"), ("d", "blues")];
    let record = |(name, code): (&str, &str)| text::NewItem {
        name: name.to_owned(),
        code: code.to_owned(),
    };
    // One that is refused as well, and one that is imported.
    let records = [("a", "soul"), ("b", "rock")].into_iter().chain(others);
    let report = text::Item::import(records.map(record).collect::<Vec<_>>())
        .run(&db.pool)
        .await;
    let report = report.expect("an import");
    assert_eq!((report.created, report.failed.len()), (1, 3), "{report}");
    let said: Vec<_> = report
        .failed
        .iter()
        .map(|failure| failure.error.to_string())
        .collect();
    assert!(
        said.iter().any(|text| text.contains("no passing value")),
        "{said:?}"
    );
    all_follow(&db, "a CHECK").await;
    let codes = db.texts("SELECT code FROM item ORDER BY name").await;
    assert_eq!(codes, ["rock", "soul", "jazz"]);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "snake_case")]
enum Mood {
    Calm,
    Wild,
}

async fn an_enum_that_is_referred_to(db: Db) {
    item!(mood, Option<Mood>);
    db.run("CREATE TYPE mood AS ENUM ('calm', 'wild')").await;
    tables(&db, "mood").await;
    let pool = PgPool::connect(&db.url()).await.expect("a pool");
    let codes = [Some(Mood::Calm), Some(Mood::Wild)];
    mood::make(&db, &pool, codes.each_ref()).await;
    let report = mood::import(&pool, [&codes[1], &codes[0]]).await;
    assert_refused(&report, 0);
    all_follow(&db, "mood").await;
    // Where nothing refers to it, it is nothing for a moment.
    db.run("DROP TABLE child").await;
    let report = mood::import(&pool, [&codes[1], &codes[0]]).await;
    assert_eq!((report.updated, report.failed.len()), (2, 0), "{report}");
    pool.close().await;
}

async fn texts_of_a_list(db: Db) {
    tables(&db, "enum('rock', 'soul', 'jazz') NOT NULL").await;
    let codes = ["rock", "soul"].map(str::to_owned);
    text::make(&db, &db.pool, codes.each_ref()).await;
    let report = text::import(&db.pool, [&codes[1], &codes[0]]).await;
    assert_refused(&report, 0);
    all_follow(&db, "an enum").await;
}

/// Rows with each of these codes, beside a and b.
async fn with_codes(db: &Db, codes: &str) {
    for code in codes.chars() {
        db.run(&format!(
            "INSERT INTO item (name, code) VALUES ('c{code}', '{code}')"
        ))
        .await;
    }
}

async fn a_key_that_is_almost_used_up(db: Db) {
    tables(&db, "char(1) NOT NULL").await;
    let codes = ["0", "1"].map(str::to_owned);
    text::make(&db, &db.pool, codes.each_ref()).await;
    with_codes(&db, "23456789abcdefghijklmnopqrstuvw").await;
    let report = text::import(&db.pool, [&codes[1], &codes[0]]).await;
    assert_eq!(
        (report.updated, report.failed.len()),
        (2, 0),
        "{report} {:?}",
        report.failed
    );
    all_follow(&db, "char(1)").await;
}

async fn a_key_that_is_used_up(db: Db) {
    tables(
        &db,
        "char(1) NOT NULL CHECK (code < 'zz' AND length(code) = 1)",
    )
    .await;
    let codes = ["0", "1"].map(str::to_owned);
    text::make(&db, &db.pool, codes.each_ref()).await;
    with_codes(&db, "23456789abcdefghijklmnopqrstuvwxyz").await;
    let report = text::import(&db.pool, [&codes[1], &codes[0]]).await;
    if Sqlx::TARGET == "sqlite" {
        // There the length is but a word, and the CHECK the only thing in the way.
        assert_eq!((report.updated, report.failed.len()), (0, 2), "{report}");
    } else {
        assert_refused(&report, 0);
    }
    all_follow(&db, "char(1)").await;
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(name, (list, position))]
struct Place {
    id: i64,
    name: String,
    list: i64,
    position: i64,
}

async fn places_in_lists(db: Db) {
    db.run(
        "CREATE TABLE place (id {id}, name {text} NOT NULL UNIQUE, list bigint NOT NULL, \
         position bigint NOT NULL CHECK (position >= 0), UNIQUE (list, position))",
    )
    .await;
    let place = |list: i64, name: i64, position: i64| NewPlace {
        name: format!("{list} {name}"),
        list,
        position,
    };
    let places = |turn: i64| -> Vec<NewPlace> {
        let places = (0..20).flat_map(|list| (0..50).map(move |n| (list, n)));
        places
            .map(|(list, n)| place(list, n, (n + turn) % 50))
            .collect()
    };
    let report = Place::import(places(0))
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!(report.created, 1_000);
    let report = Place::import(places(1))
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!(
        (report.updated, report.failed.len()),
        (1_000, 0),
        "{report}"
    );
}
