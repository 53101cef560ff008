#!/usr/bin/env bash
# sqlx on SQLite: `fetch_one` of an INSERT … RETURNING answers the new row's id, and nothing was stored.
#
# Seen with sqlx 0.9.0 and its SQLite 3.51.3.
#
# SQLite answers the rows of RETURNING before it commits. Outside of a transaction the statement itself is the transaction, and it is
# committed when it has been read to its end, or is reset. `fetch_one` and `fetch_optional` stop after the first row, and what the reset
# answers is not looked at. So if it is the commit that fails, for a deferred foreign key or because somebody reads at that moment (no
# WAL), the caller gets `Ok` with an id, and the row is gone. `fetch_all` and `execute` get the error. A test that has the database for
# itself does not see it, and under load rows are missing.
#
# SQLite's page on sqlite3_reset warns whoever writes a driver; sqlx's documentation of `fetch_one` does not speak of it.
#
# What to do: `fetch_all` for statements that write and answer rows, or a transaction around them, whose `commit()` has the error.
#
# Output (errors shortened):
#   SQLite 3.51.3
#   foreign key: fetch_one Ok(1), fetch_all Err(FOREIGN KEY constraint failed), stored 0
#   reader:      fetch_one Ok(1), fetch_all Err(database is locked), stored 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p program/src
cat >program/Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "sqlite"] }
tokio = { version = "=1.47.1", features = ["rt", "macros"] }
TOML
cat >program/src/main.rs <<'RUST'
use sqlx::{Connection, Error, Executor, SqliteConnection};

const BOOK: &str = "INSERT INTO book (author) VALUES (7) RETURNING id";

async fn books(connection: &mut SqliteConnection) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT count(*) FROM book").fetch_one(connection).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = format!("sqlite://{}?mode=rwc", std::env::args().nth(1).expect("a file"));
    let mut writer = SqliteConnection::connect(&url).await?;
    let mut reader = SqliteConnection::connect(&url).await?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut writer).await?;
    println!("SQLite {version}");
    writer.execute("PRAGMA busy_timeout = 100; CREATE TABLE author (id INTEGER PRIMARY KEY);
        CREATE TABLE book (id INTEGER PRIMARY KEY, author REFERENCES author DEFERRABLE INITIALLY DEFERRED)").await?;

    // There is no author 7.
    let one: Result<i64, _> = sqlx::query_scalar(BOOK).fetch_one(&mut writer).await;
    let all: Result<Vec<i64>, _> = sqlx::query_scalar(BOOK).fetch_all(&mut writer).await;
    println!("foreign key: fetch_one {one:?}, fetch_all {all:?}, stored {}", books(&mut writer).await?);
    assert_eq!(one.ok(), Some(1), "fetch_one reports the foreign key now");
    assert!(all.is_err());

    // Now there is one, and somebody reads, so that the write cannot be committed.
    writer.execute("INSERT INTO author VALUES (7)").await?;
    reader.execute("BEGIN; SELECT count(*) FROM book").await?;
    let one: Result<i64, _> = sqlx::query_scalar(BOOK).fetch_one(&mut writer).await;
    let all: Result<Vec<i64>, _> = sqlx::query_scalar(BOOK).fetch_all(&mut writer).await;
    reader.execute("COMMIT").await?;
    println!("reader:      fetch_one {one:?}, fetch_all {all:?}, stored {}", books(&mut writer).await?);
    assert_eq!(one.ok(), Some(1), "fetch_one reports the lock now");
    assert!(all.is_err());
    assert_eq!(books(&mut writer).await?, 0, "something is stored now");
    Ok(())
}
RUST
cargo run --quiet --manifest-path program/Cargo.toml -- "$folder/finding.db"
