//! Guards against an import that would delete, or change, too much.

use crate::error::{Error, MAX_CHANGED_SHARE, MAX_SHARE};
use crate::import::plan::{Decision, IdentityMap, Plan, RecordState, RowState};

/// Guards against an import that would delete too much.
pub(super) struct ShareLimit {
    /// How many rows could be missing.
    pub(super) candidates: u64,
    /// The largest share of them that may be.
    pub(super) max_share: f64,
}

impl ShareLimit {
    /// Refuses a plan by which too much is missing. Rows that it lets stay are no candidates any more: no later plan deletes
    /// what was not guarded.
    pub(super) fn check(
        &self,
        map: &mut IdentityMap,
        plan: &Plan,
        model: &'static str,
    ) -> Result<(), Error> {
        let missing = plan.missing.len() as u64;
        let is_empty = map.records.states.is_empty();
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let (share, all) = (missing as f64, self.candidates as f64);
        // So that a share that is no number allows nothing.
        let is_within_share = share <= self.max_share * all;
        if is_empty || !is_within_share {
            return Err(Error::Refused {
                model,
                option: MAX_SHARE,
                count: missing,
                of: self.candidates,
                missing,
                candidates: self.candidates,
            });
        }
        for (row, state) in map.rows.states.iter_mut().enumerate() {
            let is_missing =
                u32::try_from(row).is_ok_and(|row| plan.missing.binary_search(&row).is_ok());
            if *state == RowState::Candidate && !is_missing {
                *state = RowState::Here;
            }
        }
        Ok(())
    }
}

/// Refuses a plan by which more rows are changed than this share of those found, if they are more than a few.
pub(super) fn check_changes(
    map: &IdentityMap,
    plan: &Plan,
    max_share: f64,
    model: &'static str,
) -> Result<(), Error> {
    /// Of so few rows a large share is no sign of anything.
    const FEW: u64 = 20;
    let (mut found, mut changed) = (0_u64, 0_u64);
    for (record, decision) in (0_u32..).zip(&plan.decisions) {
        found += u64::from(decision.row().is_some());
        // What other, newer data change is not known before they are judged.
        let is_given = plan.donors.contains_key(&record);
        let is_changed = match *decision {
            Decision::Row { row, .. } => is_given || !map.is_same(row, record),
            Decision::Left { .. } => is_given,
            _ => false,
        };
        let is_open = map.records.states[record as usize] == RecordState::Open;
        changed += u64::from(is_changed && is_open);
    }
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    let is_within_share = changed as f64 <= max_share * found as f64;
    // A share that is no number allows nothing.
    if changed <= FEW || is_within_share {
        return Ok(());
    }
    Err(Error::Refused {
        model,
        option: MAX_CHANGED_SHARE,
        count: changed,
        of: found,
        missing: 0,
        candidates: 0,
    })
}
