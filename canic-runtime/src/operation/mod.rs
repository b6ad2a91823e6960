//! An operation: one journalled job on one canister, and the decisions about its next step.

pub(crate) mod allocation;
pub(crate) mod call;
pub(crate) mod drain;
pub(crate) mod install;
pub(crate) mod machine;
pub(crate) mod policy;
pub(crate) mod recovery;
pub(crate) mod reparent;
pub(crate) mod search;
pub(crate) mod teardown;
pub(crate) mod transition;

use crate::{
    api::{Identity, OperationId, OperationKind, Retirement, RolledBack, Source},
    config::Rollback,
    stable::record::{Cycles, Id},
};
use candid::Principal;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// A module's SHA-256.
pub(crate) type Hash = [u8; 32];

/// The SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Operation {
    #[n(0)]
    pub(crate) id: OperationId,
    #[n(1)]
    pub(crate) purpose: Purpose,
    /// What is done next, or being done.
    #[n(2)]
    pub(crate) step: Step,
    /// Whether the call of `step` was issued and its reply is not on record.
    #[n(3)]
    pub(crate) in_flight: bool,
    /// Set once the canister is being emptied or deleted, be it as the purpose or because the purpose failed.
    #[n(4)]
    pub(crate) clearing: Option<Teardown>,
    #[n(5)]
    pub(crate) canister: Option<Id>,
    #[n(6)]
    pub(crate) source: Option<Origin>,
    /// Cycles that root still has to send; counted against its balance until then.
    #[n(7)]
    pub(crate) reserved: Cycles,
    /// Cycles sent with calls that were not refused.
    #[n(8)]
    pub(crate) paid: Cycles,
    /// Cycles that a claimed canister lacks.
    #[n(9)]
    pub(crate) shortfall: Cycles,
    /// What the canister held when it was last looked at.
    #[n(10)]
    pub(crate) held: Cycles,
    #[n(11)]
    pub(crate) attempts: u32,
    #[n(12)]
    pub(crate) calls: u32,
    #[n(13)]
    pub(crate) failure: Option<String>,
    /// Nothing is tried before this time (nanoseconds since the epoch).
    #[n(14)]
    pub(crate) not_before: u64,
    #[n(15)]
    pub(crate) accepted: u64,
    #[n(16)]
    pub(crate) updated: u64,
    #[n(17)]
    pub(crate) end: Option<End>,
    /// How often the canister was drained, or could not be.
    #[n(18)]
    pub(crate) drains: u32,
    /// Whether deletion was tried: a canister that is gone then was deleted by us.
    #[n(19)]
    pub(crate) deleting: bool,
    /// Whether the canister was drained since it was last looked at.
    #[n(20)]
    pub(crate) drained: bool,
    /// Whether all settings were set back.
    #[n(21)]
    pub(crate) reset: bool,
    /// Bytes that keep room for what the callback of a creation writes.
    #[cbor(n(22), with = "minicbor::bytes")]
    pub(crate) room: Vec<u8>,
    /// The canister that a search looks at, or looked at last.
    #[n(23)]
    pub(crate) candidate: Option<Id>,
    /// Searches so far.
    #[n(24)]
    #[cbor(default)]
    pub(crate) searches: u32,
    /// Cycles of a deposit that may or may not have arrived: what the canister holds will tell.
    #[n(25)]
    #[cbor(default)]
    pub(crate) unknown: Cycles,
    /// Whether the canister was seen to be gone, once.
    #[n(26)]
    #[cbor(default)]
    pub(crate) absent: bool,
    #[n(27)]
    #[cbor(default)]
    pub(crate) admission: Admission,
}

/// When an operation begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Admission {
    /// At once: somebody waits for it.
    #[n(0)]
    #[default]
    Immediate,
    /// When others of its kind have ended.
    #[n(1)]
    Queued,
    /// It has waited, and began.
    #[n(2)]
    Dequeued,
}

