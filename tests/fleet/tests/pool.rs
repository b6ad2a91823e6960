//! The pool: refilled in the background up to its minimum, never beyond its maximum.

use std::{ops::Range, time::Duration};

use candid::Principal;
use canic::api::{
    BatchError, MembersFilter, OperationKind, OperationsFilter, ProvisionError, ProvisionRequest,
    Provisioned, Retirement, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};
use canic_replica::{Effect, Fault, RejectCode, client::Control};

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

/// A request whose `init` refuses: the anonymous principal can't own a notebook.
fn refused() -> ProvisionRequest {
    ProvisionRequest {
        key: Some("nobody".to_string()),
        ..notebook(Principal::anonymous())
    }
}

/// The number of canisters that root has created from event `from` on.
fn created(fleet: &Fleet, from: u64) -> Option<usize> {
    let calls = fleet.observer.as_ref()?.management_calls(fleet.root, from);
    Some(calls.iter().filter(|m| *m == "create_canister").count())
}

#[test]
fn fifty_failing_provisions_create_no_canister_after_the_other() {
    let fleet = Fleet::of_notebooks();
    let from = fleet.observer.as_ref().map_or(0, |observer| observer.now());
    for n in 0..50 {
        if n == 25 {
            // From now on the module fails instead of the argument.
            fleet.approve("worker", b"\0asm\x01\0\0\0 and no section");
        }
        let answer = fleet.provision(&refused());
        assert!(
            matches!(answer, Err(ProvisionError::InstallFailed { .. })),
            "{answer:?}"
        );
        fleet.pic.advance_time(Duration::from_secs(5));
        fleet.pic.tick();
    }
    fleet.quiet();
    // While a canister is claimed the pool is short of one, so it may be refilled once.
    let created = created(&fleet, from);
    assert!(created.is_none_or(|created| created <= 1), "{created:?}");
    let pool = fleet.pool();
    assert!(pool.len() <= 3, "{pool:?}");
    assert!(pool.iter().all(|entry| entry.refusals == 0), "{pool:?}");
    fleet.audit().passes();
}

#[test]
fn a_batch_of_failing_provisions_creates_few_canisters() {
    let fleet = Fleet::of_notebooks();
    let from = fleet.observer.as_ref().map_or(0, |observer| observer.now());
    let batch: Vec<ProvisionRequest> = (0..35)
        .map(|n| ProvisionRequest {
            key: Some(format!("nobody {n}")),
            ..refused()
        })
        .collect();
    let accepted: Result<Vec<Result<u64, ProvisionError>>, BatchError> =
        fleet.command("canic_provision_batch", (batch,));
    let accepted = accepted.expect("a batch of this size");
    assert!(accepted.iter().all(Result::is_ok), "{accepted:?}");
    fleet.quiet();
    let created = created(&fleet, from);
    println!("{created:?} canisters for 35 failures");
    // 16 run at once at first, and the pool is refilled meanwhile, up to 10.
    assert!(created.is_none_or(|created| created <= 26), "{created:?}");
    assert!(fleet.pool().len() <= 10);
    fleet.audit().passes();
}

#[test]
fn a_canister_that_the_platform_refuses_twice_is_quarantined_until_an_operator_retries() {
    let fleet = Fleet::of_notebooks();
    let Some(control) = Control::of(&fleet.pic) else {
        println!("skipped: this server can't fail on purpose");
        return;
    };
    let refuse_next = || {
        let refuse = Effect::reject(RejectCode::CanisterReject);
        let fault = Fault::on_call(refuse)
            .caller(fleet.root)
            .method("install_chunked_code");
        control.inject(&fault).expect("injected");
    };
    let suspect = fleet.pool()[0].canister;
    let entry = |fleet: &Fleet| {
        let pool = fleet.pool();
        pool.into_iter().find(|entry| entry.canister == suspect)
    };
    refuse_next();
    let answer = fleet.provision(&notebook(user(1)));
    assert!(
        matches!(answer, Err(ProvisionError::InstallFailed { .. })),
        "{answer:?}"
    );
    fleet.quiet();
    let seen = entry(&fleet).expect("it is back in the pool");
    assert_eq!(seen.refusals, 1);
    assert!(seen.refused.expect("a reason").contains("injected fault"));
    // The other canister comes first now, whatever becomes of it.
    let other = fleet.provision(&notebook(user(1))).expect("a member");
    assert_ne!(other.canister, suspect);
    refuse_next();
    let answer = fleet.provision(&notebook(user(2)));
    let Err(ProvisionError::Quarantined {
        canister, reason, ..
    }) = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!(canister, Some(suspect));
    assert!(reason.contains("refused 2 provisions"), "{reason}");
    fleet.quiet();
    assert_eq!(entry(&fleet), None);
    fleet.provision(&notebook(user(2))).expect("a member");
    fleet.quiet();
    // An operator tries it again.
    let listed = fleet.operations(OperationsFilter::Quarantined);
    assert_eq!(listed.len(), 1);
    let retried = fleet.retire(suspect, Retirement::Recycle);
    assert_eq!(retried.expect("recycled").how, Retirement::Recycle);
    fleet.quiet();
    assert_eq!(entry(&fleet).expect("it is in the pool").refusals, 0);
    fleet.audit().passes();
}
