//! What differs between the databases: where they are, and the words of the table.

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Database, MySql, Pool, Postgres, Sqlite};
use upsert_runtime::Backend;

/// How to connect to a database.
pub(crate) type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// What differs from database to database.
pub(crate) trait Dialect: Backend {
    /// Makes the table if it is missing.
    const CREATE_TABLE: &'static str;

    /// Where the database is: a host and a port, or a file.
    fn place(options: &Options<Self>) -> String;

    /// Makes nothing where there is no database.
    fn existing_only(options: Options<Self>) -> Options<Self> {
        options
    }

    /// Whether it can be seen from here that there is no such database.
    fn is_absent(_options: &Options<Self>) -> bool {
        false
    }

    /// Runs a statement without parameters. Generic code would have to say in every signature on its way what an
    /// `Executor` is.
    fn run_text(pool: &Pool<Self>, sql: &'static str) -> impl Future<Output = sqlx::Result<()>>;
}

impl Dialect for Sqlite {
    const CREATE_TABLE: &'static str = "\
        CREATE TABLE IF NOT EXISTS taxonomy (
            id integer PRIMARY KEY,
            remote_id text UNIQUE,
            slug text NOT NULL UNIQUE,
            name text NOT NULL,
            description text,
            parent text,
            source_updated_at text,
            locked boolean NOT NULL DEFAULT false,
            deleted_at text,
            created_at text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
            updated_at text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
        )";

    fn place(options: &SqliteConnectOptions) -> String {
        options.get_filename().display().to_string()
    }

    fn existing_only(options: SqliteConnectOptions) -> SqliteConnectOptions {
        options.create_if_missing(false)
    }

    fn is_absent(options: &SqliteConnectOptions) -> bool {
        !options.get_filename().exists()
    }

    async fn run_text(pool: &Pool<Self>, sql: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(sql).execute(pool).await.map(drop)
    }
}

impl Dialect for Postgres {
    const CREATE_TABLE: &'static str = "\
        CREATE TABLE IF NOT EXISTS taxonomy (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            remote_id text UNIQUE,
            slug text NOT NULL UNIQUE,
            name text NOT NULL,
            description text,
            parent text,
            source_updated_at timestamptz,
            locked boolean NOT NULL DEFAULT false,
            deleted_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
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
    // The default collation would find `Rock` by `rock`. A unique key of utf8mb4 has room for 191 characters on old servers.
    const CREATE_TABLE: &'static str = "\
        CREATE TABLE IF NOT EXISTS taxonomy (
            id bigint AUTO_INCREMENT PRIMARY KEY,
            remote_id varchar(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin UNIQUE,
            slug varchar(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
            name longtext NOT NULL,
            description longtext,
            parent longtext,
            source_updated_at timestamp(6) NULL,
            locked boolean NOT NULL DEFAULT false,
            deleted_at timestamp(6) NULL,
            created_at timestamp(6) NOT NULL DEFAULT current_timestamp(6),
            updated_at timestamp(6) NOT NULL DEFAULT current_timestamp(6)
        ) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

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
