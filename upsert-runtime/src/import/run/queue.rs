//! Records that are to be written, and what must be written with them.

use std::collections::HashMap;
use std::mem;

use crate::import::batch::{Group, Member};
use crate::import::plan::Components;

/// What is to be written: groups that are complete, and records that wait for others.
#[derive(Default)]
pub(super) struct Queue {
    ready: Vec<Group>,
    /// How many records are in the groups that are ready.
    ready_records: usize,
    /// Records of components that are not complete, by the component.
    waiting: HashMap<u32, Vec<Member>>,
}

impl Queue {
    /// Adds a record. One that stands alone is ready; one of a component is when the component is complete.
    pub(super) fn add(&mut self, member: Member, components: &Components) {
        let Some((component, size)) = components.find(member.record) else {
            self.push(Group {
                members: vec![member],
                given_away: Vec::new(),
                is_witness: false,
            });
            return;
        };
        let members = self.waiting.entry(component).or_default();
        members.push(member);
        if members.len() == size
            && let Some(members) = self.waiting.remove(&component)
        {
            self.push(Group {
                members,
                given_away: components.given_away(component).to_vec(),
                is_witness: false,
            });
        }
    }

    /// Adds a record that is not written, but whose rows are to be locked.
    pub(super) fn add_witness(&mut self, member: Member) {
        self.push(Group {
            members: vec![member],
            given_away: Vec::new(),
            is_witness: true,
        });
    }

    /// Adds a group that is ready.
    fn push(&mut self, group: Group) {
        self.ready_records += group.members.len();
        self.ready.push(group);
    }

    /// How many records are ready. It is asked for each record, so nothing is counted here.
    pub(super) fn ready_records(&self) -> usize {
        self.ready_records
    }

    /// Whether nothing is ready.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether no record waits for others.
    pub(super) fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes what is ready.
    pub(super) fn take_ready(&mut self) -> Vec<Group> {
        self.ready_records = 0;
        mem::take(&mut self.ready)
    }

    /// Takes groups back that were not written. Witnesses are ready again; the other records are given in their order, with
    /// those that waited, since a new plan may join them otherwise.
    pub(super) fn take_back(&mut self, groups: impl Iterator<Item = Group>) -> Vec<Member> {
        let waiting = mem::take(&mut self.waiting);
        let (witnesses, groups): (Vec<_>, Vec<_>) = groups.partition(|group| group.is_witness);
        for group in witnesses {
            self.push(group);
        }
        let members = groups.into_iter().flat_map(|group| group.members);
        let mut members: Vec<_> = members.chain(waiting.into_values().flatten()).collect();
        members.sort_by_key(|member| member.record);
        members
    }
}

#[cfg(test)]
mod tests {
    use crate::value::New;

    use super::*;

    fn member(record: u32) -> Member {
        Member {
            record,
            new: New::of(()),
        }
    }

    #[test]
    fn what_is_ready_is_counted_as_it_comes_and_goes() {
        let mut queue = Queue::default();
        let components = Components::default();
        for record in 0..3 {
            queue.add(member(record), &components);
        }
        queue.add_witness(member(3));
        assert_eq!(queue.ready_records(), 4);
        let groups = queue.take_ready();
        assert_eq!(queue.ready_records(), 0);
        // The witness is ready again.
        let members = queue.take_back(groups.into_iter());
        assert_eq!((members.len(), queue.ready_records()), (3, 1));
    }
}
