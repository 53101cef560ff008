//! A transaction of your own, done again as a whole where that may help.
//!
//! `run` does this by itself. `run_in` and guards cannot: they do not know what else your transaction has done.
//!
//! `cargo run -p upsert-runtime --features sqlite --example retry`

use std::time::Duration;

use sqlx::sqlite::{Sqlite, SqlitePool, SqlitePoolOptions};
use upsert_runtime::{Error, LockedUpsert, Transaction};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Taxonomy {
    id: i64,
    slug: String,
    uses: i64,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does `work` in a transaction and commits; after an error that may pass it begins a new one, four times at most.
async fn in_transaction<T>(
    pool: &SqlitePool,
    mut work: impl AsyncFnMut(&mut Transaction<Sqlite>, u32) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut attempt = 1;
    loop {
        let done = async {
            let mut tx = upsert_runtime::begin(pool).await?;
            let done = work(&mut tx, attempt).await?; // after an error `tx` is dropped, and rolled back
            tx.commit().await?;
            Ok(done)
        };
        let error: Failure = match done.await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        // Never true for `CommitUnknown`: the work may be stored, and would be done twice.
        let may_pass = error.downcast_ref().is_some_and(Error::is_retryable);
        if !may_pass || attempt == 4 {
            return Err(error);
        }
        println!("attempt {attempt}: {error}");
        tokio::time::sleep(Duration::from_millis(20) * attempt).await;
        attempt += 1;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await?;
    let table = "CREATE TABLE taxonomy (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, uses BIGINT NOT NULL)";
    sqlx::raw_sql(table).execute(&pool).await?;

    let ids = in_transaction(&pool, async |tx, attempt| {
        let new = |slug: &str| NewTaxonomy {
            slug: slug.into(),
            uses: 0,
        };
        let rock = Taxonomy::upsert(new("rock")).run_in(tx).await?;
        if attempt == 1 {
            // Plays a server that has undone the transaction, as after a deadlock.
            sqlx::raw_sql("ROLLBACK").execute(&mut **tx).await?;
        }
        let jazz = Taxonomy::upsert(new("jazz")).run_in(tx).await?; // `TransactionLost` in the first attempt
        Ok([rock.row.id, jazz.row.id])
    });
    println!("stored: {:?}", ids.await?);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM taxonomy")
        .fetch_one(&pool)
        .await?;
    assert_eq!(rows, 2);
    Ok(())
}
