//! What became of the blocks that the canister was notified of.

use crate::system::cycles_minting::{
    CyclesMinting,
    notification::{Notification, NotifyError, Outcome, Status, intent},
};

/// The most blocks whose fate is remembered.
const MAX_STATUSES: usize = 1_000_000;

impl CyclesMinting {
    /// Marks a block as being processed, unless it has a fate already: then the outcome for the
    /// caller is known.
    pub(super) fn begin(&mut self, notification: &Notification) -> Option<Outcome> {
        self.forget();
        if let Some(error) = self.too_old(notification.block) {
            return Some(Err(error));
        }
        let own = notification.purpose.memo();
        let outcome = match self.statuses.get(&notification.block) {
            None => {
                self.statuses.insert(notification.block, Status::Processing);
                return None;
            }
            Some(Status::Processing) => Err(NotifyError::Processing),
            Some(Status::Notified(memo, outcome)) if *memo == own => outcome.clone(),
            Some(Status::Notified(memo, _)) => {
                let what = match intent(*memo) {
                    "CreateCanister" => "a create canister request",
                    "TopUp" => "a top up request",
                    _ => "a mint request",
                };
                Err(processed_as(what))
            }
            Some(Status::NotMeaningful(_)) => Err(processed_as("an automatic refund")),
        };
        Some(outcome)
    }

    /// Marks a block without a meaningful memo as being processed, unless it has a fate already:
    /// then the outcome for the caller is known.
    pub(super) fn begin_refund(&mut self, block: u64, reason: &str) -> Option<NotifyError> {
        self.forget();
        if let Some(error) = self.too_old(block) {
            return Some(error);
        }
        match self.statuses.get(&block) {
            None => {
                self.statuses.insert(block, Status::Processing);
                None
            }
            Some(Status::Processing) => Some(NotifyError::Processing),
            Some(Status::NotMeaningful(refund)) => Some(NotifyError::Refunded {
                reason: reason.into(),
                block_index: *refund,
            }),
            Some(Status::Notified(..)) => Some(NotifyError::InvalidTransaction(
                "Block has already been processed".into(),
            )),
        }
    }

    /// Remembers the outcome of a notification. Errors that may pass are forgotten, so that the
    /// caller can try again.
    pub(super) fn remember(&mut self, notification: &Notification, outcome: &Outcome) {
        match outcome {
            Ok(_) | Err(NotifyError::Refunded { .. }) => {
                let status = Status::Notified(notification.purpose.memo(), outcome.clone());
                self.statuses.insert(notification.block, status);
            }
            Err(_) => {
                self.statuses.remove(&notification.block);
            }
        }
    }

    /// Forgets the oldest blocks beyond the limit.
    fn forget(&mut self) {
        while self.statuses.len() > MAX_STATUSES {
            if let Some((block, _)) = self.statuses.pop_first() {
                self.forgotten = self.forgotten.max(block);
            }
        }
    }

    /// The error for a block whose fate may be forgotten.
    fn too_old(&self, block: u64) -> Option<NotifyError> {
        (block <= self.forgotten).then(|| NotifyError::TransactionTooOld(self.forgotten + 1))
    }
}

fn processed_as(what: &str) -> NotifyError {
    NotifyError::InvalidTransaction(format!("The same payment is already processed as {what}."))
}
