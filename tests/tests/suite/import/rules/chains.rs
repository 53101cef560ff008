//! Positions and slugs that many rows want of each other.

use upsert_runtime::{LockedUpsert, OnDeleted};

use super::super::oracle::{Merge, Record, Row};
use super::super::ruled::{self, Indexes, RuledChanges};
use super::{failed, import, records, rows, stored, told, with_rows};
use crate::Db;

tests![
    positions_are_shifted_exchanged_and_rotated,
    positions_within_a_site,
    a_position_that_is_not_in_the_import,
    a_row_left_alone_keeps_its_place,
    a_merge_that_keeps_slugs_in_a_chain,
    a_merge_that_alters_a_key,
    a_merge_sees_row_and_record,
];

fn placed(n: i64, position: i64) -> Record {
    Record::of(&format!("r{n} s{n} - {position}"))
}

/// More rows than a chunk has.
const ROWS: i64 = 12;

/// Where the record of each row from 1 to 12 is to stand.
type Move = (&'static str, fn(i64) -> i64);

async fn positions_are_shifted_exchanged_and_rotated(db: Db) {
    let before: Vec<Row> = (1..=ROWS)
        .map(|n| Row::of(n, &format!("r{n} s{n} - {n}")))
        .collect();
    let moves: [Move; 6] = [
        ("up by one", |n| n + 1),
        ("down by one", |n| n - 1),
        ("exchanged", |n| if n % 2 == 1 { n + 1 } else { n - 1 }),
        ("rotated", |n| n % ROWS + 1),
        ("reversed", |n| ROWS + 1 - n),
        ("away", |n| n + ROWS),
    ];
    for &indexes in Indexes::ALL {
        for (name, place) in moves {
            for chunk_size in [1, 5, 100] {
                with_rows(&db, indexes, &before).await;
                let records = (1..=ROWS).map(|n| placed(n, place(n)));
                let import = import(records).chunk_size(chunk_size);
                let report = import.run(&db.pool).await.expect("an import");
                let counts = (report.updated, report.failed.len());
                assert_eq!(counts, (12, 0), "{name}, {chunk_size}: {report}");
                assert_eq!(report.changed["position"], 12, "{name}");
                for (row, n) in ruled::stored(&db).await.iter().zip(1..) {
                    let is = (row.id, row.keys[3].as_deref());
                    assert_eq!(is, (n, Some(&*place(n).to_string())), "{name}");
                }
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(unique(site_id, position))]
#[lookup(slug)]
struct Ranked {
    id: i64,
    slug: String,
    site_id: i64,
    position: Option<i64>,
}

async fn positions_within_a_site(db: Db) {
    db.run("CREATE TABLE ranked (id {id}, slug {text} NOT NULL UNIQUE, site_id bigint NOT NULL, position bigint, UNIQUE (site_id, position))")
        .await;
    let ranked = |n: i64, site_id, position| NewRanked {
        slug: format!("s{n}"),
        site_id,
        position,
    };
    let before = (0..12).map(|n| ranked(n, n % 2, Some(n / 2)));
    let report = Ranked::import(before).run(&db.pool).await;
    assert_eq!(report.expect("an import").created, 12);
    // In one site all go up by one; the last of the other one comes to its front, and the others there go down.
    let after = (0..12).map(|n| match (n % 2, n / 2) {
        (0, place) => ranked(n, 0, Some(place + 1)),
        (_, 5) => ranked(n, 0, Some(0)),
        (_, 0) => ranked(n, 1, None),
        (_, place) => ranked(n, 1, Some(place - 1)),
    });
    let report = Ranked::import(after).chunk_size(3).run(&db.pool).await;
    let report = report.expect("an import");
    let counts = (report.updated, report.failed.len());
    assert_eq!(counts, (12, 0), "{report}");
    let slugs = async |site: i64| {
        let sql = format!(
            "SELECT slug FROM ranked WHERE site_id = {site} AND position IS NOT NULL ORDER BY position"
        );
        db.texts(&sql).await.join(" ")
    };
    assert_eq!(slugs(0).await, "s11 s0 s2 s4 s6 s8 s10");
    assert_eq!(slugs(1).await, "s3 s5 s7 s9");
}

async fn a_position_that_is_not_in_the_import(db: Db) {
    for chunk_size in [1, 100] {
        with_rows(
            &db,
            Indexes::Full,
            &rows(["r1 s1 - 1", "r2 s2 - 2", "r3 s3 - 3"]),
        )
        .await;
        // It finds nothing, and its row has it.
        let records = records(["r1 s1 - 3", "r4 s4 - 3", "r2 s2 -"]);
        let (report, _) = told(&db, import(records).chunk_size(chunk_size)).await;
        let conflict = || "Conflict".to_owned();
        assert_eq!(failed(&report), [(0, conflict()), (1, conflict())]);
        // None is written as in any other column.
        assert_eq!(
            stored(&db).await,
            ["r1 s1 - 1 old", "r2 s2 - - new", "r3 s3 - 3 old"]
        );
    }
}

async fn a_row_left_alone_keeps_its_place(db: Db) {
    let [one, two, three, four] = rows(["r1 s1 - 1", "r2 s2 - 2", "r3 s3 - 3", "r4 s4 - 4"]);
    let left_alone = [
        two.clone().locked(),
        two.clone().version(5),
        two.clone().locked().marked(1),
    ];
    for row in left_alone {
        for chunk_size in [1, 100] {
            let rows = [one.clone(), row.clone(), three.clone(), four.clone()];
            with_rows(&db, Indexes::Full, &rows).await;
            // Of a rotation of three the second stays, so the first does, and so the third; the fourth is none of them.
            let records = records(["r1 s1 - 2", "r2 s2 - 3", "r3 s3 - 1", "r4 s4 - 5"]);
            let import = import(records)
                .chunk_size(chunk_size)
                .protect(|row| row.locked)
                .on_deleted(OnDeleted::Revive);
            let (report, told) = told(&db, import).await;
            let conflict = || "Conflict".to_owned();
            assert_eq!(failed(&report), [(0, conflict()), (2, conflict())]);
            assert_eq!(told.len(), 2, "{told:?}");
            let stored = ruled::stored(&db).await;
            assert_eq!(stored[..3], rows[..3]);
            assert_eq!(stored[3].keys[3].as_deref(), Some("5"));
        }
    }
}

async fn a_merge_that_keeps_slugs_in_a_chain(db: Db) {
    for chunk_size in [1, 100] {
        let mut rows = rows(["r1 s1", "r2 s2", "r3 s3", "r4 s4"]);
        rows[1] = rows[1].clone().named("kept");
        with_rows(&db, Indexes::Full, &rows).await;
        // Two of the chain get their slugs; the one before the row that keeps its own does not.
        let records = records(["r1 s2", "r2 s3", "r3 s4", "r4 s5"]);
        let import = import(records)
            .chunk_size(chunk_size)
            .updating_with(|row, new| RuledChanges::merged(Merge::KeepSlug("kept"), row, new));
        let (report, _) = told(&db, import).await;
        assert_eq!(failed(&report), [(0, "Conflict".to_owned())], "{report}");
        assert_eq!(
            stored(&db).await,
            [
                "r1 s1 - - old",
                "r2 s2 - - new",
                "r3 s4 - - new",
                "r4 s5 - - new"
            ]
        );
    }
}

async fn a_merge_that_alters_a_key(db: Db) {
    let rows = rows(["r1 s1 - 1", "r2 s2 - 2", "r3 s3 - 3", "r4 s4 - 4"]);
    let rows = [
        rows[0].clone().named("slug"),
        rows[1].clone().named("position"),
        rows[2].clone(),
        rows[3].clone().named("both"),
    ];
    with_rows(&db, Indexes::Full, &rows).await;
    // Who wants a key of a row that stays does not get it.
    let records = records(["r1 s9 - 9", "r2 s8 - 8", "r3 s3 - 1", "r4 s7 - 7"]);
    let import = import(records).updating_with(|row, new| {
        let changes = RuledChanges::from(new.clone());
        match &*row.name {
            "slug" => changes.slug("altered"),
            "position" => changes.position(Some(99)),
            // The row's value in one column, the record's in another one.
            "both" => changes.slug(row.slug.clone()).position(new.position),
            _ => changes,
        }
    });
    let (report, _) = told(&db, import).await;
    let failures = [
        (0, "KeyAltered".to_owned()),
        (1, "KeyAltered".to_owned()),
        (2, "Conflict".to_owned()),
    ];
    assert_eq!(failed(&report), failures);
    assert_eq!(report.updated, 1, "{report}");
    let stored = stored(&db).await;
    assert_eq!(stored[3], "r4 s4 - 7 new");
    assert_eq!(ruled::stored(&db).await[..3], rows[..3]);
}

async fn a_merge_sees_row_and_record(db: Db) {
    with_rows(&db, Indexes::Full, &rows(["r1 s1", "- s2"])).await;
    let records = records(["r1 s9", "r2 s2", "r3 s3"]);
    let import = import(records).updating_with(|row, new| {
        RuledChanges::from(new.clone()).name(format!("{} {}", row.name, new.slug))
    });
    let (report, _) = told(&db, import).await;
    assert_eq!((report.updated, report.created), (2, 1), "{report}");
    assert_eq!(
        stored(&db).await,
        ["r1 s9 - - old s9", "r2 s2 - - old s2", "r3 s3 - - new"]
    );
}
