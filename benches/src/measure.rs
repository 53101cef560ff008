//! Contenders in turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::contender::{Contender, Failure};
use crate::engine::Engine;
use crate::place::Place;
use crate::record::Record;
use crate::report::Comparison;
use crate::setting::Setting;
use crate::statistics::{Leasts, Ratio};
use crate::workload::{Rows, Workload};

/// Records of a slice: short enough to find a quiet moment.
const SLICE: usize = 4;

/// Tasks at once on hot rows.
const TASKS: usize = 16;

/// How often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Of one record a call, in a round; each hundred has each share of a mixed workload.
    pub(crate) records: usize,
    /// Rows of others in the table, so that no contender reads it from end to end.
    pub(crate) others: usize,
    /// The same where an import is measured: how much larger the table is.
    pub(crate) import_others: usize,
    pub(crate) rounds: usize,
    pub(crate) repeats: usize,
    /// Rounds on hot rows: a slice there is sixteen times as long, and on SQLite most of it is sleep, as who finds the file
    /// locked looks again after a while.
    pub(crate) hot_rounds: usize,
    /// Slices of a round on hot rows.
    pub(crate) hot_slices: usize,
    /// Rounds of an import, each a repeat.
    pub(crate) imports: usize,
}

impl Effort {
    /// Where most of the time is that of a network, other things that the machine does disturb little, and few rounds do.
    pub(crate) fn for_setting(self, setting: &Setting) -> Self {
        let rounds = if setting.delay.is_zero() {
            self.rounds
        } else {
            self.rounds.div_ceil(5)
        };
        Self { rounds, ..self }
    }
}

/// What contenders took, in seconds a record.
#[derive(Debug)]
pub(crate) struct Measured {
    records: usize,
    leasts: Vec<(String, Leasts)>,
}

impl Measured {
    fn new(contenders: &[Box<dyn Contender>], records: usize) -> Self {
        let leasts = contenders
            .iter()
            .map(|each| (each.name().to_owned(), Leasts::default()));
        Self {
            records,
            leasts: leasts.collect(),
        }
    }

    /// The first contender against each of the others.
    pub(crate) fn comparisons(
        &self,
        database: &str,
        scale: &str,
        workload: &str,
    ) -> Vec<Comparison> {
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
        let each = |seconds: f64| seconds * 1e6 / self.records as f64;
        let Some(((_, ours), peers)) = self.leasts.split_first() else {
            return Vec::new();
        };
        let against = |(name, peer): &(String, Leasts)| Comparison {
            database: database.to_owned(),
            scale: scale.to_owned(),
            workload: workload.to_owned(),
            ours_us: each(ours.total()),
            ours_each_us: ours.totals().into_iter().map(each).collect(),
            peer: name.clone(),
            peer_us: each(peer.total()),
            ratio: Ratio::new(ours, peer),
        };
        peers.iter().map(against).collect()
    }
}

/// Each contender's turn, and another one first each time: who comes first may find the processor's caches cold.
fn turns(contenders: usize, first: usize) -> impl Iterator<Item = usize> {
    (0..contenders).map(move |n| (first + n) % contenders)
}

/// One record a call. All have rows of their own in one table.
pub(crate) async fn singles<DB: Engine>(
    place: &Place<DB>,
    contenders: &[Box<dyn Contender>],
    workload: Workload,
    effort: Effort,
) -> Result<Measured, Failure> {
    let rounds = effort.rounds * effort.repeats;
    let rows_of = |contender: &dyn Contender| Rows {
        workload,
        source: contender.name().to_owned(),
        records: effort.records,
        rounds,
    };
    let rows: Vec<_> = contenders.iter().map(|each| rows_of(&**each)).collect();
    let stored: Vec<_> = rows
        .iter()
        .flat_map(Rows::before)
        .chain(others(effort.others))
        .collect();
    place.fill(&stored).await?;
    let slices = effort.records.div_ceil(SLICE);
    let mut measured = Measured::new(contenders, effort.records);
    for round in 0..rounds {
        for slice in 0..slices {
            let numbers = slice * SLICE..(slice * SLICE + SLICE).min(effort.records);
            for turn in turns(contenders.len(), round + slice) {
                let took = contenders[turn]
                    .run(rows[turn].given(round, numbers.clone()))
                    .await;
                let took = took.map_err(|error| failed(&*contenders[turn], &error))?;
                measured.leasts[turn]
                    .1
                    .note(round / effort.rounds, slice, took);
            }
        }
    }
    for rows in rows {
        end_as_expected(&rows.source, place.rows(&rows.source).await?, rows.after())?;
    }
    Ok(measured)
}

/// One record a call, sixteen calls at once on so many rows. A peer that fails in the crowd is left out with a notice.
pub(crate) async fn hot<DB: Engine>(
    place: &Place<DB>,
    contenders: &[Box<dyn Contender>],
    hot: usize,
    effort: Effort,
) -> Result<Measured, Failure> {
    let stored = contenders
        .iter()
        .flat_map(|each| (0..hot).map(|n| Record::new(each.name(), n, 0)));
    let stored: Vec<_> = stored.chain(others(effort.others)).collect();
    place.fill(&stored).await?;
    let calls = effort.hot_slices * TASKS * SLICE;
    let mut measured = Measured::new(contenders, calls);
    let mut failures: BTreeMap<usize, String> = BTreeMap::new();
    for round in 0..effort.hot_rounds * effort.repeats {
        for slice in 0..effort.hot_slices {
            for turn in turns(contenders.len(), round + slice) {
                if failures.contains_key(&turn) {
                    continue;
                }
                let contender = &*contenders[turn];
                match crowd(contender, hot, round * effort.hot_slices + slice).await {
                    Ok(took) => {
                        let repeat = round / effort.hot_rounds;
                        measured.leasts[turn].1.note(repeat, slice, took);
                    }
                    Err(error) if turn == 0 => return Err(failed(contender, &error)),
                    Err(error) => {
                        let notice = failed(contender, &error).to_string();
                        eprintln!("left out on {hot} hot rows: {notice}");
                        failures.insert(turn, notice);
                    }
                }
            }
        }
    }
    for (turn, contender) in contenders.iter().enumerate() {
        if !failures.contains_key(&turn) {
            ends_with_its_rows(contender.name(), hot, place.rows(contender.name()).await?)?;
        }
    }
    let leasts = measured.leasts.into_iter().enumerate();
    let kept = leasts
        .filter(|(turn, _)| !failures.contains_key(turn))
        .map(|(_, leasts)| leasts);
    Ok(Measured {
        leasts: kept.collect(),
        ..measured
    })
}

