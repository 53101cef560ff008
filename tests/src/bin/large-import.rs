//! Imports 10,000 and 1,000,000 made-up records into a PostgreSQL database, in a process of its own, and prints the time for each
//! record and the most memory that the process took. Its argument is the database's URL.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream;
use sqlx::PgPool;
use upsert_runtime::{Error, LockedUpsert};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
struct Large {
    id: i64,
    remote_id: Option<String>,
    slug: String,
    name: String,
    uses: i64,
}

/// Records, made as they are asked for.
struct Records(i64, i64);

impl Stream for Records {
    type Item = Result<NewLarge, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self(n, end) = *self;
        self.0 += 1;
        Poll::Ready((n < end).then(|| {
            Ok(NewLarge {
                remote_id: Some(format!("remote-{n}")),
                slug: format!("slug-of-{n}"),
                name: format!("A name that is as long as names are, {n}"),
                uses: n,
            })
        }))
    }
}

/// Microseconds for each record of an import into an empty table.
async fn time(pool: &PgPool, records: i64) -> Result<f64, Error> {
    let emptied = sqlx::query("TRUNCATE large").execute(pool).await;
    emptied.expect("an empty table");
    time_again(pool, records).await
}

/// The same into the table as it is.
async fn time_again(pool: &PgPool, records: i64) -> Result<f64, Error> {
    let started = Instant::now();
    let report = Large::import_from(|| Records(0, records)).run(pool).await?;
    let took = started.elapsed();
    assert_eq!(
        report.created + report.unchanged,
        records.unsigned_abs(),
        "{report}"
    );
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    Ok(took.as_secs_f64() * 1e6 / records as f64)
}

/// The most memory that this process has taken, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse::<u64>().ok())
        .expect("a number")
        / 1024
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    const SMALL: i64 = 10_000;
    const LARGE: i64 = 1_000_000;
    let url = std::env::args().nth(1).expect("a URL");
    let pool = PgPool::connect(&url).await.expect("a database");
    let create = "CREATE TABLE IF NOT EXISTS large (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, remote_id text UNIQUE, \
                  slug text NOT NULL UNIQUE, name text NOT NULL, uses bigint NOT NULL)";
    sqlx::query(create).execute(&pool).await.expect("a table");
    // The first one warms up; the others surround the large one.
    time(&pool, SMALL).await?;
    let mut small = Vec::new();
    for _ in 0..4 {
        small.push(time(&pool, SMALL).await?);
    }
    let large = time(&pool, LARGE).await?;
    let peak_of_new = peak();
    let unchanged = time_again(&pool, LARGE).await?;
    for _ in 0..4 {
        small.push(time(&pool, SMALL).await?);
    }
    small.sort_by(f64::total_cmp);
    let median = f64::midpoint(small[3], small[4]);
    println!(
        "{SMALL} records: {median:.1} us each ({:.1} to {:.1}); {LARGE}: {large:.1} us each; ratio {:.2}; peak {peak_of_new} MiB; \
         again, unchanged: {unchanged:.1} us each, peak {} MiB",
        small[0],
        small[7],
        large / median,
        peak()
    );
    Ok(())
}
