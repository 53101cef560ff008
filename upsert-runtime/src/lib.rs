//! Find a row by one of its keys, lock it, update it, else create it.
//!
//! `#[derive(LockedUpsert)]` on a model struct generates the table of its look-ups and columns; this crate holds the
//! algorithm: look the row up by each key in turn and lock it, write what differs, else create it, and do it again where
//! another caller was faster.
//!
//! ```
//! use sqlx::types::chrono::{DateTime, Utc};
//! use upsert_runtime::{LockedUpsert, Outcome};
//!
//! #[derive(Debug, Clone, PartialEq, LockedUpsert)]
//! #[lookup(remote_id, slug)] // tried in this order
//! pub struct Taxonomy {
//!     #[upsert(id)]
//!     pub id: i64,
//!     #[upsert(trim)]
//!     pub remote_id: Option<String>,
//!     pub slug: String,
//!     pub name: String,
//!     #[upsert(touch)]
//!     pub updated_at: DateTime<Utc>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use sqlx::sqlite::SqlitePoolOptions;
//! // One connection: several to `sqlite::memory:` share a cache, in which sqlx keeps no limit of waiting.
//! let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! sqlx::raw_sql(
//!     "CREATE TABLE taxonomy (id INTEGER PRIMARY KEY, remote_id TEXT UNIQUE, slug TEXT NOT NULL UNIQUE,
//!      name TEXT NOT NULL, updated_at TEXT NOT NULL)",
//! )
//! .execute(&pool)
//! .await?;
//!
//! let rock = |name: &str| NewTaxonomy { remote_id: Some("r1".into()), slug: "rock".into(), name: name.into() };
//! let done = Taxonomy::upsert(rock("Rock")).run(&pool).await?;
//! assert_eq!(done.outcome, Outcome::Created);
//!
//! let done = Taxonomy::upsert(rock("Rock & Roll")).run(&pool).await?;
//! assert_eq!(done.outcome, Outcome::Updated { matched_by: "remote_id", changed: vec!["name"] });
//! # Ok(())
//! # }
//! ```
//!
//! # Databases
//!
//! Features `postgres`, `mysql` (MariaDB too) and `sqlite`; none excludes another, and one model serves all that are
//! enabled. The feature `derive` (default) re-exports the derive macro under the trait's name.
//!
//! | | PostgreSQL | MySQL, MariaDB | SQLite |
//! | --- | --- | --- | --- |
//! | a transaction of ours | `BEGIN ISOLATION LEVEL READ COMMITTED` | `SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN` | `BEGIN IMMEDIATE` |
//! | what locks the row | `FOR NO KEY UPDATE` | `FOR UPDATE` | the write transaction: one writer in the whole database |
//! | until when | the transaction ends | the transaction ends | the transaction ends |
//!
//! A plain `SELECT` does not wait for a row lock on any of them; other lockers and writers of the row do.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod chain;
mod change;
mod delete;
mod error;
mod field;
pub mod guide;
mod import;
mod in_transaction;
mod insert;
mod key;
mod limit;
mod lock;
mod locked;
mod locking;
mod lookup;
mod model;
mod modify;
mod owned;
mod retry;
mod savepoint;
mod session;
mod statement;
mod transaction;
mod update;
mod upsert;
mod work;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "derive")]
pub use upsert_derive::LockedUpsert;

pub use self::backend::{Backend, Column};
pub use self::error::{Error, Operation, Step};
pub use self::import::{
    Failure, Import, Missing, OnFailure, OnTakeover, Progress, Report, RowChange,
};
pub use self::in_transaction::{InTransaction, Lent};
pub use self::key::{Key, Trim};
pub use self::locked::LockedRows;
pub use self::locking::{Mode, Wait};
pub use self::model::{LockedUpsert, Stored};
pub use self::retry::Retry;
pub use self::transaction::{Begin, Transaction, begin};
pub use self::upsert::{Outcome, Upsert, Upserted};

/// The README's examples, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
