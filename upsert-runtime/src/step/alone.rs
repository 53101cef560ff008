//! The statements of one record that are each a transaction of their own.

use sqlx::Arguments as _;

use crate::backend::{
    Alone, Cause, Classify as _, Codec as _, Dialect as _, Supported, Wire as _, cause,
};
use crate::error::{Error, Operation};
use crate::mapping::Mapping;
use crate::schema::{Lookup, Sql};
use crate::value::{Changes, New, Row};

use super::known::{Kind, Shape};
use super::{Assignments, Found, Session, Statement};

/// What a look without a lock tells.
pub(crate) enum Look {
    /// A row, and its version where it has one.
    Found(Found, Option<i64>),
    Nothing,
    /// The statement was refused, is not a transaction by itself, or found what cannot be read.
    Unclear,
}

impl<DB: Supported> Session<'_, DB> {
    /// Looks for the row of `new` by all look-ups at once, without a lock.
    pub(crate) async fn look(&mut self, alone: &Alone, new: &New) -> Result<Look, Error> {
        let mapping = self.mapping;
        let first = mapping.usable_lookups(new).next();
        let lookup = first.map_or("", |(_, lookup)| lookup.name);
        let look = Statement::look(alone, mapping, new);
        let operation = Operation::LookUp { lookup };
        let rows = self.send_alone(operation, look, false).await?;
        let Some([row]) = rows.as_deref() else {
            return Ok(Look::Unclear);
        };
        let place = mapping.model.columns.len();
        let numbers = DB::Driver::number(row, place)
            .and_then(|lookup| Ok((lookup, DB::Driver::number(row, place + 1)?)));
        Ok(match numbers {
            // A row that could not be read back is not created. Of a column's type a row of NULLs tells as well.
            Ok((None, _)) if mapping.misfits(row).is_empty() => Look::Nothing,
            Ok((Some(lookup), version)) => match (usize::try_from(lookup), mapping.decode(row)) {
                (Ok(lookup), Ok(row)) => {
                    let found = Found {
                        row,
                        lookup,
                        look: lookup,
                        is_locked: false,
                    };
                    Look::Found(found, version)
                }
                _ => Look::Unclear,
            },
            _ => Look::Unclear,
        })
    }

    /// Writes these columns, in which `changes` differ from the row that was found in this version, and no others. `None` if the
    /// row differs in other ones by now, or is not the record's; where rules have judged it, if it has another version by now.
    pub(crate) async fn update_alone(
        &mut self,
        alone: &Alone,
        found: (&Found, i64),
        new: Option<&New>,
        data: (&Changes, &[usize]),
    ) -> Result<Option<Row>, Error> {
        let update = Statement::update_alone(alone, self.mapping, found, new, data);
        self.write_alone(Operation::Update, update).await
    }

    /// Creates the row of `new`. `None` if there is one by now.
    pub(crate) async fn insert_alone(
        &mut self,
        alone: &Alone,
        new: &New,
    ) -> Result<Option<Row>, Error> {
        let insert = Statement::insert_alone(alone, self.mapping, new);
        self.write_alone(Operation::Create, insert).await
    }

    async fn write_alone(
        &mut self,
        operation: Operation,
        statement: sqlx::Result<Statement<DB>>,
    ) -> Result<Option<Row>, Error> {
        let rows = self.send_alone(operation, statement, true).await?;
        let row = rows.as_deref().and_then(<[DB::Row]>::first);
        let row = row.map(|row| self.mapping.decode(row)).transpose();
        row.map_err(self.failed(operation))
    }

    /// Sends a statement. `None` where the server refused it for what it says or for a row that it meets: then nothing has taken
    /// effect, and the chain meets the same and tells it.
    ///
    /// A statement that writes is its own COMMIT. The server sends the rows before that, so that an error in their stead says
    /// that nothing has taken effect.
    async fn send_alone(
        &mut self,
        operation: Operation,
        statement: sqlx::Result<Statement<DB>>,
        writes: bool,
    ) -> Result<Option<Vec<DB::Row>>, Error> {
        // What cannot be encoded the chain tells, too.
        let Ok(statement) = statement else {
            return Ok(None);
        };
        let (text, arguments, keep_prepared) = statement.into_parts();
        let mut rows = Vec::new();
        let sent =
            DB::Driver::fetch_into(self.connection, text, arguments, keep_prepared, &mut rows);
        let Err(source) = sent.await else {
            return Ok(Some(rows));
        };
        let is_answer = source
            .as_database_error()
            .is_some_and(|error| rows.is_empty() || !DB::Driver::ends_session(error));
        if writes && !is_answer {
            return Err(Error::of_commit::<DB>(self.at(operation), source));
        }
        match cause::<DB>(&source) {
            Cause::Unique
            | Cause::NotQuiet
            | Cause::Serialization
            | Cause::TransactionGone
            | Cause::Record
            | Cause::NotPermitted
            | Cause::Other => Ok(None),
            _ => Err(self.failed(operation)(source)),
        }
    }
}

