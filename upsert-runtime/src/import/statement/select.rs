//! The statements that read many rows.

use std::fmt::Write as _;

use crate::backend::{Backend, Driver as _};
use crate::field::{All, bind_id, bind_new};
use crate::locking::Locking;
use crate::model::{Sql, Stored};
use crate::statement::placeholder;

use super::{Many, array, bound, id_in, separator, type_name};

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
/// `records[lookup]` are those that the look-up is usable in. `None` if there are none. `lock` stands behind each SELECT.
pub(crate) fn find<DB: Backend, M: Stored<DB>>(
    records: &[Vec<&M::New>],
    folded: &[usize],
    lock: &str,
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
        // A lock is one SELECT's own only in parentheses, which SQLite does not take.
        let (open, close) = if lock.is_empty() {
            ("", "")
        } else {
            ("(", ")")
        };
        let _ = write!(text, "{union}{open}SELECT {id} AS upsert_id{from} WHERE ");
        union = " UNION ";
        one_of::<DB, M>(lookup.columns, records, &mut text, &mut arguments)?;
        let _ = write!(text, "{lock}{close}");
    }
    let _ = write!(text, ") upsert_found ON {id} = upsert_id{lock}");
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
    // What gives the values the columns' own collations.
    let mut typed = "SELECT 0 AS upsert_n".to_owned();
    for (place, &column) in folded.iter().enumerate() {
        let value = format!("upsert_k{place}");
        let fold = DB::Driver::folded(&type_name::<DB, M>(column), &value);
        let _ = write!(text, ", {}", fold.as_ref().unwrap_or(&value));
        let _ = write!(typed, ", {} AS {value}", names[column]);
    }
    let _ = write!(typed, "{from} WHERE FALSE");
    let (before, between, after) = DB::Driver::row_list();
    let _ = write!(text, " FROM ({}", before.replace("{typed}", &typed));
    let mut arguments = DB::Arguments::default();
    for (row, new) in records.iter().enumerate() {
        text.push_str(if row > 0 { between } else { "" });
        let _ = write!(text, "{row}");
        for &column in folded {
            text.push_str(", ");
            bind_new::<DB, M>(new, column, &mut arguments)?;
            placeholder::<DB>(&arguments, &mut text);
        }
    }
    text.push_str(after);
    text.push_str(") upsert_values");
    Ok(Many::planned(text, arguments))
}

/// Selects a row if one of the keys compares in a way that nobody knows here; `None` where that cannot be asked.
pub(crate) fn unfoldable<DB: Backend, M: Stored<DB>>(columns: &[usize]) -> Option<Many<DB>> {
    let Sql { from, names, .. } = DB::Driver::sql(M::MODEL);
    let columns: Vec<&str> = columns.iter().map(|&column| names[column]).collect();
    let text = DB::Driver::unfoldable(from, &columns)?;
    Some(Many::planned(text, DB::Arguments::default()))
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
    // The databases' largest.
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let _ = write!(text, " ORDER BY {id} LIMIT {size}");
    Ok(Many::planned(text, arguments))
}
