//! Root that is stopped and upgraded at the awaits of a rollout: it goes on where it was.

use canic_fault_tests::{
    Act, Violation,
    matrix::{self, Prepared},
    scenario,
};

/// Runs all cases of a scenario in which root is upgraded while a member, or the platform for it,
/// answers.
fn upgrade_root_at_each_answer(name: &str) {
    let scenario = scenario::named(name).expect("it exists");
    let prepared = Prepared::new(scenario).unwrap_or_else(|violation| panic!("{violation}"));
    let root = prepared.world.root;
    let mut cases = prepared.singles();
    cases.retain(|case| {
        let [failure] = &case.failures[..] else {
            return false;
        };
        failure.act == Some(Act::UpgradeStoppedRoot)
            && failure.fault.caller == Some(root)
            && failure.fault.callee != Some(root)
    });
    assert!(cases.len() > 10, "{}", cases.len());
    let (fired, violations) = matrix::run_all(&[prepared], &cases);
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert_eq!(fired, cases.len(), "every fault fires");
}

#[test]
fn a_rollout_goes_on_after_an_upgrade_of_root_at_any_answer() {
    upgrade_root_at_each_answer("rollout_of_a_good_release");
}