impl<DB: Supported> Statement<DB> {
    /// `SELECT "id", …, CASE WHEN "remote_id" = $1 THEN 0 WHEN "slug" = $2 THEN 1 END, NULLIF("taxonomy".xmin::TEXT::INT8, 0)
    /// FROM (SELECT set_config('upsert.look', '1', true) AS upsert_mark WHERE …) upsert_mark LEFT JOIN "taxonomy" ON "id" =
    /// COALESCE((SELECT "id" FROM "taxonomy" WHERE "remote_id" = $1), (SELECT "id" FROM "taxonomy" WHERE "slug" = $2))`
    ///
    /// One row, which is one of NULLs if no look-up finds one; none where the transaction is not this statement's own. Two rows
    /// with one key are refused.
    fn look(alone: &Alone, mapping: Mapping<DB>, new: &New) -> sqlx::Result<Self> {
        let sql = mapping.sql();
        let Sql { select, from, .. } = sql;
        let id = sql.names[mapping.model.id];
        let live = mapping.deleted_sql().map_or("", |marks| marks.live);
        let shape = Shape::new(Kind::Look, mapping.usable_places(new), []);
        let mut this = Self::shaped(mapping, shape);
        this.push(select);
        this.push(", CASE");
        let mut looks = Vec::new();
        for (place, lookup) in mapping.usable_lookups(new) {
            let has_key = this.has_key(mapping, new, lookup)?;
            if this.is_known {
                continue;
            }
            this.push(&format!(" WHEN {has_key} THEN {place}"));
            looks.push(format!("(SELECT {id}{from} WHERE {has_key}{live})"));
        }
        if this.is_known {
            return Ok(this);
        }
        let Alone { is_own, mark, .. } = alone;
        let (own, version, looks) = (sql.own("mark"), version(alone, sql), looks.join(", "));
        let table = table(sql);
        this.push(&format!(
            " END, {version} FROM (SELECT {mark} AS {own} WHERE {is_own}) {own} \
             LEFT JOIN {table} ON {id} = COALESCE({looks})"
        ));
        this.keep(mapping, shape);
        Ok(this)
    }

    /// `UPDATE … SET "name" = $1, … WHERE "id" = $2 AND (NULLIF("taxonomy".xmin::TEXT::INT8, 0) = $3 OR ("remote_id" = $4 AND
    /// "name"::TEXT COLLATE "C" IS DISTINCT FROM $5::TEXT COLLATE "C" AND "slug"… IS NOT DISTINCT FROM $6…)) AND …`
    ///
    /// The version that was read; else one that has the record's key, to which all columns that are written are new, and in which
    /// all others that the caller set are still as they were read. Without creating data only the version that was read. Where the
    /// statement waited for a lock the server asks this of the version that it then has locked.
    fn update_alone(
        alone: &Alone,
        mapping: Mapping<DB>,
        (found, number): (&Found, i64),
        new: Option<&New>,
        (changes, columns): (&Changes, &[usize]),
    ) -> sqlx::Result<Self> {
        let (model, fields, text) = (mapping.model, mapping.fields, alone.text);
        let assignments = Assignments {
            data: Some((changes, columns)),
            mark: None,
        };
        let set = model.updated.iter().copied();
        let set =
            set.filter(|&column| new.is_some() && (fields.in_changes)(changes, column).is_some());
        let kind = match new {
            Some(_) => Kind::UpdateAlone(found.lookup),
            None => Kind::UpdateVersion,
        };
        let shape = Shape::new(kind, columns.iter().copied(), set);
        let mut this = Self::shaped(mapping, shape);
        this.set(mapping, &found.row, assignments)?;
        if !this.is_known {
            this.push(&format!(" AND ({} = ", version(alone, mapping.sql())));
        }
        let bound = DB::Driver::bind_number(number, &mut this.arguments);
        bound.map_err(sqlx::Error::Encode)?;
        this.placeholder();
        if let Some(new) = new {
            let has_key = this.has_key(mapping, new, &model.lookups[found.lookup])?;
            this.push(" OR (");
            this.push(&has_key);
            for &column in model.updated {
                let Some(change) = (fields.in_changes)(changes, column) else {
                    continue;
                };
                let (is, value) = if columns.contains(&column) {
                    ("IS DISTINCT FROM", change)
                } else {
                    ("IS NOT DISTINCT FROM", (fields.in_row)(&found.row, column))
                };
                for piece in [" AND ", mapping.sql().names[column], text, " ", is, " "] {
                    this.push(piece);
                }
                mapping.bind(column, Some(value), &mut this.arguments)?;
                this.placeholder();
                this.push(text);
            }
            this.push(")");
        }
        this.push(") AND ");
        this.push(alone.is_unmarked);
        mapping.bind_id(&found.row, &mut this.arguments)?;
        if this.is_known {
            return Ok(this);
        }
        let mut has_id = format!("{} = ", mapping.sql().names[model.id]);
        // Writing to a `String` cannot fail.
        let _ = this.arguments.format_placeholder(&mut has_id);
        this.all_or_nothing(alone, mapping, vec![has_id]);
        this.keep(mapping, shape);
        Ok(this)
    }

