//! An import of a source that is larger than memory ought to be, in a process of its own: `VmHWM` is the most that it ever took.

use std::convert::Infallible;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use sqlx::Postgres;
use upsert_runtime::LockedUpsert;

use crate::contender::Failure;
use crate::contender::ours::{NewTaxonomy, Taxonomy};
use crate::engine::Engine;
use crate::place::Place;
use crate::record::Record;
use crate::setting::{Address, Setting, Way};

/// The argument that has it stream, with the address and how many.
pub(crate) const STREAM_INTO: &str = "--stream-into";

/// What a stream took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Streamed {
    pub(crate) records: usize,
    /// Microseconds a record.
    pub(crate) each_us: f64,
    pub(crate) peak_mib: f64,
}

/// Streams new records into PostgreSQL. `Err` says what is missing.
pub(crate) async fn stream(records: usize) -> Result<Streamed, Failure> {
    let place = Place::<Postgres>::open().await?;
    let setting = Setting {
        way: Way::Postgres,
        flush: false,
        delay: Duration::ZERO,
    };
    let address = place.address(&setting).await?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        STREAM_INTO,
        &serde_json::to_string(&address)?,
        &records.to_string(),
    ]);
    let output = command.stderr(Stdio::inherit()).output()?;
    place.close().await;
    read(records, &String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| format!("the stream ended with {}", output.status).into())
}

/// The other process: prints the microseconds a record and the most memory that it took, in KiB.
pub(crate) async fn stream_into(address: &str, records: usize) -> Result<(), Failure> {
    let address: Address = serde_json::from_str(address)?;
    let pool = Postgres::pool(&address, 1)?;
    let started = Instant::now();
    let report = Taxonomy::import_from(|| Records {
        next: 0,
        end: records,
    })
    .run(&pool)
    .await?;
    let took = started.elapsed().as_secs_f64();
    if report.created != records as u64 {
        return Err(format!("of {records} records {} were created", report.created).into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    let each = took * 1e6 / records as f64;
    println!("{each} {}", peak_kib()?);
    Ok(())
}

fn read(records: usize, answer: &str) -> Option<Streamed> {
    let (each, peak) = answer.trim().split_once(' ')?;
    let peak: f64 = peak.parse().ok()?;
    Some(Streamed {
        records,
        each_us: each.parse().ok()?,
        peak_mib: peak / 1024.0,
    })
}

fn peak_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number
        .ok_or("the system does not tell how much memory was taken")?
        .parse()?)
}

/// Records, made as they are asked for.
struct Records {
    next: usize,
    end: usize,
}

impl Stream for Records {
    type Item = Result<NewTaxonomy, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let n = self.next;
        self.next += 1;
        Poll::Ready((n < self.end).then(|| Ok(Record::new("stream", n, 0).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_process_tells_is_read() {
        let streamed = read(10, "12.5 2048\n").unwrap();
        assert_eq!(
            streamed,
            Streamed {
                records: 10,
                each_us: 12.5,
                peak_mib: 2.0
            }
        );
        assert_eq!(read(10, "killed"), None);
    }
}
