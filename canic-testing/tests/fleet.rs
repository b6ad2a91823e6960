//! A fleet in a test: the example's notebooks.

#[cfg(feature = "pocket-ic")]
mod server;

#[cfg(not(feature = "pocket-ic"))]
use std::{env, process::Command};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use candid::{CandidType, Principal};
use canic_testing::{
    Fleet, FleetBuilder, Module, Reason,
    api::{
        MemberInfo, OperationKind, OperationState, OperationsFilter, Provisioned, RolloutOutcome,
    },
    replica::{EffectivePrincipal, Ingress},
};

/// The example's fleet. Other packages of this workspace have the same roles.
fn notebooks() -> FleetBuilder {
    Fleet::of("example-root")
}

#[test]
fn a_notebook_keeps_its_notes() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    alice
        .update::<_, Result<(), String>>(worker.canister, "put", ("a", "b"))
        .unwrap()
        .unwrap();
    let note: Option<String> = alice.query(worker.canister, "get", ("a",)).unwrap();
    assert_eq!(note.as_deref(), Some("b"));
    fleet.assert_balanced();
}

#[test]
fn the_pool_is_ready_when_a_fleet_starts() {
    let fleet = notebooks().start();
    let ready = fleet.pool();
    assert_eq!(ready.len(), 2);
    assert!(ready.iter().all(|entry| entry.claimed_by.is_none()));
    assert!(fleet.operations(OperationsFilter::Open).is_empty());
}

#[test]
fn each_test_gets_a_fork_of_one_prepared_fleet() {
    let taken = |builder: &FleetBuilder| {
        let begun = Instant::now();
        (builder.start(), begun.elapsed())
    };
    let (first, _) = taken(&notebooks());
    let (second, forked) = taken(&notebooks());
    let _: Provisioned = first
        .user("alice")
        .update(first.root(), "sign_up", ())
        .unwrap();
    assert_eq!((first.members().len(), second.members().len()), (1, 0));
    if first.is_in_process() {
        // Another fleet is prepared anew, with modules that are compiled already.
        let (_, anew) = taken(&notebooks().cycles(90_000_000_000_000));
        assert!(anew > 3 * forked, "{anew:?}, {forked:?}");
        let fork = first.fork();
        fork.user("bob")
            .update::<_, Provisioned>(fork.root(), "sign_up", ())
            .unwrap();
        assert_eq!((first.members().len(), fork.members().len()), (1, 2));
    }
}

#[test]
fn a_name_is_the_same_user_everywhere() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice").principal();
    assert_eq!(alice, notebooks().start().user("alice").principal());
    assert_ne!(alice, fleet.user("bob").principal());
    assert_ne!(alice, fleet.controller().principal());
    assert_eq!(fleet.anonymous().principal(), Principal::anonymous());
}

#[test]
fn an_error_tells_what_the_canister_said() {
    let fleet = notebooks().start();
    let (alice, bob) = (fleet.user("alice"), fleet.user("bob"));
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    let denied = bob
        .update::<_, Result<(), String>>(worker.canister, "put", ("a", "b"))
        .unwrap_err();
    let not_the_owner = format!("{} is not the owner", bob.principal());
    assert!(denied.said().contains(&not_the_owner), "{denied}");
    assert!(denied.reject().is_some() && denied.to_string().starts_with("`put` of"));
    let refused = alice
        .update::<_, ()>(worker.canister, "put", ("a".repeat(101), "b"))
        .unwrap_err();
    assert_eq!(
        refused.said(),
        "a title has at most 100 bytes, a text 10000"
    );
    let missing = alice
        .update::<_, ()>(worker.canister, "burn", ())
        .unwrap_err();
    assert!(missing.said().contains("burn"), "{missing}");
    let other = alice
        .query::<_, u64>(worker.canister, "get", ("a",))
        .unwrap_err();
    assert!(matches!(other.reason, Reason::OtherType { .. }), "{other}");
}

