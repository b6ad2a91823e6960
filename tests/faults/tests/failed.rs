//! Every history and every case of the matrix that ever failed, in the words of today.

use canic_fault_tests::{Case, History, matrix, scenario, shrink};
use canic_replica::{Direction, Fault};

/// A line each; `#` begins a remark.
const LINES: &str = include_str!("failed.txt");

/// The lines that begin with this field.
fn lines(field: &str) -> Vec<&'static str> {
    let begin = format!("{{\"{field}\":");
    let lines = LINES.lines().filter(|line| line.starts_with(&begin));
    lines.collect()
}

#[test]
fn each_line_is_a_history_a_case_or_a_remark() {
    let all = LINES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(all.count(), lines("fleet").len() + lines("scenario").len());
    for line in lines("fleet") {
        let history: History = line.parse().unwrap();
        assert_eq!(history.to_string(), line);
    }
    for line in lines("scenario") {
        let case: Case = line.parse().unwrap();
        assert_eq!(case.to_string(), line);
    }
}

#[test]
fn histories_that_failed_once_pass() {
    let all = matrix::in_parallel(&lines("fleet"), |line| {
        let problems = line.parse::<History>().unwrap().run().problems;
        (line.to_string(), problems)
    });
    let failed: Vec<_> = all.iter().filter(|one| !one.1.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn cases_that_failed_once_pass() {
    let all = matrix::in_parallel(&lines("scenario"), |line| {
        let case: Case = line.parse().unwrap();
        let scenario = scenario::named(&case.scenario).unwrap();
        let run = matrix::run(&(scenario.world)(), &case);
        run.violation.map(|violation| violation.to_string())
    });
    let failed: Vec<_> = all.iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A history that is drawn and the same one with its faults spelled out end in the same state.
#[test]
fn faults_that_are_spelled_out_fire_again() {
    let mut fired = 0;
    for seed in [3, 4, 5, 6, 8] {
        let drawn = History::drawn(seed);
        let first = drawn.run();
        let again = drawn.with_faults(first.fired.clone()).run();
        assert_eq!(again.fired, first.fired, "seed {seed}");
        assert_eq!(again.state, first.state, "seed {seed}");
        fired += first.fired.len();
    }
    assert!(fired > 10, "{fired}");
}

#[test]
fn a_text_that_is_no_history_is_refused_with_its_mistake() {
    let history = "{\"fleet\":\"small\",\"steps\":[{\"deed\":{\"pass\":{\"second\":1}}}]}";
    let error = history.parse::<History>().unwrap_err();
    assert!(error.contains("unknown field `second`"), "{error}");
}

/// The shrinker, on real Wasm: of a history with faults at random one request and one fault remain.
#[test]
fn a_history_shrinks_to_the_request_and_the_fault_that_it_is_about() {
    let is_about = |fault: &Fault| fault.direction == Direction::Answer;
    let fires = |history: &History| history.run().fired.iter().any(is_about);
    let begin = |seed| {
        let drawn = History::drawn(seed);
        let fired = drawn.run().fired;
        let mut begin = drawn.with_faults(fired);
        begin.steps.truncate(6);
        fires(&begin).then_some(begin)
    };
    let explicit = (0..60).find_map(begin);
    let explicit = explicit.expect("an answer fails in one of them");
    let shortest = shrink::history(&explicit, fires);
    assert!(shortest.steps.len() <= 1, "{shortest}");
    assert_eq!(shortest.faults.len(), 1, "{shortest}");
}
