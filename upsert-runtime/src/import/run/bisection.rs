//! Groups that are written at once, and how they are bisected until it is known which record is at fault.

use crate::backend::{Dialect as _, Supported};
use crate::import::batch::Group;

/// Groups that are written at once.
pub(super) struct Bisection {
    pub(super) groups: Vec<Group>,
    /// How many times a refusal by a unique index may be a lost race.
    pub(super) patience: u32,
    /// Whether each statement writes one row.
    pub(super) row_by_row: bool,
}

impl Bisection {
    /// Groups of which none is suspected.
    pub(super) fn new<DB: Supported>(groups: Vec<Group>) -> Self {
        Self {
            groups,
            patience: Self::patience::<DB>(),
            row_by_row: false,
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

    /// Whether an error tells which record is at fault.
    pub(super) fn is_narrow(&self) -> bool {
        matches!(&self.groups[..], [group] if group.members.len() == 1 || self.row_by_row)
    }

    /// The groups in two halves, of which the first one comes last; a single group is written row by row.
    pub(super) fn narrowed<DB: Supported>(mut self) -> Vec<Self> {
        if self.groups.len() == 1 {
            self.row_by_row = true;
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
            })
            .collect()
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
