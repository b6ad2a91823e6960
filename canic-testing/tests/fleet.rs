//! A fleet in a test: the example's notebooks.

use std::time::{Duration, Instant};

use candid::Principal;
use canic_testing::{
    Fleet, FleetBuilder, Module, Reason,
    api::{OperationKind, OperationState, OperationsFilter, Provisioned},
};

/// The example's fleet. Other packages of this workspace have the same roles.
fn notebooks() -> FleetBuilder {
    Fleet::of("example-root")
}

#[test]
fn a_notebook_keeps_its_notes() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    alice
        .update::<_, Result<(), String>>(worker.canister, "put", ("a", "b"))
        .unwrap()
        .unwrap();
    let note: Option<String> = alice.query(worker.canister, "get", ("a",)).unwrap();
    assert_eq!(note.as_deref(), Some("b"));
    fleet.assert_balanced();
}

#[test]
fn the_pool_is_ready_when_a_fleet_starts() {
    let fleet = notebooks().start();
    let ready = fleet.pool();
    assert_eq!(ready.len(), 2);
    assert!(ready.iter().all(|entry| entry.claimed_by.is_none()));
    assert!(fleet.operations(OperationsFilter::Open).is_empty());
}

#[test]
fn each_test_gets_a_fork_of_one_prepared_fleet() {
    let first = notebooks().start();
    let begun = Instant::now();
    let second = notebooks().start();
    let taken = begun.elapsed();
    let _: Provisioned = first
        .user("alice")
        .update(first.root(), "sign_up", ())
        .unwrap();
    assert_eq!((first.members().len(), second.members().len()), (1, 0));
    // Not a benchmark: starting anew takes many times as long, also on a busy machine.
    if first.is_in_process() {
        assert!(taken < Duration::from_secs(1), "{taken:?}");
        let fork = first.fork();
        fork.user("bob")
            .update::<_, Provisioned>(fork.root(), "sign_up", ())
            .unwrap();
        assert_eq!((first.members().len(), fork.members().len()), (1, 2));
    }
}

#[test]
fn a_name_is_the_same_user_everywhere() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice").principal();
    assert_eq!(alice, notebooks().start().user("alice").principal());
    assert_ne!(alice, fleet.user("bob").principal());
    assert_ne!(alice, fleet.controller().principal());
    assert_eq!(fleet.anonymous().principal(), Principal::anonymous());
}

#[test]
fn an_error_tells_what_the_canister_said() {
    let fleet = notebooks().start();
    let (alice, bob) = (fleet.user("alice"), fleet.user("bob"));
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    let denied = bob
        .update::<_, Result<(), String>>(worker.canister, "put", ("a", "b"))
        .unwrap_err();
    let not_the_owner = format!("{} is not the owner", bob.principal());
    assert!(denied.said().contains(&not_the_owner), "{denied}");
    assert!(denied.reject().is_some() && denied.to_string().starts_with("`put` of"));
    let refused = alice
        .update::<_, ()>(worker.canister, "put", ("a".repeat(101), "b"))
        .unwrap_err();
    assert_eq!(
        refused.said(),
        "a title has at most 100 bytes, a text 10000"
    );
    let missing = alice
        .update::<_, ()>(worker.canister, "burn", ())
        .unwrap_err();
    assert!(missing.said().contains("burn"), "{missing}");
    let other = alice
        .query::<_, u64>(worker.canister, "get", ("a",))
        .unwrap_err();
    assert!(matches!(other.reason, Reason::OtherType { .. }), "{other}");
}

#[test]
fn calls_run_at_the_same_time_and_a_name_has_one_notebook() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let first = alice.submit(fleet.root(), "sign_up", ()).unwrap();
    let second = alice.submit(fleet.root(), "sign_up", ()).unwrap();
    assert!(!first.is_answered());
    // The second call answers the notebook, or that it is being provisioned.
    let first: Provisioned = first.answer().unwrap();
    if let Ok(second) = second.answer::<Provisioned>() {
        assert_eq!(first.canister, second.canister);
    }
    assert_eq!(fleet.members().len(), 1);
    fleet.assert_balanced();
}

#[test]
fn operations_members_and_metrics_are_values() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    let operation = fleet.operation(worker.operation).unwrap();
    assert_eq!(operation.kind, OperationKind::Provision);
    assert_eq!(operation.state, OperationState::Done);
    let key = alice.principal().to_text();
    assert_eq!(
        fleet.member("worker", &key).unwrap().canister,
        worker.canister
    );
    let members = fleet.metric(fleet.root(), "canic_members", &[("role", "worker")]);
    assert_eq!(members, Some(1.0));
    let of_worker = fleet.metrics(worker.canister);
    assert!(
        of_worker
            .iter()
            .any(|one| one.name == "canic_cycles_balance")
    );
    assert!(
        fleet
            .logs(fleet.root())
            .iter()
            .all(|line| !line.contains("panicked"))
    );
}

#[test]
fn a_member_keeps_its_state_through_upgrades_of_itself_and_of_root() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    let _: () = alice.update(worker.canister, "put", ("a", "b")).unwrap();
    fleet.reinstall_same_code(worker.canister).unwrap();
    fleet.until_quiet();
    fleet
        .upgrade_root(Module::of("example-root").renewed())
        .unwrap();
    fleet.until_quiet();
    let note: Option<String> = alice.query(worker.canister, "get", ("a",)).unwrap();
    assert_eq!(note.as_deref(), Some("b"));
    let again: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    assert_eq!(again.canister, worker.canister);
    fleet.assert_balanced();
}

#[test]
fn time_passes_and_the_fleet_stays_quiet() {
    let fleet = notebooks().start();
    let before = fleet.time();
    fleet.pass(Duration::from_secs(86_400));
    fleet.tick();
    fleet.until_quiet();
    assert!(fleet.time() >= before + 86_400_000_000_000);
    fleet.until("a day has passed", |fleet| fleet.time() > before);
    fleet.assert_balanced();
}
