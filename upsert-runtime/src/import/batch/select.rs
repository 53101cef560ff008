//! The statements that read many rows.

use std::fmt::Write as _;

use crate::backend::dialect::RowList;
use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::locking::Locking;
use crate::mapping::Mapping;
use crate::schema::Sql;
use crate::step::Statement;
use crate::value::{New, Row};

use super::arrays::filled;
use super::cascade::SelfReference;
use super::read::Cursor;

/// Among which rows others are looked for, where rows are marked as deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    All,
    /// Those that are not marked.
    Live,
    /// Those that are, of equal keys the one last that was marked last.
    Marked,
}

impl<DB: Supported> Statement<DB> {
    /// `SELECT …, <collation keys>, <version> FROM "taxonomy"`
    fn select(mapping: Mapping<DB>, collated: &[usize], version: Option<&str>) -> Self {
        let Sql { select, from, .. } = mapping.sql();
        let mut this = Self::of_many(*select);
        this.collation_keys_of_rows(mapping, collated);
        for piece in version.map_or(["", ""], |version| [", ", version]) {
            this.push(piece);
        }
        this.push(from);
        this
    }

    /// `, <collation keys>`
    fn collation_keys_of_rows(&mut self, mapping: Mapping<DB>, collated: &[usize]) {
        let names = mapping.sql().names;
        for &column in collated {
            let type_name = mapping.type_name(column);
            let value = format!("NULL::{type_name}");
            let key = DB::Driver::collation_key(&type_name, names[column], &value);
            self.push(", ");
            self.push(key.as_deref().unwrap_or("NULL"));
        }
    }

    /// `SELECT … FROM "taxonomy" WHERE "slug" = ANY($1::TEXT[])`: the rows that have this key of one of the records.
    pub(super) fn find_by_key(
        mapping: Mapping<DB>,
        (columns, among): (&[usize], Among),
        records: &[&New],
        (collated, version): (&[usize], Option<&str>),
        lock: Option<&str>,
    ) -> sqlx::Result<Self> {
        let mut this = Self::select(mapping, collated, version);
        this.push(" WHERE ");
        this.key_in(mapping, columns, records)?;
        this.among(mapping, among);
        this.push(lock.unwrap_or_default());
        Ok(this)
    }

    /// ` AND "deleted_at" IS NULL`, ` AND "deleted_at" IS NOT NULL ORDER BY "deleted_at", "id"`
    fn among(&mut self, mapping: Mapping<DB>, among: Among) {
        let Some(deleted) = mapping.deleted_sql() else {
            return;
        };
        match among {
            Among::All => {}
            Among::Live => self.push(deleted.live),
            Among::Marked => {
                self.push(deleted.marked);
                let (names, model) = (mapping.sql().names, mapping.model);
                let column = mapping
                    .fields
                    .rules
                    .deleted
                    .as_ref()
                    .map(|deleted| deleted.column);
                let column = names[column.unwrap_or(model.id)];
                self.push(&format!(" ORDER BY {column}, {}", names[model.id]));
            }
        }
    }

    /// `SELECT "id" FROM "taxonomy" WHERE "slug" = ANY($1::TEXT[])`: the same, and only their ids.
    pub(super) fn having_keys(
        mapping: Mapping<DB>,
        columns: &[usize],
        records: &[&New],
    ) -> sqlx::Result<Self> {
        let Sql { from, names, .. } = mapping.sql();
        let id = names[mapping.model.id];
        let mut this = Self::of_many(format!("SELECT {id}{from} WHERE "));
        this.key_in(mapping, columns, records)?;
        this.among(mapping, Among::Live);
        Ok(this)
    }

    /// `"slug" = ANY($1::TEXT[])`, `("site_id", "slug") IN ((?, ?), …)`
    fn key_in(
        &mut self,
        mapping: Mapping<DB>,
        columns: &[usize],
        records: &[&New],
    ) -> sqlx::Result<()> {
        let names = mapping.sql().names;
        let is_single = columns.len() == 1;
        let uses_arrays = mapping.uses_arrays(columns);
        let list: Vec<&str> = columns.iter().map(|&column| names[column]).collect();
        let list = list.join(", ");
        self.push(&match (uses_arrays, is_single) {
            (true, true) => format!("{list} = ANY("),
            (true, false) => format!("({list}) IN (SELECT "),
            (false, true) => format!("{list} IN ("),
            (false, false) => format!("({list}) IN ({}", DB::Driver::ROWS.unwrap_or_default()),
        });
        if let (true, [column]) = (uses_arrays, columns) {
            self.array(mapping, *column, &mapping.news(records, *column))?;
            self.push(")");
            return Ok(());
        }
        if uses_arrays {
            self.unnested_news(mapping, columns, records)?;
            self.push(")");
            return Ok(());
        }
        for (row, new) in filled::<DB, _>(records).enumerate() {
            self.separate(row);
            self.push(if is_single { "" } else { "(" });
            for (place, &column) in columns.iter().enumerate() {
                self.separate(place);
                self.new_value(mapping, new, column)?;
            }
            self.push(if is_single { "" } else { ")" });
        }
        self.push(")");
        Ok(())
    }

    /// `unnest($1::INT8[]), unnest($2::TEXT[])`: each of these columns of the records as one value.
    pub(super) fn unnested_news(
        &mut self,
        mapping: Mapping<DB>,
        columns: &[usize],
        records: &[&New],
    ) -> sqlx::Result<()> {
        for (place, &column) in columns.iter().enumerate() {
            self.separate(place);
            self.unnested(mapping, column, &mapping.news(records, column))?;
        }
        Ok(())
    }

