//! Shrinks what fails to the fewest parts that still fail.

use std::time::{Duration, Instant};

use canic_testing::shrink::{are_alike, failures, minimize};

use crate::{
    case::Case,
    history::{History, Step},
    matrix::{self, Violation},
    scenario,
};

/// Runs of a history at most, and the time at most, to shrink it.
const MAX_RUNS: usize = 1_500;
const MAX_TIME: Duration = Duration::from_secs(300);

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
    let found = explicit.run().problems;
    if found.is_empty() {
        return None;
    }
    let shortest = history(&explicit, |history| {
        are_alike(&found, &history.run().problems)
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
    let with = |failures: &[_]| Case {
        failures: failures.to_vec(),
        ..found.clone()
    };
    let (fewest, problems) = failures(&found.failures, |failures| {
        let violation = matrix::run(&world, &with(failures)).violation;
        violation.map_or(Vec::new(), |violation| violation.problems)
    })?;
    Some(Violation {
        problems,
        repeat: format!("--case '{}'", with(&fewest)),
    })
}

#[cfg(test)]
mod tests {
    use canic_replica::{Effect, Fault};

    use super::*;
    use crate::history::{Deed, Fleet};

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
}
