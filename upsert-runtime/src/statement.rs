//! Joins the texts that the derive wrote where the shape is known only at run time.

use std::fmt::Write;

use sqlx::{Arguments, AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::backend::{Backend, Driver as _};
use crate::model::{Model, Sql, Stored};

/// `SELECT … WHERE "slug" = $1 LIMIT 2 FOR NO KEY UPDATE`
pub(crate) fn find<DB: Backend>(model: &'static Model, lookup: usize) -> SqlStr {
    let find = DB::Driver::sql(model).find[lookup];
    if DB::Driver::LOCK.is_empty() {
        return SqlStr::from_static(find);
    }
    owned(format!("{find}{}", DB::Driver::LOCK))
}

/// `INSERT … VALUES (…) ON CONFLICT DO NOTHING RETURNING …`
pub(crate) fn insert<DB: Backend>(model: &'static Model, quiet: bool) -> SqlStr {
    let Sql {
        insert, returning, ..
    } = DB::Driver::sql(model);
    owned(format!(
        "{insert}{}{returning}",
        if quiet { DB::Driver::QUIET } else { "" }
    ))
}

/// `UPDATE … SET "name" = $1, "updated_at" = clock_timestamp() WHERE "id" = $2 RETURNING …`
///
/// The columns come in the model's order, so that the same change is the same text: a connection keeps 100 prepared
/// statements.
pub(crate) fn update<DB: Backend, M: Stored<DB>>(
    row: &M,
    changes: &M::Changes,
    columns: &[usize],
) -> sqlx::Result<(SqlStr, DB::Arguments)> {
    let sql = DB::Driver::sql(M::MODEL);
    let mut text = sql.update.to_owned();
    let mut arguments = DB::Arguments::default();
    for (place, &column) in columns.iter().enumerate() {
        text.push_str(if place > 0 { ", " } else { "" });
        text.push_str(sql.names[column]);
        text.push_str(" = ");
        M::bind_change(changes, column, &mut arguments).map_err(sqlx::Error::Encode)?;
        placeholder::<DB>(&arguments, &mut text);
    }
    text.push_str(sql.touch);
    text.push_str(sql.where_id);
    row.bind_id(&mut arguments).map_err(sqlx::Error::Encode)?;
    placeholder::<DB>(&arguments, &mut text);
    text.push_str(sql.returning);
    Ok((owned(text), arguments))
}

/// These columns of `new`, bound in this order.
pub(crate) fn arguments<DB: Backend, M: Stored<DB>>(
    new: &M::New,
    columns: &[usize],
) -> sqlx::Result<DB::Arguments> {
    let mut arguments = DB::Arguments::default();
    for &column in columns {
        M::bind_new(new, column, &mut arguments).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The placeholder of the value bound last.
fn placeholder<DB: Backend>(arguments: &DB::Arguments, text: &mut impl Write) {
    // Writing to a `String` cannot fail.
    let _ = arguments.format_placeholder(text);
}

/// Every piece is text that the derive or this crate wrote; values are bound.
fn owned(text: String) -> SqlStr {
    AssertSqlSafe(text).into_sql_str()
}