/// Sixteen tasks, each with a slice; each record changes its row.
async fn crowd(contender: &dyn Contender, hot: usize, slice: usize) -> Result<Duration, Failure> {
    let first = slice * TASKS * SLICE;
    let record = |call: usize| Record::new(contender.name(), call % hot, call + 1);
    let given = |task: usize| {
        let calls = first + task * SLICE..first + (task + 1) * SLICE;
        calls.map(record).collect()
    };
    let tasks: Vec<_> = (0..TASKS).map(|task| contender.run(given(task))).collect();
    let started = Instant::now();
    try_join_all(tasks).await?;
    Ok(started.elapsed())
}

/// So many at once. Each contender finds the table as the one before it found it.
pub(crate) async fn bulks<DB: Engine>(
    place: &Place<DB>,
    contenders: &[Box<dyn Contender>],
    workload: Workload,
    records: usize,
    effort: Effort,
) -> Result<Measured, Failure> {
    let rows = Rows {
        workload,
        source: "import".to_owned(),
        records,
        rounds: 1,
    };
    let stored = rows.before().into_iter();
    let stored: Vec<_> = stored.chain(others(effort.import_others)).collect();
    place.keep(&stored).await?;
    let after = rows.after();
    let mut measured = Measured::new(contenders, records);
    for round in 0..effort.imports {
        for turn in turns(contenders.len(), round) {
            let contender = &*contenders[turn];
            if round > 0 && contender.is_slow() {
                continue;
            }
            place.reset().await;
            let took = contender.run(rows.given(0, 0..records)).await;
            let took = took.map_err(|error| failed(contender, &error))?;
            measured.leasts[turn].1.note(round, 0, took);
            if round == 0 {
                end_as_expected(contender.name(), place.rows("import").await?, after.clone())?;
            }
        }
    }
    Ok(measured)
}

fn others(count: usize) -> impl Iterator<Item = Record> {
    (0..count).map(|n| Record::new("others", n, 0))
}

fn failed(contender: &dyn Contender, error: &Failure) -> Failure {
    format!("{}: {error}", contender.name()).into()
}

/// That a contender did its work: what it left is what the workload says, as it is for all others.
fn end_as_expected(name: &str, found: Vec<Record>, expected: Vec<Record>) -> Result<(), Failure> {
    let anonymous = |rows: Vec<Record>| rows.into_iter().map(Record::anonymous).collect::<Vec<_>>();
    let (found, expected) = (anonymous(found), anonymous(expected));
    if found.len() != expected.len() {
        return Err(format!(
            "{name} left {} rows where {} were expected",
            found.len(),
            expected.len()
        )
        .into());
    }
    match found
        .iter()
        .zip(&expected)
        .find(|(found, expected)| found != expected)
    {
        Some((found, expected)) => {
            Err(format!("{name} left {found:?} where {expected:?} was expected").into())
        }
        None => Ok(()),
    }
}

/// On hot rows nobody knows which call came last.
fn ends_with_its_rows(name: &str, hot: usize, found: Vec<Record>) -> Result<(), Failure> {
    let keys = |rows: Vec<Record>| {
        rows.into_iter()
            .map(|row| (row.remote_id, row.slug))
            .collect::<Vec<_>>()
    };
    let mut expected: Vec<_> = (0..hot).map(|n| Record::new(name, n, 0)).collect();
    expected.sort_by(|a, b| a.slug.cmp(&b.slug));
    let unwritten = found.iter().any(|row| expected.contains(row));
    if unwritten || keys(found) != keys(expected) {
        return Err(format!("{name} did not write each of its {hot} rows, or wrote others").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_first_in_turn() {
        let orders: Vec<Vec<usize>> = (0..3).map(|first| turns(3, first).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }

    #[test]
    fn another_end_is_told() {
        let rows = || vec![Record::new("ours", 1, 0), Record::new("ours", 2, 0)];
        assert!(end_as_expected("ours", rows(), rows()).is_ok());
        let fewer = end_as_expected("ours", rows(), rows()[..1].to_vec());
        assert!(fewer.unwrap_err().to_string().contains("left 2 rows"));
        let other = end_as_expected(
            "ours",
            rows(),
            vec![Record::new("ours", 1, 0), Record::new("ours", 2, 7)],
        );
        assert!(other.unwrap_err().to_string().contains("was expected"));
    }

    #[test]
    fn a_hot_row_that_nobody_wrote_is_told() {
        let written = vec![Record::new("ours", 0, 5), Record::new("ours", 1, 9)];
        assert!(ends_with_its_rows("ours", 2, written).is_ok());
        let one_unwritten = vec![Record::new("ours", 0, 5), Record::new("ours", 1, 0)];
        assert!(ends_with_its_rows("ours", 2, one_unwritten).is_err());
    }
}
