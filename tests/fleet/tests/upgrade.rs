//! Upgrades: of root with everything it has on record, of members with their data, and in the middle of an operation.

use candid::encode_args;
use canic::api::{
    Denied, MembersFilter, ModulesPage, OperationsFilter, PageRequest, ProvisionError, Provisioned,
    Retirement, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};
use std::time::Duration;

#[test]
fn root_keeps_members_pool_operations_and_modules() {
    let fleet = Fleet::of_notebooks();
    for number in [1, 2, 3] {
        fleet.provision(&notebook(user(number))).expect("a member");
        fleet.quiet();
    }
    let standing = |fleet: &Fleet| {
        let modules: Result<ModulesPage, Denied> = fleet.ask(
            "canic_modules",
            (PageRequest {
                after: None,
                limit: 100,
            },),
        );
        (
            fleet.members(&MembersFilter::All),
            fleet.pool(),
            fleet.operations(OperationsFilter::Closed),
            modules.expect("a controller may list modules").modules,
        )
    };
    let before = standing(&fleet);
    assert_eq!((before.0.len(), before.1.len(), before.3.len()), (3, 2, 1));
    fleet
        .upgrade_root("example-root")
        .expect("root takes the upgrade");
    fleet.quiet();
    assert_eq!(standing(&fleet), before);

    let again = fleet
        .provision(&notebook(user(1)))
        .expect("the same member");
    assert_eq!(again.source, Source::Existing);
    let new = fleet.provision(&notebook(user(4))).expect("a member");
    assert_eq!(new.source, Source::Pool);
    fleet.quiet();
    assert_eq!(
        fleet.pool().len(),
        2,
        "the pool refills after an upgrade too"
    );
    fleet.audit().passes();
}

#[test]
fn a_member_keeps_its_notes_and_its_place() {
    let fleet = Fleet::of_notebooks();
    let worker = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    let written: Result<(), String> = fleet
        .update(worker, user(1), "put", ("title", "text"))
        .expect("the owner may write");
    written.expect("written");
    // Root is the only controller.
    let upgraded = fleet.pic.upgrade_canister(
        worker,
        artifacts::module("example-worker"),
        encode_args(()).expect("encoded"),
        Some(fleet.root),
    );
    upgraded.expect("the worker takes the upgrade");
    let read: Option<String> = fleet
        .query(worker, user(1), "get", ("title",))
        .expect("the owner is known");
    assert_eq!(read.as_deref(), Some("text"));
    let strangers: Result<Option<String>, _> = fleet.query(worker, user(2), "get", ("title",));
    assert!(strangers.is_err(), "and so are strangers");
    let env: canic::api::Env = fleet
        .query(worker, user(2), "canic_env", ())
        .expect("it answers");
    assert_eq!(env.membership.expect("it knows its place").root, fleet.root);
    fleet.quiet();
    fleet.audit().passes();
}

/// After `ticks` rounds of a fresh provision, root is upgraded without being stopped.
fn upgraded_in_the_middle(ticks: usize) -> &'static str {
    let fleet = Fleet::start("fixture-bare-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.quiet();
    let request = notebook(user(1));
    let message = fleet.submit(fleet.root, fleet.controller, "canic_provision", (&request,));
    for _ in 0..ticks {
        fleet.pic.tick();
    }
    let upgraded = fleet.pic.upgrade_canister(
        fleet.root,
        artifacts::module("fixture-bare-root"),
        encode_args(()).expect("encoded"),
        Some(fleet.controller),
    );
    let how = match &upgraded {
        Ok(()) => "upgraded",
        Err(reject) => {
            assert!(
                reject.reject_message.contains("creat"),
                "it says what is in flight: {reject}"
            );
            "refused while a canister was being created"
        }
    };
    // What the first request is answered is not the point: an upgrade may cut the answer off.
    drop(fleet.pic.await_call(message));
    // Longer than any lease, so that recovery finds what was cut off.
    fleet.pic.advance_time(Duration::from_secs(3_600));
    fleet.quiet();
    assert!(fleet.operations(OperationsFilter::Quarantined).is_empty());
    let again: Result<Provisioned, ProvisionError> = fleet.provision(&request);
    let member = again.expect("the member is there, or is made now");
    fleet.quiet();
    let members = fleet.members(&MembersFilter::All);
    assert_eq!(
        members.iter().map(|m| m.canister).collect::<Vec<_>>(),
        [member.canister]
    );
    let note: Option<String> = fleet
        .query(member.canister, user(1), "get", ("title",))
        .expect("the member is installed and knows its owner");
    assert_eq!(note, None);
    fleet.audit().passes();
    how
}

#[test]
fn an_operation_that_an_upgrade_cuts_off_is_finished() {
    let outcomes: Vec<&str> = (0..8).map(upgraded_in_the_middle).collect();
    println!("{outcomes:?}");
    assert!(outcomes.contains(&"upgraded"), "{outcomes:?}");
}

#[test]
fn a_retirement_that_an_upgrade_cuts_off_is_finished() {
    for ticks in 0..6 {
        let fleet = Fleet::of_notebooks();
        let worker = fleet
            .provision(&notebook(user(1)))
            .expect("a member")
            .canister;
        fleet.quiet();
        let request = canic::api::RetireRequest {
            canister: worker,
            how: Retirement::Recycle,
        };
        let message = fleet.submit(fleet.root, fleet.controller, "canic_retire", (&request,));
        for _ in 0..ticks {
            fleet.pic.tick();
        }
        let nothing = encode_args(()).expect("encoded");
        let module = artifacts::module("example-root");
        let sender = Some(fleet.controller);
        fleet
            .pic
            .upgrade_canister(fleet.root, module, nothing, sender)
            .expect("no creation is in flight");
        drop(fleet.pic.await_call(message));
        fleet.pic.advance_time(Duration::from_secs(3_600));
        fleet.quiet();
        assert!(fleet.members(&MembersFilter::All).is_empty());
        assert!(
            fleet.pool().iter().any(|entry| entry.canister == worker),
            "after {ticks} rounds"
        );
        fleet.audit().passes();
    }
}
