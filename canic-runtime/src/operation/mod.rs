//! An operation: one journalled job on one canister, and the decisions about its next step.
//!
//! All decisions are plain functions of a record and a reply. `root::driver` performs them.

pub(crate) mod allocation;
pub(crate) mod blame;
pub(crate) mod call;
pub(crate) mod drain;
pub(crate) mod fuel;
pub(crate) mod grant;
pub(crate) mod install;
pub(crate) mod location;
pub(crate) mod machine;
pub(crate) mod policy;
pub(crate) mod recovery;
pub(crate) mod refuel;
pub(crate) mod reparent;
pub(crate) mod rollout;
pub(crate) mod search;
pub(crate) mod teardown;
pub(crate) mod transition;
pub(crate) mod upgrade;

use candid::Principal;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::{
    api::{
        GrantPurpose, Identity, MemberRef, OperationId, OperationKind, Retirement, RolledBack,
        Source,
    },
    config::Rollback,
    operation::fuel::Refuel,
    stable::record::{Cycles, Id},
};

/// A module's SHA-256.
pub(crate) type Hash = [u8; 32];

/// The SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The facts about the platform that a decision needs, read once for each message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Nanoseconds since the epoch.
    pub(crate) now: u64,
    /// Root's own id.
    pub(crate) root: Principal,
    /// Cycles that root can spend without going below its freezing threshold.
    pub(crate) balance: u128,
    /// The platform's fee for a new canister, in cycles.
    pub(crate) creation_fee: u128,
}

/// One operation. In stable memory it is a CBOR array, and so is each of its parts:
///
/// ```text
///  0 id          4 admission    8 retry       12 accepted
///  1 purpose     5 canister     9 teardown    13 updated
///  2 step        6 source      10 search      14 end
///  3 in_flight   7 money       11 failure     15 padding
///                                             16 refusals    17 upgrade
/// 18 charge:     0 day  1 cycles
///
///  7 money:      0 reserved  1 paid  2 shortfall  3 held  4 unconfirmed  5 drain_unsettled
///  8 retry:      0 attempts  1 calls  2 not_before
///  9 teardown:   0 goal  1 drains  2 reset  3 deleting  4 absent  5 emptied
/// 10 search:     0 candidate  1 count  2 low  3 high  4 next  5 free
/// 17 upgrade:    0 way  1 snapshot  2 deadline  3 installed  4 accepted  5 end  6 has_new
///                7 forced  8 owes_accept
/// ```
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Operation {
    #[n(0)]
    pub(crate) id: OperationId,
    #[n(1)]
    pub(crate) purpose: Purpose,
    /// The step that is next, or under way.
    #[n(2)]
    pub(crate) step: Step,
    /// Whether the call of `step` was issued and its reply is not on record.
    #[n(3)]
    pub(crate) in_flight: bool,
    #[n(4)]
    pub(crate) admission: Admission,
    #[n(5)]
    pub(crate) canister: Option<Id>,
    #[n(6)]
    pub(crate) source: Option<Origin>,
    #[n(7)]
    pub(crate) money: Money,
    #[n(8)]
    pub(crate) retry: Retry,
    /// Set once the canister is to be emptied or deleted: as the purpose, or because the purpose
    /// failed.
    #[n(9)]
    pub(crate) teardown: Option<TeardownState>,
    #[n(10)]
    pub(crate) search: Search,
    /// The reason for which the purpose failed, or the last try.
    #[n(11)]
    pub(crate) failure: Option<String>,
    /// Time at which root accepted the operation: nanoseconds since the epoch.
    #[n(12)]
    pub(crate) accepted: u64,
    /// Time at which root last issued a call or got its reply: nanoseconds since the epoch.
    #[n(13)]
    pub(crate) updated: u64,
    #[n(14)]
    pub(crate) end: Option<End>,
    /// Bytes that the callback of a creation drops in favour of the new canister's id, so that the
    /// record does not grow.
    #[cbor(n(15), with = "minicbor::bytes")]
    pub(crate) padding: Vec<u8>,
    /// The provisions that the platform refused on the claimed canister, this one included.
    #[n(16)]
    pub(crate) refusals: Option<Refusals>,
    /// The progress of a member's upgrade.
    #[n(17)]
    pub(crate) upgrade: Option<UpgradeState>,
    /// What the operation's grant is charged against the limits of a day.
    #[n(18)]
    pub(crate) charge: Option<Charge>,
}

