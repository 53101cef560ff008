//! The second reading of the source: records are put into chunks, and chunks are written, in halves where one is refused.

use std::collections::HashMap;

use sqlx_core::rt;

use crate::backend::Supported;
use crate::error::{Error, Operation, Step};
use crate::import::batch::{Attempt, Chunk, Manner, Member, Moved, Settled, Written, left, moved};
use crate::import::plan::{Decision, Plan, RecordState, RowState, Rules};
use crate::import::source::{Reader, Source};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::transaction::Retry;
use crate::value::New;

use super::bisection::Bisection;
use super::course::Halt;
use super::first_pass::Learned;
use super::ledger::Ledger;
use super::queue::Queue;
use super::refusal::{not_permitted, refusal};
use super::stop::Stopper;
use super::table::Table;

/// How many times in a row a chunk may be planned again because its rows have moved. What the import moves by its own writes does
/// not come near it: after each of them a chunk is written.
const MOST_MOVES: u32 = 100;

/// The second reading under way.
pub(super) struct SecondPass<'p, 't, DB: Supported> {
    table: &'p mut Table<'t, DB>,
    ledger: &'p mut Ledger<'t>,
    learned: Learned,
    rules: Rules,
    plan: Plan,
    queue: Queue,
    /// How many records are written at once.
    chunk_size: usize,
    /// How many records were settled without a statement since progress was last told.
    settled_unwritten: usize,
    /// How many times in a row rows have moved.
    moves: u32,
}

impl<'p, 't, DB: Supported> SecondPass<'p, 't, DB> {
    pub(super) fn new(
        table: &'p mut Table<'t, DB>,
        ledger: &'p mut Ledger<'t>,
        learned: Learned,
        (rules, plan): (Rules, Plan),
        chunk_size: usize,
    ) -> Self {
        Self {
            table,
            ledger,
            learned,
            rules,
            plan,
            queue: Queue::default(),
            chunk_size,
            settled_unwritten: 0,
            moves: 0,
        }
    }

    /// Reads the source again and writes what the plan says. Gives the plan as it is in the end.
    pub(super) async fn run(
        mut self,
        source: &mut Source<'_>,
        stop: &mut Stopper<'_>,
    ) -> Result<Plan, Halt> {
        stop.check().await?;
        let may_change = source.may_change();
        let mut reader = source.open();
        let mut record = 0;
        while let Some(item) = self.next(&mut reader, record, may_change).await? {
            match item {
                Ok(new) => self.route(Member { record, new })?,
                Err(error) => self.ledger.fail(record, error)?,
            }
            record += 1;
            // What was planned again is written before more is read.
            while self.queue.ready_records() >= self.chunk_size {
                Box::pin(self.flush()).await?;
                stop.check().await?;
            }
            if self.settled_unwritten >= self.chunk_size {
                self.settled_unwritten = 0;
                self.ledger.tell_progress();
                rt::yield_now().await;
            }
            // Also where nothing is written for long.
            if (record as usize).is_multiple_of(self.chunk_size) {
                stop.check().await?;
            }
        }
        while !self.queue.is_idle() {
            stop.check().await?;
            Box::pin(self.flush()).await?;
        }
        debug_assert!(
            self.queue.is_complete(),
            "each component is complete in the end"
        );
        Ok(self.plan)
    }

    /// The next item of a source that is read again, which must be as it was.
    async fn next(
        &mut self,
        reader: &mut Reader<'_, '_>,
        record: u32,
        may_change: bool,
    ) -> Result<Option<Result<New, Error>>, Error> {
        let item = reader.next().await;
        let mapping = self.table.mapping;
        if may_change && !self.learned.is_as_before(mapping, record, item.as_ref()) {
            return Err(Error::Source {
                source: "the second opening gave other records than the first".into(),
            });
        }
        Ok(item)
    }

    /// Sees to it that a record is written, or told as what it is.
    fn route(&mut self, member: Member) -> Result<(), Error> {
        let record = member.record;
        if let Some(error) = self.learned.take_error(record) {
            return self.ledger.fail(record, error);
        }
        let decision = self.plan.decisions[record as usize];
        if let Some((row, lookup)) = decision.row()
            && let Some(outcome) = self.settled(record, row, lookup, decision)
        {
            self.settle_unwritten(record, row, outcome);
            return Ok(());
        }
        let left = matches!(decision, Decision::Left { why, .. } if !why.is_failure());
        let waits = self.plan.gives(record) || self.plan.donors.contains_key(&record);
        if decision.is_to_write() || left || waits {
            self.queue.add(member, &self.plan.components);
            return Ok(());
        }
        match refusal(self.table.mapping, decision) {
            None if decision == Decision::Skipped => {
                self.table.map.set_record(record, RecordState::Told);
                self.ledger.skip();
            }
            None => self.supersede(record),
            Some(error) => {
                self.table.map.set_record(record, RecordState::Told);
                self.ledger.fail(record, error)?;
            }
        }
        // The rows by which the record was judged are locked where the import as a whole is to be serial.
        if self.table.place.is_one_transaction() {
            self.queue.add_witness(member);
        }
        Ok(())
    }

