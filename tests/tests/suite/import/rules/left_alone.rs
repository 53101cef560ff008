//! Rows that a rule leaves alone: their records own them, and they keep their keys.

use upsert_runtime::{Missing, OnDeleted, OnTakeover, Only, Outcome};

use super::super::oracle::{Record, Row};
use super::super::ruled::{self, Indexes, RuledChanges};
use super::{failed, import, records, rows, stored, told, with_rows};
use crate::Db;

tests![
    a_stale_owner,
    no_version_is_older_than_any,
    a_protected_row_that_would_be_taken_over,
    a_protected_row_is_not_missing,
    a_skipped_creator,
    one_that_may_only_create,
    a_superseded_newer_record,
    the_newest_of_records_that_come_twice,
    what_is_none_is_kept_and_what_is_uncompared_is_no_reason,
    progress_and_the_summary_tell,
    in_one_transaction_of_ours_and_of_the_callers,
];

const FIRST: &str = "remote_id";

async fn a_stale_owner(db: Db) {
    let mut records = records(["r1 s9", "r2 s9", "r3 s1"]);
    records[0].version = Some(4);
    for chunk_size in [1, 100] {
        with_rows(&db, Indexes::Full, &[Row::of(1, "r1 s1").version(5)]).await;
        let import = import(records.clone()).chunk_size(chunk_size);
        let (report, told) = told(&db, import).await;
        // The key that it would have had is free, and the one that it keeps is not.
        let stale = Outcome::Stale { matched_by: FIRST };
        assert_eq!(told, [(0, stale), (1, Outcome::Created)]);
        assert_eq!(failed(&report), [(2, "IdentityConflict".to_owned())]);
        assert_eq!((report.stale, report.created), (1, 1), "{report}");
        assert_eq!(stored(&db).await, ["r1 s1 - - old", "r2 s9 - - new"]);
    }
}

async fn no_version_is_older_than_any(db: Db) {
    let [one, two, three] = rows(["r1 s1", "r2 s2", "r3 s3"]);
    let rows = [one.version(0), two.version(3), three];
    with_rows(&db, Indexes::Full, &rows).await;
    let mut records = records(["r1 s1", "r2 s2", "r3 s3"]);
    // A tie is compared and written as usual.
    records[1].version = Some(3);
    let (report, _) = told(&db, import(records.clone())).await;
    assert_eq!((report.stale, report.updated), (1, 2), "{report}");
    // Updating data that leave the version out are not judged by it.
    let import = import(records).updating_with(|_, new| RuledChanges::new().name(&*new.name));
    let (report, _) = told(&db, import).await;
    assert_eq!((report.stale, report.updated), (0, 1), "{report}");
    assert_eq!(stored(&db).await[0], "r1 s1 - - new");
}

async fn a_protected_row_that_would_be_taken_over(db: Db) {
    let rows = [Row::of(1, "r1 s1").locked()];
    with_rows(&db, Indexes::Full, &rows).await;
    let records = || records(["r3 s1", "r2 s1", "- s1"]);
    let protected = || import(records()).protect(|row| row.locked);
    let (report, before) = told(&db, protected()).await;
    let matched_by = "slug";
    assert_eq!(before, [(1, Outcome::Protected { matched_by })]);
    assert_eq!(failed(&report), [(0, "IdentityConflict".to_owned())]);
    assert_eq!((report.protected, report.superseded), (1, 1), "{report}");
    // Identity comes first.
    let import = protected().on_takeover(OnTakeover::Never);
    let (report, after) = told(&db, import).await;
    assert!(after.is_empty(), "{after:?}");
    assert_eq!((report.failed.len(), report.superseded), (2, 1), "{report}");
    assert_eq!(ruled::stored(&db).await, rows);
}

async fn a_protected_row_is_not_missing(db: Db) {
    let [one, two, three] = rows(["r1 s1", "r2 s2", "r3 s3"]);
    for missing in [Missing::Delete, Missing::Mark] {
        let rows = [one.clone(), two.clone().locked(), three.clone()];
        with_rows(&db, Indexes::Full, &rows).await;
        let import = import(records(["r1 s1"])).missing(missing).max_share(0.5);
        let (report, _) = told(&db, import.protect(|row| row.locked)).await;
        // One of two: the protected row is not among those that could be.
        assert_eq!((report.missing, report.deleted), (1, 1), "{report}");
        assert_eq!(ruled::stored(&db).await[1], rows[1]);
    }
}

