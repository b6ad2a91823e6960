//! Grants that somebody asks for: a controller of root, a member for itself, or a parent for its
//! child.

use crate::{
    api::{GrantError, GrantPurpose, GrantRequest, Granted, OperationId, OperationKind},
    operation::{End, GrantPlan, Moment, Operation, Position, grant, policy::RETRY_AFTER_SECONDS},
    platform::ic,
    root::{driver, requests::caller::Caller},
    stable::record::Cycles,
    state::{self, State, funding::Receiver},
};

/// Grants cycles to a member, and waits for it.
///
/// # Errors
///
/// See [`GrantError`].
pub(crate) async fn grant(caller: Caller, request: GrantRequest) -> Result<Granted, GrantError> {
    let moment = ic::moment();
    let id = state::with(|state| accept(state, caller, request, &moment))?;
    answer(id, driver::run(id).await)
}

/// Puts a grant on record.
fn accept(
    state: &mut State,
    caller: Caller,
    GrantRequest { canister, cycles }: GrantRequest,
    moment: &Moment,
) -> Result<OperationId, GrantError> {
    let (Some(member), Some(record)) = (
        state.registry.member(canister),
        state.registry.record_id(canister),
    ) else {
        return Err(GrantError::NotAMember { canister });
    };
    if caller != Caller::Member(canister) {
        caller
            .require_parent(Some(member.parent.0))
            .map_err(GrantError::Denied)?;
    }
    if state.is_locked(canister, &member) {
        let operation = state.open_grant(canister).unwrap_or(member.operation);
        return Err(GrantError::Pending { operation });
    }
    let open = state.journal.open_of(OperationKind::Grant);
    if open >= grant::MAX_OPEN {
        return Err(GrantError::Busy {
            open: open as u32,
            retry_after: RETRY_AFTER_SECONDS,
        });
    }
    let role = state.registry.role_name(member.role).to_string();
    let fund = state.fund(&role);
    let is_controller = caller == Caller::Controller;
    if fund.is_none() && !is_controller {
        return Err(GrantError::NotFunded { role });
    }

    let entry = state.funding.schedule.entry(record);
    let burn = entry.map_or(0, |entry| entry.burn());
    let mut limits = state.limits(fund.as_ref(), burn);
    let receiver = Receiver {
        role: Some(member.role),
        member: Some(record),
    };
    if is_controller {
        limits.member = None;
    }
    let (min, max) = (grant::MIN, limits.largest_grant());
    if !(min..=max).contains(&cycles) {
        return Err(GrantError::InvalidAmount { cycles, min, max });
    }
    let purpose = if is_controller {
        GrantPurpose::Controller
    } else {
        GrantPurpose::Request
    };
    let available = state.grantable(moment);
    let room = state.funding.room(receiver, limits, available, moment.now);
    if room.left < cycles {
        let retry_after = state.refuse(canister, purpose, cycles, room, moment.now);
        return Err(GrantError::LimitReached {
            limit: room.limit,
            max: room.max,
            left: room.left,
            retry_after,
        });
    }
    let position = Position {
        role,
        parent: member.parent,
        key: member.key,
    };
    let mut plan = GrantPlan::new(purpose, Some(position), cycles);
    plan.to = fund.filter(|_| !is_controller).map(|fund| fund.to.into());
    plan.burn = Cycles(burn);
    Ok(state.begin_grant(canister, plan, None, moment.now))
}

/// The reply to a request whose operation ran.
fn answer(operation: OperationId, op: Option<Operation>) -> Result<Granted, GrantError> {
    match op {
        Some(op) if op.end == Some(End::Done) => Ok(Granted {
            operation,
            cycles: op.money.paid.0,
        }),
        Some(op) if op.end.is_some() && grant::has_enough(&op) => Err(GrantError::Enough {
            balance: op.money.held.0,
        }),
        Some(op) if op.end.is_some() => Err(GrantError::Failed {
            operation,
            reason: op.failure.unwrap_or_default(),
        }),
        Some(_) | None => Err(GrantError::Pending { operation }),
    }
}
