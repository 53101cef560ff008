//! What generated code names. Not part of the public interface: it changes with any release.

pub use core::clone::Clone;
pub use core::convert::{From, Into};
pub use core::default::Default;
pub use core::future::Future;
pub use core::iter::{IntoIterator, Iterator};
pub use core::marker::{Send, Sized};
pub use core::ops::{Deref, FnMut};
pub use core::option::Option;
pub use core::pin::Pin;
pub use core::primitive::{bool, str, usize};
pub use core::result::Result;
pub use std::boxed::Box;
pub use std::vec::Vec;

pub use sqlx::{Database, Error as SqlxError, Pool};

pub use crate::api::{Lock, LockedRow, LockedRows, LockedUpsert, Modify, OnConnection, Stored};
pub use crate::backend::codec::{Column, Of};
pub use crate::calls::Backend;
pub use crate::change::{Change, trim_change};
pub use crate::contract::Contract;
pub use crate::error::Error;
pub use crate::in_transaction::InTransaction;
pub use crate::key::{
    CopyProbe, KeyProbe, OptionProbe, OtherProbe, Probe, is_blank_value, null_if_blank, trim,
    trim_value,
};
pub use crate::locking::{Mode, Wait};
pub use crate::mapping::Codecs;
pub use crate::outcome::Upserted;
pub use crate::rules::{Deleted, DeletedSql, Rules, UniqueKey, is_less};
pub use crate::schema::{
    Columns, KeyPath, Lookup, Model, ModelColumn, NO_COLUMN, NO_MODEL, Sql, read,
};
pub use crate::transaction::Retry;
pub use crate::value::{KeyParts, Value};
