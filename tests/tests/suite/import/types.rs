//! Columns of many types, in keys and beside them.

use sqlx::mysql::MySqlPool;
use sqlx::types::{Json, Uuid};
use upsert_runtime::{LockedUpsert, Report, Stored};
use upsert_tests::Target;

use crate::{Db, Sqlx};

tests![
    keys_of_other_types_than_text,
    a_key_of_two_columns,
    an_enum_and_json,
    numbers_in_bits on ["mysql"],
];

/// What the database calls these types.
fn spelled(table: &str) -> String {
    let (uuid, bytes, json, mood) = match Sqlx::TARGET {
        "postgres" => ("uuid", "bytea", "jsonb", "mood"),
        "mysql" => (
            "binary(16)",
            "varbinary(100)",
            "json",
            "enum('calm', 'wild')",
        ),
        _ => ("blob", "blob", "text", "text"),
    };
    table
        .replace("{uuid}", uuid)
        .replace("{bytes}", bytes)
        .replace("{json}", json)
        .replace("{mood}", mood)
}

/// Imports on connections that have not met the types yet.
async fn import<M: Stored<Sqlx>>(db: &Db, records: Vec<M::New>) -> Report<M> {
    let pool = db.pool_of(2).await;
    let report = M::import(records).changes(true).run(&pool).await;
    report.unwrap_or_else(|error| panic!("{error}"))
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "device")]
#[lookup(serial, token, digest, port)]
struct Device {
    id: i64,
    serial: String,
    token: Uuid,
    digest: Vec<u8>,
    port: i32,
}

async fn keys_of_other_types_than_text(db: Db) {
    let table = "CREATE TABLE device (id {id}, serial {text} NOT NULL UNIQUE, token {uuid} NOT NULL UNIQUE, \
                 digest {bytes} NOT NULL UNIQUE, port integer NOT NULL UNIQUE)";
    db.run(&spelled(table)).await;
    let device = |n: u8, other: u8| NewDevice {
        serial: format!("d{n}"),
        token: Uuid::from_u128(u128::from(other) + 1),
        digest: vec![0, other],
        port: i32::from(other) + 1,
    };
    let report = import::<Device>(&db, (0..6).map(|n| device(n, n)).collect()).await;
    assert_eq!(report.created, 6, "{report}");
    // All keys but the first go round, in a cycle of two and one of four.
    let rounds = [1, 0, 3, 4, 5, 2];
    let records = (0..6).zip(rounds);
    let records = records.map(|(n, other)| device(n, other)).collect();
    let report = import::<Device>(&db, records).await;
    assert_eq!(report.updated, 6, "{report} {:?}", report.failed);
    for change in &report.changes {
        let before = change.before.as_ref().expect("a row");
        let after = change.after.as_ref().expect("a row");
        assert_eq!((before.id, &before.serial), (after.id, &after.serial));
    }
    let digests: Vec<u8> = report
        .changes
        .iter()
        .map(|change| change.after.as_ref().expect("a row").digest[1])
        .collect();
    assert_eq!(digests, rounds);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "page")]
#[lookup(remote_id, (site_id, slug))]
struct Page {
    id: i64,
    remote_id: String,
    site_id: i64,
    slug: String,
}

/// The number refers to another table, in which there is none to be parked at.
async fn a_key_of_two_columns(db: Db) {
    db.run("CREATE TABLE site (id bigint PRIMARY KEY); INSERT INTO site VALUES (1), (2)")
        .await;
    db.run(
        "CREATE TABLE page (id {id}, remote_id {text} NOT NULL UNIQUE, site_id bigint NOT NULL, slug {text} NOT NULL, \
         UNIQUE (site_id, slug), FOREIGN KEY (site_id) REFERENCES site (id))",
    )
    .await;
    let page = |n: usize, site_id: i64, slug: &str| NewPage {
        remote_id: format!("p{n}"),
        site_id,
        slug: slug.to_owned(),
    };
    let records = vec![page(0, 1, "a"), page(1, 2, "b"), page(2, 1, "c")];
    let report = import::<Page>(&db, records).await;
    assert_eq!(report.created, 3, "{report}");
    let records = vec![page(0, 2, "b"), page(1, 1, "c"), page(2, 1, "a")];
    let report = import::<Page>(&db, records).await;
    assert_eq!(report.updated, 3, "{report} {:?}", report.failed);
    // Where only the number differs, it is what would have to be parked.
    let records = vec![page(0, 1, "x"), page(1, 2, "x")];
    import::<Page>(&db, records).await;
    let report = import::<Page>(&db, vec![page(0, 2, "x"), page(1, 1, "x")]).await;
    assert_eq!((report.updated, report.failed.len()), (0, 2), "{report}");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "snake_case")]
