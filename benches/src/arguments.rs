//! The command line.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};

use crate::bars::Asked;
use crate::job::{self, Job};
use crate::measure::Effort;
use crate::scale::Scale;
use crate::setting::{Setting, Way};
use crate::workload::Workload;
use crate::{count, smoke};

/// Times this crate and its peers in turn, and prints a table of the ratios: below 1 this crate is faster
///
/// Servers are started from installed binaries, or named as for the tests (`TEST_POSTGRES_URL`, `TEST_MYSQL_URL`).
#[derive(Debug, Parser)]
pub(crate) struct Line {
    /// postgres, postgres-tcp, mariadb, mariadb-tcp, sqlite
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = Way::from_str)]
    #[arg(default_value = "postgres,mariadb,mariadb-tcp,sqlite")]
    databases: Vec<Way>,
    /// one, held (on one connection), hot-N (16 tasks on N rows), import-N [default: one,hot-1,hot-100,import-20000; to count
    /// one,import-2000]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = Scale::from_str)]
    scales: Option<Vec<Scale>>,
    /// mixed, changed, unchanged, new
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = Workload::from_str)]
    #[arg(default_value = "mixed,changed,unchanged,new")]
    workloads: Vec<Workload>,
    /// Peers whose names begin so; all if none is named
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    peers: Option<Vec<String>>,
    /// Whether a commit waits for the disk
    #[arg(long, default_value = "no")]
    flush: Flush,
    /// What each round trip takes in addition, on servers
    #[arg(long, value_name = "N", default_value = "0")]
    delay_ms: u64,
    /// Rounds of each slice, of which the least counts; a third of them on hot rows, a fifth with a delay
    #[arg(long, value_name = "N", default_value = "15", value_parser = times())]
    rounds: usize,
    /// How often all of it is repeated, for the range
    #[arg(long, value_name = "N", default_value = "3", value_parser = times())]
    repeats: usize,
    /// Rounds of each import
    #[arg(long, value_name = "N", default_value = "5", value_parser = times())]
    imports: usize,
    /// Rows of others in the table [default: 5000, and none where an import is measured]
    #[arg(long, value_name = "N")]
    others: Option<usize>,
    /// Another build of this program (target/release/upsert-benches of another tree) as a peer
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// One object a comparison in place of the table
    #[arg(long)]
    json: bool,
    /// What the project holds itself to, against what is measured now; all of it, or the bars that are named
    #[arg(long, value_name = "NAME,…", group = "task", value_delimiter = ',')]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "")]
    bars: Option<Vec<String>>,
    /// What a record costs: trips, statements, bytes, and instructions and allocations (where valgrind is installed)
    #[arg(long, group = "task")]
    count: bool,
    /// Imports so many records as a stream into PostgreSQL, and tells the most memory that it took
    #[arg(long, value_name = "N", group = "task", value_parser = times())]
    stream: Option<usize>,
    /// Every contender on every database, with few records: whether it works, and ends as it should
    #[arg(long, group = "task")]
    smoke: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Flush {
    No,
    Yes,
    Both,
}

/// What is timed if nobody says.
const SCALES: [Scale; 4] = [
    Scale::One,
    Scale::Hot(1),
    Scale::Hot(100),
    Scale::Import(20_000),
];

/// At least once.
fn times() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) jobs: Vec<Job>,
    pub(crate) effort: Effort,
    pub(crate) json: bool,
    against: Option<PathBuf>,
    peers: Option<Vec<String>>,
}

/// Which of the program's outputs is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    Compare,
    /// The same, with the table of these bars.
    Bars(Asked),
    /// The same of little, where what is missing is a failure.
    Smoke,
    Count,
    /// So many records.
    Stream(usize),
}

