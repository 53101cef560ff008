//! The guide: how to describe a model, store one record, hold locked rows, import many records, and live with it in production.
//!
//! | chapter | what it answers |
//! | --- | --- |
//! | [`attributes`] | what may be written above a struct and its fields |
//! | [`tables`] | which columns and indexes a model needs on each database, and which types round what they are given |
//! | [`one_record`] | upsert, get or create, and what is sent, what is locked and until when |
//! | [`locked_rows`] | lock a row, look at it, change it column by column; limits of waiting |
//! | [`imports`] | a whole version of a source: who is who, what is deleted, what is told |
//! | [`rules`] | who may overwrite what: an editor's correction, an older delivery, a deleted row, a broken feed |
//! | [`errors`] | what each error means, what was written, and what may be done again |
//! | [`databases`] | what is true of PostgreSQL, MariaDB, MySQL and SQLite; one model on several |
//! | [`application`] | pools, connections and transactions as an application holds them; tests and migrations |
//! | [`deadlocks`] | several records in one transaction, and how callers stay out of each other's way |
//! | [`operations`] | spans and logs, sizes of pools, poolers, statement caches |
//! | [`stability`] | what a new version may change, and what not |
#![cfg_attr(
    all(doc, feature = "derive"),
    doc = "| [`generated`] | an example model, with a page for each type that the derive makes |"
)]
//!
//! Every example in these chapters is compiled, and most of them run, as tests of this crate.
//!
//! # The words
//!
//! A **model** is a struct that derives [`LockedUpsert`](crate::LockedUpsert). A **look-up** is a key by which a record may be
//! found: a column or several. A **record** is what a program wants to store, a **row** is what the table holds.
//! **Creating data** (`NewTaxonomy`) is what a row is created from, **updating data** (`TaxonomyChanges`) is what is written to
//! a row that is there. A **guard** (`LockedTaxonomy`) is a row that is locked in the transaction it borrows.
//!
//! # What is tested, and what is not
//!
//! The suite runs each test on PostgreSQL 15, MariaDB 10.11 and SQLite, in a database of its own: the chain of look-ups and
//! every kind of blank key; sixteen callers that create the same fifty rows; rows that are renamed, replaced or deleted while a
//! caller waits; connections that are killed while waiting, in a transaction and during `COMMIT`; sixteen callers that count one
//! row up 4,800 times; limits of waiting, and that none stays on a pooled connection; and the futures of `begin`, `upsert`,
//! `lock`, `modify` and a guard's methods dropped after every number of polls, and while they wait.
//!
//! **MySQL 8 is written from its documentation only**: it shares all code with MariaDB, and no test has met it. Galera, poolers
//! in between and replicas are not tested either.

// A module a chapter; the text is in `guide/`. A new one belongs in the table above, too.

pub mod attributes {
    #![doc = include_str!("../guide/attributes.md")]
}

pub mod tables {
    #![doc = include_str!("../guide/tables.md")]
}

pub mod one_record {
    #![doc = include_str!("../guide/one_record.md")]
}

pub mod locked_rows {
    #![doc = include_str!("../guide/locked_rows.md")]
}

pub mod imports {
    #![doc = include_str!("../guide/imports.md")]
}

pub mod rules {
    #![doc = include_str!("../guide/rules.md")]
}

pub mod errors {
    #![doc = include_str!("../guide/errors.md")]
}

pub mod databases {
    #![doc = include_str!("../guide/databases.md")]
}

pub mod application {
    #![doc = include_str!("../guide/application.md")]
}

pub mod deadlocks {
    #![doc = include_str!("../guide/deadlocks.md")]
}

pub mod operations {
    #![doc = include_str!("../guide/operations.md")]
}

pub mod stability {
    #![doc = include_str!("../guide/stability.md")]
}

#[cfg(all(doc, feature = "derive"))]
pub mod generated;