    /// Selects the collation keys of these columns of the records, behind the place of the record.
    pub(super) fn collation_keys(
        mapping: Mapping<DB>,
        records: &[&New],
        collated: &[usize],
    ) -> sqlx::Result<Self> {
        let Sql { from, names, .. } = mapping.sql();
        let mut this = Self::of_many("SELECT upsert_n");
        // The values get the collations of the columns that stand in their places here.
        let mut typed = "SELECT 0 AS upsert_n".to_owned();
        let mut values = "upsert_n".to_owned();
        for (place, &column) in collated.iter().enumerate() {
            let value = format!("upsert_k{place}");
            let stored = no_value_of(mapping, column);
            let key = DB::Driver::collation_key(&mapping.type_name(column), &value, &stored);
            this.push(", ");
            this.push(key.as_deref().unwrap_or("NULL"));
            // Writing to a `String` cannot fail.
            let _ = write!(typed, ", {} AS {value}", names[column]);
            let _ = write!(values, ", {value}");
        }
        let _ = write!(typed, "{from} WHERE FALSE");
        let RowList {
            before,
            between,
            after,
        } = DB::Driver::row_list(&typed);
        this.push(" FROM (");
        this.push(&before);
        for (row, new) in filled::<DB, _>(records).enumerate() {
            this.push(if row > 0 { between } else { "" });
            this.push(&row.to_string());
            for &column in collated {
                this.push(", ");
                this.new_value(mapping, new, column)?;
            }
        }
        this.push(after.unwrap_or_default());
        this.push(") upsert_values");
        // A list of VALUES alone has no names.
        if DB::Driver::CAPABILITIES.arrays {
            this.push(&format!(" ({values})"));
        }
        Ok(this)
    }

    /// Selects the places, counted from 1, at which two lists of spellings are equal values of a column; `None` where all
    /// collation keys tell all.
    pub(super) fn equal_values(
        mapping: Mapping<DB>,
        column: usize,
        ones: Vec<String>,
        others: Vec<String>,
    ) -> sqlx::Result<Option<Self>> {
        let stored = no_value_of(mapping, column);
        let Some(equal) = DB::Driver::equal(&mapping.type_name(column), &stored) else {
            return Ok(None);
        };
        let mut this = Self::planned(equal);
        for texts in [ones, others] {
            let bound = DB::Driver::bind_texts(texts, &mut this.arguments);
            bound.map_err(sqlx::Error::Encode)?;
        }
        Ok(Some(this))
    }

    /// `SELECT … FROM "taxonomy" WHERE "id" = ANY($1::INT8[]) ORDER BY "id" FOR NO KEY UPDATE`
    pub(super) fn lock_rows(
        mapping: Mapping<DB>,
        rows: &[&Row],
        collated: &[usize],
        locking: Locking,
    ) -> sqlx::Result<Self> {
        let id = mapping.sql().names[mapping.model.id];
        let mut this = Self::select(mapping, collated, None);
        this.push(" WHERE ");
        this.id_in(mapping, rows)?;
        this.push(&format!(" ORDER BY {id}"));
        this.push(DB::Driver::lock_clause(locking).unwrap_or_default());
        Ok(this)
    }

    /// `SELECT … FROM "taxonomy" WHERE ("parent_id") IN (SELECT "id" FROM "taxonomy" WHERE "id" = ANY($1::INT8[])) ORDER BY "id"
    /// FOR UPDATE`
    pub(super) fn referring(
        mapping: Mapping<DB>,
        rows: &[&Row],
        reference: &SelfReference,
        collated: &[usize],
        locking: Locking,
    ) -> sqlx::Result<Self> {
        let Sql { from, names, .. } = mapping.sql();
        let SelfReference {
            columns,
            referenced,
            ..
        } = reference;
        let mut this = Self::select(mapping, collated, None);
        this.push(&format!(
            " WHERE ({columns}) IN (SELECT {referenced}{from} WHERE "
        ));
        this.id_in(mapping, rows)?;
        this.push(&format!(") ORDER BY {}", names[mapping.model.id]));
        this.push(DB::Driver::lock_clause(locking).unwrap_or_default());
        Ok(this)
    }

    /// `SELECT …, CAST("id" AS TEXT) AS upsert_name FROM "taxonomy" WHERE "id" > $1 ORDER BY "id" LIMIT 1000 OFFSET 0`
    ///
    /// The last column names a row that cannot be read.
    pub(super) fn page(
        mapping: Mapping<DB>,
        Cursor { last, beyond }: &Cursor,
        collated: &[usize],
        size: usize,
    ) -> sqlx::Result<Self> {
        let Sql {
            select,
            from,
            names,
            ..
        } = mapping.sql();
        let id = names[mapping.model.id];
        let mut this = Self::planned(*select);
        this.collation_keys_of_rows(mapping, collated);
        this.push(", ");
        // Else PostgreSQL would call it as the id, by which it is to sort.
        this.push(&DB::Driver::as_text(id));
        this.push(" AS upsert_name");
        this.push(from);
        let is_live = mapping.deleted_sql().map(|deleted| deleted.live);
        if let Some(row) = last {
            this.push(&format!(" WHERE {id} > "));
            this.id(mapping, row)?;
            this.push(is_live.unwrap_or_default());
        } else if let Some(is_live) = is_live {
            this.push(&is_live.replacen(" AND ", " WHERE ", 1));
        }
        // The databases' largest.
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        this.push(&format!(" ORDER BY {id} LIMIT {size} OFFSET {beyond}"));
        Ok(this)
    }
}

/// NULL, as a value of a table's column.
fn no_value_of<DB: Supported>(mapping: Mapping<DB>, column: usize) -> String {
    let Sql { from, names, .. } = mapping.sql();
    format!("(SELECT {}{from} WHERE FALSE)", names[column])
}