#[test]
fn calls_run_at_the_same_time_and_a_name_has_one_notebook() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let first = alice.submit(fleet.root(), "sign_up", ()).unwrap();
    let second = alice.submit(fleet.root(), "sign_up", ()).unwrap();
    assert!(!first.is_answered());
    // The second call answers the notebook, or that it is being provisioned.
    let first: Provisioned = first.answer().unwrap();
    if let Ok(second) = second.answer::<Provisioned>() {
        assert_eq!(first.canister, second.canister);
    }
    assert_eq!(fleet.members().len(), 1);
    fleet.assert_balanced();
}

#[test]
fn operations_members_and_metrics_are_values() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    let operation = fleet.operation(worker.operation).unwrap();
    assert_eq!(operation.kind, OperationKind::Provision);
    assert_eq!(operation.state, OperationState::Done);
    let key = alice.principal().to_text();
    assert_eq!(
        fleet.member("worker", &key).unwrap().canister,
        worker.canister
    );
    let members = fleet.metric(fleet.root(), "canic_members", &[("role", "worker")]);
    assert_eq!(members, Some(1.0));
    let of_worker = fleet.metrics(worker.canister);
    assert!(
        of_worker
            .iter()
            .any(|one| one.name == "canic_cycles_balance")
    );
    assert!(
        fleet
            .logs(fleet.root())
            .iter()
            .all(|line| !line.contains("panicked"))
    );
}

#[test]
fn a_member_keeps_its_state_through_upgrades_of_itself_and_of_root() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    let _: () = alice.update(worker.canister, "put", ("a", "b")).unwrap();
    fleet.reinstall_same_code(worker.canister).unwrap();
    fleet.until_quiet();
    fleet
        .upgrade_root(Module::of("example-root").renewed())
        .unwrap();
    fleet.until_quiet();
    let note: Option<String> = alice.query(worker.canister, "get", ("a",)).unwrap();
    assert_eq!(note.as_deref(), Some("b"));
    let again: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
    assert_eq!(again.canister, worker.canister);
    fleet.assert_balanced();
}

/// Two users with a notebook each.
fn two_notebooks(fleet: &Fleet) -> [Principal; 2] {
    ["alice", "bob"].map(|name| {
        let signed_up = fleet.user(name).update(fleet.root(), "sign_up", ());
        let worker: Provisioned = signed_up.unwrap();
        worker.canister
    })
}

#[test]
fn a_rollout_brings_all_members_to_another_build() {
    let fleet = notebooks().start();
    let members = two_notebooks(&fleet);
    let rollout = fleet
        .roll_out("worker", Module::of("example-worker").renewed())
        .unwrap();
    assert_eq!(rollout.outcome, Some(RolloutOutcome::Completed));
    assert_eq!((rollout.members, rollout.upgraded), (2, 2));
    for member in fleet.members() {
        assert!(members.contains(&member.canister));
        assert_eq!(member.release, rollout.to);
    }
    fleet.assert_balanced();
}

#[test]
fn a_release_that_is_not_fit_to_serve_is_undone() {
    let fleet = notebooks().start();
    let [notebook, _] = two_notebooks(&fleet);
    let alice = fleet.user("alice");
    let _: () = alice.update(notebook, "put", ("a", "b")).unwrap();
    let before = fleet.members();
    let faulty = Module::of("example-worker").features(["faulty"]);
    let rollout = fleet.roll_out("worker", faulty).unwrap();
    assert_eq!(rollout.outcome, Some(RolloutOutcome::Undone));
    let releases = |members: &[MemberInfo]| -> Vec<u32> {
        members.iter().map(|member| member.release).collect()
    };
    assert_eq!(releases(&fleet.members()), releases(&before));
    let note: Option<String> = alice.query(notebook, "get", ("a",)).unwrap();
    assert_eq!(note.as_deref(), Some("b"));
    fleet.assert_balanced();
}

#[test]
fn one_member_alone_gets_another_build() {
    let fleet = notebooks().start();
    let [one, other] = two_notebooks(&fleet);
    let upgraded = fleet.upgrade_member(one, Module::of("example-worker").renewed());
    let upgraded = upgraded.unwrap();
    let members = fleet.members();
    let release = |canister| {
        let mut members = members.iter();
        let member = members.find(|member| member.canister == canister);
        member.unwrap().release
    };
    assert_eq!(release(one), upgraded.to);
    assert_eq!(release(other), upgraded.from);
    fleet.assert_balanced();
}

