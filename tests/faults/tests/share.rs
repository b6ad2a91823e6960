//! A share of the matrix, the same in every run. `cargo xtask faults` runs all of it.

use canic_fault_tests::{
    Violation, history,
    matrix::{self, Prepared},
};
use std::sync::OnceLock;

/// One of so many single faults is tried here.
const EVERY: usize = 23;

const PAIRS: usize = 60;

const HISTORIES: u64 = 8;

const SEED: u64 = 11;

fn prepared() -> &'static [Prepared] {
    static PREPARED: OnceLock<Vec<Prepared>> = OnceLock::new();
    PREPARED.get_or_init(|| matrix::prepare().unwrap_or_else(|wrong| panic!("{wrong:#?}")))
}

fn check(wrong: &[Violation]) {
    wrong.iter().for_each(|violation| println!("{violation}"));
    assert!(wrong.is_empty(), "{} cases, see above", wrong.len());
}

#[test]
fn the_books_balance_after_one_failure() {
    let singles = prepared().iter().flat_map(Prepared::singles);
    let cases: Vec<_> = singles.step_by(EVERY).collect();
    let (struck, wrong) = matrix::run_all(prepared(), &cases);
    check(&wrong);
    assert_eq!(struck, cases.len(), "every fault meets its message");
    assert!(struck > 100, "{struck}");
}

#[test]
fn the_books_balance_after_two_failures() {
    let pairs = matrix::pairs(prepared(), PAIRS, SEED);
    let (struck, wrong) = matrix::run_all(prepared(), &pairs);
    check(&wrong);
    assert!(struck * 10 > PAIRS * 9, "{struck} of {PAIRS} pairs struck");
}

#[test]
fn the_books_balance_after_a_random_history() {
    let seeds: Vec<u64> = (SEED..SEED + HISTORIES).collect();
    let wrong = history::run_all(&seeds);
    check(&wrong);
}
