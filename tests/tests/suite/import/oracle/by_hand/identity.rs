//! Who is which row, and who gives the data.

use upsert_runtime::{OnDeleted, Only};

use super::super::oracle::Outcome::{
    Created, Failed, Protected, Skipped, Stale, Superseded, Updated,
};
use super::super::oracle::{Cause, Record, Row, Rules, expected};
use super::{CONFLICT, IDENTITY, import, options, rules, stored};

#[test]
fn a_protected_row_that_would_be_taken_over() {
    let rows = [Row::of(1, "r1 s1").locked()];
    let records = [Record::of("r2 s1"), Record::of("r3 s1")];
    let mut options = options(rules());
    // It is nobody's prey, and not missing.
    options.delete_missing = Some(0.0);
    let done = expected(&rows, &records, &options).expect("no stop");
    assert_eq!(done.outcomes, [IDENTITY, Protected]);
    assert_eq!((stored(&done).len(), done.missing), (1, 0));
    assert_eq!(done.rows, rows);
    // Identity comes first.
    options.never = true;
    let done = expected(&rows, &records, &options).expect("no stop");
    assert_eq!(done.outcomes, [IDENTITY, IDENTITY]);
    assert_eq!((done.rows, done.missing), (rows.to_vec(), 0));
}

#[test]
fn a_tombstone_with_the_earlier_key() {
    let rows = [Row::of(1, "r1 s7").marked(1), Row::of(2, "- s1")];
    let records = [Record::of("r1 s1")];
    let with = |on_deleted, is_partial| Rules {
        on_deleted,
        is_partial,
        ..rules()
    };
    for is_partial in [true, false] {
        // The tombstone is the record's; the slug is of a row that nobody changes.
        let done = import(&rows, &records, with(OnDeleted::Revive, is_partial));
        assert_eq!(
            (&done.outcomes[..], &done.rows[..]),
            (&[CONFLICT][..], &rows[..])
        );
        let done = import(&rows, &records, with(OnDeleted::Refuse, is_partial));
        assert_eq!(done.outcomes, [Failed(Cause::Deleted)]);
        assert_eq!(done.rows, rows);
    }
    // It is not there; but its key is, in a full index.
    let done = import(&rows, &records, with(OnDeleted::Ignore, true));
    assert_eq!(done.outcomes, [Updated]);
    assert_eq!(stored(&done), ["r1 s7 - - old deleted", "r1 s1 - - new"]);
    let done = import(&rows, &records, with(OnDeleted::Ignore, false));
    assert_eq!(
        (&done.outcomes[..], &done.rows[..]),
        (&[CONFLICT][..], &rows[..])
    );
}

#[test]
fn of_several_tombstones_the_one_marked_last_comes_back() {
    let revive = || Rules {
        on_deleted: OnDeleted::Revive,
        is_partial: true,
        ..rules()
    };
    let mut rows = vec![
        Row::of(1, "- s1").marked(1),
        Row::of(2, "- s1").marked(2),
        Row::of(3, "- s1").marked(2),
        Row::of(4, "- s1").marked(0),
    ];
    let done = import(&rows, &[Record::of("- s1")], revive());
    assert_eq!(done.outcomes, [Updated]);
    assert_eq!(stored(&done)[2], "- s1 - - new");
    assert_eq!(done.changed["deleted_at"], 1);
    // Rows that are not marked are asked first.
    rows.push(Row::of(5, "- s1"));
    let done = import(&rows, &[Record::of("- s1")], revive());
    assert_eq!(stored(&done)[4], "- s1 - - new");
    // If another record moves that row on, the next one is asked.
    rows[4] = Row::of(5, "r5 s1");
    let records = [Record::of("r5 s5"), Record::of("- s1")];
    let done = import(&rows, &records, revive());
    assert_eq!(done.outcomes, [Updated, Updated]);
    assert_eq!(stored(&done)[2], "- s1 - - new");
    // If it does not, the key is that row's.
    let done = import(&rows, &[Record::of("r5 s1"), Record::of("- s1")], revive());
    assert_eq!(done.outcomes, [Updated, Superseded]);
}

