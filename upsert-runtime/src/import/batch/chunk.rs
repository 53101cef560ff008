//! A chunk of an import, as a unit of work: find by all look-ups, compare, lock what must change, write it.

use std::collections::{HashMap, HashSet};

use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Operation, Step};
use crate::import::plan::{Decision, IdentityMap, Plan, RowState};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::step::{Session, Statement};
use crate::transaction::UnitOfWork;
use crate::value::{New, Row};

use super::cascade::SelfReference;
use super::judge::Judge;
use super::kept::KeptRows;
use super::passing::KeyColumns;
use super::read::{KeyReader, NumberedRow};
use super::sight::Sight;

/// A record that is to be written.
pub(crate) struct Member {
    pub(crate) record: u32,
    pub(crate) new: New,
}

/// What must be written in one transaction: a record, or a connected component of them, whose keys depend on each other.
pub(crate) struct Group {
    pub(crate) members: Vec<Member>,
    /// Rows that no record is, and whose keys these records need.
    pub(crate) given_away: Vec<u32>,
    /// Whether nothing is written, but the rows of the record are locked all the same.
    pub(crate) is_witness: bool,
}

impl Group {
    /// Whether it is one record, which needs no other row than its own.
    pub(super) fn is_alone(&self) -> bool {
        self.members.len() == 1 && self.given_away.is_empty()
    }
}

/// How a chunk is done.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(crate) struct Manner<'i> {
    /// Whether rows that need no change are locked too, and those by which records were judged that are not written.
    pub(crate) locks_all: bool,
    /// Whether a row fails its record that needs no change but cannot be locked.
    pub(crate) is_serial: bool,
    /// Whether the rows that are found are mostly changed, so that they are locked by the statement that finds them. Not in one
    /// transaction: it would have to be noted then who has moved rows.
    pub(crate) locks_found: bool,
    /// Whether a unique index tells if a record's row is there by now that is to be created, so that it need not be looked up again.
    pub(crate) creates_unseen: bool,
    /// Whether somebody wants the rows as they were stored.
    pub(crate) reads_back: bool,
    /// Whether rows that were updated are looked at all the same, as they may have been stored otherwise.
    pub(crate) reads_updates: bool,
    /// Whether each statement writes one row, so that an error names its record.
    pub(crate) one_by_one: bool,
    /// Set where a constraint refused a COMMIT: what has it checked by each statement, and empty where nothing has.
    pub(crate) check_at_once: Option<&'i str>,
}

/// A chunk of groups, as a unit of work.
pub(crate) struct Chunk<'i, DB: Supported> {
    pub(crate) mapping: Mapping<DB>,
    pub(crate) map: &'i mut IdentityMap,
    pub(crate) plan: &'i Plan,
    /// The columns that are compared by a collation key.
    pub(crate) collated: &'i [usize],
    pub(crate) groups: &'i [Group],
    /// The table's foreign keys to itself.
    pub(crate) references: &'i [SelfReference],
    /// Records that are written with the data of another one, which is newer.
    pub(crate) merged: &'i HashMap<u32, Member>,
    /// Those of them that are older than their rows by their own data: the row's keys stay, and these are the data.
    pub(crate) with_row_keys: HashMap<u32, New>,
    /// What the rules say.
    pub(crate) judge: Judge<'i, DB>,
    /// The rows of the first reading that need not be read again.
    pub(crate) kept: &'i mut KeptRows,
    /// What is known of the columns that have had to be parked.
    pub(crate) key_columns: &'i mut KeyColumns,
    /// Whether a row that the import created could be read.
    pub(crate) is_readable: &'i mut bool,
    /// How many kinds of passing values were refused.
    pub(crate) refused_ways: usize,
    /// Whether the attempt ended because of such a refusal, and another kind is left.
    pub(crate) parks_otherwise: bool,
    pub(crate) manner: Manner<'i>,
    /// How many times a refusal by a unique index may have been a lost race.
    pub(crate) patience: u32,
    /// Whether rows are found with a lock, since a race was lost to a row that is not seen without.
    pub(crate) sees_winner: bool,
    /// Whether all records are looked up, since something was in the way of one that was to be created unseen.
    pub(crate) sees_all: bool,
    /// The record that was being written when an error came, if that is known.
    pub(crate) culprit: Option<u32>,
    /// What is known of it when rows have moved.
    pub(crate) moved: Moved,
}

/// Rows that have moved, as far as they tell who did it: others, or this import by a trigger or a foreign key that its writes set off.
#[derive(Default)]
pub(crate) struct Moved {
    /// Rows that were found and that the plan did not have, or had as rows to be deleted: others may have moved them even where
    /// the rows of the plan are locked.
    pub(crate) strangers: Vec<NumberedRow>,
    /// Whether others did it for certain: the chunk saw both states, and had written nothing in between.
    pub(crate) by_others: bool,
    /// Whether nothing has moved, but the newer data of another record were judged for the first time.
    pub(crate) by_versions: bool,
}