/// The cycles of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Money {
    /// Cycles that root still has to send. They count against its balance until then.
    #[n(0)]
    pub(crate) reserved: Cycles,
    /// Cycles sent with calls that were not rejected.
    #[n(1)]
    pub(crate) paid: Cycles,
    /// Cycles that a claimed canister lacks.
    #[n(2)]
    pub(crate) shortfall: Cycles,
    /// The canister's balance when root last saw it.
    #[n(3)]
    pub(crate) held: Cycles,
    /// Cycles of a deposit whose outcome is unknown. The canister's next status settles it.
    #[n(4)]
    pub(crate) unconfirmed: Cycles,
    /// Whether the canister was drained since root last saw it. Its next status settles how much
    /// came back.
    #[n(5)]
    pub(crate) drain_unsettled: bool,
}

impl Money {
    /// Reserves the cycles that a canister lacks.
    pub(crate) fn reserve_shortfall(&mut self, cycles: u128) {
        self.shortfall = Cycles(cycles);
        self.reserved = Cycles(cycles);
    }
}

/// The tries of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Retry {
    /// Tries of the present step.
    #[n(0)]
    pub(crate) attempts: u32,
    /// Calls of the operation so far.
    #[n(1)]
    pub(crate) calls: u32,
    /// Nothing is tried before this time: nanoseconds since the epoch.
    #[n(2)]
    pub(crate) not_before: u64,
}

/// The progress of a canister's teardown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct TeardownState {
    #[n(0)]
    pub(crate) goal: Teardown,
    /// Drain attempts, successful or not.
    #[n(1)]
    pub(crate) drains: u32,
    /// Whether root reset all settings.
    #[n(2)]
    pub(crate) reset: bool,
    /// Whether root called `delete_canister`. A canister that is gone then was deleted by root.
    #[n(3)]
    pub(crate) deleting: bool,
    /// Whether root saw once that the canister is gone.
    #[n(4)]
    pub(crate) absent: bool,
    /// Whether root uninstalled the canister's code since it became the only controller. Records
    /// of earlier versions lack this field.
    #[cbor(n(5), default)]
    pub(crate) emptied: bool,
}

impl TeardownState {
    /// A teardown of which no step is done.
    pub(crate) fn new(goal: Teardown) -> Self {
        Self {
            goal,
            drains: 0,
            reset: false,
            deleting: false,
            absent: false,
            emptied: false,
        }
    }
}

/// The search for a canister whose id root never learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Search {
    /// The canister that root asks about.
    #[n(0)]
    pub(crate) candidate: Option<Id>,
    /// Searches so far.
    #[n(1)]
    pub(crate) count: u32,
    /// The lost canister has a larger number than this one.
    #[n(2)]
    pub(crate) low: Option<Id>,
    /// The numbers from this one on to `next` are not the lost canister's.
    #[n(3)]
    pub(crate) high: Option<Id>,
    /// The first canister that root created after the lost one, as far as root can tell.
    #[n(4)]
    pub(crate) next: Option<Id>,
    /// The last candidates in a row that do not exist.
    #[n(5)]
    pub(crate) free: u32,
}

/// The provisions in a row that the platform refused on a canister of the pool. In stable memory it
/// is a CBOR array:
///
/// ```text
/// 0 count   1 reason
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Refusals {
    #[n(0)]
    pub(crate) count: u32,
    /// The platform's reason for the first one.
    #[n(1)]
    pub(crate) reason: String,
}

/// The time at which root begins an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Admission {
    /// At once. A caller waits for the operation's end.
    #[n(0)]
    #[default]
    Immediate,
    /// Later, in the background, once fewer operations run there.
    #[n(1)]
    Queued,
    /// The operation was queued, and runs in the background.
    #[n(2)]
    Dequeued,
}

/// The purpose of an operation.
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
    /// The position is the new one.
    #[n(5)]
    Move(#[n(0)] Position, #[n(1)] Reparent),
    #[n(6)]
    Upgrade(#[n(0)] Position, #[n(1)] UpgradePlan),
    #[n(7)]
    Grant(#[n(0)] GrantPlan),
    /// Root gets cycles for itself.
    #[n(8)]
    Refuel(#[n(0)] Refuel),
}

/// A member's position in the fleet.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Position {
    #[n(0)]
    pub(crate) role: String,
    #[n(1)]
    pub(crate) parent: Id,
    #[n(2)]
    pub(crate) key: Option<String>,
}

impl Position {
    /// The identity of the member in this position.
    pub(crate) fn identity(&self, root: Principal) -> Identity {
        Identity {
            root,
            role: self.role.clone(),
            parent: self.parent.0,
            key: self.key.clone(),
        }
    }
}

impl From<Position> for MemberRef {
    fn from(position: Position) -> Self {
        Self {
            role: position.role,
            parent: position.parent.0,
            key: position.key,
        }
    }
}

/// The parts of a member that root fixes when it accepts the operation.
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

/// The change of a member's parent.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Reparent {
    /// The old parent.
    #[n(0)]
    pub(crate) from: Id,
    /// The old parent, if root removes it from the controllers: no other rule makes it one.
    #[n(1)]
    pub(crate) revoked: Option<Id>,
    /// All controllers afterwards, sorted. Empty until root has seen the canister.
    #[n(2)]
    pub(crate) controllers: Vec<Id>,
}

/// A release of a role, and its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Release {
    #[n(0)]
    pub(crate) number: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) module: Hash,
}

