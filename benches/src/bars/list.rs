//! The bars, as numbers.

/// A bar: ours divided by the peer's, in one run.
#[derive(Debug)]
pub(super) struct Bar {
    /// How the arguments name it.
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Where it is measured; of several the worst counts.
    pub(super) databases: &'static [&'static str],
    pub(super) scale: &'static str,
    pub(super) peer: &'static str,
    /// By workload: at most, and the aim if there is one.
    pub(super) each: &'static [(&'static str, f64, Option<f64>)],
}

const POSTGRES: &[&str] = &["postgres"];

pub(super) const BARS: [Bar; 13] = [
    Bar {
        name: "one",
        what: "one record against the hand-written chain",
        databases: POSTGRES,
        scale: "one",
        peer: "chain",
        each: &[
            ("unchanged", 0.55, Some(0.5)),
            ("mixed", 0.75, Some(0.7)),
            ("changed", 1.05, Some(0.95)),
            ("new", 0.9, Some(0.8)),
        ],
    },
    Bar {
        name: "flushed",
        what: "the same, flushed to disk",
        databases: &["postgres-flushed"],
        scale: "one",
        peer: "chain",
        each: &[
            ("unchanged", 0.45, None),
            ("mixed", 0.6, None),
            ("changed", 1.0, None),
            ("new", 0.95, None),
        ],
    },
    Bar {
        name: "held",
        what: "on a held connection, against `ON CONFLICT` on one",
        databases: POSTGRES,
        scale: "held",
        peer: "on-conflict",
        each: &[("unchanged", 0.6, Some(0.5))],
    },
    Bar {
        name: "delayed",
        what: "one record with 1 ms, against the chain",
        databases: &["postgres-1ms"],
        scale: "one",
        peer: "chain",
        each: &[
            ("unchanged", 0.5, Some(0.45)),
            ("changed", 0.7, Some(0.45)),
            ("new", 0.6, Some(0.45)),
        ],
    },
    Bar {
        name: "hot-1",
        what: "16 tasks on one hot row, against the chain",
        databases: &["postgres", "mariadb", "sqlite"],
        scale: "hot-1",
        peer: "chain",
        each: &[("changed", 1.0, Some(0.85))],
    },
    Bar {
        name: "hot-100",
        what: "16 tasks on 100 hot rows, against the chain",
        databases: &["postgres", "mariadb", "sqlite"],
        scale: "hot-100",
        peer: "chain",
        each: &[("changed", 1.0, Some(0.85))],
    },
    Bar {
        name: "elsewhere",
        what: "MariaDB and SQLite, one record against the chain",
        databases: &["mariadb", "sqlite"],
        scale: "one",
        peer: "chain",
        each: &[("changed", 1.1, Some(1.0)), ("new", 1.1, Some(1.0))],
    },
    Bar {
        name: "import",
        what: "import of 20,000 against `unnest … ON CONFLICT`",
        databases: POSTGRES,
        scale: "import-20000",
        peer: "unnest",
        each: &[
            ("unchanged", 0.5, Some(0.25)),
            ("mixed", 0.9, Some(0.6)),
            ("changed", 1.6, Some(1.3)),
            ("new", 1.4, Some(1.1)),
        ],
    },
    Bar {
        name: "against",
        what: "the same against another build",
        databases: POSTGRES,
        scale: "import-20000",
        peer: "against",
        each: &[
            ("unchanged", 0.17, None),
            ("mixed", 0.3, None),
            ("changed", 0.35, None),
            ("new", 0.6, None),
        ],
    },
    Bar {
        name: "django",
        what: "import against Django's hand-written chain",
        databases: POSTGRES,
        scale: "import-20000",
        peer: "django-chain",
        each: &[("mixed", 1.0 / 150.0, Some(1.0 / 200.0))],
    },
    Bar {
        name: "import-mariadb",
        what: "import on MariaDB against `ON DUPLICATE KEY UPDATE` in chunks",
        databases: &["mariadb"],
        scale: "import-20000",
        peer: "on-duplicate-key-rows",
        each: &[("mixed", 1.2, Some(0.8))],
    },
    Bar {
        name: "import-mariadb-tcp",
        what: "the same over TCP",
        databases: &["mariadb-tcp"],
        scale: "import-20000",
        peer: "on-duplicate-key-rows",
        each: &[("mixed", 1.3, Some(0.8))],
    },
    Bar {
        name: "import-sqlite",
        what: "import on SQLite against one transaction of `ON CONFLICT`",
        databases: &["sqlite"],
        scale: "import-20000",
        peer: "on-conflict-in-one-transaction",
        each: &[("mixed", 1.2, Some(0.8))],
    },
];

/// The time of one record in a large import against that in a small one, both against `unnest`.
pub(super) const GROWTH: Growth = Growth {
    name: "growth",
    what: "200,000 against 20,000, time a record",
    small: "import-20000",
    large: "import-200000",
    at_most: 1.3,
    aim: 1.1,
};

/// A bar of two imports of ours.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) small: &'static str,
    pub(super) large: &'static str,
    pub(super) at_most: f64,
    pub(super) aim: f64,
}

/// A bar of a stream, in MiB.
pub(super) const MEMORY: Memory = Memory {
    name: "memory",
    what: "a million records streamed, peak MiB",
    at_most: 200.0,
    aim: 120.0,
};

#[derive(Debug)]
pub(super) struct Memory {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) at_most: f64,
    pub(super) aim: f64,
}
