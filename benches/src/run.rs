//! What the arguments ask for.

use sqlx::{MySql, Postgres, Sqlite};

use crate::arguments::{Arguments, Task};
use crate::contender::{Contender, Failure, django};
use crate::engine::Engine;
use crate::job::Job;
use crate::measure::{Measured, bulks, hot, singles};
use crate::place::Place;
use crate::report::{Comparison, table};
use crate::scale::Scale;
use crate::serve::against;
use crate::setting::{Address, Way};
use crate::stream::Streamed;
use crate::{count, stream};

/// Connections of a contender on hot rows.
const CONNECTIONS: u32 = 16;

/// The largest import that is asked of those that take a millisecond a record.
const SLOW_RECORDS: usize = 20_000;

/// Records of the stream whose memory has a bar.
const MILLION: usize = 1_000_000;

/// Records of one that only has to work.
const SMALL: usize = 2_000;

pub(crate) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.task {
        Task::Compare => {
            let comparisons = compare(arguments).await?;
            if !arguments.json {
                print!("{}", table(&comparisons));
            }
        }
        Task::Bars(bars) => {
            let comparisons = compare(arguments).await?;
            let mut streamed = None;
            if bars.has_memory() {
                eprintln!("{MILLION} records streamed");
                match stream::stream(MILLION).await {
                    Ok(told) => streamed = Some(told),
                    Err(missing) => eprintln!("the stream is left out: {missing}"),
                }
            }
            println!("{}", table(&comparisons));
            print!("{}", bars.table(&comparisons, streamed));
        }
        Task::Smoke => {
            print!("{}", table(&compare(arguments).await?));
            tell(stream::stream(SMALL).await?);
        }
        Task::Count => count::count(arguments).await?,
        Task::Stream(records) => tell(stream::stream(*records).await?),
    }
    Ok(())
}

fn tell(streamed: Streamed) {
    let Streamed {
        records,
        each_us,
        peak_mib,
    } = streamed;
    println!("{records} records streamed: {each_us:.1} µs a record, peak {peak_mib:.0} MiB");
}

/// All databases, each on a server that ends before the next begins.
async fn compare(arguments: &Arguments) -> Result<Vec<Comparison>, Failure> {
    let wants_django = arguments.jobs.iter().any(|job| arguments.wants_django(job));
    if let Some(notice) = django::notice().filter(|_| wants_django) {
        left_out(arguments, "Django", &notice)?;
    }
    let mut comparisons = on::<Postgres>(arguments, &[Way::Postgres, Way::PostgresTcp]).await?;
    comparisons.extend(on::<MySql>(arguments, &[Way::MariaDb, Way::MariaDbTcp]).await?);
    comparisons.extend(on::<Sqlite>(arguments, &[Way::Sqlite]).await?);
    Ok(comparisons)
}

async fn on<DB: Engine>(arguments: &Arguments, ways: &[Way]) -> Result<Vec<Comparison>, Failure> {
    let jobs = arguments
        .jobs
        .iter()
        .filter(|job| ways.contains(&job.setting.way));
    let jobs: Vec<_> = jobs.collect();
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let place = match Place::<DB>::open().await {
        Ok(place) => place,
        Err(missing) => return left_out(arguments, DB::TARGET, &missing).map(|()| Vec::new()),
    };
    let done = each_in(arguments, &place, &jobs).await;
    place.close().await;
    done
}

async fn each_in<DB: Engine>(
    arguments: &Arguments,
    place: &Place<DB>,
    jobs: &[&Job],
) -> Result<Vec<Comparison>, Failure> {
    let mut comparisons = Vec::new();
    for job in jobs {
        let what = format!("{}, {}, {}", job.setting, job.scale, job.workload);
        let address = match place.address(&job.setting).await {
            Ok(address) => address,
            Err(missing) => {
                left_out(arguments, &what, &missing)?;
                continue;
            }
        };
        eprintln!("{what}");
        let measured = measure(arguments, place, job, &address).await;
        let measured = measured.map_err(|error| format!("{what}: {error}"))?;
        let told = measured.comparisons(
            &job.setting.to_string(),
            &job.scale.to_string(),
            job.workload.name(),
        );
        for comparison in &told {
            eprintln!("  {}", comparison.line());
            if arguments.json {
                println!("{}", comparison.json());
            }
        }
        comparisons.extend(told);
    }
    Ok(comparisons)
}

/// A notice; where all must be seen to work, a failure.
fn left_out(arguments: &Arguments, what: &str, missing: &str) -> Result<(), Failure> {
    if arguments.task == Task::Smoke {
        return Err(format!("{what}: {missing}").into());
    }
    eprintln!("{what} is left out: {missing}");
    Ok(())
}

async fn measure<DB: Engine>(
    arguments: &Arguments,
    place: &Place<DB>,
    job: &Job,
    address: &Address,
) -> Result<Measured, Failure> {
    let contenders = contenders::<DB>(arguments, job, address)?;
    let effort = arguments.effort.for_setting(&job.setting);
    match job.scale {
        Scale::One | Scale::Held => singles(place, &contenders, job.workload, effort).await,
        Scale::Hot(rows) => hot(place, &contenders, rows, effort).await,
        Scale::Import(records) => bulks(place, &contenders, job.workload, records, effort).await,
    }
}

/// Ours first, then the peers that are asked for.
fn contenders<DB: Engine>(
    arguments: &Arguments,
    job: &Job,
    address: &Address,
) -> Result<Vec<Box<dyn Contender>>, Failure> {
    // Programs of their own take one call after the other.
    let is_hot = matches!(job.scale, Scale::Hot(_));
    let connections = if is_hot { CONNECTIONS } else { 1 };
    DB::pool(address, connections)?;
    let pool = || DB::pool(address, connections).expect("an address that was read before");
    let mut all = DB::contenders(job.scale, &pool);
    let mut peers = all.split_off(1);
    if !is_hot && arguments.wants_django(job) {
        peers.extend(django(address, job.scale)?);
    }
    if let Some(program) = arguments.against(job).filter(|_| !is_hot) {
        all.push(Box::new(against(program, address, job.scale)?));
    }
    all.extend(
        peers
            .into_iter()
            .filter(|peer| arguments.wants(job, peer.name())),
    );
    Ok(all)
}

fn django(address: &Address, scale: Scale) -> Result<Vec<Box<dyn Contender>>, Failure> {
    let records = match scale {
        Scale::One => return django::singles(address),
        // It holds its connection anyway.
        Scale::Held | Scale::Hot(_) => return Ok(Vec::new()),
        Scale::Import(records) => records,
    };
    let mut peers = django::bulks(address)?;
    peers.retain(|peer| !peer.is_slow() || records <= SLOW_RECORDS);
    Ok(peers)
}
