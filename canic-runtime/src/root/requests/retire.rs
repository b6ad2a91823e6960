//! Retirement: the end of a member, or a second try at a quarantined canister.

use candid::Principal;

use crate::{
    api::{OperationId, RetireError, RetireRequest, Retired, Retirement},
    operation::{End, Moment, Operation, Step, policy::Busy},
    platform::ic,
    root::{
        driver,
        requests::{caller::Caller, facts::busy_now},
    },
    state::{self, State, registry::MemberStatus},
};

/// Retires a member, and waits for it.
///
/// # Errors
///
/// See [`RetireError`].
pub(crate) async fn retire(caller: Caller, request: RetireRequest) -> Result<Retired, RetireError> {
    let moment = ic::moment();
    let id = state::with(|state| accept(state, caller, &request, &moment))?;
    answer(id, driver::run(id).await)
}

/// Puts a retirement on record.
fn accept(
    state: &mut State,
    caller: Caller,
    request: &RetireRequest,
    moment: &Moment,
) -> Result<OperationId, RetireError> {
    let canister = request.canister;
    if request.how == Retirement::Destroy {
        caller.require_parent(None).map_err(RetireError::Denied)?;
    }
    if let Some(mut op) = quarantined_operation(state, canister) {
        // A quarantined canister has no parent any more.
        caller.require_parent(None).map_err(RetireError::Denied)?;
        let id = op.id;
        op.reopen(request.how.into());
        op.enter(Step::Inspect);
        state.journal.put(op);
        return Ok(id);
    }
    let Some(member) = state.registry.member(canister) else {
        return Err(RetireError::NotAMember { canister });
    };
    caller
        .require_parent(Some(member.parent.0))
        .map_err(RetireError::Denied)?;
    if member.status != MemberStatus::Active {
        return Err(RetireError::Pending {
            operation: member.operation,
        });
    }
    if let Some(operation) = state.open_grant(canister) {
        return Err(RetireError::Pending { operation });
    }
    let subtree = request.subtree == Some(true);
    if !subtree {
        if let Some(child) = state.registry.children(canister, None).next() {
            return Err(RetireError::HasChildren { child });
        }
        if let Some(operation) = state.journal.below(canister) {
            return Err(RetireError::Pending { operation });
        }
    }
    if let Some(Busy { open, retry_after }) = busy_now(state) {
        return Err(RetireError::Busy { open, retry_after });
    }
    Ok(state.retire(canister, member, request.how.into(), subtree, moment.now))
}

/// The quarantined operation that holds a canister.
fn quarantined_operation(state: &State, canister: Principal) -> Option<Operation> {
    let holder = state.journal.holder(canister)?;
    (holder.end == Some(End::Quarantined)).then_some(holder)
}