    /// What became of a record, if the first reading has shown all that there is to know of it: its row is as it wants it, or is left alone,
    /// no other record needs a key of it, what is written to others leaves it alone, and nobody wants it locked or wants to see it.
    fn settled(&self, record: u32, row: u32, lookup: u8, decision: Decision) -> Option<Outcome> {
        if self.plan.components.find(record).is_some() || self.reads_unchanged() {
            return None;
        }
        let matched_by = self.table.mapping.model.lookups[usize::from(lookup)].name;
        match decision {
            Decision::Left { why, .. } => left(why, matched_by),
            _ if self.table.map.is_same(row, record) => Some(Outcome::Unchanged { matched_by }),
            _ => None,
        }
    }

    /// Notes that another record is this one.
    fn supersede(&mut self, record: u32) {
        self.table.map.set_record(record, RecordState::Superseded);
        self.ledger.supersede();
    }

    fn reads_unchanged(&self) -> bool {
        self.table.reads_unchanged(self.ledger.wants_rows())
    }

    /// Notes that a record writes nothing to its row.
    fn settle_unwritten(&mut self, record: u32, row: u32, outcome: Outcome) {
        self.table.map.set_record(record, RecordState::Done(row));
        self.ledger.settle(Settled {
            record,
            row: Some(row),
            outcome,
            before: None,
            after: None,
        });
        self.settled_unwritten += 1;
    }

    /// Writes what is ready. What cannot be written as a whole is halved until it is known which record is at fault.
    async fn flush(&mut self) -> Result<(), Halt> {
        let mut batches = vec![Bisection::new::<DB>(self.queue.take_ready())];
        // Components that lost a member: what is left of them is planned again, when the others are written.
        let mut undone = Vec::new();
        while let Some(batch) = batches.pop() {
            let (attempt, culprit) = Box::pin(self.attempt(&batch)).await;
            match attempt {
                Ok(Attempt::Written(written)) => {
                    self.settle(written);
                    self.tell_donors(&batch)?;
                }
                Ok(Attempt::NotPermitted(records)) => {
                    let (rest, lessened) = batch.without(&records);
                    for record in records {
                        self.fail(record, not_permitted(self.table.mapping))?;
                    }
                    batches.extend(rest);
                    undone.extend(lessened);
                }
                Ok(Attempt::Moved) => {
                    let is_own = self.table.has_moved_itself().await;
                    // In one transaction what was told before is judged again too: nobody has heard of it yet.
                    if self.table.place.is_one_transaction() && !is_own {
                        return Err(Halt::Moved);
                    }
                    batches.push(batch);
                    batches.append(&mut undone);
                    return Ok(self.follow(batches, is_own).await?);
                }
                Err(error) if !error.is_about_record() => {
                    return Err(match batch.records(culprit) {
                        Some(records) => error.of_records(records).into(),
                        None => error.into(),
                    });
                }
                Err(_) if batch.is_witness() => {}
                Err(error) if batch.is_narrow(&error) => {
                    undone.extend(self.fail_one(batch, culprit, error)?);
                }
                Err(error) => batches.extend(batch.narrowed::<DB>(&error)),
            }
        }
        self.ledger.tell_progress();
        if !undone.is_empty() {
            self.plan_again(undone).await?;
        }
        Ok(())
    }

    /// Writes a batch once. An error may come with the record that it is about.
    async fn attempt(&mut self, batch: &Bisection) -> (Result<Attempt, Error>, Option<u32>) {
        let reads_unchanged = self.reads_unchanged();
        let merged = self.merged(batch);
        let finds_marked = self.table.judge.finds_marked();
        let table = &mut *self.table;
        let mut chunk = Chunk {
            mapping: table.mapping,
            map: &mut table.map,
            plan: &self.plan,
            collated: &table.facts.collated,
            groups: &batch.groups,
            references: &table.references,
            merged: &merged,
            with_row_keys: HashMap::new(),
            judge: table.judge.reborrow(),
            kept: &mut table.kept,
            key_columns: &mut table.key_columns,
            is_readable: &mut table.is_readable,
            refused_ways: 0,
            parks_otherwise: false,
            manner: Manner {
                locks_all: table.place.is_one_transaction(),
                is_serial: table.place.is_serial(),
                locks_found: !reads_unchanged && !finds_marked,
                creates_unseen: table.facts.are_keys_unique && !table.place.is_one_transaction(),
                reads_back: self.ledger.wants_rows(),
                reads_updates: table.facts.alters_updates,
                one_by_one: batch.row_by_row,
                check_at_once: batch.check_at_once.as_deref(),
            },
            patience: batch.patience,
            sees_winner: false,
            sees_all: batch.sees_all,
            culprit: None,
            moved: Moved::default(),
        };
        let result = table.place.run(&mut chunk).await;
        let culprit = chunk.culprit;
        table.moved = chunk.moved;
        (result, culprit)
    }

