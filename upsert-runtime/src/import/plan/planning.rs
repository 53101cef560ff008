//! A plan is made in stages.

use std::collections::HashMap;
use std::mem;

use super::arbitrate::Arbitration;
use super::components::Components;
use super::identity::{Decision, Draft, MissingRows, Rules};
use super::identity_map::IdentityMap;

/// The plan of an import.
#[derive(Default)]
pub(crate) struct Plan {
    /// For each record, what is to become of it.
    pub(crate) decisions: Vec<Decision>,
    /// Records whose key changes depend on each other.
    pub(crate) components: Components,
    /// Candidates for deletion that no record is, in the order of their numbers.
    pub(crate) missing: Vec<u32>,
    /// For records whose data another one gives, which supersedes nothing else, that one.
    pub(crate) donors: HashMap<u32, u32>,
}

impl Plan {
    /// Whether a record waits for the one whose data it gives.
    pub(crate) fn gives(&self, record: u32) -> bool {
        // It is superseded, and those that stand alone give nothing.
        !self.donors.is_empty()
            && self.decisions[record as usize] == Decision::Superseded
            && self.components.find(record).is_some()
    }
}

/// The making of a plan, stage by stage, so that a task can let others run between the stages. A stage looks at each record a few
/// times at most.
pub(crate) struct Planning<'p> {
    draft: Draft<'p>,
    next: Stage,
    /// Candidates for deletion that no record is.
    missing: Vec<u32>,
    arbitration: Arbitration,
}

/// What is to be done next.
#[derive(Clone, Copy)]
enum Stage {
    Merge,
    OwnByFirstKey,
    FallBack(usize),
    FindMissing,
    Arbitrate(usize),
    Join,
}

impl<'p> Planning<'p> {
    /// Begins a plan. Decisions on records that are not open any more count for nothing, but their claims do.
    pub(crate) fn new(map: &'p mut IdentityMap, rules: &'p Rules) -> Self {
        Self {
            draft: Draft::new(map, rules),
            next: Stage::Merge,
            missing: Vec::new(),
            arbitration: Arbitration::default(),
        }
    }

    /// Goes one stage on. Gives the plan after the last one.
    pub(crate) fn step(&mut self) -> Option<Plan> {
        let draft = &mut self.draft;
        let (lookups, keys) = (draft.map.keys.lookups(), draft.map.keys.all());
        self.next = match self.next {
            Stage::Merge => {
                draft.merge_equal_records();
                Stage::OwnByFirstKey
            }
            Stage::OwnByFirstKey => {
                draft.own_by_first_key();
                Stage::FallBack(1)
            }
            Stage::FallBack(lookup) if lookup < lookups => {
                draft.fall_back(lookup);
                Stage::FallBack(lookup + 1)
            }
            Stage::FallBack(_) if draft.create_the_others() => Stage::FindMissing,
            Stage::FallBack(_) => Stage::Merge,
            Stage::FindMissing => {
                self.missing = draft.missing();
                Stage::Arbitrate(0)
            }
            Stage::Arbitrate(key) if key < keys => {
                let may_go = draft.rules.missing != MissingRows::Stay && !draft.has_unknown();
                let given_away: &[u32] = if may_go { &self.missing } else { &[] };
                draft.arbitrate(key, given_away, &mut self.arbitration);
                Stage::Arbitrate(key + 1)
            }
            Stage::Arbitrate(_) => {
                draft.fail_who_gets_no_key(&self.arbitration.failed);
                draft.fail_who_needs_a_held_key(&self.arbitration.needs);
                Stage::Join
            }
            Stage::Join => return Some(self.join()),
        };
        None
    }

    /// Joins records whose key changes depend on each other, which is the last stage.
    fn join(&mut self) -> Plan {
        let draft = &mut self.draft;
        let needs = mem::take(&mut self.arbitration.needs).into_iter();
        let needs = needs.filter(|need| draft.is_to_do(need.record));
        let donors = draft.donors();
        let components = Components::of(needs, &draft.owner, &donors);
        Plan {
            donors,
            decisions: mem::take(&mut draft.decisions)
                .into_iter()
                .flatten()
                .collect(),
            components,
            missing: mem::take(&mut self.missing),
        }
    }
}
