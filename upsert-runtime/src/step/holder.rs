//! Whether a row that is marked as deleted holds a key that a unique index refused.

use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::mapping::Mapping;
use crate::value::{Row, Value};

use super::{Session, Statement};

impl<DB: Supported> Session<'_, DB> {
    /// Whether a marked row has a key of these, and a unique index lets no row that is not marked have the same.
    pub(crate) async fn is_held(
        &mut self,
        operation: Operation,
        holder: sqlx::Result<Statement<DB>>,
    ) -> Result<bool, Error> {
        let failed = self.failed(operation);
        let rows = self.fetch(holder.map_err(failed)?).await.map_err(failed)?;
        let held = rows.first().map(|row| DB::Driver::number(row, 0));
        Ok(held.transpose().map_err(failed)?.flatten().is_some())
    }
}

impl<DB: Supported> Statement<DB> {
    /// `SELECT CASE WHEN EXISTS (SELECT 1 FROM "page" WHERE "slug" = $1 AND "deleted_at" IS NOT NULL AND "id" <> $2) AND (…) = '1'
    /// THEN 1 … END`, with the catalog's answer in the parentheses.
    ///
    /// Each key of which these values have all columns. A blank key is asked for, too: an index may hold it all the same.
    pub(crate) fn holder<'v>(
        mapping: Mapping<DB>,
        value: impl Fn(usize) -> Option<&'v Value>,
        except: Option<&Row>,
    ) -> sqlx::Result<Self> {
        let (model, sql) = (mapping.model, mapping.sql());
        let marked = mapping.deleted_sql().map_or("", |marks| marks.marked);
        let lookups = model.lookups.iter().map(|key| key.columns);
        let uniques = mapping.fields.rules.uniques.iter().map(|key| key.columns);
        let mut this = Self::planned("SELECT CASE");
        for columns in lookups.chain(uniques) {
            let values = columns
                .iter()
                .map(|&column| Some((column, Some(value(column)?))));
            let names: Vec<_> = columns.iter().map(|&column| sql.names[column]).collect();
            let (Some(values), Some(is_unique)) = (
                values.collect::<Option<Vec<_>>>(),
                DB::Driver::has_full_index(sql.from, &names),
            ) else {
                continue;
            };
            this.push(&format!(" WHEN EXISTS (SELECT 1{} WHERE ", sql.from));
            this.equals(mapping, values.into_iter())?;
            this.push(marked);
            if let Some(row) = except {
                this.push(&format!(" AND {} <> ", sql.names[model.id]));
                this.id(mapping, row)?;
            }
            this.push(&format!(") AND ({is_unique}) = '1' THEN 1"));
        }
        this.push(" WHEN 1 = 0 THEN 1 END");
        Ok(this)
    }
}
