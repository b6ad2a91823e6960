//! The fault matrix of an author's fleet: the example's notebooks, and purses that pay each other.

#[cfg(feature = "pocket-ic")]
mod server;

use std::{env, process::Command};

use candid::Principal;
use canic_testing::{
    Error, Fleet, Report,
    api::{ProvisionRequest, Provisioned},
    case::{Act, Case, Failure},
    matrix::{self, Scene},
    replica::{Effect, Event, Fault, Kind},
};

/// A bare root, and two purses with a hundred coins each.
fn purses() -> (Fleet, [Principal; 2]) {
    let fleet = Fleet::of("fixture-bare-root")
        .role("purse", "fixture-purse")
        .start();
    let purse = |key: &str| {
        let request = ProvisionRequest {
            role: "purse".to_string(),
            key: Some(key.to_string()),
            parent: None,
            arg: b"DIDL\0\0".to_vec(),
        };
        let root = fleet.controller();
        let purse: Provisioned = root
            .update(fleet.root(), "canic_provision", (request,))
            .unwrap();
        purse.canister
    };
    let both = ["a", "b"].map(purse);
    fleet.until_quiet();
    (fleet, both)
}

/// The coins of all purses: none may appear, or be lost.
fn all_coins(fleet: &Fleet, purses: &[Principal]) -> u64 {
    let coins =
        |purse: &Principal| -> u64 { fleet.user("alice").query(*purse, "coins", ()).unwrap() };
    purses.iter().map(coins).sum()
}

#[cfg(feature = "pocket-ic")]
#[test]
fn these_tests_pass_on_a_server_too() {
    server::run_these_tests("these_tests_pass_on_a_server_too");
}

