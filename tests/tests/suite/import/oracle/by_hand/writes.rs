//! What is written to a row.

use upsert_runtime::{OnDeleted, Only};

use super::super::oracle::Outcome::{
    Created, Failed, Protected, Skipped, Stale, Superseded, Unchanged, Updated,
};
use super::super::oracle::{Cause, Merge, Record, Row, Rules};
use super::{CONFLICT, IDENTITY, import, rules, stored};

#[test]
fn a_stale_owner_keeps_its_keys() {
    let rows = [Row::of(1, "r1 s1").version(5)];
    let records = [
        Record::of("r1 s9").version(4),
        Record::of("r2 s9"),
        Record::of("r3 s1"),
        Record::of("- s1").version(1),
    ];
    let done = import(&rows, &records, rules());
    // The key that it would have had is free; the one that it keeps is not.
    assert_eq!(done.outcomes, [Stale, Created, IDENTITY, Superseded]);
    assert_eq!(stored(&done), ["r1 s1 - - old", "r2 s9 - - new"]);
}

#[test]
fn none_is_less_than_any_version_and_a_tie_is_written() {
    let rows = [
        Row::of(1, "r1 s1").version(0),
        Row::of(2, "r2 s2").version(3),
        Row::of(3, "r3 s3"),
    ];
    let records = [
        Record::of("r1 s1"),
        Record::of("r2 s2").version(3),
        Record::of("r3 s3"),
    ];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Stale, Updated, Updated]);
}

#[test]
fn a_merge_without_the_version_is_not_judged_by_it() {
    let rows = [Row::of(1, "r1 s1").version(5)];
    let with = |merge| Rules {
        merge: Some(merge),
        ..rules()
    };
    let records = [Record::of("r1 s9").version(1)];
    let done = import(&rows, &records, with(Merge::NameOnly));
    assert_eq!(done.outcomes, [Updated]);
    assert_eq!(stored(&done), ["r1 s1 - - new"]);
    let done = import(&rows, &records, with(Merge::KeepPosition));
    assert_eq!(done.outcomes, [Stale]);
}

#[test]
fn a_tombstone_that_is_revived_is_asked_protect_and_newer() {
    let revive = |is_partial| Rules {
        on_deleted: OnDeleted::Revive,
        is_partial,
        ..rules()
    };
    let rows = [
        Row::of(1, "r1 s1").marked(1).locked(),
        Row::of(2, "r2 s2").marked(1).version(5),
    ];
    let records = [
        Record::of("r1 s1"),
        Record::of("r2 s2").version(1),
        Record::of("r3 s1"),
    ];
    let done = import(&rows, &records, revive(false));
    assert_eq!(done.outcomes, [Protected, Stale, IDENTITY]);
    assert_eq!(done.rows, rows);
}

#[test]
fn a_merge_that_keeps_slugs_in_a_chain() {
    let mut rows = [
        Row::of(1, "r1 s1"),
        Row::of(2, "r2 s2"),
        Row::of(3, "r3 s3"),
    ];
    let records = [
        Record::of("r1 s2"),
        Record::of("r2 s3"),
        Record::of("r3 s4"),
    ];
    rows[1].name = "kept".to_owned();
    let rules = |merge| Rules {
        merge: Some(merge),
        ..rules()
    };
    let done = import(&rows, &records, rules(Merge::KeepSlug("kept")));
    assert_eq!(done.outcomes, [CONFLICT, Updated, Updated]);
    assert_eq!(
        stored(&done),
        ["r1 s1 - - old", "r2 s2 - - new", "r3 s4 - - new"]
    );
    let done = import(&rows, &records, rules(Merge::AlterSlug("kept")));
    assert_eq!(
        done.outcomes,
        [CONFLICT, Failed(Cause::KeyAltered), Updated]
    );
    // A key that is blank in the record, set explicitly.
    let rows = [Row::of(1, "r1 s1 c1"), Row::of(2, "r2 s2")];
    let records = [Record::of("r1 s1 -"), Record::of("r2 s2 c1")];
    let done = import(&rows, &records, rules(Merge::Follow));
    assert_eq!(stored(&done), ["r1 s1 - - new", "r2 s2 c1 - new"]);
}

#[test]
fn what_is_uncompared_or_none_is_no_change() {
    let old = [Row {
        name: "new".to_owned(),
        note: Some("kept".to_owned()),
        seen: 1,
        ..Row::of(1, "r1 s1")
    }];
    let mut records = [Record {
        seen: 2,
        ..Record::of("r1 s1")
    }];
    let done = import(&old, &records, rules());
    assert_eq!(done.outcomes, [Unchanged]);
    assert_eq!(done.rows, old);
    records[0].name = "other".to_owned();
    let done = import(&old, &records, rules());
    let row = &done.rows[0];
    assert_eq!((row.seen, row.note.as_deref()), (2, Some("kept")));
    assert_eq!(done.changed.keys().collect::<Vec<_>>(), [&"name"]);
}

#[test]
fn the_rules_are_asked_in_their_order() {
    let rows = [Row::of(1, "r1 s1").locked().version(5).marked(1)];
    let records = [Record::of("r1 s1").version(1)];
    let mut rules = Rules {
        on_deleted: OnDeleted::Refuse,
        only: Some(Only::Create),
        merge: Some(Merge::AlterSlug("old")),
        ..rules()
    };
    let mut outcomes = Vec::new();
    outcomes.extend(import(&rows, &records, rules.clone()).outcomes);
    rules.on_deleted = OnDeleted::Revive;
    outcomes.extend(import(&rows, &records, rules.clone()).outcomes);
    rules.protect = false;
    outcomes.extend(import(&rows, &records, rules.clone()).outcomes);
    rules.newer = false;
    outcomes.extend(import(&rows, &records, rules.clone()).outcomes);
    rules.only = None;
    outcomes.extend(import(&rows, &records, rules.clone()).outcomes);
    rules.merge = None;
    outcomes.extend(import(&rows, &records, rules).outcomes);
    let in_order = [
        Failed(Cause::Deleted),
        Protected,
        Stale,
        Skipped,
        Failed(Cause::KeyAltered),
        Updated,
    ];
    assert_eq!(outcomes, in_order);
}
