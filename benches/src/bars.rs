//! What the crate is held to, and whether it is so.

use std::fmt::Write;

use crate::job::{self, Job};
use crate::report::Comparison;
use crate::stream::Streamed;
use crate::workload::Workload;

mod list;

use self::list::{BARS, Bar, GROWTH, PEAK};

/// What must be measured for it.
pub(crate) fn jobs() -> Result<Vec<Job>, String> {
    let mut jobs = Vec::new();
    for bar in &BARS {
        let settings: Result<Vec<_>, _> = bar.databases.iter().map(|name| name.parse()).collect();
        let workloads: Result<Vec<_>, _> = bar
            .each
            .iter()
            .map(|(workload, ..)| workload.parse())
            .collect();
        jobs.extend(job::each(&settings?, &[bar.scale.parse()?], &workloads?));
    }
    jobs.extend(job::each(
        &["postgres".parse()?],
        &[GROWTH.1.parse()?],
        &[Workload::Mixed],
    ));
    let mut distinct = Vec::new();
    for job in jobs {
        if !distinct.contains(&job) {
            distinct.push(job);
        }
    }
    Ok(distinct)
}

/// Against whom.
pub(crate) fn peers() -> impl Iterator<Item = &'static str> {
    BARS.iter().map(|bar| bar.peer)
}

/// A table of the bars.
pub(crate) fn table(comparisons: &[Comparison], streamed: Option<Streamed>) -> String {
    let mut table = "| bar | workload | measured | range | at most | aim | |\n\
                     | --- | --- | --: | --: | --: | --: | --- |\n"
        .to_owned();
    for bar in &BARS {
        for (workload, at_most, aim) in bar.each {
            let worst = worst(bar, workload, comparisons);
            let range = worst.map_or_else(String::new, |worst| {
                let digits = digits(*at_most);
                format!(
                    "{:.digits$} to {:.digits$}",
                    worst.ratio.min, worst.ratio.max
                )
            });
            let measured = worst.map(|worst| worst.ratio.whole);
            row(
                &mut table, bar.what, workload, measured, &range, *at_most, *aim,
            );
        }
    }
    let (small, large, at_most, aim) = GROWTH;
    let growth = growth(comparisons, small, large);
    row(
        &mut table,
        "200,000 against 20,000, time a record",
        "mixed",
        growth,
        "",
        at_most,
        Some(aim),
    );
    let peak = streamed.map(|streamed| streamed.peak_mib);
    let (at_most, aim) = PEAK;
    row(
        &mut table,
        "a million records streamed, peak MiB",
        "new",
        peak,
        "",
        at_most,
        Some(aim),
    );
    table
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
    measured: Option<f64>,
    range: &str,
    at_most: f64,
    aim: Option<f64>,
) {
    let digits = digits(at_most);
    let number = |number: Option<f64>| {
        number.map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"))
    };
    let verdict = match (measured, aim) {
        (None, _) => "not measured",
        (Some(measured), Some(aim)) if measured <= aim => "as aimed",
        (Some(measured), _) if measured <= at_most => "holds",
        (Some(_), _) => "FAILS",
    };
    let (measured, at_most, aim) = (number(measured), number(Some(at_most)), number(aim));
    let _ = writeln!(
        table,
        "| {what} | {workload} | {measured} | {range} | {at_most} | {aim} | {verdict} |"
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

fn growth(comparisons: &[Comparison], small: &str, large: &str) -> Option<f64> {
    let ours = |scale: &str| {
        let mut mixed = comparisons
            .iter()
            .filter(|each| each.database == "postgres" && each.workload == "mixed");
        mixed
            .find(|each| each.scale == scale)
            .map(|each| each.ours_us)
    };
    Some(ours(large)? / ours(small)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Ratio;

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
            peer: peer.to_owned(),
            peer_us: 10.0,
            ratio: Ratio {
                whole: ratio,
                min: ratio,
                max: ratio,
            },
        }
    }

    fn line(comparisons: &[Comparison], begins: &str) -> String {
        let table = table(comparisons, None);
        let line = table
            .lines()
            .find(|line| line.starts_with(&format!("| {begins} | ")));
        line.unwrap().to_owned()
    }

    #[test]
    fn a_bar_is_as_aimed_or_holds_or_fails() {
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
        assert!(import(0.7).ends_with("| 0.70 | 0.70 to 0.70 | 1.20 | 0.80 | as aimed |"));
        assert!(import(1.2).ends_with("| holds |"));
        assert!(import(1.21).ends_with("| FAILS |"));
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
        let jobs = jobs().unwrap();
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
}
