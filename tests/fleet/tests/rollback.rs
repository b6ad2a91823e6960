//! Rollback: a member whose install fails leaves only its journal entry, and its canister is
//! recycled or deleted.

use candid::Principal;
use canic::api::{
    MembersFilter, OperationState, ProvisionError, ProvisionRequest, Provisioned, RolledBack,
    Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};

/// A request whose `init` refuses: the anonymous principal can't own a notebook.
fn refused() -> ProvisionRequest {
    ProvisionRequest {
        key: Some("nobody".to_string()),
        ..notebook(Principal::anonymous())
    }
}

/// Checks root's answer to a failed request and the record of its operation. Returns the canister.
fn check_failure(
    fleet: &Fleet,
    answer: &Result<Provisioned, ProvisionError>,
    source: Source,
    expected: RolledBack,
) -> Principal {
    let Err(ProvisionError::InstallFailed {
        operation,
        reason,
        rolled_back,
    }) = answer
    else {
        panic!("the install fails, not: {answer:?}");
    };
    assert!(
        reason.contains("can't own a notebook"),
        "the reason is answered: {reason}"
    );
    assert_eq!(*rolled_back, expected);
    let on_record = fleet.operation(*operation);
    assert_eq!(on_record.state, OperationState::RolledBack(expected));
    assert_eq!(on_record.source, Some(source));
    assert!(
        fleet
            .members(&MembersFilter::All)
            .iter()
            .all(|m| m.key.as_deref() != Some("nobody"))
    );
    on_record.canister.expect("the record names the canister")
}

#[test]
fn a_pool_canister_goes_back_to_the_pool() {
    let fleet = Fleet::of_notebooks();
    let answer = fleet.provision(&refused());
    let canister = check_failure(&fleet, &answer, Source::Pool, RolledBack::Recycled);
    fleet.quiet();
    let pool = fleet.pool();
    assert!(
        pool.iter()
            .any(|entry| entry.canister == canister && entry.claimed_by.is_none())
    );
    let status = fleet
        .pic
        .canister_status(canister, Some(fleet.root))
        .expect("root controls it");
    assert_eq!(status.module_hash, None, "it is empty");
    fleet.audit().passes();
}

#[test]
fn a_fresh_canister_goes_to_the_pool() {
    let fleet = Fleet::of_notebooks();
    let requests = [notebook(user(1)), notebook(user(2)), refused()];
    let submitted =
        requests.map(|r| fleet.submit(fleet.root, fleet.controller, "canic_provision", (r,)));
    let mut answers: Vec<Result<Provisioned, ProvisionError>> = submitted
        .into_iter()
        .map(|message| fleet.answer(message))
        .collect();
    let answer = answers.pop().expect("three answers");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let canister = check_failure(&fleet, &answer, Source::Fresh, RolledBack::Recycled);
    fleet.quiet();
    assert!(fleet.pool().iter().any(|entry| entry.canister == canister));
    fleet.audit().passes();
}

fn tight_fleet() -> Fleet {
    let fleet = Fleet::start("fixture-tight-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.until("the pool holds its canister", |fleet| {
        fleet.pool().len() == 1
    });
    fleet.quiet();
    fleet
}

/// Checks that root drained a canister before it deleted it. The rest is destroyed: cycles that the
/// platform withholds while the canister executes the message that sends them (80 B for this
/// message and its callback).
fn check_deleted(fleet: &Fleet, canister: Principal, destroyed_before: Option<u128>) {
    assert!(!fleet.pic.canister_exists(canister));
    match (&fleet.observer, destroyed_before) {
        (Some(observer), Some(before)) => {
            let destroyed = observer.accounts().destroyed - before;
            assert!(
                destroyed <= 100_000_000_000,
                "{destroyed} of 1 T cycles went down with it"
            );
        }
        _ => println!("skipped: this server has no accounts to find destroyed cycles in"),
    }
}

fn destroyed(fleet: &Fleet) -> Option<u128> {
    fleet
        .observer
        .as_ref()
        .map(|observer| observer.accounts().destroyed)
}

#[test]
fn a_pool_canister_is_drained_and_deleted() {
    let fleet = tight_fleet();
    let before = destroyed(&fleet);
    let answer = fleet.provision(&refused());
    let canister = check_failure(&fleet, &answer, Source::Pool, RolledBack::Deleted);
    fleet.quiet();
    check_deleted(&fleet, canister, before);
    fleet.audit().passes();
}

#[test]
fn a_fresh_canister_is_drained_and_deleted() {
    let fleet = tight_fleet();
    let before = destroyed(&fleet);
    let submitted = [notebook(user(1)), refused()]
        .map(|r| fleet.submit(fleet.root, fleet.controller, "canic_provision", (r,)));
    let [good, bad] = submitted.map(|m| fleet.answer::<Result<Provisioned, ProvisionError>>(m));
    assert_eq!(good.expect("a member").source, Source::Pool);
    let canister = check_failure(&fleet, &bad, Source::Fresh, RolledBack::Deleted);
    fleet.quiet();
    check_deleted(&fleet, canister, before);
    fleet.audit().passes();
}

#[test]
fn a_failed_provision_frees_its_key_and_its_position() {
    let fleet = tight_fleet();
    for _ in 0..4 {
        // One failure more than the role's maximum: a failure takes no position.
        let failed = fleet.provision(&refused());
        assert!(
            matches!(failed, Err(ProvisionError::InstallFailed { .. })),
            "{failed:?}"
        );
        fleet.quiet();
    }
    let good = ProvisionRequest {
        key: Some("nobody".to_string()),
        ..notebook(user(1))
    };
    fleet.provision(&good).expect("the key is free");
    fleet.quiet();
    fleet.audit().passes();
}
