//! The platform as the machine sees it: the calls an operation makes, and what may come back.
//!
//! Deciding code names only these types; `platform::ic` is the only place that talks to `ic_cdk`.

use crate::{api::Identity, operation::Hash};
use candid::Principal;

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
        module: Hash,
        /// The pieces of the module, in order, all in root's chunk store.
        chunks: Vec<Hash>,
        argument: Vec<u8>,
    },
    Status {
        canister: Principal,
    },
    Info {
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
    Reset {
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
}

impl Call {
    /// Cycles that go with the call.
    pub(crate) fn attached(&self) -> u128 {
        match self {
            Self::Create { cycles, .. } | Self::Deposit { cycles, .. } => *cycles,
            _ => 0,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// It did what it should.
    Done,
    /// A canister was created.
    Created(Principal),
    /// How a canister stands.
    Status(Status),
    /// Where a canister comes from.
    Info {
        /// Whether root created it, and controls it.
        created_by_root: bool,
    },
    /// It did not, or nobody knows.
    Failed(Failure),
}

/// Whether a call that failed changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It changed nothing.
    NotApplied,
    /// It may have.
    Unknown,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    /// Whether the platform was merely short of something, so that the same call may succeed later.
    pub(crate) transient: bool,
    /// Whether the canister does not exist.
    pub(crate) no_such_canister: bool,
    /// For people.
    pub(crate) reason: String,
}

impl Failure {
    /// Classifies a reject by its code, as the platform defines it for calls to the management canister whose
    /// response is guaranteed: all rejects are clean but SYS_UNKNOWN.
    pub(crate) fn of_management(code: u32, message: &str) -> Self {
        Self {
            outcome: if code == SYS_UNKNOWN {
                Outcome::Unknown
            } else {
                Outcome::NotApplied
            },
            transient: matches!(code, SYS_TRANSIENT | SYS_UNKNOWN),
            no_such_canister: code == DESTINATION_INVALID,
            reason: shorten(message),
        }
    }

    /// Classifies a reject of an ordinary canister, which may have done something before it rejected or trapped.
    pub(crate) fn of_canister(code: u32, message: &str) -> Self {
        Self {
            outcome: if code <= DESTINATION_INVALID {
                Outcome::NotApplied
            } else {
                Outcome::Unknown
            },
            ..Self::of_management(code, message)
        }
    }

    /// The same, but surely nothing was changed.
    pub(crate) fn not_applied(self) -> Self {
        Self {
            outcome: Outcome::NotApplied,
            ..self
        }
    }

    /// The call was not made: root lacks cycles for it, or its queue is full.
    pub(crate) fn not_sent(reason: &str) -> Self {
        Self {
            outcome: Outcome::NotApplied,
            transient: true,
            no_such_canister: false,
            reason: shorten(reason),
        }
    }

    /// An answer that can't be understood: something was done, but what?
    pub(crate) fn unreadable(reason: &str) -> Self {
        Self {
            outcome: Outcome::Unknown,
            transient: false,
            no_such_canister: false,
            reason: shorten(reason),
        }
    }
}

const SYS_TRANSIENT: u32 = 2;
const DESTINATION_INVALID: u32 = 3;
const SYS_UNKNOWN: u32 = 6;

/// Reasons are kept in the journal: at most this many bytes of them.
const MAX_REASON: usize = 600;

pub(crate) fn shorten(text: &str) -> String {
    let mut end = text.len().min(MAX_REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

/// How a canister stands, as far as the machine cares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) run: Run,
    pub(crate) module: Option<Hash>,
    pub(crate) controllers: Vec<Principal>,
    pub(crate) cycles: u128,
    /// Whether it has snapshots.
    pub(crate) snapshots: bool,
    /// Whether root is the only controller.
    pub(crate) root_controls_alone: bool,
    /// Whether all settings but the controllers are the platform's defaults.
    pub(crate) default_settings: bool,
}

/// For the tests of deciding code: an empty canister as a fresh one stands.
#[cfg(test)]
impl Status {
    pub(crate) fn sample(controller: Principal, cycles: u128) -> Self {
        Self {
            run: Run::Running,
            module: None,
            controllers: vec![controller],
            cycles,
            snapshots: false,
            root_controls_alone: true,
            default_settings: true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Running,
    Stopping,
    Stopped,
}
