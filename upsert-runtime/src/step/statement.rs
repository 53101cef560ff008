//! Joins the texts that the derive wrote where the shape is known only at run time, and binds the values.
//!
//! Every piece is text that the derive or this crate wrote; values are bound.

use std::borrow::Cow;

use sqlx::{Arguments, AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::backend::{Dialect as _, Supported};
use crate::locking::{Locking, Rows};
use crate::mapping::{Mapping, Target};
use crate::schema::{KeyPath, Sql};
use crate::value::{Changes, KeyParts, New, Row, Value};

use super::Assignments;

use super::known::{self, Kind, Shape};

/// A statement: its text, and the values that are bound so far.
pub(crate) struct Statement<DB: Supported> {
    pub(super) text: Cow<'static, str>,
    pub(crate) arguments: DB::Arguments,
    /// Whether the connection keeps it prepared.
    keep_prepared: bool,
    /// Whether the text is all there, so that only values are bound.
    pub(super) is_known: bool,
}

/// What binds values, each behind the text that is there.
impl<DB: Supported> Statement<DB> {
    /// A statement that a connection keeps prepared. It keeps a hundred, so there must be few texts of a kind.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            arguments: DB::Arguments::default(),
            keep_prepared: true,
            is_known: false,
        }
    }

    /// A statement of this shape. If that was put together before, its text is there, and what is written behind it is left out.
    pub(super) fn shaped(mapping: Mapping<DB>, shape: Option<Shape>) -> Self {
        let text = shape.and_then(|shape| known::text(mapping.sql(), shape));
        Self {
            is_known: text.is_some(),
            ..Self::new(text.unwrap_or_default())
        }
    }

    /// Keeps the text, which is all there, for the next statement of this shape.
    pub(super) fn keep(&mut self, mapping: Mapping<DB>, shape: Option<Shape>) {
        if let (false, Some(shape)) = (self.is_known, shape) {
            known::keep(mapping.sql(), shape, &self.text);
        }
    }

    /// A statement that is planned each time: its text is as long as its values are many, or the best plan changes with the
    /// table.
    ///
    /// Kept prepared, PostgreSQL would go on with the plan that was best when the table was small: a million unchanged records
    /// took 162 us each then, and take 40 so (a debug build).
    pub(crate) fn planned(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            keep_prepared: false,
            ..Self::new(text)
        }
    }

    /// A statement of many rows.
    pub(crate) fn of_many(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            keep_prepared: DB::Driver::CAPABILITIES.few_sizes,
            ..Self::planned(text)
        }
    }

    /// The statement with these values bound in place of those it has.
    pub(crate) fn with(self, arguments: DB::Arguments) -> Self {
        Self { arguments, ..self }
    }

    /// Writes text behind what is there.
    pub(crate) fn push(&mut self, text: &str) {
        if !self.is_known {
            self.text.to_mut().push_str(text);
        }
    }

    /// A comma before all but the first.
    pub(crate) fn separate(&mut self, place: usize) {
        if place > 0 {
            self.push(", ");
        }
    }

    /// The placeholder of the value that was bound last.
    pub(crate) fn placeholder(&mut self) {
        if self.is_known {
            return;
        }
        // Writing to a `String` cannot fail.
        let _ = self.arguments.format_placeholder(self.text.to_mut());
    }

    /// A row's id: its placeholder, bound.
    pub(crate) fn id(&mut self, mapping: Mapping<DB>, row: &Row) -> sqlx::Result<()> {
        mapping.bind_id(row, &mut self.arguments)?;
        self.placeholder();
        Ok(())
    }

    /// The value of a column in creating data: its placeholder, bound.
    pub(crate) fn new_value(
        &mut self,
        mapping: Mapping<DB>,
        new: &New,
        column: usize,
    ) -> sqlx::Result<()> {
        mapping.bind_new(new, column, &mut self.arguments)?;
        self.placeholder();
        Ok(())
    }

    /// The value to which updating data set a column, or NULL: its placeholder, bound.
    pub(crate) fn change(
        &mut self,
        mapping: Mapping<DB>,
        changes: &Changes,
        column: usize,
    ) -> sqlx::Result<()> {
        mapping.bind_change(changes, column, &mut self.arguments)?;
        self.placeholder();
        Ok(())
    }

    /// `"site_id" = $1 AND "slug" = $2`
    fn equal(&mut self, mapping: Mapping<DB>, path: KeyPath, key: &KeyParts) -> sqlx::Result<()> {
        let columns = path.columns(mapping.model).iter().enumerate();
        self.equals(
            mapping,
            columns.map(|(part, &column)| (column, key.get(part))),
        )
    }

    /// The same for columns and their values.
    pub(super) fn equals<'v>(
        &mut self,
        mapping: Mapping<DB>,
        values: impl Iterator<Item = (usize, Option<&'v Value>)>,
    ) -> sqlx::Result<()> {
        for (part, (column, value)) in values.enumerate() {
            self.push(if part > 0 { " AND " } else { "" });
            self.push(mapping.sql().names[column]);
            self.push(" = ");
            mapping.bind(column, value, &mut self.arguments)?;
            self.placeholder();
        }
        Ok(())
    }

    /// What is sent: the text, the values, and whether it is kept prepared.
    pub(crate) fn into_parts(self) -> (SqlStr, DB::Arguments, bool) {
        let text = match self.text {
            Cow::Borrowed(text) => SqlStr::from_static(text),
            Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
        };
        (text, self.arguments, self.keep_prepared)
    }
}

