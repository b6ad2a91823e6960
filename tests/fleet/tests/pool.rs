//! The pool: refilled in the background up to its minimum, never beyond its maximum.

use std::{ops::Range, time::Duration};

use canic::api::{
    MembersFilter, OperationKind, OperationsFilter, ProvisionError, Provisioned, Retirement, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};

#[test]
fn the_pool_fills_to_its_minimum_after_install() {
    let fleet = Fleet::start("example-root");
    assert!(
        fleet.pool().is_empty(),
        "the pool is empty before time passes"
    );
    fleet.until("the pool holds two ready canisters", |fleet| {
        fleet.pool().len() == 2
    });
    fleet.quiet();
    let pool = fleet.pool();
    assert_eq!(
        pool.len(),
        2,
        "no more than the minimum is created: {pool:?}"
    );
    for entry in &pool {
        let cycles = fleet.pic.cycle_balance(entry.canister);
        assert!(
            (1_900_000_000_000..=2_000_000_000_000).contains(&cycles),
            "{cycles} cycles"
        );
        assert_eq!(entry.claimed_by, None);
    }
    fleet.audit().passes();
}

#[test]
fn the_pool_is_refilled_after_a_hit() {
    let fleet = Fleet::of_notebooks();
    let before = fleet.pool();
    let hit = fleet.provision(&notebook(user(1))).expect("a member");
    assert!(
        before.iter().any(|entry| entry.canister == hit.canister),
        "it came from the pool"
    );
    fleet.until("the pool is full again", |fleet| fleet.pool().len() == 2);
    fleet.quiet();
    assert!(
        fleet
            .pool()
            .iter()
            .all(|entry| entry.canister != hit.canister)
    );
    let closed = fleet.operations(OperationsFilter::Closed);
    assert_eq!(
        closed
            .iter()
            .filter(|o| o.kind == OperationKind::Refill)
            .count(),
        3
    );
    fleet.audit().passes();
}

#[test]
fn an_empty_pool_delays_no_provision() {
    let fleet = Fleet::start("example-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    let sources: Vec<Source> = [1, 2, 3, 4, 5]
        .map(|n| {
            fleet.submit(
                fleet.root,
                fleet.controller,
                "canic_provision",
                (notebook(user(n)),),
            )
        })
        .map(|m| fleet.answer::<Result<Provisioned, ProvisionError>>(m))
        .map(|answer| answer.expect("a member").source)
        .into();
    assert!(sources.contains(&Source::Fresh), "{sources:?}");
    fleet.quiet();
    assert_eq!(fleet.members(&MembersFilter::All).len(), 5);
    fleet.audit().passes();
}

#[test]
fn a_full_pool_turns_recycling_into_deletion() {
    let fleet = Fleet::start("fixture-tight-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.until("the pool holds its canister", |fleet| {
        fleet.pool().len() == 1
    });
    let members = [1, 2, 3].map(|number| {
        let made = fleet.provision(&notebook(user(number))).expect("a member");
        fleet.quiet();
        made.canister
    });
    // Three were provisioned lately, so the pool is at its maximum.
    assert_eq!(fleet.pool().len(), 2);
    let mut deleted = 0;
    for canister in members {
        let retired = fleet
            .retire(canister, Retirement::Recycle)
            .expect("retired");
        fleet.quiet();
        let pool = fleet.pool();
        assert!(pool.len() <= 2, "the maximum is 2: {pool:?}");
        let in_pool = pool.iter().any(|entry| entry.canister == canister);
        assert_eq!(in_pool, retired.how == Retirement::Recycle, "{retired:?}");
        assert_eq!(in_pool, fleet.pic.canister_exists(canister));
        deleted += u32::from(!in_pool);
    }
    assert_eq!(deleted, 3);
    fleet.audit().passes();
}

#[test]
fn the_pool_follows_recent_demand_within_its_limits() {
    let fleet = Fleet::of_notebooks();
    let ready = |fleet: &Fleet| {
        fleet.quiet();
        fleet.pool().len()
    };
    let provision = |numbers: Range<u8>| {
        for number in numbers {
            fleet.provision(&notebook(user(number))).expect("a member");
        }
    };
    provision(1..3);
    assert_eq!(ready(&fleet), 2, "its minimum");
    provision(3..6);
    assert_eq!(ready(&fleet), 5, "as many as were provisioned lately");
    provision(6..20);
    assert_eq!(ready(&fleet), 10, "its maximum");
    // Canisters stay in the pool, but are not replaced when the demand is long ago.
    fleet.pic.advance_time(Duration::from_secs(2_000));
    provision(20..22);
    assert_eq!(ready(&fleet), 8);
    fleet.audit().passes();
}
