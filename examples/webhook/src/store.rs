//! The databases, and their words for the table.

use sqlx::{MySql, Pool, Postgres, Sqlite};
use upsert_runtime::Backend;

use crate::model::Taxonomy;

/// What differs from database to database.
pub trait Store: Backend {
    /// Makes the table, unless there is one.
    fn create_table(pool: &Pool<Self>) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The row with this slug, without a lock: SQLite has one only, and whoever reads need not wait for it.
    fn find(
        pool: &Pool<Self>,
        slug: &str,
    ) -> impl Future<Output = sqlx::Result<Option<Taxonomy>>> + Send;
}

/// The same calls, compiled for each database.
macro_rules! store {
    ($database:ty, $create:literal, $find:literal) => {
        impl Store for $database {
            async fn create_table(pool: &Pool<Self>) -> sqlx::Result<()> {
                sqlx::raw_sql($create).execute(pool).await.map(drop)
            }

            async fn find(pool: &Pool<Self>, slug: &str) -> sqlx::Result<Option<Taxonomy>> {
                sqlx::query_as($find).bind(slug).fetch_optional(pool).await
            }
        }
    };
}

// With WAL readers do not wait for the writer, nor the writer for readers; the file keeps it. A blank slug would be stored, and be
// the slug of the next such record too.
store!(
    Sqlite,
    "PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS taxonomy (
        id integer PRIMARY KEY,
        remote_id text UNIQUE,
        slug text NOT NULL UNIQUE CHECK (slug <> ''),
        name text NOT NULL,
        description text,
        version integer NOT NULL
    )",
    "SELECT id, remote_id, slug, name, description, version FROM taxonomy WHERE slug = ?"
);

store!(
    Postgres,
    "CREATE TABLE IF NOT EXISTS taxonomy (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        remote_id text UNIQUE,
        slug text NOT NULL UNIQUE CHECK (slug <> ''),
        name text NOT NULL,
        description text,
        version bigint NOT NULL
    )",
    "SELECT id, remote_id, slug, name, description, version FROM taxonomy WHERE slug = $1"
);

// The default collation would find `Rock` by `rock`.
store!(
    MySql,
    "CREATE TABLE IF NOT EXISTS taxonomy (
        id bigint AUTO_INCREMENT PRIMARY KEY,
        remote_id varchar(190) UNIQUE,
        slug varchar(190) NOT NULL UNIQUE CHECK (slug <> ''),
        name longtext NOT NULL,
        description longtext,
        version bigint NOT NULL
    ) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "SELECT id, remote_id, slug, name, description, version FROM taxonomy WHERE slug = ?"
);
