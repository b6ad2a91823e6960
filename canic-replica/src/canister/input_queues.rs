//! The input queues of a canister, and the order in which it takes messages from them.
//!
//! There is one queue per sender, so that messages between two canisters keep their order. Groups
//! of senders take turns: canisters of the same subnet, users, canisters of other subnets. Within a
//! group the senders take turns, so that a busy sender delays nobody but itself. The messages of
//! all users share one queue.

use std::collections::{BTreeMap, VecDeque};

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::canister::calls::Input;

/// The origin of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A canister of the same subnet, or the management canister.
    LocalSubnet(Principal),
    Ingress,
    /// A canister of another subnet.
    RemoteSubnet(Principal),
}

/// All messages that wait for a canister.
#[derive(Clone, Default, Hash, Serialize, Deserialize)]
pub(crate) struct InputQueues {
    /// Canisters of the same subnet, users, canisters of other subnets.
    groups: [SenderQueues; 3],
    /// The group whose turn is next.
    next: usize,
    /// The message memory of all messages here, in bytes.
    bytes: u64,
}

/// Messages by sender.
#[derive(Clone, Default, Hash, Serialize, Deserialize)]
struct SenderQueues {
    /// No queue here is empty.
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
        self.bytes += input.memory();
        self.groups[group].push(sender, input);
    }

    /// Takes the next message. Groups and senders without messages are passed over.
    pub(crate) fn pop(&mut self) -> Option<Input> {
        for _ in 0..self.groups.len() {
            let group = self.next;
            self.next = (group + 1) % self.groups.len();
            if let Some(input) = self.groups[group].pop() {
                self.bytes -= input.memory();
                return Some(input);
            }
        }
        None
    }

    /// The message memory of all messages, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
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
