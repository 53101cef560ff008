//! What a chunk writes: deletes, updates, inserts, in this order.

use std::collections::HashMap;

use crate::backend::Supported;
use crate::error::{Error, Operation};
use crate::import::plan::{Decision, Left};
use crate::outcome::Outcome;
use crate::step::{Session, Statement, warn_of_spelling};
use crate::value::{Changes, New, Row};

use super::arrays::one_size;
use super::cascade::Deleter;
use super::chunk::{Chunk, Member, RowsByNumber, Settled, Written};
use super::create::Stored;
use super::read::NumberedRow;
use super::read_back::Created;

/// A row that is to be updated: as it is, what is to be set, and in which columns.
pub(super) struct RowUpdate {
    pub(super) record: u32,
    pub(super) row_number: u32,
    pub(super) row: Row,
    pub(super) changes: Changes,
    pub(super) columns: Vec<usize>,
    /// Whether it is marked as deleted, and comes back to life.
    pub(super) revives: bool,
    /// The look-up that found the row.
    pub(super) matched_by: &'static str,
}

impl RowUpdate {
    /// Whether it sets this column to another value.
    pub(super) fn sets(&self, column: usize) -> bool {
        self.columns.contains(&column)
    }
}

/// What is to be done with the records of a chunk.
#[derive(Default)]
struct Sorted<'i> {
    unchanged: Vec<Settled>,
    updates: Vec<RowUpdate>,
    creates: Vec<&'i Member>,
}

impl<'i, DB: Supported> Chunk<'i, DB> {
    /// Writes what differs. The rows are locked.
    pub(super) async fn write(
        &mut self,
        session: &mut Session<'_, DB>,
        mut rows: RowsByNumber,
    ) -> Result<Written, Error> {
        let Sorted {
            unchanged,
            updates,
            mut creates,
        } = self.sort(&mut rows);
        let deleted: Vec<(u32, Row)> = self
            .given_away()
            .filter_map(|row| Some((row, rows.remove(&row)?)))
            .collect();
        let besides = self.delete(session, &deleted).await?;
        let to_update: Vec<&RowUpdate> = updates.iter().collect();
        let mut after = HashMap::new();
        self.update(session, &to_update, &mut after).await?;
        self.note_spelling(&to_update);
        self.insert(session, &mut creates, &mut after).await?;
        self.read_updated(session, &to_update, &mut after).await?;
        let mut records = unchanged;
        for update in updates {
            records.push(Settled {
                record: update.record,
                row: Some(update.row_number),
                outcome: Outcome::Updated {
                    matched_by: update.matched_by,
                    changed: self.mapping.changed_with(&update.columns, update.revives),
                },
                before: Some(update.row),
                after: after.remove(&update.record),
            });
        }
        for member in creates {
            records.push(Settled {
                record: member.record,
                row: None,
                outcome: Outcome::Created,
                before: None,
                after: after.remove(&member.record),
            });
        }
        Ok(Written {
            records,
            deleted,
            besides,
        })
    }

    /// Notes which keys were written though the database calls them equal to what was there: their numbers are the same.
    fn note_spelling(&self, updates: &[&RowUpdate]) {
        for update in updates {
            let (row, record) = (
                self.map.row(update.row_number),
                self.map.record(update.record),
            );
            for (place, &column) in self.map.keys.columns.iter().enumerate() {
                if row[place] == record[place] && update.sets(column) {
                    warn_of_spelling(self.mapping.model, column);
                }
            }
        }
    }

