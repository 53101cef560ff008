//! Joins the texts that the derive wrote where the shape is known only at run time.

use std::fmt::Write;

use sqlx::{Arguments, AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::backend::{Backend, Driver as _};
use crate::field;
use crate::locking::Locking;
use crate::model::{By, Model, Sql, Stored};

/// `SELECT … WHERE "slug" = $1 LIMIT 2 FOR NO KEY UPDATE`
pub(crate) fn find<DB: Backend>(model: &'static Model, by: By, locking: Locking) -> SqlStr {
    let sql = DB::Driver::sql(model);
    let find = match by {
        By::Id => sql.by_id,
        By::Lookup(lookup) => sql.find[lookup],
    };
    let lock = DB::Driver::lock_clause(locking);
    if lock.is_empty() {
        return SqlStr::from_static(find);
    }
    owned(format!("{find}{lock}"))
}

/// `SELECT … FROM "taxonomy" WHERE "slug" = $1 OR "slug" = $2`, without a lock.
pub(crate) fn read_many<DB: Backend, M: Stored<DB>>(
    by: By,
    keys: &[M::Key],
) -> sqlx::Result<(SqlStr, DB::Arguments)> {
    let Sql { select, from, .. } = DB::Driver::sql(M::MODEL);
    let mut text = format!("{select}{from} WHERE ");
    let mut arguments = DB::Arguments::default();
    for (place, key) in keys.iter().enumerate() {
        text.push_str(if place > 0 { " OR " } else { "" });
        equal::<DB, M>(by, key, &mut text, &mut arguments)?;
    }
    Ok((owned(text), arguments))
}

/// `SELECT …, CASE WHEN "slug" = $1 THEN 0 WHEN … END FROM "taxonomy" WHERE "id" IN ($2, …) ORDER BY "id" FOR NO KEY UPDATE`
///
/// The last column is the place of the key that a row has now, NULL if it has none of them: what is equal, the database says.
pub(crate) fn lock_many<DB: Backend, M: Stored<DB>>(
    by: By,
    keys: &[M::Key],
    rows: &[M],
    locking: Locking,
) -> sqlx::Result<(SqlStr, DB::Arguments)> {
    let sql = DB::Driver::sql(M::MODEL);
    let Sql {
        select,
        from,
        names,
        ..
    } = sql;
    let mut text = format!("{select}, CASE");
    let mut arguments = DB::Arguments::default();
    for (place, key) in keys.iter().enumerate() {
        text.push_str(" WHEN ");
        equal::<DB, M>(by, key, &mut text, &mut arguments)?;
        // Writing to a `String` cannot fail.
        let _ = write!(text, " THEN {place}");
    }
    let id = names[M::MODEL.id];
    let _ = write!(text, " END{from} WHERE {id} IN (");
    for (place, row) in rows.iter().enumerate() {
        text.push_str(if place > 0 { ", " } else { "" });
        field::bind_id(row, &mut arguments)?;
        placeholder::<DB>(&arguments, &mut text);
    }
    let lock = DB::Driver::lock_clause(locking);
    let _ = write!(text, ") ORDER BY {id}{lock}");
    Ok((owned(text), arguments))
}

/// `"site_id" = $1 AND "slug" = $2`
fn equal<DB: Backend, M: Stored<DB>>(
    by: By,
    key: &M::Key,
    text: &mut String,
    arguments: &mut DB::Arguments,
) -> sqlx::Result<()> {
    let names = DB::Driver::sql(M::MODEL).names;
    for (part, &column) in by.columns(M::MODEL).iter().enumerate() {
        text.push_str(if part > 0 { " AND " } else { "" });
        text.push_str(names[column]);
        text.push_str(" = ");
        M::bind_key(key, part, arguments).map_err(sqlx::Error::Encode)?;
        placeholder::<DB>(arguments, text);
    }
    Ok(())
}

/// The parts of a key, bound in their order.
pub(crate) fn key_arguments<DB: Backend, M: Stored<DB>>(
    by: By,
    key: &M::Key,
) -> sqlx::Result<DB::Arguments> {
    let mut arguments = DB::Arguments::default();
    for part in 0..by.columns(M::MODEL).len() {
        M::bind_key(key, part, &mut arguments).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// `INSERT … VALUES (…) ON CONFLICT DO NOTHING RETURNING …`
pub(crate) fn insert<DB: Backend, M: Stored<DB>>(
    new: &M::New,
    quiet: bool,
) -> sqlx::Result<(SqlStr, DB::Arguments)> {
    let sql = DB::Driver::sql(M::MODEL);
    let mut text = format!("{} VALUES (", sql.insert);
    let mut arguments = DB::Arguments::default();
    for (place, &column) in M::MODEL.created.iter().enumerate() {
        text.push_str(if place > 0 { ", " } else { "" });
        field::bind_new::<DB, M>(new, column, &mut arguments)?;
        placeholder::<DB>(&arguments, &mut text);
    }
    text.push_str(sql.insert_touch);
    text.push(')');
    text.push_str(if quiet { DB::Driver::QUIET } else { "" });
    text.push_str(sql.returning);
    Ok((owned(text), arguments))
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
        field::bind_change::<DB, M>(changes, column, &mut arguments)?;
        placeholder::<DB>(&arguments, &mut text);
    }
    text.push_str(sql.touch);
    text.push_str(sql.where_id);
    field::bind_id(row, &mut arguments)?;
    placeholder::<DB>(&arguments, &mut text);
    text.push_str(sql.returning);
    Ok((owned(text), arguments))
}

/// `DELETE FROM "taxonomy" WHERE "id" = $1`
pub(crate) fn delete<DB: Backend, M: Stored<DB>>(row: &M) -> sqlx::Result<(SqlStr, DB::Arguments)> {
    let Sql { from, where_id, .. } = DB::Driver::sql(M::MODEL);
    let mut text = format!("DELETE{from}{where_id}");
    let arguments = id_argument::<DB, M>(row)?;
    placeholder::<DB>(&arguments, &mut text);
    Ok((owned(text), arguments))
}

/// The row's id, bound.
pub(crate) fn id_argument<DB: Backend, M: Stored<DB>>(row: &M) -> sqlx::Result<DB::Arguments> {
    let mut arguments = DB::Arguments::default();
    field::bind_id(row, &mut arguments)?;
    Ok(arguments)
}

/// These columns of `new`, bound in this order.
pub(crate) fn arguments<DB: Backend, M: Stored<DB>>(
    new: &M::New,
    columns: &[usize],
) -> sqlx::Result<DB::Arguments> {
    let mut arguments = DB::Arguments::default();
    for &column in columns {
        field::bind_new::<DB, M>(new, column, &mut arguments)?;
    }
    Ok(arguments)
}

/// The placeholder of the value bound last.
pub(crate) fn placeholder<DB: Backend>(arguments: &DB::Arguments, text: &mut impl Write) {
    // Writing to a `String` cannot fail.
    let _ = arguments.format_placeholder(text);
}

/// Every piece is text that the derive or this crate wrote; values are bound.
pub(crate) fn owned(text: String) -> SqlStr {
    AssertSqlSafe(text).into_sql_str()
}
