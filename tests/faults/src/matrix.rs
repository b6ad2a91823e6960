//! The matrix: every scenario, every await in it, everything that can go wrong there, one at a time and two at a time.

use crate::{
    audit::audit,
    case::{Blow, Case, Site},
    scenario::{self, SCENARIOS, Scenario},
    world::World,
};
use candid::Principal;
use canic_replica::{Direction, Effect, Fault, Kind};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Something that is not as it should be, and the case that shows it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The arguments with which `cargo xtask faults` repeats it.
    pub repeat: String,
    /// What is wrong.
    pub what: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cargo xtask faults {}", self.repeat)?;
        self.what
            .iter()
            .try_for_each(|what| writeln!(f, "    {what}"))
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Scenarios.
    pub scenarios: usize,
    /// Calls between canisters in all of them, when nothing fails.
    pub awaits: usize,
    /// Kinds of failures at each.
    pub faults: usize,
    /// Cases in which one thing went wrong.
    pub cases: usize,
    /// Cases in which two things went wrong.
    pub pairs: usize,
    /// Random histories.
    pub histories: usize,
    /// Cases and histories that showed something wrong.
    pub violations: usize,
}

/// A scenario, the world in which it begins, and its awaits.
pub struct Prepared {
    /// The scenario.
    pub scenario: Scenario,
    /// The world just before.
    pub world: World,
    /// The calls, and their answers, when nothing fails.
    pub sites: Vec<Site>,
}

impl Prepared {
    /// Prepares a scenario.
    ///
    /// # Errors
    /// What is wrong even if nothing fails.
    pub fn new(scenario: &Scenario) -> Result<Self, Violation> {
        let world = (scenario.world)();
        let case = Case {
            scenario: scenario.name.to_string(),
            blows: Vec::new(),
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

    /// All cases in which one thing goes wrong.
    #[must_use]
    pub fn singles(&self) -> Vec<Case> {
        let blows = self.sites.iter().flat_map(Site::blows);
        blows.map(|blow| self.case(vec![blow])).collect()
    }

    /// One in which two things go wrong: the second is drawn from what happens after the first.
    #[must_use]
    pub fn pair(&self, rng: &mut fastrand::Rng) -> Case {
        let first = draw(&self.sites, rng);
        let after = run(&self.world, &self.case(vec![first.clone()])).sites;
        let same = |blow: &Blow| Fault {
            effect: Effect::trap(),
            ..blow.fault.clone()
        };
        let second = loop {
            let second = draw(&after, rng);
            // Of two faults that meet one message, only one can strike.
            if same(&second) != same(&first) {
                break second;
            }
        };
        self.case(vec![first, second])
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

    fn case(&self, blows: Vec<Blow>) -> Case {
        Case {
            scenario: self.scenario.name.to_string(),
            blows,
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
    .map(|fault| Site(fault).blows().len())
    .iter()
    .sum()
}

fn draw(sites: &[Site], rng: &mut fastrand::Rng) -> Blow {
    let blows = sites[rng.usize(..sites.len())].blows();
    blows[rng.usize(..blows.len())].clone()
}

/// How a case ended.
pub struct Run {
    /// What is wrong.
    pub violation: Option<Violation>,
    /// Whether everything that should have gone wrong did.
    pub struck: bool,
    /// The calls between canisters, and their answers, up to when the fleet was quiet.
    pub sites: Vec<Site>,
}

/// Runs a case in a world in which its scenario may begin.
#[must_use]
pub fn run(world: &World, case: &Case) -> Run {
    let mut struck = false;
    let mut sites = Vec::new();
    let what = guarded(|| {
        let mut world = world.clone();
        let Some(scenario) = scenario::named(&case.scenario) else {
            return vec![format!("there is no scenario {:?}", case.scenario)];
        };
        let from = world.events();
        for blow in &case.blows {
            world.replica.inject(blow.fault.clone());
        }
        (scenario.act)(&mut world);
        let mut seen = 0;
        let settled = world.settle(|world| {
            while let Some(strike) = world.replica.fired_faults().get(seen) {
                seen += 1;
                let blow = case.blows.iter().find(|blow| blow.fault == strike.fault);
                if let Some(act) = blow.and_then(|blow| blow.act) {
                    act.perform(world);
                }
            }
        });
        struck = seen >= case.blows.len();
        sites = sites_of(&world, from);
        match settled {
            Ok(()) => audit(&mut world),
            Err(why) => vec![why],
        }
    });
    Run {
        violation: (!what.is_empty()).then(|| Violation {
            repeat: format!("--case '{case}'"),
            what,
        }),
        struck,
        sites,
    }
}

/// What is wrong; a panic is, too.
pub(crate) fn guarded(tried: impl FnOnce() -> Vec<String>) -> Vec<String> {
    catch_unwind(AssertUnwindSafe(tried)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
        vec![format!("panicked: {}", text.unwrap_or_default())]
    })
}

/// The calls between canisters, and their answers, from an event on.
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
/// What is wrong even if nothing fails.
pub fn prepare() -> Result<Vec<Prepared>, Vec<Violation>> {
    let (mut prepared, mut violations) = (Vec::new(), Vec::new());
    for result in in_parallel(SCENARIOS, Prepared::new) {
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

/// So many cases in which two things go wrong, drawn from a seed, in turn from each scenario.
#[must_use]
pub fn pairs(prepared: &[Prepared], count: usize, seed: u64) -> Vec<Case> {
    let numbers: Vec<usize> = (0..count).collect();
    in_parallel(&numbers, |number| {
        let mut rng = fastrand::Rng::with_seed(seed.wrapping_mul(1 << 32) + *number as u64);
        prepared[number % prepared.len()].pair(&mut rng)
    })
}

/// Runs cases, each in a copy of its scenario's world. Answers how many struck, and what is wrong.
#[must_use]
pub fn run_all(prepared: &[Prepared], cases: &[Case]) -> (usize, Vec<Violation>) {
    let runs = in_parallel(cases, |case| {
        let mut all = prepared.iter();
        let one = all.find(|one| one.scenario.name == case.scenario)?;
        Some(run(&one.world, case))
    });
    let struck = runs.iter().flatten().filter(|run| run.struck).count();
    let violations = runs.into_iter().flatten().filter_map(|run| run.violation);
    (struck, violations.collect())
}

/// Does something with each of them, on all cores. Answers in the same order.
///
/// # Panics
/// When the work does.
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
                        .expect("nobody panics with it")
                        .push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics with it");
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
