//! Shrinks what fails to the fewest parts that still fail.

use std::time::{Duration, Instant};

use crate::{
    case::Case,
    history::{History, Step},
    matrix::{self, Violation},
    scenario,
};

/// Runs of a history at most, and the time at most, to shrink it.
const MAX_RUNS: usize = 1_500;
const MAX_TIME: Duration = Duration::from_secs(300);

/// The fewest of these items for which `fails` still holds, as far as leaving out runs of
/// neighbours shows. The order stays. `fails` must hold for all of them.
pub fn minimize<T: Clone>(all: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = all.to_vec();
    let mut length = kept.len();
    while length > 0 {
        let mut start = 0;
        while start < kept.len() {
            let end = (start + length).min(kept.len());
            let rest = [&kept[..start], &kept[end..]].concat();
            if fails(&rest) {
                kept = rest;
            } else {
                start = end;
            }
        }
        length /= 2;
    }
    kept
}

/// The least number up to `number` for which `fails` still holds, as far as halving shows. `fails`
/// must hold for `number`.
pub fn lower(number: u32, mut fails: impl FnMut(u32) -> bool) -> u32 {
    let (mut fine, mut bad) = (0, number);
    if number == 0 || fails(0) {
        return 0;
    }
    while bad - fine > 1 {
        let middle = fine + (bad - fine) / 2;
        if fails(middle) {
            bad = middle;
        } else {
            fine = middle;
        }
    }
    bad
}

/// The shortest history that fails as this one does, with the fewest faults. `fails` must hold for
/// the history.
pub fn history(history: &History, mut fails: impl FnMut(&History) -> bool) -> History {
    let (mut runs, begun) = (0, Instant::now());
    let mut fails = |history: &History| {
        runs += 1;
        runs <= MAX_RUNS && begun.elapsed() <= MAX_TIME && fails(history)
    };
    let mut shortest = history.clone();
    loop {
        let before = shortest.clone();
        let faults = minimize(&before.faults, |faults| {
            fails(&before.with_faults(faults.to_vec()))
        });
        shortest.faults = faults;
        let without = |steps: &[Step]| History {
            steps: steps.to_vec(),
            ..shortest.clone()
        };
        let steps = minimize(&shortest.steps, |steps| fails(&without(steps)));
        shortest.steps = steps;
        for step in 0..shortest.steps.len() {
            let mut other = shortest.clone();
            let rounds = lower(shortest.steps[step].rounds, |rounds| {
                other.steps[step].rounds = rounds;
                fails(&other)
            });
            shortest.steps[step].rounds = rounds;
        }
        if shortest == before {
            return shortest;
        }
    }
}

/// Shrinks a history that has problems. Returns the shortest one, or `None` if it has none when its
/// faults are spelled out.
#[must_use]
pub fn found_history(found: &History) -> Option<Violation> {
    let drawn = found.run();
    let explicit = found.with_faults(drawn.fired);
    let kinds = kinds(&explicit.run().problems);
    if kinds.is_empty() {
        return None;
    }
    let shortest = history(&explicit, |history| {
        shares(&kinds, &self::kinds(&history.run().problems))
    });
    Some(Violation {
        problems: shortest.run().problems,
        repeat: format!("--history '{shortest}'"),
    })
}

/// Shrinks a case that has problems: to fewer failures. Returns `None` if it has no problems.
#[must_use]
pub fn found_case(found: &Case) -> Option<Violation> {
    let world = (scenario::named(&found.scenario)?.world)();
    let problems = |case: &Case| {
        let violation = matrix::run(&world, case).violation;
        violation.map_or(Vec::new(), |violation| violation.problems)
    };
    let kinds = kinds(&problems(found));
    if kinds.is_empty() {
        return None;
    }
    let with = |failures: &[_]| Case {
        failures: failures.to_vec(),
        ..found.clone()
    };
    let failures = minimize(&found.failures, |failures| {
        shares(&kinds, &self::kinds(&problems(&with(failures))))
    });
    let shortest = with(&failures);
    Some(Violation {
        problems: problems(&shortest),
        repeat: format!("--case '{shortest}'"),
    })
}

/// What problems say, without names and numbers: shrinking one fault must not end at another.
fn kinds(problems: &[String]) -> Vec<String> {
    let words = |problem: &String| {
        let words = problem.split_whitespace();
        let words = words.filter(|word| word.chars().all(|c| c.is_ascii_alphabetic() || c == ','));
        words.take(5).collect::<Vec<_>>().join(" ")
    };
    problems.iter().map(words).collect()
}

fn shares(some: &[String], others: &[String]) -> bool {
    some.iter().any(|kind| others.contains(kind))
}

#[cfg(test)]
mod tests {
    use canic_replica::{Effect, Fault};

    use super::*;
    use crate::history::{Deed, Fleet};

    #[test]
    fn the_fewest_items_remain_in_their_order() {
        let all: Vec<u32> = (0..40).collect();
        let needs = |needed: &'static [u32]| {
            move |kept: &[u32]| needed.iter().all(|item| kept.contains(item))
        };
        assert_eq!(minimize(&all, needs(&[3, 17, 38])), [3, 17, 38]);
        assert_eq!(minimize(&all, needs(&[39])), [39]);
        assert_eq!(minimize(&all, needs(&[])), [0; 0]);
        let mut calls = 0;
        minimize(&all, |kept| {
            calls += 1;
            needs(&[3, 17, 38])(kept)
        });
        assert!(calls < 80, "{calls}");
    }

    #[test]
    fn the_least_number_remains() {
        assert_eq!(lower(19, |number| number >= 7), 7);
        assert_eq!(lower(19, |number| number >= 19), 19);
        assert_eq!(lower(19, |_| true), 0);
    }

    #[test]
    fn a_history_loses_all_steps_rounds_and_faults_that_it_does_not_need() {
        let step = |seconds, rounds| Step {
            deed: Deed::Pass { seconds },
            rounds,
        };
        let fault = |skip| Fault::on_call(Effect::trap()).skip(skip);
        let long = History {
            fleet: Fleet::Small,
            steps: (0..25).map(|n| step(n, 10)).collect(),
            drawn: None,
            faults: (0..30).map(fault).collect(),
        };
        let short = history(&long, |history| {
            let at = history
                .steps
                .iter()
                .position(|s| s.deed == step(13, 0).deed);
            at.is_some_and(|at| history.steps[at].rounds >= 4)
                && history.faults.contains(&fault(21))
                && history.faults.contains(&fault(2))
        });
        assert_eq!(short.steps, [step(13, 4)]);
        assert_eq!(short.faults, [fault(2), fault(21)]);
    }

    #[test]
    fn problems_of_one_kind_differ_in_names_and_numbers_only() {
        let kinds = |problem: &str| super::kinds(&[problem.to_string()]);
        let lost = kinds("lost canisters: [\"aaaaa-aa\"]");
        assert_eq!(lost, kinds("lost canisters: [\"bbbbb-bb\", \"c-d\"]"));
        assert_ne!(
            lost,
            kinds("aaaaa-aa is claimed by operation 3, which is not open")
        );
        let destroyed = kinds("1245277724521 cycles went down with 4 canisters");
        assert!(shares(
            &destroyed,
            &kinds("7 cycles went down with 1 canisters")
        ));
    }
}
