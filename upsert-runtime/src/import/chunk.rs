//! A chunk of an import, as work in one transaction: find by all look-ups, compare, lock what must change, write it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::SqlStr;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::field::Bytes;
use crate::model::{LockedUpsert, Model, Stored};
use crate::session::Session;
use crate::update::differing;
use crate::upsert::Outcome;
use crate::work::Work;

use super::keys::NONE;
use super::order::Order;
use super::plan::{Decision, Plan};
use super::read;
use super::statement::{self, Many, Write};
use super::world::World;

/// A record that is to be written.
pub(crate) struct Member<N> {
    pub(crate) record: u32,
    pub(crate) new: Arc<N>,
}

/// What must be written in one transaction: a record, or a set of them whose keys depend on each other.
pub(crate) struct Unit<N> {
    pub(crate) members: Vec<Member<N>>,
    /// Rows that no record is, and whose keys these records need.
    pub(crate) given_away: Vec<u32>,
    /// Whether nothing is written, but the rows of the record are locked all the same.
    pub(crate) is_witness: bool,
}

/// Units, as work.
pub(crate) struct Chunk<'i, M: LockedUpsert> {
    pub(crate) world: &'i mut World,
    pub(crate) plan: &'i Plan,
    pub(crate) folded: &'i [usize],
    pub(crate) units: &'i [Unit<M::New>],
    /// Whether rows that need no change are locked too, and those by which records were judged that are not written.
    pub(crate) locks_all: bool,
    /// Whether rows are read again after a write.
    pub(crate) reads_back: bool,
    /// Whether each statement writes one row, so that an error names its record.
    pub(crate) one_by_one: bool,
    /// How many times a refusal by a unique index may have been a lost race.
    pub(crate) patience: u32,
    /// The record that was being written when an error came, if that is known.
    pub(crate) culprit: Option<u32>,
}

/// What came of a chunk.
pub(crate) enum Attempt<M> {
    /// Rows are not as the plan has them; nothing was written, and the world was told.
    Moved,
    Written(Written<M>),
}

/// What was written.
pub(crate) struct Written<M> {
    pub(crate) records: Vec<Settled<M>>,
    pub(crate) deleted: Vec<(u32, M)>,
}

/// What became of a record.
pub(crate) struct Settled<M> {
    pub(crate) record: u32,
    /// The row's number; `None` for one that was created.
    pub(crate) row: Option<u32>,
    pub(crate) outcome: Outcome,
    pub(crate) before: Option<M>,
    pub(crate) after: Option<M>,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Chunk<'_, M> {
    type Output = Attempt<M>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Attempt<M>, Error> {
        self.culprit = None;
        let Some(mut rows) = self.find(session).await? else {
            return Ok(Attempt::Moved);
        };
        if DB::Driver::SHARED && !self.lock(session, &mut rows).await? {
            return Ok(Attempt::Moved);
        }
        let written = self.write(session, rows).await?;
        Ok(Attempt::Written(written))
    }

    fn again(&mut self, error: &Error) -> bool {
        let is_refusal = matches!(error, Error::Conflict { .. }) && self.patience > 0;
        self.patience -= u32::from(is_refusal);
        is_refusal
    }

    fn stays(output: &Attempt<M>) -> bool {
        matches!(output, Attempt::Written(_))
    }
}

/// Rows by their numbers.
type Rows<M> = HashMap<u32, M>;

