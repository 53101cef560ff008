//! The server on a port of its own, and a client that can hang up.

#![allow(dead_code)] // each test uses its part

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use webhook::{Store as _, router};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Its requests wait for a lock of the database for `busy` at most, in each attempt.
    pub(crate) async fn start(busy: Duration) -> Self {
        let folder = TempDir::new().unwrap();
        let options = database(&folder).busy_timeout(busy);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        Sqlite::create_table(&pool).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serve = axum::serve(listener, router(pool)).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let ended = tokio::spawn(async { serve.await });
        Self {
            address,
            folder,
            stop,
            ended,
        }
    }

    /// The server's database, for somebody else.
    pub(crate) fn database(&self) -> SqliteConnectOptions {
        database(&self.folder)
    }

    /// Stops it as Ctrl-C does, and waits for its last answer.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

fn database(folder: &TempDir) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.path().join("webhook.db"))
        .create_if_missing(true)
        // Nobody pulls the plug of a test.
        .synchronous(SqliteSynchronous::Off)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// The bytes of a request.
pub(crate) fn request(request: &str, if_match: Option<&str>, body: &str) -> Vec<u8> {
    let if_match = if_match.map_or_else(String::new, |tag| format!("If-Match: {tag}\r\n"));
    let length = body.len();
    format!(
        "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {if_match}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends a request and reads its answer.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).expect("a status").parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Sends these bytes, waits for a moment and hangs up.
pub(crate) async fn cut_off(address: SocketAddr, request: &[u8], moment: Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    tokio::time::sleep(moment).await;
}
