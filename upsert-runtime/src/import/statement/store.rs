//! The statements that write many rows.

use std::fmt::Write as _;

use crate::backend::{Backend, Driver as _};
use crate::field::{All, IsOptional, bind_change, bind_id, bind_new};
use crate::model::{Sql, Stored};
use crate::statement::placeholder;

use super::{Many, Write, array, bound, id_in, separator, type_name, uses_arrays};

/// `DELETE FROM "taxonomy" WHERE "id" = ANY($1::INT8[])`
pub(crate) fn delete<DB: Backend, M: Stored<DB>>(rows: &[&M]) -> sqlx::Result<Many<DB>> {
    let mut text = format!("DELETE{} WHERE ", DB::Driver::sql(M::MODEL).from);
    let mut arguments = DB::Arguments::default();
    id_in::<DB, M>(rows, &mut text, &mut arguments)?;
    Ok(Many::planned(text, arguments))
}

/// `UPDATE "taxonomy" SET "slug" = CONCAT('upsert parked ', "id") WHERE "id" = ANY($1::INT8[])`; `None` if the column cannot
/// hold a value that is no other row's.
pub(crate) fn park<DB: Backend, M: Stored<DB>>(
    rows: &[&M],
    column: usize,
) -> sqlx::Result<Option<Many<DB>>> {
    let Some(parked) = parked_value::<DB, M>(column) else {
        return Ok(None);
    };
    let Sql { update, names, .. } = DB::Driver::sql(M::MODEL);
    let mut text = format!("{update}{} = {parked} WHERE ", names[column]);
    let mut arguments = DB::Arguments::default();
    id_in::<DB, M>(rows, &mut text, &mut arguments)?;
    Ok(Some(Many::planned(text, arguments)))
}

/// What a column is set to that gives its key away.
pub(crate) fn parked_value<DB: Backend, M: Stored<DB>>(column: usize) -> Option<String> {
    // NULL meets no unique index, no CHECK and no foreign key.
    if M::row_column(column, IsOptional) {
        return Some("NULL".to_owned());
    }
    let id = DB::Driver::sql(M::MODEL).names[M::MODEL.id];
    DB::Driver::parked(&type_name::<DB, M>(column), id)
}

/// `INSERT INTO "taxonomy" (…) SELECT *, clock_timestamp() FROM unnest($1::TEXT[], …)`
pub(crate) fn insert<DB: Backend, M: Stored<DB>>(records: &[&M::New]) -> sqlx::Result<Many<DB>> {
    let Sql {
        insert,
        insert_touch,
        ..
    } = DB::Driver::sql(M::MODEL);
    let mut arguments = DB::Arguments::default();
    if uses_arrays::<DB, M>() {
        let mut text = format!("{insert} SELECT *{insert_touch} FROM unnest(");
        for (place, &column) in M::MODEL.created.iter().enumerate() {
            text.push_str(separator(place));
            bound(M::new_column(
                column,
                All {
                    of: records,
                    to: &mut arguments,
                },
            ))?;
            array::<DB>(&type_name::<DB, M>(column), &mut text, &arguments);
        }
        text.push(')');
        return Ok(Many {
            keep_prepared: true,
            ..Many::planned(text, arguments)
        });
    }
    let mut text = format!("{insert} VALUES ");
    for (row, new) in records.iter().enumerate() {
        text.push_str(if row > 0 { ", (" } else { "(" });
        for (place, &column) in M::MODEL.created.iter().enumerate() {
            text.push_str(separator(place));
            bind_new::<DB, M>(new, column, &mut arguments)?;
            placeholder::<DB>(&arguments, &mut text);
        }
        text.push_str(insert_touch);
        text.push(')');
    }
    Ok(Many::planned(text, arguments))
}

