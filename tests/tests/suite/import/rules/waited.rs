//! The row changes while its record waits for the lock: each rule is judged by what the row is then.

use upsert_runtime::{Import, LockedUpsert, Missing, OnDeleted, Only, Outcome, Report};

use super::super::super::races::until_one_waits;
use super::super::oracle::{Record, Row};
use super::super::ruled::{self, Indexes, Ruled, RuledChanges, time};
use super::{failed, import, records, rows, stored, with_rows};
use crate::Db;

tests![
    it_is_protected_by_then,
    it_is_newer_by_then,
    it_is_marked_by_then,
    it_is_no_longer_marked_by_then,
    it_is_there_by_then,
    it_is_gone_by_then,
    it_is_merged_as_it_is_by_then,
    a_merge_alters_its_key_by_then,
    it_has_a_note_by_then,
    it_is_as_it_should_be_by_then,
    its_position_is_taken_by_then,
    what_is_missing_is_protected_by_then,
    what_is_missing_is_marked_by_then,
];

/// Runs an import while another transaction has done this, which commits once the import waits. What was told of each record is
/// told too.
async fn meanwhile(
    db: &Db,
    change: &str,
    import: Import<'static, Ruled>,
) -> (Report<Ruled>, Vec<(u64, Outcome)>) {
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    let change = sqlx::AssertSqlSafe(change.to_owned());
    let done = sqlx::raw_sql(change).execute(&mut *holder).await;
    done.expect("a change");
    let waiting = db.clone();
    let waiter = tokio::spawn(async move { super::told(&waiting, import).await });
    until_one_waits(db).await;
    assert!(!waiter.is_finished(), "the row is locked");
    holder.commit().await.expect("a commit");
    waiter.await.expect("no panic")
}

/// Tries it with chunks, and all in one transaction.
const KINDS: [bool; 2] = [false, true];

async fn one_row(db: &Db) {
    with_rows(db, Indexes::Full, &[Row::of(1, "r1 s1 - 1").version(3)]).await;
}

fn one_record() -> Vec<Record> {
    vec![Record::of("r1 s2 - 2").version(5)]
}

const MATCHED_BY: &str = "remote_id";

async fn it_is_protected_by_then(db: Db) {
    for atomic in KINDS {
        one_row(&db).await;
        let change = "UPDATE ruled SET locked = true, name = 'theirs' WHERE id = 1";
        // Its key is free for another one, as the first look said, and is not by then.
        let records = [one_record(), records(["r2 s1"])].concat();
        let import = import(records).atomic(atomic).protect(|row| row.locked);
        let (report, told) = meanwhile(&db, change, import).await;
        let protected = Outcome::Protected {
            matched_by: MATCHED_BY,
        };
        assert_eq!(told, [(0, protected)], "{report}");
        assert_eq!(report.failed.len(), 1, "{report}");
        assert_eq!(stored(&db).await, ["r1 s1 - 1 theirs"]);
    }
}

async fn it_is_newer_by_then(db: Db) {
    for atomic in KINDS {
        one_row(&db).await;
        let change = "UPDATE ruled SET version = 6, name = 'theirs' WHERE id = 1";
        let import = import(one_record()).atomic(atomic);
        let (report, told) = meanwhile(&db, change, import).await;
        let stale = Outcome::Stale {
            matched_by: MATCHED_BY,
        };
        assert_eq!(told, [(0, stale)], "{report}");
        assert_eq!(stored(&db).await, ["r1 s1 - 1 theirs"]);
    }
}

