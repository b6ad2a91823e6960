//! Provisioning: one member that the caller waits for, or a batch in the background.

use crate::{
    api::{
        BatchError, OperationId, Progress, ProvisionError, ProvisionRequest, Provisioned, Source,
    },
    operation::{Admission, End, Moment, Operation, Plan, Purpose, Step, allocation, policy},
    platform::ic,
    root::{
        driver, queries,
        requests::{
            caller::Caller,
            facts::{Accepted, controllers, facts, holder, position, role_config},
        },
    },
    stable::record::Cycles,
    state::{self, State},
};

/// Requests of one batch at most.
const MAX_BATCH: usize = 1_000;

/// Provisions a member, and waits for it.
///
/// # Errors
///
/// See [`ProvisionError`].
pub(crate) async fn provision(
    caller: Caller,
    request: ProvisionRequest,
) -> Result<Provisioned, ProvisionError> {
    let moment = ic::moment();
    let accepted =
        state::with(|state| accept(state, caller, request, Admission::Immediate, &moment))?;
    match accepted {
        Accepted::Existing(member) => Ok(member),
        Accepted::Operation(id) => answer(id, driver::run(id).await),
    }
}

/// Accepts as many requests as root has capacity for. They run in the background, some at once.
///
/// # Errors
///
/// If the batch is too large. Each request has a result of its own besides.
pub(crate) fn provision_batch(
    caller: Caller,
    requests: Vec<ProvisionRequest>,
) -> Result<Vec<Result<OperationId, ProvisionError>>, BatchError> {
    check_batch(requests.len())?;
    let moment = ic::moment();
    let accept_one = |request| {
        let accepted =
            state::with(|state| accept(state, caller, request, Admission::Queued, &moment))?;
        Ok(match accepted {
            Accepted::Existing(member) => member.operation,
            Accepted::Operation(id) => id,
        })
    };
    let accepted = requests.into_iter().map(accept_one).collect();
    driver::begin_queued(&moment);
    Ok(accepted)
}

/// The progress of a batch's operations.
///
/// # Errors
///
/// If there are more operations than one batch may have.
pub(crate) fn progress(operations: &[OperationId]) -> Result<Progress, BatchError> {
    check_batch(operations.len())?;
    Ok(state::with(|state| queries::progress(state, operations)))
}

fn check_batch(requests: usize) -> Result<(), BatchError> {
    if requests > MAX_BATCH {
        return Err(BatchError::TooMany {
            requests: requests as u32,
            max: MAX_BATCH as u32,
        });
    }
    Ok(())
}

/// Puts a provision on record, unless the key has a member already.
fn accept(
    state: &mut State,
    caller: Caller,
    request: ProvisionRequest,
    admission: Admission,
    moment: &Moment,
) -> Result<Accepted, ProvisionError> {
    let role = role_config(state, &request.role)?;
    policy::check_key(request.key.as_deref())?;
    let ProvisionRequest {
        role: name,
        key,
        parent,
        arg,
    } = request;
    let position = position(caller, name, key, parent, &role, moment.root);
    let facts = facts(state, &position, admission, moment);
    policy::check_parent(&role, &facts)?;
    if let Some(answer) = holder(state, &position) {
        return answer;
    }
    policy::check_argument(&arg)?;
    let admitted = policy::admit(&role, &position.role, &facts)?;

    // From here on nothing can fail.
    let plan = Plan {
        module: admitted.module,
        cycles: Cycles(role.cycles),
        controllers: controllers(&role, position.parent.0, moment.root),
        rollback: role.rollback.into(),
    };
    let id = state.take_operation_id();
    let purpose = Purpose::Provision(position.clone(), plan);
    let mut op = Operation::new(id, purpose, Step::Create, moment.now);
    op.admission = admission;
    op.money.reserved = Cycles(admitted.reserve);
    op.money.shortfall = Cycles(admitted.shortfall);
    if admission == Admission::Immediate && state.claim(&mut op, moment.now) {
        op.step = allocation::first_step(&op, moment.root);
    }
    state.registry.take_position(&position, id);
    state.journal.set_argument(id, arg);
    state.journal.put(op);
    Ok(Accepted::Operation(id))
}

