//! The ingress history: messages from outside, and their outcomes.

use candid::Principal;

use crate::{
    ingress::{IngressStatus, MessageId},
    network::Network,
    reject::Reject,
};

/// The number of outcomes that are remembered.
const MAX_OUTCOMES: usize = 20_000;

/// The limit of the size of all these outcomes, in bytes.
const MAX_OUTCOME_BYTES: usize = 256 << 20;

impl Network {
    /// Records the outcome of an ingress message, and drops the oldest outcomes beyond the limits.
    pub(crate) fn record_outcome(&mut self, id: MessageId, result: Result<Vec<u8>, Reject>) {
        self.answered_bytes += outcome_size(&result);
        self.answered.push_back(id);
        self.ingress.insert(id, IngressStatus::Done(result));
        while self.answered.len() > MAX_OUTCOMES
            || (self.answered_bytes > MAX_OUTCOME_BYTES && self.answered.len() > 1)
        {
            let Some(old) = self.answered.pop_front() else {
                break;
            };
            self.submissions.remove(&old);
            if let Some(IngressStatus::Done(result)) = self.ingress.remove(&old) {
                self.answered_bytes -= outcome_size(&result);
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

    /// The number of the subnet that a remembered message was sent to.
    pub(crate) fn ingress_subnet(&self, id: &MessageId) -> Option<usize> {
        self.submissions.get(id).map(|submission| submission.subnet)
    }
}

/// The approximate size of an outcome, in bytes.
fn outcome_size(result: &Result<Vec<u8>, Reject>) -> usize {
    match result {
        Ok(reply) => reply.len(),
        Err(reject) => reject.message.len(),
    }
}
