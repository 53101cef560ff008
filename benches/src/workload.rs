//! Which records meet which rows.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use std::str::FromStr;

use crate::record::Record;

/// What an import finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// 80 % unchanged, 15 % changed, 4 % found by the slug only, 1 % new: what a source sends day by day.
    Mixed,
    Changed,
    Unchanged,
    New,
}

/// What a record meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A row that is as the record says.
    Unchanged,
    /// A row with another name and another number.
    Changed,
    /// A row without the first key, which is found by the second and gets the first.
    BySlug,
    /// No row.
    New,
}

impl Workload {
    pub(crate) const ALL: [Self; 4] = [Self::Mixed, Self::Changed, Self::Unchanged, Self::New];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::New => "new",
        }
    }

    /// Of a hundred records in a row each kind has its share, and no kind stands in one place.
    fn kind(self, n: usize) -> Kind {
        match self {
            Self::Changed => Kind::Changed,
            Self::New => Kind::New,
            Self::Mixed if n.is_multiple_of(100) => Kind::New,
            Self::Mixed if n % 25 == 5 => Kind::BySlug,
            Self::Mixed if matches!(n % 20, 3 | 9 | 16) => Kind::Changed,
            Self::Mixed | Self::Unchanged => Kind::Unchanged,
        }
    }
}

impl Display for Workload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name);
        known.ok_or_else(|| format!("no such workload: `{name}`"))
    }
}

/// The rows of one contender, for all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) workload: Workload,
    pub(crate) source: String,
    pub(crate) records: usize,
    pub(crate) rounds: usize,
}

impl Rows {
    /// What is in the table before the first round.
    pub(crate) fn before(&self) -> Vec<Record> {
        let stored = |n| match self.workload.kind(n) {
            Kind::Unchanged | Kind::Changed => vec![Record::new(&self.source, n, 0)],
            Kind::BySlug => self.each_round(n, Record::without_remote_id),
            Kind::New => Vec::new(),
        };
        (0..self.records).flat_map(stored).collect()
    }

    /// What a contender is given in a round, from 0. Rounds come one after the other; a changed record changes in each.
    pub(crate) fn given(&self, round: usize, numbers: Range<usize>) -> Vec<Record> {
        let given = |n| match self.workload.kind(n) {
            Kind::Unchanged => Record::new(&self.source, n, 0),
            Kind::Changed => Record::new(&self.source, n, round + 1),
            Kind::BySlug | Kind::New => Record::new(&self.source, n, 0).of_round(round),
        };
        numbers.map(given).collect()
    }

    /// What must be in the table after the last round, by slug.
    pub(crate) fn after(&self) -> Vec<Record> {
        let stored = |n| match self.workload.kind(n) {
            Kind::Unchanged => vec![Record::new(&self.source, n, 0)],
            Kind::Changed => vec![Record::new(&self.source, n, self.rounds)],
            Kind::BySlug | Kind::New => self.each_round(n, |record| record),
        };
        let mut rows: Vec<_> = (0..self.records).flat_map(stored).collect();
        rows.sort_by(|a, b| a.slug.cmp(&b.slug));
        rows
    }

    fn each_round(&self, n: usize, change: impl Fn(Record) -> Record) -> Vec<Record> {
        let record = |round| change(Record::new(&self.source, n, 0).of_round(round));
        (0..self.rounds).map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rows(workload: Workload) -> Rows {
        Rows {
            workload,
            source: "ours".to_owned(),
            records: 200,
            rounds: 3,
        }
    }

    #[test]
    fn a_mixed_hundred_has_each_share() {
        let kinds: Vec<_> = (300..400).map(|n| Workload::Mixed.kind(n)).collect();
        let count = |kind| kinds.iter().filter(|each| **each == kind).count();
        let shares = [Kind::Unchanged, Kind::Changed, Kind::BySlug, Kind::New].map(count);
        assert_eq!(shares, [80, 15, 4, 1]);
    }

    #[test]
    fn applying_each_round_to_what_was_before_gives_what_is_after() {
        for workload in Workload::ALL {
            let rows = rows(workload);
            let mut table = rows.before();
            for record in (0..rows.rounds).flat_map(|round| rows.given(round, 0..rows.records)) {
                let found = table.iter_mut().find(|row| row.slug == record.slug);
                match found {
                    Some(row) => *row = record,
                    None => table.push(record),
                }
            }
            table.sort_by(|a, b| a.slug.cmp(&b.slug));
            assert_eq!(table, rows.after(), "{workload}");
        }
    }

    #[test]
    fn each_round_writes_what_the_workload_says() {
        let written = |workload, round| {
            let rows = rows(workload);
            let mut before = rows.before();
            before.extend((0..round).flat_map(|earlier| rows.given(earlier, 0..rows.records)));
            let given = rows.given(round, 0..rows.records);
            given
                .iter()
                .filter(|record| !before.contains(record))
                .count()
        };
        for round in 0..3 {
            assert_eq!(written(Workload::Mixed, round), 40);
            assert_eq!(written(Workload::Changed, round), 200);
            assert_eq!(written(Workload::Unchanged, round), 0);
            assert_eq!(written(Workload::New, round), 200);
        }
    }

    #[test]
    fn contenders_share_no_key_and_end_alike() {
        let (ours, theirs) = (
            rows(Workload::Mixed),
            Rows {
                source: "chain".to_owned(),
                ..rows(Workload::Mixed)
            },
        );
        let keys = |rows: &Rows| -> BTreeSet<String> {
            rows.after()
                .into_iter()
                .flat_map(|row| [Some(row.slug), row.remote_id])
                .flatten()
                .collect()
        };
        assert!(keys(&ours).is_disjoint(&keys(&theirs)));
        let end = |rows: &Rows| {
            rows.after()
                .into_iter()
                .map(Record::anonymous)
                .collect::<Vec<_>>()
        };
        assert_eq!(end(&ours), end(&theirs));
    }
}
