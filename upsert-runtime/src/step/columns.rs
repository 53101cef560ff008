//! Whether the table's columns can be read as the model's fields.

use crate::backend::codec::{Bytes, Mismatch};
use crate::backend::{Codec as _, Supported};
use crate::error::{Error, Operation};
use crate::mapping::Mapping;

use super::{Session, Statement};

impl<DB: Supported> Session<'_, DB> {
    /// Fails if a column cannot be read as its field: what was written would be there, and nobody could read it. Gives the
    /// values of these expressions, which are asked in the same statement.
    ///
    /// Columns whose type depends on the value, as some are on SQLite, are not judged.
    pub(crate) async fn check_columns(&mut self, facts: &[&str]) -> Result<Vec<Bytes>, Error> {
        let (mapping, failed) = (self.mapping, self.failed(Operation::CheckColumns));
        let mut again = true;
        let row = loop {
            let rows = self.fetch(Statement::facts(mapping, facts)).await;
            let Some(row) = rows.map_err(failed)?.into_iter().next() else {
                return Err(failed(sqlx::Error::RowNotFound));
            };
            let Some((column, misfit)) = mapping.misfits(&row).into_iter().next() else {
                break row;
            };
            // A connection of SQLite tells a statement's types by the tables as it has last seen them, and looks when it runs one.
            if !std::mem::take(&mut again) {
                let at = self.at(Operation::CheckColumns);
                return Err(Error::of_column::<DB>(at, column, misfit));
            }
        };
        let first = mapping.model.columns.len();
        let answers = first..first + facts.len();
        let answers = answers.map(|place| DB::Driver::selected_bytes(&row, place));
        answers.collect::<sqlx::Result<_>>().map_err(failed)
    }
}

impl<DB: Supported> Statement<DB> {
    /// `SELECT "id", …, <facts> FROM (SELECT 1) upsert_one LEFT JOIN "taxonomy" ON 1 = 0`
    ///
    /// A row whose columns have the table's types, also of a table that is empty.
    fn facts(mapping: Mapping<DB>, facts: &[&str]) -> Self {
        let sql = mapping.sql();
        let table = sql.from.trim_start_matches(" FROM ");
        let mut this = Self::planned(sql.select);
        for fact in facts {
            this.push(", ");
            this.push(fact);
        }
        this.push(&format!(
            " FROM (SELECT 1) {} LEFT JOIN {table} ON 1 = 0",
            sql.own("one")
        ));
        this
    }
}

impl<DB: Supported> Mapping<DB> {
    /// The columns of a row that cannot be read as their fields, and why.
    pub(super) fn misfits(self, row: &DB::Row) -> Vec<(&'static str, Mismatch)> {
        let types = DB::Driver::types(row);
        let columns = self.model.columns.iter().zip(types).enumerate();
        let misfit = |(column, (known, sql)): (
            usize,
            (&'static crate::schema::ModelColumn, DB::TypeInfo),
        )| { Some((known.field, self.misfit(column, &sql)?)) };
        columns.filter_map(misfit).collect()
    }
}
