//! What differs between the databases: their names, their words for the table, and what the lock is.

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Database, MySql, Pool, Postgres, Sqlite};
use upsert_runtime::Backend;

/// How to connect to a database.
pub(crate) type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// What differs from database to database.
pub(crate) trait Dialect: Backend {
    /// What a user calls the database.
    const TITLE: &'static str;

    /// What is locked when the row is, and by which words.
    const LOCK: &'static str;

    /// Makes the table, and fails if there is one.
    const CREATE_TABLE: &'static str;

    /// Where the database is: a host and a port, or a file.
    fn place(options: &Options<Self>) -> String;

    /// Runs a statement without parameters. Generic code would have to say in every signature on its way what an
    /// `Executor` is.
    fn run_text(pool: &Pool<Self>, sql: &'static str) -> impl Future<Output = sqlx::Result<()>>;
}

impl Dialect for Sqlite {
    const TITLE: &'static str = "SQLite";

    const LOCK: &'static str = "the only write lock of the database, taken by BEGIN IMMEDIATE";

    const CREATE_TABLE: &'static str = "\
        CREATE TABLE lock_demo (
            id integer PRIMARY KEY,
            slug text NOT NULL UNIQUE,
            uses integer NOT NULL
        )";

    fn place(options: &SqliteConnectOptions) -> String {
        options.get_filename().display().to_string()
    }

    async fn run_text(pool: &Pool<Self>, sql: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(sql).execute(pool).await.map(drop)
    }
}

impl Dialect for Postgres {
    const TITLE: &'static str = "PostgreSQL";

    const LOCK: &'static str = "of the row, taken by SELECT … FOR NO KEY UPDATE";

    const CREATE_TABLE: &'static str = "\
        CREATE TABLE lock_demo (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            slug text NOT NULL UNIQUE,
            uses bigint NOT NULL
        )";

    fn place(options: &PgConnectOptions) -> String {
        match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        }
    }

    async fn run_text(pool: &Pool<Self>, sql: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(sql).execute(pool).await.map(drop)
    }
}

impl Dialect for MySql {
    const TITLE: &'static str = "MariaDB or MySQL";

    const LOCK: &'static str = "of the row, taken by SELECT … FOR UPDATE";

    // InnoDB locks single rows, other engines do not. A binary collation, as `Rock` is not `rock`.
    const CREATE_TABLE: &'static str = "\
        CREATE TABLE lock_demo (
            id bigint AUTO_INCREMENT PRIMARY KEY,
            slug varchar(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
            uses bigint NOT NULL
        ) ENGINE = InnoDB";

    fn place(options: &MySqlConnectOptions) -> String {
        match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        }
    }

    async fn run_text(pool: &Pool<Self>, sql: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(sql).execute(pool).await.map(drop)
    }
}
