//! Imports to be tried on the model with all rules: records that are made up, and whole orders that are shifted, exchanged and rotated.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::{option, prop_oneof};
use upsert_runtime::{OnDeleted, Only};

use super::oracle::{Merge, Record, Rules};
use super::ruled::{Indexes, Seed};
use super::things;

/// An import to be tried.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) rows: Vec<Seed>,
    pub(super) records: Vec<Record>,
    pub(super) chunk_size: usize,
    pub(super) atomic: bool,
    /// Whether each row that is stored is told. What nobody wants to see is not read again.
    pub(super) looks: bool,
    pub(super) never: bool,
    pub(super) max_share: Option<f64>,
    pub(super) rules: Rules,
}

pub(super) fn case(indexes: Indexes) -> impl Strategy<Value = Case> {
    let made_up = (vec(seed(), 0..6), vec(record(), 0..9));
    let tables = prop_oneof![1 => made_up, 1 => moved()];
    let max_share = prop_oneof![
        3 => Just(None),
        3 => Just(Some(1.0)),
        1 => Just(Some(0.5)),
    ];
    let options = (1..7_usize, any::<(bool, bool)>(), rarely(), max_share);
    (tables, options, rules(indexes)).prop_map(
        |((rows, records), (chunk_size, (atomic, looks), never, max_share), rules)| Case {
            rows,
            records,
            chunk_size,
            atomic,
            looks,
            never,
            max_share,
            rules,
        },
    )
}

fn rarely() -> impl Strategy<Value = bool> {
    prop_oneof![4 => Just(false), 1 => Just(true)]
}

fn rules(indexes: Indexes) -> impl Strategy<Value = Rules> {
    let merge = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Merge::KeepSlug("n0"))),
        1 => Just(Some(Merge::KeepPosition)),
        1 => Just(Some(Merge::NameOnly)),
        1 => Just(Some(Merge::Follow)),
        1 => Just(Some(Merge::AlterSlug("n0"))),
        1 => Just(Some(Merge::AlterPosition("n1"))),
    ];
    let only = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Only::Create)),
        1 => Just(Some(Only::Update)),
    ];
    let on_deleted = prop_oneof![
        1 => Just(OnDeleted::Ignore),
        2 => Just(OnDeleted::Revive),
        1 => Just(OnDeleted::Refuse),
    ];
    let max_failed = prop_oneof![5 => Just(None), 1 => (0..3_usize).prop_map(Some)];
    // So few updates are never too many.
    let max_changed_share = prop_oneof![3 => Just(None), 1 => Just(Some(0.0))];
    (
        merge,
        only,
        on_deleted,
        any::<(bool, bool)>(),
        max_failed,
        max_changed_share,
    )
        .prop_map(
            move |(merge, only, on_deleted, (protect, mark), max_failed, max_changed_share)| {
                Rules {
                    uniques: 1,
                    newer: true,
                    merge,
                    protect,
                    only,
                    on_deleted,
                    is_partial: indexes == Indexes::Partial,
                    mark,
                    max_changed_share,
                    max_failed,
                }
            },
        )
}

/// What stands in a record beside its keys.
fn data() -> impl Strategy<Value = Record> {
    let note = option::of((0..2_u8).prop_map(|note| format!("note {note}")));
    let version = prop_oneof![1 => Just(None), 5 => (1..5_i64).prop_map(Some)];
    (0..3_u8, note, version, 0..3_i64).prop_map(|(name, note, version, seen)| Record {
        keys: Vec::new(),
        name: format!("n{name}"),
        note,
        version,
        seen,
    })
}

/// Few keys, so that they meet.
fn record() -> impl Strategy<Value = Record> {
    let position = prop_oneof![1 => Just(None), 4 => (0..4_usize).prop_map(Some)];
    (things::record(), position, data()).prop_map(|(Record { mut keys, .. }, position, data)| {
        keys.push(position.map(|position| position.to_string()));
        Record { keys, ..data }
    })
}

/// Most rows are neither locked nor marked, and are older than most records.
fn seed() -> impl Strategy<Value = Seed> {
    (record(), state()).prop_map(|(record, state)| state.of(record))
}

#[derive(Debug, Clone)]
struct State {
    locked: bool,
    marked: Option<u8>,
    version: Option<i64>,
}

