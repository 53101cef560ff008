//! A chunk of an import, as work in one transaction: find by all look-ups, compare, lock what must change, write it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::model::{LockedUpsert, Model, Stored};
use crate::session::Session;
use crate::update::differing;
use crate::upsert::Outcome;
use crate::work::Work;

use super::Scope;
use super::missing::is_candidate;
use super::plan::{Decision, Plan};
use super::read;
use super::world::{RowState, World};
use super::write::changes;

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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(crate) struct Chunk<'i, 'f, M: LockedUpsert> {
    pub(crate) world: &'i mut World,
    pub(crate) plan: &'i Plan,
    pub(crate) folded: &'i [usize],
    pub(crate) units: &'i [Unit<M::New>],
    /// Which rows may be missing, and so give their keys away.
    pub(crate) scope: &'i mut Option<Scope<'f, M>>,
    /// Whether rows that need no change are locked too, and those by which records were judged that are not written.
    pub(crate) locks_all: bool,
    /// Whether rows are read again after a write.
    pub(crate) reads_back: bool,
    /// Whether each statement writes one row, so that an error names its record.
    pub(crate) one_by_one: bool,
    /// How many times a refusal by a unique index may have been a lost race.
    pub(crate) patience: u32,
    /// Whether rows are found with a lock, since a race was lost to a row that is not seen without.
    pub(crate) sees_winner: bool,
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

impl<DB: Backend, M: Stored<DB>> Work<DB> for Chunk<'_, '_, M> {
    type Output = Attempt<M>;

    const READS_MANY: bool = true;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Attempt<M>, Error> {
        self.culprit = None;
        let Some(mut rows) = self.find(session).await? else {
            if self.sees_winner {
                // What the transaction sees without a lock is older: it would be planned in vain.
                return Err(moved::<M>());
            }
            return Ok(Attempt::Moved);
        };
        if DB::Driver::SHARED && !self.lock(session, &mut rows).await? {
            return Ok(Attempt::Moved);
        }
        if !self.may_give_away(&rows) {
            return Ok(Attempt::Moved);
        }
        let written = self.write(session, rows).await?;
        Ok(Attempt::Written(written))
    }

    fn again(&mut self, error: &Error) -> bool {
        let is_refusal = matches!(error, Error::Conflict { .. }) && self.patience > 0;
        self.patience -= u32::from(is_refusal);
        // In a transaction of the caller's, a row that was committed meanwhile may be seen by a locking read alone.
        let is_last = is_refusal && self.patience == 0;
        self.sees_winner =
            is_last && self.locks_all && DB::Driver::SHARED && DB::Driver::SNAPSHOT.is_empty();
        is_refusal
    }

    fn stays(output: &Attempt<M>) -> bool {
        matches!(output, Attempt::Written(_))
    }
}

/// Others have moved rows, so that the plan is no longer the right one.
pub(super) fn moved<M: LockedUpsert>() -> Error {
    Error::Serialization {
        at: Step::new(Some(M::MODEL.name), Operation::LookUpMany),
        source: sqlx::Error::Protocol("others have moved rows of the import".to_owned()),
    }
}

/// Rows by their numbers.
pub(super) type Rows<M> = HashMap<u32, M>;

impl<M: LockedUpsert> Chunk<'_, '_, M> {
    pub(super) fn members(&self) -> impl Iterator<Item = &Member<M::New>> {
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
        let lock = if self.sees_winner {
            DB::Driver::lock_clause(session.locking)
        } else {
            ""
        };
        let keys = &mut self.world.keys;
        let found = read::find::<DB, M>(session, keys, self.folded, &records, lock).await?;
        let mut has_moved = false;
        let mut rows = Rows::new();
        for read in found.rows {
            let (row, is_news) = self.world.see(&read.id, &read.values);
            has_moved |= is_news;
            rows.insert(row, read.row);
        }
        for (lookup, key) in found.ambiguous {
            has_moved |= self.world.see_ambiguous(lookup, key);
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

    /// Judges the rows that give their keys away again, now that they are locked.
    fn may_give_away(&mut self, rows: &Rows<M>) -> bool {
        let mut may = true;
        for &row in self.units.iter().flat_map(|unit| &unit.given_away) {
            if let Some(stored) = rows.get(&row)
                && !is_candidate(stored, self.scope)
            {
                self.world.rows.states[row as usize] = RowState::Here;
                may = false;
            }
        }
        may
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
}
