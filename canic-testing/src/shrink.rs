//! Shrinks what fails to the fewest parts that still fail in the same way.

use crate::case::Failure;

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

/// Shrinks a case that has problems to fewer failures, and answers the problems that it has then.
/// `problems` runs it with some of its failures. `None`: it has no problem with all of them.
pub fn failures(
    found: &[Failure],
    mut problems: impl FnMut(&[Failure]) -> Vec<String>,
) -> Option<(Vec<Failure>, Vec<String>)> {
    let mut left = problems(found);
    if left.is_empty() {
        return None;
    }
    let first = left.clone();
    let fewest = minimize(found, |failures| {
        let now = problems(failures);
        let still = are_alike(&first, &now);
        if still {
            left = now;
        }
        still
    });
    Some((fewest, left))
}

/// Whether problems of two runs have a kind in common: shrinking one fault must not end at another.
#[must_use]
pub fn are_alike(some: &[String], others: &[String]) -> bool {
    some.iter()
        .any(|one| others.iter().any(|other| kind(one) == kind(other)))
}

/// What a problem says, without names and numbers.
fn kind(problem: &str) -> String {
    let words = problem.split_whitespace();
    let words = words.filter(|word| word.chars().all(|c| c.is_ascii_alphabetic() || c == ','));
    words.take(5).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use canic_replica::{Effect, Fault};

    use super::*;

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
    fn problems_of_one_kind_differ_in_names_and_numbers_only() {
        let are_alike =
            |one: &str, other: &str| super::are_alike(&[one.to_string()], &[other.to_string()]);
        let lost = "lost canisters: [\"aaaaa-aa\"]";
        assert!(are_alike(lost, "lost canisters: [\"bbbbb-bb\", \"c-d\"]"));
        let claimed = "aaaaa-aa is claimed by operation 3, which is not open";
        assert!(!are_alike(lost, claimed));
        assert!(are_alike(
            "1245277724521 cycles went down with 4 canisters",
            "7 cycles went down with 1 canisters"
        ));
    }

    #[test]
    fn a_case_keeps_the_failures_that_its_problem_needs() {
        let failure = |skip| Failure {
            fault: Fault::on_call(Effect::trap()).skip(skip),
            act: None,
        };
        let all = [failure(1), failure(2), failure(3)];
        let problems = |failures: &[Failure]| match failures.contains(&failure(2)) {
            true => vec![format!("{} coins are lost", failures.len())],
            // Another problem does not count.
            false => vec!["nobody answers".to_string()],
        };
        let shrunk = super::failures(&all, problems);
        let expected = vec!["1 coins are lost".to_string()];
        assert_eq!(shrunk, Some((vec![failure(2)], expected)));
        assert_eq!(super::failures(&all, |_| Vec::new()), None);
    }
}