#[test]
fn a_careless_member_is_seen() {
    let (fleet, [a, b]) = purses();
    if !fleet.is_in_process() {
        return;
    }
    let report = fleet
        .faults()
        .scenario(|fleet| fleet.user("alice").update::<_, ()>(a, "pay", (b, 10u64)))
        .invariant(|fleet| match all_coins(fleet, &[a, b]) {
            200 => Ok(()),
            coins => Err(format!("there are {coins} coins")),
        })
        .report();
    let lost: Vec<_> = report
        .violations
        .iter()
        .filter(|violation| violation.problems == ["there are 190 coins"])
        .collect();
    assert_eq!(lost.len(), report.violations.len(), "{report}");
    // The reject of the call, however it came about, is what the member does not think of.
    assert!(lost.len() >= 7, "{report}");
    assert_eq!(report.fired, report.singles, "{report}");
    let printed = report.to_string();
    let line = lost[0].case.to_string();
    assert!(
        printed.contains(&format!("CANIC_FAULT='{line}' cargo test")),
        "{printed}"
    );
    assert!(
        printed.contains("a_careless_member_is_seen -- --exact"),
        "{printed}"
    );
    assert!(printed.contains("more with these problems"), "{printed}");
    assert!(line.starts_with(r#"{"scenario":"a_careless_member_is_seen","failures":[{"fault":"#));
    assert_eq!(line.parse(), Ok(lost[0].case.clone()));
}

/// It fails, as the next test wants it.
#[test]
#[ignore = "it fails on purpose: another test runs it"]
fn a_payment_without_care() {
    let (fleet, [a, b]) = purses();
    fleet
        .faults()
        .scenario(|fleet| fleet.user("alice").update::<_, ()>(a, "pay", (b, 10u64)))
        .invariant(|fleet| assert_eq!(all_coins(fleet, &[a, b]), 200))
        .run();
}

#[test]
fn a_printed_line_repeats_its_case_and_tells_what_happened() {
    if env::var_os(canic_testing::SERVER).is_some() {
        return;
    }
    let run = |fault: &str| {
        let mut test = Command::new(env::current_exe().expect("a path"));
        test.args([
            "--exact",
            "a_payment_without_care",
            "--ignored",
            "--nocapture",
        ])
        .env(canic_testing::FAULT, fault);
        let output = test.output().expect("this test can be run");
        assert!(!output.status.success());
        String::from_utf8(output.stdout).expect("text")
    };
    let printed = run("");
    let (_, line) = printed.split_once("CANIC_FAULT='").expect("a line");
    let (line, command) = line.split_once('\'').expect("its end");
    let (command, _) = command.split_once('\n').expect("its end");
    assert_eq!(
        command,
        " cargo test -p canic-testing a_payment_without_care -- --exact --nocapture"
    );
    let repeated = run(line);
    let case: Case = line.parse().expect("a case");
    let fault = format!("fault     {}", case.failures[0].fault);
    for told in [
        line,
        &fault,
        "is purse `a`",
        "Reject `receive` answer of",
        "all faults fired: true",
        "1 case with one fault, 0 with two, 1 fired, 1 violation",
    ] {
        assert!(repeated.contains(told), "{told} is missing: {repeated}");
    }
}

#[test]
fn a_pair_is_told_with_the_faults_that_its_problem_needs() {
    let (fleet, [a, b]) = purses();
    if !fleet.is_in_process() {
        return;
    }
    let report = fleet
        .faults()
        .scenario(|fleet| -> Result<(), Error> {
            let alice = fleet.user("alice");
            // Whatever becomes of the first payment, the second one follows.
            drop(alice.update::<_, ()>(a, "pay", (b, 10u64)));
            alice.update::<_, ()>(b, "pay", (a, 10u64))
        })
        .invariant(|fleet| match all_coins(fleet, &[a, b]) {
            200 => Ok(()),
            coins => Err(format!("there are {coins} coins")),
        })
        .every(usize::MAX)
        .pairs(12)
        .report();
    assert_eq!((report.singles, report.pairs), (1, 12), "{report}");
    assert!(report.violations.len() > 1, "{report}");
    for violation in &report.violations {
        assert_eq!(violation.case.failures.len(), 1, "{report}");
        assert_eq!(violation.problems, ["there are 190 coins"]);
    }
}

#[test]
fn a_careful_member_passes_every_fault_at_every_await() {
    let (fleet, [a, b]) = purses();
    let report = fleet
        .faults()
        .scenario(|fleet| fleet.user("alice").update::<_, ()>(a, "send", (b, 10u64)))
        .invariant(|fleet| {
            fleet.user("alice").update::<_, ()>(a, "retry", ()).unwrap();
            assert_eq!(all_coins(fleet, &[a, b]), 200);
        })
        .pairs(12)
        .run();
    expect_all_fired(&fleet, &report);
    assert_eq!(fleet.is_in_process(), report.awaits > 0);
}

#[test]
fn a_notebook_is_opened_once_whatever_fails() {
    let fleet = Fleet::of("example-root").start();
    let report = fleet
        .faults()
        .scenario(|fleet| -> Result<(), Error> {
            let alice = fleet.user("alice");
            let worker: Provisioned = alice.update(fleet.root(), "sign_up", ())?;
            alice.update::<_, ()>(worker.canister, "put", ("a", "b"))
        })
        .invariant(|fleet| {
            let alice = fleet.user("alice");
            let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
            let again: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
            assert_eq!(worker.canister, again.canister);
            assert_eq!(fleet.members().len(), 1);
        })
        .every(5)
        .run();
    expect_all_fired(&fleet, &report);
    // Each case had a fork of its own.
    assert!(fleet.members().is_empty());
}

fn expect_all_fired(fleet: &Fleet, report: &Report) {
    if fleet.is_in_process() {
        assert!(
            report.fired >= report.singles && report.singles > 10,
            "{report}"
        );
    } else {
        let why = report.skipped.as_deref().unwrap_or_default();
        assert_eq!(why, "faults need the replica in the test's process");
    }
}

#[test]
fn a_scenario_that_fails_without_a_fault_is_a_violation() {
    let (fleet, [a, b]) = purses();
    if !fleet.is_in_process() {
        return;
    }
    let report = fleet
        .faults()
        .scenario(|fleet| fleet.user("alice").update::<_, ()>(a, "pay", (b, 101u64)))
        .report();
    assert_eq!(report.violations.len(), 1);
    assert!(
        report.violations[0].problems[0].contains("too few coins"),
        "{report}"
    );
    assert!(report.violations[0].case.failures.is_empty());
}

/// The calls of an operator in a case, and whether they came before the answer that was late.
fn acts(fleet: &Fleet, payer: Principal, from: u64) -> (Vec<String>, bool) {
    fleet.with_replica(|replica| {
        let events: Vec<&Event> = replica.trace().iter().filter(|e| e.seq >= from).collect();
        let is_act = |event: &&Event| {
            event.kind == Kind::Management
                && ["stop_canister", "start_canister", "install_code"]
                    .contains(&event.method.as_str())
        };
        let is_answer = |event: &&Event| {
            event.kind == Kind::Reply && event.canister == payer && event.method == "receive"
        };
        let first = events.iter().copied().position(|event| is_act(&event));
        let answer = events.iter().copied().position(|event| is_answer(&event));
        let methods = events.iter().copied().filter(is_act);
        (methods.map(|e| e.method.clone()).collect(), first < answer)
    })
}

#[test]
fn every_act_is_performed_while_an_answer_is_late() {
    let (fleet, [a, b]) = purses();
    if !fleet.is_in_process() {
        return;
    }
    let from = fleet.with_replica(|replica| replica.trace().last().map_or(0, |e| e.seq + 1));
    let before = fleet.time();
    let pay = |fleet: &mut Fleet| {
        let paid: Result<(), Error> = fleet.user("alice").update(a, "pay", (b, 10u64));
        paid.map_err(|error| error.to_string())
    };
    let look = |fleet: &mut Fleet, _: bool| {
        let (methods, are_in_time) = acts(fleet, a, from);
        let days = (fleet.time() - before) / 86_400_000_000_000;
        vec![format!("{} {are_in_time} {days}", methods.join(" "))]
    };
    let scene = Scene {
        act: &pay,
        audit: &look,
    };
    // Two members and the pool's none: a bare root has no pool.
    for (act, expected) in [
        (Act::StopMembers, "stop_canister stop_canister true 0"),
        (Act::StopRoot, "stop_canister start_canister true 0"),
        (Act::LongOutage, "stop_canister start_canister true 10"),
        (Act::UpgradeRoot, "install_code true 0"),
        (
            Act::UpgradeStoppedRoot,
            "stop_canister install_code start_canister true 0",
        ),
        (Act::UpgradeMembers, "install_code install_code true 0"),
    ] {
        let late = Fault::on_answer(Effect::Delay { rounds: 8 });
        let failure = Failure {
            fault: Fault {
                callee: Some(b),
                caller: Some(a),
                method: Some("receive".to_string()),
                ..late
            },
            act: Some(act),
        };
        let run = matrix::run(&fleet, &scene, &[failure]);
        assert!(run.fired, "{act:?}");
        assert_eq!(run.problems, [expected], "{act:?}");
    }
}

#[test]
fn the_log_of_a_member_has_what_it_printed() {
    let (fleet, [a, b]) = purses();
    fleet
        .user("alice")
        .update::<_, ()>(a, "pay", (b, 10u64))
        .unwrap();
    assert_eq!(fleet.logs(a), ["paid 10 coins"]);
    assert_eq!(fleet.logs(b), [""; 0]);
}

#[test]
#[should_panic(expected = "makes no canister call another")]
fn a_scenario_without_awaits_is_refused() {
    let (fleet, purses) = purses();
    if !fleet.is_in_process() {
        panic!("skipped: makes no canister call another on a server");
    }
    let _ = fleet
        .faults()
        .scenario(|fleet| {
            all_coins(fleet, &purses);
        })
        .report();
}
