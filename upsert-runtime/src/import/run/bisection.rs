//! Groups that are written at once, and how they are bisected until it is known which record is at fault.

use std::ops::RangeInclusive;

use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::import::batch::{Group, Member};

/// Groups that are written at once.
pub(super) struct Bisection {
    pub(super) groups: Vec<Group>,
    /// How many times a refusal by a unique index may be a lost race.
    pub(super) patience: u32,
    /// Whether each statement writes one row.
    pub(super) row_by_row: bool,
    /// Whether all records are looked up, since something was in the way of one that was to be created unseen.
    pub(super) sees_all: bool,
    /// What has the constraint that refused the COMMIT checked by each statement, so that its record is known.
    pub(super) check_at_once: Option<String>,
}

impl Bisection {
    /// Groups of which none is suspected.
    pub(super) fn new<DB: Supported>(groups: Vec<Group>) -> Self {
        Self {
            groups,
            patience: Self::patience::<DB>(),
            row_by_row: false,
            sees_all: false,
            check_at_once: None,
        }
    }

    /// A refusal by a unique index may be a lost race; who is at fault is asked only if it is none.
    fn patience<DB: Supported>() -> u32 {
        DB::Driver::CAPABILITIES.refusals - 1
    }

    /// Whether nothing is written.
    pub(super) fn is_witness(&self) -> bool {
        matches!(&self.groups[..], [group] if group.is_witness)
    }

    /// Whether an error tells which record is at fault. That of a COMMIT is no statement's.
    pub(super) fn is_narrow(&self, error: &Error) -> bool {
        let [group] = &self.groups[..] else {
            return false;
        };
        let is_statements = error.refused_commit().is_none() || self.check_at_once.is_some();
        group.members.len() == 1 || (self.row_by_row && is_statements)
    }

    /// The groups in two halves, of which the first one comes last; a single group is written row by row, and what refused its
    /// COMMIT is checked by each of its statements.
    pub(super) fn narrowed<DB: Supported>(mut self, error: &Error) -> Vec<Self> {
        if self.groups.len() == 1 {
            self.row_by_row = true;
            let refusal = error
                .refused_commit()
                .and_then(sqlx::Error::as_database_error);
            // Where it cannot be, it is asked which row refers to nothing; else the error is taken for that of the last record.
            let check = refusal.map(|error| DB::Driver::check_at_once(error).unwrap_or_default());
            self.check_at_once = check.or(self.check_at_once);
            return vec![self];
        }
        let rest = self.groups.split_off(self.groups.len() / 2);
        let halves = [rest, self.groups].into_iter();
        halves
            .map(|groups| Self {
                patience: if groups.len() == 1 {
                    Self::patience::<DB>()
                } else {
                    0
                },
                groups,
                row_by_row: false,
                sees_all: true,
                check_at_once: None,
            })
            .collect()
    }

    /// What is left without these records, which are in their order: the groups that have none of them, and what remains of the others.
    pub(super) fn without(self, records: &[u32]) -> (Option<Self>, Option<Self>) {
        let Self {
            groups,
            patience,
            row_by_row,
            sees_all,
            check_at_once,
        } = self;
        let is_out = |member: &Member| records.binary_search(&member.record).is_ok();
        let (mut lessened, whole): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| group.members.iter().any(is_out));
        for group in &mut lessened {
            group.members.retain(|member| !is_out(member));
        }
        lessened.retain(|group| !group.members.is_empty());
        let of = |groups: Vec<Group>| {
            (!groups.is_empty()).then_some(Self {
                groups,
                patience,
                sees_all,
                row_by_row,
                check_at_once: check_at_once.clone(),
            })
        };
        (of(whole), of(lessened))
    }

    /// The records of all groups.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.groups.iter().flat_map(|group| &group.members)
    }

    /// The records among which the one is that an error came of: it alone if that is known. `None` if there are none.
    pub(super) fn records(&self, culprit: Option<u32>) -> Option<RangeInclusive<u32>> {
        if let Some(record) = culprit.filter(|_| self.row_by_row) {
            return Some(record..=record);
        }
        let members = self.groups.iter().flat_map(|group| &group.members);
        let records = || members.clone().map(|member| member.record);
        Some(records().min()?..=records().max()?)
    }

    /// Takes the record at fault out: the culprit, else the first. Gives its number.
    pub(super) fn take_out(&mut self, culprit: Option<u32>) -> Option<u32> {
        let group = self.groups.first_mut()?;
        let first = group.members.first().map(|member| member.record);
        let record = culprit.or(first)?;
        group.members.retain(|member| member.record != record);
        Some(record)
    }
}
