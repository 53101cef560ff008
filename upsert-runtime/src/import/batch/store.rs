//! The statements that write many rows.

use std::fmt::Write as _;

use crate::backend::dialect::RowList;
use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::mapping::Mapping;
use crate::schema::Sql;
use crate::step::Statement;
use crate::value::{New, Row, Value};

use super::arrays::filled;
use super::write::RowUpdate;

/// What a column of many rows is set to, in the order of the rows.
pub(super) enum Values<'v> {
    /// Values that are bound.
    Bound(Vec<Option<&'v Value>>),
    /// Expressions.
    Literals(&'v [String]),
}

impl<DB: Supported> Statement<DB> {
    /// `DELETE FROM "taxonomy" WHERE "id" = ANY($1::INT8[])`
    pub(crate) fn delete_rows(mapping: Mapping<DB>, rows: &[&Row]) -> sqlx::Result<Self> {
        let mut this = Self::of_many(format!("DELETE{} WHERE ", mapping.sql().from));
        this.id_in(mapping, rows)?;
        Ok(this)
    }

    /// `UPDATE "taxonomy" SET "deleted_at" = clock_timestamp() WHERE "id" = ANY($1::INT8[])`
    pub(crate) fn mark_rows(mapping: Mapping<DB>, rows: &[&Row]) -> sqlx::Result<Self> {
        let Sql { update, touch, .. } = mapping.sql();
        let mark = mapping.deleted_sql().map_or("", |deleted| deleted.mark);
        let mut this = Self::of_many(format!("{update}{mark}{touch} WHERE "));
        this.id_in(mapping, rows)?;
        Ok(this)
    }

    /// `INSERT INTO "taxonomy" (…) SELECT unnest($1::TEXT[]), …, clock_timestamp()`
    pub(super) fn insert_rows(mapping: Mapping<DB>, records: &[&New]) -> sqlx::Result<Self> {
        let Sql {
            insert,
            insert_touch,
            ..
        } = mapping.sql();
        let created = mapping.model.created;
        if mapping.uses_arrays(created) {
            let mut this = Self::new(format!("{insert} SELECT "));
            this.unnested_news(mapping, created, records)?;
            this.push(insert_touch);
            return Ok(this);
        }
        let mut this = Self::of_many(format!("{insert} VALUES "));
        for (row, new) in records.iter().enumerate() {
            this.push(if row > 0 { ", (" } else { "(" });
            for (place, &column) in created.iter().enumerate() {
                this.separate(place);
                this.new_value(mapping, new, column)?;
            }
            this.push(insert_touch);
            this.push(")");
        }
        Ok(this)
    }

    /// Updates rows that all change in these columns, and in no others. If they are marked as deleted, the mark goes.
    pub(super) fn update_rows(
        mapping: Mapping<DB>,
        updates: &[&RowUpdate],
        columns: &[usize],
        revives: bool,
    ) -> sqlx::Result<Self> {
        let rows: Vec<&Row> = updates.iter().map(|update| &update.row).collect();
        let in_changes = mapping.fields.in_changes;
        let of_column = |&column: &usize| {
            let updates = updates.iter();
            let values = updates.map(|update| in_changes(&update.changes, column));
            (column, Values::Bound(values.collect()))
        };
        let values: Vec<_> = columns.iter().map(of_column).collect();
        let touch = mapping.sql().touch;
        match mapping.deleted_sql().filter(|_| revives) {
            None => Self::set_rows(mapping, &rows, &values, touch),
            Some(deleted) => {
                let also = format!(", {}{touch}", deleted.restore);
                Self::set_rows(mapping, &rows, &values, &also)
            }
        }
    }

    /// Sets a column of rows to passing values.
    pub(super) fn park(
        mapping: Mapping<DB>,
        rows: &[&Row],
        column: usize,
        values: &[String],
    ) -> sqlx::Result<Self> {
        Self::set_rows(mapping, rows, &[(column, Values::Literals(values))], "")
    }

    /// `WITH upsert_new (…) AS (SELECT unnest($1::INT8[]), …) UPDATE "taxonomy" SET "slug" = upsert_new.upsert_c1 FROM upsert_new …`
    fn set_rows(
        mapping: Mapping<DB>,
        rows: &[&Row],
        values: &[(usize, Values<'_>)],
        also: &str,
    ) -> sqlx::Result<Self> {
        let sql = mapping.sql();
        let (new, new_id) = (sql.own("new"), sql.own("id"));
        let (mut names, mut set) = (new_id.clone(), String::new());
        for (place, &(column, _)) in values.iter().enumerate() {
            let (name, value) = (sql.names[column], own_column(sql, column));
            // Writing to a `String` cannot fail.
            let _ = write!(names, ", {value}");
            set.push_str(if place > 0 { ", " } else { "" });
            let _ = write!(set, "{name} = {new}.{value}");
        }
        set.push_str(if values.is_empty() {
            also.trim_start_matches(", ")
        } else {
            also
        });
        let joined = format!("{} = {new}.{new_id}", sql.names[mapping.model.id]);
        let (rows, arguments, _) = Self::listed(mapping, rows, values)?.into_parts();
        let text = DB::Driver::update_many(sql, (&new, &names), rows.as_str(), &joined, &set);
        let is_bound = |(_, values): &(_, Values<'_>)| matches!(values, Values::Bound(_));
        let this = if values.iter().all(is_bound) {
            Self::of_many(text)
        } else {
            Self::planned(text)
        };
        Ok(this.with(arguments))
    }

    /// The rows, as a SELECT of their ids and of these columns' values.
    fn listed(
        mapping: Mapping<DB>,
        rows: &[&Row],
        values: &[(usize, Values<'_>)],
    ) -> sqlx::Result<Self> {
        let id = mapping.model.id;
        let columns: Vec<usize> = values.iter().map(|&(column, _)| column).collect();
        if mapping.uses_arrays(&[&[id], &columns[..]].concat()) {
            let mut this = Self::planned("SELECT ");
            this.unnested(mapping, id, &mapping.ids(rows))?;
            for (column, values) in values {
                this.push(", ");
                match values {
                    Values::Bound(values) => this.unnested(mapping, *column, values)?,
                    Values::Literals(values) => {
                        this.push(&format!("unnest(ARRAY[{}])", values.join(", ")));
                    }
                }
            }
            return Ok(this);
        }
        let RowList {
            before,
            between,
            after,
        } = DB::Driver::row_list(&types_of_rows(mapping, &columns));
        let mut this = Self::planned(before);
        let rows: Vec<_> = rows.iter().enumerate().collect();
        for (n, (place, row)) in filled::<DB, _>(&rows).enumerate() {
            this.push(if n > 0 { between } else { "" });
            this.id(mapping, row)?;
            for (column, values) in values {
                this.push(", ");
                match values {
                    Values::Bound(values) => {
                        mapping.bind(*column, values[place], &mut this.arguments)?;
                        this.placeholder();
                    }
                    Values::Literals(values) => this.push(&values[place]),
                }
            }
        }
        this.push(after.unwrap_or_default());
        Ok(this)
    }

    /// `WITH upsert_new (…) AS (VALUES (0, 'a'), …) SELECT upsert_n FROM upsert_new WHERE NOT EXISTS (…)`
    ///
    /// The places of those of these values of a column that no row has.
    pub(super) fn unused(mapping: Mapping<DB>, column: usize, values: &[String]) -> Self {
        let sql = mapping.sql();
        let Sql { from, names, .. } = sql;
        let (new, place, value) = (sql.own("new"), sql.own("n"), own_column(sql, column));
        let name = names[column];
        // The values get the type and the collation of the column.
        let typed = typed_column(mapping, column);
        let typed = format!("SELECT 0 AS {place}, {typed} AS {value}{from} WHERE FALSE");
        let RowList {
            before,
            between,
            after,
        } = DB::Driver::row_list(&typed);
        let mut this = Self::planned(format!("WITH {new} ({place}, {value}) AS ({before}"));
        for (n, value) in values.iter().enumerate() {
            this.push(if n > 0 { between } else { "" });
            this.push(&format!("{n}, {value}"));
        }
        this.push(after.unwrap_or_default());
        this.push(&format!(
            ") SELECT {place} FROM {new} WHERE NOT EXISTS (SELECT 1{from} WHERE {name} = {new}.{value})"
        ));
        this
    }
}

impl<DB: Supported> Mapping<DB> {
    /// The error with the columns' names, where the database calls a column as this crate's statement does its new value.
    pub(super) fn in_own_names(self, error: Error) -> Error {
        let sql = self.sql();
        match error {
            Error::Database {
                at,
                mut detail,
                about_record,
                source,
            } => {
                for (column, name) in sql.names.iter().enumerate() {
                    let ours = format!("'{}'", own_column(sql, column));
                    detail = detail.replace(&ours, &format!("'{}'", name.trim_matches('`')));
                }
                Error::Database {
                    at,
                    detail,
                    about_record,
                    source,
                }
            }
            error => error,
        }
    }
}

/// What the new value of a column is called.
fn own_column(sql: &Sql, column: usize) -> String {
    sql.own(&format!("c{column}"))
}

/// A SELECT of no rows, which gives lists of values the columns' own types and collations.
fn types_of_rows<DB: Supported>(mapping: Mapping<DB>, columns: &[usize]) -> String {
    let sql = mapping.sql();
    let mut typed = format!(
        "SELECT {} AS {}",
        typed_column(mapping, mapping.model.id),
        sql.own("id")
    );
    for &column in columns {
        let _ = write!(
            typed,
            ", {} AS {}",
            typed_column(mapping, column),
            own_column(sql, column)
        );
    }
    typed + sql.from + " WHERE FALSE"
}

fn typed_column<DB: Supported>(mapping: Mapping<DB>, column: usize) -> String {
    DB::Driver::typed(&mapping.type_name(column), mapping.sql().names[column])
}
