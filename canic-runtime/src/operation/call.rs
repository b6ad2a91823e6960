//! The calls of an operation and their replies: the port between decisions and the platform.
//!
//! Decisions name only these types. `platform` makes the calls, and is the only module that names
//! `ic_cdk`.

use candid::Principal;

use crate::{
    api::{Health, Identity},
    operation::{
        Hash,
        fuel::{LedgerCall, Refusal},
    },
};

/// A call that an operation makes.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Create {
        controllers: Vec<Principal>,
        cycles: u128,
    },
    Configure {
        canister: Principal,
        controllers: Vec<Principal>,
    },
    Deposit {
        canister: Principal,
        cycles: u128,
    },
    Install {
        canister: Principal,
        mode: Mode,
        module: Hash,
        /// The hashes of the module's chunks, in order. Root's chunk store holds them all.
        chunks: Vec<Hash>,
        argument: Vec<u8>,
    },
    Status {
        canister: Principal,
    },
    /// `canister_status`, of which root reads less, and so in less time.
    Look {
        canister: Principal,
    },
    Info {
        canister: Principal,
    },
    /// `canister_info`, asked of root's own subnet.
    Locate {
        canister: Principal,
    },
    Sync {
        canister: Principal,
        identity: Identity,
    },
    Uninstall {
        canister: Principal,
    },
    Start {
        canister: Principal,
    },
    /// `update_settings`: the defaults.
    Reset {
        canister: Principal,
    },
    /// `update_settings`: the defaults, but nothing that keeps the canister's cycles from a drain.
    Unfreeze {
        canister: Principal,
    },
    DropSnapshots {
        canister: Principal,
    },
    LoadDrain {
        canister: Principal,
    },
    Drain {
        canister: Principal,
    },
    Stop {
        canister: Principal,
    },
    Delete {
        canister: Principal,
    },
    TakeSnapshot {
        canister: Principal,
    },
    ListSnapshots {
        canister: Principal,
    },
    LoadSnapshot {
        canister: Principal,
        snapshot: Vec<u8>,
    },
    DeleteSnapshot {
        canister: Principal,
        snapshot: Vec<u8>,
    },
    /// `canic_health`.
    Health {
        canister: Principal,
    },
    /// `canic_accept`.
    Accept {
        canister: Principal,
    },
    /// A call of a refuel.
    Ledger(LedgerCall),
}

/// The way in which a module is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The canister is empty.
    Install,
    /// The canister keeps its stable memory, and its code may refuse in `canister_pre_upgrade`.
    Upgrade,
    /// The canister keeps its stable memory, and its code is not asked.
    ForcedUpgrade,
}

impl Call {
    /// Cycles that root sends with the call.
    pub(crate) fn attached(&self) -> u128 {
        match self {
            Self::Create { cycles, .. } | Self::Deposit { cycles, .. } => *cycles,
            _ => 0,
        }
    }
}

/// The reply to a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// The call was applied.
    Done,
    /// The call created this canister.
    Created(Principal),
    /// The canister's state.
    Status(Status),
    /// A part of the canister's state.
    Look(Look),
    /// The canister's origin.
    Info {
        /// Whether root created the canister, and controls it.
        created_by_root: bool,
    },
    /// The canister has this new snapshot.
    Snapshot(Vec<u8>),
    /// The canister's snapshots: ids, and the times at which they were taken, in nanoseconds since
    /// the epoch.
    Snapshots(Vec<(Vec<u8>, u64)>),
    /// The member's answer to `canic_health`.
    Health(Health),
    /// An amount: a balance, a rate, or the cycles that were minted.
    Amount(u128),
    /// The block of a payment, of this call or of an earlier one that is the same payment.
    Paid(u64),
    /// A ledger, or the cycles minting canister, answered that it did not do what it was asked.
    Refused(Refusal),
    /// The call was not applied, or its outcome is unknown.
    Failed(Failure),
}

/// Whether a failed call changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The call changed nothing.
    NotApplied,
    /// The call may have been applied.
    Unknown,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    /// Whether the platform lacked a resource, so that the same call may succeed later.
    pub(crate) transient: bool,
    /// Whether the canister does not exist.
    pub(crate) no_such_canister: bool,
    /// Whether the called canister rejected the call or trapped.
    pub(crate) by_canister: bool,
    /// Whether the platform refused the canister that the call is about, before any code ran there.
    pub(crate) refuses_canister: bool,
    /// The reason, for log and records: [`MAX_REASON`] bytes at most.
    pub(crate) reason: String,
}