    /// Compares the records with their rows, which are taken out of `rows`.
    fn sort(&mut self, rows: &mut RowsByNumber) -> Sorted<'i> {
        let mut sorted = Sorted::default();
        for member in self.to_write() {
            match self.plan.decisions[member.record as usize] {
                Decision::Row { row, lookup } => {
                    // None is absent: such a chunk is planned again.
                    let Some(stored) = rows.remove(&row) else {
                        continue;
                    };
                    let matched_by = self.mapping.model.lookups[usize::from(lookup)].name;
                    let new = self.data(member).clone();
                    let changes = self.judge.changes(&stored, &new);
                    let revives = self.mapping.is_deleted(&stored);
                    let columns = if revives {
                        self.mapping.differing(&stored, &changes)
                    } else {
                        self.mapping.to_write(&stored, &changes)
                    };
                    if columns.is_empty() && !revives {
                        let outcome = Outcome::Unchanged { matched_by };
                        sorted
                            .unchanged
                            .push(Settled::left(member.record, row, outcome, stored));
                    } else {
                        sorted.updates.push(RowUpdate {
                            record: member.record,
                            row_number: row,
                            row: stored,
                            changes,
                            columns,
                            revives,
                            matched_by,
                        });
                    }
                }
                Decision::Left { row, lookup, why } => {
                    let matched_by = self.mapping.model.lookups[usize::from(lookup)].name;
                    if let Some(outcome) = left(why, matched_by)
                        && let Some(stored) = rows.remove(&row)
                    {
                        sorted
                            .unchanged
                            .push(Settled::left(member.record, row, outcome, stored));
                    }
                }
                Decision::Create => sorted.creates.push(member),
                _ => {}
            }
        }
        sorted
    }

    /// Deletes rows whose keys are needed. One that the database will not delete keeps them, and so does one with which a row
    /// would go that is to stay. Gives what went besides.
    async fn delete(
        &mut self,
        session: &mut Session<'_, DB>,
        rows: &[(u32, Row)],
    ) -> Result<Vec<NumberedRow>, Error> {
        let mut besides = Vec::new();
        let size = self.size(&[self.mapping.model.id]);
        // Only a row that is deleted alone tells who is at fault.
        let who_needs = if rows.len() % size == 1 || size == 1 {
            self.who_needs()
        } else {
            HashMap::new()
        };
        for rows in rows.chunks(size) {
            if let [(row, _)] = rows {
                self.culprit = who_needs.get(row).copied();
            }
            let rows: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
            let mut deleter = Deleter {
                mapping: self.mapping,
                map: &mut *self.map,
                missing: &self.plan.missing,
                collated: self.collated,
                references: self.references,
                judge: self.judge.reborrow(),
                size,
            };
            let went = deleter.delete(session, &rows).await;
            besides.extend(went.map_err(as_conflict)?);
        }
        Ok(besides)
    }

    /// For each row, a record that needs a key of it.
    fn who_needs(&mut self) -> HashMap<u32, u32> {
        let mut who_needs = HashMap::new();
        for record in self.members().map(|member| member.record) {
            let own = self.plan.decisions[record as usize]
                .row()
                .map(|(row, _)| row);
            let last = self.map.last_values(record, own);
            for lookup in 0..self.map.keys.all() {
                let key = self.map.keys.unique(lookup, &last);
                if let Some(row) = self.map.holder(lookup, key) {
                    who_needs.entry(row).or_insert(record);
                }
            }
        }
        who_needs
    }

    /// Creates rows, in the order of their keys: unsorted, two importers would deadlock. Puts those that are read into `after`.
    async fn insert(
        &mut self,
        session: &mut Session<'_, DB>,
        members: &mut Vec<&Member>,
        after: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        members.sort_by_cached_key(|member| self.key_bytes(&member.new));
        let most = self.size(self.mapping.model.created);
        let (mut rest, mut to_read) = (&members[..], Vec::new());
        while !rest.is_empty() {
            let (members, others) = rest.split_at(one_size::<DB>(rest.len().min(most)));
            rest = others;
            if let [member] = members {
                self.culprit = Some(member.record);
                let created = session.create_row(&member.new).await;
                after.insert(
                    member.record,
                    created.map_err(|error| self.unreadable(error))?,
                );
                *self.is_readable = true;
                continue;
            }
            let records: Vec<&New> = members.iter().map(|member| &member.new).collect();
            match session.create_rows(&records).await? {
                Stored::AsGiven if self.reads() && !self.manner.reads_back => {}
                Stored::AsGiven | Stored::Unread => to_read.extend_from_slice(members),
                Stored::Rows(rows) => {
                    let wanted = Created::new(self.mapping, members);
                    let wanted = wanted.map_err(session.failed(Operation::Create))?;
                    let rows = self.decode_all(session, &rows)?;
                    self.take_created(session, wanted, rows, after).await?;
                }
            }
        }
        self.read_created(session, &to_read, after).await
    }

    /// The bytes of a record's key columns. A value that cannot be encoded is told by the statement.
    fn key_bytes(&self, new: &New) -> Vec<Option<Vec<u8>>> {
        let columns = self.map.keys.columns.iter();
        let bytes = columns.map(|&column| self.mapping.bytes_of_new(new, column));
        bytes.map(Result::unwrap_or_default).collect()
    }

    /// How many rows one statement writes that binds these columns of each.
    pub(super) fn size(&self, columns: &[usize]) -> usize {
        if self.manner.one_by_one {
            return 1;
        }
        self.mapping.most_rows(columns)
    }
}

impl<DB: Supported> Session<'_, DB> {
    /// Sends a statement that writes so many rows.
    pub(super) async fn write_rows(
        &mut self,
        statement: sqlx::Result<Statement<DB>>,
        rows: usize,
        operation: Operation,
    ) -> Result<(), Error> {
        let failed = self.failed(operation);
        let statement = statement.map_err(failed)?;
        match operation {
            Operation::Update | Operation::Park => self.write_updates(statement, rows).await,
            _ => self.write(statement, rows).await,
        }
        .map_err(|source| self.mapping.in_own_names(failed(source)))
    }
}

/// What became of a record whose row stays as it is; `None` if it failed.
pub(crate) fn left(why: Left, matched_by: &'static str) -> Option<Outcome> {
    match why {
        Left::Protected => Some(Outcome::Protected { matched_by }),
        Left::Stale => Some(Outcome::Stale { matched_by }),
        Left::Skipped => Some(Outcome::Skipped {
            matched_by: Some(matched_by),
        }),
        Left::Deleted | Left::KeyAltered(_) => None,
    }
}

/// A key that its row cannot give away is one that it holds.
pub(super) fn as_conflict(error: Error) -> Error {
    match error {
        Error::Database {
            at,
            about_record: true,
            source,
            ..
        } => Error::Conflict {
            at,
            constraint: None,
            holder_is_deleted: false,
            source: Some(source),
        },
        Error::NotPermitted { at, source, .. } => Error::Conflict {
            at,
            constraint: None,
            holder_is_deleted: false,
            source,
        },
        error => error,
    }
}
