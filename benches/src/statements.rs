//! How many statements go to a database that is no server: sqlx logs each that it has carried out. It does not log the BEGIN and
//! COMMIT of its own transactions.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Since they were asked for last.
static SENT: AtomicU64 = AtomicU64::new(0);

/// Counts from now on.
pub(crate) fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        // Who listens already is nobody, and if it were, nothing would be counted.
        let _ = tracing::subscriber::set_global_default(Listener);
    });
}

/// How many there were since the last call. A text of several statements is one.
pub(crate) fn take() -> u64 {
    SENT.swap(0, Ordering::Relaxed)
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        SENT.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_counted_once() {
        listen();
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let before = SENT.load(Ordering::Relaxed);
        sqlx::query("SELECT 1; SELECT 2")
            .execute(&pool)
            .await
            .unwrap();
        sqlx::query("SELECT 3").execute(&pool).await.unwrap();
        assert!(SENT.load(Ordering::Relaxed) >= before + 2);
        assert!(take() >= 2);
    }
}
