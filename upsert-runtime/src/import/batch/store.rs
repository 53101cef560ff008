//! The statements that write many rows.

use std::fmt::Write as _;

use crate::backend::dialect::RowList;
use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::mapping::Mapping;
use crate::schema::Sql;
use crate::step::Statement;
use crate::value::{New, Row, Value};

use super::write::RowUpdate;

impl<DB: Supported> Mapping<DB> {
    /// What a column is set to that gives its key away; `None` if it cannot hold a value that is no other row's.
    pub(super) fn parked_value(self, column: usize) -> Option<String> {
        // NULL meets no unique index, no CHECK and no foreign key.
        if self.is_optional(column) {
            return Some("NULL".to_owned());
        }
        let id = self.sql().names[self.model.id];
        DB::Driver::parked(&self.type_name(column), id)
    }
}

/// A column that an UPDATE of many rows sets.
#[derive(Clone, Copy)]
struct SetColumn {
    column: usize,
    /// Whether some of the rows keep their value in it.
    is_masked: bool,
}

impl SetColumn {
    /// Those of the columns that some of these rows change.
    fn of(settable: &[usize], updates: &[&RowUpdate]) -> Vec<Self> {
        let mut columns = Vec::new();
        for &column in settable {
            let changing = updates.iter().filter(|update| update.sets(column)).count();
            if changing > 0 {
                columns.push(Self {
                    column,
                    is_masked: changing < updates.len(),
                });
            }
        }
        columns
    }
}

impl<DB: Supported> Statement<DB> {
    /// `DELETE FROM "taxonomy" WHERE "id" = ANY($1::INT8[])`
    pub(crate) fn delete_rows(mapping: Mapping<DB>, rows: &[&Row]) -> sqlx::Result<Self> {
        let mut this = Self::planned(format!("DELETE{} WHERE ", mapping.sql().from));
        this.id_in(mapping, rows)?;
        Ok(this)
    }

    /// `UPDATE "taxonomy" SET "slug" = CONCAT('upsert parked ', "id") WHERE "id" = ANY($1::INT8[])`
    pub(super) fn park(
        mapping: Mapping<DB>,
        rows: &[&Row],
        column: usize,
        parked: &str,
    ) -> sqlx::Result<Self> {
        let Sql { update, names, .. } = mapping.sql();
        let name = names[column];
        let mut this = Self::planned(format!("{update}{name} = {parked} WHERE "));
        this.id_in(mapping, rows)?;
        Ok(this)
    }

