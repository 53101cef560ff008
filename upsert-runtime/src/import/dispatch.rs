//! The second reading of the source: records are put into chunks, and chunks are written, in halves where one is refused.

use std::mem;
use std::sync::Arc;

use sqlx_core::rt;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::lookup;
use crate::model::{LockedUpsert, Stored};
use crate::retry::Retry;

use super::OnFailure;
use super::chunk::{Attempt, Chunk, Member, Unit, moved};
use super::engine::Engine;
use super::place::Place;
use super::plan::Decision;
use super::report::Failure;
use super::source::{Reader, Source};
use super::world::State;

/// How many times in a row a chunk may be planned again because others moved its rows.
const MOST_MOVES: u32 = 100;

/// Units that are written at once.
pub(super) struct Batch<N> {
    units: Vec<Unit<N>>,
    patience: u32,
    row_by_row: bool,
}

impl<N> Batch<N> {
    fn is_witness(&self) -> bool {
        matches!(&self.units[..], [unit] if unit.is_witness)
    }
}

impl<'f, M: LockedUpsert> Engine<'_, 'f, M> {
    /// Reads the source again and writes what the plan says.
    pub(super) async fn write<DB: Backend>(
        &mut self,
        source: &mut Source<'f, M::New>,
        place: &mut Place<'_, '_, DB>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let may_change = source.may_change();
        let mut reader = source.open();
        let mut record = 0;
        while let Some(item) = self.next::<DB>(&mut reader, record, may_change).await? {
            match item {
                Ok(new) => self.dispatch(Member { record, new })?,
                Err(error) => self.fail(record, error)?,
            }
            record += 1;
            // What was planned again is written before more is read.
            while self.ready_records() >= self.options.chunk_size {
                Box::pin(self.flush(place)).await?;
            }
        }
        while !self.ready.is_empty() {
            Box::pin(self.flush(place)).await?;
        }
        debug_assert!(self.waiting.is_empty(), "each set is complete in the end");
        Ok(())
    }

    /// The next item of a source that is read again, which must be as it was.
    async fn next<DB: Backend>(
        &mut self,
        reader: &mut Reader<'_, 'f, M::New>,
        record: u32,
        may_change: bool,
    ) -> Result<Option<Result<Arc<M::New>, Error>>, Error>
    where
        M: Stored<DB>,
    {
        let item = reader.next().await;
        if may_change && !self.learned.is_as_before::<DB, M>(record, item.as_ref()) {
            return Err(Error::Source {
                source: "the second opening gave other records than the first".into(),
            });
        }
        Ok(item)
    }

    fn ready_records(&self) -> usize {
        self.ready.iter().map(|unit| unit.members.len()).sum()
    }

    /// Sees to it that a record is written, or told as what it is.
    fn dispatch(&mut self, member: Member<M::New>) -> Result<(), Error> {
        let record = member.record;
        if let Some(error) = self.learned.take_error(record) {
            return self.fail(record, error);
        }
        let decision = self.plan.decisions[record as usize];
        let error = match decision {
            Decision::Row { .. } | Decision::Create => {
                self.make_ready(member);
                return Ok(());
            }
            Decision::Superseded => {
                self.world.records.states[record as usize] = State::Superseded;
                self.report.records += 1;
                self.report.superseded += 1;
                self.witness(member);
                return Ok(());
            }
            Decision::NoKey => match lookup::check_usable::<M>(&member.new) {
                Err(error) => error,
                // A key that Rust takes for one and the plan does not: none is made.
                Ok(()) => conflict::<M>(0),
            },
            Decision::Identity {
                matched_by,
                claimed_by,
            } => Error::IdentityConflict {
                model: M::MODEL.name,
                matched_by: M::MODEL.lookups[usize::from(matched_by)].name,
                claimed_by: M::MODEL.lookups[usize::from(claimed_by)].name,
            },
            Decision::Conflict { lookup } => conflict::<M>(usize::from(lookup)),
            Decision::Ambiguous { lookup } => Error::Ambiguous {
                at: looked_up::<M>(usize::from(lookup)),
            },
        };
        self.world.records.states[record as usize] = State::Told;
        self.fail(record, error)?;
        self.witness(member);
        Ok(())
    }

    /// Has the rows locked by which a record that is not written was judged, where the import as a whole is to be serial.
    fn witness(&mut self, member: Member<M::New>) {
        if self.options.is_one_transaction {
            self.ready.push(Unit {
                members: vec![member],
                given_away: Vec::new(),
                is_witness: true,
            });
        }
    }

    /// A record that stands alone is ready; one of a set is when the set is complete.
    fn make_ready(&mut self, member: Member<M::New>) {
        let Some((set, size)) = self.plan.sets.find(member.record) else {
            self.ready.push(Unit {
                members: vec![member],
                given_away: Vec::new(),
                is_witness: false,
            });
            return;
        };
        let members = self.waiting.entry(set).or_default();
        members.push(member);
        if members.len() == size
            && let Some(members) = self.waiting.remove(&set)
        {
            self.ready.push(Unit {
                members,
                given_away: self.plan.sets.given_away(set).to_vec(),
                is_witness: false,
            });
        }
    }

    /// Tells a record as failed.
    pub(super) fn fail(&mut self, record: u32, error: Error) -> Result<(), Error> {
        let failure = Failure {
            index: u64::from(record),
            error,
        };
        if self.options.on_failure == OnFailure::Abort {
            return Err(Error::Aborted {
                failure: Box::new(failure),
            });
        }
        self.report.records += 1;
        self.report.failed.push(failure);
        Ok(())
    }

    /// Writes what is ready. What cannot be written as a whole is halved until it is known which record is at fault.
    async fn flush<DB: Backend>(&mut self, place: &mut Place<'_, '_, DB>) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let mut batches = vec![Batch {
            units: mem::take(&mut self.ready),
            // A refusal by a unique index may be a lost race; who is at fault is asked only if it is none.
            patience: DB::Driver::REFUSALS - 1,
            row_by_row: false,
        }];
        // Sets that lost a member: what is left of them is planned again, when the others are written.
        let mut undone = Vec::new();
        while let Some(mut batch) = batches.pop() {
            let (attempt, culprit) = Box::pin(self.attempt(place, &batch)).await;
            let error = match attempt {
                Ok(Attempt::Written(written)) => {
                    self.settle(written);
                    continue;
                }
                Ok(Attempt::Moved) => {
                    // In one transaction what was told before is judged again too: nobody has heard of it yet.
                    if matches!(place, Place::Within(_)) {
                        self.has_moved = true;
                        return Err(moved::<M>());
                    }
                    batches.push(batch);
                    batches.append(&mut undone);
                    return self.follow(batches).await;
                }
                Err(error) if !error.is_about_record() => return Err(error),
                Err(_) if batch.is_witness() => continue,
                Err(error) => error,
            };
            match &batch.units[..] {
                [unit] if unit.members.len() == 1 || batch.row_by_row => {
                    let first = unit.members.first().map(|member| member.record);
                    let is_set = unit.members.len() > 1;
                    if let Some(record) = culprit.or(first) {
                        self.world.records.states[record as usize] = State::Failed;
                        self.fail(record, error)?;
                        batch.units[0]
                            .members
                            .retain(|member| member.record != record);
                    }
                    if is_set {
                        undone.push(batch);
                    }
                }
                [_] => {
                    batch.row_by_row = true;
                    batches.push(batch);
                }
                units => {
                    let rest = batch.units.split_off(units.len() / 2);
                    for units in [rest, batch.units] {
                        let is_single = units.len() == 1;
                        batches.push(Batch {
                            patience: if is_single {
                                DB::Driver::REFUSALS - 1
                            } else {
                                0
                            },
                            units,
                            row_by_row: false,
                        });
                    }
                }
            }
        }
        self.tell_progress();
        if undone.is_empty() {
            return Ok(());
        }
        self.plan_again(undone)
    }

    async fn attempt<DB: Backend>(
        &mut self,
        place: &mut Place<'_, '_, DB>,
        batch: &Batch<M::New>,
    ) -> (Result<Attempt<M>, Error>, Option<u32>)
    where
        M: Stored<DB>,
    {
        let reads_back = self.options.changes || self.options.each.is_some();
        let mut chunk = Chunk {
            world: &mut self.world,
            plan: &self.plan,
            folded: &self.folded,
            units: &batch.units,
            scope: &mut self.options.scope,
            locks_all: matches!(place, Place::Within(_)),
            reads_back,
            one_by_one: batch.row_by_row,
            patience: batch.patience,
            sees_winner: false,
            culprit: None,
        };
        let result = place
            .run(self.options.retry, self.options.wait, &mut chunk)
            .await;
        (result, chunk.culprit)
    }

    /// Plans again after others have moved rows.
    async fn follow(&mut self, batches: Vec<Batch<M::New>>) -> Result<(), Error> {
        self.moves += 1;
        if self.moves > MOST_MOVES {
            return Err(moved::<M>());
        }
        if self.moves > 1 {
            rt::sleep(Retry::short_pause()).await;
        }
        self.plan_again(batches)
    }

    /// Makes the plan again and puts what is not written yet in its place in it.
    fn plan_again(&mut self, batches: Vec<Batch<M::New>>) -> Result<(), Error> {
        self.make_plan();
        let waiting = mem::take(&mut self.waiting);
        let units = batches.into_iter().flat_map(|batch| batch.units);
        let (witnesses, units): (Vec<_>, Vec<_>) = units.partition(|unit| unit.is_witness);
        self.ready.extend(witnesses);
        let units = units.into_iter();
        let members = units.flat_map(|unit| unit.members);
        let mut members: Vec<_> = members.chain(waiting.into_values().flatten()).collect();
        members.sort_by_key(|member| member.record);
        for member in members {
            self.dispatch(member)?;
        }
        Ok(())
    }
}

/// Another row or record has the key.
fn conflict<M: LockedUpsert>(lookup: usize) -> Error {
    Error::Conflict {
        at: looked_up::<M>(lookup),
        constraint: None,
        source: None,
    }
}

fn looked_up<M: LockedUpsert>(lookup: usize) -> Step {
    let lookup = M::MODEL.lookups[lookup].name;
    Step::new(Some(M::MODEL.name), Operation::LookUp { lookup })
}
