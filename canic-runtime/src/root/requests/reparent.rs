//! Moves: a member, with the members below it, gets another parent.

use candid::Principal;

use crate::{
    api::{MoveError, MoveRequest, Moved, OperationId},
    config::{Controller, RoleConfig},
    operation::{
        Admission, End, Moment, Operation, Position, Purpose, Reparent, Step,
        policy::{self, Busy},
    },
    platform::ic,
    root::{
        driver,
        requests::{
            caller::Caller,
            facts::{facts, role_config},
        },
    },
    stable::record::Id,
    state::{self, State, registry::MemberStatus},
};

/// Moves a member below another parent, and waits for it.
///
/// # Errors
///
/// See [`MoveError`].
pub(crate) async fn move_member(caller: Caller, request: MoveRequest) -> Result<Moved, MoveError> {
    let moment = ic::moment();
    match state::with(|state| accept(state, caller, request, &moment))? {
        Accepted::InPlace(operation) => Ok(Moved { operation }),
        Accepted::Operation(operation) => answer(operation, driver::run(operation).await),
    }
}

/// An accepted move.
#[derive(Debug, PartialEq, Eq)]
enum Accepted {
    /// The member has this parent already. The operation last changed the member.
    InPlace(OperationId),
    /// The operation moves the member.
    Operation(OperationId),
}

/// Puts a move on record.
fn accept(
    state: &mut State,
    caller: Caller,
    MoveRequest { canister, parent }: MoveRequest,
    moment: &Moment,
) -> Result<Accepted, MoveError> {
    let Some(member) = state.registry.member(canister) else {
        return Err(MoveError::NotAMember { canister });
    };
    caller
        .require_parent(Some(member.parent.0))
        .map_err(MoveError::Denied)?;
    if member.status != MemberStatus::Active {
        let operation = member.operation;
        return Err(MoveError::Pending { operation });
    }
    if let Some(operation) = state.open_grant(canister) {
        return Err(MoveError::Pending { operation });
    }
    if member.parent.0 == parent {
        return Ok(Accepted::InPlace(member.operation));
    }
    // One move at a time: two of them could close a circle that neither of them sees.
    if let Some(operation) = state.journal.open_move() {
        return Err(MoveError::Pending { operation });
    }
    if state.is_within(parent, canister) {
        return Err(MoveError::BelowItself { parent });
    }
    let name = state.registry.role_name(member.role).to_string();
    let role = role_config(state, &name).map_err(MoveError::Refused)?;
    let position = Position {
        role: name,
        parent: Id(parent),
        key: member.key,
    };
    let facts = facts(state, &position, Admission::Immediate, moment);
    policy::check_parent(&role, &facts)
        .and_then(|()| {
            policy::check_capacity_below(&role, &position.role, parent, facts.taken_below)
        })
        .map_err(MoveError::Refused)?;
    if let Some(Busy { open, retry_after }) = facts.busy {
        return Err(MoveError::Busy { open, retry_after });
    }

    let reparent = Reparent {
        from: member.parent,
        revoked: Some(member.parent).filter(|id| !is_named(&role, id.0, moment.root)),
        controllers: Vec::new(),
    };
    let step = if role.controllers.contains(&Controller::Parent) {
        Step::Verify
    } else {
        // The canister's controllers stay, so the move needs no call.
        Step::AddToPool
    };
    let id = state.take_operation_id();
    let mut op = Operation::new(id, Purpose::Move(position, reparent), step, moment.now);
    op.canister = Some(Id(canister));
    state.registry.take_below(parent, member.role);
    state
        .registry
        .set_status(canister, MemberStatus::Moving, id);
    state.journal.put(op);
    Ok(Accepted::Operation(id))
}

/// Whether a principal is a controller of a role's members without being their parent.
fn is_named(role: &RoleConfig, principal: Principal, root: Principal) -> bool {
    let text = principal.to_text();
    let names =
        |controller: &Controller| matches!(controller, Controller::Text(named) if *named == text);
    principal == root || role.controllers.iter().any(names)
}

