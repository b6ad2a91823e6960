//! Upgrades: of root with everything it has on record, of members with their data, and in the middle of an operation.

use candid::{Principal, encode_args};
use canic::api::{
    Denied, MembersFilter, ModulesPage, OperationsFilter, PageRequest, ProvisionError, Provisioned,
    RetireRequest, Retirement, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};
use ic_management_canister_types::{CanisterInstallMode, InstallCodeArgs, UpgradeFlags};
use pocket_ic::{call_candid_as, common::rest::RawEffectivePrincipal};
use std::{collections::BTreeSet, time::Duration};

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
    assert_eq!((before.0.len(), before.1.len(), before.3.len()), (3, 3, 1));
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
        "an upgrade forgets what was wanted before"
    );
    fleet.provision(&notebook(user(5))).expect("a member");
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
    let info: canic::api::IdentityInfo = fleet
        .query(worker, user(2), "canic_identity", ())
        .expect("it answers");
    assert_eq!(
        info.identity.expect("a member knows its identity").root,
        fleet.root
    );
    fleet.quiet();
    fleet.audit().passes();
}

/// How an upgrade of a root that is not stopped ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    /// Root runs the new code.
    Done,
    /// Root waits for an answer that the new code would not know what to do with.
    Refused,
}

/// Hands in a call, lets it run for some rounds, and upgrades root there: without stopping it, and where root refuses that, with
/// stopping it, which it must not refuse. Then all that was cut off is given time to be found and finished.
fn upgrade_in_the_middle(
    fleet: &Fleet,
    root_package: &str,
    (method, argument): (&str, Vec<u8>),
    ticks: usize,
) -> Upgrade {
    let call = fleet
        .pic
        .submit_call(fleet.root, fleet.controller, method, argument);
    let call = call.expect("root takes the call");
    for _ in 0..ticks {
        fleet.pic.tick();
    }
    let nothing = encode_args(()).expect("encoded");
    let module = artifacts::module(root_package);
    let upgraded = fleet
        .pic
        .upgrade_canister(fleet.root, module, nothing, Some(fleet.controller));
    let how = match upgraded {
        Ok(()) => Upgrade::Done,
        Err(reject) => {
            let says = &reject.reject_message;
            assert!(
                says.contains("waits for the answer") && says.contains("stop root"),
                "{reject}"
            );
            fleet
                .upgrade_root(root_package)
                .expect("a stopped root takes the upgrade");
            Upgrade::Refused
        }
    };
    // What the call is answered is not the point: an upgrade may cut the answer off.
    drop(fleet.pic.await_call(call));
    // Longer than any lease, so that recovery finds what was cut off.
    fleet.pic.advance_time(Duration::from_secs(3_600));
    fleet.quiet();
    assert!(fleet.operations(OperationsFilter::Quarantined).is_empty());
    how
}

/// Upgrades met an idle root and a waiting one; else the tests below show less than they say.
fn check_both_were_met(outcomes: &[Upgrade]) {
    for outcome in [Upgrade::Done, Upgrade::Refused] {
        assert!(outcomes.contains(&outcome), "{outcomes:?}");
    }
}

#[test]
fn a_provision_that_an_upgrade_meets_ends_well() {
    let outcomes = [0, 1, 2, 3, 4, 5, 6, 7].map(|ticks| {
        let fleet = Fleet::start("fixture-bare-root");
        fleet.approve("worker", &artifacts::module("example-worker"));
        fleet.quiet();
        let request = notebook(user(1));
        let argument = encode_args((&request,)).expect("encoded");
        let call = ("canic_provision", argument);
        let outcome = upgrade_in_the_middle(&fleet, "fixture-bare-root", call, ticks);

        let again: Result<Provisioned, ProvisionError> = fleet.provision(&request);
        let member = again.expect("the member is there, or is made now").canister;
        fleet.quiet();
        let members = fleet.members(&MembersFilter::All);
        assert_eq!(
            members.iter().map(|m| m.canister).collect::<Vec<_>>(),
            [member]
        );
        let note: Option<String> = fleet
            .query(member, user(1), "get", ("title",))
            .expect("the member is installed and knows its owner");
        assert_eq!(note, None);
        fleet.audit().passes();
        outcome
    });
    check_both_were_met(&outcomes);
}

#[test]
fn a_retirement_that_an_upgrade_meets_ends_well() {
    let outcomes = [0, 1, 2, 3, 4, 5, 6, 7].map(|ticks| {
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
        let call = ("canic_retire", encode_args((&request,)).expect("encoded"));
        let outcome = upgrade_in_the_middle(&fleet, "example-root", call, ticks);

        assert!(
            fleet.members(&MembersFilter::All).is_empty(),
            "after {ticks} rounds"
        );
        assert!(
            fleet.pool().iter().any(|entry| entry.canister == worker),
            "after {ticks} rounds"
        );
        fleet.audit().passes();
        outcome
    });
    check_both_were_met(&outcomes);
}

/// Upgrades root past its `pre_upgrade`, which nobody should do: the answers that it waits for are lost.
fn force_upgrade(fleet: &Fleet, root_package: &str) {
    let args = InstallCodeArgs {
        mode: CanisterInstallMode::Upgrade(Some(UpgradeFlags {
            skip_pre_upgrade: Some(true),
            wasm_memory_persistence: None,
        })),
        canister_id: fleet.root,
        wasm_module: artifacts::module(root_package),
        arg: encode_args(()).expect("encoded"),
        sender_canister_version: None,
    };
    let effective = RawEffectivePrincipal::CanisterId(fleet.root.as_slice().to_vec());
    let management = Principal::management_canister();
    let sender = fleet.controller;
    call_candid_as::<_, ()>(
        &fleet.pic,
        management,
        effective,
        sender,
        "install_code",
        (args,),
    )
    .expect("nothing asks root before it is upgraded");
}

#[test]
fn what_a_forced_upgrade_cuts_off_is_finished_by_looking() {
    let mut cut_off = Vec::new();
    for ticks in 0..10 {
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
        let call = fleet.submit(fleet.root, fleet.controller, "canic_retire", (&request,));
        for _ in 0..ticks {
            fleet.pic.tick();
        }
        let open = fleet.operations(OperationsFilter::Open);
        cut_off.extend(open.into_iter().map(|operation| operation.state));
        force_upgrade(&fleet, "example-root");
        drop(fleet.pic.await_call(call));
        fleet.pic.advance_time(Duration::from_secs(3_600));
        fleet.quiet();
        assert!(
            fleet.members(&MembersFilter::All).is_empty(),
            "after {ticks} rounds"
        );
        assert!(
            fleet.pool().iter().any(|entry| entry.canister == worker),
            "after {ticks} rounds"
        );
        fleet.audit().passes();
    }
    let steps: BTreeSet<String> = cut_off.iter().map(|state| format!("{state:?}")).collect();
    assert!(steps.len() >= 3, "too few steps were met: {steps:?}");
}
