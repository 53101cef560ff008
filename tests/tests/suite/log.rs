//! What is logged meanwhile.

use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing::instrument::WithSubscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

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

/// What `future` gives, and everything that it logs, at every level: sqlx's statements too, in which no value stands.
pub(super) fn logged<T>(future: impl Future<Output = T>) -> impl Future<Output = (T, String)> {
    let future = Box::pin(future);
    logged_of(future)
}

async fn logged_of<T>(future: impl Future<Output = T>) -> (T, String) {
    // With a single subscriber tracing asks the thread that meets a callsite first whether anybody listens, and keeps the answer:
    // that of a test beside this one would be no. So each thread has one that listens to everything, and writes nothing.
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let listener = tracing_subscriber::registry();
        tracing::subscriber::set_global_default(listener).expect("the only one");
    });
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(log.clone())
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE);
    let output = future
        .with_subscriber(tracing_subscriber::registry().with(layer))
        .await;
    let bytes = log.0.lock().unwrap().clone();
    (output, String::from_utf8(bytes).unwrap())
}
