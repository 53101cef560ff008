//! Rows that no record is: counted, guarded, and deleted in the end.

use std::collections::HashSet;
use std::sync::Arc;

use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Unreadable};
use crate::import::batch::{Cursor, Deleter, KeyReader, Numbering, SelectedRow, SelfReference};
use crate::import::plan::{Keys, RowState};
use crate::mapping::Mapping;
use crate::step::Session;
use crate::transaction::UnitOfWork;
use crate::value::Row;

use super::course::Halt;
use super::ledger::Ledger;
use super::stop::Stopper;
use super::table::Table;

impl<DB: Supported> Table<'_, DB> {
    /// Notes the rows that are to be deleted if no record is one of them, and gives their number. One that cannot be read is none
    /// of them: nobody can say whether it is in the scope, and what it holds should be looked at before it goes.
    pub(super) async fn note_candidates(
        &mut self,
        ledger: &mut Ledger<'_>,
        stop: &mut Stopper<'_>,
        page_size: usize,
    ) -> Result<u64, Halt> {
        let mut candidates = 0;
        let mut cursor = Cursor::default();
        loop {
            stop.check().await?;
            let page = self.page(&cursor, page_size).await?;
            if page.is_empty() {
                return Ok(candidates);
            }
            for read in page {
                let selected = match read {
                    Ok(selected) => selected,
                    Err(unreadable) => {
                        cursor.pass_unreadable();
                        ledger.note_unreadable(*unreadable);
                        continue;
                    }
                };
                // Nothing is kept of the others.
                if self.judge.may_go(&selected.row) {
                    let mut numbering = Numbering {
                        mapping: self.mapping,
                        keys: &mut self.map.keys,
                        collated: &self.facts.collated,
                    };
                    let values = numbering.of_row(&selected)?;
                    let (row, _) = self.map.see(&selected.id(self.mapping)?, &values, false);
                    self.map.set_row(row, RowState::Candidate);
                    candidates += 1;
                }
                cursor.pass(&Arc::new(selected.row));
            }
        }
    }

    /// Deletes those of the missing rows that are left.
    pub(super) async fn delete_missing(
        &mut self,
        missing: &[u32],
        ledger: &mut Ledger<'_>,
        stop: &mut Stopper<'_>,
        page_size: usize,
    ) -> Result<(), Halt> {
        let left: HashSet<u32> = missing
            .iter()
            .copied()
            .filter(|&row| self.map.is_candidate(row))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let mut refused = Vec::new();
        let mut cursor = Cursor::default();
        loop {
            stop.check().await?;
            let page = self.page(&cursor, page_size).await?;
            let mut rows = Vec::new();
            if page.is_empty() {
                break;
            }
            for read in page {
                let Ok(selected) = read else {
                    cursor.pass_unreadable();
                    continue;
                };
                let row = self.map.row_of(&selected.id(self.mapping)?);
                let selected = Arc::new(selected.row);
                cursor.pass(&selected);
                if row.is_some_and(|row| left.contains(&row)) {
                    rows.push(selected);
                }
            }
            refused.extend(self.delete(rows, missing, ledger).await?);
        }
        if self.references.is_empty() {
            return Ok(());
        }
        // A row that was kept by another one can go once that is gone.
        loop {
            let mut parts = Vec::new();
            // A row mostly refers to one that was there before it.
            for rows in refused.rchunks(page_size) {
                stop.check().await?;
                parts.push(self.delete(rows.to_vec(), missing, ledger).await?);
            }
            let still: Vec<Arc<Row>> = parts.into_iter().rev().flatten().collect();
            if still.len() == refused.len() {
                return Ok(());
            }
            refused = still;
        }
    }

    /// Asks for the foreign keys of the table to itself.
    pub(super) async fn ask_references(&mut self) -> Result<(), Error> {
        let mut work = AskReferences {
            mapping: self.mapping,
        };
        self.references = self.place.run(&mut work).await?;
        Ok(())
    }

    /// Deletes rows, in halves where one of them cannot be deleted, the last half first. Gives those that stay for that, in
    /// their order.
    async fn delete(
        &mut self,
        rows: Vec<Arc<Row>>,
        missing: &[u32],
        ledger: &mut Ledger<'_>,
    ) -> Result<Vec<Arc<Row>>, Error> {
        let mut refused = Vec::new();
        let mut batches = vec![rows];
        while let Some(mut rows) = batches.pop() {
            if rows.is_empty() {
                continue;
            }
            let known: Vec<&Row> = rows.iter().map(|row| &**row).collect();
            let mut work = Deletion {
                rows: &known,
                deleter: Deleter {
                    mapping: self.mapping,
                    map: &mut self.map,
                    missing,
                    collated: &self.facts.collated,
                    references: &self.references,
                    judge: self.judge.reborrow(),
                    size: DB::Driver::CAPABILITIES.most_values,
                },
            };
            match self.place.run(&mut work).await {
                Ok(deleted) => deleted.into_iter().for_each(|row| ledger.delete(row)),
                Err(error) if !error.is_about_record() => return Err(error),
                Err(_) if rows.len() == 1 => refused.extend(rows),
                Err(_) => {
                    let rest = rows.split_off(rows.len() / 2);
                    batches.extend([rows, rest]);
                }
            }
        }
        refused.reverse();
        Ok(refused)
    }

    /// The rows behind this place, in the order of their ids.
    async fn page(&mut self, after: &Cursor, size: usize) -> Result<PageOfRows<DB>, Error> {
        let mut work = Page {
            mapping: self.mapping,
            keys: &mut self.map.keys,
            collated: &self.facts.collated,
            after,
            size,
        };
        self.place.run(&mut work).await
    }
}