/// The parts of a member's upgrade that root fixes when it accepts the operation.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct UpgradePlan {
    /// The rollout that the upgrade belongs to.
    #[n(0)]
    pub(crate) rollout: u32,
    /// The release that the member has.
    #[n(1)]
    pub(crate) from: Release,
    /// The release that the member is to have.
    #[n(2)]
    pub(crate) to: Release,
    /// Whether root takes a snapshot before it changes the member.
    #[n(3)]
    pub(crate) snapshot: bool,
    /// Nanoseconds that the new code has to become healthy.
    #[n(4)]
    pub(crate) health_timeout: u64,
    #[n(5)]
    pub(crate) job: Job,
}

/// The parts of a grant. In stable memory they are a CBOR array:
///
/// ```text
/// 0 purpose   1 position   2 cycles   3 to   4 burn   5 looked
/// ```
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct GrantPlan {
    #[n(0)]
    pub(crate) purpose: GrantPurpose,
    /// The member's position. `None`: a canister of the pool.
    #[n(1)]
    pub(crate) position: Option<Position>,
    /// Cycles that root grants at most.
    #[n(2)]
    pub(crate) cycles: Cycles,
    /// The level above which the grant must not bring the canister.
    #[n(3)]
    pub(crate) to: Option<Mark>,
    /// Cycles that the canister burns in a day, as far as root knows.
    #[n(4)]
    pub(crate) burn: Cycles,
    /// The time at which root last saw the balance: nanoseconds since the epoch.
    #[n(5)]
    pub(crate) looked: u64,
}

/// A [`Level`] on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Mark {
    #[n(0)]
    Seconds(#[n(0)] u64),
    #[n(1)]
    Cycles(#[n(0)] Cycles),
}

/// The cycles of a charge against the limits of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Charge {
    /// The day, counted from 1970.
    #[n(0)]
    pub(crate) day: u32,
    #[n(1)]
    pub(crate) cycles: Cycles,
}

/// The part that an operation has in a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Job {
    /// Root upgrades the member to the new release.
    #[n(0)]
    Upgrade,
    /// Root looks again at a member that has the new release.
    #[n(1)]
    Look,
    /// Root upgrades the member to the old release.
    #[n(2)]
    Undo,
    /// Root loads the member's snapshot.
    #[n(3)]
    Restore,
    /// Root drops the member's snapshot.
    #[n(4)]
    DropSnapshot,
}

/// The progress of a member's upgrade.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct UpgradeState {
    #[n(0)]
    pub(crate) way: Way,
    /// The snapshot that root took.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) snapshot: Option<Vec<u8>>,
    /// The time at which the new code must be healthy: nanoseconds since the epoch. `None`: it has
    /// not been started.
    #[n(2)]
    pub(crate) deadline: Option<u64>,
    /// Whether the new module was installed.
    #[n(3)]
    pub(crate) installed: bool,
    /// Whether root has accepted the new code. Root never rolls it back afterwards.
    #[n(4)]
    pub(crate) accepted: bool,
    /// The end of the operation, once only the snapshot is to be dropped.
    #[n(5)]
    pub(crate) end: Option<End>,
    /// Since when the member is stopped: nanoseconds since the epoch.
    #[n(6)]
    pub(crate) stopped_since: Option<u64>,
    /// Nanoseconds for which the member was stopped before.
    #[n(7)]
    pub(crate) stopped: u64,
    /// Whether the canister had the new module when root saw or changed it last.
    #[n(8)]
    pub(crate) has_new: bool,
    /// Whether the new code refused to be left, so that root no longer asks it.
    #[n(9)]
    pub(crate) forced: bool,
    /// Whether an operation before accepted the member's code, and could not tell the member.
    #[n(10)]
    pub(crate) owes_accept: bool,
}