async fn it_is_marked_by_then(db: Db) {
    let change = format!(
        "UPDATE ruled SET deleted_at = '{}', name = 'theirs' WHERE id = 1",
        time(1)
    );
    for &indexes in Indexes::ALL {
        for on_deleted in [OnDeleted::Ignore, OnDeleted::Revive, OnDeleted::Refuse] {
            with_rows(&db, indexes, &rows(["r1 s1 - 1"])).await;
            let import = import(one_record()).on_deleted(on_deleted);
            let (report, told) = meanwhile(&db, &change, import).await;
            match (on_deleted, indexes) {
                (OnDeleted::Revive, _) => {
                    let [(0, Outcome::Updated { changed, .. })] = &told[..] else {
                        panic!("{told:?}, {report}");
                    };
                    assert!(changed.contains(&"deleted_at"), "{changed:?}");
                    assert_eq!(stored(&db).await, ["r1 s2 - 2 new"]);
                }
                (OnDeleted::Refuse, _) => {
                    assert_eq!(failed(&report), [(0, "Deleted".to_owned())]);
                    assert_eq!(stored(&db).await, ["r1 s1 - 1 theirs deleted"]);
                }
                (OnDeleted::Ignore, Indexes::Full) => {
                    assert_eq!(failed(&report), [(0, "Conflict".to_owned())]);
                    assert_eq!(stored(&db).await, ["r1 s1 - 1 theirs deleted"]);
                }
                (OnDeleted::Ignore, Indexes::Partial) => {
                    assert_eq!(told, [(0, Outcome::Created)], "{report}");
                    let after = ["r1 s1 - 1 theirs deleted", "r1 s2 - 2 new"];
                    assert_eq!(stored(&db).await, after);
                }
            }
        }
    }
}

async fn it_is_no_longer_marked_by_then(db: Db) {
    let change = "UPDATE ruled SET deleted_at = NULL, name = 'new' WHERE id = 1";
    for &indexes in Indexes::ALL {
        let rows = [Row::of(1, "r1 s1 - 1").marked(1)];
        with_rows(&db, indexes, &rows).await;
        let import = import(records(["r1 s1 - 1"])).on_deleted(OnDeleted::Revive);
        let (report, told) = meanwhile(&db, change, import).await;
        let unchanged = Outcome::Unchanged {
            matched_by: MATCHED_BY,
        };
        assert_eq!(told, [(0, unchanged)], "{report}");
    }
}

async fn it_is_there_by_then(db: Db) {
    for atomic in KINDS {
        with_rows(&db, Indexes::Full, &[]).await;
        let change = "INSERT INTO ruled (id, remote_id, slug, name, seen) VALUES (1, 'r1', 's9', 'theirs', 0)";
        let import = import(one_record()).atomic(atomic).only(Only::Create);
        let (report, told) = meanwhile(&db, change, import).await;
        let skipped = Outcome::Skipped {
            matched_by: Some(MATCHED_BY),
        };
        assert_eq!(told, [(0, skipped)], "{report}");
        assert_eq!(stored(&db).await, ["r1 s9 - - theirs"]);
    }
}

async fn it_is_gone_by_then(db: Db) {
    for atomic in KINDS {
        one_row(&db).await;
        let change = "DELETE FROM ruled WHERE id = 1";
        let import = import(one_record()).atomic(atomic).only(Only::Update);
        let (report, told) = meanwhile(&db, change, import).await;
        assert!(told.is_empty(), "{told:?}");
        assert_eq!((report.skipped, report.created), (1, 0), "{report}");
        assert!(stored(&db).await.is_empty());
    }
}

async fn it_is_merged_as_it_is_by_then(db: Db) {
    for atomic in KINDS {
        one_row(&db).await;
        let change = "UPDATE ruled SET name = 'theirs', slug = 's9', position = 9 WHERE id = 1";
        let import = import(one_record())
            .atomic(atomic)
            .updating_with(|row, new| {
                let name = format!("{} and ours", row.name);
                let kept = RuledChanges::from(new.clone()).slug(row.slug.clone());
                kept.position(row.position).name(name)
            });
        let (report, told) = meanwhile(&db, change, import).await;
        let updated = Outcome::Updated {
            matched_by: MATCHED_BY,
            changed: vec!["name", "version"],
        };
        assert_eq!(told, [(0, updated)], "{report}");
        assert_eq!(stored(&db).await, ["r1 s9 - 9 theirs and ours"]);
    }
}