async fn a_skipped_creator(db: Db) {
    with_rows(&db, Indexes::Full, &[Row::of(1, "r1 s1 c1")]).await;
    let records = records(["- s9 c1", "r9 s8", "r9 s9", "r7 s7"]);
    for chunk_size in [1, 100] {
        ruled::put(&db, &[Row::of(1, "r1 s1 c1")]).await;
        let import = import(records.clone()).only(Only::Update);
        let (report, told) = told(&db, import.chunk_size(chunk_size)).await;
        // The first one lost its slug to the third, which is not to be; and so it finds its row by its code.
        let [(0, Outcome::Updated { matched_by, .. })] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(*matched_by, "code");
        // What is equal to one that is skipped stays superseded.
        assert_eq!((report.skipped, report.superseded), (2, 1), "{report}");
        assert_eq!(stored(&db).await, ["r1 s9 c1 - new"]);
    }
}

async fn one_that_may_only_create(db: Db) {
    with_rows(&db, Indexes::Full, &[Row::of(1, "r1 s1")]).await;
    let records = records(["r1 s9", "r2 s9", "r3 s1"]);
    let import = import(records)
        .only(Only::Create)
        .missing(Missing::Delete)
        .max_share(0.0);
    let (report, told) = told(&db, import).await;
    let matched_by = Some(FIRST);
    let skipped = Outcome::Skipped { matched_by };
    assert_eq!(told, [(0, skipped), (1, Outcome::Created)]);
    assert_eq!(failed(&report), [(2, "IdentityConflict".to_owned())]);
    assert_eq!((report.skipped, report.missing), (1, 0), "{report}");
    assert_eq!(stored(&db).await, ["r1 s1 - - old", "r2 s9 - - new"]);
}

async fn a_superseded_newer_record(db: Db) {
    let rows = [Row::of(1, "r1 s1 - 1").version(1)];
    let two = |versions: [i64; 2]| {
        [
            Record::of("r1 s2 - 2").named("owner").version(versions[0]),
            Record::of("- s2 - 3").named("other").version(versions[1]),
        ]
    };
    // The keys stay the owner's; at a tie the last counts.
    let cases = [
        ([2, 4], "r1 s2 - 2 other"),
        ([2, 2], "r1 s2 - 2 other"),
        ([3, 2], "r1 s2 - 2 owner"),
    ];
    for (versions, is) in cases {
        for chunk_size in [1, 100] {
            with_rows(&db, Indexes::Full, &rows).await;
            let import = import(two(versions)).chunk_size(chunk_size);
            let (report, told) = told(&db, import).await;
            assert!(
                matches!(told[..], [(0, Outcome::Updated { .. })]),
                "{told:?}"
            );
            assert_eq!(report.superseded, 1, "{report}");
            assert_eq!(stored(&db).await, [is], "{versions:?}");
        }
    }
    // Whoever creates a row has it from the newest, too.
    ruled::put(&db, &[]).await;
    let (report, _) = told(&db, import(two([2, 4]))).await;
    assert_eq!((report.created, report.superseded), (1, 1), "{report}");
    assert_eq!(stored(&db).await, ["r1 s2 - 2 other"]);
    // Both are older than the row.
    ruled::put(&db, &[Row::of(1, "r1 s2").version(9)]).await;
    let (report, _) = told(&db, import(two([2, 4]))).await;
    assert_eq!((report.stale, report.superseded), (1, 1), "{report}");
}

async fn the_newest_of_records_that_come_twice(db: Db) {
    let mut records = records(["r1 s1", "r1 s2", "r1 s3", "r1 s4", "r1 s5"]);
    for (record, version) in records.iter_mut().zip([2, 3, 3, 1]) {
        record.version = Some(version);
    }
    for chunk_size in [1, 100] {
        with_rows(&db, Indexes::Full, &[]).await;
        let import = import(records.clone()).chunk_size(chunk_size);
        let (report, told) = told(&db, import).await;
        assert_eq!(told, [(2, Outcome::Created)]);
        assert_eq!(report.superseded, 4);
        assert_eq!(stored(&db).await, ["r1 s3 - - new"]);
    }
}

async fn what_is_none_is_kept_and_what_is_uncompared_is_no_reason(db: Db) {
    let old = Row {
        note: Some("kept".to_owned()),
        seen: 1,
        ..Row::of(1, "r1 s1").named("new")
    };
    with_rows(&db, Indexes::Full, std::slice::from_ref(&old)).await;
    let record = Record {
        seen: 2,
        ..Record::of("r1 s1")
    };
    let (report, _) = told(&db, import([record.clone()])).await;
    assert_eq!(report.unchanged, 1, "{report}");
    assert_eq!(ruled::stored(&db).await, [old]);
    let (report, _) = told(&db, import([record.named("other")])).await;
    let changed: Vec<_> = report.changed.iter().collect();
    assert_eq!(changed, [(&"name", &1)]);
    let row = &ruled::stored(&db).await[0];
    assert_eq!((row.seen, row.note.as_deref()), (2, Some("kept")));
    // What a merge sets is written.
    let import =
        import(records(["r1 s1"])).updating_with(|_, _| RuledChanges::new().note(None::<String>));
    let (report, _) = told(&db, import).await;
    assert_eq!(report.updated, 1, "{report}");
    assert_eq!(ruled::stored(&db).await[0].note, None);
}

