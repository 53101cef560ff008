//! What the crate is held to, and whether it is so.

use std::fmt::Write;

use crate::job::{self, Job};
use crate::report::Comparison;
use crate::statistics::Ratio;
use crate::stream::Streamed;
use crate::workload::Workload;

mod list;

use self::list::{BARS, Bar, GROWTH, Growth, MEMORY, Memory};

/// Beside whom the imports of different sizes are measured: our time alone counts.
const GROWTH_PEER: &str = "unnest";

/// The bars that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked(Vec<String>);

impl Asked {
    /// Bars by name; all if none is named.
    pub(crate) fn new(names: &[String]) -> Result<Self, String> {
        let names: Vec<_> = names.iter().filter(|name| !name.is_empty()).collect();
        let known: Vec<_> = BARS
            .iter()
            .map(|bar| bar.name)
            .chain([GROWTH.name, MEMORY.name])
            .collect();
        match names.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!(
                "no such bar: `{name}`; there are {}",
                known.join(", ")
            )),
            None => Ok(Self(names.into_iter().cloned().collect())),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|asked| asked == name)
    }

    fn bars(&self) -> impl Iterator<Item = &'static Bar> {
        BARS.iter().filter(|bar| self.has(bar.name))
    }

    /// Whether a stream's memory is among them.
    pub(crate) fn has_memory(&self) -> bool {
        self.has(MEMORY.name)
    }

    /// What must be measured for them.
    pub(crate) fn jobs(&self) -> Result<Vec<Job>, String> {
        let mut jobs = Vec::new();
        for bar in self.bars() {
            let settings: Result<Vec<_>, _> =
                bar.databases.iter().map(|name| name.parse()).collect();
            let workloads: Result<Vec<_>, _> = bar
                .each
                .iter()
                .map(|(workload, ..)| workload.parse())
                .collect();
            jobs.extend(job::each(&settings?, &[bar.scale.parse()?], &workloads?));
        }
        if self.has(GROWTH.name) {
            let scales = [GROWTH.small.parse()?, GROWTH.large.parse()?];
            jobs.extend(job::each(
                &["postgres".parse()?],
                &scales,
                &[Workload::Mixed],
            ));
        }
        let mut distinct = Vec::new();
        for job in jobs {
            if !distinct.contains(&job) {
                distinct.push(job);
            }
        }
        Ok(distinct)
    }

    /// Whether one of them is about this peer, there.
    pub(crate) fn wants(&self, job: &Job, peer: &str) -> bool {
        let (setting, scale) = (job.setting.to_string(), job.scale.to_string());
        let is_about = |bar: &Bar| {
            let mut workloads = bar.each.iter().map(|(workload, ..)| *workload);
            bar.peer == peer
                && bar.scale == scale
                && bar.databases.contains(&setting.as_str())
                && workloads.any(|workload| workload == job.workload.name())
        };
        let grows = peer == GROWTH_PEER
            && setting == "postgres"
            && job.workload == Workload::Mixed
            && [GROWTH.small, GROWTH.large].contains(&scale.as_str());
        self.bars().any(is_about) || self.has(GROWTH.name) && grows
    }

    /// A table of them.
    pub(crate) fn table(&self, comparisons: &[Comparison], streamed: Option<Streamed>) -> String {
        let mut table = "| bar | workload | measured | range | at most | aim | |\n\
                         | --- | --- | --: | --: | --: | --: | --- |\n"
            .to_owned();
        for bar in self.bars() {
            for (workload, at_most, aim) in bar.each {
                let measured = worst(bar, workload, comparisons).map(|worst| worst.ratio);
                row(&mut table, bar.what, workload, measured, *at_most, *aim);
            }
        }
        if self.has(GROWTH.name) {
            let Growth {
                what, at_most, aim, ..
            } = GROWTH;
            let measured = growth(comparisons);
            row(&mut table, what, "mixed", measured, at_most, Some(aim));
        }
        if self.has_memory() {
            let Memory {
                what, at_most, aim, ..
            } = MEMORY;
            let peak = |streamed: Streamed| Ratio {
                whole: streamed.peak_mib,
                min: streamed.peak_mib,
                max: streamed.peak_mib,
            };
            let measured = streamed.map(peak);
            row(&mut table, what, "new", measured, at_most, Some(aim));
        }
        table
    }
}

/// A ratio below a hundredth needs more digits, a number of MiB none.
fn digits(at_most: f64) -> usize {
    if at_most < 0.05 {
        4
    } else if at_most < 10.0 {
        2
    } else {
        0
    }
}

fn row(
    table: &mut String,
    what: &str,
    workload: &str,
    measured: Option<Ratio>,
    at_most: f64,
    aim: Option<f64>,
) {
    let digits = digits(at_most);
    let verdict = match (measured, aim) {
        (None, _) => "not measured",
        (Some(measured), Some(aim)) if measured.whole <= aim => "held, as aimed",
        (Some(measured), _) if measured.whole <= at_most => "held",
        (Some(_), _) => "MISSED",
    };
    let (measured, range) = match measured {
        Some(Ratio { whole, min, max }) => (
            format!("{whole:.digits$}"),
            format!("{min:.digits$} to {max:.digits$}"),
        ),
        None => ("–".to_owned(), String::new()),
    };
    let aim = aim.map_or_else(|| "–".to_owned(), |aim| format!("{aim:.digits$}"));
    let _ = writeln!(
        table,
        "| {what} | {workload} | {measured} | {range} | {at_most:.digits$} | {aim} | {verdict} |"
    );
}