impl<M: LockedUpsert> Chunk<'_, M> {
    fn members(&self) -> impl Iterator<Item = &Member<M::New>> {
        self.units.iter().flat_map(|unit| &unit.members)
    }

    /// The rows that the chunk's records find, `None` if they are not as the plan has them.
    async fn find<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<Option<Rows<M>>, Error>
    where
        M: Stored<DB>,
    {
        let units = self.units;
        let members = || units.iter().flat_map(|unit| &unit.members);
        let values: Vec<Vec<u32>> = members()
            .map(|member| self.world.record(member.record).to_vec())
            .collect();
        let records: Vec<(&M::New, &[u32])> = members()
            .zip(&values)
            .map(|(member, values)| (&*member.new, &**values))
            .collect();
        let found =
            read::find::<DB, M>(session, &mut self.world.keys, self.folded, &records).await?;
        let mut has_moved = false;
        let mut rows = Rows::new();
        for read in found {
            let (row, is_news) = self.world.see(&read.id, &read.values);
            has_moved |= is_news;
            rows.insert(row, read.row);
        }
        for values in &values {
            for lookup in 0..self.world.keys.lookups() {
                let key = self.world.keys.unique(lookup, values);
                let holder = self.world.holder(lookup, key);
                if let Some(row) = holder.filter(|row| !rows.contains_key(row)) {
                    self.world.lose(row);
                    has_moved = true;
                }
            }
        }
        Ok((!has_moved).then_some(rows))
    }

    /// Locks what must change, and has the rows as they are then. Says whether they still are as the plan has them.
    async fn lock<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        rows: &mut Rows<M>,
    ) -> Result<bool, Error>
    where
        M: Stored<DB>,
    {
        let mut numbers: Vec<u32> = Vec::new();
        if self.locks_all {
            numbers.extend(rows.keys());
        }
        let members = self.members().filter(|_| !self.locks_all);
        for member in members {
            if let Decision::Row { row, .. } = self.plan.decisions[member.record as usize]
                && let Some(stored) = rows.get(&row)
                && !differing(stored, &changes::<M>(member)).is_empty()
            {
                numbers.push(row);
            }
        }
        if !self.locks_all {
            numbers.extend(self.units.iter().flat_map(|unit| &unit.given_away));
        }
        let known: Vec<&M> = numbers.iter().filter_map(|row| rows.get(row)).collect();
        if known.is_empty() {
            return Ok(true);
        }
        let locked =
            read::lock::<DB, M>(session, &mut self.world.keys, self.folded, &known).await?;
        let mut has_moved = false;
        let mut is_locked = HashSet::new();
        for read in locked {
            let (row, is_news) = self.world.see(&read.id, &read.values);
            has_moved |= is_news;
            rows.insert(row, read.row);
            is_locked.insert(row);
        }
        for row in numbers {
            if !is_locked.contains(&row) {
                self.world.lose(row);
                has_moved = true;
            }
        }
        Ok(!has_moved)
    }

    /// Writes what differs. The rows are locked.
    async fn write<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        mut rows: Rows<M>,
    ) -> Result<Written<M>, Error>
    where
        M: Stored<DB>,
    {
        let units = self.units;
        let mut settled = Vec::new();
        let mut writes = Vec::new();
        let mut creates: Vec<&Member<M::New>> = Vec::new();
        let to_write = units.iter().filter(|unit| !unit.is_witness);
        for member in to_write.flat_map(|unit| &unit.members) {
            match self.plan.decisions[member.record as usize] {
                Decision::Row { row, lookup } => {
                    let Some(stored) = rows.remove(&row) else {
                        continue;
                    };
                    let matched_by = M::MODEL.lookups[usize::from(lookup)].name;
                    let changes = changes::<M>(member);
                    let columns = differing(&stored, &changes);
                    if columns.is_empty() {
                        settled.push(Settled {
                            record: member.record,
                            row: Some(row),
                            outcome: Outcome::Unchanged { matched_by },
                            before: None,
                            after: Some(stored),
                        });
                    } else {
                        let write = Write {
                            record: member.record,
                            row_number: row,
                            row: stored,
                            changes,
                            columns,
                        };
                        writes.push((write, matched_by));
                    }
                }
                Decision::Create => creates.push(member),
                _ => {}
            }
        }
        let given_away = units.iter().flat_map(|unit| &unit.given_away);
        let deleted: Vec<(u32, M)> = given_away
            .filter_map(|&row| Some((row, rows.remove(&row)?)))
            .collect();
        self.delete(session, &deleted).await?;
        let refs: Vec<&Write<M>> = writes.iter().map(|(write, _)| write).collect();
        self.update(session, &refs).await?;
        self.insert(session, &mut creates).await?;
        let mut after = if self.reads_back {
            self.read_back(session, &refs, &creates).await?
        } else {
            HashMap::new()
        };
        for (write, matched_by) in writes {
            settled.push(Settled {
                record: write.record,
                row: Some(write.row_number),
                outcome: Outcome::Updated {
                    matched_by,
                    changed: read::names::<M>(&write.columns),
                },
                before: Some(write.row),
                after: after.remove(&write.record),
            });
        }
        for member in creates {
            settled.push(Settled {
                record: member.record,
                row: None,
                outcome: Outcome::Created,
                before: None,
                after: after.remove(&member.record),
            });
        }
        Ok(Written {
            records: settled,
            deleted,
        })
    }

    /// Deletes rows whose keys are needed. One that the database will not delete keeps them.
    async fn delete<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        rows: &[(u32, M)],
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Delete);
        for rows in rows.chunks(self.size::<DB>(1)) {
            if let [(row, _)] = rows {
                self.culprit = self.who_needs(*row);
            }
            let refs: Vec<&M> = rows.iter().map(|(_, row)| row).collect();
            let many = statement::delete::<DB, M>(&refs);
            send::<DB>(session, many, rows.len(), at)
                .await
                .map_err(as_conflict)?;
        }
        Ok(())
    }

    /// A record that needs a key of this row.
    fn who_needs(&mut self, row: u32) -> Option<u32> {
        let records: Vec<u32> = self.members().map(|member| member.record).collect();
        records.into_iter().find(|&record| {
            let own = match self.plan.decisions[record as usize] {
                Decision::Row { row, .. } => Some(row),
                _ => None,
            };
            let last = self.world.last_values(record, own);
            (0..self.world.keys.lookups()).any(|lookup| {
                let key = self.world.keys.unique(lookup, &last);
                self.world.holder(lookup, key) == Some(row)
            })
        })
    }

    /// Updates rows, those that give a key away before those that get it.
    async fn update<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        writes: &[&Write<M>],
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Update);
        let place: HashMap<u32, usize> = writes
            .iter()
            .enumerate()
            .map(|(place, write)| (write.row_number, place))
            .collect();
        let mut needs = vec![Vec::new(); writes.len()];
        // For each key column that another row needs free, the writes that free it.
        let mut freed: HashMap<usize, Vec<usize>> = HashMap::new();
        for (needing, write) in writes.iter().enumerate() {
            let last = self.world.last_values(write.record, Some(write.row_number));
            for lookup in 0..self.world.keys.lookups() {
                let key = self.world.keys.unique(lookup, &last);
                let holder = self.world.holder(lookup, key);
                if let Some(row) = holder.filter(|&row| row != write.row_number)
                    && let Some(&freeing) = place.get(&row)
                {
                    needs[needing].push(freeing);
                    let theirs = self.world.last_values(writes[freeing].record, Some(row));
                    let column = self
                        .world
                        .keys
                        .differing(lookup, self.world.row(row), &theirs);
                    if let Some(column) = column {
                        freed.entry(column).or_default().push(freeing);
                    }
                }
            }
        }
        let Order { layers, parked } = Order::of(&needs);
        for (column, mut freeing) in freed {
            freeing.retain(|write| parked.contains(write));
            freeing.sort_unstable();
            freeing.dedup();
            let freeing: Vec<&Write<M>> = freeing.iter().map(|&write| writes[write]).collect();
            self.park(session, column, &freeing).await?;
        }
        for layer in layers.into_iter().chain([parked]) {
            let layer: Vec<&Write<M>> = layer.iter().map(|&write| writes[write]).collect();
            for writes in layer.chunks(self.size::<DB>(1 + M::MODEL.updated.len())) {
                if let [write] = writes {
                    self.culprit = Some(write.record);
                }
                let many = statement::update::<DB, M>(writes);
                send::<DB>(session, many, writes.len(), at).await?;
            }
        }
        Ok(())
    }

    /// Puts a passing value into a key column of rows that are updated later in the transaction.
    async fn park<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        column: usize,
        writes: &[&Write<M>],
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Park);
        for writes in writes.chunks(self.size::<DB>(1)) {
            self.culprit = writes.first().map(|write| write.record);
            let rows: Vec<&M> = writes.iter().map(|write| &write.row).collect();
            let many = match statement::park::<DB, M>(&rows, column) {
                Ok(Some(many)) => Ok(many),
                Ok(None) => {
                    return Err(Error::Conflict {
                        at,
                        constraint: Some(M::MODEL.columns[column].field.to_owned()),
                        source: None,
                    });
                }
                Err(error) => Err(error),
            };
            send::<DB>(session, many, writes.len(), at)
                .await
                .map_err(as_conflict)?;
        }
        Ok(())
    }

    /// Creates rows, in the order of their keys: unsorted, two importers would deadlock.
    async fn insert<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        members: &mut Vec<&Member<M::New>>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Create);
        let key = |member: &&Member<M::New>| {
            let columns = self.world.keys.columns.iter();
            let bytes = columns.map(|&column| M::new_column(column, Bytes(&*member.new)));
            // A value that cannot be encoded is told by the statement.
            bytes.map(Result::unwrap_or_default).collect::<Vec<_>>()
        };
        members.sort_by_cached_key(key);
        for members in members.chunks(self.size::<DB>(M::MODEL.created.len())) {
            if let [member] = members {
                self.culprit = Some(member.record);
            }
            let records: Vec<&M::New> = members.iter().map(|member| &*member.new).collect();
            let many = statement::insert::<DB, M>(&records);
            send::<DB>(session, many, members.len(), at).await?;
        }
        Ok(())
    }

    /// The rows of these writes as the database stored them, by record.
    async fn read_back<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        writes: &[&Write<M>],
        creates: &[&Member<M::New>],
    ) -> Result<HashMap<u32, M>, Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Refresh);
        let failed = |source| Error::of::<DB>(at, source);
        let id = |row: &M| {
            let bytes = M::row_column(M::MODEL.id, Bytes(row)).map_err(sqlx::Error::Encode)?;
            Ok(bytes.unwrap_or_default())
        };
        let mut by_id: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut rows = HashMap::new();
        for write in writes {
            by_id.insert(id(&write.row).map_err(failed)?, write.record);
        }
        let updated: Vec<&M> = writes.iter().map(|write| &write.row).collect();
        let (keys, folded) = (&mut self.world.keys, self.folded);
        if !updated.is_empty() {
            for read in read::lock::<DB, M>(session, keys, folded, &updated).await? {
                if let Some(&record) = by_id.get(&read.id) {
                    rows.insert(record, read.row);
                }
            }
        }
        let values: Vec<Vec<u32>> = creates
            .iter()
            .map(|member| self.world.record(member.record).to_vec())
            .collect();
        let mut by_key: HashMap<(usize, u32), u32> = HashMap::new();
        let keys = &mut self.world.keys;
        let lookups = keys.lookups();
        for (member, values) in creates.iter().zip(&values) {
            for lookup in 0..lookups {
                by_key.insert((lookup, keys.usable(lookup, values)), member.record);
            }
        }
        let records: Vec<(&M::New, &[u32])> = creates
            .iter()
            .zip(&values)
            .map(|(member, values)| (&*member.new, &**values))
            .collect();
        if !records.is_empty() {
            for read in read::find::<DB, M>(session, keys, folded, &records).await? {
                let mut found = (0..lookups).filter_map(|lookup| {
                    let key = Some(keys.usable(lookup, &read.values)).filter(|&key| key != NONE);
                    by_key.get(&(lookup, key?))
                });
                let record = found.next().copied();
                if let Some(record) = record {
                    rows.insert(record, read.row);
                }
            }
        }
        if rows.len() < writes.len() + creates.len() {
            return Err(failed(sqlx::Error::RowNotFound));
        }
        Ok(rows)
    }

    /// How many rows one statement writes that binds so many values for each.
    fn size<DB: Backend>(&self, values: usize) -> usize
    where
        M: Stored<DB>,
    {
        if self.one_by_one {
            return 1;
        }
        statement::most_rows::<DB, M>(values)
    }
}

/// What a record sets.
fn changes<M: LockedUpsert>(member: &Member<M::New>) -> M::Changes {
    let mut changes: M::Changes = (*member.new).clone().into();
    M::normalize_changes(&mut changes);
    changes
}

/// Sends a statement that writes so many rows.
async fn send<DB: Backend>(
    session: &mut Session<'_, DB>,
    many: sqlx::Result<Many<DB>>,
    rows: usize,
    at: Step,
) -> Result<(), Error> {
    let failed = |source| Error::of::<DB>(at, source);
    let Many {
        text,
        arguments,
        keep_prepared,
    } = many.map_err(failed)?;
    let text: SqlStr = text;
    let affected = session
        .execute_many(text, arguments, keep_prepared)
        .await
        .map_err(failed)?;
    // A trigger or rule can keep a row from being written without an error.
    if affected == rows as u64 {
        Ok(())
    } else {
        Err(failed(sqlx::Error::RowNotFound))
    }
}

/// A key that its row cannot give away is one that it holds.
fn as_conflict(error: Error) -> Error {
    match error {
        Error::Database {
            at,
            about_record: true,
            source,
            ..
        } => Error::Conflict {
            at,
            constraint: None,
            source: Some(source),
        },
        error => error,
    }
}