/// The reply to a request whose operation ran.
fn answer(operation: OperationId, op: Option<Operation>) -> Result<Moved, MoveError> {
    match op {
        Some(op) if op.end == Some(End::Done) => Ok(Moved { operation }),
        Some(op) if op.end.is_some() => Err(MoveError::Failed {
            operation,
            reason: op.failure.unwrap_or_default(),
        }),
        Some(_) | None => Err(MoveError::Pending { operation }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::ProvisionError,
        root::steps::tests::{HUB, ROOT, WORKER, add_member, fleet, moment},
    };

    const OTHER_HUB: Principal = Principal::from_slice(&[20, 1]);

    fn hubs() -> State {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        add_member(&mut state, OTHER_HUB, "hub", ROOT, None);
        add_member(&mut state, WORKER, "worker", HUB, None);
        state
    }

    fn accepted(
        state: &mut State,
        caller: Caller,
        canister: Principal,
        parent: Principal,
    ) -> Result<Accepted, MoveError> {
        let request = MoveRequest { canister, parent };
        accept(state, caller, request, &moment())
    }

    #[test]
    fn a_move_takes_its_new_position_and_revokes_the_old_parent() {
        let mut state = hubs();
        let id = match accepted(&mut state, Caller::Member(HUB), WORKER, OTHER_HUB) {
            Ok(Accepted::Operation(id)) => id,
            other => panic!("{other:?}"),
        };
        let op = state.journal.get(id).unwrap();
        let Purpose::Move(_, reparent) = &op.purpose else {
            panic!("{:?}", op.purpose);
        };
        assert_eq!(reparent.revoked, Some(Id(HUB)));
        assert_eq!(op.step, Step::Verify, "the parent is a controller");
        let worker = state.registry.role("worker").unwrap().number;
        assert_eq!(state.registry.taken_below(OTHER_HUB, worker), 1);
        // No other move begins meanwhile.
        let second = accepted(&mut state, Caller::Controller, OTHER_HUB, HUB);
        assert_eq!(second, Err(MoveError::Pending { operation: id }));
    }

    #[test]
    fn root_stays_a_controller_when_a_member_leaves_it() {
        let mut state = hubs();
        add_member(
            &mut state,
            Principal::from_slice(&[30, 1]),
            "worker",
            ROOT,
            None,
        );
        let worker = Principal::from_slice(&[30, 1]);
        let id = match accepted(&mut state, Caller::Controller, worker, HUB) {
            Ok(Accepted::Operation(id)) => id,
            other => panic!("{other:?}"),
        };
        let op = state.journal.get(id).unwrap();
        assert!(matches!(&op.purpose, Purpose::Move(_, reparent) if reparent.revoked.is_none()));
    }

    #[test]
    fn a_member_with_that_parent_is_in_place() {
        let mut state = hubs();
        let in_place = accepted(&mut state, Caller::Controller, WORKER, HUB);
        assert_eq!(in_place, Ok(Accepted::InPlace(900)));
    }

    #[test]
    fn a_member_is_not_moved_below_itself_or_below_a_role_that_may_not_be_its_parent() {
        let mut state = hubs();
        let circle = accepted(&mut state, Caller::Controller, HUB, WORKER);
        assert_eq!(circle, Err(MoveError::BelowItself { parent: WORKER }));
        let refused = accepted(&mut state, Caller::Controller, HUB, OTHER_HUB);
        assert!(matches!(
            refused,
            Err(MoveError::Refused(ProvisionError::ParentNotAllowed { .. }))
        ));
    }

    #[test]
    fn only_its_parent_among_members_moves_a_member() {
        let mut state = hubs();
        let denied = accepted(&mut state, Caller::Member(OTHER_HUB), WORKER, OTHER_HUB);
        assert!(matches!(denied, Err(MoveError::Denied(_))));
    }
}
