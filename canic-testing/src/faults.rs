//! The fault matrix of an author's fleet: every await of their scenario, and every fault at each.

mod report;

use std::{env, fmt::Display, thread};

use canic_replica::{Event, Replica};
use fastrand::Rng;

pub use self::report::{FAULT, Report, Violation};
use crate::{
    case::{Case, Failure, Site},
    fleet::{Fleet, audit_quiet},
    matrix::{self, Scene, Subject, catch_panic, in_parallel},
    network::Network,
    shrink,
};

/// Pairs of failures that share the first one: to know which second failures are possible, the
/// scenario runs with the first.
const PAIRS_OF_A_GROUP: usize = 4;

/// The name of a scenario whose test has no name of its own: it runs in the main thread.
const UNNAMED: &str = "scenario";

/// How a scenario or an invariant ends: without a value, or with a `Result` whose error is a
/// problem.
pub trait Ending {
    /// The problem, if there is one.
    ///
    /// # Errors
    /// It ended with this problem.
    fn ending(self) -> Result<(), String>;
}

impl Ending for () {
    fn ending(self) -> Result<(), String> {
        Ok(())
    }
}

impl<T, E: Display> Ending for Result<T, E> {
    fn ending(self) -> Result<(), String> {
        self.map(drop).map_err(|error| error.to_string())
    }
}

type Check<'a> = Box<dyn Fn(&Fleet) -> Result<(), String> + Sync + 'a>;

/// The faults of a fleet, before they have a scenario.
pub struct Faults<'a> {
    fleet: &'a Fleet,
}

/// A fault matrix: a fleet, a scenario, and what must be true after it.
#[must_use = "`run` runs it"]
pub struct Matrix<'a> {
    fleet: &'a Fleet,
    name: String,
    scenario: Check<'a>,
    invariants: Vec<Check<'a>>,
    every: usize,
    pairs: usize,
    seed: u64,
}

impl Fleet {
    /// The fault matrix of this fleet, which every case begins with in a fork of its own. The fleet
    /// stays as it is.
    #[must_use]
    pub fn faults(&self) -> Faults<'_> {
        Faults { fleet: self }
    }
}

impl<'a> Faults<'a> {
    /// What happens while a fault fires. It runs once for each case, so it may only depend on its
    /// fleet.
    ///
    /// A fault may reject any of its calls: use `?`, and leave the rest undone, as a user would who
    /// got an error. Without a fault an `Err` is a problem. A panic always is one.
    pub fn scenario<E: Ending>(self, scenario: impl Fn(&Fleet) -> E + Sync + 'a) -> Matrix<'a> {
        let thread = thread::current();
        let name = thread.name().filter(|name| *name != "main");
        Matrix {
            fleet: self.fleet,
            name: name.unwrap_or(UNNAMED).to_string(),
            scenario: Box::new(move |fleet| scenario(fleet).ending()),
            invariants: Vec::new(),
            every: 1,
            pairs: 0,
            seed: 1,
        }
    }
}

impl<'a> Matrix<'a> {
    /// What must be true after every case, once the fleet is quiet and no fault is left. It may
    /// call the fleet. A panic or an `Err` is a problem.
    pub fn invariant<E: Ending>(mut self, invariant: impl Fn(&Fleet) -> E + Sync + 'a) -> Self {
        self.invariants
            .push(Box::new(move |fleet| invariant(fleet).ending()));
        self
    }

    /// The name of the scenario in the lines that repeat a case; by default that of the test.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_string();
        self
    }

    /// Tries one in so many faults, evenly spread: a share for every day.
    pub fn every(mut self, faults: usize) -> Self {
        self.every = faults.max(1);
        self
    }

    /// Tries so many random pairs of faults besides. One that fails is told with the faults that
    /// its problem needs.
    pub fn pairs(mut self, pairs: usize) -> Self {
        self.pairs = pairs;
        self
    }

