//! Upgrades: of root with all its records, of members with their data, and during operations.

use std::{collections::BTreeSet, time::Duration};

use candid::{Principal, encode_args};
use canic::api::{
    Denied, IdentityInfo, MembersFilter, ModulesPage, OperationsFilter, PageRequest,
    ProvisionError, Provisioned, RetireRequest, Retirement, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};
use ic_management_canister_types::{CanisterInstallMode, InstallCodeArgs, UpgradeFlags};
use pocket_ic::{call_candid_as, common::rest::RawEffectivePrincipal};

#[test]
fn root_keeps_members_pool_operations_and_modules() {
    let fleet = Fleet::of_notebooks();
    for number in [1, 2, 3] {
        fleet.provision(&notebook(user(number))).expect("a member");
        fleet.quiet();
    }
    let records = |fleet: &Fleet| {
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
    let before = records(&fleet);
    assert_eq!((before.0.len(), before.1.len(), before.3.len()), (3, 3, 1));
    fleet
        .upgrade_root("example-root")
        .expect("root takes the upgrade");
    fleet.quiet();
    assert_eq!(records(&fleet), before);

    let again = fleet
        .provision(&notebook(user(1)))
        .expect("the same member");
    assert_eq!(again.source, Source::Existing);
    let new = fleet.provision(&notebook(user(4))).expect("a member");
    assert_eq!(new.source, Source::Pool);
    fleet.quiet();
    assert_eq!(fleet.pool().len(), 2, "an upgrade forgets earlier demand");
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
fn a_member_keeps_its_notes_and_its_identity() {
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
    assert!(strangers.is_err(), "other users are rejected");
    let info: IdentityInfo = fleet
        .query(worker, user(2), "canic_identity", ())
        .expect("it answers");
    assert_eq!(
        info.identity.expect("a member knows its identity").root,
        fleet.root
    );
    fleet.quiet();
    fleet.audit().passes();
}

/// The outcome of an upgrade of a root that is not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    /// Root runs the new code.
    Done,
    /// Root refused: it waits for an answer that the new code could not receive.
    Refused,
}

/// Submits a call, lets it run for some rounds, and upgrades root without stopping it. If root
/// refuses, stops it and upgrades it, which root must not refuse. Then recovery gets time to finish
/// the operations that were cut off.
fn upgrade_during(
    fleet: &Fleet,
    root_package: &str,
    (method, argument): (&str, Vec<u8>),
    ticks: usize,
) -> Upgrade {
    let call = fleet
        .pic
        .submit_call(fleet.root, fleet.controller, method, argument);
    let call = call.expect("the call is accepted");
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
            let message = &reject.reject_message;
            assert!(
                message.contains("answers are awaited") && message.contains("Stop the canister"),
                "{reject}"
            );
            fleet
                .upgrade_root(root_package)
                .expect("a stopped root takes the upgrade");
            Upgrade::Refused
        }
    };
    // The upgrade may have cut the answer off.
    drop(fleet.pic.await_call(call));
    // Longer than any lease, so that recovery finds the operations that were cut off.
    fleet.pic.advance_time(Duration::from_secs(3_600));
    fleet.quiet();
    assert!(fleet.operations(OperationsFilter::Quarantined).is_empty());
    how
}

/// Asserts that upgrades met both an idle root and one that waits for an answer.
fn assert_both_outcomes(outcomes: &[Upgrade]) {
    for outcome in [Upgrade::Done, Upgrade::Refused] {
        assert!(outcomes.contains(&outcome), "{outcomes:?}");
    }
}