/// `WITH upsert_new (…) AS (SELECT * FROM unnest(…)) UPDATE "taxonomy" SET "slug" = CASE WHEN upsert_m1 THEN upsert_c1 ELSE "slug" END …`
///
/// A column that all rows change needs no CASE.
pub(crate) fn update<DB: Backend, M: Stored<DB>>(writes: &[&Write<M>]) -> sqlx::Result<Many<DB>> {
    let sql = DB::Driver::sql(M::MODEL);
    let mut columns = Vec::new();
    for &column in M::MODEL.updated {
        let changing = writes
            .iter()
            .filter(|write| write.columns.contains(&column))
            .count();
        if changing > 0 {
            columns.push((column, changing < writes.len()));
        }
    }
    let uses_arrays = uses_arrays::<DB, M>();
    let mut arguments = DB::Arguments::default();
    let rows = if uses_arrays {
        columns_of::<DB, M>(writes, &columns, &mut arguments)?
    } else {
        rows_of::<DB, M>(writes, &columns, &mut arguments)?
    };
    let mut names = "upsert_id".to_owned();
    let mut set = String::new();
    for (place, &(column, is_masked)) in columns.iter().enumerate() {
        let name = sql.names[column];
        let _ = write!(set, "{}{name} = ", separator(place));
        if is_masked {
            let type_name = type_name::<DB, M>(column);
            let kept = DB::Driver::kept(&type_name, name);
            let _ = write!(names, ", upsert_m{column}");
            let _ = write!(
                set,
                "CASE WHEN upsert_m{column} THEN upsert_c{column} ELSE {kept} END"
            );
        } else {
            let _ = write!(set, "upsert_c{column}");
        }
        let _ = write!(names, ", upsert_c{column}");
    }
    set.push_str(sql.touch);
    let text = DB::Driver::update_many(sql, sql.names[M::MODEL.id], &names, &rows, &set);
    Ok(Many::planned(text, arguments))
}

/// `SELECT * FROM unnest($1::INT8[], $2::BOOL[], $3::TEXT[], …)`
fn columns_of<DB: Backend, M: Stored<DB>>(
    writes: &[&Write<M>],
    columns: &[(usize, bool)],
    arguments: &mut DB::Arguments,
) -> sqlx::Result<String> {
    let rows: Vec<&M> = writes.iter().map(|write| &write.row).collect();
    let changes: Vec<&M::Changes> = writes.iter().map(|write| &write.changes).collect();
    let mut text = "SELECT * FROM unnest(".to_owned();
    bound(M::row_column(
        M::MODEL.id,
        All {
            of: &rows,
            to: arguments,
        },
    ))?;
    array::<DB>(&type_name::<DB, M>(M::MODEL.id), &mut text, arguments);
    for &(column, is_masked) in columns {
        if is_masked {
            let flags = writes.iter().map(|write| write.columns.contains(&column));
            bound(DB::Driver::bind_flags(flags.collect(), arguments))?;
            text.push_str(", ");
            array::<DB>("BOOL", &mut text, arguments);
        }
        bound(M::change_column(
            column,
            All {
                of: &changes,
                to: arguments,
            },
        ))?;
        text.push_str(", ");
        array::<DB>(&type_name::<DB, M>(column), &mut text, arguments);
    }
    text.push(')');
    Ok(text)
}

/// `VALUES (?, 1, ?, …), …`
fn rows_of<DB: Backend, M: Stored<DB>>(
    writes: &[&Write<M>],
    columns: &[(usize, bool)],
    arguments: &mut DB::Arguments,
) -> sqlx::Result<String> {
    let Sql { from, names, .. } = DB::Driver::sql(M::MODEL);
    let mut text = String::new();
    // What gives the values the columns' own types and collations.
    let mut typed = format!("SELECT {} AS upsert_id", names[M::MODEL.id]);
    for &(column, is_masked) in columns {
        if is_masked {
            let _ = write!(typed, ", 0 AS upsert_m{column}");
        }
        let _ = write!(typed, ", {} AS upsert_c{column}", names[column]);
    }
    let _ = write!(typed, "{from} WHERE FALSE");
    let (before, between, after) = DB::Driver::row_list();
    text.push_str(&before.replace("{typed}", &typed));
    for (row, write) in writes.iter().enumerate() {
        text.push_str(if row > 0 { between } else { "" });
        bind_id(&write.row, arguments)?;
        typed_placeholder::<DB, M>(M::MODEL.id, arguments, &mut text);
        for &(column, is_masked) in columns {
            if is_masked {
                let is_set = write.columns.contains(&column);
                text.push_str(if is_set { ", 1=1" } else { ", 1=0" });
            }
            text.push_str(", ");
            bind_change::<DB, M>(&write.changes, column, arguments)?;
            typed_placeholder::<DB, M>(column, arguments, &mut text);
        }
    }
    text.push_str(after);
    Ok(text)
}

/// `$1::TEXT[]` where types are said, else `?`
fn typed_placeholder<DB: Backend, M: Stored<DB>>(
    column: usize,
    arguments: &DB::Arguments,
    text: &mut String,
) {
    placeholder::<DB>(arguments, text);
    if DB::Driver::ARRAYS {
        let _ = write!(text, "::{}", type_name::<DB, M>(column));
    }
}
