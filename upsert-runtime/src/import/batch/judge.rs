//! What the rules say of rows and records.

use crate::backend::Supported;
use crate::import::options::{CallerRules, Merge, OfRow, Only};
use crate::import::plan::{Keys, Left, Verdict};
use crate::mapping::Mapping;
use crate::rules::OnDeleted;
use crate::value::{Changes, New, Row};

use super::chunk::{Chunk, Member, RowsByNumber};

/// Judges rows by the rules: what a record writes to the row that it is, and whether a row goes if no record is it.
pub(crate) struct Judge<'s, DB: Supported> {
    mapping: Mapping<DB>,
    /// Which rows may be missing; without it all.
    scope: Option<&'s mut OfRow<'s>>,
    /// Which rows are to be left alone.
    protect: Option<&'s mut OfRow<'s>>,
    /// What is written to a row; without it what follows from the creating data.
    merge: Option<&'s mut Merge<'s>>,
    only: Option<Only>,
    on_deleted: OnDeleted,
    /// Whether rows that no record is are marked as deleted.
    pub(crate) marks: bool,
}

impl<'s, DB: Supported> Judge<'s, DB> {
    pub(crate) fn new(mapping: Mapping<DB>, rules: &'s mut CallerRules<'_>, marks: bool) -> Self {
        let CallerRules {
            scope,
            protect,
            merge,
            only,
            on_deleted,
        } = rules;
        Self {
            mapping,
            scope: shorter(scope.as_deref_mut()),
            protect: shorter(protect.as_deref_mut()),
            merge: merge_shorter(merge.as_deref_mut()),
            only: *only,
            on_deleted: *on_deleted,
            marks,
        }
    }

    /// Lends the judge on.
    pub(crate) fn reborrow(&mut self) -> Judge<'_, DB> {
        Judge {
            mapping: self.mapping,
            scope: shorter(self.scope.as_deref_mut()),
            protect: shorter(self.protect.as_deref_mut()),
            merge: merge_shorter(self.merge.as_deref_mut()),
            only: self.only,
            on_deleted: self.on_deleted,
            marks: self.marks,
        }
    }

    /// Whether a row goes if no record is it: it has a usable first key, is in the scope, is not protected, and is not marked as deleted already.
    pub(crate) fn may_go(&mut self, row: &Row) -> bool {
        let first = &self.mapping.model.lookups[0];
        self.mapping.usable_in_row(first, row)
            && !self.mapping.is_deleted(row)
            && self.scope.as_mut().is_none_or(|scope| scope(row))
            && !self.protects(row)
    }

    /// Whether records find rows that are marked as deleted.
    pub(crate) fn finds_marked(&self) -> bool {
        self.on_deleted != OnDeleted::Ignore
    }

    /// Whether every record writes what differs from its row, and nothing else is to be asked.
    pub(crate) fn is_plain(&self) -> bool {
        let rules = self.mapping.fields.rules;
        self.protect.is_none()
            && self.merge.is_none()
            && self.only != Some(Only::Create)
            && rules.newer.is_none()
            && rules.deleted.is_none()
    }

    /// What the rules say of a record and a row that it may be.
    pub(crate) fn verdict(&mut self, row: &Row, new: &New, keys: &Keys) -> Verdict {
        if self.mapping.is_deleted(row) && self.on_deleted == OnDeleted::Refuse {
            return Verdict::Leave(Left::Deleted);
        }
        if self.protects(row) {
            return Verdict::Leave(Left::Protected);
        }
        let has_versions = self.mapping.fields.rules.newer.is_some();
        let changes = (has_versions || self.merge.is_some()).then(|| self.changes(row, new));
        if let Some(changes) = &changes
            && (self.mapping.fields.is_stale)(row, changes)
        {
            return Verdict::Leave(Left::Stale);
        }
        if self.only == Some(Only::Create) {
            return Verdict::Leave(Left::Skipped);
        }
        match changes {
            Some(changes) if self.merge.is_some() => self.merged(row, new, &changes, keys),
            _ => Verdict::write(),
        }
    }

    /// What is written to the keys of a row by changes that somebody made.
    fn merged(&self, row: &Row, new: &New, changes: &Changes, keys: &Keys) -> Verdict {
        let mapping = self.mapping;
        let mut follows = Vec::with_capacity(keys.columns.len());
        for &column in &keys.columns {
            let Some(value) = (mapping.fields.in_changes)(changes, column) else {
                follows.push(false);
                continue;
            };
            // What cannot be encoded the statement tells.
            let Ok(bytes) = mapping.bytes_of(value, column) else {
                return Verdict::write();
            };
            let is = |other: sqlx::Result<_>| other.is_ok_and(|other| other == bytes);
            if is(mapping.bytes_of_row(row, column)) {
                follows.push(false);
            } else if is(mapping.bytes_of_new(new, column)) {
                follows.push(true);
            } else {
                return Verdict::Leave(Left::KeyAltered(column));
            }
        }
        Verdict::Write {
            follows: follows.into(),
        }
    }

    /// The updating data of a row and its record, trimmed.
    pub(crate) fn changes(&mut self, row: &Row, new: &New) -> Changes {
        match &mut self.merge {
            None => self.mapping.updating(new),
            Some(merge) => {
                let mut changes = merge(row, new);
                (self.mapping.fields.trim)(&mut changes);
                changes
            }
        }
    }

    /// Whether a row that a record is becomes another one.
    pub(crate) fn would_change(&mut self, row: &Row, new: &New) -> bool {
        if self.mapping.is_deleted(row) {
            return true;
        }
        let changes = self.changes(row, new);
        !self.mapping.to_write(row, &changes).is_empty()
    }

    /// Whether a row is to be left alone.
    pub(super) fn protects(&mut self, row: &Row) -> bool {
        self.protect.as_mut().is_some_and(|protect| protect(row))
    }
}