/// The way that a member's upgrade goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Way {
    /// To the new release.
    #[n(0)]
    Forward,
    /// Back to the old release.
    #[n(1)]
    Back,
    /// Neither way is open. Root starts the member with the module that it has.
    #[n(2)]
    Stay,
}

/// The goal of a teardown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Teardown {
    /// Root empties the canister and adds it to the pool.
    #[n(0)]
    Recycle,
    /// Root drains and deletes the canister. Root keeps a canister that it can't drain.
    #[n(1)]
    Delete,
    /// Root deletes the canister, whatever it still holds after the attempts to drain it.
    #[n(2)]
    Destroy,
}

impl Teardown {
    /// Whether root deletes the canister in the end.
    pub(crate) fn is_deletion(self) -> bool {
        self != Self::Recycle
    }
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
            Retirement::Destroy => Self::Destroy,
        }
    }
}

impl From<Teardown> for Retirement {
    fn from(goal: Teardown) -> Self {
        match goal {
            Teardown::Recycle => Self::Recycle,
            Teardown::Delete | Teardown::Destroy => Self::Delete,
        }
    }
}

/// The origin of an operation's canister.
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
    /// `deposit_cycles`: the cycles that a claimed canister lacks.
    #[n(2)]
    Fund,
    /// `install_chunked_code`.
    #[n(3)]
    Install,
    /// `canister_status`, to learn how far a member's installation is.
    #[n(4)]
    Verify,
    /// `canic_sync`: root tells an adopted member its identity.
    #[n(5)]
    Sync,
    /// `canister_status`, to learn the next step of the teardown.
    #[n(6)]
    Inspect,
    /// `uninstall_code`.
    #[n(7)]
    Uninstall,
    /// `start_canister`.
    #[n(8)]
    Start,
    /// `update_settings`: all settings, and root as the only controller.
    #[n(9)]
    Reset,
    /// `list_canister_snapshots`, then `delete_canister_snapshot` for each.
    #[n(10)]
    DropSnapshots,
    /// `install_code` of the module that sends the canister's cycles away.
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
    /// No call: root adds a created canister to the pool, or ends a move that needs no call.
    #[n(15)]
    AddToPool,
    /// `canister_info`, to find a canister whose id root never learnt.
    #[n(16)]
    Search,
    /// No call: the retirement of a member waits for those of its children.
    #[n(17)]
    RetireChildren,
    /// `canister_info`, asked of root's own subnet: whether an import's canister is there.
    #[n(18)]
    Locate,
    /// `take_canister_snapshot`.
    #[n(19)]
    TakeSnapshot,
    /// `list_canister_snapshots`, to find a snapshot whose id root never learnt.
    #[n(20)]
    FindSnapshot,
    /// `install_chunked_code` as an upgrade, to the new release or back to the old one.
    #[n(21)]
    Upgrade,
    /// `canic_health`: the member says whether the new code is fit to serve.
    #[n(22)]
    Health,
    /// `canic_accept`: ends the member's probation.
    #[n(23)]
    Accept,
    /// `load_canister_snapshot`.
    #[n(24)]
    Restore,
    /// `delete_canister_snapshot`, for the snapshot that root took.
    #[n(25)]
    DropSnapshot,
    /// `get_icp_xdr_conversion_rate`: the cycles for ICP.
    #[n(26)]
    Quote,
    /// `icrc1_balance_of`: what root's account at a ledger holds.
    #[n(27)]
    Balance,
    /// `withdraw`: the cycles ledger sends cycles to root.
    #[n(28)]
    Withdraw,
    /// `transfer`: ICP goes to the cycles minting canister.
    #[n(29)]
    Transfer,
    /// `notify_top_up`: the cycles minting canister sends cycles for the ICP.
    #[n(30)]
    Notify,
}

/// The end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum End {
    /// The operation served its purpose.
    #[n(0)]
    Done,
    /// The operation failed before root allocated a canister.
    #[n(1)]
    Nothing,
    /// The operation failed, and its canister went to the pool.
    #[n(2)]
    Recycled,
    /// The operation failed, and root deleted its canister.
    #[n(3)]
    Deleted,
    /// The operation failed, and left its canister, which had existed before, unchanged.
    #[n(4)]
    Untouched,
    /// Root can neither finish the operation nor undo it.
    #[n(5)]
    Quarantined,
    /// The operation failed, and the member runs its old release again.
    #[n(6)]
    Reverted,
    /// Root can neither finish a member's upgrade nor undo it, and the member stays a member. Or
    /// root has paid for a refuel, and got nothing.
    #[n(7)]
    Abandoned,
}