fn state() -> impl Strategy<Value = State> {
    let marked = prop_oneof![3 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    let version = prop_oneof![
        2 => Just(None),
        4 => (0..3_i64).prop_map(Some),
        1 => (3..6_i64).prop_map(Some),
    ];
    (rarely(), marked, version).prop_map(|(locked, marked, version)| State {
        locked,
        marked,
        version,
    })
}

impl State {
    fn of(self, record: Record) -> Seed {
        Seed {
            record: Record {
                version: self.version,
                ..record
            },
            locked: self.locked,
            marked: self.marked,
        }
    }
}

/// Where the keys of the records stand against those of the rows.
#[derive(Debug, Clone, Copy)]
enum Move {
    Stay,
    /// Each has that of the next row; the last has a new one.
    Up,
    /// The first has a new one.
    Down,
    /// The last has that of the first row.
    Around,
    /// The first two have each other's.
    Exchange,
    Reverse,
}

impl Move {
    /// From 1 for the first row, so that there is one before.
    fn of(self, n: usize, last: usize) -> usize {
        match (self, n) {
            (Self::Around, _) if n == last => 1,
            (Self::Up | Self::Around, _) => n + 1,
            (Self::Down, _) => n - 1,
            (Self::Exchange, 1) => 2,
            (Self::Exchange, 2) => 1,
            (Self::Reverse, _) => last + 1 - n,
            (Self::Stay | Self::Exchange, _) => n,
        }
    }
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => Just(Move::Stay),
        1 => Just(Move::Up),
        1 => Just(Move::Down),
        1 => Just(Move::Around),
        1 => Just(Move::Exchange),
        1 => Just(Move::Reverse),
    ]
}

/// A row and its record.
#[derive(Debug, Clone)]
struct Pair {
    stored: Record,
    state: State,
    new: Record,
    /// Whether the row has its first and its third key, and the record its own.
    row_has: [bool; 2],
    record_has: [bool; 2],
    is_in: bool,
    /// Whether the record says of the row what is stored, keys apart.
    is_same: bool,
}

fn pair() -> impl Strategy<Value = Pair> {
    let mostly = || rarely().prop_map(|rarely| !rarely);
    let has = || [mostly().boxed(), any::<bool>().boxed()];
    let is_so = (mostly(), rarely());
    (data(), state(), data(), has(), has(), is_so).prop_map(
        |(stored, state, new, row_has, record_has, (is_in, is_same))| Pair {
            stored,
            state,
            new,
            row_has,
            record_has,
            is_in,
            is_same,
        },
    )
}

impl Pair {
    /// The same with nothing in the way of its move.
    fn calm(self) -> Self {
        Self {
            state: State {
                locked: false,
                marked: None,
                version: None,
            },
            row_has: [true; 2],
            record_has: [true; 2],
            is_in: true,
            ..self
        }
    }

    fn record(&self) -> Record {
        if self.is_same {
            let version = self.state.version;
            Record {
                version,
                ..self.stored.clone()
            }
        } else {
            self.new.clone()
        }
    }
}

/// A table, and records that have the same keys in another order; in half of the cases some of them are left out, and a few
/// others are beside them.
fn moved() -> impl Strategy<Value = (Vec<Seed>, Vec<Record>)> {
    let moves = [a_move(), a_move(), a_move()];
    let others = vec(record(), 0..3);
    (vec(pair(), 2..6), moves, others, any::<[bool; 2]>()).prop_map(
        |(pairs, [slug, code, position], mut others, [is_calm, others_first])| {
            let keys =
                |[has_first, has_third]: [bool; 2], n, [slug, code, position]: [usize; 3]| {
                    vec![
                        has_first.then(|| format!("r{n}")),
                        Some(format!("s{slug}")),
                        has_third.then(|| format!("c{code}")),
                        Some(position.to_string()),
                    ]
                };
            let last = pairs.len();
            let mut rows = Vec::new();
            let mut records = Vec::new();
            if is_calm {
                others.clear();
            }
            for (n, pair) in (1..).zip(pairs) {
                let pair = if is_calm { pair.calm() } else { pair };
                let new = pair.record();
                rows.push(pair.state.of(Record {
                    keys: keys(pair.row_has, n, [n, n, n]),
                    ..pair.stored
                }));
                let places = [slug, code, position].map(|place| place.of(n, last));
                if pair.is_in {
                    records.push(Record {
                        keys: keys(pair.record_has, n, places),
                        ..new
                    });
                }
            }
            if others_first {
                others.append(&mut records);
                (rows, others)
            } else {
                records.append(&mut others);
                (rows, records)
            }
        },
    )
}