/// The reply to a request whose operation ran.
fn answer(id: OperationId, op: Option<Operation>) -> Result<Retired, RetireError> {
    let Some(op) = op else {
        return Err(RetireError::Pending { operation: id });
    };
    match op.end {
        Some(End::Quarantined) => Err(RetireError::Quarantined {
            operation: id,
            reason: op.failure.unwrap_or_default(),
        }),
        Some(_) => Ok(Retired {
            operation: id,
            how: op.goal().map_or(Retirement::Delete, Retirement::from),
        }),
        None => Err(RetireError::Pending { operation: id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::{Purpose, Teardown, TeardownState},
        root::steps::tests::{HUB, ROOT, WORKER, add_member, fleet, moment},
        stable::record::Id,
    };

    fn request(canister: Principal, how: Retirement) -> RetireRequest {
        RetireRequest {
            canister,
            how,
            subtree: None,
        }
    }

    fn accepted(
        state: &mut State,
        caller: Caller,
        request: &RetireRequest,
    ) -> Result<Operation, RetireError> {
        let id = accept(state, caller, request, &moment())?;
        Ok(state.journal.get(id).expect("it is on record"))
    }

    #[test]
    fn a_retiring_member_is_on_record_and_is_not_retired_twice() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        let request = request(HUB, Retirement::Recycle);
        let op = accepted(&mut state, Caller::Controller, &request).unwrap();
        assert_eq!(op.goal(), Some(Teardown::Recycle));
        let status = state.registry.member(HUB).map(|member| member.status);
        assert_eq!(status, Some(MemberStatus::Retiring));
        let again = accepted(&mut state, Caller::Controller, &request);
        assert_eq!(again, Err(RetireError::Pending { operation: op.id }));
    }

    #[test]
    fn only_its_parent_among_members_retires_a_member() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        add_member(&mut state, WORKER, "worker", HUB, None);
        let worker = request(WORKER, Retirement::Delete);
        let stranger = accepted(&mut state, Caller::Member(WORKER), &worker);
        assert!(matches!(stranger, Err(RetireError::Denied(_))));
        assert!(accepted(&mut state, Caller::Member(HUB), &worker).is_ok());
    }

    #[test]
    fn only_a_controller_of_root_has_a_member_destroyed() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        add_member(&mut state, WORKER, "worker", HUB, None);
        let worker = request(WORKER, Retirement::Destroy);
        let parent = accepted(&mut state, Caller::Member(HUB), &worker);
        assert!(matches!(parent, Err(RetireError::Denied(_))));
        let op = accepted(&mut state, Caller::Controller, &worker).unwrap();
        assert_eq!(op.goal(), Some(Teardown::Destroy));
    }

    #[test]
    fn a_member_with_children_is_retired_with_its_subtree_only() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        add_member(&mut state, WORKER, "worker", HUB, None);
        let alone = request(HUB, Retirement::Delete);
        let refused = accepted(&mut state, Caller::Controller, &alone);
        assert_eq!(refused, Err(RetireError::HasChildren { child: WORKER }));
        let subtree = RetireRequest {
            subtree: Some(true),
            ..alone
        };
        let op = accepted(&mut state, Caller::Controller, &subtree).unwrap();
        assert_eq!(op.step, Step::RetireChildren);
    }

    #[test]
    fn a_retirement_reopens_a_quarantined_operation_and_forgets_no_cycles() {
        let mut state = fleet();
        let id = state.take_operation_id();
        let mut op = Operation::new(id, Purpose::Refill, Step::Stop, 0);
        op.canister = Some(Id(WORKER));
        op.teardown = Some(TeardownState {
            drains: 3,
            reset: true,
            deleting: true,
            ..TeardownState::new(Teardown::Recycle)
        });
        op.money.drain_unsettled = true;
        op.retry.calls = 200;
        op.end = Some(End::Quarantined);
        state.journal.put(op);
        let request = request(WORKER, Retirement::Delete);
        let denied = accepted(&mut state, Caller::Member(HUB), &request);
        assert!(matches!(denied, Err(RetireError::Denied(_))));
        let op = accepted(&mut state, Caller::Controller, &request).unwrap();
        let expected = TeardownState {
            deleting: true,
            ..TeardownState::new(Teardown::Delete)
        };
        assert_eq!(op.teardown, Some(expected));
        assert_eq!((op.retry.calls, op.step, op.end), (0, Step::Inspect, None));
        assert!(op.money.drain_unsettled);
    }

    #[test]
    fn a_canister_that_is_no_member_is_refused() {
        let mut state = fleet();
        let request = request(WORKER, Retirement::Delete);
        let refused = accepted(&mut state, Caller::Controller, &request);
        assert_eq!(refused, Err(RetireError::NotAMember { canister: WORKER }));
    }

    #[test]
    fn the_reply_names_the_teardown_of_the_canister() {
        let ended = |goal, end| {
            let mut op = Operation::new(1, Purpose::Refill, Step::Delete, 0);
            op.teardown = Some(TeardownState::new(goal));
            op.end = Some(end);
            answer(1, Some(op)).map(|retired| retired.how)
        };
        let recycled = ended(Teardown::Recycle, End::Done);
        assert_eq!(recycled, Ok(Retirement::Recycle));
        assert_eq!(ended(Teardown::Delete, End::Done), Ok(Retirement::Delete));
        assert!(matches!(
            ended(Teardown::Delete, End::Quarantined),
            Err(RetireError::Quarantined { .. })
        ));
        assert_eq!(answer(1, None), Err(RetireError::Pending { operation: 1 }));
    }
}
