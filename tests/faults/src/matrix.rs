//! The matrix: every failure at every await of every scenario, alone and in pairs.

use std::fmt;

use canic::api::OperationsFilter;
use canic_replica::{Event, Replica};
use canic_testing::matrix::{self, Scene, Subject};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    audit::audit,
    case::{Case, Failure, Site},
    scenario::{self, Scenario},
    world::World,
    writer,
};

pub use canic_testing::matrix::{catch_panic, faults, in_parallel};

/// The problems that a case or history showed, and how to repeat it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// The arguments with which `cargo xtask faults` repeats the case.
    pub repeat: String,
    /// The problems.
    pub problems: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cargo xtask faults {}", self.repeat)?;
        self.problems
            .iter()
            .try_for_each(|problem| writeln!(f, "    {problem}"))
    }
}

/// The size and the outcome of a run of the matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Scenarios.
    pub scenarios: usize,
    /// Calls between canisters in all scenarios, when nothing fails.
    pub awaits: usize,
    /// Kinds of failures at each await.
    pub faults: usize,
    /// Cases with one failure.
    pub cases: usize,
    /// Cases with two failures.
    pub pairs: usize,
    /// Random histories.
    pub histories: usize,
    /// Cases and histories with a violation.
    pub violations: usize,
}

/// A scenario, the world in which it begins, and its awaits.
pub struct Prepared {
    /// The scenario.
    pub scenario: Scenario,
    /// The world just before.
    pub world: World,
    /// The calls and their answers, when nothing fails.
    pub sites: Vec<Site>,
}

impl Prepared {
    /// Prepares a scenario.
    ///
    /// # Errors
    /// A violation without any failure.
    ///
    /// # Panics
    /// When the scenario has no call that can fail.
    pub fn new(scenario: &Scenario) -> Result<Self, Violation> {
        let world = (scenario.world)();
        let case = Case {
            scenario: scenario.name.to_string(),
            failures: Vec::new(),
        };
        let run = run(&world, &case);
        let prepared = Self {
            scenario: *scenario,
            world,
            sites: run.sites,
        };
        let name = scenario.name;
        assert!(
            !prepared.sites.is_empty(),
            "{name} calls nobody: nothing can fail"
        );
        match run.violation {
            Some(violation) => Err(violation),
            None => Ok(prepared),
        }
    }

    /// All cases with one failure.
    #[must_use]
    pub fn singles(&self) -> Vec<Case> {
        let singles = matrix::singles(&self.sites).into_iter();
        singles.map(|failures| self.case(failures)).collect()
    }

    /// Random cases with two failures, of which the first is the same; the second is possible when
    /// the first has happened.
    #[must_use]
    pub fn pairs(&self, count: usize, rng: &mut Rng) -> Vec<Case> {
        let pairs = in_scene(&self.scenario, |scene| {
            matrix::pairs(&self.world, scene, &self.sites, count, rng)
        });
        pairs.into_iter().map(|pair| self.case(pair)).collect()
    }

    /// Calls between canisters, when nothing fails.
    #[must_use]
    pub fn awaits(&self) -> usize {
        matrix::awaits(&self.sites)
    }

    fn case(&self, failures: Vec<Failure>) -> Case {
        Case {
            scenario: self.scenario.name.to_string(),
            failures,
        }
    }
}

/// The outcome of a case.
pub struct Run {
    /// The violation, if there is one.
    pub violation: Option<Violation>,
    /// Whether all faults of the case fired.
    pub fired: bool,
    /// The calls between canisters and their answers, until the fleet was quiet.
    pub sites: Vec<Site>,
}

/// Runs a case in a copy of a world that its scenario prepared.
#[must_use]
pub fn run(world: &World, case: &Case) -> Run {
    let run = match scenario::named(&case.scenario) {
        Some(scenario) => in_scene(scenario, |scene| matrix::run(world, scene, &case.failures)),
        None => matrix::Run {
            problems: vec![format!("there is no scenario {:?}", case.scenario)],
            fired: false,
            sites: Vec::new(),
        },
    };
    Run {
        violation: (!run.problems.is_empty()).then(|| Violation {
            repeat: format!("--case '{case}'"),
            problems: run.problems,
        }),
        fired: run.fired,
        sites: run.sites,
    }
}

