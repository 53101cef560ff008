//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::job::{self, Job};
use crate::measure::Effort;
use crate::scale::Scale;
use crate::setting::{Setting, Way};
use crate::workload::Workload;
use crate::{bars, count, smoke};

pub(crate) const HELP: &str = "\
Times this crate and its peers in turn, and prints a table of the ratios: below 1 this crate is faster.

  --databases NAME,…   postgres, postgres-tcp, mariadb, mariadb-tcp, sqlite; default all but postgres-tcp
  --scales NAME,…      one, hot-N (16 tasks on N rows), import-N; default one,hot-1,hot-100,import-20000
  --workloads NAME,…   mixed, changed, unchanged, new; default all
  --peers NAME,…       peers whose names begin so; default all
  --flush no|yes|both  whether a commit waits for the disk; default no
  --delay-ms N         what each round trip takes in addition, on servers
  --rounds N           rounds of each slice; default 15. The least counts
  --repeats N          how often all of it is repeated, for the range; default 3
  --imports N          rounds of each import; default 5
  --bars               what the project holds itself to, against what is measured now; takes half an hour
  --count              what a record costs: trips, statements, bytes, instructions (where valgrind is installed);
                       its scales are one,import-2000 unless named
  --stream N           imports N records as a stream into PostgreSQL, and tells the most memory that it took
  --smoke              every contender on every database, with few records: whether it works, and ends as it should
  --against PROGRAM    another build of this program (target/release/upsert-benches of another tree) as a peer
  --json               one object a comparison in place of the table

Servers are started from installed binaries, or named as for the tests (TEST_POSTGRES_URL, TEST_MYSQL_URL).
";

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) jobs: Vec<Job>,
    pub(crate) effort: Effort,
    pub(crate) json: bool,
    /// Another build of this program, as a peer.
    pub(crate) against: Option<PathBuf>,
    peers: Option<Vec<String>>,
}

/// Which of the program's outputs is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Compare,
    /// The same, with the table of bars.
    Bars,
    /// The same of little, where what is missing is a failure.
    Smoke,
    Count,
    /// So many records.
    Stream(usize),
}

const USUAL: Effort = Effort {
    records: 100,
    others: 5_000,
    rounds: 15,
    repeats: 3,
    hot_slices: 4,
    imports: 5,
};

impl Arguments {
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let mut read = Self {
            task: Task::Compare,
            jobs: Vec::new(),
            effort: USUAL,
            json: false,
            against: None,
            peers: None,
        };
        let mut ways = vec![Way::Postgres, Way::MariaDb, Way::MariaDbTcp, Way::Sqlite];
        let mut workloads = Workload::ALL.to_vec();
        let mut scales = None;
        let usual_scales = vec![
            Scale::One,
            Scale::Hot(1),
            Scale::Hot(100),
            Scale::Import(20_000),
        ];
        let mut flushes = vec![false];
        let mut delay = Duration::ZERO;
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("`{name}` needs a value"))
            };
            match name.as_str() {
                "--databases" => ways = list(&value()?, Way::from_str)?,
                "--scales" => scales = Some(list(&value()?, Scale::from_str)?),
                "--workloads" => workloads = list(&value()?, Workload::from_str)?,
                "--peers" => read.peers = Some(list(&value()?, |peer| Ok(peer.to_owned()))?),
                "--flush" => flushes = flush(&value()?)?,
                "--delay-ms" => delay = Duration::from_millis(number(&value()?)? as u64),
                "--rounds" => read.effort.rounds = number(&value()?)?,
                "--repeats" => read.effort.repeats = number(&value()?)?,
                "--imports" => read.effort.imports = number(&value()?)?,
                "--against" => read.against = Some(value()?.into()),
                "--json" => read.json = true,
                "--bars" => read.task = Task::Bars,
                "--count" => read.task = Task::Count,
                "--stream" => read.task = Task::Stream(number(&value()?)?),
                "--smoke" => {
                    read.task = Task::Smoke;
                    read.effort = smoke::EFFORT;
                }
                unknown => {
                    return Err(format!(
                        "no such argument: `{unknown}`; `--help` lists them"
                    ));
                }
            }
        }
        let each = |way| {
            flushes.iter().map(move |flush| Setting {
                way,
                flush: *flush,
                delay,
            })
        };
        let settings: Vec<_> = ways.into_iter().flat_map(each).collect();
        read.jobs = match read.task {
            Task::Bars => bars::jobs()?,
            Task::Smoke => smoke::jobs()?,
            Task::Count => {
                let scales = scales.unwrap_or_else(|| count::SCALES.to_vec());
                job::each(&settings, &scales, &workloads)
            }
            Task::Compare | Task::Stream(_) => {
                job::each(&settings, &scales.unwrap_or(usual_scales), &workloads)
            }
        };
        if read.task == Task::Bars {
            let peers = bars::peers().map(str::to_owned);
            read.peers.get_or_insert_with(|| peers.collect());
        }
        Ok(read)
    }

    /// Whether a peer of this name was asked for.
    pub(crate) fn wants(&self, peer: &str) -> bool {
        let named = |names: &Vec<String>| names.iter().any(|name| peer.starts_with(name.as_str()));
        self.peers.as_ref().is_none_or(named)
    }

    /// Whether one of Django's forms was asked for: a Python takes a while to start.
    pub(crate) fn wants_django(&self) -> bool {
        let named = |names: &Vec<String>| names.iter().any(|name| name.starts_with("django"));
        self.peers.as_ref().is_none_or(named)
    }
}

fn list<T>(names: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    names.split(',').map(|name| read(name.trim())).collect()
}

fn flush(name: &str) -> Result<Vec<bool>, String> {
    match name {
        "no" => Ok(vec![false]),
        "yes" => Ok(vec![true]),
        "both" => Ok(vec![false, true]),
        unknown => Err(format!("`--flush` is no, yes or both, and not `{unknown}`")),
    }
}

fn number(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is no number of times"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        Arguments::read(line.split_whitespace().map(str::to_owned))
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
        assert!(read.wants("django-chain") && read.wants("chain") && !read.wants("on-conflict"));
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
