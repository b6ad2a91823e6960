//! What a fault matrix found.

use std::{collections::BTreeMap, env, fmt};

use candid::Principal;
use canic::api::MemberInfo;
use canic_replica::{Event, Kind, Outcome, Replica};

use crate::case::Case;

/// The environment variable with the line of a case: only that case runs, and prints what happened.
pub const FAULT: &str = "CANIC_FAULT";

/// Violations that are printed, of different problems.
const MOST: usize = 20;

/// The size and the outcome of a matrix. It is displayed with the lines that repeat violations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Calls between canisters, when nothing fails.
    pub awaits: usize,
    /// Kinds of faults at each await.
    pub faults: usize,
    /// Cases with one fault.
    pub singles: usize,
    /// Cases with two faults.
    pub pairs: usize,
    /// Cases whose faults all fired.
    pub fired: usize,
    /// Cases with a problem.
    pub violations: Vec<Violation>,
    /// Why nothing ran.
    pub skipped: Option<String>,
}

/// A case after which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The case.
    pub case: Case,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

impl Report {
    pub(super) fn skipped(why: &str) -> Self {
        Self {
            skipped: Some(why.to_string()),
            ..Self::default()
        }
    }
}

impl Violation {
    /// The command that repeats the case, and nothing else.
    #[must_use]
    pub fn command(&self) -> String {
        let line = self.case.to_string().replace('\'', r"'\''");
        // Cargo tells a test the name of its package.
        let package =
            env::var("CARGO_PKG_NAME").map_or(String::new(), |name| format!(" -p {name}"));
        let scenario = &self.case.scenario;
        format!("{FAULT}='{line}' cargo test{package} {scenario} -- --exact --nocapture")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.command())?;
        let mut problems = self.problems.iter();
        problems.try_for_each(|problem| writeln!(f, "    {}", problem.replace('\n', "\n    ")))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.skipped {
            return writeln!(f, "skipped: {why}");
        }
        let alike = self.alike();
        for (violation, count) in alike.iter().take(MOST) {
            write!(f, "{violation}")?;
            if *count > 1 {
                writeln!(f, "    (and {} more with these problems)", count - 1)?;
            }
        }
        if alike.len() > MOST {
            writeln!(f, "({} other problems are not shown)", alike.len() - MOST)?;
        }
        writeln!(
            f,
            "{} with {} of faults each: {} with one fault, {} with two, {} fired, {}",
            count(self.awaits, "await"),
            count(self.faults, "kind"),
            count(self.singles, "case"),
            self.pairs,
            self.fired,
            count(self.violations.len(), "violation"),
        )
    }
}

impl Report {
    /// The first violation of each set of problems, in their order, and the number of such
    /// violations.
    fn alike(&self) -> Vec<(&Violation, usize)> {
        let mut places: BTreeMap<&[String], usize> = BTreeMap::new();
        let mut alike: Vec<(&Violation, usize)> = Vec::new();
        for violation in &self.violations {
            let place = *places.entry(&violation.problems).or_insert(alike.len());
            match alike.get_mut(place) {
                Some((_, count)) => *count += 1,
                None => alike.push((violation, 1)),
            }
        }
        alike
    }
}

/// `1 await`, `2 awaits`.
pub(super) fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

/// Root and its members, a line each.
pub(super) fn legend(root: Principal, members: &[MemberInfo]) -> String {
    let mut legend = format!("  {root} is root\n");
    for member in members {
        let key = member
            .key
            .as_deref()
            .map_or(String::new(), |key| format!(" `{key}`"));
        legend += &format!("  {} is {}{key}\n", member.canister, member.role);
    }
    legend
}

/// The messages from event `from` on, a line each.
pub(super) fn story(replica: &Replica, from: u64) -> String {
    let faults: BTreeMap<u64, String> = replica
        .fired_faults()
        .iter()
        .map(|fired| (fired.event, fired.fault.to_string()))
        .collect();
    let mut story = String::new();
    let events = replica.trace().iter().filter(|event| event.seq >= from);
    for event in events.filter(|event| event.kind != Kind::Query) {
        if let Some(fault) = faults.get(&event.seq) {
            story += &format!("  fault     {fault}\n");
        }
        story += &line(event);
    }
    story
}

fn line(event: &Event) -> String {
    let what = match event.kind {
        Kind::Reply | Kind::Reject | Kind::Cleanup => "answer of",
        _ => "from",
    };
    let outcome = match &event.outcome {
        Outcome::Ok => "no answer yet".to_string(),
        Outcome::Reply => "replied".to_string(),
        Outcome::Reject { code, message } => format!("rejected ({code:?}): {message}"),
        Outcome::Trap { message } => format!("trapped: {message}"),
    };
    format!(
        "  round {:<4} {} {:?} `{}` {what} {}: {outcome}\n",
        event.round, event.canister, event.kind, event.method, event.caller
    )
}
