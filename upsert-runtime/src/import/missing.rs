//! Rows that no record is: counted, guarded, and deleted in the end.

use std::collections::HashSet;

use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::model::{LockedUpsert, Model, Stored};
use crate::session::Session;
use crate::work::Work;

use super::engine::Engine;
use super::place::Place;
use super::read::{self, Raw};
use super::statement;
use super::world::{RowState, World};
use super::{Missing, Scope};

impl<M: LockedUpsert> Engine<'_, '_, M> {
    /// Notes the rows that are to be deleted if no record is one of them: in the scope, and with a usable first key.
    pub(super) async fn note_candidates<DB: Backend>(
        &mut self,
        place: &mut Place<'_, '_, DB>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let mut last = None;
        loop {
            let page = self.page(place, last.as_ref()).await?;
            for raw in &page {
                // Nothing is kept of the others.
                if is_candidate(&raw.row, &mut self.options.scope) {
                    let values = raw.values::<DB>(&mut self.world.keys, &self.folded)?;
                    let (row, _) = self.world.see(&raw.id::<DB>()?, &values);
                    self.world.rows.states[row as usize] = RowState::Candidate;
                    self.candidates += 1;
                }
            }
            match page.into_iter().last() {
                Some(raw) => last = Some(raw.row),
                None => return Ok(()),
            }
        }
    }

    /// Refuses an import that would delete too much.
    pub(super) fn guard(&mut self) -> Result<(), Error> {
        self.report.missing = self.plan.missing.len() as u64;
        if !self.deletes_missing() {
            return Ok(());
        }
        let is_empty = self.world.records.states.is_empty();
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let (missing, all) = (self.report.missing as f64, self.candidates as f64);
        // So that a share that is no number allows nothing.
        let is_within_share = missing <= self.options.max_share * all;
        if is_empty || !is_within_share {
            return Err(Error::Refused {
                model: M::MODEL.name,
                missing: self.report.missing,
                candidates: self.candidates,
            });
        }
        // No later plan deletes rows that were not guarded.
        for (row, state) in self.world.rows.states.iter_mut().enumerate() {
            let is_missing =
                u32::try_from(row).is_ok_and(|row| self.plan.missing.binary_search(&row).is_ok());
            if *state == RowState::Candidate && !is_missing {
                *state = RowState::Here;
            }
        }
        Ok(())
    }

    /// Deletes the missing rows that are left, unless a record failed.
    pub(super) async fn delete_missing<DB: Backend>(
        &mut self,
        place: &mut Place<'_, '_, DB>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let is_left = |row: &u32| self.world.rows.states[*row as usize] == RowState::Candidate;
        let left: HashSet<u32> = self.plan.missing.iter().copied().filter(is_left).collect();
        if left.is_empty() || !self.deletes_missing() || !self.report.failed.is_empty() {
            return Ok(());
        }
        let mut last: Option<M> = None;
        loop {
            let page = self.page(place, last.as_ref()).await?;
            let mut batches = vec![Vec::new()];
            for raw in &page {
                let id = raw.id::<DB>()?;
                let row = self.world.row_of(&id);
                if row.is_some_and(|row| left.contains(&row)) {
                    batches[0].push(&raw.row);
                }
            }
            while let Some(rows) = batches.pop() {
                let halves = self.delete(place, rows).await?;
                batches.extend(halves.into_iter().flatten());
            }
            match page.into_iter().last() {
                Some(raw) => last = Some(raw.row),
                None => return Ok(()),
            }
        }
    }

    /// Deletes rows, or gives back two halves of them to be tried one by one. A row that cannot be deleted stays.
    async fn delete<'r, DB: Backend>(
        &mut self,
        place: &mut Place<'_, '_, DB>,
        mut rows: Vec<&'r M>,
    ) -> Result<Option<[Vec<&'r M>; 2]>, Error>
    where
        M: Stored<DB>,
    {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut work = Delete {
            world: &mut self.world,
            folded: &self.folded,
            rows: &rows,
            scope: &mut self.options.scope,
        };
        let retry = self.options.retry;
        match place.run(retry, self.options.wait, &mut work).await {
            Ok(deleted) => {
                for row in deleted {
                    self.settle_deleted(row);
                }
                Ok(None)
            }
            Err(error) if !error.is_about_record() => Err(error),
            Err(_) if rows.len() == 1 => Ok(None),
            Err(_) => {
                let rest = rows.split_off(rows.len() / 2);
                Ok(Some([rest, rows]))
            }
        }
    }

    async fn page<DB: Backend>(
        &mut self,
        place: &mut Place<'_, '_, DB>,
        after: Option<&M>,
    ) -> Result<Vec<Raw<M, DB::Row>>, Error>
    where
        M: Stored<DB>,
    {
        let mut work = Page {
            folded: &self.folded,
            after,
            size: self.options.chunk_size,
        };
        place
            .run(self.options.retry, self.options.wait, &mut work)
            .await
    }

    /// Whether missing rows are deleted at all: nobody knows which they are if a record could not be looked up.
    pub(super) fn deletes_missing(&self) -> bool {
        self.options.missing == Missing::Delete && !self.learned.is_incomplete
    }
}

/// Whether a row is deleted if no record is this row.
pub(super) fn is_candidate<M: LockedUpsert>(row: &M, scope: &mut Option<Scope<'_, M>>) -> bool {
    M::MODEL.lookups[0].usable_in(row) && scope.as_mut().is_none_or(|scope| scope(row))
}

/// A page of the table, as work.
struct Page<'i, M> {
    folded: &'i [usize],
    after: Option<&'i M>,
    size: usize,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Page<'_, M> {
    type Output = Vec<Raw<M, DB::Row>>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        read::page(session, self.folded, self.after, self.size).await
    }
}

/// The deletion of rows, as work.
struct Delete<'i, 'f, M> {
    world: &'i mut World,
    folded: &'i [usize],
    rows: &'i [&'i M],
    scope: &'i mut Option<Scope<'f, M>>,
}

impl<DB: Backend, M: Stored<DB>> Work<DB> for Delete<'_, '_, M> {
    type Output = Vec<M>;

    fn model(&self) -> &'static Model {
        M::MODEL
    }

    /// Judges each row again under its lock.
    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Vec<M>, Error> {
        let at = Step::new(Some(M::MODEL.name), Operation::Delete);
        let failed = |source| Error::of::<DB>(at, source);
        let keys = &mut self.world.keys;
        let locked = read::lock::<DB, M>(session, keys, self.folded, self.rows).await?;
        let mut doomed = Vec::new();
        for read in locked {
            let (row, _) = self.world.see(&read.id, &read.values);
            let is_left = self.world.rows.states[row as usize] == RowState::Candidate;
            if is_left && is_candidate(&read.row, self.scope) {
                doomed.push(read.row);
            }
        }
        for rows in doomed.chunks(DB::Driver::MOST_VALUES) {
            let rows: Vec<&M> = rows.iter().collect();
            let many = statement::delete::<DB, M>(&rows).map_err(failed)?;
            let deleted = session
                .execute_many(many.text, many.arguments, many.keep_prepared)
                .await
                .map_err(failed)?;
            if deleted != rows.len() as u64 {
                return Err(failed(sqlx::Error::RowNotFound));
            }
        }
        Ok(doomed)
    }
}
