//! The model's trickiest decisions.

use upsert_runtime::{OnDeleted, Only};

use super::oracle::{Cause, Expected, Merge, Options, Outcome, Record, Row, Rules, Stop, expected};

use Outcome::{Created, Failed, Protected, Skipped, Stale, Superseded, Unchanged, Updated};

/// The keys `remote_id slug code position`; `-` is NULL, and so is what is left out.
fn keys(text: &str) -> Vec<Option<String>> {
    let mut keys: Vec<_> = text
        .split(' ')
        .map(|key| (key != "-").then(|| key.to_owned()))
        .collect();
    keys.resize(4, None);
    keys
}

fn row(id: i64, text: &str) -> Row {
    Row {
        id,
        keys: keys(text),
        name: "old".to_owned(),
        ..Row::default()
    }
}

impl Row {
    fn version(self, version: i64) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    fn locked(self) -> Self {
        Self {
            locked: true,
            ..self
        }
    }

    fn marked(self, at: u8) -> Self {
        Self {
            marked: Some(at),
            ..self
        }
    }
}

fn record(text: &str) -> Record {
    Record {
        keys: keys(text),
        name: "new".to_owned(),
        ..Record::default()
    }
}

impl Record {
    fn version(self, version: i64) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }
}

fn rules() -> Rules {
    Rules {
        uniques: 1,
        newer: true,
        protect: true,
        ..Rules::default()
    }
}

fn options(rules: Rules) -> Options {
    Options {
        fold: str::to_owned,
        never: false,
        unclaimed: vec![false; 3],
        delete_missing: None,
        rules,
    }
}

fn import(rows: &[Row], records: &[Record], rules: Rules) -> Expected {
    expected(rows, records, &options(rules)).expect("nothing stops it")
}

/// `1: r1 s1 - - old`, for each row; `deleted` behind one that is marked.
fn stored(expected: &Expected) -> Vec<String> {
    let row = |row: &Row| {
        let keys = row.keys.iter().map(|key| key.as_deref().unwrap_or("-"));
        let keys = keys.collect::<Vec<_>>().join(" ");
        let deleted = if row.marked.is_some() { " deleted" } else { "" };
        format!("{}: {keys} {}{deleted}", row.id, row.name)
    };
    expected.rows.iter().map(row).collect()
}

const CONFLICT: Outcome = Failed(Cause::Conflict);
const IDENTITY: Outcome = Failed(Cause::Identity);

#[test]
fn a_stale_owner_keeps_its_keys() {
    let rows = [row(1, "r1 s1").version(5)];
    let records = [
        record("r1 s9").version(4),
        record("r2 s9"),
        record("r3 s1"),
        record("- s1").version(1),
    ];
    let done = import(&rows, &records, rules());
    // The key that it would have had is free; the one that it keeps is not.
    assert_eq!(done.outcomes, [Stale, Created, IDENTITY, Superseded]);
    assert_eq!(stored(&done), ["1: r1 s1 - - old", "0: r2 s9 - - new"]);
}

#[test]
fn none_is_less_than_any_version_and_a_tie_is_written() {
    let rows = [
        row(1, "r1 s1").version(0),
        row(2, "r2 s2").version(3),
        row(3, "r3 s3"),
    ];
    let records = [record("r1 s1"), record("r2 s2").version(3), record("r3 s3")];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Stale, Updated, Updated]);
}

#[test]
fn a_merge_without_the_version_is_not_judged_by_it() {
    let rows = [row(1, "r1 s1").version(5)];
    let with = |merge| Rules {
        merge: Some(merge),
        ..rules()
    };
    let records = [record("r1 s9").version(1)];
    let done = import(&rows, &records, with(Merge::NameOnly));
    assert_eq!(done.outcomes, [Updated]);
    assert_eq!(stored(&done), ["1: r1 s1 - - new"]);
    let done = import(&rows, &records, with(Merge::KeepPosition));
    assert_eq!(done.outcomes, [Stale]);
}

