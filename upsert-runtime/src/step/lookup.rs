//! Finds and locks rows: by the look-ups in the order declared, by a single key, by many.

use std::ops::RangeTo;

use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::locking::Locking;
use crate::mapping::{Mapping, Target};
use crate::rules::OnDeleted;
use crate::schema::{KeyPath, Lookup};
use crate::value::{KeyParts, New, Row};

use super::{Session, Statement};

/// A row, and the place of the look-up that found it.
pub(crate) struct Found {
    pub(crate) row: Row,
    pub(crate) lookup: usize,
    /// The place of the look: each look-up has one, or one for rows that are not marked as deleted and one for those that are.
    pub(crate) look: usize,
    /// Whether it is locked; else it may be read but not written.
    pub(crate) is_locked: bool,
}

/// What a second look shows, after one that has found nothing.
pub(crate) enum SecondLook {
    Found(Found),
    Nothing,
    /// A row was seen, and was gone or had other keys by the time it was to be locked.
    Gone,
}

impl SecondLook {
    /// The row that it shows.
    pub(crate) fn found(self) -> Option<Found> {
        match self {
            Self::Found(found) => Some(found),
            Self::Nothing | Self::Gone => None,
        }
    }
}

impl From<Option<Found>> for SecondLook {
    fn from(found: Option<Found>) -> Self {
        found.map_or(Self::Nothing, Self::Found)
    }
}

impl Found {
    /// Refuses a row that a fallback found but that is another record by an earlier key, where that is forbidden.
    pub(crate) fn check_identity<DB: Supported>(
        &self,
        mapping: Mapping<DB>,
        new: &New,
    ) -> Result<(), Error> {
        let model = mapping.model;
        let key = &model.lookups[self.lookup];
        match self.claim(mapping, new) {
            Some(earlier) if key.unclaimed || earlier.columns.contains(&model.id) => {
                Err(Error::IdentityConflict {
                    model: model.name,
                    matched_by: key.name,
                    claimed_by: earlier.name,
                })
            }
            _ => Ok(()),
        }
    }

    /// The earlier key by which the row is another record: it was asked for and did not find this row.
    fn claim<DB: Supported>(&self, mapping: Mapping<DB>, new: &New) -> Option<&'static Lookup> {
        let mut earlier = mapping.model.lookups[..self.lookup].iter();
        earlier.find(|key| mapping.usable(key, new) && mapping.usable_in_row(key, &self.row))
    }
}

impl<DB: Supported> Mapping<DB> {
    /// Refuses to look for marked rows where none is marked.
    pub(crate) fn check_marks(self, on_deleted: OnDeleted) -> Result<(), Error> {
        if on_deleted == OnDeleted::Ignore || self.deleted_sql().is_some() {
            return Ok(());
        }
        Err(Error::Unsupported {
            model: Some(self.model.name),
            option: "`on_deleted` for a model without an `#[upsert(deleted)]` field",
            database: "this crate",
        })
    }

    /// Refuses a record that no look-up can find.
    pub(crate) fn check_usable(self, new: &New) -> Result<(), Error> {
        let model = self.model;
        if model.lookups.iter().any(|key| self.usable(key, new)) {
            return Ok(());
        }
        Err(self.no_usable_key())
    }

    /// No look-up finds a record.
    pub(crate) fn no_usable_key(self) -> Error {
        let lookups = self.model.lookups.iter();
        let names = lookups.map(|key| format!("`{}`", key.name));
        Error::NoUsableKey {
            model: self.model.name,
            lookups: names.collect::<Vec<_>>().join(", "),
        }
    }
}