    /// The seed of the random pairs; 1 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs the matrix, or the one case that `CANIC_FAULT` names. On a server, which has no faults,
    /// nothing runs, and the report says so.
    ///
    /// # Panics
    /// After violations, which are printed with the lines that repeat them; if the scenario awaits
    /// nothing; if `CANIC_FAULT` is no case.
    pub fn run(self) -> Report {
        let report = self.report();
        print!("{report}");
        assert!(
            report.violations.is_empty(),
            "{} of the scenario `{}`: see above for the lines that repeat them; the first: {}",
            report::count(report.violations.len(), "violation"),
            self.name,
            report.violations[0].problems.join("; ")
        );
        report
    }

    /// Runs the matrix, or the one case that `CANIC_FAULT` names, and answers what it found.
    ///
    /// # Panics
    /// If the scenario awaits nothing; if `CANIC_FAULT` is no case.
    #[must_use]
    pub fn report(&self) -> Report {
        if !self.fleet.is_in_process() {
            return Report::skipped("faults need the replica in the test's process");
        }
        match env::var(FAULT) {
            Ok(line) if !line.is_empty() => self.repeat(&line),
            _ => self.all(),
        }
    }

    fn all(&self) -> Report {
        let mut report = Report::default();
        let without = self.run_case(&[]);
        report.awaits = matrix::awaits(&without.sites);
        if !without.problems.is_empty() {
            report
                .violations
                .push(self.violation(&[], without.problems));
            return report;
        }
        assert!(
            report.awaits > 0,
            "the scenario `{}` makes no canister call another: there is nothing to fail",
            self.name
        );
        report.faults = matrix::faults();
        let singles = matrix::singles(&without.sites);
        let mut cases: Vec<Vec<Failure>> = singles.into_iter().step_by(self.every).collect();
        report.singles = cases.len();
        cases.extend(self.draw_pairs(&without.sites));
        report.pairs = cases.len() - report.singles;
        let runs = in_parallel(&cases, |case| {
            let run = self.run_case(case);
            (run.fired, self.shrunk(case, run.problems))
        });
        for (fired, violation) in runs {
            report.fired += usize::from(fired);
            // A pair may shrink to a single fault that is known.
            let violation = violation.filter(|one| !report.violations.contains(one));
            report.violations.extend(violation);
        }
        report
    }

    /// The violation of a case that has problems, with the fewest of its failures.
    fn shrunk(&self, failures: &[Failure], problems: Vec<String>) -> Option<Violation> {
        if problems.is_empty() {
            return None;
        }
        let fewest = match failures {
            [_] => None,
            pair => shrink::failures(pair, |failures| self.run_case(failures).problems),
        };
        let (failures, problems) = fewest.unwrap_or_else(|| (failures.to_vec(), problems));
        Some(self.violation(&failures, problems))
    }

    fn draw_pairs(&self, sites: &[Site]) -> Vec<Vec<Failure>> {
        let groups: Vec<u64> = (0..self.pairs.div_ceil(PAIRS_OF_A_GROUP) as u64).collect();
        let drawn = in_parallel(&groups, |group| {
            let seed = self.seed.wrapping_mul(1 << 32).wrapping_add(*group);
            let mut rng = Rng::with_seed(seed);
            self.in_scene(|scene| {
                let start = self.fleet.fork();
                matrix::pairs(&start, scene, sites, PAIRS_OF_A_GROUP, &mut rng)
            })
        });
        let mut drawn = drawn.concat();
        drawn.truncate(self.pairs);
        drawn
    }

