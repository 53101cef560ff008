//! What generated code names. Not part of the public interface: it changes with any release.

pub use core::clone::Clone;
pub use core::cmp::PartialEq;
pub use core::convert::{From, Into};
pub use core::default::Default;
pub use core::fmt::Debug;
pub use core::option::Option;
pub use core::primitive::{bool, usize};
pub use core::result::Result;
pub use std::string::String;

pub use sqlx::{Database, Error as SqlxError};

pub use crate::backend::{Backend, BindResult, Column, bind, get};
pub use crate::change::{Change, trim_change};
pub use crate::key::{
    CopyProbe, Key, KeyProbe, OptionProbe, OtherProbe, Probe, Trim, null_if_blank, trim,
};
pub use crate::model::{
    LockedUpsert, Lookup, Model, ModelColumn, NO_MODEL, Sql, Stored, no_column,
};
