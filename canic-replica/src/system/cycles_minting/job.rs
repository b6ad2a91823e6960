//! The jobs of the cycles minting canister.

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::{
    stored::in_candid,
    system::{
        creation::CmcArgs,
        cycles_minting::notification::{Notification, Outcome, Payment},
    },
};

/// A job: what for, and the answer that it waits for.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) task: Task,
    pub(super) step: Step,
}

#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) enum Task {
    /// A notification, with its payment once the block is known.
    Notified(Notification, Option<Payment>),
    /// A call of `create_canister`.
    Create {
        caller: Principal,
        #[serde(with = "in_candid")]
        args: Box<CmcArgs>,
    },
}

/// The answer that a job waits for.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) enum Step {
    Block,
    /// The deposit of minted cycles.
    Deposit,
    Randomness,
    /// The creation on a subnet; other subnets follow if it fails.
    Creation {
        subnet: Principal,
        others: Vec<Principal>,
    },
    /// The transfer of a refund.
    Refund {
        reason: String,
        /// To be burnt afterwards, in e8s.
        burn: u64,
        /// Whether the payment had no meaningful memo.
        is_automatic: bool,
    },
    /// The transfer that burns ICP. Its failure changes nothing.
    Burn {
        outcome: Outcome,
        is_automatic: bool,
    },
}
