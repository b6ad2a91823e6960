//! Upgrades: of root with everything it has on record, of members with their data, and in the middle of an operation.

use candid::{Principal, encode_args};
use canic::api::{
    BatchError, Denied, ImportAs, ImportError, Imported, MembersFilter, ModulesPage,
    OperationsFilter, PageRequest, Progress, ProvisionError, ProvisionRequest, Provisioned,
    RetireRequest, Retirement, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};
use ic_management_canister_types::{CanisterInstallMode, InstallCodeArgs, UpgradeFlags};
use pocket_ic::{call_candid_as, common::rest::RawEffectivePrincipal};
use std::{collections::BTreeSet, io::Read, time::Duration};

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

#[test]
fn a_root_of_layout_1_with_a_thousand_members_goes_on() {
    const MEMBERS: usize = 1_000;
    let fleet = on_an_old_root(include_bytes!("../layouts/1-hub-root.wasm.gz"));
    fleet.approve("worker", &artifacts::module("example-worker"));
    let named = |n: usize| ProvisionRequest {
        key: Some(format!("member {n}")),
        ..notebook(user(1))
    };
    for first in (0..MEMBERS).step_by(50) {
        let batch: Vec<_> = (first..first + 50).map(named).collect();
        let accepted: Result<Vec<Result<u64, ProvisionError>>, BatchError> = fleet
            .update(
                fleet.root,
                fleet.controller,
                "canic_provision_batch",
                (batch,),
            )
            .expect("root answers");
        assert!(accepted.expect("accepted").iter().all(Result::is_ok));
        fleet.until("the batch is there", |fleet| fleet.open().is_empty());
    }
    // Some are under way when root is stopped.
    let late = [1, 2, 3].map(|n| {
        let request = named(MEMBERS + n);
        fleet.submit(fleet.root, fleet.controller, "canic_provision", (request,))
    });
    fleet
        .upgrade_root("fixture-hub-root")
        .expect("the layout is migrated");
    for message in late {
        drop(fleet.pic.await_call(message));
    }
    fleet.quiet();

    let members = fleet.members(&MembersFilter::All);
    assert!(members.len() >= MEMBERS, "{}", members.len());
    for n in [0, 499, MEMBERS - 1] {
        let again = fleet.provision(&named(n)).expect("the same member");
        assert_eq!(again.source, Source::Existing);
    }
    let new = fleet.provision(&named(MEMBERS + 10)).expect("a new member");
    let known: Result<Imported, ImportError> = fleet.import(new.canister, ImportAs::Pool);
    assert!(
        matches!(known, Err(ImportError::AlreadyKnown { .. })),
        "{known:?}"
    );
    fleet
        .retire(members[0].canister, Retirement::Delete)
        .expect("a member of old retires");
    fleet.quiet();
    let kept = fleet.members(&MembersFilter::All);
    assert_eq!(kept.len(), members.len());
    fleet.audit().passes();
}

#[test]
fn a_root_of_layout_3_keeps_members_places_and_pool_and_finishes_what_waits() {
    let fleet = on_an_old_root(include_bytes!("../layouts/3-tree-root.wasm.gz"));
    fleet.approve("listener", &artifacts::module("fixture-listener"));
    fleet.approve("watcher", &artifacts::module("fixture-watcher"));
    let listener = |key: &str, parent: Option<Principal>| ProvisionRequest {
        role: "listener".to_string(),
        key: Some(key.to_string()),
        parent,
        arg: Vec::new(),
    };
    let made = |request: &ProvisionRequest| fleet.provision(request).expect("a member").canister;
    let hub = made(&listener("hub", None));
    made(&listener("a", Some(hub)));
    let gone = made(&listener("gone", None));
    fleet.quiet();
    fleet
        .retire(gone, Retirement::Recycle)
        .expect("it goes to the pool");
    fleet.quiet();
    let (members, pool) = (fleet.members(&MembersFilter::All), fleet.pool());
    assert!(pool.iter().any(|entry| entry.canister == gone), "{pool:?}");

    // Some of them claim what the pool has, and none has ended when root is stopped.
    let batch: Vec<_> = ["b", "c"]
        .map(|key| listener(key, Some(hub)))
        .into_iter()
        .chain((0..30).map(|n| ProvisionRequest {
            role: "watcher".to_string(),
            ..listener(&n.to_string(), None)
        }))
        .collect();
    let accepted: Result<Vec<Result<u64, ProvisionError>>, BatchError> =
        fleet.command("canic_provision_batch", (batch,));
    let accepted: Vec<u64> = (accepted.expect("accepted").into_iter())
        .map(|one| one.expect("there is room"))
        .collect();
    assert!(fleet.pool().iter().any(|entry| entry.claimed_by.is_some()));
    let open = fleet.open().len();
    fleet
        .upgrade_root("fixture-tree-root")
        .expect("the layout is migrated");
    let again = fleet.open();
    assert!(!again.is_empty() && again.len() <= open, "{again:?}");
    let full = fleet.provision(&listener("d", Some(hub)));
    assert!(
        matches!(full, Err(ProvisionError::ParentFull { .. })),
        "places of what is under way count: {full:?}"
    );
    fleet.quiet();

    let progress: Result<Progress, BatchError> = fleet.ask("canic_progress", (accepted,));
    assert_eq!(progress.expect("known").done, 32);
    let kept = fleet.members(&MembersFilter::All);
    assert_eq!(kept.len(), members.len() + 32);
    assert!(members.iter().all(|member| kept.contains(member)));
    assert_eq!(fleet.members(&MembersFilter::Parent(hub)).len(), 3);
    let same = fleet.provision(&listener("a", Some(hub)));
    assert_eq!(same.expect("the same member").source, Source::Existing);
    assert!(matches!(
        fleet.provision(&listener("d", Some(hub))),
        Err(ProvisionError::ParentFull { .. })
    ));
    assert!(fleet.pool().iter().all(|entry| entry.claimed_by.is_none()));
    fleet.audit().passes();
}

/// A fleet whose root an earlier version built.
fn on_an_old_root(module: &[u8]) -> Fleet {
    let mut old = Vec::new();
    flate2::read::GzDecoder::new(module)
        .read_to_end(&mut old)
        .expect("a module");
    Fleet::start_on(old, 4_000_000_000_000_000)
}
