//! Passing values: what stands in a key column for a moment while rows exchange what is in it.
//!
//! What refers to the key follows a value, by `ON UPDATE CASCADE`, and would lose a NULL. So a value is made up of the column's
//! type, and NULL is for a column to which nothing refers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use crate::backend::{Codec as _, Dialect as _, Literal, MadeUp, Supported};
use crate::error::{Error, Operation};
use crate::step::{Session, Statement};
use crate::value::Row;

use super::chunk::Chunk;

/// Made-up values among which so many are looked for that no row has; then the type counts as used up.
const MOST_ASKED: u64 = 100_000;

/// What is known of key columns, by their places. Each is asked for once.
pub(crate) type KeyColumns = HashMap<usize, KeyColumn>;

/// A key column that has had to be parked.
pub(crate) struct KeyColumn {
    /// Its type, as the catalog spells it.
    declared: String,
    made_up: Option<MadeUp>,
    /// What may be put into it, what is tried first in front.
    ways: Vec<Way>,
    /// How many times the database has refused a way: then it is another one's turn.
    refused: usize,
    /// Whether it refers to another table, in which no made-up value is.
    is_foreign: bool,
    /// Whether it is known that NULL does no harm.
    is_null_harmless: bool,
}

/// What is put into a key column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    FromLowest,
    /// A CHECK may not let the lowest values in, such as `position > 0`.
    FromHighest,
    Null,
}

impl KeyColumn {
    /// Asks the catalog.
    async fn ask<DB: Supported>(
        session: &mut Session<'_, DB>,
        column: usize,
    ) -> Result<Self, Error> {
        let mapping = session.mapping;
        let failed = session.failed(Operation::Park);
        let sql = mapping.sql();
        let question = DB::Driver::key_column(sql.from, sql.names[column]);
        let rows = session.fetch(Statement::planned(question)).await;
        let rows = rows.map_err(failed)?;
        let field = mapping.type_name(column);
        let (declared, may_be_null, is_foreign) = match rows.first() {
            Some(row) => {
                let declared = DB::Driver::selected_bytes(row, 0).map_err(failed)?;
                let declared = String::from_utf8(declared.unwrap_or_default());
                let flag = |place| DB::Driver::number(row, place).map_err(failed);
                (
                    declared.unwrap_or_default(),
                    flag(1)? == Some(1),
                    flag(2)? == Some(1),
                )
            }
            None => (field.clone(), mapping.is_optional(column), false),
        };
        let made_up = DB::Driver::made_up(&declared, &field);
        let mut ways = Vec::new();
        if made_up.is_some() {
            ways.extend([Way::FromLowest, Way::FromHighest]);
        }
        ways.extend(may_be_null.then_some(Way::Null));
        Ok(Self {
            declared,
            made_up,
            ways,
            refused: 0,
            is_foreign,
            is_null_harmless: false,
        })
    }

    /// Expressions of so many values that no row has; `None` if there are not so many.
    async fn unused<DB: Supported>(
        &self,
        session: &mut Session<'_, DB>,
        column: usize,
        way: Way,
        count: usize,
    ) -> Result<Option<Vec<String>>, Error> {
        let literal = |value: &Literal| DB::Driver::literal(value, &self.declared);
        let (Some(made_up), Way::FromLowest | Way::FromHighest) = (&self.made_up, way) else {
            return Ok(Some(vec![literal(&Literal::Null); count]));
        };
        let (all, needed) = (made_up.count(), count as u64);
        // Near the end of what there is, and elsewhere than where others park at the same time.
        let start = RandomState::new().hash_one(column) % (all / 64 + 1);
        let value = |n| {
            let n = (start + n) % all;
            let is_last_first = way == Way::FromHighest;
            literal(&made_up.value(if is_last_first { all - 1 - n } else { n }))
        };
        if made_up.is_vast() {
            return Ok(Some((0..needed).map(value).collect()));
        }
        let failed = session.failed(Operation::Park);
        let mut unused = Vec::new();
        let mut asked = 0;
        while unused.len() < count && asked < all.min(MOST_ASKED) {
            let end = all.min(asked + 2 * needed + 100);
            let values: Vec<String> = (asked..end).map(value).collect();
            let question = Statement::unused(session.mapping, column, &values);
            for row in session.fetch(question).await.map_err(failed)? {
                let place = DB::Driver::number(&row, 0).map_err(failed)?;
                let place = place.and_then(|place| usize::try_from(place).ok());
                unused.extend(place.and_then(|place| values.get(place)).cloned());
            }
            asked = end;
        }
        unused.truncate(count);
        Ok((unused.len() == count).then_some(unused))
    }
}

