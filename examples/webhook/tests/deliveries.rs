//! Two thousand deliveries of fifty records, in random order, a tenth of them cut off.

#![allow(clippy::unwrap_used)] // all of it is a test, the functions between the tests too

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use self::server::{Server, cut_off, request, send};

const RECORDS: u32 = 50;
const VERSIONS: u32 = 40;
const CLIENTS: usize = 32;

/// What each value of a record begins with. Nothing that the server logs may hold it.
const MARK: &str = "secret";

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Answered,
    /// Half of it is sent.
    Half,
    /// All of it is sent, and nobody waits for the answer.
    Deaf,
}

#[derive(Debug, Clone, Copy)]
struct Delivery {
    record: u32,
    version: u32,
    end: End,
}

impl Delivery {
    fn request(self) -> Vec<u8> {
        let body = members(self.record, self.version).to_string();
        request("POST /taxonomy", None, &body)
    }
}

fn slug(record: u32) -> String {
    format!("{MARK}-slug-{record}")
}

/// Every value but the key tells the version, so that a row of two versions is seen.
fn members(record: u32, version: u32) -> Value {
    json!({
        "remote_id": format!("{MARK}-id-{record}"),
        "slug": slug(record),
        "name": format!("{MARK}-name-{record}-{version}"),
        "description": format!("{MARK}-description-{record}-{version}"),
        "version": version,
    })
}

/// What came of the deliveries of one record: versions.
#[derive(Debug, Default)]
struct Told {
    acknowledged: BTreeSet<u32>,
    stale: BTreeSet<u32>,
    /// Stored or not, nobody was told.
    open: BTreeSet<u32>,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_newest_version_that_was_acknowledged_is_stored() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    let server = Server::start(Duration::from_secs(5)).await;
    let address = server.address;

    let waiting = Arc::new(Mutex::new(deliveries()));
    let told = Arc::new(Mutex::new(BTreeMap::<u32, Told>::new()));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (waiting, told) = (waiting.clone(), told.clone());
        clients.spawn(async move {
            let mut random = fastrand::Rng::with_seed(client as u64);
            loop {
                let next = waiting.lock().unwrap().pop();
                let Some(delivery) = next else { break };
                deliver(address, delivery, &told, &mut random).await;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    // What is wrong with a record is told without its values, too.
    let refused = [
        (format!("{{\"slug\":\"{MARK}\""), 400),
        (
            format!("{{\"slug\":\"{MARK}\",\"name\":\"{MARK}\",\"version\":\"{MARK}\"}}"),
            422,
        ),
        (
            json!({"remote_id": MARK, "slug": slug(0), "name": MARK, "version": 99}).to_string(),
            409,
        ),
    ];
    for (body, status) in refused {
        let answer = send(address, &request("POST /taxonomy", None, &body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.body.contains(MARK), "{answer:?}");
    }

    let told = std::mem::take(&mut *told.lock().unwrap());
    let mut left_by_nobody = 0;
    for (record, told) in told {
        let get = request(&format!("GET /taxonomy/{}", slug(record)), None, "");
        let answer = send(address, &get).await;
        assert_eq!(answer.status, 200, "record {record}: {answer:?}");
        let mut row: Value = serde_json::from_str(&answer.body).unwrap();
        row.as_object_mut().unwrap().remove("id");
        let stored = u32::try_from(row["version"].as_u64().unwrap()).unwrap();
        assert_eq!(answer.header("etag"), Some(&*format!("\"{stored}\"")));
        assert_eq!(
            row,
            members(record, stored),
            "record {record}: of two versions"
        );

        let newest = *told.acknowledged.last().expect("one of forty");
        let by_nobody = stored > newest && told.open.contains(&stored);
        assert!(
            stored == newest || by_nobody,
            "record {record}: {stored} is stored: {told:?}"
        );
        // "A newer version is stored" is never said of the newest.
        let last_stale = told.stale.last().copied().unwrap_or(0);
        assert!(
            last_stale < stored,
            "record {record}: {stored} is stored: {told:?}"
        );
        left_by_nobody += u32::from(by_nobody);
    }
    server.stop().await;

    let log = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
    let answered = log.matches("method=POST").count();
    // The cut off ones may be in it.
    assert!(answered >= 1_803, "{answered} answers in the log");
    if let Some(line) = log.lines().find(|line| line.contains(MARK)) {
        panic!("a value is in the log: {line}");
    }
    println!(
        "{answered} answers logged; {left_by_nobody} rows are of deliveries that nobody heard of"
    );
}

/// All of them, in random order; each tenth is cut off.
fn deliveries() -> Vec<Delivery> {
    let mut random = fastrand::Rng::with_seed(15);
    let mut all: Vec<_> = (0..RECORDS)
        .flat_map(|record| (1..=VERSIONS).map(move |version| (record, version)))
        .collect();
    random.shuffle(&mut all);
    let ends = (0..).map(|place| match place % 20 {
        0 => End::Half,
        10 => End::Deaf,
        _ => End::Answered,
    });
    let mut all: Vec<_> = all
        .into_iter()
        .zip(ends)
        .map(|((record, version), end)| Delivery {
            record,
            version,
            end,
        })
        .collect();
    random.shuffle(&mut all);
    all
}

/// Sends it, again and again where it is asked to, and writes down what it was told.
async fn deliver(
    address: SocketAddr,
    delivery: Delivery,
    told: &Mutex<BTreeMap<u32, Told>>,
    random: &mut fastrand::Rng,
) {
    let Delivery {
        record,
        version,
        end,
    } = delivery;
    let bytes = delivery.request();
    let moment = Duration::from_micros(random.u64(0..40_000));
    match end {
        // Never stored: what is not whole is no delivery.
        End::Half => cut_off(address, &bytes[..bytes.len() - 20], moment).await,
        End::Deaf => {
            cut_off(address, &bytes, moment).await;
            let mut told = told.lock().unwrap();
            told.entry(record).or_default().open.insert(version);
        }
        End::Answered => {
            let status = loop {
                let answer = send(address, &bytes).await;
                if answer.status != 503 {
                    break answer.status;
                }
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                tokio::time::sleep(Duration::from_millis(random.u64(10..100))).await;
            };
            let mut told = told.lock().unwrap();
            let told = told.entry(record).or_default();
            match status {
                200 | 201 => told.acknowledged.insert(version),
                412 => told.stale.insert(version),
                other => panic!("{delivery:?} is answered by {other}"),
            };
        }
    }
}