/// What an operation is for.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) enum Purpose {
    #[n(0)]
    Provision(#[n(0)] Position, #[n(1)] Plan),
    #[n(1)]
    Refill,
    #[n(2)]
    Retire(#[n(0)] Position),
    #[n(3)]
    ImportToPool,
    #[n(4)]
    Adopt(#[n(0)] Position, #[n(1)] Plan),
    /// The place is the new one.
    #[n(5)]
    Move(#[n(0)] Position, #[n(1)] Reparent),
}

/// Where a member stands in the fleet.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Position {
    #[n(0)]
    pub(crate) role: String,
    #[n(1)]
    pub(crate) parent: Id,
    #[n(2)]
    pub(crate) key: Option<String>,
}

/// For the tests of deciding code: a worker of root's, with the module of sevens.
#[cfg(test)]
impl Plan {
    pub(crate) fn sample(controllers: &[Principal], cycles: u128, rollback: Teardown) -> Self {
        Self {
            module: [7; 32],
            cycles: Cycles(cycles),
            controllers: controllers.iter().copied().map(Id).collect(),
            rollback,
        }
    }
}

#[cfg(test)]
impl Position {
    pub(crate) fn sample(parent: Principal) -> Self {
        Self {
            role: "worker".to_string(),
            parent: Id(parent),
            key: None,
        }
    }
}

impl Position {
    /// The identity of a member at this position.
    pub(crate) fn identity(&self, root: Principal) -> Identity {
        Identity {
            root,
            role: self.role.clone(),
            parent: self.parent.0,
            key: self.key.clone(),
        }
    }
}

/// What a member is made with, fixed when the operation is accepted.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Plan {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) module: Hash,
    #[n(1)]
    pub(crate) cycles: Cycles,
    /// All controllers, root among them, sorted.
    #[n(2)]
    pub(crate) controllers: Vec<Id>,
    #[n(3)]
    pub(crate) rollback: Teardown,
}

/// How a member comes to stand below another parent.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Reparent {
    /// The old parent.
    #[n(0)]
    pub(crate) from: Id,
    /// Who is a controller only because it is the old parent.
    #[n(1)]
    pub(crate) leaves: Option<Id>,
    /// All controllers afterwards, sorted; known once the canister was looked at.
    #[n(2)]
    pub(crate) controllers: Vec<Id>,
}

/// How a canister is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Teardown {
    /// Emptied, into the pool.
    #[n(0)]
    Recycle,
    /// Drained and deleted.
    #[n(1)]
    Delete,
}

impl From<Rollback> for Teardown {
    fn from(rollback: Rollback) -> Self {
        match rollback {
            Rollback::Recycle => Self::Recycle,
            Rollback::Delete => Self::Delete,
        }
    }
}

impl From<Retirement> for Teardown {
    fn from(how: Retirement) -> Self {
        match how {
            Retirement::Recycle => Self::Recycle,
            Retirement::Delete => Self::Delete,
        }
    }
}

/// Where the canister came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Origin {
    #[n(0)]
    Pool,
    #[n(1)]
    Fresh,
    #[n(2)]
    Imported,
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Pool => Self::Pool,
            Origin::Fresh => Self::Fresh,
            Origin::Imported => Self::Imported,
        }
    }
}

/// The part of an operation between two awaits, named after its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Step {
    /// `create_canister`.
    #[n(0)]
    Create,
    /// `update_settings`: the controllers of the role.
    #[n(1)]
    Configure,
    /// `deposit_cycles`: what a claimed canister lacks.
    #[n(2)]
    Fund,
    /// `install_chunked_code`.
    #[n(3)]
    Install,
    /// `canister_status`, to learn how far a member's installation really is.
    #[n(4)]
    Verify,
    /// `canic_sync`: an adopted member learns its place.
    #[n(5)]
    Sync,
    /// `canister_status`, to learn what is left to clear.
    #[n(6)]
    Inspect,
    /// `uninstall_code`.
    #[n(7)]
    Uninstall,
    /// `start_canister`.
    #[n(8)]
    Start,
    /// `update_settings`: back to the defaults, root the only controller.
    #[n(9)]
    Reset,
    /// `list_canister_snapshots` and `delete_canister_snapshot` for each.
    #[n(10)]
    DropSnapshots,
    /// `install_code` of the module that sends its cycles away.
    #[n(11)]
    LoadDrain,
    /// A call to that module.
    #[n(12)]
    Drain,
    /// `stop_canister`.
    #[n(13)]
    Stop,
    /// `delete_canister`.
    #[n(14)]
    Delete,
    /// No call: a canister created for the pool goes there.
    #[n(15)]
    AddToPool,
    /// `canister_info`, to find a canister whose id was never learnt.
    #[n(16)]
    Search,
    /// No call: a member waits until those below it are retired.
    #[n(17)]
    RetireChildren,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum End {
    /// It did what it was for.
    #[n(0)]
    Done,
    /// It failed before anything was allocated.
    #[n(1)]
    Nothing,
    /// It failed; the canister went to the pool.
    #[n(2)]
    Recycled,
    /// It failed; the canister was deleted.
    #[n(3)]
    Deleted,
    /// It failed; the canister, which had existed before, is as it was.
    #[n(4)]
    Untouched,
    /// It can be neither finished nor undone.
    #[n(5)]
    Quarantined,
}