impl<DB: Supported> Session<'_, DB> {
    /// Finds and locks the row of `new`.
    ///
    /// A look-up may wait for a lock, and what a look-up before it did not find may be there by then: a row renamed, or deleted
    /// and inserted again. So the look-ups before the one that found a row are asked again, now that it is locked, until they
    /// find nothing. Each round ends earlier than the one before.
    ///
    /// Where a locking read leaves rows out that may not be written, they are asked without a lock first: a row with an earlier
    /// key is the record's, whether it may be written or not.
    pub(crate) async fn find(&mut self, new: &New) -> Result<Option<Found>, Error> {
        let mut found = self.first(new, ..self.looks()).await?;
        while let Some(later) = &found
            && DB::Driver::CAPABILITIES.locks_rows
        {
            let end = later.look;
            let earlier = if self.hides_rows() {
                self.first_in_sight(new, ..end).await?
            } else {
                self.first(new, ..end).await?
            };
            match earlier {
                Some(earlier) => found = Some(earlier),
                None => break,
            }
        }
        Ok(found)
    }

    /// Looks for the row of `new` once more, of which `find` has found none: it may have waited for a row that was renamed, or
    /// the row may be one that can be read but not locked.
    pub(crate) async fn look_again(&mut self, new: &New) -> Result<SecondLook, Error> {
        if !self.hides_rows() {
            return if self.may_have_waited() {
                Ok(self.find(new).await?.into())
            } else {
                Ok(SecondLook::Nothing)
            };
        }
        let end = self.looks();
        let Some(seen) = self.reading().first(new, ..end).await? else {
            return Ok(SecondLook::Nothing);
        };
        let found = match self.find(new).await? {
            Some(found) => Some(found),
            None => self.if_out_of_reach(seen).await?,
        };
        Ok(found.map_or(SecondLook::Gone, SecondLook::Found))
    }

    /// How many looks there are.
    fn looks(&self) -> usize {
        self.mapping.model.lookups.len() * self.locking.rows.looks().len()
    }

    /// The first of these looks that finds a row, which is locked if it may be.
    async fn first_in_sight(
        &mut self,
        new: &New,
        looks: RangeTo<usize>,
    ) -> Result<Option<Found>, Error> {
        match self.reading().first(new, looks).await? {
            None => Ok(None),
            Some(seen) => match self.first(new, looks).await? {
                Some(found) if found.look <= seen.look => Ok(Some(found)),
                found => Ok(self.if_out_of_reach(seen).await?.or(found)),
            },
        }
    }

    /// A row that was seen and could not be locked, if it may not be. It may also be gone by now, or have other keys.
    async fn if_out_of_reach(&mut self, seen: Found) -> Result<Option<Found>, Error> {
        let is = self.is_out_of_reach(&seen.row).await?;
        Ok(is.then_some(Found {
            is_locked: false,
            ..seen
        }))
    }

    /// Whether a row that was seen cannot be locked by its id, and is there all the same.
    async fn is_out_of_reach(&mut self, row: &Row) -> Result<bool, Error> {
        Ok(self.by_id(row).await?.is_none() && self.reading().by_id(row).await?.is_some())
    }

    /// The row with the id of this one.
    async fn by_id(&mut self, row: &Row) -> Result<Option<Row>, Error> {
        let find = Statement::find_row(self.target(), row);
        self.one_of(KeyPath::Id, find).await
    }

    /// Whether a look that locks may leave rows out that may not be written. Of one that leaves out what is locked nobody asks.
    fn hides_rows(&self) -> bool {
        DB::Driver::CAPABILITIES.hides_rows && !self.locking.skip_locked
    }

    /// The same session for reads that lock nothing.
    pub(crate) fn reading(&mut self) -> Session<'_, DB> {
        Session {
            connection: &mut *self.connection,
            mapping: self.mapping,
            locking: Locking {
                is_plain: true,
                ..self.locking
            },
        }
    }

    /// The first of these looks that finds a row.
    async fn first(&mut self, new: &New, looks: RangeTo<usize>) -> Result<Option<Found>, Error> {
        let mapping = self.mapping;
        let of_lookup = self.locking.rows.looks();
        for look in 0..looks.end {
            let (lookup, rows) = (look / of_lookup.len(), of_lookup[look % of_lookup.len()]);
            if mapping.usable(&mapping.model.lookups[lookup], new) {
                let locking = Locking {
                    rows,
                    ..self.locking
                };
                let find = Statement::find_new(Target { mapping, locking }, lookup, new);
                if let Some(row) = self.one_of(KeyPath::Lookup(lookup), find).await? {
                    return Ok(Some(Found {
                        row,
                        lookup,
                        look,
                        is_locked: true,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The row that has this key, locked.
    ///
    /// Nothing found after a wait proves nothing: the row that was waited for has changed its key or is deleted, and another
    /// one may have the key now. So a look-up that may have waited is asked once more; where rows may be left out that may not be
    /// written, without a lock first.
    pub(crate) async fn one(
        &mut self,
        path: KeyPath,
        key: &KeyParts,
    ) -> Result<Option<Row>, Error> {
        let find = Statement::find_key(self.target(), path, key);
        let found = self.one_of(path, find).await?;
        if found.is_some() {
            return Ok(found);
        }
        let mut seen = None;
        if self.hides_rows() {
            let mut reading = self.reading();
            let find = Statement::find_key(reading.target(), path, key);
            seen = reading.one_of(path, find).await?;
            if seen.is_none() {
                return Ok(None);
            }
        } else if !self.may_have_waited() {
            return Ok(None);
        }
        let find = Statement::find_key(self.target(), path, key);
        let found = self.one_of(path, find).await?;
        match seen {
            Some(seen) if found.is_none() && self.is_out_of_reach(&seen).await? => {
                Err(Error::out_of_reach(self.at(self.looking_up(path))))
            }
            _ => Ok(found),
        }
    }

    /// Whether a look-up that found nothing may have waited for a row.
    pub(crate) fn may_have_waited(&self) -> bool {
        DB::Driver::CAPABILITIES.locks_rows && self.locking.waits()
    }

    /// The rows that have these keys, locked in the order of the primary key, each once, in the order of the keys.
    ///
    /// A plain SELECT tells what is there; then the rows are locked in one statement, which also says which key a row has by
    /// then. What it left open is looked up key by key.
    pub(crate) async fn many(
        &mut self,
        path: KeyPath,
        keys: &[KeyParts],
    ) -> Result<Vec<Row>, Error> {
        let operation = self.looking_up(path);
        let mut found: Vec<Option<Row>> = keys.iter().map(|_| None).collect();
        let rows = self.lock_in_order(path, keys).await;
        for (row, key) in rows.map_err(self.failed(operation))? {
            // A row that has none of the keys any more stays locked, and is not one of those asked for.
            let Some(place) = key.and_then(|place| found.get_mut(place)) else {
                continue;
            };
            if place.replace(row).is_some() {
                let at = self.at(operation);
                return Err(Error::Ambiguous { at });
            }
        }
        if DB::Driver::CAPABILITIES.locks_rows {
            for (place, key) in keys.iter().enumerate() {
                if found[place].is_none()
                    && let Some(row) = self.one(path, key).await?
                    // Two keys that the database calls equal.
                    && !self.is_among(&row, &found).map_err(self.failed(operation))?
                {
                    found[place] = Some(row);
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether the row, by its id, is one of these.
    fn is_among(&self, row: &Row, others: &[Option<Row>]) -> sqlx::Result<bool> {
        let id = self.mapping.id_bytes(row)?;
        for other in others.iter().flatten() {
            if self.mapping.id_bytes(other)? == id {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rows that have one of the keys, locked in the order of the primary key, and the place of the key that each has
    /// then.
    async fn lock_in_order(
        &mut self,
        path: KeyPath,
        keys: &[KeyParts],
    ) -> sqlx::Result<Vec<(Row, Option<usize>)>> {
        let mapping = self.mapping;
        let rows = self
            .fetch(Statement::read_many(self.target(), path, keys)?)
            .await?;
        let seen: Vec<Row> = rows
            .iter()
            .map(|row| mapping.decode(row))
            .collect::<sqlx::Result<_>>()?;
        if seen.is_empty() {
            return Ok(Vec::new());
        }
        let lock = Statement::lock_many(self.target(), path, keys, &seen)?;
        let rows = self.fetch(lock).await?;
        let place = |row: &DB::Row| DB::Driver::number(row, mapping.model.columns.len());
        rows.iter()
            .map(|row| {
                let place = place(row)?.and_then(|place| place.try_into().ok());
                Ok((mapping.decode(row)?, place))
            })
            .collect()
    }

    /// The row that one look-up finds, locked.
    async fn one_of(
        &mut self,
        path: KeyPath,
        find: sqlx::Result<Statement<DB>>,
    ) -> Result<Option<Row>, Error> {
        let operation = self.looking_up(path);
        let failed = self.failed(operation);
        let rows = self.fetch(find.map_err(failed)?).await.map_err(failed)?;
        match &rows[..] {
            [] => Ok(None),
            [row] => self.mapping.decode(row).map(Some).map_err(failed),
            _ => Err(Error::Ambiguous {
                at: self.at(operation),
            }),
        }
    }

    fn looking_up(&self, path: KeyPath) -> Operation {
        let lookup = path.name(self.mapping.model);
        Operation::LookUp { lookup }
    }

    /// The row as it is now, after a write of ours. It is locked. A locking read may leave out what a policy lets nobody write any
    /// more; elsewhere a plain one may see the row as a snapshot has it (MySQL, where the values that were written are those that
    /// somebody else had written before).
    pub(crate) async fn read_again(&mut self, row: &Row) -> sqlx::Result<Row> {
        let is_plain = DB::Driver::CAPABILITIES.hides_rows;
        let target = Target {
            mapping: self.mapping,
            locking: Locking {
                is_plain,
                ..self.locking
            },
        };
        let rows = self.fetch(Statement::find_row(target, row)?).await?;
        self.mapping
            .decode(rows.first().ok_or(sqlx::Error::RowNotFound)?)
    }

    /// The row as it is now: a locked read, since a plain one may see an older snapshot (MySQL at REPEATABLE READ).
    ///
    /// The row is locked already. Where what was written has made it one that may not be written again, it can still be read.
    pub(crate) async fn refresh(&mut self, row: &Row) -> Result<Row, Error> {
        let mut found = self.by_id(row).await?;
        if found.is_none() && self.hides_rows() {
            found = self.reading().by_id(row).await?;
        }
        found.ok_or_else(|| self.failed(Operation::Refresh)(sqlx::Error::RowNotFound))
    }
}
