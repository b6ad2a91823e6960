//! The ingress history: messages from outside, and their outcomes.

use candid::Principal;

use crate::{
    ingress::{IngressStatus, MessageId},
    network::Network,
    reject::Reject,
};

/// The number of outcomes that are remembered.
const REMEMBERED: usize = 20_000;

/// The limit of the size of all these outcomes, in bytes.
const REMEMBERED_BYTES: usize = 256 << 20;

impl Network {
    /// Records the outcome of an ingress message, and drops the oldest outcomes beyond the limits.
    pub(crate) fn answer_ingress(&mut self, id: MessageId, result: Result<Vec<u8>, Reject>) {
        self.answered_bytes += bytes_of(&result);
        self.answered.push_back(id);
        self.ingress.insert(id, IngressStatus::Done(result));
        while self.answered.len() > REMEMBERED
            || (self.answered_bytes > REMEMBERED_BYTES && self.answered.len() > 1)
        {
            let Some(old) = self.answered.pop_front() else {
                break;
            };
            self.submissions.remove(&old);
            if let Some(IngressStatus::Done(result)) = self.ingress.remove(&old) {
                self.answered_bytes -= bytes_of(&result);
            }
        }
    }

    /// The status of an ingress message.
    pub(crate) fn ingress_status(&self, id: &MessageId) -> IngressStatus {
        self.ingress
            .get(id)
            .cloned()
            .unwrap_or(IngressStatus::Unknown)
    }

    /// The sender of an ingress message that is remembered.
    pub(crate) fn ingress_sender(&self, id: &MessageId) -> Option<Principal> {
        self.submissions.get(id).map(|submission| submission.sender)
    }
}

/// The approximate size of an outcome, in bytes.
fn bytes_of(result: &Result<Vec<u8>, Reject>) -> usize {
    match result {
        Ok(reply) => reply.len(),
        Err(reject) => reject.message.len(),
    }
}
