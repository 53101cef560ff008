//! What one record costs beside time: trips, statements, bytes, write-ahead log, instructions, allocations.

use std::time::Duration;

use sqlx::{MySql, Pool, Postgres, Sqlite};

use crate::arguments::Arguments;
use crate::contender::Failure;
use crate::engine::Engine;
use crate::place::Place;
use crate::proxy::Proxy;
use crate::scale::Scale;
use crate::setting::{Address, Setting, Way};
use crate::statements;
use crate::valgrind::{self, Tool};
use crate::workload::Rows;

/// Records of one a call that are counted, after as many that warm up: connections, prepared statements.
const RECORDS: usize = 100;

/// What is counted if nobody says.
pub(crate) const SCALES: [Scale; 2] = [Scale::One, Scale::Import(2_000)];

/// Prints a table.
pub(crate) async fn count(arguments: &Arguments) -> Result<(), Failure> {
    println!(
        "| database | scale | workload | who | trips | statements | bytes down | bytes of log | instructions | allocations |"
    );
    println!("| --- | --- | --- | --- | --: | --: | --: | --: | --: | --: |");
    on::<Postgres>(arguments, &[Way::Postgres, Way::PostgresTcp]).await?;
    on::<MySql>(arguments, &[Way::MariaDb, Way::MariaDbTcp]).await?;
    on::<Sqlite>(arguments, &[Way::Sqlite]).await
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
    if DB::PROTOCOL.is_none() {
        statements::listen();
    }
    let direct = place.address(&setting).await?;
    let jobs = arguments.jobs.iter().filter(|job| job.setting == setting);
    for job in jobs {
        let records = match job.scale {
            Scale::One | Scale::Held => RECORDS,
            Scale::Import(records) => records,
            // Who waits for whom is another thing each time.
            Scale::Hot(_) => continue,
        };
        let proxy = DB::PROTOCOL
            .map(|_| place.proxy(Duration::ZERO))
            .transpose()?;
        let address = match &proxy {
            Some(proxy) => place.by_proxy(proxy, false),
            None => direct.clone(),
        };
        DB::pool(&address, 1)?;
        let pool = || DB::pool(&address, 1).expect("an address that was read before");
        let mut contenders = DB::contenders(job.scale, &pool);
        contenders.retain(|each| each.name() == "ours" || arguments.wants(job, each.name()));
        for contender in &contenders {
            let rows = Rows {
                workload: job.workload,
                source: contender.name().to_owned(),
                records,
                rounds: 2,
            };
            place.fill(&rows.before()).await?;
            contender.run(rows.given(0, 0..records)).await?;
            let log = log_bytes(&place.pool).await;
            take(proxy.as_ref());
            contender.run(rows.given(1, 0..records)).await?;
            let traffic = take(proxy.as_ref());
            let log = log_bytes(&place.pool).await.zip(log);
            let counted = Counted {
                records,
                log: log.map(|(after, before)| after - before),
                instructions: total(Tool::Callgrind, place, job.scale, &rows, &direct).await?,
                allocations: total(Tool::Dhat, place, job.scale, &rows, &direct).await?,
                ..traffic
            };
            let counted = counted.line();
            let (scale, workload, name) = (job.scale, job.workload, contender.name());
            println!(
                "| {} | {scale} | {workload} | {name} | {counted}",
                DB::TARGET
            );
        }
    }
    Ok(())
}

/// What records took together; `None` is what does not apply, or was not to be had.
#[derive(Debug, Default)]
struct Counted {
    records: usize,
    trips: Option<u64>,
    statements: u64,
    bytes_down: Option<u64>,
    log: Option<f64>,
    instructions: Option<u64>,
    allocations: Option<u64>,
}

impl Counted {
    /// Of one record.
    fn line(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
        let each = |count: Option<f64>, digits: usize| match count {
            Some(count) => format!("{:.digits$}", count / self.records as f64),
            None => "–".to_owned(),
        };
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
        let number = |count: Option<u64>| count.map(|count| count as f64);
        format!(
            "{} | {} | {} | {} | {} | {} |",
            each(number(self.trips), 3),
            each(number(Some(self.statements)), 3),
            each(number(self.bytes_down), 0),
            each(self.log, 0),
            each(number(self.instructions), 0),
            each(number(self.allocations), 1),
        )
    }
}

/// What went over the proxy since the last call, or into a database that is no server.
fn take(proxy: Option<&Proxy>) -> Counted {
    let Some(proxy) = proxy else {
        return Counted {
            statements: statements::take(),
            ..Counted::default()
        };
    };
    let traffic = proxy.take();
    Counted {
        trips: Some(traffic.trips),
        statements: traffic.statements,
        bytes_down: Some(traffic.bytes_down),
        ..Counted::default()
    }
}

/// Bytes of the write-ahead log that the server has written, ever.
async fn log_bytes<DB: Engine>(pool: &Pool<DB>) -> Option<f64> {
    let told = DB::texts(pool, DB::LOG_BYTES.to_owned()).await;
    told.first()?.parse().ok()
}

/// By a program of its own under valgrind; `None` where there is none.
async fn total<DB: Engine>(
    tool: Tool,
    place: &Place<DB>,
    scale: Scale,
    rows: &Rows,
    address: &Address,
) -> Result<Option<u64>, Failure> {
    if !valgrind::is_there() {
        return Ok(None);
    }
    let mut totals = Vec::new();
    // What is done once, such as to connect, is in both.
    for turns in [1, 2] {
        place.fill(&rows.before()).await?;
        let given = [0, 1].map(|round| rows.given(round, 0..rows.records));
        let source = &rows.source;
        totals.push(valgrind::total(
            tool, address, scale, source, &given, turns,
        )?);
    }
    Ok(Some(totals[1].saturating_sub(totals[0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_for_one_record() {
        let counted = Counted {
            records: 100,
            trips: Some(450),
            statements: 300,
            bytes_down: Some(12_300),
            log: Some(9_600.0),
            instructions: Some(6_200_000),
            allocations: Some(4_250),
        };
        assert_eq!(counted.line(), "4.500 | 3.000 | 123 | 96 | 62000 | 42.5 |");
        let unknown = Counted {
            records: 100,
            statements: 300,
            ..Counted::default()
        };
        assert_eq!(unknown.line(), "– | 3.000 | – | – | – | – |");
    }
}
