//! Tests of the audit itself: it finds lost canisters, missing canisters and missing cycles.

use canic_fleet_tests::{Fleet, fleet::notebook, user};

#[test]
fn the_audit_finds_a_canister_that_is_on_no_record() {
    let fleet = Fleet::of_notebooks();
    fleet.provision(&notebook(user(1))).expect("a member");
    fleet.quiet();
    fleet.audit().passes();

    let lost = fleet.stranger_canister(fleet.controller);
    let controllers = vec![fleet.controller, fleet.root];
    fleet
        .pic
        .set_controllers(lost, Some(fleet.controller), controllers)
        .expect("root becomes a controller");
    match fleet.audit().lost {
        Some(found) => assert_eq!(found.into_iter().collect::<Vec<_>>(), [lost]),
        None => println!("skipped: this server can't list its canisters"),
    }
}

#[test]
fn the_audit_finds_a_record_without_a_canister() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    // In root's name, as its only controller, but without root's knowledge.
    fleet
        .pic
        .stop_canister(member, Some(fleet.root))
        .expect("stopped");
    fleet
        .pic
        .delete_canister(member, Some(fleet.root))
        .expect("deleted");
    assert_eq!(
        fleet.audit().missing.into_iter().collect::<Vec<_>>(),
        [member]
    );
}

#[test]
fn the_audit_accounts_for_all_cycles() {
    let fleet = Fleet::of_notebooks();
    let Some(observer) = &fleet.observer else {
        println!("skipped: this server has no accounts");
        return;
    };
    let mut accounts = observer.accounts();
    assert_eq!(accounts.unaccounted(), 0);
    assert!(
        accounts.minted >= 100_000_000_000_000 && accounts.fees.creation > 0,
        "{accounts:?}"
    );
    accounts.balances -= 1;
    assert_eq!(accounts.unaccounted(), 1);
    accounts.fees.execution += 3;
    assert_eq!(accounts.unaccounted(), -2);
}