/// A table of which each record meets another rule, and those.
fn one_of_each() -> (Vec<Row>, Vec<Record>) {
    let [one, two, three, four] = rows(["r1 s1 - 1", "r2 s2 - 2", "r3 s3 - 3", "r4 s4 - 4"]);
    let rows = vec![one.locked(), two.version(5), three, four.marked(1)];
    let mut records = records([
        "r1 s1 - 9",
        "r2 s2 - 8",
        "r3 s3 - 5",
        "r4 s4 - 3",
        "r5 s5 - 2",
        "r6 s6 - 6",
        "- - -",
        "- s3 - 7",
    ]);
    records[1].version = Some(4);
    (rows, records)
}

/// What becomes of them.
const COUNTS: [u64; 7] = [1, 1, 2, 1, 0, 1, 2];

macro_rules! counts {
    ($told:expr, $failed:expr) => {
        [
            $told.protected,
            $told.stale,
            $told.updated,
            $told.created,
            $told.skipped,
            $told.superseded,
            $failed,
        ]
    };
}

async fn progress_and_the_summary_tell(db: Db) {
    let (rows, records) = one_of_each();
    for chunk_size in [1, 3, 100] {
        with_rows(&db, Indexes::Full, &rows).await;
        let mut last = None;
        let import = import(records.clone())
            .chunk_size(chunk_size)
            .protect(|row| row.locked)
            .on_deleted(OnDeleted::Revive)
            .progress(|so_far| {
                let counts = counts!(so_far, so_far.failed);
                assert_eq!(so_far.records, counts.iter().sum::<u64>());
                last = Some(counts);
            });
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!(counts!(report, report.failed.len() as u64), COUNTS);
        assert_eq!(last, Some(COUNTS));
        let text = report.to_string();
        let begin = "8 records: 1 created, 2 updated, 0 unchanged, 1 protected, 1 stale, 1 superseded, 2 failed\n\
             changed: deleted_at 1, name 2, position 2\n";
        assert!(text.starts_with(begin), "{text}");
    }
    // Many rows that were left alone, and no word of what there is not.
    with_rows(&db, Indexes::Full, &rows).await;
    let import = import(records).only(Only::Update).protect(|_| true);
    let text = told(&db, import).await.0.to_string();
    let begin = "8 records: 0 created, 0 updated, 0 unchanged, 3 protected, 3 skipped, 1 superseded, 1 failed\n";
    assert!(text.starts_with(begin), "{text}");
}

async fn in_one_transaction_of_ours_and_of_the_callers(db: Db) {
    let (rows, records) = one_of_each();
    with_rows(&db, Indexes::Full, &rows).await;
    let with_rules = || {
        import(records.clone())
            .chunk_size(2)
            .protect(|row| row.locked)
            .on_deleted(OnDeleted::Revive)
    };
    with_rules().run(&db.pool).await.expect("an import");
    let expected = stored(&db).await;

    ruled::put(&db, &rows).await;
    let atomic = with_rules().atomic(true).run(&db.pool).await;
    let atomic = atomic.expect("an import");
    assert_eq!(counts!(atomic, atomic.failed.len() as u64), COUNTS);
    assert_eq!(stored(&db).await, expected);

    ruled::put(&db, &rows).await;
    let dry = with_rules().dry_run(true).run(&db.pool).await;
    let dry = dry.expect("a dry run");
    assert_eq!(counts!(dry, dry.failed.len() as u64), COUNTS);
    assert_eq!(ruled::stored(&db).await, rows);

    let mut tx = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let within = with_rules().run_in(&mut tx).await.expect("an import");
    assert_eq!(counts!(within, within.failed.len() as u64), COUNTS);
    tx.rollback().await.expect("a rollback");
    assert_eq!(ruled::stored(&db).await, rows);
    let mut tx = db.pool.begin().await.expect("a transaction");
    with_rules().run_in(&mut tx).await.expect("an import");
    tx.commit().await.expect("a commit");
    assert_eq!(stored(&db).await, expected);

    ruled::put(&db, &rows).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    let on = with_rules().run_on(&mut connection).await;
    on.expect("an import");
    assert_eq!(stored(&db).await, expected);
}
