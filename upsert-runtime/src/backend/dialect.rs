//! The texts of a database that are made at run time.

use sqlx::error::DatabaseError;
use sqlx::{SqlSafeStr, SqlStr};

use super::{Capabilities, Literal, MadeUp};
use crate::locking::{Locking, Wait};
use crate::rules::{Deleted, DeletedSql};
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

    /// What begins a transaction with this limit. In one that `reads_many` the planner is to reach a thousand rows by their keys.
    fn begin(_wait: Option<Wait>, _reads_many: bool) -> SqlStr {
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

    /// The model's texts about rows that are marked as deleted, of this dialect.
    fn deleted_sql(deleted: &'static Deleted) -> &'static DeletedSql;

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

    /// A condition that holds for rows which refer to nothing, so that a COMMIT would be refused; `None` where each statement can
    /// be told to check that.
    fn is_dangling(_from: &str) -> Option<String> {
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

    /// The expression that gives a row's column the value 1 where a write to a row of the table may change or delete others of it.
    fn writes_itself(from: &str) -> String;

    /// The expression that gives a row's column the value 1 where each of these lists of columns has a unique index that lets no two
    /// rows of the table have keys that are equal; `None` where that cannot be asked.
    fn are_unique(_from: &str, _lookups: &[Vec<&str>]) -> Option<String> {
        None
    }

    /// The expression that is '1' where these columns have a unique index of all rows of the table; `None` where that cannot be asked.
    fn has_full_index(from: &str, columns: &[&str]) -> Option<String> {
        Self::are_unique(from, &[columns.to_vec()])
    }

    /// The expression that gives a row's column the value 1 where an update may be stored otherwise than it was written, or not at all:
    /// by triggers, rules, generated columns. Nor is it sure what is stored in a column that may be NULL, of these whose fields cannot be,
    /// where the database makes NULL of some values.
    fn alters_updates(from: &str, required: &[&str]) -> String;

    /// Selects a row if a deletion can come back to the table by `ON DELETE CASCADE` of other tables.
    fn cascades_by_others(from: &str) -> String;

    /// Selects what must be known of a column to put a passing value into it: its type, 1 where it may be NULL, and 1 where it
    /// refers to another table. No row where the catalog does not know it.
    fn key_column(from: &str, column: &str) -> String;

    /// Selects a row if a column must not be NULL for a moment: something refers to it, or an index lets NULL in once.
    fn keeps_null_out(from: &str, column: &str) -> String;

    /// What values can be made up of a column's type, as the catalog spells it; `None` for a type that has few values, or whose
    /// values are of its own making. Where the column's type does not tell, that of its field does.
    fn made_up(declared: &str, field: &str) -> Option<MadeUp>;

    /// A made-up value of a column's type, as an expression.
    fn literal(value: &Literal, _declared: &str) -> String {
        match value {
            Literal::Null => "NULL".to_owned(),
            Literal::Number(number) => number.clone(),
            Literal::Text(text) => format!("'{text}'"),
            Literal::Bytes(hex) => format!("x'{hex}'"),
        }
    }

    /// What stands in a SELECT of no rows to give the values of a field of this type the type and the collation of its column.
    fn typed(_type_name: &str, column: &str) -> String {
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

    /// Updates each row of the table that is joined to one of these rows, which have this name and these columns.
    fn update_many(
        sql: &Sql,
        (name, columns): (&str, &str),
        rows: &str,
        joined: &str,
        set: &str,
    ) -> String {
        let update = sql.update;
        format!("WITH {name} ({columns}) AS ({rows}) {update}{set} FROM {name} WHERE {joined}")
    }
}

/// The schema and the name of the table in a ` FROM` in backticks. Neither has a dot in it.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(super) fn path(from: &str) -> (Option<String>, String) {
    let path = from.trim_start_matches(" FROM ");
    match path.split_once('.') {
        Some((schema, table)) => (Some(unquoted(schema)), unquoted(table)),
        None => (None, unquoted(path)),
    }
}

/// A name without its backticks.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(super) fn unquoted(name: &str) -> String {
    let name = name.strip_prefix('`').unwrap_or(name);
    name.strip_suffix('`').unwrap_or(name).replace("``", "`")
}