/// The statements of one row, and of rows by their keys.
impl<DB: Supported> Statement<DB> {
    /// `SELECT … WHERE "slug" = $1 LIMIT 2 FOR NO KEY UPDATE`, where rows are marked as deleted
    /// `SELECT … WHERE "slug" = $1 AND "deleted_at" IS NULL LIMIT 2 FOR NO KEY UPDATE`, or
    /// `SELECT … WHERE "slug" = $1 AND "deleted_at" IS NOT NULL ORDER BY "deleted_at" DESC, "id" DESC LIMIT 1 FOR NO KEY UPDATE`
    fn find<'v>(
        Target { mapping, locking }: Target<DB>,
        path: KeyPath,
        values: impl Iterator<Item = (usize, Option<&'v Value>)>,
    ) -> sqlx::Result<Self> {
        let sql = mapping.sql();
        let mut this = Self::new(match path {
            KeyPath::Id => sql.by_id,
            KeyPath::Lookup(lookup) => sql.find[lookup],
        });
        match (mapping.deleted_sql(), path) {
            (Some(marks), _) if locking.rows == Rows::Marked => {
                this = Self::new(format!("{}{} WHERE ", sql.select, sql.from));
                this.equals(mapping, values)?;
                this.push(marks.marked);
                this.push(marks.last);
            }
            (marks, _) => {
                // The texts of look-ups have it in them.
                if let (Some(marks), KeyPath::Id) = (marks, path) {
                    this.push(marks.live);
                }
                for (column, value) in values {
                    mapping.bind(column, value, &mut this.arguments)?;
                }
            }
        }
        this.lock(locking);
        Ok(this)
    }

    /// ` FOR NO KEY UPDATE`, where there is such a thing.
    fn lock(&mut self, locking: Locking) {
        if let Some(lock) = DB::Driver::lock_clause(locking) {
            self.push(lock);
        }
    }

    /// Finds and locks the row with this key.
    pub(crate) fn find_key(
        target: Target<DB>,
        path: KeyPath,
        key: &KeyParts,
    ) -> sqlx::Result<Self> {
        let columns = path.columns(target.mapping.model).iter().enumerate();
        let values = columns.map(|(part, &column)| (column, key.get(part)));
        Self::find(target, path, values)
    }

    /// Finds and locks the row of creating data by one look-up.
    pub(crate) fn find_new(target: Target<DB>, lookup: usize, new: &New) -> sqlx::Result<Self> {
        let Mapping { model, fields, .. } = target.mapping;
        let columns = model.lookups[lookup].columns.iter();
        let values = columns.map(|&column| (column, Some((fields.in_new)(new, column))));
        Self::find(target, KeyPath::Lookup(lookup), values)
    }

    /// Finds and locks a row that is known, whether it is marked or not.
    pub(crate) fn find_row(
        Target { mapping, locking }: Target<DB>,
        row: &Row,
    ) -> sqlx::Result<Self> {
        let mut this = Self::new(mapping.sql().by_id);
        mapping.bind_id(row, &mut this.arguments)?;
        this.lock(locking);
        Ok(this)
    }