/// Calls a function with what the engine of the matrix wants to know of a scenario.
fn in_scene<R>(scenario: &Scenario, work: impl FnOnce(&Scene<'_, World>) -> R) -> R {
    let act = |world: &mut World| {
        (scenario.act)(world);
        Ok(())
    };
    work(&Scene {
        act: &act,
        audit: &check,
    })
}

/// All violations of a world that is quiet.
fn check(world: &mut World, nothing_failed: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if nothing_failed {
        let quarantined = world.operations(OperationsFilter::Quarantined);
        let quarantined = quarantined.into_iter();
        problems.extend(
            quarantined.map(|op| format!("nothing failed, and this is quarantined: {op:?}")),
        );
        if let Some(expectation) = world.expectation {
            problems.extend(expectation(world));
        }
    }
    problems.extend(audit(world));
    problems
}

impl Subject for World {
    fn fork(&self) -> Self {
        self.clone()
    }

    fn replica(&mut self) -> &mut Replica {
        &mut self.replica
    }

    fn arm(&mut self, failures: &[Failure]) {
        (**self).arm(failures);
    }

    fn settle(&mut self) -> Result<(), String> {
        World::settle(self, |_| ())
    }

    fn is_await(event: &Event) -> bool {
        // The network's own canisters have nobody who would repair what a trap leaves there.
        event.method != writer::NOTE && !matrix::is_answer_to_the_network(event)
    }
}

/// Prepares all scenarios.
///
/// # Errors
/// Violations without any failure.
pub fn prepare() -> Result<Vec<Prepared>, Vec<Violation>> {
    prepare_named("")
}

/// Prepares the scenarios whose names begin with `prefix`.
///
/// # Errors
/// Violations without any failure.
pub fn prepare_named(prefix: &str) -> Result<Vec<Prepared>, Vec<Violation>> {
    let (mut prepared, mut violations) = (Vec::new(), Vec::new());
    let mut scenarios: Vec<&Scenario> = scenario::all().collect();
    scenarios.retain(|scenario| scenario.name.starts_with(prefix));
    for result in in_parallel(&scenarios, |scenario| Prepared::new(scenario)) {
        match result {
            Ok(one) => prepared.push(one),
            Err(violation) => violations.push(violation),
        }
    }
    if violations.is_empty() {
        Ok(prepared)
    } else {
        Err(violations)
    }
}

/// Pairs of failures that share the first one: to know which second failures are possible, the
/// scenario runs with the first.
pub const PAIRS_OF_A_GROUP: usize = 4;

/// A group of random cases with two failures, of the scenario whose turn it is.
#[must_use]
pub fn group_of_pairs(prepared: &[Prepared], group: u64, seed: u64) -> Vec<Case> {
    let mut rng = Rng::with_seed(seed.wrapping_mul(1 << 32).wrapping_add(group));
    prepared[group as usize % prepared.len()].pairs(PAIRS_OF_A_GROUP, &mut rng)
}

/// At least `count` random cases with two failures, in turn from each scenario.
#[must_use]
pub fn pairs(prepared: &[Prepared], count: usize, seed: u64) -> Vec<Case> {
    let groups: Vec<u64> = (0..count.div_ceil(PAIRS_OF_A_GROUP) as u64).collect();
    let all = in_parallel(&groups, |group| group_of_pairs(prepared, *group, seed));
    all.concat()
}

/// Runs cases, each in a copy of its scenario's world. Returns the number of cases whose faults all
/// fired, and the violations.
#[must_use]
pub fn run_all(prepared: &[Prepared], cases: &[Case]) -> (usize, Vec<Violation>) {
    let runs = in_parallel(cases, |case| {
        let mut all = prepared.iter();
        let one = all.find(|one| one.scenario.name == case.scenario)?;
        Some(run(&one.world, case))
    });
    let fired = runs.iter().flatten().filter(|run| run.fired).count();
    let violations = runs.into_iter().flatten().filter_map(|run| run.violation);
    (fired, violations.collect())
}