#[test]
fn who_lost_a_key_to_a_skipped_creator_is_judged_without_it() {
    let rows = [Row::of(1, "r1 s1 c1")];
    let records = [
        Record::of("- s9 c1"),
        Record::of("r9 s8"),
        Record::of("r9 s9"),
    ];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Superseded, Superseded, Created]);
    let update = || Rules {
        only: Some(Only::Update),
        ..rules()
    };
    let done = import(&rows, &records, update());
    // It finds the row by its code; what is equal to the creator stays superseded.
    assert_eq!(done.outcomes, [Updated, Superseded, Skipped]);
    assert_eq!(stored(&done), ["r1 s9 c1 - new"]);
    // One that is not skipped is not judged anew.
    let records = [
        Record::of("- s9 c1"),
        Record::of("r9 s8"),
        Record::of("- s8"),
        Record::of("- - -"),
    ];
    let done = import(&rows, &records, update());
    let outcomes = [Updated, Skipped, Skipped, Failed(Cause::NoUsableKey)];
    assert_eq!(done.outcomes, outcomes);
}

#[test]
fn a_record_that_may_only_create_owns_the_row_that_it_found() {
    let rows = [
        Row::of(1, "r1 s1"),
        Row::of(2, "r2 s2").version(2),
        Row::of(3, "r3 s3").locked(),
    ];
    let records = [
        Record::of("r1 s9"),
        Record::of("r2 s2").version(1),
        Record::of("r3 s3"),
        Record::of("r4 s9"),
        Record::of("- s1"),
    ];
    let rules = Rules {
        only: Some(Only::Create),
        ..rules()
    };
    let done = import(&rows, &records, rules);
    let outcomes = [Skipped, Stale, Protected, Created, Superseded];
    assert_eq!(done.outcomes, outcomes);
    assert_eq!(stored(&done)[0], "r1 s1 - - old");
}

#[test]
fn a_superseded_newer_record_gives_the_data() {
    let rows = [Row::of(1, "r1 s1 - 1").version(1)];
    let records = [
        Record::of("r1 s1 - 2").version(2).named("owner"),
        Record::of("- s1 - 3").version(4).named("newest"),
    ];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Updated, Superseded]);
    // The keys stay the owner's, and what is unique is a key.
    assert_eq!(stored(&done), ["r1 s1 - 2 newest"]);
    assert_eq!(done.rows[0].version, Some(4));
    // An older one does not, and of two at a tie the last does.
    let done = |versions: [i64; 2]| {
        let mut records = records.clone();
        records[0].version = Some(versions[0]);
        records[1].version = Some(versions[1]);
        records.reverse();
        import(&rows, &records, rules()).rows[0].name.clone()
    };
    assert_eq!(done([3, 2]), "owner");
    assert_eq!(done([3, 3]), "owner");
    // Created ones too.
    let created = import(&[], &records, rules());
    assert_eq!(created.outcomes, [Created, Superseded]);
    assert_eq!(stored(&created), ["r1 s1 - 2 newest"]);
}

#[test]
fn newer_data_go_to_a_row_whose_own_record_is_stale() {
    let rows = [Row::of(1, "r1 s1 - 1").version(2)];
    let records = [
        Record::of("r1 s9 - 9").version(1).named("stale"),
        Record::of("- s1 - 3").version(3).named("newest"),
        Record::of("r2 s9"),
    ];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Updated, Superseded, Created]);
    assert_eq!(stored(&done), ["r1 s1 - 1 newest", "r2 s9 - - new"]);
}

#[test]
fn of_records_that_come_twice_the_newest_counts() {
    let records = [
        Record::of("r1 s1").version(2),
        Record::of("r1 s2").version(3),
        Record::of("r1 s3").version(3),
        Record::of("r1 s4").version(1),
        Record::of("r1 s5"),
    ];
    let done = import(&[], &records, rules());
    assert_eq!(stored(&done), ["r1 s3 - - new"]);
    assert_eq!(done.outcomes[2], Created);
}