    /// `INSERT … SELECT $1, … WHERE … ON CONFLICT DO NOTHING`
    fn insert_alone(alone: &Alone, mapping: Mapping<DB>, new: &New) -> sqlx::Result<Self> {
        let shape = Shape::new(Kind::InsertAlone, mapping.usable_places(new), []);
        let mut this = Self::shaped(mapping, shape);
        this.push(mapping.sql().insert);
        this.push(" SELECT ");
        this.created(mapping, new)?;
        this.push(" WHERE ");
        this.push(alone.is_unmarked);
        this.push(DB::Driver::CAPABILITIES.quiet_insert.unwrap_or_default());
        let mut keys = Vec::new();
        for (_, lookup) in mapping.usable_lookups(new) {
            keys.push(this.has_key(mapping, new, lookup)?);
        }
        if this.is_known {
            return Ok(this);
        }
        this.all_or_nothing(alone, mapping, keys);
        this.keep(mapping, shape);
        Ok(this)
    }

    /// `WITH upsert_written AS (… RETURNING "id", …) SELECT "id", …, 1 / CASE WHEN "id" IS NOT NULL AND … THEN 1 ELSE 0 END
    /// FROM (SELECT) upsert_one LEFT JOIN upsert_written ON TRUE WHERE "id" IS NOT NULL OR …`
    ///
    /// What the chain would take back is an error: no row, of which triggers may have written something all the same, a row that
    /// could not be read, or one whose keys are not those given. In a transaction that was marked there is no row and no error,
    /// which would end it.
    fn all_or_nothing(&mut self, alone: &Alone, mapping: Mapping<DB>, mut conditions: Vec<String>) {
        let sql = mapping.sql();
        for (column, name) in sql.names.iter().enumerate() {
            if !mapping.is_optional(column) {
                conditions.push(format!("{name} IS NOT NULL"));
            }
        }
        let (written, one) = (sql.own("written"), sql.own("one"));
        let (select, returning) = (sql.select, sql.returning.unwrap_or_default());
        let (id, conditions) = (sql.names[mapping.model.id], conditions.join(" AND "));
        self.text = format!(
            "WITH {written} AS ({}{returning}) {select}, 1 / CASE WHEN {conditions} THEN 1 ELSE 0 END \
             FROM (SELECT) {one} LEFT JOIN {written} ON TRUE WHERE {id} IS NOT NULL OR {}",
            self.text, alone.is_unmarked
        )
        .into();
    }

    /// `"site_id" = $1 AND "slug" = $2`, bound; nothing where the text is known.
    fn has_key(
        &mut self,
        mapping: Mapping<DB>,
        new: &New,
        lookup: &Lookup,
    ) -> sqlx::Result<String> {
        let mut text = String::new();
        for (part, &column) in lookup.columns.iter().enumerate() {
            mapping.bind_new(new, column, &mut self.arguments)?;
            if self.is_known {
                continue;
            }
            let and = if part > 0 { " AND " } else { "" };
            for piece in [and, mapping.sql().names[column], " = "] {
                text.push_str(piece);
            }
            // Writing to a `String` cannot fail.
            let _ = self.arguments.format_placeholder(&mut text);
        }
        Ok(text)
    }
}

impl<DB: Supported> Mapping<DB> {
    /// What tells a version of a row from every other one, as an expression that is NULL where there are no versions.
    pub(crate) fn version(self) -> Option<String> {
        let alone = DB::Driver::CAPABILITIES.alone?;
        Some(version(&alone, self.sql()))
    }

    /// The look-ups for which creating data have a key, with their places.
    fn usable_lookups(self, new: &New) -> impl Iterator<Item = (usize, &'static Lookup)> + '_ {
        let lookups = self.model.lookups.iter().enumerate();
        lookups.filter(move |(_, lookup)| self.usable(lookup, new))
    }

    fn usable_places(self, new: &New) -> impl Iterator<Item = usize> + '_ {
        self.usable_lookups(new).map(|(place, _)| place)
    }
}

/// `"taxonomy"`
fn table(sql: &'static Sql) -> &'static str {
    sql.from.trim_start_matches(" FROM ")
}

/// `NULLIF("taxonomy".xmin::TEXT::INT8, 0)`
fn version(alone: &Alone, sql: &'static Sql) -> String {
    format!("NULLIF({}.{}, 0)", table(sql), alone.version)
}
