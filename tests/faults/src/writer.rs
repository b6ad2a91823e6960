//! A writer: it keeps writing to members, and remembers which writes were acknowledged.

use std::{iter, mem};

use candid::{Decode, Encode, Principal};
use canic_fleet_tests::user;
use canic_replica::{Event, Ingress, IngressStatus, MessageId, Replica};
use canic_testing::harness;

/// The method with which members take a note (`tests/fleet/fixtures/releases`).
pub(crate) const NOTE: &str = "note";

/// The method of the client through which some notes go (`tests/fleet/fixtures/forward.rs`).
pub(crate) const FORWARD: &str = "forward";

/// Rounds in a row without execution after which the writer waits for something to happen.
const PATIENCE: u32 = 4;

/// Writes to members, one at a time to each.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    /// The members, each with the canister through which its notes go. `None`: directly.
    targets: Vec<(Principal, Option<Principal>)>,
    pending: Vec<(Note, bool, MessageId)>,
    acknowledged: Vec<Note>,
    count: u64,
    /// Notes from this time on may be lost: a controller asked for the state of before.
    pub(crate) lossy_since: Option<u64>,
}

/// A note for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) member: Principal,
    pub(crate) text: String,
    /// The time at which it was acknowledged, in nanoseconds since 1970.
    pub(crate) at: u64,
}

impl Writer {
    /// Writes to these members from now on, to the first one through a canister.
    pub(crate) fn aim(&mut self, members: &[Principal], client: Option<Principal>) {
        let clients = client.into_iter().map(Some).chain(iter::repeat(None));
        self.targets = members.iter().copied().zip(clients).collect();
    }

    /// Whether there is anybody to write to.
    pub(crate) fn is_writing(&self) -> bool {
        !self.targets.is_empty()
    }

    /// The notes that were acknowledged, in their order.
    pub(crate) fn acknowledged(&self) -> &[Note] {
        &self.acknowledged
    }

    /// Writes a note. A member on probation, or one that is stopped, may refuse it at once.
    fn submit(&mut self, replica: &mut Replica, member: Principal, client: Option<Principal>) {
        self.count += 1;
        let text = format!("note {}", self.count);
        let argument = Encode!(&text).expect("a text can be encoded");
        let (canister, method, payload) = match client {
            None => (member, NOTE, argument),
            Some(client) => {
                let payload = Encode!(&member, &NOTE, &argument).expect("they can be encoded");
                (client, FORWARD, payload)
            }
        };
        let message = replica.submit(Ingress {
            sender: user(1),
            canister,
            method: method.to_string(),
            payload,
            effective: None,
            caller_info: None,
        });
        if let Ok(message) = message {
            let at = 0;
            let note = Note { member, text, at };
            self.pending.push((note, client.is_some(), message));
        }
    }
}

impl harness::Writer<Replica> for Writer {
    /// Collects the answers that are there, and writes to each member that has answered. In an idle
    /// world the writer waits, so that time can pass.
    fn write(&mut self, replica: &mut Replica, idle: u32) {
        let now = replica.time();
        let mut pending = mem::take(&mut self.pending);
        pending.retain_mut(
            |(note, through, message)| match replica.ingress_status(message) {
                IngressStatus::Done(answer) => {
                    let taken = answer.is_ok_and(|reply| !*through || was_forwarded(&reply));
                    if taken {
                        note.at = now;
                        self.acknowledged.push(note.clone());
                    }
                    false
                }
                // An answer that the platform has forgotten tells nothing.
                IngressStatus::Unknown => false,
                IngressStatus::Received | IngressStatus::Processing => true,
            },
        );
        self.pending = pending;
        if idle >= PATIENCE {
            return;
        }
        for (member, client) in self.targets.clone() {
            if !self.pending.iter().any(|(note, ..)| note.member == member) {
                self.submit(replica, member, client);
            }
        }
    }

    fn is_own(event: &Event) -> bool {
        [NOTE, FORWARD].contains(&event.method.as_str())
    }
}

/// Whether a client's reply says that the member took the note.
fn was_forwarded(reply: &[u8]) -> bool {
    Decode!(reply, Option<Vec<u8>>).is_ok_and(|reply| reply.is_some())
}
