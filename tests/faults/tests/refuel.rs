//! Refuels: every single failure at every await, and pairs of them. Root never pays twice.

use canic_fault_tests::{
    Violation,
    matrix::{self, Prepared},
    scenario,
};

/// Random pairs of failures.
const PAIRS: usize = 60;

const SEED: u64 = 23;

const SCENARIOS: [&str; 2] = ["refuel_from_the_cycles_ledger", "refuel_for_icp"];

fn prepared() -> Vec<Prepared> {
    let prepare = |name: &&str| {
        let scenario = scenario::named(name).expect("it exists");
        Prepared::new(scenario).unwrap_or_else(|violation| panic!("{violation}"))
    };
    SCENARIOS.iter().map(prepare).collect()
}

fn check(violations: &[Violation]) {
    violations
        .iter()
        .for_each(|violation| println!("{violation}"));
    assert!(violations.is_empty(), "{} violations", violations.len());
}

#[test]
fn root_pays_once_whatever_fails() {
    let prepared = prepared();
    let singles: Vec<_> = prepared.iter().flat_map(Prepared::singles).collect();
    let (fired, violations) = matrix::run_all(&prepared, &singles);
    println!("{} single failures", singles.len());
    check(&violations);
    assert_eq!(fired, singles.len(), "every fault fires");
    let pairs = matrix::pairs(&prepared, PAIRS, SEED);
    let (fired, violations) = matrix::run_all(&prepared, &pairs);
    check(&violations);
    assert!(fired * 10 > PAIRS * 9, "{fired} of {PAIRS} pairs fired");
}