enum Mood {
    Calm,
    Wild,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "song")]
#[lookup(remote_id)]
struct Song {
    id: i64,
    remote_id: String,
    mood: Mood,
    second_mood: Option<Mood>,
    tags: Json<Vec<String>>,
}

async fn an_enum_and_json(db: Db) {
    if Sqlx::TARGET == "postgres" {
        db.run("CREATE TYPE mood AS ENUM ('calm', 'wild')").await;
    }
    // sqlx 0.9.0 cannot read an enum that is NOT NULL on MySQL.
    let table = "CREATE TABLE song (id {id}, remote_id {text} NOT NULL UNIQUE, mood {mood}, second_mood {mood}, \
                 tags {json} NOT NULL)";
    db.run(&spelled(table)).await;
    let song = |n: usize, mood, tags: usize| NewSong {
        remote_id: format!("s{n}"),
        mood,
        second_mood: n.is_multiple_of(2).then_some(mood),
        tags: Json((0..tags).map(|tag| format!("t{tag}")).collect()),
    };
    let records = (0..20).map(|n| song(n, Mood::Calm, n % 3)).collect();
    let report = import::<Song>(&db, records).await;
    assert_eq!(report.created, 20, "{report}");
    let changed = |n: usize| {
        let mood = if n < 5 { Mood::Wild } else { Mood::Calm };
        song(n, mood, if n == 7 { 9 } else { n % 3 })
    };
    let report = import::<Song>(&db, (0..20).map(changed).collect()).await;
    assert_eq!((report.updated, report.unchanged), (6, 14), "{report}");
    assert_eq!(report.changes[5].changed, ["tags"]);
    let report = import::<Song>(&db, (0..20).map(changed).collect()).await;
    assert_eq!(report.unchanged, 20, "{report}");
    // In a transaction of the caller's, on a connection that has not met them.
    let pool = db.pool_of(1).await;
    let mut tx = pool.begin().await.expect("a transaction");
    let report = Song::import((0..21).map(changed)).run_in(&mut tx).await;
    assert_eq!(report.expect("an import").created, 1);
    tx.commit().await.expect("a commit");
    // Locks of many are read in the same way.
    let pool = db.pool_of(1).await;
    let mut tx = pool.begin().await.expect("a transaction");
    let locked = Song::lock().many_by_remote_id(&mut tx, ["s1", "s2"]).await;
    assert_eq!(locked.expect("locks").len(), 2);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(name)]
struct Switch {
    id: i64,
    name: String,
    is_on: bool,
    flags: u8,
    mask: Option<u64>,
}

async fn numbers_in_bits(db: Db) {
    db.run(
        "CREATE TABLE switch (id {id}, name {text} NOT NULL UNIQUE, is_on bit(1) NOT NULL, \
         flags bit(8) NOT NULL, mask bit(64))",
    )
    .await;
    let pool = MySqlPool::connect(&db.url()).await.expect("a pool");
    let switches = |is_on, flags, mask| {
        let name = |n| NewSwitch {
            name: format!("{n}"),
            is_on,
            flags,
            mask,
        };
        (0..3).map(name).collect::<Vec<_>>()
    };
    for (created, updated, (is_on, flags, mask)) in [
        (3, 0, (false, 2, Some(u64::MAX))),
        (0, 3, (true, 5, Some(0))),
        (0, 3, (false, 255, None)),
    ] {
        let import = || Switch::import(switches(is_on, flags, mask)).run(&pool);
        let report = import().await.expect("an import");
        assert_eq!(
            (report.created, report.updated),
            (created, updated),
            "{report} {:?}",
            report.failed
        );
        let report = import().await.expect("an import");
        assert_eq!(report.unchanged, 3, "{report}");
    }
    pool.close().await;
}