/// The reply to a request whose operation ran.
fn answer(id: OperationId, op: Option<Operation>) -> Result<Provisioned, ProvisionError> {
    let Some(op) = op else {
        return Err(ProvisionError::Pending { operation: id });
    };
    let reason = op.failure.clone().unwrap_or_default();
    match (op.end, op.canister()) {
        (Some(End::Done), Some(canister)) => Ok(Provisioned {
            canister,
            source: op.source.map_or(Source::Fresh, Source::from),
            operation: id,
        }),
        (Some(End::Nothing), _) => Err(ProvisionError::CreateFailed {
            operation: id,
            reason,
        }),
        (Some(End::Quarantined), canister) => Err(ProvisionError::Quarantined {
            operation: id,
            canister,
            reason,
        }),
        (Some(end), _) => match end.rolled_back() {
            Some(rolled_back) => Err(ProvisionError::InstallFailed {
                operation: id,
                reason,
                rolled_back,
            }),
            None => Err(ProvisionError::Pending { operation: id }),
        },
        (None, _) => Err(ProvisionError::Pending { operation: id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::{
            End, Origin, Teardown, blame,
            call::{Failure, Reply, Status},
        },
        root::steps::{
            self, Begin,
            tests::{FEE, HUB, ROOT, T, WORKER, add_member, fleet, moment},
        },
        stable::record::Id,
        state::registry::Holder,
    };

    fn request(role: &str, key: Option<&str>) -> ProvisionRequest {
        ProvisionRequest {
            role: role.to_string(),
            key: key.map(str::to_string),
            parent: None,
            arg: Vec::new(),
        }
    }

    fn accepted(
        state: &mut State,
        caller: Caller,
        request: ProvisionRequest,
    ) -> Result<Operation, ProvisionError> {
        let accepted = accept(state, caller, request, Admission::Immediate, &moment())?;
        match accepted {
            Accepted::Operation(id) => Ok(state.journal.get(id).expect("it is on record")),
            Accepted::Existing(member) => panic!("{member:?} exists"),
        }
    }

    #[test]
    fn an_accepted_request_holds_its_key_its_position_and_its_cycles() {
        let mut state = fleet();
        let op = accepted(&mut state, Caller::Controller, request("hub", Some("a"))).unwrap();
        let holder = state.registry.holder("hub", "a");
        assert_eq!(holder, Some(Holder::Operation(op.id)));
        assert_eq!(state.registry.role("hub").map(|role| role.taken), Some(1));
        assert_eq!(state.journal.reserved(), T + FEE);
        assert_eq!((op.step, op.canister()), (Step::Create, None));
        let again = accepted(&mut state, Caller::Controller, request("hub", Some("a")));
        let operation = op.id;
        assert_eq!(again, Err(ProvisionError::Pending { operation }));
    }

    #[test]
    fn a_canister_of_the_pool_is_claimed_and_only_its_shortfall_reserved() {
        let mut state = fleet();
        state.pool.put_ready(WORKER, T / 2, None, 0);
        let op = accepted(&mut state, Caller::Controller, request("hub", None)).unwrap();
        assert_eq!((op.step, op.canister()), (Step::Fund, Some(WORKER)));
        assert_eq!((op.money.reserved.0, op.money.held.0), (T / 2, T / 2));
        assert_eq!(
            (state.pool.ready_count(), state.pool.claimed_count()),
            (0, 1)
        );
        // A queued request claims none before it is dequeued.
        state.pool.put_ready(HUB, T, None, 0);
        let queued = accept(
            &mut state,
            Caller::Controller,
            request("hub", None),
            Admission::Queued,
            &moment(),
        );
        assert_eq!(queued, Ok(Accepted::Operation(2)));
        assert_eq!(state.pool.ready_count(), 1);
        assert_eq!(state.dequeue(&moment()), Some(2));
        assert_eq!(state.pool.ready_count(), 0);
    }

    /// Provisions a hub whose install is rejected with a code, and rolls it back. Creates `HUB` if
    /// the pool has no canister. Answers the operation's end.
    fn refused(state: &mut State, code: u32, now: u64) -> Option<Operation> {
        let at = Moment { now, ..moment() };
        let request = request("hub", None);
        let accepted = accept(
            state,
            Caller::Controller,
            request,
            Admission::Immediate,
            &at,
        );
        let Ok(Accepted::Operation(id)) = accepted else {
            panic!("{accepted:?}");
        };
        while let Begin::Call { attached, .. } = steps::begin(state, id, &at, &mut |_, _| ()) {
            let reply = match state.journal.get(id)?.step {
                Step::Create => Reply::Created(HUB),
                Step::Install => Reply::Failed(Failure::of_management(code, "refused")),
                _ => Reply::Status(Status::sample(ROOT, T)),
            };
            steps::finish(state, id, reply, attached, &at, &mut |_, _| ());
        }
        state.journal.get(id)
    }

    fn refusals(state: &State) -> Option<u32> {
        let entry = state.pool.iter().next()?;
        Some(entry.refusals.as_ref().map_or(0, |refusals| refusals.count))
    }

    #[test]
    fn a_canister_that_the_platform_refuses_twice_is_quarantined_with_both_reasons() {
        for code in [3, 4] {
            let mut state = fleet();
            state.pool.put_ready(WORKER, T, None, 0);
            let first = refused(&mut state, code, 1).unwrap();
            assert_eq!(first.end, Some(End::Recycled));
            // The count is on record.
            let mut state = State::open(state.config);
            assert_eq!(refusals(&state), Some(1));
            let second = refused(&mut state, code, 2).unwrap();
            assert_eq!(second.end, Some(End::Quarantined));
            assert!(second.failure.unwrap().contains("refused 2 provisions"));
            assert_eq!(state.pool.len(), 0);
            let holder = state.journal.holder(WORKER).map(|op| op.id);
            assert_eq!(holder, Some(second.id));
            // An operator's second try begins anew.
            let mut op = state.journal.get(second.id).unwrap();
            op.reopen(Teardown::Recycle);
            assert_eq!(op.refusals, None);
        }
    }

    #[test]
    fn a_module_that_traps_and_a_busy_subnet_are_not_their_canisters_fault() {
        for code in [1, 5] {
            let mut state = fleet();
            state.pool.put_ready(WORKER, T, None, 0);
            for now in 1..20 {
                let op = refused(&mut state, code, now).unwrap();
                assert_eq!(op.end, Some(End::Recycled), "{code}");
                assert_eq!(refusals(&state), Some(0), "{code}");
            }
        }
    }

    #[test]
    fn a_refused_canister_goes_behind_the_others_and_keeps_its_count() {
        let mut state = fleet();
        state.pool.put_ready(WORKER, T, None, 0);
        state.pool.put_ready(HUB, T, None, 0);
        let next = |state: &State| state.pool.first_ready().map(|entry| entry.canister.0);
        refused(&mut state, 4, 1);
        assert_eq!(next(&state), Some(HUB));
        // A canister that was not refused stays in front.
        refused(&mut state, 5, 2);
        assert_eq!(next(&state), Some(HUB));
        state.pool.remove(HUB);
        refused(&mut state, 5, 3);
        assert_eq!(refusals(&state), Some(1));
    }

    #[test]
    fn no_canister_is_blamed_after_the_platform_refused_a_new_one() {
        let mut state = fleet();
        let fresh = refused(&mut state, 4, 1).unwrap();
        assert_eq!(
            (fresh.source, fresh.end),
            (Some(Origin::Fresh), Some(End::Recycled))
        );
        for now in 2..20 {
            let op = refused(&mut state, 4, now).unwrap();
            assert_eq!((op.canister(), op.end), (Some(HUB), Some(End::Recycled)));
        }
        // A day later root blames canisters again.
        let later = 1 + blame::SPARED;
        assert_eq!(
            refused(&mut state, 4, later).unwrap().end,
            Some(End::Recycled)
        );
        assert_eq!(
            refused(&mut state, 4, later).unwrap().end,
            Some(End::Quarantined)
        );
    }

    #[test]
    fn a_provision_that_fails_is_no_demand_for_more_canisters() {
        let mut state = fleet();
        state.pool.put_ready(WORKER, T, None, 0);
        for now in 1..50 {
            refused(&mut state, 5, now);
            assert_eq!((state.pool.len(), state.pool_shortage(now)), (1, 0));
        }
        assert_eq!(state.pool.demand(50), 0);
    }

    #[test]
    fn a_calling_member_is_the_parent_even_if_it_names_another() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        let elsewhere = ProvisionRequest {
            parent: Some(ROOT),
            ..request("worker", None)
        };
        let op = accepted(&mut state, Caller::Member(HUB), elsewhere).unwrap();
        assert_eq!(op.position().map(|position| position.parent.0), Some(HUB));
        let controllers = op.plan().map(|plan| plan.controllers.len());
        assert_eq!(controllers, Some(2), "its parent is a controller, too");
        let denied = accepted(&mut state, Caller::Member(HUB), request("hub", None));
        assert!(matches!(
            denied,
            Err(ProvisionError::ParentNotAllowed { .. })
        ));
    }

    #[test]
    fn a_refused_request_leaves_no_trace() {
        let mut state = fleet();
        let before = state.head.clone();
        let poor = Moment {
            balance: T,
            ..moment()
        };
        let refused = accept(
            &mut state,
            Caller::Controller,
            request("hub", Some("a")),
            Admission::Immediate,
            &poor,
        );
        assert!(matches!(
            refused,
            Err(ProvisionError::InsufficientCycles { .. })
        ));
        let unknown = accepted(&mut state, Caller::Controller, request("nobody", None));
        assert!(matches!(unknown, Err(ProvisionError::UnknownRole { .. })));
        assert_eq!(state.head, before);
        assert_eq!(state.registry.holder("hub", "a"), None);
        assert_eq!(state.journal.open_count(), 0);
    }

    #[test]
    fn a_key_with_a_member_answers_that_member() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, Some("a"));
        let existing = accept(
            &mut state,
            Caller::Controller,
            request("hub", Some("a")),
            Admission::Immediate,
            &moment(),
        );
        let expected = Provisioned {
            canister: HUB,
            source: Source::Existing,
            operation: 900,
        };
        assert_eq!(existing, Ok(Accepted::Existing(expected)));
    }

    #[test]
    fn each_end_has_its_reply() {
        let reply = |end: Option<End>| {
            let mut state = fleet();
            let mut op = accepted(&mut state, Caller::Controller, request("hub", None)).unwrap();
            op.canister = Some(Id(WORKER));
            op.end = end;
            answer(1, Some(op))
        };
        assert_eq!(reply(Some(End::Done)).unwrap().canister, WORKER);
        assert!(matches!(
            reply(Some(End::Nothing)),
            Err(ProvisionError::CreateFailed { .. })
        ));
        assert!(matches!(
            reply(Some(End::Recycled)),
            Err(ProvisionError::InstallFailed { .. })
        ));
        assert!(matches!(
            reply(Some(End::Quarantined)),
            Err(ProvisionError::Quarantined {
                canister: Some(WORKER),
                ..
            })
        ));
        let pending = Err(ProvisionError::Pending { operation: 1 });
        assert_eq!(reply(None), pending);
        assert_eq!(answer(1, None), pending);
    }

    #[test]
    fn a_batch_is_bounded() {
        assert!(check_batch(MAX_BATCH).is_ok());
        assert!(matches!(
            check_batch(MAX_BATCH + 1),
            Err(BatchError::TooMany { .. })
        ));
    }
}