#[test]
fn a_protected_row_that_would_be_taken_over() {
    let rows = [row(1, "r1 s1").locked()];
    let records = [record("r2 s1"), record("r3 s1")];
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
    let rows = [row(1, "r1 s7").marked(1), row(2, "- s1")];
    let records = [record("r1 s1")];
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
    assert_eq!(
        stored(&done),
        ["1: r1 s7 - - old deleted", "2: r1 s1 - - new"]
    );
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
        row(1, "- s1").marked(1),
        row(2, "- s1").marked(2),
        row(3, "- s1").marked(2),
        row(4, "- s1").marked(0),
    ];
    let done = import(&rows, &[record("- s1")], revive());
    assert_eq!(done.outcomes, [Updated]);
    assert_eq!(stored(&done)[2], "3: - s1 - - new");
    assert_eq!(done.changed["deleted_at"], 1);
    // Rows that are not marked are asked first.
    rows.push(row(5, "- s1"));
    let done = import(&rows, &[record("- s1")], revive());
    assert_eq!(stored(&done)[4], "5: - s1 - - new");
    // If another record moves that row on, the next one is asked.
    rows[4] = row(5, "r5 s1");
    let records = [record("r5 s5"), record("- s1")];
    let done = import(&rows, &records, revive());
    assert_eq!(done.outcomes, [Updated, Updated]);
    assert_eq!(stored(&done)[2], "3: - s1 - - new");
    // If it does not, the key is that row's.
    let done = import(&rows, &[record("r5 s1"), record("- s1")], revive());
    assert_eq!(done.outcomes, [Updated, Superseded]);
}

#[test]
fn a_tombstone_that_is_revived_is_asked_protect_and_newer() {
    let revive = |is_partial| Rules {
        on_deleted: OnDeleted::Revive,
        is_partial,
        ..rules()
    };
    let rows = [
        row(1, "r1 s1").marked(1).locked(),
        row(2, "r2 s2").marked(1).version(5),
    ];
    let records = [record("r1 s1"), record("r2 s2").version(1), record("r3 s1")];
    let done = import(&rows, &records, revive(false));
    assert_eq!(done.outcomes, [Protected, Stale, IDENTITY]);
    assert_eq!(done.rows, rows);
}

#[test]
fn a_row_that_is_not_marked_has_a_value_before_one_that_is() {
    let rules = Rules {
        on_deleted: OnDeleted::Revive,
        is_partial: true,
        ..rules()
    };
    let rows = [row(1, "r1 s1 - 7"), row(2, "r2 s2 - 7").marked(1)];
    let records = [
        record("r1 s1 - 7"),
        record("r2 s2 - 7"),
        record("r3 s3 - 7"),
    ];
    let done = import(&rows, &records, rules);
    assert_eq!(done.outcomes, [Updated, CONFLICT, CONFLICT]);
}

#[test]
fn who_lost_a_key_to_a_skipped_creator_is_judged_without_it() {
    let rows = [row(1, "r1 s1 c1")];
    let records = [record("- s9 c1"), record("r9 s8"), record("r9 s9")];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Superseded, Superseded, Created]);
    let update = || Rules {
        only: Some(Only::Update),
        ..rules()
    };
    let done = import(&rows, &records, update());
    // It finds the row by its code; what is equal to the creator stays superseded.
    assert_eq!(done.outcomes, [Updated, Superseded, Skipped]);
    assert_eq!(stored(&done), ["1: r1 s9 c1 - new"]);
    // One that is not skipped is not judged anew.
    let records = [
        record("- s9 c1"),
        record("r9 s8"),
        record("- s8"),
        record("- - -"),
    ];
    let done = import(&rows, &records, update());
    let outcomes = [Updated, Skipped, Skipped, Failed(Cause::NoUsableKey)];
    assert_eq!(done.outcomes, outcomes);
}

#[test]
fn a_record_that_may_only_create_owns_the_row_that_it_found() {
    let rows = [
        row(1, "r1 s1"),
        row(2, "r2 s2").version(2),
        row(3, "r3 s3").locked(),
    ];
    let records = [
        record("r1 s9"),
        record("r2 s2").version(1),
        record("r3 s3"),
        record("r4 s9"),
        record("- s1"),
    ];
    let rules = Rules {
        only: Some(Only::Create),
        ..rules()
    };
    let done = import(&rows, &records, rules);
    let outcomes = [Skipped, Stale, Protected, Created, Superseded];
    assert_eq!(done.outcomes, outcomes);
    assert_eq!(stored(&done)[0], "1: r1 s1 - - old");
}