/// What an attempt to write a chunk ended with, unless with an error.
pub(crate) enum Attempt {
    /// Rows are not as the plan has them. Nothing was written, and the identity map was told.
    Moved,
    /// The rows of these records, which are in their order, may be read but not written. Nothing was written.
    NotPermitted(Vec<u32>),
    /// The chunk was written.
    Written(Written),
}

/// What was written.
pub(crate) struct Written {
    pub(crate) records: Vec<Settled>,
    /// Rows that gave their keys away, by their numbers.
    pub(crate) deleted: Vec<(u32, Row)>,
    /// Rows that the database removed with them.
    pub(crate) besides: Vec<NumberedRow>,
}

/// What became of a record.
pub(crate) struct Settled {
    pub(crate) record: u32,
    /// The row's number; `None` for one that was created.
    pub(crate) row: Option<u32>,
    pub(crate) outcome: Outcome,
    pub(crate) before: Option<Row>,
    pub(crate) after: Option<Row>,
}

impl Settled {
    /// A record whose row stays as it is.
    pub(super) fn left(record: u32, row: u32, outcome: Outcome, stored: Row) -> Self {
        Self {
            record,
            row: Some(row),
            outcome,
            before: None,
            after: Some(stored),
        }
    }
}

impl<DB: Supported> UnitOfWork<DB> for Chunk<'_, DB> {
    type Output = Attempt;

    const READS_MANY: bool = true;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Attempt, Error> {
        self.culprit = None;
        self.parks_otherwise = false;
        self.moved = Moved::default();
        let mut out_of_reach = HashSet::new();
        let rows = match self.find_locked(session).await? {
            Sight::Rows(rows) => rows,
            Sight::Moved => return Ok(Attempt::Moved),
            Sight::Lacking => {
                let Some(mut rows) = self.find(session).await? else {
                    if self.sees_winner {
                        // What the transaction sees without a lock is older: it would be planned in vain.
                        return Err(moved(self.mapping));
                    }
                    return Ok(Attempt::Moved);
                };
                if DB::Driver::CAPABILITIES.locks_rows {
                    let Some(left_out) = self.lock(session, &mut rows).await? else {
                        self.moved.by_others = true;
                        return Ok(Attempt::Moved);
                    };
                    out_of_reach = left_out;
                }
                rows
            }
        };
        if !self.may_give_away(&rows, &out_of_reach)
            || self.lacks_a_row(&rows)
            || !self.judges_as_planned(&rows)
        {
            return Ok(Attempt::Moved);
        }
        let not_permitted = self.not_permitted(&rows, &out_of_reach);
        if !not_permitted.is_empty() {
            return Ok(Attempt::NotPermitted(not_permitted));
        }
        let check = self.manner.check_at_once;
        if let Some(check) = check.filter(|check| !check.is_empty()) {
            let check = session.execute(Statement::planned(check.to_owned())).await;
            check.map_err(session.failed(Operation::Begin))?;
        }
        let written = self.write(session, rows).await?;
        if check.is_some() {
            self.note_dangling(session, &written).await?;
        }
        Ok(Attempt::Written(written))
    }

    fn again(&mut self, error: &Error) -> bool {
        let (is_conflict, is_parking) = match error {
            Error::Conflict { at, .. } => (true, at.operation == Operation::Park),
            _ => (false, false),
        };
        if is_parking {
            return self.parks_otherwise;
        }
        // Whatever a create met, where the row has come it is an update.
        if self.manner.creates_unseen && !self.sees_all && error.is_about_record() {
            self.sees_all = true;
            return true;
        }
        let is_refusal = is_conflict && self.patience > 0;
        self.patience -= u32::from(is_refusal);
        // In a transaction of the caller's, a row that was committed meanwhile may be seen by a locking read alone.
        let is_last = is_refusal && self.patience == 0;
        let database = DB::Driver::CAPABILITIES;
        self.sees_winner =
            is_last && self.manner.locks_all && database.locks_rows && database.snapshot.is_none();
        is_refusal
    }

    fn stays(output: &Attempt) -> bool {
        matches!(output, Attempt::Written(_))
    }
}

/// Others have moved rows, so that the plan is no longer the right one.
pub(crate) fn moved<DB: Supported>(mapping: Mapping<DB>) -> Error {
    Error::Serialization {
        at: Step::new(Some(mapping.model.name), Operation::LookUpMany),
        source: sqlx::Error::Protocol("others have moved rows of the import".to_owned()),
    }
}

/// Rows by their numbers in the identity map.
pub(super) type RowsByNumber = HashMap<u32, Row>;

