//! A share of the fault matrix, the same in every run. `cargo xtask faults` runs the whole matrix.

use std::sync::OnceLock;

use canic_fault_tests::{
    Violation, history,
    matrix::{self, Prepared},
};

/// One in `EVERY` single failures is tried.
const EVERY: usize = 23;

/// A rollout has many more awaits than another operation: one in so many failures is tried.
const EVERY_OF_ROLLOUTS: usize = 293;

const PAIRS: usize = 60;

const HISTORIES: u64 = 8;

const SEED: u64 = 11;

fn prepared() -> &'static [Prepared] {
    static PREPARED: OnceLock<Vec<Prepared>> = OnceLock::new();
    PREPARED
        .get_or_init(|| matrix::prepare().unwrap_or_else(|violations| panic!("{violations:#?}")))
}

fn check(violations: &[Violation]) {
    violations
        .iter()
        .for_each(|violation| println!("{violation}"));
    assert!(
        violations.is_empty(),
        "{} violations, see above",
        violations.len()
    );
}

#[test]
fn the_audit_passes_after_one_failure() {
    let singles = |rolls_out: bool| {
        let all = prepared().iter();
        let all = all.filter(move |one| one.scenario.name.starts_with("rollout_") == rolls_out);
        all.flat_map(Prepared::singles)
    };
    let mut cases: Vec<_> = singles(false).step_by(EVERY).collect();
    cases.extend(singles(true).step_by(EVERY_OF_ROLLOUTS));
    let (fired, violations) = matrix::run_all(prepared(), &cases);
    check(&violations);
    assert_eq!(fired, cases.len(), "every fault fires");
    assert!(fired > 100, "{fired}");
}

#[test]
fn the_audit_passes_after_two_failures() {
    let pairs = matrix::pairs(prepared(), PAIRS, SEED);
    let (fired, violations) = matrix::run_all(prepared(), &pairs);
    check(&violations);
    assert!(
        fired * 10 > PAIRS * 9,
        "both faults of {fired} of {PAIRS} pairs fired"
    );
}

#[test]
fn the_audit_passes_after_a_random_history() {
    let seeds: Vec<u64> = (SEED..SEED + HISTORIES).collect();
    let runs = matrix::in_parallel(&seeds, |seed| history::run_seed(*seed));
    check(&runs.into_iter().flatten().collect::<Vec<_>>());
}
