//! What one record costs beside time: trips, statements, bytes, write-ahead log, instructions.

use std::process::Command;
use std::time::Duration;

use sqlx::{MySql, Pool, Postgres};

use crate::arguments::Arguments;
use crate::contender::Failure;
use crate::engine::Engine;
use crate::place::Place;
use crate::proxy::Traffic;
use crate::scale::Scale;
use crate::serve::instructions;
use crate::setting::{Address, Setting, Way};
use crate::workload::Rows;

/// Records of one a call that are counted, after as many that warm up: connections, prepared statements.
const RECORDS: usize = 100;

/// What is counted if nobody says.
pub(crate) const SCALES: [Scale; 2] = [Scale::One, Scale::Import(2_000)];

/// Prints a table.
pub(crate) async fn count(arguments: &Arguments) -> Result<(), Failure> {
    println!(
        "| database | scale | workload | who | trips | statements | bytes down | bytes of log | instructions |"
    );
    println!("| --- | --- | --- | --- | --: | --: | --: | --: | --: |");
    on::<Postgres>(arguments, &[Way::Postgres, Way::PostgresTcp]).await?;
    on::<MySql>(arguments, &[Way::MariaDb, Way::MariaDbTcp]).await
}

/// By whichever way: what is counted is the same, and goes over a proxy.
async fn on<DB: Engine>(arguments: &Arguments, ways: &[Way]) -> Result<(), Failure> {
    let Some(way) = ways
        .iter()
        .find(|way| arguments.jobs.iter().any(|job| job.setting.way == **way))
    else {
        return Ok(());
    };
    let place = match Place::<DB>::open().await {
        Ok(place) => place,
        Err(missing) => {
            eprintln!("{} is left out: {missing}", DB::TARGET);
            return Ok(());
        }
    };
    let done = each_in(arguments, &place, *way).await;
    place.close().await;
    done
}

async fn each_in<DB: Engine>(
    arguments: &Arguments,
    place: &Place<DB>,
    way: Way,
) -> Result<(), Failure> {
    let setting = Setting {
        way,
        flush: false,
        delay: Duration::ZERO,
    };
    let direct = place.address(&setting).await?;
    let jobs = arguments.jobs.iter().filter(|job| job.setting == setting);
    for job in jobs {
        let records = match job.scale {
            Scale::One => RECORDS,
            Scale::Import(records) => records,
            // Who waits for whom is another thing each time.
            Scale::Hot(_) => continue,
        };
        let proxy = place.proxy(Duration::ZERO)?;
        let address = place.by_proxy(&proxy, false);
        DB::pool(&address, 1)?;
        let pool = || DB::pool(&address, 1).expect("an address that was read before");
        let mut contenders = match job.scale {
            Scale::Import(_) => DB::bulks(&pool),
            _ => DB::singles(&pool),
        };
        contenders.retain(|each| each.name() == "ours" || arguments.wants(each.name()));
        for contender in &contenders {
            let rows = Rows {
                workload: job.workload,
                source: contender.name().to_owned(),
                records,
                rounds: 2,
            };
            place.fill(&rows.before()).await?;
            contender.run(rows.given(0, 0..records)).await?;
            let (log, _) = (log_bytes(&place.pool).await, proxy.take());
            contender.run(rows.given(1, 0..records)).await?;
            let (traffic, log) = (proxy.take(), log_bytes(&place.pool).await - log);
            let instructions = instructions_of(place, job.scale, &rows, &direct).await?;
            let counted = line(records, traffic, log, instructions);
            let (scale, workload, name) = (job.scale, job.workload, contender.name());
            println!(
                "| {} | {scale} | {workload} | {name} | {counted}",
                DB::TARGET
            );
        }
    }
    Ok(())
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
    scale: Scale,
    rows: &Rows,
    address: &Address,
) -> Result<Option<u64>, Failure> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(None);
    }
    let mut totals = Vec::new();
    // What is done once, such as to connect, is in both.
    for turns in [1, 2] {
        place.fill(&rows.before()).await?;
        let given = [0, 1].map(|round| rows.given(round, 0..rows.records));
        totals.push(instructions(address, scale, &rows.source, &given, turns)?);
    }
    Ok(Some(
        totals[1].saturating_sub(totals[0]) / rows.records as u64,
    ))
}

fn line(records: usize, traffic: Traffic, log: f64, instructions: Option<u64>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    let each = |count: u64| count as f64 / records as f64;
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    let log = log / records as f64;
    let instructions =
        instructions.map_or_else(|| "–".to_owned(), |instructions| instructions.to_string());
    format!(
        "{:.3} | {:.3} | {:.0} | {log:.0} | {instructions} |",
        each(traffic.trips),
        each(traffic.statements),
        each(traffic.bytes_down),
    )
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
            line(100, traffic, 9_600.0, Some(62_000)),
            "4.500 | 3.000 | 123 | 96 | 62000 |"
        );
        assert!(line(100, traffic, 0.0, None).ends_with("| – |"));
    }
}
