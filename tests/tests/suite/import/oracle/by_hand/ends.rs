//! Who gets a value, what goes, and what stops an import.

use upsert_runtime::OnDeleted;

use super::super::oracle::Outcome::{Created, Protected, Updated};
use super::super::oracle::{Record, Row, Rules, Stop, expected};
use super::{CONFLICT, import, options, rules, stored};

#[test]
fn a_row_that_is_not_marked_has_a_value_before_one_that_is() {
    let rules = Rules {
        on_deleted: OnDeleted::Revive,
        is_partial: true,
        ..rules()
    };
    let rows = [Row::of(1, "r1 s1 - 7"), Row::of(2, "r2 s2 - 7").marked(1)];
    let records = [
        Record::of("r1 s1 - 7"),
        Record::of("r2 s2 - 7"),
        Record::of("r3 s3 - 7"),
    ];
    let done = import(&rows, &records, rules);
    assert_eq!(done.outcomes, [Updated, CONFLICT, CONFLICT]);
}

#[test]
fn positions_are_shifted_exchanged_and_rotated() {
    let rows = [
        Row::of(1, "r1 a - 1"),
        Row::of(2, "r2 b - 2"),
        Row::of(3, "r3 c - 3"),
    ];
    for positions in [[2, 3, 4], [0, 1, 2], [2, 1, 3], [2, 3, 1], [3, 2, 1]] {
        let slugs = ["a", "b", "c"];
        let numbered =
            |n: usize| Record::of(&format!("r{} {} - {}", n + 1, slugs[n], positions[n]));
        let records: Vec<Record> = (0..3).map(numbered).collect();
        let done = import(&rows, &records, rules());
        assert_eq!(done.outcomes, [Updated; 3]);
    }
    // One that is not in the import is held by its row, and finds nothing.
    let records = [
        Record::of("r1 a - 3"),
        Record::of("r4 d - 2"),
        Record::of("r2 b -"),
    ];
    let done = import(&rows, &records, rules());
    assert_eq!(done.outcomes, [CONFLICT, Created, Updated]);
    assert_eq!(stored(&done)[1], "r2 b - - new");
}

#[test]
fn a_row_left_alone_keeps_its_place_in_a_rotation() {
    let mut rows = [
        Row::of(1, "r1 a - 1"),
        Row::of(2, "r2 b - 2"),
        Row::of(3, "r3 c - 3"),
    ];
    rows[1] = rows[1].clone().locked();
    let records = [
        Record::of("r1 a - 2"),
        Record::of("r2 b - 3"),
        Record::of("r3 c - 1"),
    ];
    let done = import(&rows, &records, rules());
    // The first does not get the second's place and stays where it was, so the third does not get that either.
    assert_eq!(done.outcomes, [CONFLICT, Protected, CONFLICT]);
    assert_eq!(done.rows, rows);
}

#[test]
fn marking_frees_keys_where_the_index_leaves_marked_rows_out() {
    let rows = [
        Row::of(1, "r1 s1"),
        Row::of(2, "r2 s2"),
        Row::of(3, "r3 s3").marked(1),
    ];
    let records = [Record::of("r1 s2")];
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
    assert_eq!(stored(&done)[1], "r2 s2 - - old deleted");
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
    let rows: Vec<Row> = (0..40).map(|n| Row::of(n, &name(n))).collect();
    let records = |n| (0..n).map(|n| Record::of(&name(n))).collect::<Vec<_>>();
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
    some.push(Record::of("r77 s77"));
    assert_eq!(stops(some.clone(), 0.75, 0), []);
    assert_eq!(stops(some, 0.74, 0), [Stop::Changed { count: 30, of: 40 }]);
    let nobody = || Record::of("-");
    assert_eq!(stops(vec![nobody()], 1.0, 1), []);
    assert_eq!(
        stops(vec![nobody(), nobody()], 1.0, 1),
        [Stop::Failed { is_planned: true }]
    );
    let conflicts = vec![nobody(), Record::of("r0 s39")];
    assert_eq!(
        stops(conflicts, 1.0, 1),
        [Stop::Failed { is_planned: false }]
    );
}
