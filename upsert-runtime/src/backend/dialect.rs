//! The texts of a database that are made at run time.

use sqlx::error::DatabaseError;
use sqlx::{SqlSafeStr, SqlStr};

use super::Capabilities;
use crate::locking::{Locking, Wait};
use crate::schema::{Model, Sql};

/// What stands before, between and after lists of values that are to be rows.
#[expect(unnameable_types, reason = "only this crate names it")]
#[derive(Debug)]
pub struct RowList {
    pub(crate) before: String,
    pub(crate) between: &'static str,
    pub(crate) after: Option<&'static str>,
}

/// How a database spells what is known only at run time.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait Dialect {
    /// What it can do.
    const CAPABILITIES: Capabilities;

    /// What stands before a list of rows in parentheses, so that it can be selected from, where that must be said.
    const ROWS: Option<&'static str> = Some("VALUES ");

    /// What begins a transaction with this limit.
    fn begin(_wait: Option<Wait>) -> SqlStr {
        Self::CAPABILITIES.begin.into_sql_str()
    }

    /// The statement with this limit, where the limit stands in it.
    fn limited(sql: SqlStr, _locking: Locking) -> SqlStr {
        sql
    }

    /// What locks the rows that a SELECT finds, where the transaction is not the lock.
    fn lock_clause(locking: Locking) -> Option<&'static str>;

    /// The model's statements in this dialect.
    fn sql(model: &'static Model) -> &'static Sql;

    /// The expression of the collation key of a value in a column of this type: equal byte for byte where the database calls two
    /// values equal, or [`hashed`](Self::hashed). It is NULL for a value that is compared by its own bytes, and there is none for
    /// a type all of whose values are. `other` is an expression that is NULL, in the type that the value is compared with.
    fn collation_key(type_name: &str, expression: &str, other: &str) -> Option<String>;

    /// The expression that gives the places of those of a table's columns for which there is a collation key, with commas, where
    /// the catalog must be asked; `None` where the fields' types tell.
    fn collated(_from: &str, _columns: &[&str]) -> Option<String> {
        None
    }

    /// The expression that gives a row's column the value 1 where one of these columns is compared in a way for which there is
    /// no collation key; `None` where there is no such way, or it cannot be asked for.
    fn incomparable(_from: &str, _columns: &[&str]) -> Option<String> {
        None
    }

    /// What a collation key that does not tell all consists of: a hash, which equal values have in common, and the value as the
    /// database spells it. Values with the same hash and other spellings are equal if [`equal`](Self::equal) says so.
    fn hashed(_key: &[u8]) -> Option<(&[u8], &str)> {
        None
    }

    /// Selects the places, counted from 1, at which the spellings of two arrays are equal values of this type; `other` is as that
    /// of a collation key. `None` where all collation keys tell all.
    fn equal(_type_name: &str, _other: &str) -> Option<String> {
        None
    }

    /// Has the constraint that refused a COMMIT checked by each statement, for the rest of the transaction; `None` where none is
    /// checked at the end.
    fn check_at_once(_error: &dyn DatabaseError) -> Option<String> {
        None
    }

    /// Takes a lock for the rest of the transaction that imports into a table agree on, so that one of them at a time locks all its
    /// rows; `None` where the transaction is the lock.
    fn agreed_lock(_from: &str, _id: &str) -> Option<String> {
        None
    }

    /// A value as a text.
    fn as_text(expression: &str) -> String {
        format!("CAST({expression} AS TEXT)")
    }

    /// Selects a row if row level security judges what the role does with a table; `None` where there is no such thing.
    fn policies(_from: &str) -> Option<String> {
        None
    }

    /// Selects the foreign keys of a table to itself: the columns and the columns that they refer to, each list quoted for a
    /// statement, and 1 where a row is deleted with the row that it refers to.
    fn self_references(from: &str) -> String;

    /// A value of this type that is no other row's, for a row that gives its key away and gets another one in the same
    /// transaction; `None` where the type has none. `id` is an expression.
    fn parked(type_name: &str, id: &str) -> Option<String>;

    /// The column as one of the two answers of a CASE whose other one is a value of this type.
    fn kept(_type_name: &str, column: &str) -> String {
        column.to_owned()
    }

    /// How values become rows. `typed` is a SELECT of no rows whose columns have the types that the values are to have.
    fn row_list(_typed: &str) -> RowList {
        RowList {
            before: "VALUES (".to_owned(),
            between: "), (",
            after: Some(")"),
        }
    }

    /// Updates each row whose id is the `upsert_id` of one of these rows.
    fn update_many(sql: &Sql, id: &str, names: &str, rows: &str, set: &str) -> String {
        let update = sql.update;
        format!(
            "WITH upsert_new ({names}) AS ({rows}) {update}{set} FROM upsert_new WHERE {id} = upsert_id"
        )
    }
}

/// The schema and the name of the table in a ` FROM` in backticks. Neither has a dot in it.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(super) fn path(from: &str) -> (Option<String>, String) {
    let unquoted = |name: &str| {
        let name = name.strip_prefix('`').unwrap_or(name);
        name.strip_suffix('`').unwrap_or(name).replace("``", "`")
    };
    let path = from.trim_start_matches(" FROM ");
    match path.split_once('.') {
        Some((schema, table)) => (Some(unquoted(schema)), unquoted(table)),
        None => (None, unquoted(path)),
    }
}