    /// Tells what became of records that gave their data, and of those that fail with the data of another one.
    fn tell_donors(&mut self, batch: &Bisection) -> Result<(), Error> {
        for record in batch.members().map(|member| member.record) {
            if self.plan.gives(record) {
                self.supersede(record);
            } else if self.plan.donors.contains_key(&record)
                && let decision = self.plan.decisions[record as usize]
                && let Some(error) = refusal(self.table.mapping, decision)
            {
                self.table.map.set_record(record, RecordState::Told);
                self.ledger.fail(record, error)?;
            }
        }
        Ok(())
    }

    /// The records of a batch that are written with the data of another one, with the keys that they have themselves.
    fn merged(&self, batch: &Bisection) -> HashMap<u32, Member> {
        let mut merged = HashMap::new();
        if self.plan.donors.is_empty() {
            return merged;
        }
        let members: HashMap<u32, &New> = batch
            .members()
            .map(|member| (member.record, &member.new))
            .collect();
        let with_keys_of = self.table.mapping.fields.with_keys_of;
        for (&record, &new) in &members {
            let donor = self.plan.donors.get(&record);
            if let Some(donor) = donor.and_then(|donor| members.get(donor)) {
                let new = with_keys_of(donor, new);
                merged.insert(record, Member { record, new });
            }
        }
        merged
    }

    /// Tells the record of a single group that is at fault. Gives what is left of a component.
    fn fail_one(
        &mut self,
        mut batch: Bisection,
        culprit: Option<u32>,
        error: Error,
    ) -> Result<Option<Bisection>, Error> {
        let is_component = batch.groups.iter().any(|group| group.members.len() > 1);
        if let Some(record) = batch.take_out(culprit) {
            self.fail(record, error)?;
        }
        Ok(is_component.then_some(batch))
    }

    /// Tells a record that cannot be written.
    fn fail(&mut self, record: u32, error: Error) -> Result<(), Error> {
        self.table.map.set_record(record, RecordState::Failed);
        self.ledger.fail(record, error)
    }

    /// Notes what was written.
    fn settle(&mut self, written: Written) {
        self.moves = 0;
        let map = &mut self.table.map;
        for (row, deleted) in written.deleted {
            if self.table.judge.marks {
                map.mark(row);
            } else {
                map.lose(row);
            }
            self.ledger.delete(deleted);
        }
        for read in written.besides {
            if let Some(row) = map.row_of(&read.id) {
                map.lose(row);
            }
            self.ledger.delete(read.row);
        }
        // All keys are taken from the rows as they were.
        let last: Vec<Option<Vec<u32>>> = written
            .records
            .iter()
            .map(|settled| {
                let is_updated = matches!(settled.outcome, Outcome::Updated { .. });
                (is_updated || settled.row.is_none())
                    .then(|| map.last_values(settled.record, settled.row))
            })
            .collect();
        for (settled, last) in written.records.into_iter().zip(last) {
            let row = match (settled.row, last) {
                (Some(row), None) => row,
                (Some(row), Some(last)) => {
                    // It may have been marked as deleted.
                    map.set_row(row, RowState::Here);
                    map.write(row, &last);
                    row
                }
                (None, last) => map.create(&last.unwrap_or_default(), RowState::Created),
            };
            map.set_record(settled.record, RecordState::Done(row));
            self.ledger.settle(settled);
        }
    }

    /// Plans again after rows have moved.
    async fn follow(&mut self, batches: Vec<Bisection>, is_own: bool) -> Result<(), Error> {
        self.moves += 1;
        if self.moves > MOST_MOVES {
            let mapping = self.table.mapping;
            return Err(if is_own {
                never_rests(mapping)
            } else {
                moved(mapping)
            });
        }
        if self.moves > 1 {
            rt::sleep(Retry::short_pause()).await;
        }
        self.plan_again(batches).await
    }

    /// Makes the plan again and puts what is not written yet in its place in it.
    async fn plan_again(&mut self, batches: Vec<Bisection>) -> Result<(), Error> {
        self.plan = self.table.plan(&self.rules).await;
        let groups = batches.into_iter().flat_map(|batch| batch.groups);
        for member in self.queue.take_back(groups) {
            self.route(member)?;
        }
        Ok(())
    }
}

/// No plan can be made of rows that move by themselves.
fn never_rests<DB: Supported>(mapping: Mapping<DB>) -> Error {
    let detail = "rows of the import have other keys each time that they are looked up, and by no other writer: \
                  a trigger, a rule or a view of the table's own changes them";
    Error::Database {
        at: Step::new(Some(mapping.model.name), Operation::LookUpMany),
        detail: detail.to_owned(),
        about_record: false,
        source: sqlx::Error::Protocol(detail.to_owned()),
    }
}