impl<'i, DB: Supported> Chunk<'i, DB> {
    /// The records of all groups.
    pub(super) fn members(&self) -> impl Iterator<Item = &'i Member> + use<'i, DB> {
        self.groups.iter().flat_map(|group| &group.members)
    }

    /// The records of the groups that are written, with the data that are.
    pub(super) fn to_write(&self) -> impl Iterator<Item = &'i Member> + use<'i, DB> {
        let groups = self.groups.iter().filter(|group| !group.is_witness);
        let merged = self.merged;
        let members = groups.flat_map(|group| &group.members);
        members.map(|member| merged.get(&member.record).unwrap_or(member))
    }

    /// The rows that give their keys away.
    pub(super) fn given_away(&self) -> impl Iterator<Item = u32> + use<'i, DB> {
        self.groups
            .iter()
            .flat_map(|group| group.given_away.iter().copied())
    }

    /// Judges the rows that give their keys away again, now that they are locked, unless they cannot be.
    fn may_give_away(&mut self, rows: &RowsByNumber, out_of_reach: &HashSet<u32>) -> bool {
        let mut may = true;
        for row in self.given_away() {
            if let Some(stored) = rows.get(&row)
                && (out_of_reach.contains(&row) || !self.judge.may_go(stored))
            {
                self.map.set_row(row, RowState::Here);
                may = false;
            }
        }
        may
    }

    /// The records that are to be written and whose rows were not found, so that the plan is no longer the right one.
    fn lacks_a_row(&mut self, rows: &RowsByNumber) -> bool {
        let mut lacks = false;
        for member in self.to_write() {
            if let Some((row, _)) = self.plan.decisions[member.record as usize].row()
                && !rows.contains_key(&row)
            {
                self.map.lose(row);
                lacks = true;
            }
        }
        lacks
    }

    /// The records that cannot be written, since their rows may only be read. They are in their order.
    fn not_permitted(&mut self, rows: &RowsByNumber, out_of_reach: &HashSet<u32>) -> Vec<u32> {
        let mut records = Vec::new();
        for member in self.to_write() {
            let decision = self.plan.decisions[member.record as usize];
            if let Some((row, _)) = decision.row()
                && out_of_reach.contains(&row)
                && let Some(stored) = rows.get(&row)
                && (self.manner.is_serial
                    || (decision.is_to_write() && self.judge.would_change(stored, &member.new)))
            {
                records.push(member.record);
            }
        }
        records.sort_unstable();
        records
    }

    /// Locks what must change, and has the rows as they are then. Gives those that may be read but not locked; `None` if the rows
    /// are no longer as the plan has them.
    async fn lock(
        &mut self,
        session: &mut Session<'_, DB>,
        rows: &mut RowsByNumber,
    ) -> Result<Option<HashSet<u32>>, Error> {
        let numbers = self.needing_a_lock(rows);
        let known: Vec<&Row> = numbers.iter().filter_map(|row| rows.get(row)).collect();
        if known.is_empty() {
            return Ok(Some(HashSet::new()));
        }
        let mut reader = KeyReader::new(session, &mut self.map.keys, self.collated);
        let locked = reader.lock(&known).await?;
        let mut has_moved = false;
        let mut left_out: HashSet<u32> = numbers.into_iter().collect();
        for read in locked {
            let (row, is_news) = self.map.see(&read.id, &read.values, read.is_marked);
            has_moved |= is_news;
            rows.insert(row, read.row);
            left_out.remove(&row);
        }
        let known: Vec<&Row> = left_out.iter().filter_map(|row| rows.get(row)).collect();
        let mut reader = KeyReader::new(session, &mut self.map.keys, self.collated);
        let mut out_of_reach = HashSet::new();
        for read in reader.in_sight(&known).await? {
            let (row, is_news) = self.map.see(&read.id, &read.values, read.is_marked);
            has_moved |= is_news;
            rows.insert(row, read.row);
            left_out.remove(&row);
            out_of_reach.insert(row);
        }
        for row in left_out {
            self.map.lose(row);
            has_moved = true;
        }
        Ok((!has_moved).then_some(out_of_reach))
    }

    /// The numbers of the rows that must be locked.
    fn needing_a_lock(&mut self, rows: &RowsByNumber) -> Vec<u32> {
        if self.manner.locks_all {
            return rows.keys().copied().collect();
        }
        let mut numbers = Vec::new();
        for member in self.to_write() {
            if let Decision::Row { row, .. } = self.plan.decisions[member.record as usize]
                && let Some(stored) = rows.get(&row)
                // What newer data of another record change is judged under the lock.
                && (self.merged.contains_key(&member.record)
                    || self.judge.would_change(stored, &member.new))
            {
                numbers.push(row);
            }
        }
        numbers.extend(self.given_away());
        numbers
    }
}
