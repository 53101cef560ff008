//! Find a record by one of its keys, lock it, update it, else create it: one call on sqlx, for PostgreSQL, MariaDB or MySQL, and
//! SQLite.
//!
//! [Guide](crate::guide) · [The trait](LockedUpsert) · [Imports](Import) · [Errors](Error)
//!
//! It is for programs that keep a table in step with a source: an import, a sync job, a webhook. A record is known by several
//! keys, some of which may be missing. Concurrent callers create no duplicates and lose no change, rows that do not differ are not
//! written, and a future that is dropped leaves no lock behind.
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
//! The derive makes `NewTaxonomy` (creating data), `TaxonomyChanges` (updating data) and `LockedTaxonomy` (a row that is locked in
//! the transaction it borrows). Each look-up needs a unique index. The [`guide`] says the rest, a chapter a question.
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
// Without a database nobody calls what is below `calls`.
#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(dead_code, unused_imports, unused_macros)
)]

mod api;
mod backend;
mod calls;
mod change;
mod contract;
mod error;
pub mod guide;
mod import;
mod in_transaction;
mod key;
mod locking;
mod mapping;
mod outcome;
mod record;
mod rules;
mod schema;
mod step;
mod transaction;
mod value;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "derive")]
pub use upsert_derive::LockedUpsert;

pub use self::api::{
    Begin, Import, LockedRows, LockedUpsert, OnConnection, OrCreate, RowOrNone, Stored, UpdateOnly,
    Upsert, begin,
};
pub use self::backend::codec::Column;
pub use self::calls::Backend;
pub use self::error::{Error, Failure, Operation, Progress, Report, RowChange, Step, Unreadable};
pub use self::import::{Missing, OnFailure, OnTakeover, Only};
pub use self::in_transaction::InTransaction;
pub use self::key::{Key, Trim};
pub use self::locking::{Mode, Wait};
pub use self::outcome::{Outcome, Upserted};
pub use self::rules::OnDeleted;
pub use self::transaction::{Retry, Transaction, TransactionRef};

/// The README's examples, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