    /// Binds these columns of creating data, in this order, for placeholders that are there already.
    pub(crate) fn bind_new(
        &mut self,
        mapping: Mapping<DB>,
        new: &New,
        columns: &[usize],
    ) -> sqlx::Result<()> {
        for &column in columns {
            mapping.bind_new(new, column, &mut self.arguments)?;
        }
        Ok(())
    }

    /// `SELECT … FROM "taxonomy" WHERE "slug" = $1 OR "slug" = $2`, without a lock. Where rows are marked as deleted
    /// `… WHERE ("slug" = $1 OR "slug" = $2) AND "deleted_at" IS NULL`.
    pub(crate) fn read_many(
        target: Target<DB>,
        path: KeyPath,
        keys: &[KeyParts],
    ) -> sqlx::Result<Self> {
        let mapping = target.mapping;
        let Sql { select, from, .. } = mapping.sql();
        let (before, after) =
            marks(target).map_or(("", String::new()), |marks| ("(", format!("){marks}")));
        let mut this = Self::planned(format!("{select}{from} WHERE {before}"));
        for (place, key) in keys.iter().enumerate() {
            this.push(if place > 0 { " OR " } else { "" });
            this.equal(mapping, path, key)?;
        }
        this.push(&after);
        Ok(this)
    }

    /// `SELECT …, CASE WHEN "slug" = $1 THEN 0 WHEN … END FROM "taxonomy" WHERE "id" IN ($2, …) ORDER BY "id" FOR NO KEY UPDATE`
    ///
    /// The last column is the place of the key that a row has now, NULL if it has none of them: what is equal, the database
    /// says.
    pub(crate) fn lock_many(
        target: Target<DB>,
        path: KeyPath,
        keys: &[KeyParts],
        rows: &[Row],
    ) -> sqlx::Result<Self> {
        let Target { mapping, locking } = target;
        let Sql {
            select,
            from,
            names,
            ..
        } = mapping.sql();
        let mut this = Self::planned(format!("{select}, CASE"));
        for (place, key) in keys.iter().enumerate() {
            this.push(" WHEN ");
            this.equal(mapping, path, key)?;
            this.push(&format!(" THEN {place}"));
        }
        let id = names[mapping.model.id];
        this.push(&format!(" END{from} WHERE {id} IN ("));
        for (place, row) in rows.iter().enumerate() {
            this.separate(place);
            this.id(mapping, row)?;
        }
        let marks = marks(target).unwrap_or_default();
        let lock = DB::Driver::lock_clause(locking).unwrap_or_default();
        this.push(&format!("){marks} ORDER BY {id}{lock}"));
        Ok(this)
    }

    /// `INSERT … VALUES (…) ON CONFLICT DO NOTHING RETURNING …`, or
    /// `INSERT … VALUES (…) RETURNING "id"; SELECT … WHERE "id" = last_insert_rowid() AND changes() > 0`
    pub(crate) fn insert(mapping: Mapping<DB>, new: &New, quiet: bool) -> sqlx::Result<Self> {
        let sql = mapping.sql();
        let shape = Shape::new(Kind::Insert { quiet }, [], []);
        let mut this = Self::shaped(mapping, shape);
        this.push(sql.insert);
        this.push(" VALUES (");
        this.created(mapping, new)?;
        if this.is_known {
            return Ok(this);
        }
        this.push(")");
        if quiet {
            this.push(DB::Driver::CAPABILITIES.quiet_insert.unwrap_or_default());
        }
        if let Some(is_created) = DB::Driver::CAPABILITIES.reads_behind {
            let Sql { select, from, .. } = sql;
            let id = sql.names[mapping.model.id];
            this.push(&format!(
                " RETURNING {id}; {select}{from} WHERE {id}{is_created}"
            ));
        } else {
            this.returning(mapping);
        }
        this.keep(mapping, shape);
        Ok(this)
    }

    /// ` RETURNING "id", …`, behind an INSERT, where there is such a thing.
    pub(crate) fn returning(&mut self, mapping: Mapping<DB>) {
        let Sql {
            select, returning, ..
        } = mapping.sql();
        self.push(returning.unwrap_or_default());
        if let Some([before, after]) = DB::Driver::CAPABILITIES.may_return {
            let columns = select.trim_start_matches("SELECT ");
            self.push(&format!("{before}{columns}{after}"));
        }
    }

