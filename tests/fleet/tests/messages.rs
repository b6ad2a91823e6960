//! What an author's code can ask of the fleet, by the kind of message that it runs in.

use candid::{Principal, encode_args};
use canic::api::{
    Denied, LookupError, OperationsFilter, ProvisionError, ProvisionRequest, Provisioned,
};
use canic_fleet_tests::{Fleet, artifacts, user};

fn request(role: &str, key: &str, arg: Vec<u8>) -> ProvisionRequest {
    ProvisionRequest {
        role: role.into(),
        key: Some(key.to_string()),
        parent: None,
        arg,
    }
}

fn subscriber(fleet: &Fleet) -> Principal {
    fleet.approve("subscriber", &artifacts::module("fixture-subscriber"));
    let made = fleet.provision(&request("subscriber", "first", Vec::new()));
    fleet.quiet();
    made.expect("a member").canister
}

#[track_caller]
fn only_updates(denied: Denied, asked: Principal) {
    assert_eq!(denied.caller, asked);
    assert!(denied.allowed.starts_with("updates, "), "{denied:?}");
}

#[test]
fn a_query_of_root_provisions_nothing() {
    let fleet = Fleet::start("fixture-careless-root");
    fleet.approve("subscriber", &artifacts::module("fixture-subscriber"));
    fleet.quiet();
    let answer: Result<Provisioned, ProvisionError> = fleet
        .query(fleet.root, user(1), "hire_in_query", ("subscriber",))
        .expect("it answers");
    match answer {
        Err(ProvisionError::Denied(denied)) => only_updates(denied, fleet.root),
        other => panic!("{other:?}"),
    }
    for filter in [OperationsFilter::Open, OperationsFilter::Closed] {
        assert!(fleet.operations(filter).is_empty());
    }
    // The query left nothing behind: an update still can.
    fleet
        .provision(&request("subscriber", "first", Vec::new()))
        .expect("a member");
    fleet.audit().passes();
}

#[test]
fn a_query_of_a_member_provisions_nothing() {
    let fleet = Fleet::start("fixture-tree-root");
    let member = subscriber(&fleet);
    let answer: Result<Provisioned, ProvisionError> = fleet
        .query(member, user(1), "hire_in_query", ("second",))
        .expect("it answers");
    match answer {
        Err(ProvisionError::Denied(denied)) => only_updates(denied, member),
        other => panic!("{other:?}"),
    }
    let hired: Result<Provisioned, ProvisionError> = fleet
        .update(member, user(1), "hire", ("second",))
        .expect("it answers");
    hired.expect("a member below the first");
    fleet.audit().passes();
}

/// A lookup by key asks root in a query; one by canister would need a lease.
#[test]
fn a_composite_query_of_a_member_looks_members_up() {
    let fleet = Fleet::start("fixture-tree-root");
    let member = subscriber(&fleet);
    let found: Result<Option<Principal>, LookupError> = fleet
        .query(member, user(1), "look_up_in_query", ("subscriber", "first"))
        .expect("it answers");
    assert_eq!(found, Ok(Some(member)));
    let made = fleet.provision(&request("subscriber", "second", Vec::new()));
    let other = made.expect("a member").canister;
    let role: Result<Option<String>, LookupError> = fleet
        .query(member, user(1), "role_in_query", (other,))
        .expect("it answers");
    match role {
        Err(LookupError::Denied(denied)) => only_updates(denied, member),
        other => panic!("{other:?}"),
    }
    let role: Result<Option<String>, LookupError> = fleet
        .update(member, user(1), "role_of", (other,))
        .expect("it answers");
    assert_eq!(role, Ok(Some("subscriber".to_string())));
    let role: Result<Option<String>, LookupError> = fleet
        .query(member, user(1), "role_in_query", (other,))
        .expect("it answers");
    let cached = Ok(Some("subscriber".to_string()));
    assert_eq!(role, cached, "the answer to the update is cached");
    fleet.audit().passes();
}

#[test]
fn init_provisions_nothing() {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hooks", &artifacts::module("fixture-hooks"));
    let argument = encode_args(("hire",)).expect("encoded");
    let made = fleet
        .provision(&request("hooks", "first", argument))
        .expect("a member");
    fleet.quiet();
    let diary: Vec<String> = fleet
        .query(made.canister, user(1), "diary", ())
        .expect("it answers");
    assert!(diary.contains(&"hired false".to_string()), "{diary:?}");
    fleet.audit().passes();
}