impl End {
    /// The end with a number in a record.
    pub(crate) fn of_number(number: u64) -> Option<Self> {
        let all = [
            Self::Done,
            Self::Nothing,
            Self::Recycled,
            Self::Deleted,
            Self::Untouched,
            Self::Quarantined,
            Self::Reverted,
            Self::Abandoned,
        ];
        all.get(usize::try_from(number).ok()?).copied()
    }

    /// The state of the canister after an operation that failed and was undone.
    pub(crate) fn rolled_back(self) -> Option<RolledBack> {
        match self {
            Self::Nothing => Some(RolledBack::Nothing),
            Self::Recycled => Some(RolledBack::Recycled),
            Self::Deleted => Some(RolledBack::Deleted),
            Self::Untouched => Some(RolledBack::Untouched),
            Self::Reverted => Some(RolledBack::Reverted),
            Self::Done | Self::Quarantined | Self::Abandoned => None,
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
            admission: Admission::Immediate,
            canister: None,
            source: None,
            money: Money::default(),
            retry: Retry::default(),
            teardown: None,
            search: Search::default(),
            failure: None,
            accepted: now,
            updated: now,
            end: None,
            padding: Vec::new(),
            upgrade: None,
            refusals: None,
            charge: None,
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
            Purpose::Upgrade(..) => OperationKind::Upgrade,
            Purpose::Grant(_) => OperationKind::Grant,
            Purpose::Refuel(_) => OperationKind::Refuel,
        }
    }

    /// The goal of the teardown. `None`: no teardown has begun.
    pub(crate) fn goal(&self) -> Option<Teardown> {
        self.teardown.map(|teardown| teardown.goal)
    }

    /// The teardown. Begins one that recycles the canister if there is none.
    pub(crate) fn teardown_mut(&mut self) -> &mut TeardownState {
        self.teardown
            .get_or_insert_with(|| TeardownState::new(Teardown::Recycle))
    }

    /// Goes on with another step, and counts its attempts from 0.
    pub(crate) fn enter(&mut self, step: Step) {
        self.step = step;
        self.retry.attempts = 0;
    }

    /// Opens a quarantined operation again, to tear its canister down. The cycles keep their
    /// accounts, and a deletion that was tried stays on record.
    pub(crate) fn reopen(&mut self, goal: Teardown) {
        let deleting = self.teardown.is_some_and(|teardown| teardown.deleting);
        self.purpose = Purpose::ImportToPool;
        self.teardown = Some(TeardownState {
            deleting,
            ..TeardownState::new(goal)
        });
        self.retry = Retry::default();
        self.refusals = None;
        self.end = None;
    }

    /// The parents below which the canister is or is to be: two for a move.
    pub(crate) fn parents(&self) -> impl Iterator<Item = Principal> + use<> {
        let from = match &self.purpose {
            Purpose::Move(_, reparent) => Some(reparent.from.0),
            _ => None,
        };
        let to = self.position().map(|position| position.parent.0);
        from.into_iter().chain(to)
    }

    /// The position that the operation fills, changes or vacates.
    pub(crate) fn position(&self) -> Option<&Position> {
        match &self.purpose {
            Purpose::Provision(position, _)
            | Purpose::Adopt(position, _)
            | Purpose::Retire(position)
            | Purpose::Move(position, _)
            | Purpose::Upgrade(position, _) => Some(position),
            Purpose::Grant(plan) => plan.position.as_ref(),
            Purpose::Refill | Purpose::ImportToPool | Purpose::Refuel(_) => None,
        }
    }

    /// The controllers that the canister is to have.
    pub(crate) fn controllers(&self) -> Option<&[Id]> {
        match &self.purpose {
            Purpose::Move(_, reparent) => Some(&reparent.controllers),
            _ => self.plan().map(|plan| plan.controllers.as_slice()),
        }
    }

    /// The rollout that the operation belongs to.
    pub(crate) fn rollout(&self) -> Option<u32> {
        match &self.purpose {
            Purpose::Upgrade(_, plan) => Some(plan.rollout),
            _ => None,
        }
    }

    /// The modules that the operation installs, or may put back.
    pub(crate) fn modules(&self) -> Vec<Hash> {
        match &self.purpose {
            Purpose::Upgrade(_, plan) => vec![plan.from.module, plan.to.module],
            _ => self.plan().map(|plan| plan.module).into_iter().collect(),
        }
    }

    /// The plan of the member that the operation makes or adopts.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        match &self.purpose {
            Purpose::Provision(_, plan) | Purpose::Adopt(_, plan) => Some(plan),
            _ => None,
        }
    }
}

/// For the tests of decisions: a plan with the module of sevens.
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

/// For the tests of decisions: a worker without a key.
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