impl TryFrom<Line> for Arguments {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let flushes: &[bool] = match line.flush {
            Flush::No => &[false],
            Flush::Yes => &[true],
            Flush::Both => &[false, true],
        };
        let delay = Duration::from_millis(line.delay_ms);
        let each = |way: Way| {
            let flushes = flushes.iter();
            flushes.map(move |&flush| Setting { way, flush, delay })
        };
        let settings: Vec<Setting> = line.databases.into_iter().flat_map(each).collect();
        let bars = line.bars.as_deref().map(Asked::new).transpose()?;
        let (task, jobs) = match (line.stream, bars) {
            (Some(records), _) => (Task::Stream(records), Vec::new()),
            (None, Some(bars)) => {
                let jobs = bars.jobs()?;
                (Task::Bars(bars), jobs)
            }
            (None, None) if line.smoke => (Task::Smoke, smoke::jobs()?),
            (None, None) => {
                let (task, usual) = if line.count {
                    (Task::Count, &count::SCALES[..])
                } else {
                    (Task::Compare, &SCALES[..])
                };
                let scales = line.scales.as_deref().unwrap_or(usual);
                (task, job::each(&settings, scales, &line.workloads))
            }
        };
        Ok(Self {
            task,
            jobs,
            effort: if line.smoke {
                smoke::EFFORT
            } else {
                Effort {
                    records: 100,
                    others: line.others.unwrap_or(5_000),
                    import_others: line.others.unwrap_or(0),
                    rounds: line.rounds,
                    repeats: line.repeats,
                    hot_rounds: line.rounds.div_ceil(3),
                    hot_slices: 4,
                    imports: line.imports,
                }
            },
            json: line.json,
            against: line.against,
            peers: line.peers,
        })
    }
}

impl Arguments {
    /// Whether a peer of this name was asked for, there.
    pub(crate) fn wants(&self, job: &Job, peer: &str) -> bool {
        match (&self.task, &self.peers) {
            (_, Some(names)) => names.iter().any(|name| peer.starts_with(name.as_str())),
            (Task::Bars(bars), None) => bars.wants(job, peer),
            (_, None) => true,
        }
    }

    /// Another build of this program, if it is a peer there.
    pub(crate) fn against(&self, job: &Job) -> Option<&Path> {
        let is_wanted = match &self.task {
            Task::Bars(bars) => bars.wants(job, "against"),
            _ => true,
        };
        self.against.as_deref().filter(|_| is_wanted)
    }

    /// Whether one of Django's forms may be: a Python takes a while to start.
    pub(crate) fn wants_django(&self, job: &Job) -> bool {
        match &self.peers {
            Some(names) => names.iter().any(|name| name.starts_with("django")),
            None => self.wants(job, "django-chain"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        let words = ["upsert-benches"]
            .into_iter()
            .chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.try_into()
    }

    #[test]
    fn each_database_is_measured_with_and_without_flushes_if_asked() {
        let read = read(
            "--databases postgres,sqlite --flush both --delay-ms 1 --scales one --workloads new",
        )
        .unwrap();
        let names: Vec<_> = read
            .jobs
            .iter()
            .map(|job| job.setting.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "postgres-1ms",
                "postgres-flushed-1ms",
                "sqlite-1ms",
                "sqlite-flushed-1ms"
            ]
        );
    }

    #[test]
    fn hot_rows_know_one_workload() {
        let read = read("--databases sqlite --scales hot-1,one --workloads new,mixed").unwrap();
        let jobs: Vec<_> = read
            .jobs
            .iter()
            .map(|job| format!("{} {}", job.scale, job.workload))
            .collect();
        assert_eq!(jobs, ["hot-1 changed", "one new", "one mixed"]);
    }

    #[test]
    fn a_peer_is_named_by_its_beginning() {
        let read = read("--peers chain,django").unwrap();
        let wants = |peer| read.wants(&read.jobs[0], peer);
        assert!(wants("django-chain") && wants("chain") && !wants("on-conflict"));
    }

    #[test]
    fn what_is_not_known_is_told() {
        for line in [
            "--databases oracle",
            "--rounds 0",
            "--scales",
            "--fast",
            "--flush maybe",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
