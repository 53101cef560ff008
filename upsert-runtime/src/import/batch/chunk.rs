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
use super::read::{KeyReader, Keyed, NumberedRow};

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
    /// What the rules say.
    pub(crate) judge: Judge<'i, DB>,
    /// Whether rows that no record is are marked as deleted.
    pub(crate) marks: bool,
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

/// What a chunk's records find, locked.
enum Sight {
    Rows(RowsByNumber),
    /// The rows are not as the plan has them.
    Moved,
    /// They are not all there: one is gone, or may be read and not locked; or they are not to be found so.
    Lacking,
}

/// The rows that a chunk's records find.
struct Seen {
    rows: RowsByNumber,
    /// Whether they are not as the plan has them.
    has_moved: bool,
    /// Those that the plan did not have, or had as rows to be deleted, with their ids, the numbers of their keys, and whether they are
    /// marked as deleted.
    strangers: Vec<(u32, Vec<u8>, Vec<u32>, bool)>,
}

/// Rows by their numbers in the identity map.
pub(super) type RowsByNumber = HashMap<u32, Row>;

impl<'i, DB: Supported> Chunk<'i, DB> {
    /// The records of all groups.
    pub(super) fn members(&self) -> impl Iterator<Item = &'i Member> + use<'i, DB> {
        self.groups.iter().flat_map(|group| &group.members)
    }

    /// The records that are looked up, where these rows are known and locked. Of those that stand alone a record is not that is one of
    /// these rows, nor one that found nothing when it was first looked up, and to whose row a unique index would say no if it were there by
    /// now.
    fn to_see(&self, known: &RowsByNumber) -> Vec<&'i Member> {
        let creates_unseen = self.manner.creates_unseen && !self.sees_all;
        let is_seen = |group: &&Group| {
            if !group.is_alone() {
                return true;
            }
            match self.plan.decisions[group.members[0].record as usize] {
                Decision::Create => !creates_unseen,
                decision => decision
                    .row()
                    .is_none_or(|(row, _)| !known.contains_key(&row)),
            }
        };
        let groups = self.groups.iter().filter(is_seen);
        groups.flat_map(|group| &group.members).collect()
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

    /// The rows that the chunk's records find, locked in the order of their ids.
    async fn find_locked(&mut self, session: &mut Session<'_, DB>) -> Result<Sight, Error> {
        if !self.manner.locks_found || self.sees_winner || !DB::Driver::CAPABILITIES.locks_in_order
        {
            return Ok(Sight::Lacking);
        }
        let id = self.mapping.sql().names[self.mapping.model.id];
        let lock = DB::Driver::lock_clause(session.locking).unwrap_or_default();
        let lock = format!(" ORDER BY {id}{lock}");
        let known = self.lock_kept(session).await?;
        let mut seen = self.see(session, &known, Some(&lock)).await?;
        seen.rows.extend(known);
        Ok(if seen.has_moved {
            Sight::Moved
        } else if self.not_found(&seen.rows).is_empty() {
            Sight::Rows(seen.rows)
        } else {
            Sight::Lacking
        })
    }

    /// The rows that the chunk's records find, `None` if they are not as the plan has them.
    async fn find(&mut self, session: &mut Session<'_, DB>) -> Result<Option<RowsByNumber>, Error> {
        let lock = DB::Driver::lock_clause(session.locking).filter(|_| self.sees_winner);
        let Seen {
            mut rows,
            mut has_moved,
            strangers,
        } = self.see(session, &RowsByNumber::new(), lock).await?;
        for row in self.not_found(&rows) {
            self.map.lose(row);
            has_moved = true;
        }
        if has_moved {
            let with_row = |(row, id, values, is_marked)| {
                let row = rows.remove(&row)?;
                Some(NumberedRow {
                    row,
                    id,
                    values,
                    is_marked,
                    version: None,
                })
            };
            self.moved.strangers = strangers.into_iter().filter_map(with_row).collect();
            return Ok(None);
        }
        Ok(Some(rows))
    }

    /// The rows that have keys of the chunk's records, as far as these are not known.
    async fn see(
        &mut self,
        session: &mut Session<'_, DB>,
        known: &RowsByNumber,
        lock: Option<&str>,
    ) -> Result<Seen, Error> {
        let members = self.to_see(known);
        let values = members.iter();
        let values: Vec<Vec<u32>> = values
            .map(|member| self.map.record(member.record).to_vec())
            .collect();
        let members = members.iter().zip(&values);
        let records: Vec<Keyed<'_>> = members
            .map(|(member, values)| Keyed {
                new: &member.new,
                values,
            })
            .collect();
        let found = KeyReader::new(session, &mut self.map.keys, self.collated)
            .find(&records, lock)
            .await?;
        let mut strange = HashSet::new();
        for read in &found.rows {
            let known = self.map.row_of(&read.id);
            if known.is_none_or(|row| self.map.is_candidate(row)) {
                strange.insert(read.id.clone());
            }
        }
        let mut rows = RowsByNumber::new();
        let mut strangers = Vec::new();
        let (found, has_moved) = found.note(self.map);
        for (row, read, is_news) in found {
            rows.insert(row, read.row);
            if is_news && strange.contains(&read.id) {
                strangers.push((row, read.id, read.values, read.is_marked));
            }
        }
        Ok(Seen {
            rows,
            has_moved,
            strangers,
        })
    }

    /// The rows that had keys of the chunk's records, and are not among these.
    fn not_found(&mut self, rows: &RowsByNumber) -> HashSet<u32> {
        let mut not_found = HashSet::new();
        for member in self.members() {
            let values = self.map.record(member.record).to_vec();
            for lookup in 0..self.map.keys.all() {
                let key = self.map.keys.unique(lookup, &values);
                let known = self.map.all_with(lookup, key);
                not_found.extend(known.filter(|row| !rows.contains_key(row)));
            }
        }
        not_found
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

    /// Whether the rules say of the rows, as they are now, what the plan was made with. The identity map is told what they say.
    fn judges_as_planned(&mut self, rows: &RowsByNumber) -> bool {
        if self.judge.is_plain() {
            return true;
        }
        let (mut has_moved, mut by_versions) = (false, true);
        let witnesses = self.groups.iter().filter(|group| group.is_witness);
        let witnesses = witnesses.flat_map(|group| &group.members);
        for member in self.to_write().chain(witnesses) {
            let decision = self.plan.decisions[member.record as usize];
            if let Some((row, _)) = decision.row()
                && let Some(stored) = rows.get(&row)
            {
                let verdict = self.judge.verdict(stored, &member.new, &self.map.keys);
                if self.map.verdicts.note(member.record, row, verdict) {
                    has_moved = true;
                    by_versions &= self.merged.contains_key(&member.record);
                }
            }
        }
        self.moved.by_versions = has_moved && by_versions;
        !has_moved
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
        let numbers = self.to_lock(rows);
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
    fn to_lock(&mut self, rows: &RowsByNumber) -> Vec<u32> {
        if self.manner.locks_all {
            return rows.keys().copied().collect();
        }
        let mut numbers = Vec::new();
        for member in self.to_write() {
            if let Decision::Row { row, .. } = self.plan.decisions[member.record as usize]
                && let Some(stored) = rows.get(&row)
                && self.judge.would_change(stored, &member.new)
            {
                numbers.push(row);
            }
        }
        numbers.extend(self.given_away());
        numbers
    }
}
