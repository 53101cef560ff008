//! Rows that are marked as deleted, with both kinds of unique indexes.

use upsert_runtime::{Error, LockedUpsert, Missing, OnDeleted, Outcome};

use super::super::super::models::{Taxonomy, numbered, with_rows as with_taxonomy};
use super::super::oracle::Row;
use super::super::ruled::{self, Indexes, Ruled};
use super::{failed, import, records, rows, stored, told, with_rows};
use crate::Db;

tests![
    a_tombstone_with_the_earlier_key,
    a_tombstone_holds_its_keys_in_a_full_index,
    revived,
    the_one_that_was_marked_last_is_revived on ["postgres", "sqlite"],
    refused,
    missing_rows_are_marked,
    marking_gives_keys_away_where_marked_rows_are_left_out,
    a_model_without_such_a_column,
];

async fn a_tombstone_with_the_earlier_key(db: Db) {
    for &indexes in Indexes::ALL {
        let rows = [Row::of(1, "r1 s7").marked(1), Row::of(2, "- s1")];
        let records = || records(["r1 s1"]);
        with_rows(&db, indexes, &rows).await;
        // It is the record's row; and its slug is one of a row that nobody changes.
        let revive = import(records()).on_deleted(OnDeleted::Revive);
        let (report, _) = told(&db, revive).await;
        assert_eq!(failed(&report), [(0, "Conflict".to_owned())]);
        let refuse = import(records()).on_deleted(OnDeleted::Refuse);
        let (report, _) = told(&db, refuse).await;
        assert_eq!(failed(&report), [(0, "Deleted".to_owned())]);
        assert_eq!(ruled::stored(&db).await, rows);
        // It is not there, and the record goes on to its slug.
        let (report, _) = told(&db, import(records())).await;
        if indexes == Indexes::Full {
            assert_eq!(failed(&report), [(0, "Conflict".to_owned())]);
            assert_eq!(ruled::stored(&db).await, rows);
        } else {
            assert_eq!(report.updated, 1, "{report}");
            let after = ["r1 s7 - - old deleted", "r1 s1 - - new"];
            assert_eq!(stored(&db).await, after);
        }
    }
}

async fn a_tombstone_holds_its_keys_in_a_full_index(db: Db) {
    for &indexes in Indexes::ALL {
        let [one, two] = rows(["r1 s1 c1 1", "r2 s2 c2 2"]);
        let rows = [one.marked(1), two];
        with_rows(&db, indexes, &rows).await;
        // A create by each key, and a key that a row is to get.
        let records = records(["r1 s8", "r3 s3 c1", "r4 s1", "r2 s2 c2 1", "r5 s5"]);
        let (report, _) = told(&db, import(records)).await;
        if indexes == Indexes::Partial {
            assert_eq!((report.created, report.updated), (4, 1), "{report}");
            assert!(report.failed.is_empty(), "{report}");
            continue;
        }
        assert_eq!((report.created, report.failed.len()), (1, 4), "{report}");
        for failure in &report.failed {
            let says = "a row that is marked as deleted holds a unique key";
            let is_told = matches!(
                failure.error,
                Error::Conflict {
                    holder_is_deleted: true,
                    ..
                }
            );
            let text = failure.to_string();
            assert!(is_told && text.contains(says), "{text}");
        }
        assert_eq!(ruled::stored(&db).await[..2], rows);
    }
}

async fn revived(db: Db) {
    for &indexes in Indexes::ALL {
        let [one, two, three] = rows(["r1 s1 - 1", "r2 s2 - 2", "r3 s3 - 3"]);
        let rows = [one.marked(1), two.marked(2).named("new"), three];
        with_rows(&db, indexes, &rows).await;
        // One is taken over by its slug; the other is as it should be but for the mark.
        let records = records(["r9 s1 - 3", "r2 s2 - 2", "r3 s3 - 1"]);
        let import = import(records).on_deleted(OnDeleted::Revive).chunk_size(2);
        let (report, told) = told(&db, import.changes(true)).await;
        assert_eq!((report.updated, report.created), (3, 0), "{report}");
        let [
            (
                0,
                Outcome::Updated {
                    matched_by,
                    changed,
                },
            ),
            (1, other),
            _,
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!(*matched_by, "slug");
        assert_eq!(changed[..], ["remote_id", "position", "name", "deleted_at"]);
        let is_back = Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["deleted_at"],
        };
        assert_eq!(*other, is_back);
        let mut before = report.changes.iter().filter_map(|row| row.before.as_ref());
        assert_eq!(before.clone().count(), 3);
        assert!(before.any(|row| row.deleted_at.is_some()));
        assert_eq!(
            stored(&db).await,
            ["r9 s1 - 3 new", "r2 s2 - 2 new", "r3 s3 - 1 new"]
        );
    }
}

