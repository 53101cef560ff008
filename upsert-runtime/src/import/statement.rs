//! The statements that write or read many rows at once.
//!
//! Where the database has arrays, a column is one value, and a text is the same for any number of rows. Elsewhere, and for
//! models with array columns (`unnest` would flatten them), each row is a list of values.

use std::fmt::Write as _;

use sqlx::SqlStr;

use crate::backend::{Backend, BindResult, Driver as _};
use crate::field::{All, IsOptional, TypeName, bind_change, bind_id, bind_new};
use crate::locking::Locking;
use crate::model::{Sql, Stored};
use crate::statement::{owned, placeholder};

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

/// What the SELECT of rows ends with: what the database compares instead of the folded columns.
fn folds<DB: Backend, M: Stored<DB>>(folded: &[usize]) -> String {
    let names = DB::Driver::sql(M::MODEL).names;
    let folds = folded
        .iter()
        .filter_map(|&column| DB::Driver::folded(&type_name::<DB, M>(column), names[column]));
    folds.fold(String::new(), |text, fold| text + ", " + &fold)
}

/// `SELECT … FROM "taxonomy" JOIN (SELECT "id" AS upsert_id FROM "taxonomy" WHERE "slug" = ANY($1::TEXT[]) UNION …) …`
///
/// `records[lookup]` are those that the look-up is usable in. `None` if there are none.
pub(crate) fn find<DB: Backend, M: Stored<DB>>(
    records: &[Vec<&M::New>],
    folded: &[usize],
) -> sqlx::Result<Option<Many<DB>>> {
    let Sql {
        select,
        from,
        names,
        ..
    } = DB::Driver::sql(M::MODEL);
    let id = names[M::MODEL.id];
    let folds = folds::<DB, M>(folded);
    let mut text = format!("{select}{folds}{from} JOIN (");
    let mut arguments = DB::Arguments::default();
    let mut union = "";
    for (lookup, records) in M::MODEL.lookups.iter().zip(records) {
        if records.is_empty() {
            continue;
        }
        let _ = write!(text, "{union}SELECT {id} AS upsert_id{from} WHERE ");
        union = " UNION ";
        one_of::<DB, M>(lookup.columns, records, &mut text, &mut arguments)?;
    }
    let _ = write!(text, ") upsert_found ON {id} = upsert_id");
    Ok((!union.is_empty()).then(|| Many::planned(text, arguments)))
}

/// `"slug" = ANY($1::TEXT[])`, `("site_id", "slug") IN ((?, ?), …)`
fn one_of<DB: Backend, M: Stored<DB>>(
    columns: &[usize],
    records: &[&M::New],
    text: &mut String,
    arguments: &mut DB::Arguments,
) -> sqlx::Result<()> {
    let names = DB::Driver::sql(M::MODEL).names;
    let is_single = columns.len() == 1;
    let list: Vec<&str> = columns.iter().map(|&column| names[column]).collect();
    let list = list.join(", ");
    let _ = match (DB::Driver::ARRAYS, is_single) {
        (true, true) => write!(text, "{list} = ANY("),
        (true, false) => write!(text, "({list}) IN (SELECT * FROM unnest("),
        (false, true) => write!(text, "{list} IN ("),
        (false, false) => write!(text, "({list}) IN ({}", DB::Driver::VALUES),
    };
    if DB::Driver::ARRAYS {
        for (place, &column) in columns.iter().enumerate() {
            text.push_str(separator(place));
            bound(M::new_column(
                column,
                All {
                    of: records,
                    to: arguments,
                },
            ))?;
            array::<DB>(&type_name::<DB, M>(column), text, arguments);
        }
        text.push_str(if is_single { ")" } else { "))" });
        return Ok(());
    }
    for (row, new) in records.iter().enumerate() {
        text.push_str(separator(row));
        text.push_str(if is_single { "" } else { "(" });
        for (place, &column) in columns.iter().enumerate() {
            text.push_str(separator(place));
            bind_new::<DB, M>(new, column, arguments)?;
            placeholder::<DB>(arguments, text);
        }
        text.push_str(if is_single { "" } else { ")" });
    }
    text.push(')');
    Ok(())
}

