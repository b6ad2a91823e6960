//! The messages that wait for a canister, and whose turn it is.
//!
//! There is one queue per sender: what one sends to another arrives in the order in which it was sent. The senders take
//! turns, so that who sends much makes only himself wait: first canisters of the same subnet, then users, whose messages
//! share one queue, then canisters of other subnets.

use std::collections::{BTreeMap, VecDeque};

use candid::Principal;

use crate::canister::calls::Input;

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A canister of the same subnet, or the management canister.
    LocalSubnet(Principal),
    Ingress,
    /// A canister of another subnet.
    RemoteSubnet(Principal),
}

/// All messages that wait for a canister.
#[derive(Clone, Default, Hash)]
pub(crate) struct InputQueues {
    /// Canisters of the same subnet, users, canisters of other subnets.
    groups: [SenderQueues; 3],
    /// The group whose turn it is.
    next: usize,
}

/// Messages by sender.
#[derive(Clone, Default, Hash)]
struct SenderQueues {
    /// None of them is empty.
    queues: BTreeMap<Principal, VecDeque<Input>>,
    /// The senders that have messages here, in the order of their turns.
    turns: VecDeque<Principal>,
}

impl InputQueues {
    pub(crate) fn push(&mut self, source: Source, input: Input) {
        let (group, sender) = match source {
            Source::LocalSubnet(sender) => (0, sender),
            Source::Ingress => (1, Principal::anonymous()),
            Source::RemoteSubnet(sender) => (2, sender),
        };
        self.groups[group].push(sender, input);
    }

    /// The message whose turn it is. Groups and senders that have none are passed over.
    pub(crate) fn pop(&mut self) -> Option<Input> {
        for _ in 0..self.groups.len() {
            let group = self.next;
            self.next = (group + 1) % self.groups.len();
            if let Some(input) = self.groups[group].pop() {
                return Some(input);
            }
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.turns.is_empty())
    }

    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    /// All messages, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Input> {
        self.groups
            .iter()
            .flat_map(|group| group.queues.values().flatten())
    }
}

impl SenderQueues {
    fn push(&mut self, sender: Principal, input: Input) {
        let queue = self.queues.entry(sender).or_default();
        if queue.is_empty() {
            self.turns.push_back(sender);
        }
        queue.push_back(input);
    }

    fn pop(&mut self) -> Option<Input> {
        let sender = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&sender)?;
        let input = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&sender);
        } else {
            self.turns.push_back(sender);
        }
        input
    }
}
