//! What generated code names. Not part of the public interface: it changes with any release.

pub use core::clone::Clone;
pub use core::cmp::PartialEq;
pub use core::convert::{From, Into};
pub use core::default::Default;
pub use core::fmt::Debug;
pub use core::future::Future;
pub use core::iter::{IntoIterator, Iterator};
pub use core::marker::{Send, Sized};
pub use core::ops::{Deref, FnMut};
pub use core::option::Option;
pub use core::pin::Pin;
pub use core::primitive::{bool, str, usize};
pub use core::result::Result;
pub use std::boxed::Box;
pub use std::string::String;
pub use std::vec::Vec;

pub use sqlx::{Database, Error as SqlxError, Pool};

pub use crate::backend::{Backend, BindResult, Column, bind, get};
pub use crate::change::{Change, trim_change};
pub use crate::error::Error;
pub use crate::field::{OnChange, OnColumn};
pub use crate::in_transaction::InTransaction;
pub use crate::key::{
    CopyProbe, Key, KeyProbe, OptionProbe, OtherProbe, Probe, Trim, null_if_blank, trim,
};
pub use crate::lock::Lock;
pub use crate::locked::{LockedRow, LockedRows};
pub use crate::locking::{Mode, Wait};
pub use crate::model::{
    By, LockedUpsert, Lookup, Model, ModelColumn, NO_MODEL, Sql, Stored, no_column,
};
pub use crate::modify::Modify;
pub use crate::retry::Retry;
pub use crate::upsert::Upserted;
