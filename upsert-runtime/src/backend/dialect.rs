//! The texts of a database that are made at run time.

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

    /// For a text type, the expression of its collation key, which is equal byte for byte where the database calls two texts
    /// equal; `None` where equal is equal byte for byte.
    fn collation_key(_type_name: &str, _expression: &str) -> Option<String> {
        None
    }

    /// Selects a row if one of these columns calls texts equal in a way that [`Dialect::collation_key`] does not know; `None`
    /// where that cannot be asked.
    fn unknown_collations(_from: &str, _columns: &[&str]) -> Option<String> {
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