#[test]
fn a_provision_is_completed_after_an_upgrade_during_it() {
    let outcomes = [0, 1, 2, 3, 4, 5, 6, 7].map(|ticks| {
        let fleet = Fleet::start("fixture-bare-root");
        fleet.approve("worker", &artifacts::module("example-worker"));
        fleet.quiet();
        let request = notebook(user(1));
        let argument = encode_args((&request,)).expect("encoded");
        let call = ("canic_provision", argument);
        let outcome = upgrade_during(&fleet, "fixture-bare-root", call, ticks);

        let again: Result<Provisioned, ProvisionError> = fleet.provision(&request);
        let member = again
            .expect("the member exists, or is provisioned now")
            .canister;
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
    assert_both_outcomes(&outcomes);
}

#[test]
fn a_retirement_is_completed_after_an_upgrade_during_it() {
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
        let outcome = upgrade_during(&fleet, "example-root", call, ticks);

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
    assert_both_outcomes(&outcomes);
}

/// Upgrades a canister without its `pre_upgrade`. A root loses the answers that it waits for, so
/// operators should never do this to one that runs.
fn upgrade_without_hook(fleet: &Fleet, canister: Principal, package: &str) {
    let args = InstallCodeArgs {
        mode: CanisterInstallMode::Upgrade(Some(UpgradeFlags {
            skip_pre_upgrade: Some(true),
            wasm_memory_persistence: None,
        })),
        canister_id: canister,
        wasm_module: artifacts::gzipped(&artifacts::module(package)),
        arg: encode_args(()).expect("encoded"),
        sender_canister_version: None,
    };
    let effective = RawEffectivePrincipal::CanisterId(canister.as_slice().to_vec());
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
    .expect("the canister is not asked before the upgrade");
}

#[test]
fn recovery_finishes_a_retirement_cut_off_by_a_forced_upgrade() {
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
        upgrade_without_hook(&fleet, fleet.root, "example-root");
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

// Stable memory that the author's code uses without canic

/// A member outside the fleet that uses stable memory as this habit says.
fn scribe(fleet: &Fleet, habit: &str) -> Principal {
    let canister = fleet.stranger_canister(fleet.controller);
    let argument = encode_args((habit,)).expect("encoded");
    fleet.pic.install_canister(
        canister,
        artifacts::module("fixture-scribe"),
        argument,
        Some(fleet.controller),
    );
    canister
}

fn upgrade_scribe(fleet: &Fleet, canister: Principal) -> Result<(), String> {
    let nothing = encode_args(()).expect("encoded");
    let module = artifacts::module("fixture-scribe");
    let sender = Some(fleet.controller);
    let upgraded = fleet
        .pic
        .upgrade_canister(canister, module, nothing, sender);
    upgraded.map_err(|reject| reject.reject_message)
}

fn note(fleet: &Fleet, canister: Principal) -> String {
    let note = fleet.query(canister, user(1), "note", ());
    note.expect("it answers")
}

fn grow(fleet: &Fleet, canister: Principal, id: u8) -> Result<(), String> {
    let grown: Result<(), _> = fleet.update(canister, user(1), "grow", (id,));
    grown.map_err(|reject| reject.reject_message)
}

fn grow_by_another_manager(fleet: &Fleet, canister: Principal, id: u8, pages: u64) {
    let method = "grow_by_another_manager";
    let () = fleet
        .update(canister, user(1), method, (id, pages))
        .expect("nothing hinders it");
}

#[test]
fn a_hook_that_overwrites_stable_memory_is_refused_before_anything_is_lost() {
    let fleet = Fleet::start("fixture-bare-root");
    let canister = scribe(&fleet, "saves before upgrades");
    let before = fleet.pic.get_stable_memory(canister);
    let refusal = upgrade_scribe(&fleet, canister).expect_err("it is refused");
    for word in [
        "pre_upgrade",
        "stable_save",
        "canic::memory(0)",
        "skip_pre_upgrade",
    ] {
        assert!(refusal.contains(word), "{word}: {refusal}");
    }
    assert!(fleet.pic.get_stable_memory(canister) == before);
    assert_eq!(note(&fleet, canister), "kept");
    // The way out that the refusal names.
    upgrade_without_hook(&fleet, canister, "fixture-scribe");
    assert_eq!(note(&fleet, canister), "kept");
    upgrade_scribe(&fleet, canister).expect("the new code has no such habit");
}

#[test]
fn a_second_memory_manager_in_init_fails_the_install() {
    let fleet = Fleet::start("fixture-bare-root");
    fleet.approve("scribe", &artifacts::module("fixture-scribe"));
    let request = canic::api::ProvisionRequest {
        role: "scribe".to_string(),
        key: None,
        parent: None,
        arg: encode_args(("grows in init",)).expect("encoded"),
    };
    let error = fleet.provision(&request).expect_err("it is refused");
    let ProvisionError::InstallFailed { reason, .. } = error else {
        panic!("{error:?}");
    };
    assert!(
        reason.contains("a MemoryManager beside canic's"),
        "{reason}"
    );
}

#[test]
fn a_second_memory_manager_that_cuts_a_memory_is_refused_at_the_upgrade() {
    let fleet = Fleet::start("fixture-bare-root");
    let canister = scribe(&fleet, "none");
    // What only the other one adds is there after the upgrade, so that is no reason to refuse it.
    grow_by_another_manager(&fleet, canister, 9, 1);
    upgrade_scribe(&fleet, canister).expect("nothing is lost");
    assert_eq!(note(&fleet, canister), "kept");

    grow_by_another_manager(&fleet, canister, 9, 1);
    let refusal = grow(&fleet, canister, 3).expect_err("both would get the same pages");
    assert!(
        refusal.contains("a MemoryManager beside canic's"),
        "{refusal}"
    );

    upgrade_scribe(&fleet, canister).expect("nothing is lost");
    grow_by_another_manager(&fleet, canister, 9, 0);
    grow(&fleet, canister, 3).expect("nothing has changed yet");
    grow_by_another_manager(&fleet, canister, 9, 1);
    let refusal = upgrade_scribe(&fleet, canister).expect_err("memory 3 would be gone");
    assert!(
        refusal.contains("a MemoryManager beside canic's"),
        "{refusal}"
    );
}
