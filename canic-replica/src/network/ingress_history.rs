//! The ingress history: messages from outside, and their outcomes.

use candid::Principal;

use crate::{
    ingress::{IngressStatus, MessageId},
    network::Network,
    reject::Reject,
};

/// Ingress messages whose outcome is remembered.
const REMEMBERED: usize = 20_000;

/// Bytes that these outcomes may have in all.
const REMEMBERED_BYTES: usize = 256 << 20;

impl Network {
    /// Notes the outcome of an ingress message, and forgets the oldest ones if they are too many or too large.
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

    /// How far a submitted message has come. The outcomes of the last 20,000 messages are remembered, as long as
    /// they have no more than 256 MiB in all.
    pub(crate) fn ingress_status(&self, id: &MessageId) -> IngressStatus {
        self.ingress
            .get(id)
            .cloned()
            .unwrap_or(IngressStatus::Unknown)
    }

    /// Who sent a message that is remembered.
    pub(crate) fn ingress_sender(&self, id: &MessageId) -> Option<Principal> {
        self.submissions.get(id).map(|submission| submission.sender)
    }
}

/// Bytes that an outcome takes, roughly.
fn bytes_of(result: &Result<Vec<u8>, Reject>) -> usize {
    match result {
        Ok(reply) => reply.len(),
        Err(reject) => reject.message.len(),
    }
}