/// Of the bar's databases, if each was measured.
fn worst<'c>(bar: &Bar, workload: &str, comparisons: &'c [Comparison]) -> Option<&'c Comparison> {
    let find = |database: &&str| {
        comparisons.iter().find(|each| {
            each.database == *database
                && each.scale == bar.scale
                && each.workload == workload
                && each.peer == bar.peer
        })
    };
    let found: Option<Vec<_>> = bar.databases.iter().map(find).collect();
    found?
        .into_iter()
        .max_by(|a, b| a.ratio.whole.total_cmp(&b.ratio.whole))
}

/// Our time a record in the large import, divided by that in the small one; the range is that of their rounds, one by one.
fn growth(comparisons: &[Comparison]) -> Option<Ratio> {
    let ours = |scale: &str| {
        let is_it = |each: &&Comparison| {
            each.database == "postgres" && each.workload == "mixed" && each.scale == scale
        };
        comparisons.iter().find(is_it)
    };
    let (large, small) = (ours(GROWTH.large)?, ours(GROWTH.small)?);
    let whole = large.ours_us / small.ours_us;
    let pairs = large.ours_each_us.iter().zip(&small.ours_each_us);
    let (min, max) = pairs
        .map(|(large, small)| large / small)
        .fold((whole, whole), |(min, max), each| {
            (min.min(each), max.max(each))
        });
    Some(Ratio { whole, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(database: &str, scale: &str, peer: &str, ratio: f64) -> Comparison {
        Comparison {
            database: database.to_owned(),
            scale: scale.to_owned(),
            workload: if scale.starts_with("hot") {
                "changed"
            } else {
                "mixed"
            }
            .to_owned(),
            ours_us: 10.0 * ratio,
            ours_each_us: vec![10.0 * ratio, 11.0 * ratio],
            peer: peer.to_owned(),
            peer_us: 10.0,
            ratio: Ratio {
                whole: ratio,
                min: ratio,
                max: ratio,
            },
        }
    }

    fn all() -> Asked {
        Asked::new(&[]).unwrap()
    }

    fn line(comparisons: &[Comparison], begins: &str) -> String {
        let table = all().table(comparisons, None);
        let line = table
            .lines()
            .find(|line| line.starts_with(&format!("| {begins} | ")));
        line.unwrap().to_owned()
    }

    #[test]
    fn a_bar_is_held_or_missed() {
        let import = |ratio| {
            let comparisons = [measured(
                "mariadb",
                "import-20000",
                "on-duplicate-key-rows",
                ratio,
            )];
            line(
                &comparisons,
                "import on MariaDB against `ON DUPLICATE KEY UPDATE` in chunks",
            )
        };
        assert!(import(0.7).ends_with("| 0.70 | 0.70 to 0.70 | 1.20 | 0.80 | held, as aimed |"));
        assert!(import(1.2).ends_with("| held |"));
        assert!(import(1.21).ends_with("| MISSED |"));
    }

    #[test]
    fn the_worst_of_several_databases_counts() {
        let mut hot = vec![
            measured("postgres", "hot-1", "chain", 0.5),
            measured("sqlite", "hot-1", "chain", 1.5),
        ];
        let what = "16 tasks on one hot row, against the chain";
        assert!(line(&hot, what).ends_with("| not measured |"));
        hot.push(measured("mariadb", "hot-1", "chain", 0.9));
        assert!(line(&hot, what).contains("| 1.50 |"));
    }

    #[test]
    fn each_bar_is_measured_once() {
        let jobs = all().jobs().unwrap();
        let name = |job: &Job| format!("{} {} {}", job.setting, job.scale, job.workload);
        let names: Vec<_> = jobs.iter().map(name).collect();
        let one = |job: &str| {
            let count = names.iter().filter(|each| *each == job).count();
            assert_eq!(count, 1, "{job}");
        };
        one("postgres import-20000 mixed");
        one("postgres import-200000 mixed");
        one("postgres-flushed one new");
        one("postgres-1ms one unchanged");
        one("postgres held unchanged");
        one("sqlite hot-100 changed");
    }

    #[test]
    fn growth_is_our_time_against_our_time() {
        let both = [
            measured("postgres", "import-20000", "unnest", 2.0),
            measured("postgres", "import-200000", "unnest", 2.5),
        ];
        assert!(line(&both, "200,000 against 20,000, time a record").contains("| 1.25 |"));
    }

    #[test]
    fn a_bar_is_measured_alone_and_against_its_peer_alone() {
        let held = Asked::new(&["held".to_owned()]).unwrap();
        let jobs = held.jobs().unwrap();
        assert_eq!(jobs.len(), 1);
        assert!(held.wants(&jobs[0], "on-conflict") && !held.wants(&jobs[0], "chain"));
        assert!(!held.has_memory());
        assert_eq!(held.table(&[], None).lines().count(), 3);
        Asked::new(&["height".to_owned()]).unwrap_err();
    }

    #[test]
    fn a_slow_peer_is_measured_where_a_bar_is_about_it() {
        let jobs = all().jobs().unwrap();
        let slow: Vec<_> = jobs
            .iter()
            .filter(|job| all().wants(job, "django-chain"))
            .map(|job| format!("{} {} {}", job.setting, job.scale, job.workload))
            .collect();
        assert_eq!(slow, ["postgres import-20000 mixed"]);
    }
}
