//! What a chunk's records find: rows that are as the plan has them, or others.

use std::collections::HashSet;

use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::import::plan::Decision;
use crate::step::Session;
use crate::value::New;

use super::chunk::{Chunk, Group, Member, RowsByNumber};
use super::read::{KeyReader, Keyed, NumberedRow};

/// What a chunk's records find, locked.
pub(super) enum Sight {
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

impl<'i, DB: Supported> Chunk<'i, DB> {
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

    /// The rows that the chunk's records find, locked in the order of their ids.
    pub(super) async fn find_locked(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<Sight, Error> {
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
    pub(super) async fn find(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<Option<RowsByNumber>, Error> {
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
        let records = members.iter().map(|member| {
            let values = self.map.record(member.record);
            (&member.new, values.to_vec())
        });
        let records: Vec<(&New, Vec<u32>)> = records.collect();
        let mut seen = Seen {
            rows: RowsByNumber::new(),
            has_moved: false,
            strangers: Vec::new(),
        };
        self.look(session, &records, lock, &mut seen).await?;
        let kept = self.kept_keys(&seen.rows);
        if !kept.is_empty() {
            let records = kept.iter().map(|(new, values)| (new, values.clone()));
            let records: Vec<(&New, Vec<u32>)> = records.collect();
            self.look(session, &records, lock, &mut seen).await?;
        }
        Ok(seen)
    }

    /// The keys that rows keep which come back to life, as creating data, where rows that hold such a key and are to give it away
    /// were not seen: no record asks for it.
    fn kept_keys(&self, rows: &RowsByNumber) -> Vec<(New, Vec<u32>)> {
        let is_lacking = self.given_away().any(|row| !rows.contains_key(&row));
        let mut kept = Vec::new();
        for member in self.members().filter(|_| is_lacking) {
            let decision = self.plan.decisions[member.record as usize];
            if let Some((row, _)) = decision.row()
                && let Some(stored) = rows.get(&row)
                && self.mapping.is_deleted(stored)
            {
                let new = (self.mapping.fields.with_keys_of_row)(&member.new, stored);
                kept.push((new, self.map.row(row).to_vec()));
            }
        }
        kept
    }

    /// Looks for the rows that have keys of these records, and notes what is found.
    async fn look(
        &mut self,
        session: &mut Session<'_, DB>,
        records: &[(&New, Vec<u32>)],
        lock: Option<&str>,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        let records = records.iter();
        let records: Vec<Keyed<'_>> = records.map(|(new, values)| Keyed { new, values }).collect();
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
        let (found, has_moved) = found.note(self.map);
        seen.has_moved |= has_moved;
        for (row, read, is_news) in found {
            seen.rows.insert(row, read.row);
            if is_news && strange.contains(&read.id) {
                let stranger = (row, read.id, read.values, read.is_marked);
                seen.strangers.push(stranger);
            }
        }
        Ok(())
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
}
