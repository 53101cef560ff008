//! What one record costs beside time: trips, statements, bytes, write-ahead log, instructions.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use sqlx::{MySql, Pool, Postgres};

use crate::arguments::Arguments;
use crate::contender::{Contender, Failure};
use crate::engine::Engine;
use crate::place::Place;
use crate::proxy::Traffic;
use crate::serve::instructions;
use crate::setting::{Address, Setting, Way};
use crate::workload::{Rows, Workload};

/// Records that are counted, after as many that warm up: connections, prepared statements.
const RECORDS: usize = 100;

/// Prints a table.
pub(crate) async fn count(arguments: &Arguments) -> Result<(), Failure> {
    println!(
        "| database | workload | who | trips | statements | bytes down | bytes of log | instructions |"
    );
    println!("| --- | --- | --- | --: | --: | --: | --: | --: |");
    let wants = |ways: &[Way]| {
        arguments
            .settings
            .iter()
            .any(|setting| ways.contains(&setting.way))
    };
    if wants(&[Way::Postgres, Way::PostgresTcp]) {
        on::<Postgres>(arguments, Way::PostgresTcp).await?;
    }
    if wants(&[Way::MariaDb, Way::MariaDbTcp]) {
        on::<MySql>(arguments, Way::MariaDbTcp).await?;
    }
    Ok(())
}

async fn on<DB: Engine>(arguments: &Arguments, way: Way) -> Result<(), Failure> {
    let place = match Place::<DB>::open().await {
        Ok(place) => place,
        Err(missing) => {
            eprintln!("{} is left out: {missing}", DB::TARGET);
            return Ok(());
        }
    };
    let direct = place
        .address(&Setting {
            way,
            flush: false,
            delay: Duration::ZERO,
        })
        .await?;
    for workload in &arguments.workloads {
        let proxy = place.proxy(Duration::ZERO)?;
        let address = place.by_proxy(&proxy, false);
        DB::pool(&address, 1)?;
        let pool = || DB::pool(&address, 1).expect("an address that was read before");
        let mut contenders = DB::singles(&pool);
        contenders.retain(|each| each.name() == "ours" || arguments.wants(each.name()));
        for contender in &contenders {
            let rows = rows(*workload, contender.name());
            place.fill(&rows.before()).await?;
            contender.run(rows.given(0, 0..RECORDS)).await?;
            let (log, _) = (log_bytes(&place.pool).await, proxy.take());
            contender.run(rows.given(1, 0..RECORDS)).await?;
            let (traffic, log) = (proxy.take(), log_bytes(&place.pool).await - log);
            let instructions =
                instructions_of(&place, contender.as_ref(), *workload, &direct).await?;
            println!(
                "{}",
                line(
                    DB::TARGET,
                    *workload,
                    contender.name(),
                    traffic,
                    log,
                    instructions
                )
            );
        }
    }
    place.close().await;
    Ok(())
}

fn rows(workload: Workload, source: &str) -> Rows {
    Rows {
        workload,
        source: source.to_owned(),
        records: RECORDS,
        rounds: 2,
    }
}

/// Bytes of the write-ahead log that the server has written, ever.
async fn log_bytes<DB: Engine>(pool: &Pool<DB>) -> f64 {
    let told = DB::texts(pool, DB::LOG_BYTES.to_owned()).await;
    told.first()
        .and_then(|text| text.parse().ok())
        .unwrap_or(f64::NAN)
}

/// Of a record, by a program of its own under callgrind; `None` where there is none.
async fn instructions_of<DB: Engine>(
    place: &Place<DB>,
    contender: &dyn Contender,
    workload: Workload,
    address: &Address,
) -> Result<Option<u64>, Failure> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(None);
    }
    let rows = rows(workload, contender.name());
    let mut totals = Vec::new();
    // What is done once, such as to connect, is in both.
    for turns in [1, 2] {
        place.fill(&rows.before()).await?;
        let given = [rows.given(0, 0..RECORDS), rows.given(1, 0..RECORDS)];
        totals.push(instructions(address, contender.name(), &given, turns)?);
    }
    Ok(Some(totals[1].saturating_sub(totals[0]) / RECORDS as u64))
}

fn line(
    database: &str,
    workload: Workload,
    name: &str,
    traffic: Traffic,
    log: f64,
    instructions: Option<u64>,
) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    let each = |count: u64| count as f64 / RECORDS as f64;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let log = log / RECORDS as f64;
    let mut line = format!(
        "| {database} | {workload} | {name} | {:.2} | {:.2} | {:.0} | {log:.0} | ",
        each(traffic.trips),
        each(traffic.statements),
        each(traffic.bytes_down),
    );
    let _ = match instructions {
        Some(instructions) => write!(line, "{instructions} |"),
        None => write!(line, "– |"),
    };
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_for_one_record() {
        let traffic = Traffic {
            trips: 450,
            statements: 300,
            bytes_down: 12_300,
        };
        assert_eq!(
            line(
                "postgres",
                Workload::Mixed,
                "ours",
                traffic,
                9_600.0,
                Some(62_000)
            ),
            "| postgres | mixed | ours | 4.50 | 3.00 | 123 | 96 | 62000 |"
        );
        assert!(line("postgres", Workload::Mixed, "ours", traffic, 0.0, None).ends_with("| – |"));
    }
}