impl<DB: Supported> Chunk<'_, DB> {
    /// Asks what must be known of a key column to park it, unless that is known.
    pub(super) async fn learn(
        &mut self,
        session: &mut Session<'_, DB>,
        column: usize,
    ) -> Result<(), Error> {
        if let Entry::Vacant(unknown) = self.key_columns.entry(column) {
            unknown.insert(KeyColumn::ask(session, column).await?);
        }
        Ok(())
    }

    /// Which of these columns, of which enough is known, is best parked.
    pub(super) fn best_parked(&self, columns: &[usize]) -> Option<usize> {
        let is_best = |column: &&usize| {
            let known = self.key_columns.get(column);
            known.is_some_and(|known| !known.ways.is_empty() && !known.is_foreign)
        };
        let is_good = |column: &&usize| {
            let known = self.key_columns.get(column);
            known.is_some_and(|known| !known.ways.is_empty())
        };
        let best = columns.iter().find(is_best);
        let best = best.or_else(|| columns.iter().find(is_good));
        best.or_else(|| columns.first()).copied()
    }

    /// Puts passing values into a key column of rows. If the database refuses them, and others may fare better, the chunk is to be
    /// done again.
    pub(super) async fn park_rows(
        &mut self,
        session: &mut Session<'_, DB>,
        column: usize,
        rows: &[&Row],
    ) -> Result<(), Error> {
        let mut refusal = None;
        if let Some(way) = self.way(session, column).await?
            && let Some(known) = self.key_columns.get_mut(&column)
        {
            let values = known.unused(session, column, way, rows.len()).await?;
            if let Some(values) = values {
                let park = Statement::park(session.mapping, rows, column, &values);
                let parked = session.write_rows(park, rows.len(), Operation::Park).await;
                match parked {
                    Err(error) if error.is_about_record() => refusal = error.into_source(),
                    done => return done,
                }
            }
            known.refused += 1;
            self.refused_ways += 1;
            self.parks_otherwise = self.refused_ways < known.ways.len();
        }
        Err(Error::Conflict {
            at: session.at(Operation::Park),
            constraint: Some(self.mapping.model.columns[column].field.to_owned()),
            holder_is_deleted: false,
            source: refusal,
        })
    }

    /// What is put into a key column; `None` where all has been refused.
    async fn way(
        &mut self,
        session: &mut Session<'_, DB>,
        column: usize,
    ) -> Result<Option<Way>, Error> {
        let Some(known) = self.key_columns.get_mut(&column) else {
            return Ok(None);
        };
        let turn = |known: &KeyColumn| {
            let is_left = self.refused_ways < known.ways.len();
            is_left.then(|| known.ways[known.refused % known.ways.len()])
        };
        let way = turn(known);
        if way != Some(Way::Null) || known.is_null_harmless {
            return Ok(way);
        }
        let sql = session.mapping.sql();
        let question = DB::Driver::keeps_null_out(sql.from, sql.names[column]);
        let harmed = session.fetch(Statement::planned(question)).await;
        let harmed = harmed.map_err(session.failed(Operation::Park))?;
        known.is_null_harmless = harmed.is_empty();
        if !known.is_null_harmless {
            known.ways.retain(|&way| way != Way::Null);
        }
        Ok(turn(known))
    }
}
