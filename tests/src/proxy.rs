//! A way to the server that plays a fault: what a server says while its disk is full, or while it restarts, cannot be had from
//! one that other tests run on.

use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::{Connection, Pool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::target::Target;

/// An error that is answered to a statement in place of the server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The whole text of a statement that is sent without parameters, or the beginning of one that is prepared.
    pub statement: &'static str,
    /// How many times it is answered so; then all is passed on.
    pub times: u32,
    /// The server's severity, such as `FATAL`, where it has some; a session does not outlive this and `PANIC`.
    pub severity: &'static str,
    /// The code; [`NONE`](Self::NONE) where the connection breaks in place of an answer.
    pub code: &'static str,
    /// Whether the server carries the statement out before.
    pub done: bool,
}

impl Answer {
    /// No code, and no answer at all.
    pub const NONE: &'static str = "";
}

/// What a client that connects meets in place of the server.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// The connection is closed at once.
    Closed,
    /// It is reset.
    Reset,
    /// It is closed in the middle of the server's first message.
    CutShort,
    /// An error with this code.
    Error(&'static str),
}

impl Refusal {
    async fn meets(self, target: &str, mut client: TcpStream) -> std::io::Result<()> {
        let speaks = matches!(self, Self::CutShort | Self::Error(_));
        if speaks && target == "postgres" {
            // There it is the client that speaks first; and what nobody has read resets a connection that is closed.
            let _ = client.read(&mut [0; 1024]).await?;
        }
        match self {
            Self::Closed => Ok(()),
            Self::Reset => client.set_zero_linger(),
            // Less than the header of any message.
            Self::CutShort => client.write_all(b"R\0\0").await,
            Self::Error(code) => client.write_all(&error(target, "FATAL", code)).await,
        }
    }
}

/// What is done before a statement with this text is passed on.
type Meanwhile = dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// What is not passed on as it comes.
#[derive(Clone, Default)]
struct Faults {
    /// What is done before each statement that is prepared.
    meanwhile: Option<Arc<Meanwhile>>,
    /// What the first clients meet that connect.
    refusal: Option<Arc<(AtomicU32, Refusal)>>,
    answers: Arc<[(AtomicU32, Answer)]>,
    /// Whether what only MariaDB reads in a statement is a comment.
    hides_comments: bool,
    /// Whether the server is not told that the client wants an UPDATE to count the rows that it finds (MySQL's `FOUND_ROWS`).
    counts_changed_rows: bool,
}