#[test]
fn a_superseded_newer_record_gives_the_data() {
    let rows = [row(1, "r1 s1 - 1").version(1)];
    let records = [
        record("r1 s1 - 2").version(2).named("owner"),
        record("- s1 - 3").version(4).named("newest"),
    ];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Updated, Superseded]);
    // The keys stay the owner's, and what is unique is a key.
    assert_eq!(stored(&done), ["1: r1 s1 - 2 newest"]);
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
    assert_eq!(stored(&created), ["0: r1 s1 - 2 newest"]);
}

#[test]
fn newer_data_go_to_a_row_whose_own_record_is_stale() {
    let rows = [row(1, "r1 s1 - 1").version(2)];
    let records = [
        record("r1 s9 - 9").version(1).named("stale"),
        record("- s1 - 3").version(3).named("newest"),
        record("r2 s9"),
    ];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [Updated, Superseded, Created]);
    assert_eq!(stored(&done), ["1: r1 s1 - 1 newest", "0: r2 s9 - - new"]);
}

#[test]
fn of_records_that_come_twice_the_newest_counts() {
    let records = [
        record("r1 s1").version(2),
        record("r1 s2").version(3),
        record("r1 s3").version(3),
        record("r1 s4").version(1),
        record("r1 s5"),
    ];
    let done = import(&[], &records, rules());
    assert_eq!(stored(&done), ["0: r1 s3 - - new"]);
    assert_eq!(done.outcomes[2], Created);
}

#[test]
fn positions_are_shifted_exchanged_and_rotated() {
    let rows = [row(1, "r1 a - 1"), row(2, "r2 b - 2"), row(3, "r3 c - 3")];
    for positions in [[2, 3, 4], [0, 1, 2], [2, 1, 3], [2, 3, 1], [3, 2, 1]] {
        let slugs = ["a", "b", "c"];
        let record = |n: usize| record(&format!("r{} {} - {}", n + 1, slugs[n], positions[n]));
        let records: Vec<Record> = (0..3).map(record).collect();
        let done = import(&rows, &records, rules());
        assert_eq!(done.outcomes, [Updated; 3]);
    }
    // One that is not in the import is held by its row, and finds nothing.
    let records = [record("r1 a - 3"), record("r4 d - 2"), record("r2 b -")];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [CONFLICT, Created, Updated]);
    assert_eq!(stored(&done)[1], "2: r2 b - - new");
}

#[test]
fn a_row_left_alone_keeps_its_place_in_a_rotation() {
    let mut rows = [row(1, "r1 a - 1"), row(2, "r2 b - 2"), row(3, "r3 c - 3")];
    rows[1] = rows[1].clone().locked();
    let records = [record("r1 a - 2"), record("r2 b - 3"), record("r3 c - 1")];
    let done = import(&rows, &records, rules());
    // The first does not get the second's place and stays where it was, so the third does not get that either.
    assert_eq!(done.outcomes, [CONFLICT, Protected, CONFLICT]);
    assert_eq!(done.rows, rows);
}

#[test]
fn a_merge_that_keeps_slugs_in_a_chain() {
    let mut rows = [row(1, "r1 s1"), row(2, "r2 s2"), row(3, "r3 s3")];
    let records = [record("r1 s2"), record("r2 s3"), record("r3 s4")];
    rows[1].name = "kept".to_owned();
    let rules = |merge| Rules {
        merge: Some(merge),
        ..rules()
    };
    let done = import(&rows, &records, rules(Merge::KeepSlug("kept")));
    assert_eq!(done.outcomes, [CONFLICT, Updated, Updated]);
    assert_eq!(
        stored(&done),
        ["1: r1 s1 - - old", "2: r2 s2 - - new", "3: r3 s4 - - new"]
    );
    let done = import(&rows, &records, rules(Merge::AlterSlug("kept")));
    assert_eq!(
        done.outcomes,
        [CONFLICT, Failed(Cause::KeyAltered), Updated]
    );
    // A key that is blank in the record, set explicitly.
    let rows = [row(1, "r1 s1 c1"), row(2, "r2 s2")];
    let records = [record("r1 s1 -"), record("r2 s2 c1")];
    let done = import(&rows, &records, rules(Merge::Follow));
    assert_eq!(stored(&done), ["1: r1 s1 - - new", "2: r2 s2 c1 - new"]);
}

