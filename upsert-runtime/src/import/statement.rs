//! The statements that write or read many rows at once.
//!
//! Where the database has arrays, a column is one value, and a text is the same for any number of rows. Elsewhere, and for
//! models with array columns (`unnest` would flatten them), each row is a list of values.

use std::fmt::Write as _;

use sqlx::SqlStr;

use crate::backend::{Backend, BindResult, Driver as _};
use crate::field::{All, TypeName, bind_id};
use crate::model::Stored;
use crate::statement::{owned, placeholder};

mod select;
mod store;

pub(crate) use self::select::{find, fold, lock, page, unfoldable};
pub(crate) use self::store::{delete, insert, park, parked_value, update};

/// A statement, and whether it is kept prepared.
pub(crate) struct Many<DB: Backend> {
    pub(crate) text: SqlStr,
    pub(crate) arguments: DB::Arguments,
    pub(crate) keep_prepared: bool,
}

/// A row to be updated: as it is, what is to be set, and in which columns.
pub(crate) struct Write<M: crate::LockedUpsert> {
    pub(crate) record: u32,
    pub(crate) row_number: u32,
    pub(crate) row: M,
    pub(crate) changes: M::Changes,
    pub(crate) columns: Vec<usize>,
}

/// `"id" = ANY($1::INT8[])`
fn id_in<DB: Backend, M: Stored<DB>>(
    rows: &[&M],
    text: &mut String,
    arguments: &mut DB::Arguments,
) -> sqlx::Result<()> {
    let id = DB::Driver::sql(M::MODEL).names[M::MODEL.id];
    if DB::Driver::ARRAYS {
        bound(M::row_column(
            M::MODEL.id,
            All {
                of: rows,
                to: arguments,
            },
        ))?;
        let _ = write!(text, "{id} = ANY(");
        array::<DB>(&type_name::<DB, M>(M::MODEL.id), text, arguments);
    } else {
        let _ = write!(text, "{id} IN (");
        for (place, row) in rows.iter().enumerate() {
            text.push_str(separator(place));
            bind_id(*row, arguments)?;
            placeholder::<DB>(arguments, text);
        }
    }
    text.push(')');
    Ok(())
}

/// `$1::TEXT[]`
fn array<DB: Backend>(type_name: &str, text: &mut String, arguments: &DB::Arguments) {
    placeholder::<DB>(arguments, text);
    let _ = write!(text, "::{type_name}[]");
}

fn type_name<DB: Backend, M: Stored<DB>>(column: usize) -> String {
    // sqlx calls this type by a name that only people understand.
    M::row_column(column, TypeName).replace("\"CHAR\"", "\"char\"")
}

/// Whether a column of many rows can be sent as an array: `unnest` flattens an array of arrays.
fn uses_arrays<DB: Backend, M: Stored<DB>>() -> bool {
    let columns = M::MODEL.created.iter().chain(M::MODEL.updated);
    DB::Driver::ARRAYS
        && !columns
            .copied()
            .any(|column| type_name::<DB, M>(column).ends_with("[]"))
}

/// How many rows one statement takes that binds so many values for each.
pub(crate) fn most_rows<DB: Backend, M: Stored<DB>>(values: usize) -> usize {
    if uses_arrays::<DB, M>() {
        return usize::MAX;
    }
    (DB::Driver::MOST_VALUES / values.max(1)).max(1)
}

fn separator(place: usize) -> &'static str {
    if place > 0 { ", " } else { "" }
}

fn bound(result: BindResult) -> sqlx::Result<()> {
    result.map_err(sqlx::Error::Encode)
}

impl<DB: Backend> Many<DB> {
    /// A statement that is planned each time. Kept prepared, PostgreSQL would go on with the plan that was best when the table was
    /// small: a million unchanged records took 162 us each then, and take 40 so (a debug build).
    fn planned(text: String, arguments: DB::Arguments) -> Self {
        Self {
            text: owned(text),
            arguments,
            keep_prepared: false,
        }
    }
}
