//! The matrix: every failure at every await of every scenario, alone and in pairs.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use candid::Principal;
use canic::api::OperationsFilter;
use canic_replica::{Direction, Effect, Fault, Kind};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    audit::audit,
    case::{Case, Failure, Site},
    scenario::{self, Scenario},
    world::World,
};

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
        match run.violation {
            Some(violation) => Err(violation),
            None => Ok(prepared),
        }
    }

    /// All cases with one failure.
    #[must_use]
    pub fn singles(&self) -> Vec<Case> {
        let failures = self.sites.iter().flat_map(Site::failures);
        failures.map(|failure| self.case(vec![failure])).collect()
    }

    /// Random cases with two failures, of which the first is the same; the second is possible when
    /// the first has happened.
    #[must_use]
    pub fn pairs(&self, count: usize, rng: &mut Rng) -> Vec<Case> {
        let first = random_failure(&self.sites, rng);
        let (_, _, after) = play(
            &mut self.world.clone(),
            &self.scenario,
            slice::from_ref(&first),
        );
        (0..count).map(|_| self.pair(&first, &after, rng)).collect()
    }

    fn pair(&self, first: &Failure, after: &[Site], rng: &mut Rng) -> Case {
        let same = |failure: &Failure| Fault {
            effect: Effect::trap(),
            ..failure.fault.clone()
        };
        let second = loop {
            let second = random_failure(after, rng);
            // Of two faults armed for one message, only one can fire.
            if same(&second) != same(first) {
                break second;
            }
        };
        self.case(vec![first.clone(), second])
    }

    /// Calls between canisters, when nothing fails.
    #[must_use]
    pub fn awaits(&self) -> usize {
        let answers = self
            .sites
            .iter()
            .filter(|site| site.0.direction == Direction::Answer);
        answers.count()
    }

    fn case(&self, failures: Vec<Failure>) -> Case {
        Case {
            scenario: self.scenario.name.to_string(),
            failures,
        }
    }
}

/// Kinds of failures at each await.
#[must_use]
pub fn faults() -> usize {
    [
        Fault::on_call(Effect::trap()),
        Fault::on_answer(Effect::trap()),
    ]
    .map(|fault| Site(fault).failures().len())
    .iter()
    .sum()
}

fn random_failure(sites: &[Site], rng: &mut Rng) -> Failure {
    let failures = sites[rng.usize(..sites.len())].failures();
    failures[rng.usize(..failures.len())].clone()
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
    let mut fired = false;
    let mut sites = Vec::new();
    let problems = catch_panic(|| {
        let mut world = world.clone();
        let Some(scenario) = scenario::named(&case.scenario) else {
            return vec![format!("there is no scenario {:?}", case.scenario)];
        };
        let settled;
        (settled, fired, sites) = play(&mut world, scenario, &case.failures);
        match settled {
            Ok(()) if case.failures.is_empty() && world.replica.fired_faults().is_empty() => {
                let quarantined = world.operations(OperationsFilter::Quarantined);
                let nothing_failed = quarantined
                    .into_iter()
                    .map(|op| format!("nothing failed, and this is quarantined: {op:?}"));
                nothing_failed.chain(audit(&mut world)).collect()
            }
            Ok(()) => audit(&mut world),
            Err(why) => vec![why],
        }
    });
    Run {
        violation: (!problems.is_empty()).then(|| Violation {
            repeat: format!("--case '{case}'"),
            problems,
        }),
        fired,
        sites,
    }
}

/// Requests the operation of a scenario with failures on its way, and waits until the fleet is
/// quiet. Returns whether it is, whether all failures happened, and the messages until then.
fn play(
    world: &mut World,
    scenario: &Scenario,
    failures: &[Failure],
) -> (Result<(), String>, bool, Vec<Site>) {
    let from = world.events();
    for failure in failures {
        world.replica.inject(failure.fault.clone());
    }
    (scenario.act)(world);
    let mut seen = 0;
    let settled = world.settle(|world| {
        while let Some(fired_fault) = world.replica.fired_faults().get(seen) {
            seen += 1;
            let mut failures = failures.iter();
            let failure = failures.find(|failure| failure.fault == fired_fault.fault);
            if let Some(act) = failure.and_then(|failure| failure.act) {
                act.perform(world);
            }
        }
    });
    (settled, seen >= failures.len(), sites_of(world, from))
}

/// Runs `check`, and returns its problems; a panic is a problem, too.
pub(crate) fn catch_panic(check: impl FnOnce() -> Vec<String>) -> Vec<String> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
        vec![format!("panicked: {}", text.unwrap_or_default())]
    })
}

/// The calls between canisters and their answers, from event `from` on.
fn sites_of(world: &World, from: u64) -> Vec<Site> {
    let mut passed: BTreeMap<(Direction, Principal, Principal, String), u64> = BTreeMap::new();
    let events = world
        .replica
        .trace()
        .iter()
        .filter(|event| event.seq >= from);
    let mut sites = Vec::new();
    for event in events {
        let (direction, caller, callee) = match event.kind {
            Kind::Update | Kind::Management | Kind::Call if is_canister(event.caller) => {
                (Direction::Call, event.caller, event.canister)
            }
            Kind::Reply | Kind::Reject => (Direction::Answer, event.canister, event.caller),
            _ => continue,
        };
        let method = event.method.clone();
        let count = passed
            .entry((direction, caller, callee, method.clone()))
            .or_default();
        sites.push(Site(Fault {
            direction,
            caller: Some(caller),
            callee: Some(callee),
            method: Some(method),
            skip: *count,
            times: 1,
            effect: Effect::trap(),
        }));
        *count += 1;
    }
    sites
}

/// Canisters' ids have ten bytes, users' have 29 or one.
fn is_canister(id: Principal) -> bool {
    id.as_slice().len() == 10
}

/// Prepares all scenarios.
///
/// # Errors
/// Violations without any failure.
pub fn prepare() -> Result<Vec<Prepared>, Vec<Violation>> {
    let (mut prepared, mut violations) = (Vec::new(), Vec::new());
    let all: Vec<&Scenario> = scenario::all().collect();
    for result in in_parallel(&all, |scenario| Prepared::new(scenario)) {
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

/// Calls `work` for each item, on all cores. The results are in the order of the items.
///
/// # Panics
/// When `work` panics.
pub fn in_parallel<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = all.get(number) else { break };
                    let result = work(one);
                    done.lock()
                        .expect("no thread panics while it holds the lock")
                        .push((number, result));
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .expect("no thread panics while it holds the lock");
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