/// What the database compares instead of the folded columns of these records: their number first.
pub(crate) fn fold<DB: Backend, M: Stored<DB>>(
    records: &[&M::New],
    folded: &[usize],
) -> sqlx::Result<Many<DB>> {
    let Sql { from, names, .. } = DB::Driver::sql(M::MODEL);
    let mut text = "SELECT upsert_n".to_owned();
    let mut values = "SELECT 0 AS upsert_n".to_owned();
    for (place, &column) in folded.iter().enumerate() {
        let value = format!("upsert_k{place}");
        let fold = DB::Driver::folded(&type_name::<DB, M>(column), &value);
        let _ = write!(text, ", {}", fold.as_ref().unwrap_or(&value));
        let _ = write!(values, ", {} AS {value}", names[column]);
    }
    // The first SELECT gives the values the columns' own collation.
    let _ = write!(text, " FROM ({values}{from} WHERE FALSE");
    let mut arguments = DB::Arguments::default();
    for (row, new) in records.iter().enumerate() {
        let _ = write!(text, " UNION ALL SELECT {row}");
        for &column in folded {
            text.push_str(", ");
            bind_new::<DB, M>(new, column, &mut arguments)?;
            placeholder::<DB>(&arguments, &mut text);
        }
    }
    text.push_str(") upsert_values");
    Ok(Many::planned(text, arguments))
}

/// `SELECT … FROM "taxonomy" WHERE "id" = ANY($1::INT8[]) ORDER BY "id" FOR NO KEY UPDATE`
pub(crate) fn lock<DB: Backend, M: Stored<DB>>(
    rows: &[&M],
    folded: &[usize],
    locking: Locking,
) -> sqlx::Result<Many<DB>> {
    let Sql {
        select,
        from,
        names,
        ..
    } = DB::Driver::sql(M::MODEL);
    let id = names[M::MODEL.id];
    let mut text = format!("{select}{}{from} WHERE ", folds::<DB, M>(folded));
    let mut arguments = DB::Arguments::default();
    id_in::<DB, M>(rows, &mut text, &mut arguments)?;
    let _ = write!(text, " ORDER BY {id}{}", DB::Driver::lock_clause(locking));
    Ok(Many::planned(text, arguments))
}

/// `SELECT … FROM "taxonomy" WHERE "id" > $1 ORDER BY "id" LIMIT 1000`
pub(crate) fn page<DB: Backend, M: Stored<DB>>(
    after: Option<&M>,
    folded: &[usize],
    size: usize,
) -> sqlx::Result<Many<DB>> {
    let Sql {
        select,
        from,
        names,
        ..
    } = DB::Driver::sql(M::MODEL);
    let id = names[M::MODEL.id];
    let mut text = format!("{select}{}{from}", folds::<DB, M>(folded));
    let mut arguments = DB::Arguments::default();
    if let Some(row) = after {
        bind_id(row, &mut arguments)?;
        let _ = write!(text, " WHERE {id} > ");
        placeholder::<DB>(&arguments, &mut text);
    }
    let _ = write!(text, " ORDER BY {id} LIMIT {size}");
    Ok(Many::planned(text, arguments))
}

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
    let Sql { update, names, .. } = DB::Driver::sql(M::MODEL);
    let id = names[M::MODEL.id];
    // NULL meets no unique index, no CHECK and no foreign key.
    let parked = if M::row_column(column, IsOptional) {
        Some("NULL".to_owned())
    } else {
        DB::Driver::parked(&type_name::<DB, M>(column), id)
    };
    let Some(parked) = parked else {
        return Ok(None);
    };
    let mut text = format!("{update}{} = {parked} WHERE ", names[column]);
    let mut arguments = DB::Arguments::default();
    id_in::<DB, M>(rows, &mut text, &mut arguments)?;
    Ok(Some(Many::planned(text, arguments)))
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

/// `$1::TEXT[]`
fn array<DB: Backend>(type_name: &str, text: &mut String, arguments: &DB::Arguments) {
    placeholder::<DB>(arguments, text);
    let _ = write!(text, "::{type_name}[]");
}

fn type_name<DB: Backend, M: Stored<DB>>(column: usize) -> String {
    M::row_column(column, TypeName)
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