#[test]
fn a_root_that_awaits_an_answer_refuses_an_upgrade_and_says_why() {
    let fleet = notebooks().start();
    let alice = fleet.user("alice");
    let pending = alice.submit(fleet.root(), "sign_up", ()).unwrap();
    fleet.tick();
    let refused = fleet.upgrade_root("example-root").unwrap_err();
    assert!(refused.said().contains("answer"), "{refused}");
    pending.answer::<Provisioned>().unwrap();
    fleet.assert_balanced();
}

#[test]
fn a_member_that_somebody_stopped_rejects_calls_until_it_is_started() {
    let fleet = notebooks().start();
    let [notebook, _] = two_notebooks(&fleet);
    fleet.stop(notebook).unwrap();
    let alice = fleet.user("alice");
    let stopped = alice.update::<_, ()>(notebook, "put", ("a", "b"));
    assert!(stopped.unwrap_err().said().contains("stopped"));
    fleet.restart(notebook).unwrap();
    let _: () = alice.update(notebook, "put", ("a", "b")).unwrap();
}

#[test]
fn a_canister_that_root_lost_is_found_by_the_audit() {
    let fleet = notebooks().start();
    if !fleet.is_in_process() {
        assert!(!fleet.audit().skipped.is_empty());
        return;
    }
    // A canister that root controls, and that is on none of its records.
    let root = fleet.root();
    let lost = fleet.with_replica(|replica| {
        let create = Ingress {
            sender: root,
            canister: Principal::management_canister(),
            method: "provisional_create_canister_with_cycles".to_string(),
            payload: candid::encode_args((Nothing {},)).unwrap(),
            effective: Some(EffectivePrincipal::Canister(root)),
            caller_info: None,
        };
        let created = replica.submit(create).unwrap();
        replica.await_ingress(&created).unwrap().unwrap();
        *replica.canisters().last().unwrap()
    });
    let found = format!("lost canisters: [\"{lost}\"]");
    assert_eq!(fleet.audit().violations, [found]);
}

#[derive(CandidType)]
struct Nothing {}

#[test]
#[should_panic(expected = "has no canister `example-wurker`")]
fn a_package_that_does_not_exist_is_named() {
    let _ = notebooks().role("worker", "example-wurker").start();
}

#[cfg(feature = "pocket-ic")]
#[test]
fn these_tests_pass_on_a_server_too() {
    server::run_these_tests("these_tests_pass_on_a_server_too");
}

/// The server's client is compiled with a feature only.
#[cfg(not(feature = "pocket-ic"))]
#[test]
fn a_server_without_its_client_is_refused_by_name() {
    let mut test = Command::new(env::current_exe().unwrap());
    test.args(["--exact", "a_notebook_keeps_its_notes", "--nocapture"])
        .env(canic_testing::SERVER, "/a/server");
    let output = test.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let refusal = "CANIC_TESTING_SERVER names the server /a/server, and canic-testing was built \
        without its feature `pocket-ic`";
    assert!(!output.status.success() && said.contains(refusal), "{said}");
}

#[test]
fn what_only_the_process_has_is_refused_by_name_elsewhere() {
    let fleet = notebooks().start();
    if fleet.is_in_process() {
        assert!(fleet.with_replica(|replica| replica.accounts().balanced()));
        assert_eq!(fleet.audit().skipped, [""; 0]);
        return;
    }
    let refused = catch_unwind(AssertUnwindSafe(|| drop(fleet.fork()))).unwrap_err();
    let said = refused.downcast_ref::<String>().unwrap();
    assert!(
        said.starts_with("`fork` needs the replica in the test's process"),
        "{said}"
    );
    assert_eq!(fleet.audit().skipped.len(), 2);
}

#[test]
fn time_passes_and_the_fleet_stays_quiet() {
    let fleet = notebooks().start();
    let before = fleet.time();
    fleet.pass(Duration::from_secs(86_400));
    fleet.tick();
    fleet.until_quiet();
    assert!(fleet.time() >= before + 86_400_000_000_000);
    fleet.until("a day has passed", |fleet| fleet.time() > before);
    fleet.assert_balanced();
}