impl End {
    /// What became of the canister, if the operation failed and was undone.
    pub(crate) fn rolled_back(self) -> Option<RolledBack> {
        match self {
            Self::Nothing => Some(RolledBack::Nothing),
            Self::Recycled => Some(RolledBack::Recycled),
            Self::Deleted => Some(RolledBack::Deleted),
            Self::Untouched => Some(RolledBack::Untouched),
            Self::Done | Self::Quarantined => None,
        }
    }
}

impl Operation {
    pub(crate) fn new(id: OperationId, purpose: Purpose, step: Step, now: u64) -> Self {
        Self {
            id,
            purpose,
            step,
            in_flight: false,
            clearing: None,
            canister: None,
            source: None,
            reserved: Cycles(0),
            paid: Cycles(0),
            shortfall: Cycles(0),
            held: Cycles(0),
            attempts: 0,
            calls: 0,
            failure: None,
            not_before: 0,
            accepted: now,
            updated: now,
            end: None,
            drains: 0,
            deleting: false,
            drained: false,
            reset: false,
            room: Vec::new(),
            candidate: None,
            searches: 0,
            unknown: Cycles(0),
            absent: false,
            admission: Admission::Immediate,
        }
    }

    pub(crate) fn canister(&self) -> Option<Principal> {
        self.canister.map(|id| id.0)
    }

    pub(crate) fn kind(&self) -> OperationKind {
        match self.purpose {
            Purpose::Provision(..) => OperationKind::Provision,
            Purpose::Refill => OperationKind::Refill,
            Purpose::Retire(_) => OperationKind::Retire,
            Purpose::ImportToPool => OperationKind::ImportToPool,
            Purpose::Adopt(..) => OperationKind::Adopt,
            Purpose::Move(..) => OperationKind::Move,
        }
    }

    /// Goes on with another step, whose tries are counted anew.
    pub(crate) fn go(&mut self, step: Step) {
        self.step = step;
        self.attempts = 0;
    }

    /// The parents below which the canister stands or is to stand.
    pub(crate) fn parents(&self) -> impl Iterator<Item = Principal> + use<> {
        let from = match &self.purpose {
            Purpose::Move(_, reparent) => Some(reparent.from.0),
            _ => None,
        };
        let to = self.place().map(|place| place.parent.0);
        from.into_iter().chain(to)
    }

    pub(crate) fn place(&self) -> Option<&Position> {
        match &self.purpose {
            Purpose::Provision(place, _)
            | Purpose::Adopt(place, _)
            | Purpose::Retire(place)
            | Purpose::Move(place, _) => Some(place),
            Purpose::Refill | Purpose::ImportToPool => None,
        }
    }

    /// The controllers that the canister is to have.
    pub(crate) fn controllers(&self) -> Option<&[Id]> {
        match &self.purpose {
            Purpose::Move(_, reparent) => Some(&reparent.controllers),
            _ => self.plan().map(|plan| plan.controllers.as_slice()),
        }
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        match &self.purpose {
            Purpose::Provision(_, plan) | Purpose::Adopt(_, plan) => Some(plan),
            _ => None,
        }
    }
}