async fn a_merge_alters_its_key_by_then(db: Db) {
    one_row(&db).await;
    let change = "UPDATE ruled SET name = 'theirs' WHERE id = 1";
    let import = import(one_record()).updating_with(|row, new| {
        let changes = RuledChanges::from(new.clone());
        if row.name == "theirs" {
            changes.slug("altered")
        } else {
            changes
        }
    });
    let (report, _) = meanwhile(&db, change, import).await;
    assert_eq!(failed(&report), [(0, "KeyAltered".to_owned())]);
    assert_eq!(stored(&db).await, ["r1 s1 - 1 theirs"]);
}

async fn it_has_a_note_by_then(db: Db) {
    one_row(&db).await;
    let change = "UPDATE ruled SET note = 'theirs' WHERE id = 1";
    let (report, _) = meanwhile(&db, change, import(one_record())).await;
    assert_eq!(report.updated, 1, "{report}");
    assert!(!report.changed.contains_key("note"), "{report}");
    let row = &ruled::stored(&db).await[0];
    assert_eq!((row.note.as_deref(), &*row.name), (Some("theirs"), "new"));
}

async fn it_is_as_it_should_be_by_then(db: Db) {
    one_row(&db).await;
    let change = "UPDATE ruled SET slug = 's2', position = 2, name = 'new', version = 5, seen = 7 WHERE id = 1";
    let record = Record {
        seen: 8,
        ..one_record().remove(0)
    };
    let (report, told) = meanwhile(&db, change, import([record])).await;
    let unchanged = Outcome::Unchanged {
        matched_by: MATCHED_BY,
    };
    assert_eq!(told, [(0, unchanged)], "{report}");
    // What is uncompared is no reason to write.
    assert_eq!(ruled::stored(&db).await[0].seen, 7);
}

async fn its_position_is_taken_by_then(db: Db) {
    for atomic in KINDS {
        one_row(&db).await;
        let change =
            "INSERT INTO ruled (id, slug, position, name, seen) VALUES (9, 's9', 2, 'theirs', 0)";
        let import = import([one_record(), records(["r3 s3 - 3"])].concat()).atomic(atomic);
        let (report, _) = meanwhile(&db, change, import).await;
        assert_eq!(failed(&report), [(0, "Conflict".to_owned())]);
        let mut rows = stored(&db).await;
        rows.sort();
        let after = ["- s9 - 2 theirs", "r1 s1 - 1 old", "r3 s3 - 3 new"];
        assert_eq!(rows, after);
    }
}

/// One of two rows is missing.
fn one_is_missing(missing: Missing) -> Import<'static, Ruled> {
    let records = vec![Record::of("r1 s1").named("old")];
    let import = Ruled::import(records).missing(missing).max_share(0.5);
    import.protect(|row| row.locked)
}

async fn what_is_missing_is_protected_by_then(db: Db) {
    for missing in [Missing::Delete, Missing::Mark] {
        with_rows(&db, Indexes::Full, &rows(["r1 s1", "r2 s2"])).await;
        let change = "UPDATE ruled SET locked = true WHERE id = 2";
        let (report, _) = meanwhile(&db, change, one_is_missing(missing)).await;
        assert_eq!(report.deleted, 0, "{report}");
        let row = &ruled::stored(&db).await[1];
        assert!(row.locked && row.marked.is_none(), "{row:?}");
    }
}

async fn what_is_missing_is_marked_by_then(db: Db) {
    let change = format!("UPDATE ruled SET deleted_at = '{}' WHERE id = 2", time(1));
    for missing in [Missing::Delete, Missing::Mark] {
        with_rows(&db, Indexes::Full, &rows(["r1 s1", "r2 s2"])).await;
        let (report, _) = meanwhile(&db, &change, one_is_missing(missing)).await;
        assert_eq!(report.deleted, 0, "{report}");
        // It stays as another one has marked it.
        assert_eq!(ruled::stored(&db).await[1].marked, Some(1));
    }
}