    /// Runs the case of a line, and prints what happened.
    fn repeat(&self, line: &str) -> Report {
        let case: Case = line.parse().unwrap_or_else(|why| panic!("{FAULT}: {why}"));
        if case.scenario != self.name && self.name != UNNAMED {
            let why = format!("{FAULT} names a case of the scenario `{}`", case.scenario);
            return Report::skipped(&why);
        }
        let from = self.fleet.harness().events();
        let story = std::sync::Mutex::new(String::new());
        let run = self.in_scene(|scene| {
            let audit = |fleet: &mut Fleet, nothing_failed| {
                let told = report::legend(fleet.root(), &fleet.members())
                    + &report::story(Subject::replica(fleet), from);
                *story.lock().expect("no thread panics with it") = told;
                (scene.audit)(fleet, nothing_failed)
            };
            let scene = Scene {
                act: scene.act,
                audit: &audit,
            };
            matrix::run(self.fleet, &scene, &case.failures)
        });
        println!("{case}\n{}", story.into_inner().unwrap_or_default());
        println!("all faults fired: {}", run.fired);
        let mut report = Report {
            awaits: matrix::awaits(&run.sites),
            faults: matrix::faults(),
            fired: usize::from(run.fired),
            ..Report::default()
        };
        match case.failures.len() {
            2.. => report.pairs = 1,
            _ => report.singles = 1,
        }
        if !run.problems.is_empty() {
            let violation = self.violation(&case.failures, run.problems);
            report.violations.push(violation);
        }
        report
    }

    fn run_case(&self, failures: &[Failure]) -> matrix::Run {
        self.in_scene(|scene| matrix::run(self.fleet, scene, failures))
    }

    fn in_scene<R>(&self, work: impl FnOnce(&Scene<'_, Fleet>) -> R) -> R {
        let act = |fleet: &mut Fleet| (self.scenario)(fleet);
        let audit = |fleet: &mut Fleet, _: bool| self.check(fleet);
        work(&Scene {
            act: &act,
            audit: &audit,
        })
    }

    /// All problems of a fleet that is quiet.
    fn check(&self, fleet: &Fleet) -> Vec<String> {
        let mut problems = recover(fleet);
        // The invariants call the fleet: its audit comes first, and once more after them.
        problems.extend(audit_quiet(&mut fleet.harness()).violations);
        for invariant in &self.invariants {
            problems.extend(catch_panic(|| match invariant(fleet) {
                Ok(()) => Vec::new(),
                Err(why) => vec![why],
            }));
        }
        problems.extend(audit_quiet(&mut fleet.harness()).violations);
        problems.sort();
        problems.dedup();
        problems
    }

    fn violation(&self, failures: &[Failure], problems: Vec<String>) -> Violation {
        let case = Case {
            scenario: self.name.clone(),
            failures: failures.to_vec(),
        };
        Violation { case, problems }
    }
}

/// Ends what the faults and acts left: disarms faults, starts the canisters that an act stopped,
/// and waits until the fleet is quiet. A canister that root stopped and did not start is a problem.
fn recover(fleet: &Fleet) -> Vec<String> {
    let mut harness = fleet.harness();
    harness.disarm();
    let mut problems = Vec::new();
    for member in harness.members() {
        let canister = member.canister;
        if harness.stopped.contains(&canister) {
            continue;
        }
        if let Some(why) = harness.not_running(canister) {
            problems.push(why);
        }
    }
    if !harness.stopped.is_empty() {
        harness.all_members("start_canister");
    }
    problems.extend(harness.settle().err());
    problems
}

impl Subject for Fleet {
    fn fork(&self) -> Self {
        Fleet::fork(self)
    }

    fn replica(&mut self) -> &mut Replica {
        let network = &mut self.harness_mut().replica;
        network.replica_mut().expect("cases run in the process")
    }

    fn arm(&mut self, failures: &[Failure]) {
        self.harness_mut().arm(failures);
    }

    fn settle(&mut self) -> Result<(), String> {
        self.harness_mut().settle()
    }

    fn is_await(event: &Event) -> bool {
        // The network's own canisters have nobody who would repair what a trap leaves there.
        !matrix::is_answer_to_the_network(event)
    }
}
