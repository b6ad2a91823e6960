//! Retirement of a member: recycled into the pool, or drained and deleted.

use candid::Principal;
use canic::api::{
    MemberRequest, MembersFilter, OperationKind, OperationState, OperationsFilter,
    ProvisionRequest, RetireError, RetireRequest, Retired, Retirement,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};

#[test]
fn a_recycled_member_is_emptied_and_joins_the_pool() {
    let fleet = Fleet::of_notebooks();
    let worker = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    let retired = fleet.retire(worker, Retirement::Recycle).expect("retired");
    assert_eq!(retired.how, Retirement::Recycle);
    fleet.quiet();
    assert_eq!(fleet.member(&MemberRequest::Canister(worker)), None);
    assert!(fleet.pool().iter().any(|entry| entry.canister == worker));
    let status = fleet
        .pic
        .canister_status(worker, Some(fleet.root))
        .expect("root controls it");
    assert_eq!(status.module_hash, None);
    assert_eq!(fleet.pic.get_controllers(worker), [fleet.root]);
    let answer: Result<Option<String>, _> = fleet.query(worker, user(1), "get", ("title",));
    assert!(answer.is_err(), "its code is gone");
    fleet.audit().passes();
}

#[test]
fn a_deleted_member_returns_its_cycles_to_root() {
    let fleet = Fleet::of_notebooks();
    let worker = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    let destroyed = || fleet.observer.as_ref().map(|o| o.accounts().destroyed);
    let (held, root, before) = (
        fleet.pic.cycle_balance(worker),
        fleet.pic.cycle_balance(fleet.root),
        destroyed(),
    );
    let retired = fleet.retire(worker, Retirement::Delete).expect("retired");
    assert_eq!(retired.how, Retirement::Delete);
    assert!(!fleet.pic.canister_exists(worker));
    fleet.quiet();
    let gained = fleet.pic.cycle_balance(fleet.root) - root;
    assert!(
        gained >= held / 100 * 95,
        "{gained} of {held} cycles came back"
    );
    if let (Some(before), Some(after)) = (before, destroyed()) {
        assert!(
            after - before <= held / 20,
            "{} cycles went down with it",
            after - before
        );
    }
    fleet.audit().passes();
}

#[test]
fn a_retired_key_is_free_again() {
    let fleet = Fleet::of_notebooks();
    let first = fleet.provision(&notebook(user(1))).expect("a member");
    fleet
        .retire(first.canister, Retirement::Recycle)
        .expect("retired");
    fleet.quiet();
    let second = fleet.provision(&notebook(user(1))).expect("a new member");
    assert_ne!(second.operation, first.operation);
    let note: Option<String> = fleet
        .query(second.canister, user(1), "get", ("title",))
        .expect("it answers");
    assert_eq!(note, None);
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn only_members_can_be_retired() {
    let fleet = Fleet::of_notebooks();
    let pooled = fleet.pool()[0].canister;
    for canister in [user(1), fleet.root, pooled] {
        let answer = fleet.retire(canister, Retirement::Delete);
        assert_eq!(answer, Err(RetireError::NotAMember { canister }));
    }
    assert_eq!(fleet.pool().len(), 2);
    fleet.audit().passes();
}

#[test]
fn concurrent_retirements_retire_once() {
    let fleet = Fleet::of_notebooks();
    let worker = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    let request = RetireRequest {
        canister: worker,
        how: Retirement::Recycle,
        subtree: None,
    };
    let submitted =
        [(); 2].map(|()| fleet.submit(fleet.root, fleet.controller, "canic_retire", (&request,)));
    let answers = submitted.map(|m| fleet.answer::<Result<Retired, RetireError>>(m));
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(
        matches!(answers[1], Err(RetireError::Pending { .. })),
        "{answers:?}"
    );
    fleet.quiet();
    assert_eq!(
        fleet
            .pool()
            .iter()
            .filter(|entry| entry.canister == worker)
            .count(),
        1
    );
    fleet.audit().passes();
}

fn with_hub() -> (Fleet, Principal) {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hub", &artifacts::module("fixture-hub"));
    fleet.approve("worker", &artifacts::module("example-worker"));
    let request = ProvisionRequest {
        role: "hub".into(),
        key: None,
        parent: None,
        arg: Vec::new(),
    };
    let hub = fleet.provision(&request).expect("a hub").canister;
    (fleet, hub)
}

#[test]
fn a_parent_with_children_is_not_retired() {
    let (fleet, hub) = with_hub();
    let below = ProvisionRequest {
        parent: Some(hub),
        ..notebook(user(1))
    };
    let child = fleet
        .provision(&below)
        .expect("a worker below the hub")
        .canister;
    assert_eq!(
        fleet.retire(hub, Retirement::Delete),
        Err(RetireError::HasChildren { child })
    );
    fleet
        .retire(child, Retirement::Delete)
        .expect("first the child");
    fleet.retire(hub, Retirement::Delete).expect("then the hub");
    fleet.quiet();
    assert!(fleet.members(&MembersFilter::All).is_empty());
    fleet.audit().passes();
}

#[test]
fn a_subtree_is_retired_leaves_first_and_only_on_request() {
    let (fleet, hub) = with_hub();
    for number in 1..=12 {
        let below = ProvisionRequest {
            parent: Some(hub),
            ..notebook(user(number))
        };
        fleet.provision(&below).expect("a worker below the hub");
    }
    let beside = fleet.provision(&notebook(user(99))).expect("a worker");
    fleet.quiet();
    let request = RetireRequest {
        canister: hub,
        how: Retirement::Delete,
        subtree: Some(true),
    };
    let answer: Result<Retired, RetireError> = fleet
        .update(fleet.root, fleet.controller, "canic_retire", (request,))
        .expect("root answers");
    assert!(
        matches!(answer, Err(RetireError::Pending { .. })),
        "it is still open: {answer:?}"
    );
    fleet.quiet();
    let left = fleet.members(&MembersFilter::All);
    assert_eq!(
        left.iter().map(|m| m.canister).collect::<Vec<_>>(),
        [beside.canister]
    );
    let ended: Vec<_> = fleet
        .operations(OperationsFilter::Closed)
        .into_iter()
        .filter(|op| op.kind == OperationKind::Retire)
        .collect();
    assert_eq!(ended.len(), 13);
    let of_hub = ended.iter().find(|op| op.canister == Some(hub));
    let last = ended.iter().max_by_key(|op| op.updated);
    assert_eq!(of_hub, last, "the hub is retired last");
    assert!(ended.iter().all(|op| op.state == OperationState::Done));
    fleet.audit().passes();
}