/// Rows of the table, and those that cannot be read.
type PageOfRows<DB> = Vec<Result<SelectedRow<DB>, Box<Unreadable>>>;

/// The reading of a page of the table, as a unit of work.
struct Page<'i, DB: Supported> {
    mapping: Mapping<DB>,
    keys: &'i mut Keys,
    collated: &'i [usize],
    after: &'i Cursor,
    size: usize,
}

impl<DB: Supported> UnitOfWork<DB> for Page<'_, DB> {
    type Output = PageOfRows<DB>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        let mut reader = KeyReader::new(session, self.keys, self.collated);
        reader.page(self.after, self.size).await
    }
}

/// The question for the table's foreign keys to itself, as a unit of work.
struct AskReferences<DB: Supported> {
    mapping: Mapping<DB>,
}

impl<DB: Supported> UnitOfWork<DB> for AskReferences<DB> {
    type Output = Vec<SelfReference>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        SelfReference::all(session).await
    }
}

/// The deletion of rows, as a unit of work.
struct Deletion<'i, DB: Supported> {
    rows: &'i [&'i Row],
    deleter: Deleter<'i, DB>,
}

impl<DB: Supported> UnitOfWork<DB> for Deletion<'_, DB> {
    type Output = Vec<Row>;

    fn mapping(&self) -> Mapping<DB> {
        self.deleter.mapping
    }

    /// Judges each row again under its lock.
    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Vec<Row>, Error> {
        let Deleter {
            map,
            collated,
            judge,
            ..
        } = &mut self.deleter;
        let mut reader = KeyReader::new(session, &mut map.keys, collated);
        let locked = reader.lock(self.rows).await?;
        let mut doomed = Vec::new();
        for read in locked {
            let (row, _) = map.see(&read.id, &read.values, read.is_marked);
            if map.is_candidate(row) && judge.may_go(&read.row) {
                doomed.push(read.row);
            }
        }
        if doomed.is_empty() {
            return Ok(doomed);
        }
        let rows: Vec<&Row> = doomed.iter().collect();
        let besides = self.deleter.delete(session, &rows).await?;
        doomed.extend(besides.into_iter().map(|read| read.row));
        Ok(doomed)
    }
}
