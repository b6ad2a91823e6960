//! Upgrades of canisters that wait for answers: refused while they run, and done once they are
//! stopped.

use candid::{Encode, Principal};
use canic::api::{MembersFilter, ProvisionError, ProvisionRequest, Provisioned, Source};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};

/// Rounds in which a submitted call begins to wait for the first of its answers.
const BEGUN: usize = 2;

/// Upgrades a canister that runs, and returns the refusal.
fn upgrade(fleet: &Fleet, canister: Principal, package: &str) -> Result<(), String> {
    let nothing = Encode!().expect("no argument");
    let sender = Some(fleet.controller);
    // In one message: an upload in chunks takes rounds, in which answers come.
    let module = artifacts::gzipped(&artifacts::module(package));
    let upgraded = fleet
        .pic
        .upgrade_canister(canister, module, nothing, sender);
    upgraded.map_err(|reject| reject.reject_message)
}

/// Asserts that a canister which runs refuses an upgrade because these wait, and that it takes the
/// upgrade once it is stopped.
fn check_upgrade(fleet: &Fleet, canister: Principal, package: &str, waiting: &[&str]) {
    let refusal = upgrade(fleet, canister, package).expect_err("it waits");
    for word in [waiting, &["Stop the canister"]].concat() {
        assert!(refusal.contains(word), "{word}: {refusal}");
    }
    let (pic, sender) = (&fleet.pic, Some(fleet.controller));
    pic.stop_canister(canister, sender).expect("it is stopped");
    upgrade(fleet, canister, package).expect("a stopped canister is upgraded");
    pic.start_canister(canister, sender).expect("it is started");
}

/// A canister outside the fleet.
fn stranger(fleet: &Fleet, package: &str, argument: &str) -> Principal {
    let canister = fleet.stranger_canister(fleet.controller);
    let argument = Encode!(&argument).expect("an argument");
    let module = artifacts::module(package);
    let sender = Some(fleet.controller);
    fleet
        .pic
        .install_canister(canister, module, argument, sender);
    canister
}

fn tick(fleet: &Fleet, rounds: usize) {
    for _ in 0..rounds {
        fleet.pic.tick();
    }
}

#[test]
fn a_running_member_refuses_an_upgrade_while_an_endpoint_waits() {
    let fleet = Fleet::start("fixture-bare-root");
    let member = stranger(&fleet, "fixture-hooks", "hello");
    let pondering = fleet.submit(member, user(1), "ponder", (20_u32, false));
    tick(&fleet, BEGUN);
    check_upgrade(&fleet, member, "fixture-hooks", &["`ponder`"]);
    // It was stopped only when its endpoint had ended.
    let () = fleet.answer(pondering);
    upgrade(&fleet, member, "fixture-hooks").expect("nothing waits any more");
}

#[test]
fn an_endpoint_that_trapped_waits_no_more() {
    let fleet = Fleet::start("fixture-bare-root");
    let member = stranger(&fleet, "fixture-hooks", "hello");
    for answers in [0_u32, 1, 3] {
        let trapping = fleet.submit(member, user(1), "ponder", (answers, true));
        let reject = fleet.pic.await_call(trapping).expect_err("it traps");
        assert!(reject.reject_message.contains("careless"), "{reject}");
        upgrade(&fleet, member, "fixture-hooks").expect("nothing waits");
    }
}

#[test]
fn a_running_member_refuses_an_upgrade_while_its_heartbeat_waits() {
    let fleet = Fleet::start("fixture-bare-root");
    let member = stranger(&fleet, "fixture-scribe", "waits in its heartbeat");
    tick(&fleet, BEGUN);
    check_upgrade(&fleet, member, "fixture-scribe", &["`heartbeat`"]);
}

#[test]
fn a_running_member_refuses_an_upgrade_while_its_start_waits() {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hooks", &artifacts::module("fixture-hooks"));
    let request = ProvisionRequest {
        role: "hooks".to_string(),
        key: None,
        parent: None,
        arg: Encode!(&"ponder").expect("an argument"),
    };
    let member = fleet.provision(&request).expect("a member").canister;
    tick(&fleet, BEGUN);
    let nothing = Encode!().expect("no argument");
    let module = artifacts::module("fixture-hooks");
    let root = Some(fleet.root);
    let upgraded = fleet.pic.upgrade_canister(member, module, nothing, root);
    let refusal = upgraded.expect_err("it waits").reject_message;
    assert!(refusal.contains("`start`"), "{refusal}");
}

#[test]
fn a_running_root_names_its_operation_and_its_authors_endpoint() {
    for rounds in [1, 2, 3, 4] {
        let fleet = Fleet::start("fixture-careless-root");
        fleet.approve("worker", &artifacts::module("example-worker"));
        fleet.quiet();
        let pondering = fleet.submit(fleet.root, user(1), "ponder", (9_u32, false));
        let hiring = fleet.submit(
            fleet.root,
            fleet.controller,
            "canic_provision",
            (notebook(user(1)),),
        );
        tick(&fleet, rounds);
        let waiting = ["operation 1 at its step", "`ponder`"];
        check_upgrade(&fleet, fleet.root, "fixture-careless-root", &waiting);

        // The endpoint ended before root was stopped; the operation ends after it was started.
        let () = fleet.answer(pondering);
        drop(fleet.pic.await_call(hiring));
        fleet.quiet();
        let members = fleet.members(&MembersFilter::All);
        assert_eq!(members.len(), 1, "after {rounds} rounds");
        let again = fleet
            .provision(&notebook(user(1)))
            .expect("the same member");
        assert_eq!(again.source, Source::Existing);
        fleet.audit().passes();
    }
}

#[test]
fn a_root_that_is_being_stopped_ends_its_present_calls_only() {
    let fleet = Fleet::start("fixture-careless-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.quiet();
    let hiring = [1, 2, 3].map(|number| {
        let request = notebook(user(number));
        fleet.submit(fleet.root, fleet.controller, "canic_provision", (request,))
    });
    tick(&fleet, BEGUN);
    let sender = Some(fleet.controller);
    let from = fleet.observer.as_ref().map(|observer| observer.now());
    fleet
        .pic
        .stop_canister(fleet.root, sender)
        .expect("stopped");
    if let Some((observer, from)) = fleet.observer.as_ref().zip(from) {
        let calls = observer.management_calls(fleet.root, from);
        assert!(calls.is_empty(), "no step begins any more: {calls:?}");
    }
    fleet
        .pic
        .start_canister(fleet.root, sender)
        .expect("started");
    for message in hiring {
        let answer: Result<Provisioned, ProvisionError> = fleet.answer(message);
        let pending = matches!(answer, Err(ProvisionError::Pending { .. }));
        assert!(pending, "{answer:?}");
    }
    fleet.quiet();
    assert_eq!(fleet.members(&MembersFilter::All).len(), 3);
    fleet.audit().passes();
}