    /// The values of the created columns, bound, then those of the `touch` columns.
    pub(super) fn created(&mut self, mapping: Mapping<DB>, new: &New) -> sqlx::Result<()> {
        for (place, &column) in mapping.model.created.iter().enumerate() {
            self.separate(place);
            self.new_value(mapping, new, column)?;
        }
        self.push(mapping.sql().insert_touch);
        Ok(())
    }

    /// `SELECT CASE WHEN NOT COALESCE("slug" = $1, FALSE) THEN 0 … END FROM "taxonomy" WHERE "id" = $2`
    ///
    /// The place of the first of these columns in which the row has another value than creating data; NULL if there is none.
    pub(crate) fn compare(
        mapping: Mapping<DB>,
        row: &Row,
        new: &New,
        columns: &[usize],
    ) -> sqlx::Result<Self> {
        let Sql {
            from,
            names,
            where_id,
            ..
        } = mapping.sql();
        let mut this = Self::new("SELECT CASE");
        for (place, &column) in columns.iter().enumerate() {
            this.push(&format!(" WHEN NOT COALESCE({} = ", names[column]));
            this.new_value(mapping, new, column)?;
            this.push(&format!(", FALSE) THEN {place}"));
        }
        this.push(&format!(" END{from}{where_id}"));
        this.id(mapping, row)?;
        Ok(this)
    }

    /// `UPDATE … SET "name" = $1, "updated_at" = clock_timestamp() WHERE "id" = $2 RETURNING …`, or
    /// `UPDATE … WHERE "id" = ? RETURNING 1; SELECT …`
    ///
    /// The columns come in the model's order, so that the same change is the same text.
    pub(crate) fn update(
        mapping: Mapping<DB>,
        row: &Row,
        assignments: Assignments<'_>,
    ) -> sqlx::Result<Self> {
        let sql = mapping.sql();
        let Assignments { data, mark } = assignments;
        let columns = data.map_or(&[][..], |(_, columns)| columns);
        let shape = Shape::new(Kind::Update, columns.iter().copied(), []);
        let shape = shape.filter(|_| mark.is_none());
        let mut this = Self::shaped(mapping, shape);
        this.set(mapping, row, assignments)?;
        if DB::Driver::CAPABILITIES.reads_behind.is_some() {
            // That there is a row is all that the first one tells.
            this.push(" RETURNING 1; ");
            this.push(sql.by_id);
            mapping.bind_id(row, &mut this.arguments)?;
        } else {
            this.push(sql.returning.unwrap_or_default());
        }
        this.keep(mapping, shape);
        Ok(this)
    }

    /// The same, and nothing is returned.
    pub(super) fn set(
        &mut self,
        mapping: Mapping<DB>,
        row: &Row,
        Assignments { data, mark }: Assignments<'_>,
    ) -> sqlx::Result<()> {
        let sql = mapping.sql();
        self.push(sql.update);
        let mut assigned = 0;
        if let Some((changes, columns)) = data {
            for &column in columns {
                self.separate(assigned);
                self.push(sql.names[column]);
                self.push(" = ");
                self.change(mapping, changes, column)?;
                assigned += 1;
            }
        }
        if let (Some(mark), Some(marks)) = (mark, mapping.deleted_sql()) {
            self.separate(assigned);
            self.push(if mark { marks.mark } else { marks.restore });
        }
        self.push(sql.touch);
        self.push(sql.where_id);
        self.id(mapping, row)
    }

    /// `DELETE FROM "taxonomy" WHERE "id" = $1`
    pub(crate) fn delete(mapping: Mapping<DB>, row: &Row) -> sqlx::Result<Self> {
        let Sql { from, where_id, .. } = mapping.sql();
        let mut this = Self::new(format!("DELETE{from}{where_id}"));
        this.id(mapping, row)?;
        Ok(this)
    }
}

/// ` AND "deleted_at" IS NULL`, where rows are marked as deleted: which rows a statement about many finds.
fn marks<DB: Supported>(Target { mapping, locking }: Target<DB>) -> Option<&'static str> {
    let marks = mapping.deleted_sql()?;
    match locking.rows {
        Rows::Live => Some(marks.live),
        Rows::Marked => Some(marks.marked),
        Rows::LiveThenMarked => None,
    }
}