impl<DB: Supported> Chunk<'_, DB> {
    /// Whether the rules say of the rows, as they are now, what the plan was made with. The identity map is told what they say.
    pub(super) fn judges_as_planned(&mut self, rows: &RowsByNumber) -> bool {
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
                let verdict = self.verdict(member, stored);
                if self.map.verdicts.note(member.record, row, verdict) {
                    has_moved = true;
                    by_versions &= self.merged.contains_key(&member.record);
                }
            }
        }
        self.moved.by_versions = has_moved && by_versions;
        !has_moved
    }

    /// What the rules say of a record and its row. Who gets which key is settled by the record itself: where that is stale, the row keeps
    /// its keys, also if another record gives newer data.
    fn verdict(&mut self, member: &Member, stored: &Row) -> Verdict {
        let keys = &self.map.keys;
        let is_merged = self.merged.contains_key(&member.record);
        let mut members = self.members().filter(|_| is_merged);
        let own = members.find(|own| own.record == member.record);
        let is_stale = own.is_some_and(|own| {
            let verdict = self.judge.verdict(stored, &own.new, keys);
            verdict == Verdict::Leave(Left::Stale)
        });
        if !is_stale {
            self.with_row_keys.remove(&member.record);
            return self.judge.verdict(stored, &member.new, keys);
        }
        let new = (self.mapping.fields.with_keys_of_row)(&member.new, stored);
        let verdict = match self.judge.verdict(stored, &new, keys) {
            Verdict::Write { .. } => Verdict::Write {
                follows: vec![false; keys.columns.len()].into(),
            },
            verdict @ Verdict::Leave(_) => verdict,
        };
        self.with_row_keys.insert(member.record, new);
        verdict
    }

    /// The data that a record writes.
    pub(super) fn data<'a>(&'a self, member: &'a Member) -> &'a New {
        let with_row_keys = self.with_row_keys.get(&member.record);
        with_row_keys.unwrap_or(&member.new)
    }
}

/// A borrowed closure, for a shorter time.
fn shorter<'s>(closure: Option<&'s mut OfRow<'_>>) -> Option<&'s mut OfRow<'s>> {
    match closure {
        Some(closure) => Some(closure),
        None => None,
    }
}

fn merge_shorter<'s>(closure: Option<&'s mut Merge<'_>>) -> Option<&'s mut Merge<'s>> {
    match closure {
        Some(closure) => Some(closure),
        None => None,
    }
}