/// A proxy on this machine, ended when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Whether each statement is prepared each time.
    prepares: bool,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Passes on everything, but for the statement that is answered.
    pub async fn answering<DB: Target>(db: &Database<DB>, answer: Answer) -> Self {
        Self::answering_each(db, [answer]).await
    }

    /// Passes on everything, but for the statements that are answered.
    pub async fn answering_each<DB: Target>(
        db: &Database<DB>,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let counted = |answer: Answer| (AtomicU32::new(answer.times), answer);
        let faults = Faults {
            answers: answers.into_iter().map(counted).collect(),
            ..Faults::default()
        };
        Self::start(db, faults).await
    }

    /// Does something before each statement that is prepared on PostgreSQL, and passes on everything.
    pub async fn doing_before_each<DB: Target, F>(
        db: &Database<DB>,
        meanwhile: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let faults = Faults {
            meanwhile: Some(Arc::new(move |text| Box::pin(meanwhile(text)))),
            ..Faults::default()
        };
        Self::start(db, faults).await
    }

    /// Has the server count an UPDATE's changed rows in place of those that it finds, as a client may ask for on MySQL.
    pub async fn counting_changed_rows<DB: Target>(db: &Database<DB>) -> Self {
        let faults = Faults {
            counts_changed_rows: true,
            ..Faults::default()
        };
        Self::start(db, faults).await
    }

    /// Has a MariaDB take for a comment what MySQL does: what stands in `/*M!` and `*/`.
    pub async fn hiding_comments<DB: Target>(db: &Database<DB>) -> Self {
        let faults = Faults {
            hides_comments: true,
            ..Faults::default()
        };
        Self::start(db, faults).await
    }

    /// Refuses so many connections, then passes on everything.
    pub async fn refusing<DB: Target>(db: &Database<DB>, refusal: Refusal, times: u32) -> Self {
        let faults = Faults {
            refusal: Some(Arc::new((AtomicU32::new(times), refusal))),
            ..Faults::default()
        };
        Self::start(db, faults).await
    }

    async fn start<DB: Target>(db: &Database<DB>, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = server_of(&db.url());
        let prepares = faults.meanwhile.is_some();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Some(refusal) = faults.refusal.as_deref().and_then(take) {
                    tokio::spawn(refusal.meets(DB::TARGET, client));
                    continue;
                }
                let server = TcpStream::connect(&server).await.expect("the server");
                // Messages are passed on one by one, and none is to wait for the next.
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                tokio::spawn(Wire::new(client, server, faults.clone()).run::<DB>());
            }
        });
        Self {
            address,
            prepares,
            task,
        }
    }

    /// The database's URL by this way.
    #[must_use]
    pub fn url<DB: Target>(&self, db: &Database<DB>) -> String {
        let url = db.url();
        let url = url.replace(&server_of(&url), &self.address.to_string());
        if self.prepares {
            with_option(&url, "statement-cache-capacity=0")
        } else {
            url
        }
    }

    /// A pool whose connections go this way; none is made yet.
    ///
    /// # Panics
    ///
    /// If the database's URL is none.
    #[must_use]
    pub fn pool<DB: Target>(&self, db: &Database<DB>, connections: u32) -> Pool<DB> {
        let options = <<DB::Connection as Connection>::Options as FromStr>::from_str(&self.url(db));
        PoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(15))
            .connect_lazy_with(options.expect("a URL"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `127.0.0.1:5432`
pub(crate) fn server_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (place, _) = rest.split_once('/').unwrap_or((rest, ""));
    let (_, server) = place.rsplit_once('@').unwrap_or(("", place));
    server.to_owned()
}

pub(crate) fn with_option(url: &str, option: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{option}")
}

/// One connection on its way.
struct Wire {
    client: TcpStream,
    server: TcpStream,
    faults: Faults,
    /// What the client has sent and is no whole message yet.
    sent: Vec<u8>,
    /// Whether the client's messages are commands yet: before, it introduces itself.
    speaks: bool,
    /// MySQL's numbers of the prepared statements that are answered, with the answers' places.
    prepared: Vec<([u8; 4], usize)>,
    /// What is answered instead of the rest of a batch of messages, up to its end.
    instead: Option<Answer>,
}

impl Wire {
    fn new(client: TcpStream, server: TcpStream, faults: Faults) -> Self {
        Self {
            client,
            server,
            faults,
            sent: Vec::new(),
            speaks: false,
            prepared: Vec::new(),
            instead: None,
        }
    }

    async fn run<DB: Target>(mut self) {
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            let passed = tokio::select! {
                read = self.server.read(&mut down) => match read {
                    Ok(read @ 1..) => self.client.write_all(&down[..read]).await.is_ok(),
                    _ => false,
                },
                read = self.client.read(&mut up) => match read {
                    Ok(read @ 1..) => {
                        self.sent.extend_from_slice(&up[..read]);
                        self.pass_on::<DB>().await.is_ok_and(|goes_on| goes_on)
                    }
                    _ => false,
                },
            };
            if !passed {
                return;
            }
        }
    }

    /// Passes on the client's whole messages; whether the connection goes on.
    async fn pass_on<DB: Target>(&mut self) -> std::io::Result<bool> {
        while let Some(length) = message_length(DB::TARGET, self.speaks, &self.sent) {
            let mut message: Vec<_> = self.sent.drain(..length).collect();
            if !self.speaks && DB::TARGET == "mysql" && self.faults.counts_changed_rows {
                const FOUND_ROWS: u8 = 2;
                message[4] &= !FOUND_ROWS;
            }
            if self.faults.hides_comments {
                while let Some(place) = message.windows(4).position(|part| part == b"/*M!") {
                    message[place + 2] = b' ';
                }
            }
            if let (Some(meanwhile), [b'P', _, _, _, _, texts @ ..]) =
                (&self.faults.meanwhile, &message[..])
                && self.speaks
            {
                let text = texts.split(|&byte| byte == 0).nth(1).unwrap_or_default();
                meanwhile(String::from_utf8_lossy(text).into_owned()).await;
            }
            let Some(answer) = self.answer_to(DB::TARGET, &message) else {
                if self.instead.is_some() {
                    continue;
                }
                self.speaks = speaks_after(DB::TARGET, self.speaks, &message);
                self.server.write_all(&message).await?;
                self.take_note_of_prepared(DB::TARGET, &message).await?;
                continue;
            };
            if answer.done {
                self.server.write_all(&message).await?;
                // What the server says is kept from the client.
                let _ = self.server.read(&mut [0; 1024]).await?;
            }
            if answer.code == Answer::NONE {
                return Ok(false);
            }
            let error = error(DB::TARGET, answer.severity, answer.code);
            self.client.write_all(&error).await?;
            if matches!(answer.severity, "FATAL" | "PANIC") {
                self.client.shutdown().await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn answer_to(&mut self, target: &str, message: &[u8]) -> Option<Answer> {
        let is_whole = |text: &[u8], answer: &Answer| text == answer.statement.as_bytes();
        match (target, message) {
            ("postgres", [b'Q', _, _, _, _, text @ .., 0]) if self.speaks => {
                self.due(|answer| is_whole(text, answer))
            }
            // Name and text of a statement to be prepared. The batch of messages that it begins is answered at its end.
            ("postgres", [b'P', _, _, _, _, texts @ ..]) if self.speaks => {
                let text = texts.split(|&byte| byte == 0).nth(1)?;
                // What one statement writes by itself stands in parentheses.
                let text = text
                    .strip_prefix(b"WITH upsert_written AS (")
                    .unwrap_or(text);
                let begins = |answer: &Answer| text.starts_with(answer.statement.as_bytes());
                self.instead = self.due(begins);
                None
            }
            ("postgres", [b'S', ..]) if self.speaks => self.instead.take(),
            ("mysql", [_, _, _, 0, 3, text @ ..]) => self.due(|answer| is_whole(text, answer)),
            ("mysql", [_, _, _, 0, 0x17, a, b, c, d, ..]) => {
                let mut prepared = self.prepared.iter();
                let (_, place) = prepared.find(|(number, _)| *number == [*a, *b, *c, *d])?;
                take(&self.faults.answers[*place])
            }
            _ => None,
        }
    }

    /// The first answer to such a statement that is to be given still.
    fn due(&self, is_to: impl Fn(&Answer) -> bool) -> Option<Answer> {
        let mut answers = self.faults.answers.iter();
        answers.find_map(|answer| is_to(&answer.1).then(|| take(answer)).flatten())
    }

    /// A statement that is prepared on MySQL is known by a number from then on, with which the server's answer begins.
    async fn take_note_of_prepared(&mut self, target: &str, message: &[u8]) -> std::io::Result<()> {
        let ("mysql", [_, _, _, 0, 0x16, text @ ..]) = (target, message) else {
            return Ok(());
        };
        let mut answers = self.faults.answers.iter();
        let begins = |(_, answer): &(_, Answer)| text.starts_with(answer.statement.as_bytes());
        let Some(place) = answers.position(begins) else {
            return Ok(());
        };
        let mut answer = [0; 9];
        self.server.read_exact(&mut answer).await?;
        self.client.write_all(&answer).await?;
        if let [_, _, _, _, 0, a, b, c, d] = answer {
            self.prepared.push(([a, b, c, d], place));
        }
        Ok(())
    }
}

/// What is to be given once more.
fn take<T: Clone>((left, fault): &(AtomicU32, T)) -> Option<T> {
    let one_less = |left: u32| left.checked_sub(1);
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    taken.is_ok().then(|| fault.clone())
}

/// The length of the first message, if it is there as a whole.
fn message_length(target: &str, speaks: bool, sent: &[u8]) -> Option<usize> {
    let length = match (target, sent) {
        ("postgres", [_, a, b, c, d, ..]) if speaks => {
            1 + u32::from_be_bytes([*a, *b, *c, *d]) as usize
        }
        // Before the client has introduced itself, messages have no type.
        ("postgres", [a, b, c, d, ..]) if !speaks => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
        ("mysql", [a, b, c, _, ..]) => 4 + u32::from_le_bytes([*a, *b, *c, 0]) as usize,
        _ => return None,
    };
    (sent.len() >= length).then_some(length)
}

/// Whether the client's next messages are commands. It may ask for TLS first.
fn speaks_after(target: &str, speaks: bool, message: &[u8]) -> bool {
    const ASKS_FOR_TLS: [u8; 4] = 80_877_103_u32.to_be_bytes();
    speaks || target != "postgres" || message.get(4..8) != Some(&ASKS_FOR_TLS)
}

/// The error in the words of the protocol.
fn error(target: &str, severity: &str, code: &str) -> Vec<u8> {
    if target == "mysql" {
        let number: u16 = code.parse().expect("a number");
        let mut body = vec![0xff];
        body.extend(number.to_le_bytes());
        body.extend(b"#HY000");
        // Nobody believes that the server has said anything else under these numbers.
        body.extend(match number {
            1021 => &b"Disk full (played); waiting for someone to free some space..."[..],
            1290 => b"The MariaDB server is running with the --read-only option so it cannot execute this statement",
            1836 => b"Running in read-only mode",
            1969 => b"Query execution was interrupted (max_statement_time exceeded)",
            _ => b"played",
        });
        let length = u32::try_from(body.len()).expect("a length").to_le_bytes();
        let mut message = vec![length[0], length[1], length[2], 1];
        message.extend(body);
        return message;
    }
    let body = format!("S{severity}\0V{severity}\0C{code}\0Mplayed\0\0");
    let mut message = vec![b'E'];
    message.extend(
        u32::try_from(body.len() + 4)
            .expect("a length")
            .to_be_bytes(),
    );
    message.extend(body.bytes());
    if severity == "ERROR" {
        // The session is ready for the next statement, in its transaction that has failed.
        message.extend([b'Z', 0, 0, 0, 5, b'E']);
    }
    message
}
