//! A way to the server that takes time, and counts what goes over it.
//!
//! Threads, not tasks: tokio's timer knows whole milliseconds, and the program that is measured would do the proxy's work.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::{Protocol, Scanner};

/// A proxy on this machine. It lives as long as the program.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

/// What went over it since it was asked last.
#[derive(Debug, Default)]
struct Counts {
    /// Questions that were answered, however many packets they took.
    trips: AtomicU64,
    statements: AtomicU64,
    bytes_down: AtomicU64,
}

/// What went over a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) trips: u64,
    pub(crate) statements: u64,
    pub(crate) bytes_down: u64,
}

impl Proxy {
    /// To the server at `127.0.0.1:5432`. All that it answers arrives later by `delay`: a round trip takes so much longer.
    pub(crate) fn start(server: String, protocol: Protocol, delay: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(&server) {
                    // A client whose way breaks notices by itself.
                    let _ = pass(&client, &server, Scanner::new(protocol), delay, &counted);
                }
            }
        });
        Ok(Self { address, counts })
    }

    /// What went over it since the last call.
    pub(crate) fn take(&self) -> Traffic {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Traffic {
            trips: take(&self.counts.trips),
            statements: take(&self.counts.statements),
            bytes_down: take(&self.counts.bytes_down),
        }
    }
}

/// Passes on one connection, both ways, by threads of its own.
fn pass(
    client: &TcpStream,
    server: &TcpStream,
    mut scanner: Scanner,
    delay: Duration,
    counts: &Arc<Counts>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_asked = Arc::new(AtomicBool::new(false));
    let (asked, counted) = (Arc::clone(&is_asked), Arc::clone(counts));
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        each_piece(from, |piece| {
            counted
                .statements
                .fetch_add(scanner.statements(piece), Ordering::Relaxed);
            asked.store(true, Ordering::Relaxed);
            (&to).write_all(piece)
        });
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let counted = Arc::clone(counts);
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    let (later, due): (Sender<(Instant, Vec<u8>)>, _) = channel();
    thread::spawn(move || {
        each_piece(from, |piece| {
            if is_asked.swap(false, Ordering::Relaxed) {
                counted.trips.fetch_add(1, Ordering::Relaxed);
            }
            counted
                .bytes_down
                .fetch_add(piece.len() as u64, Ordering::Relaxed);
            let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            later
                .send((Instant::now() + delay, piece.to_vec()))
                .map_err(closed)
        });
    });
    thread::spawn(move || deliver(&due, &to));
    Ok(())
}

fn each_piece(mut from: TcpStream, mut pass: impl FnMut(&[u8]) -> io::Result<()>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 || pass(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn deliver(due: &Receiver<(Instant, Vec<u8>)>, mut to: &TcpStream) {
    for (at, piece) in due {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each piece with five bytes.
    fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let answers = stream.try_clone().unwrap();
            each_piece(stream.try_clone().unwrap(), |_| {
                (&answers).write_all(b"reply")
            });
            stream.flush().unwrap();
        });
        address.to_string()
    }

    #[test]
    fn an_answer_comes_later_and_is_counted() {
        let delay = Duration::from_millis(20);
        let proxy = Proxy::start(echo(), Protocol::Postgres, delay).unwrap();
        let mut client = TcpStream::connect(proxy.address).unwrap();
        let started = Instant::now();
        for _ in 0..3 {
            client.write_all(b"Q\0\0\0\x05;").unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
        }
        assert!(started.elapsed() >= delay * 3);
        assert_eq!(
            proxy.take(),
            Traffic {
                trips: 3,
                statements: 3,
                bytes_down: 15
            }
        );
        assert_eq!(
            proxy.take(),
            Traffic {
                trips: 0,
                statements: 0,
                bytes_down: 0
            }
        );
    }
}
