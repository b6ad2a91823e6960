//! Members that are upgraded while they wait: an answer that meets the new code would damage it.

use canic_fault_tests::{
    Act, Case, Failure, Violation,
    matrix::{self, Prepared},
    scenario,
};
use canic_replica::{Direction, Effect, Fault, RejectCode};

/// Scenarios in which members call root: for pages, for lookups of every kind, for operations.
const SCENARIOS: [&str; 5] = [
    "announce_to_an_upgraded_watcher",
    "dismiss_through_a_hub",
    "hire_through_a_hub",
    "members_ask_root_about_others",
    "members_command_root",
];

fn prepare(name: &str) -> Prepared {
    let scenario = scenario::named(name).expect("it exists");
    Prepared::new(scenario).unwrap_or_else(|violation| panic!("{violation}"))
}

/// Runs cases, of which all must pass and all faults fire.
fn check(prepared: Prepared, cases: &[Case]) {
    let (fired, violations) = matrix::run_all(&[prepared], cases);
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert_eq!(fired, cases.len(), "every fault fires");
}

#[test]
fn an_upgrade_of_a_member_that_waits_harms_it_nowhere() {
    for name in SCENARIOS {
        let prepared = prepare(name);
        let root = Some(prepared.world.root);
        let mut cases = prepared.singles();
        cases.retain(|case| {
            let [failure] = &case.failures[..] else {
                return false;
            };
            failure.act == Some(Act::UpgradeMembers) && failure.fault.caller != root
        });
        println!("{name}: {} late answers", cases.len());
        assert!(!cases.is_empty(), "{name}");
        check(prepared, &cases);
    }
}

/// A page that comes eight rounds late, after root was down for ten days, to a member that was
/// upgraded meanwhile, as its first request for pages had been rejected.
#[test]
fn a_late_page_never_meets_new_code() {
    let prepared = prepare("announce_to_an_upgraded_watcher");
    let catches_up = |fault: &Fault| {
        fault.method.as_deref() == Some("canic_catch_up") && fault.direction == Direction::Answer
    };
    let sites = prepared.sites.iter();
    let answers: Vec<Fault> = sites
        .map(|site| site.0.clone())
        .filter(catches_up)
        .collect();
    assert!(!answers.is_empty());
    let mut cases = Vec::new();
    for answer in &answers {
        let rejected = Fault {
            direction: Direction::Call,
            effect: Effect::reject(RejectCode::SysTransient),
            ..answer.clone()
        };
        // The reject is an answer, too.
        let late = Fault {
            effect: Effect::Delay { rounds: 8 },
            skip: answer.skip + 1,
            ..answer.clone()
        };
        let failure = |fault, act| Failure { fault, act };
        cases.push(Case {
            scenario: prepared.scenario.name.to_string(),
            failures: vec![
                failure(rejected, None),
                failure(late, Some(Act::LongOutage)),
            ],
        });
    }
    check(prepared, &cases);
}