async fn the_one_that_was_marked_last_is_revived(db: Db) {
    let marked = |id, at| Row::of(id, "- s1").marked(at);
    let rows = vec![marked(1, 1), marked(2, 2), marked(3, 2), marked(4, 0)];
    let live = Row::of(5, "r5 s1");
    let cases = [
        (rows.clone(), records(["- s1"]), 3),
        // One that is not marked is asked first.
        (
            [rows.clone(), vec![live.clone()]].concat(),
            records(["- s1"]),
            5,
        ),
        // Its own record moves it on.
        ([rows, vec![live]].concat(), records(["r5 s5", "- s1"]), 3),
    ];
    for (rows, records, id) in cases {
        with_rows(&db, Indexes::Partial, &rows).await;
        let import = import(records).on_deleted(OnDeleted::Revive);
        let (report, _) = told(&db, import).await;
        assert_eq!(report.created, 0, "{report}");
        let mut stored = ruled::stored(&db).await;
        stored.retain(|row| row.marked.is_none() && row.keys[1].as_deref() == Some("s1"));
        assert_eq!(stored.len(), 1, "{stored:?}");
        assert_eq!((stored[0].id, &*stored[0].name), (id, "new"));
    }
}

async fn refused(db: Db) {
    for &indexes in Indexes::ALL {
        let [one, two] = rows(["r1 s1", "r2 s2"]);
        let rows = [one.marked(1), two.named("new")];
        with_rows(&db, indexes, &rows).await;
        let import = import(records(["r1 s1", "r2 s2", "r3 s3"]))
            .on_deleted(OnDeleted::Refuse)
            .missing(Missing::Delete);
        let (report, told) = told(&db, import).await;
        assert_eq!(failed(&report), [(0, "Deleted".to_owned())]);
        assert!(report.failed[0].error.is_about_record());
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(ruled::stored(&db).await[..2], rows);
    }
}

async fn missing_rows_are_marked(db: Db) {
    for &indexes in Indexes::ALL {
        let mut rows: Vec<Row> = (1..=20)
            .map(|n| Row::of(n, &format!("r{n} s{n}")).named("new"))
            .collect();
        // It is deleted already, and neither missing nor counted.
        rows[19] = rows[19].clone().marked(1);
        // Without the first key nobody knows whose it is.
        rows.push(Row::of(21, "- s21"));
        with_rows(&db, indexes, &rows).await;
        let keys: Vec<String> = (1..=18).map(|n| format!("r{n} s{n}")).collect();
        let keys: [&str; 18] = std::array::from_fn(|n| &*keys[n]);
        let mark = || import(records(keys)).missing(Missing::Mark);
        let dry = mark().dry_run(true).run(&db.pool).await;
        let dry = dry.expect("a dry run");
        assert_eq!((dry.missing, dry.deleted), (1, 1), "{dry}");
        assert_eq!(ruled::stored(&db).await, rows);
        let (report, _) = told(&db, mark()).await;
        let counts = (report.missing, report.deleted, report.unchanged);
        assert_eq!(counts, (1, 1, 18), "{report}");
        rows[18] = rows[18].clone().marked(Row::NOW);
        assert_eq!(ruled::stored(&db).await, rows);
        // Once they are marked they are not there.
        let (report, _) = told(&db, mark()).await;
        assert_eq!((report.missing, report.deleted), (0, 0), "{report}");
        assert_eq!(ruled::stored(&db).await, rows);
        let error = import(records(["r1 s1"])).missing(Missing::Mark);
        let error = error.run(&db.pool).await.unwrap_err();
        let Error::Refused {
            option, count, of, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((option, count, of), ("max_share", 17, 18));
    }
}

async fn marking_gives_keys_away_where_marked_rows_are_left_out(db: Db) {
    for &indexes in Indexes::ALL {
        for chunk_size in [1, 100] {
            let before = rows(["r1 s1 - 1", "r2 s2 - 2", "r3 s3 - 3"]);
            with_rows(&db, indexes, &before).await;
            // Two things were merged under the name of the one that goes.
            let mark = import(records(["r1 s2 - 2", "r3 s3 - 1"]))
                .missing(Missing::Mark)
                .max_share(0.5)
                .chunk_size(chunk_size);
            let (report, _) = told(&db, mark).await;
            let counts = (report.missing, report.deleted);
            if indexes == Indexes::Partial {
                assert_eq!(counts, (1, 1), "{report}");
                let after = ["r1 s2 - 2 new", "r2 s2 - 2 old deleted", "r3 s3 - 1 new"];
                assert_eq!(stored(&db).await, after);
            } else {
                // It would hold its keys all the same; and a failed record keeps what is missing.
                assert_eq!(counts, (1, 0), "{report}");
                let conflict = || "Conflict".to_owned();
                assert_eq!(failed(&report), [(0, conflict()), (1, conflict())]);
                assert_eq!(ruled::stored(&db).await, before);
            }
        }
    }
}

async fn a_model_without_such_a_column(db: Db) {
    with_taxonomy(&db, (0..3).map(numbered)).await;
    let import = || Taxonomy::import([numbered(1).named("changed")]);
    let refused = [
        import().missing(Missing::Mark).run(&db.pool).await,
        import().on_deleted(OnDeleted::Revive).run(&db.pool).await,
        import().on_deleted(OnDeleted::Refuse).run(&db.pool).await,
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        let error = match error {
            Error::Stopped { source, .. } => *source,
            error => error,
        };
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    let unchanged = "SELECT count(*) FROM taxonomy WHERE name <> 'changed'";
    assert_eq!(db.number(unchanged).await, 3);
    // Nor is there anything to ask a model that has one and an import that asks for nothing.
    ruled::with_table(&db, Indexes::Full).await;
    let import = Ruled::import(records(["r1 s1"])).on_deleted(OnDeleted::Ignore);
    assert_eq!(import.run(&db.pool).await.expect("an import").created, 1);
}