    /// `INSERT INTO "taxonomy" (…) SELECT *, clock_timestamp() FROM unnest($1::TEXT[], …)`
    pub(super) fn insert_rows(mapping: Mapping<DB>, records: &[&New]) -> sqlx::Result<Self> {
        let Sql {
            insert,
            insert_touch,
            ..
        } = mapping.sql();
        let created = mapping.model.created;
        if mapping.uses_arrays() {
            let text = format!("{insert} SELECT *{insert_touch} FROM unnest(");
            let mut this = Self::new(text);
            this.new_arrays(mapping, created, records)?;
            this.push(")");
            return Ok(this);
        }
        let mut this = Self::planned(format!("{insert} VALUES "));
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

    /// `WITH upsert_new (…) AS (SELECT * FROM unnest(…)) UPDATE "taxonomy" SET "slug" = CASE WHEN upsert_m1 THEN upsert_c1 ELSE "slug" END …`
    ///
    /// A column that all rows change needs no CASE.
    pub(super) fn update_rows(mapping: Mapping<DB>, updates: &[&RowUpdate]) -> sqlx::Result<Self> {
        let sql = mapping.sql();
        let columns = SetColumn::of(mapping.model.updated, updates);
        let rows = if mapping.uses_arrays() {
            Self::rows_as_arrays(mapping, updates, &columns)?
        } else {
            Self::rows_as_lists(mapping, updates, &columns)?
        };
        let mut names = "upsert_id".to_owned();
        let mut set = String::new();
        for (place, &SetColumn { column, is_masked }) in columns.iter().enumerate() {
            let name = sql.names[column];
            set.push_str(if place > 0 { ", " } else { "" });
            if is_masked {
                let kept = DB::Driver::kept(&mapping.type_name(column), name);
                // Writing to a `String` cannot fail.
                let _ = write!(names, ", upsert_m{column}");
                let _ = write!(
                    set,
                    "{name} = CASE WHEN upsert_m{column} THEN upsert_c{column} ELSE {kept} END"
                );
            } else {
                let _ = write!(set, "{name} = upsert_c{column}");
            }
            let _ = write!(names, ", upsert_c{column}");
        }
        set.push_str(sql.touch);
        let id = sql.names[mapping.model.id];
        let (rows, arguments, _) = rows.into_parts();
        let text = DB::Driver::update_many(sql, id, &names, rows.as_str(), &set);
        Ok(Self::planned(text).with(arguments))
    }

    /// `SELECT * FROM unnest($1::INT8[], $2::BOOL[], $3::TEXT[], …)`
    fn rows_as_arrays(
        mapping: Mapping<DB>,
        updates: &[&RowUpdate],
        columns: &[SetColumn],
    ) -> sqlx::Result<Self> {
        let rows: Vec<&Row> = updates.iter().map(|update| &update.row).collect();
        let mut this = Self::planned("SELECT * FROM unnest(".to_owned());
        this.id_array(mapping, &rows)?;
        for &SetColumn { column, is_masked } in columns {
            if is_masked {
                let flags = updates.iter().map(|update| update.sets(column));
                let bound = DB::Driver::bind_flags(flags.collect(), &mut this.arguments);
                bound.map_err(sqlx::Error::Encode)?;
                this.push(", ");
                this.array_placeholder("BOOL");
            }
            let in_changes = mapping.fields.in_changes;
            let values = updates
                .iter()
                .map(|update| in_changes(&update.changes, column));
            let values: Vec<Option<&Value>> = values.collect();
            mapping.bind_array(column, &values, &mut this.arguments)?;
            this.push(", ");
            this.array_placeholder(&mapping.type_name(column));
        }
        this.push(")");
        Ok(this)
    }

    /// `VALUES (?, 1, ?, …), …`
    fn rows_as_lists(
        mapping: Mapping<DB>,
        updates: &[&RowUpdate],
        columns: &[SetColumn],
    ) -> sqlx::Result<Self> {
        let id = mapping.model.id;
        let RowList {
            before,
            between,
            after,
        } = DB::Driver::row_list(&types_of_rows(mapping, columns));
        let mut this = Self::planned(before);
        for (row, update) in updates.iter().enumerate() {
            this.push(if row > 0 { between } else { "" });
            this.id(mapping, &update.row)?;
            this.say_type(mapping, id);
            for &SetColumn { column, is_masked } in columns {
                if is_masked {
                    let is_set = update.sets(column);
                    this.push(if is_set { ", 1=1" } else { ", 1=0" });
                }
                this.push(", ");
                this.change(mapping, &update.changes, column)?;
                this.say_type(mapping, column);
            }
        }
        this.push(after.unwrap_or_default());
        Ok(this)
    }

    /// `::TEXT` behind a placeholder, where types are said.
    fn say_type(&mut self, mapping: Mapping<DB>, column: usize) {
        if DB::Driver::CAPABILITIES.arrays {
            self.push("::");
            self.push(&mapping.type_name(column));
        }
    }
}

/// A SELECT of no rows, which gives lists of values the columns' own types and collations.
fn types_of_rows<DB: Supported>(mapping: Mapping<DB>, columns: &[SetColumn]) -> String {
    let Sql { from, names, .. } = mapping.sql();
    let mut typed = format!("SELECT {} AS upsert_id", names[mapping.model.id]);
    for &SetColumn { column, is_masked } in columns {
        if is_masked {
            let _ = write!(typed, ", 0 AS upsert_m{column}");
        }
        let _ = write!(typed, ", {} AS upsert_c{column}", names[column]);
    }
    typed + from + " WHERE FALSE"
}
