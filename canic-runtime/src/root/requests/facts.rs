//! The facts of root's state that policy decides about.

use candid::Principal;

use crate::{
    api::{OperationId, ProvisionError, Provisioned, Source},
    config::{Controller, RoleConfig},
    operation::{
        Admission, Moment, Position,
        policy::{self, Busy, Facts},
    },
    root::requests::caller::Caller,
    stable::record::Id,
    state::{
        State,
        registry::{Holder, MemberStatus},
    },
};

/// The key of a role's only member.
const SINGLETON_KEY: &str = "singleton";

/// An accepted request for a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// The key has a member already.
    Existing(Provisioned),
    /// This operation makes the member.
    Operation(OperationId),
}

/// The position of a requested member. A singleton has one key, the same for every caller.
pub(super) fn position(
    caller: Caller,
    role: String,
    key: Option<String>,
    parent: Option<Principal>,
    config: &RoleConfig,
    root: Principal,
) -> Position {
    let parent = match caller {
        Caller::Controller => parent.unwrap_or(root),
        Caller::Member(parent) => parent,
    };
    let key = if config.singleton {
        Some(SINGLETON_KEY.to_string())
    } else {
        key
    };
    Position {
        role,
        parent: Id(parent),
        key,
    }
}

/// The member or the operation that a key means already.
pub(super) fn holder(
    state: &State,
    position: &Position,
) -> Option<Result<Accepted, ProvisionError>> {
    let holder = state
        .registry
        .holder(&position.role, position.key.as_deref()?)?;
    Some(match holder {
        Holder::Operation(operation) => Err(ProvisionError::Pending { operation }),
        Holder::Member(canister) => {
            let member = state.registry.member(canister)?;
            let operation = member.operation;
            // A member that is being upgraded stays the same member.
            if matches!(
                member.status,
                MemberStatus::Active | MemberStatus::Upgrading
            ) {
                Ok(Accepted::Existing(Provisioned {
                    canister,
                    source: Source::Existing,
                    operation,
                }))
            } else {
                Err(ProvisionError::Pending { operation })
            }
        }
    })
}

/// Root and the controllers that the role names, sorted, each once.
pub(super) fn controllers(role: &RoleConfig, parent: Principal, root: Principal) -> Vec<Id> {
    let named = role
        .controllers
        .iter()
        .filter_map(|controller| match controller {
            Controller::Parent => Some(parent),
            Controller::Text(text) => Principal::from_text(text).ok(),
        });
    let mut all: Vec<Id> = named.chain([root]).map(Id).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The limits of a role.
///
/// # Errors
///
/// If the fleet has no such role.
pub(super) fn role_config(state: &State, role: &str) -> Result<RoleConfig, ProvisionError> {
    let known = state.registry.role(role);
    let has_module = known.is_some_and(|role| role.module().is_some());
    policy::role_config(state.config, role, has_module)
}

/// The facts about a position now. A queued operation can't count on a canister of the pool.
pub(super) fn facts(
    state: &State,
    position: &Position,
    admission: Admission,
    moment: &Moment,
) -> Facts {
    let known = state.registry.role(&position.role);
    let pooled = match admission {
        Admission::Queued => None,
        Admission::Immediate | Admission::Dequeued => {
            state.pool.first_ready().map(|entry| entry.cycles.0)
        }
    };
    Facts {
        root: moment.root,
        parent: position.parent.0,
        parent_role: parent_role(state, position.parent.0),
        taken: known.as_ref().map_or(0, |role| role.taken),
        module: known.as_ref().and_then(|role| role.module()),
        taken_below: known.as_ref().map_or(0, |role| {
            state.registry.taken_below(position.parent.0, role.number)
        }),
        busy: policy::busy(admission, state.running(), state.journal.queued_count()),
        available: state.available(moment.balance),
        pooled,
        creation_fee: moment.creation_fee,
    }
}

/// The load, if it is too high for one more operation that a caller waits for.
pub(super) fn busy_now(state: &State) -> Option<Busy> {
    policy::busy(
        Admission::Immediate,
        state.running(),
        state.journal.queued_count(),
    )
}

/// The role of a member that may get children: one that is there, and stays.
fn parent_role(state: &State, parent: Principal) -> Option<String> {
    let member = state.registry.member(parent)?;
    let stays = match member.status {
        MemberStatus::Active | MemberStatus::Moving | MemberStatus::Upgrading => true,
        MemberStatus::Installing | MemberStatus::Retiring => false,
    };
    stays.then(|| state.registry.role_name(member.role).to_string())
}