#[test]
fn what_is_uncompared_or_none_is_no_change() {
    let old = Row {
        name: "new".to_owned(),
        note: Some("kept".to_owned()),
        seen: 1,
        ..row(1, "r1 s1")
    };
    let seen = Record {
        seen: 2,
        ..record("r1 s1")
    };
    let done = import(&[old.clone()], &[seen.clone()], rules());
    assert_eq!(
        (&done.outcomes[..], &done.rows[..]),
        (&[Unchanged][..], &[old.clone()][..])
    );
    let done = import(&[old], &[seen.named("other")], rules());
    let row = &done.rows[0];
    assert_eq!((row.seen, row.note.as_deref()), (2, Some("kept")));
    assert_eq!(done.changed.keys().collect::<Vec<_>>(), [&"name"]);
}

#[test]
fn the_rules_are_asked_in_their_order() {
    let rows = [row(1, "r1 s1").locked().version(5).marked(1)];
    let records = [record("r1 s1").version(1)];
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

#[test]
fn marking_frees_keys_where_the_index_leaves_marked_rows_out() {
    let rows = [row(1, "r1 s1"), row(2, "r2 s2"), row(3, "r3 s3").marked(1)];
    let records = [record("r1 s2")];
    let mark = |is_partial| {
        let mut options = options(Rules {
            mark: true,
            is_partial,
            ..rules()
        });
        options.delete_missing = Some(1.0);
        expected(&rows, &records, &options).expect("no stop")
    };
    let done = mark(true);
    assert_eq!(
        (&done.outcomes[..], done.missing, done.deleted),
        (&[Updated][..], 1, 1)
    );
    assert_eq!(stored(&done)[1], "2: r2 s2 - - old deleted");
    // A failed record keeps the missing ones.
    let done = mark(false);
    assert_eq!(
        (&done.outcomes[..], done.missing, done.deleted),
        (&[CONFLICT][..], 1, 0)
    );
    assert_eq!(done.rows, rows);
}

#[test]
fn brakes() {
    let name = |n: i64| format!("r{n} s{n}");
    let rows: Vec<Row> = (0..40).map(|n| row(n, &name(n))).collect();
    let records = |n| (0..n).map(|n| record(&name(n))).collect::<Vec<_>>();
    let stops = |records: Vec<Record>, share, most| {
        let rules = Rules {
            max_changed_share: Some(share),
            max_failed: Some(most),
            ..rules()
        };
        expected(&rows, &records, &options(rules))
            .err()
            .unwrap_or_default()
    };
    assert_eq!(stops(records(20), 0.0, 0), []);
    assert_eq!(stops(records(21), 1.0, 0), []);
    assert_eq!(
        stops(records(21), 0.9, 0),
        [Stop::Changed { count: 21, of: 21 }]
    );
    // Rows that are as they should be are rows that were found; created ones are not.
    let mut some = records(40);
    for unchanged in &mut some[30..] {
        unchanged.name = "old".to_owned();
    }
    some.push(record("r77 s77"));
    assert_eq!(stops(some.clone(), 0.75, 0), []);
    assert_eq!(stops(some, 0.74, 0), [Stop::Changed { count: 30, of: 40 }]);
    let nobody = || record("-");
    assert_eq!(stops(vec![nobody()], 1.0, 1), []);
    assert_eq!(
        stops(vec![nobody(), nobody()], 1.0, 1),
        [Stop::Failed { is_planned: true }]
    );
    let conflicts = vec![nobody(), record("r0 s39")];
    assert_eq!(
        stops(conflicts, 1.0, 1),
        [Stop::Failed { is_planned: false }]
    );
}
