//! The bars, as numbers.

/// A bar: ours divided by the peer's, in one run.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) what: &'static str,
    /// Where it is measured; of several the worst counts.
    pub(super) databases: &'static [&'static str],
    pub(super) scale: &'static str,
    pub(super) peer: &'static str,
    /// By workload: at most, and the aim if there is one.
    pub(super) each: &'static [(&'static str, f64, Option<f64>)],
}

const POSTGRES: &[&str] = &["postgres"];

pub(super) const BARS: [Bar; 12] = [
    Bar {
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
        what: "16 tasks on one hot row, against the chain",
        databases: &["postgres", "mariadb", "sqlite"],
        scale: "hot-1",
        peer: "chain",
        each: &[("changed", 1.0, Some(0.85))],
    },
    Bar {
        what: "16 tasks on 100 hot rows, against the chain",
        databases: &["postgres", "mariadb", "sqlite"],
        scale: "hot-100",
        peer: "chain",
        each: &[("changed", 1.0, Some(0.85))],
    },
    Bar {
        what: "MariaDB and SQLite, one record against the chain",
        databases: &["mariadb", "sqlite"],
        scale: "one",
        peer: "chain",
        each: &[("changed", 1.1, Some(1.0)), ("new", 1.1, Some(1.0))],
    },
    Bar {
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
        what: "import against Django's hand-written chain",
        databases: POSTGRES,
        scale: "import-20000",
        peer: "django-chain",
        each: &[("mixed", 1.0 / 150.0, Some(1.0 / 200.0))],
    },
    Bar {
        what: "import on MariaDB against `ON DUPLICATE KEY UPDATE` in chunks",
        databases: &["mariadb"],
        scale: "import-20000",
        peer: "on-duplicate-key-rows",
        each: &[("mixed", 1.2, Some(0.8))],
    },
    Bar {
        what: "the same over TCP",
        databases: &["mariadb-tcp"],
        scale: "import-20000",
        peer: "on-duplicate-key-rows",
        each: &[("mixed", 1.3, Some(0.8))],
    },
    Bar {
        what: "import on SQLite against one transaction of `ON CONFLICT`",
        databases: &["sqlite"],
        scale: "import-20000",
        peer: "on-conflict-in-one-transaction",
        each: &[("mixed", 1.2, Some(0.8))],
    },
];

/// Both in records; the time of one is compared.
pub(super) const GROWTH: (&str, &str, f64, f64) = ("import-20000", "import-200000", 1.3, 1.1);

/// MiB at most, and the aim.
pub(super) const PEAK: (f64, f64) = (200.0, 120.0);