impl Failure {
    /// Classifies a reject of the management canister by its code. By the platform's specification
    /// only SYS_UNKNOWN leaves the outcome open; after any other code the call was not applied.
    pub(crate) fn of_management(code: u32, message: &str) -> Self {
        Self {
            outcome: if code == SYS_UNKNOWN {
                Outcome::Unknown
            } else {
                Outcome::NotApplied
            },
            transient: matches!(code, SYS_TRANSIENT | SYS_UNKNOWN),
            no_such_canister: code == DESTINATION_INVALID,
            by_canister: matches!(code, CANISTER_REJECT | CANISTER_ERROR),
            refuses_canister: matches!(code, DESTINATION_INVALID | CANISTER_REJECT),
            reason: shorten(message),
        }
    }

    /// Classifies a reject of an ordinary canister, which may have changed its state before it
    /// rejected or trapped.
    pub(crate) fn of_canister(code: u32, message: &str) -> Self {
        Self {
            outcome: if code <= DESTINATION_INVALID {
                Outcome::NotApplied
            } else {
                Outcome::Unknown
            },
            ..Self::of_management(code, message).of_other()
        }
    }

    /// The same failure of a call that was not about the operation's canister.
    pub(crate) fn of_other(self) -> Self {
        Self {
            refuses_canister: false,
            ..self
        }
    }

    /// The same failure of a call that certainly changed nothing.
    pub(crate) fn not_applied(self) -> Self {
        Self {
            outcome: Outcome::NotApplied,
            ..self
        }
    }

    /// The failure of a call that root could not send: it lacks the cycles, or its queue is full.
    pub(crate) fn not_sent(reason: &str) -> Self {
        Self {
            outcome: Outcome::NotApplied,
            transient: true,
            no_such_canister: false,
            by_canister: false,
            refuses_canister: false,
            reason: shorten(reason),
        }
    }

    /// The failure of a call whose reply root can't decode: the outcome is unknown.
    pub(crate) fn unreadable(reason: &str) -> Self {
        Self {
            outcome: Outcome::Unknown,
            transient: false,
            no_such_canister: false,
            by_canister: false,
            refuses_canister: false,
            reason: shorten(reason),
        }
    }
}

// Reject codes of the platform's interface specification.
const SYS_TRANSIENT: u32 = 2;
const DESTINATION_INVALID: u32 = 3;
const CANISTER_REJECT: u32 = 4;
const CANISTER_ERROR: u32 = 5;
const SYS_UNKNOWN: u32 = 6;

/// Bytes of a reason that the journal keeps.
const MAX_REASON: usize = 600;

/// The first [`MAX_REASON`] bytes of a text, cut between two characters.
pub(crate) fn shorten(text: &str) -> String {
    shorten_to(text, MAX_REASON)
}

/// The first `max` bytes of a text, cut between two characters.
pub(crate) fn shorten_to(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

/// The part of a canister's status that decisions need.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) run: Run,
    /// The hash of the installed module. `None`: the canister is empty.
    pub(crate) module: Option<Hash>,
    pub(crate) controllers: Vec<Principal>,
    pub(crate) cycles: u128,
    /// Cycles that the freezing threshold keeps.
    pub(crate) frozen: u128,
    /// Cycles that the canister's memory and allocations burn in a day.
    pub(crate) idle_burn: u128,
    /// Whether the canister has chunks of modules.
    pub(crate) chunks: bool,
    /// Whether the canister has snapshots.
    pub(crate) snapshots: bool,
    /// Whether root is the only controller.
    pub(crate) root_controls_alone: bool,
    /// Whether all settings but the controllers are the platform's defaults.
    pub(crate) default_settings: bool,
    /// Whether no setting but the controllers keeps cycles from a drain.
    pub(crate) drainable_settings: bool,
    /// Whether the platform tells a setting, or a value of one, that root can't read.
    pub(crate) unread_settings: bool,
    /// Cycles that another canister, root too, has to send with each call.
    pub(crate) minimum_call_cycles: u128,
}

/// What a member does, and what it has to go on: the part of [`Status`] that an upgrade needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    pub(crate) run: Run,
    /// The hash of the installed module. `None`: the canister is empty.
    pub(crate) module: Option<Hash>,
    pub(crate) cycles: u128,
    /// Cycles that the freezing threshold keeps.
    pub(crate) frozen: u128,
}

/// For the tests of decisions: an empty canister in the state of a fresh one.
#[cfg(test)]
impl Status {
    pub(crate) fn sample(controller: Principal, cycles: u128) -> Self {
        Self {
            run: Run::Running,
            module: None,
            controllers: vec![controller],
            cycles,
            frozen: 0,
            idle_burn: 0,
            chunks: false,
            snapshots: false,
            root_controls_alone: true,
            default_settings: true,
            drainable_settings: true,
            unread_settings: false,
            minimum_call_cycles: 0,
        }
    }
}

/// Whether a canister runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Running,
    Stopping,
    Stopped,
}
