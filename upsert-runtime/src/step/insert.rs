//! Creates a row.

use crate::backend::{Cause, Codec as _, Dialect as _, Supported, Wire as _, cause};
use crate::error::{Error, Operation};
use crate::schema::Lookup;
use crate::value::{New, Row};

use super::{Session, Statement};

/// What became of an INSERT.
pub(crate) enum Inserted {
    Row(Row),
    /// A unique index refused it. The error is missing where the statement was a quiet one.
    Refused(Option<Error>),
    /// The table has a constraint that no quiet statement can look out for. The transaction has failed.
    NotQuiet(Error),
}

impl<DB: Supported> Session<'_, DB> {
    /// Creates the row of `new`, quietly or else so that a refusal is an error. A row in which the database stored other keys
    /// is refused: its record would never find it again.
    pub(crate) async fn insert(&mut self, new: &New, quiet: bool) -> Result<Inserted, Error> {
        let failed = self.failed(Operation::Create);
        let row = match self.send_insert(new, quiet).await {
            Ok(row) => row,
            Err(source) => {
                return match cause::<DB>(&source) {
                    Cause::Unique => Ok(Inserted::Refused(Some(failed(source)))),
                    Cause::NotQuiet if quiet => Ok(Inserted::NotQuiet(failed(source))),
                    _ => Err(failed(source)),
                };
            }
        };
        match row {
            Sent::Row(row) => match self.altered_key(new, &row, &[]).await.map_err(failed)? {
                None => Ok(Inserted::Row(row)),
                Some(column) => Err(self.key_altered(column)),
            },
            Sent::Inserted(id) => self.read_back(new, id).await.map(Inserted::Row),
            Sent::Nothing if quiet => Ok(Inserted::Refused(None)),
            // Neither a row nor an error: looking again would find nothing for ever.
            Sent::Nothing => Err(failed(sqlx::Error::RowNotFound)),
        }
    }

    /// Sends the INSERT and gives the row as the database stored it, where it tells.
    async fn send_insert(&mut self, new: &New, quiet: bool) -> sqlx::Result<Sent<DB>> {
        let mapping = self.mapping;
        let insert = Statement::insert(mapping, new, quiet)?;
        let (rows, done) = self.fetch_all(insert).await?;
        let Some(row) = rows.first() else {
            return Ok(match DB::Driver::affected(&done) {
                0 => Sent::Nothing,
                _ => Sent::Inserted(DB::Driver::inserted_id(&done)),
            });
        };
        if DB::Driver::CAPABILITIES.reads_behind.is_some() {
            let id = DB::Driver::selected_bytes(row, 0)?;
            // The row with the last number is this one, unless the id is none that the database gives.
            return match rows.get(1) {
                Some(read) if DB::Driver::selected_bytes(read, mapping.model.id)? == id => {
                    mapping.decode(read).map(Sent::Row)
                }
                _ => Ok(Sent::Inserted(None)),
            };
        }
        Ok(match mapping.decode(row) {
            Ok(row) => Sent::Row(row),
            // A trigger behind it may have mended it.
            Err(_) => Sent::Inserted(DB::Driver::inserted_id(&done)),
        })
    }

    /// Reads the row that was just inserted, where no `RETURNING` gives it: by its own id, else by a key of the record, which no
    /// row had before.
    ///
    /// The number that the database gave comes last: it may be that of another column, and the row with that id a stranger's.
    /// So no row is believed that has not the record's keys.
    async fn read_back(
        &mut self,
        new: &New,
        inserted_id: Option<DB::Arguments>,
    ) -> Result<Row, Error> {
        let (mapping, failed) = (self.mapping, self.failed(Operation::Create));
        let mut other = None;
        for way in self.ways_back(new, inserted_id) {
            let rows = self.fetch(way.select.map_err(failed)?).await;
            let rows = rows.map_err(failed)?;
            let [row] = &rows[..] else {
                if let (Some(lookup), false) = (way.lookup, rows.is_empty()) {
                    let at = self.at(Operation::LookUp {
                        lookup: lookup.name,
                    });
                    other = Some(Error::Ambiguous { at });
                }
                continue;
            };
            let row = mapping.decode(row).map_err(failed)?;
            let has = way.lookup.map_or(&[][..], |lookup| lookup.columns);
            match self.altered_key(new, &row, has).await.map_err(failed)? {
                None => return Ok(row),
                Some(column) => other = other.or(Some(self.key_altered(column))),
            }
        }
        Err(other.unwrap_or_else(|| {
            // A row was stored, and has none of the keys.
            let mut keys = mapping.model.lookups.iter();
            let key = keys.find(|key| mapping.usable(key, new));
            match key.and_then(|key| key.columns.first()) {
                Some(&column) => self.key_altered(column),
                None => failed(sqlx::Error::RowNotFound),
            }
        }))
    }

    /// How the row that was just inserted may be found, the surest way first.
    pub(crate) fn ways_back(
        &self,
        new: &New,
        inserted_id: Option<DB::Arguments>,
    ) -> Vec<WayBack<DB>> {
        let (mapping, model) = (self.mapping, self.mapping.model);
        let by_id = || Statement::new(mapping.sql().by_id);
        let mut ways = Vec::new();
        if model.created.contains(&model.id) {
            let mut by_id = by_id();
            let bound = by_id.bind_new(mapping, new, &[model.id]);
            ways.push(WayBack {
                select: bound.map(|()| by_id),
                lookup: None,
            });
        }
        for (place, lookup) in model.lookups.iter().enumerate() {
            if mapping.usable(lookup, new) {
                ways.push(WayBack {
                    // Locked: in a snapshot another row may still have the key.
                    select: Statement::find_new(self.target(), place, new),
                    lookup: Some(lookup),
                });
            }
        }
        if let Some(arguments) = inserted_id {
            ways.push(WayBack {
                select: Ok(by_id().with(arguments)),
                lookup: None,
            });
        }
        ways
    }

    /// The first key column of the record in which the row has a value that the database does not call equal. Those that are
    /// `known` to be equal are not compared.
    ///
    /// What is equal byte for byte is equal, so that the database is seldom asked.
    pub(crate) async fn altered_key(
        &mut self,
        new: &New,
        row: &Row,
        known: &[usize],
    ) -> sqlx::Result<Option<usize>> {
        let mapping = self.mapping;
        let lookups = mapping.model.lookups.iter();
        let usable = lookups.filter(|lookup| mapping.usable(lookup, new));
        let mut differing = Vec::new();
        for &column in usable.flat_map(|lookup| lookup.columns) {
            if !known.contains(&column)
                && mapping.bytes_of_new(new, column)? != mapping.bytes_of_row(row, column)?
            {
                differing.push(column);
            }
        }
        if differing.is_empty() {
            return Ok(None);
        }
        let compare = Statement::compare(mapping, row, new, &differing)?;
        let rows = self.fetch(compare).await?;
        let Some(row) = rows.first() else {
            return Ok(differing.first().copied());
        };
        let place = DB::Driver::number(row, 0)?;
        let place = place.and_then(|place| usize::try_from(place).ok());
        Ok(place.and_then(|place| differing.get(place).copied()))
    }

    /// The database has stored another key than the record's.
    pub(crate) fn key_altered(&self, column: usize) -> Error {
        Error::KeyAltered {
            at: self.at(Operation::Create),
            column: self.mapping.model.columns[column].field,
        }
    }
}

/// What the database tells of the row that an INSERT stored.
enum Sent<DB: Supported> {
    Row(Row),
    /// It is to be read, perhaps by the number that the database gave it.
    Inserted(Option<DB::Arguments>),
    Nothing,
}

/// A way to the row that was just inserted.
pub(crate) struct WayBack<DB: Supported> {
    pub(crate) select: sqlx::Result<Statement<DB>>,
    /// The look-up that it is; a row that it finds has the record's key.
    lookup: Option<&'static Lookup>,
}
