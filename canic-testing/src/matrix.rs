//! The engine of the fault matrix: it reads the awaits of a scenario off the trace of a run without
//! failures, lets each of them fail in every way, and audits the fleet after each case.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use candid::Principal;
use canic_replica::{Direction, Effect, Event, Fault, Kind, Replica};
use fastrand::Rng;

use crate::case::{Failure, Site};

/// A fleet on which cases run.
pub trait Subject: Sized {
    /// A copy that continues independently from the same state.
    #[must_use]
    fn fork(&self) -> Self;

    /// The replica.
    fn replica(&mut self) -> &mut Replica;

    /// Arms faults. The act of each is performed once its fault has fired.
    fn arm(&mut self, failures: &[Failure]);

    /// Lets time pass until the fleet is quiet.
    ///
    /// # Errors
    /// What is still open.
    fn settle(&mut self) -> Result<(), String>;

    /// Whether faults are tried at a call or an answer of the trace.
    fn is_await(event: &Event) -> bool;
}

/// A scenario: what happens, and what must be true afterwards.
pub struct Scene<'a, S> {
    /// What happens. The error is a problem if nothing failed.
    pub act: &'a (dyn Fn(&mut S) -> Result<(), String> + Sync),
    /// What is wrong once the fleet is quiet. `true`: nothing has failed.
    pub audit: &'a (dyn Fn(&mut S, bool) -> Vec<String> + Sync),
}

/// The outcome of a case.
pub struct Run {
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
    /// Whether all faults of the case fired.
    pub fired: bool,
    /// The calls between canisters and their answers, until the fleet was quiet.
    pub sites: Vec<Site>,
}

/// Runs a case in a copy of a fleet. A panic is a problem, too.
#[must_use]
pub fn run<S: Subject>(start: &S, scene: &Scene<'_, S>, failures: &[Failure]) -> Run {
    let mut fired = false;
    let mut sites = Vec::new();
    let problems = catch_panic(|| {
        let mut subject = start.fork();
        let played = play(&mut subject, scene, failures);
        (fired, sites) = (played.fired, played.sites);
        let nothing_failed = failures.is_empty() && subject.replica().fired_faults().is_empty();
        match (played.settled, played.acted) {
            (Err(why), _) => vec![why],
            (Ok(()), Err(why)) if nothing_failed => vec![why],
            (Ok(()), _) => (scene.audit)(&mut subject, nothing_failed),
        }
    });
    Run {
        problems,
        fired,
        sites,
    }
}

struct Played {
    acted: Result<(), String>,
    settled: Result<(), String>,
    fired: bool,
    sites: Vec<Site>,
}

/// Plays a scenario with failures on its way, and waits until the fleet is quiet.
fn play<S: Subject>(subject: &mut S, scene: &Scene<'_, S>, failures: &[Failure]) -> Played {
    let next = |replica: &Replica| replica.trace().last().map_or(0, |event| event.seq + 1);
    let from = next(subject.replica());
    let before = subject.replica().fired_faults().len();
    subject.arm(failures);
    let acted = (scene.act)(subject);
    let settled = subject.settle();
    let replica = subject.replica();
    Played {
        acted,
        settled,
        fired: replica.fired_faults().len() - before >= failures.len(),
        sites: sites_of::<S>(replica, from),
    }
}

/// Runs `check`, and returns its problems; a panic is a problem, too.
pub fn catch_panic(check: impl FnOnce() -> Vec<String>) -> Vec<String> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
        vec![format!("panicked: {}", text.unwrap_or_default())]
    })
}

/// The calls between canisters and their answers, from event `from` on.
fn sites_of<S: Subject>(replica: &Replica, from: u64) -> Vec<Site> {
    let mut passed: BTreeMap<(Direction, Principal, Principal, String), u64> = BTreeMap::new();
    let events = replica.trace().iter().filter(|event| event.seq >= from);
    let mut sites = Vec::new();
    for event in events.filter(|event| S::is_await(event)) {
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

/// Whether an event is the callback of one of the network's own canisters: a ledger, or the cycles
/// minting canister.
#[must_use]
pub fn is_answer_to_the_network(event: &Event) -> bool {
    let own = [
        // The cycles ledger, the ICP ledger, and the cycles minting canister.
        Principal::from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 2, 1, 1]),
        Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 1]),
        Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 4, 1, 1]),
    ];
    matches!(event.kind, Kind::Reply | Kind::Reject) && own.contains(&event.canister)
}

/// Canisters' ids have ten bytes, users' have 29 or one.
fn is_canister(id: Principal) -> bool {
    id.as_slice().len() == 10
}

// Cases

/// Every failure at every await, one at a time.
#[must_use]
pub fn singles(sites: &[Site]) -> Vec<Vec<Failure>> {
    let failures = sites.iter().flat_map(Site::failures);
    failures.map(|failure| vec![failure]).collect()
}

/// Random pairs of failures, of which the first is the same; the second is possible when the first
/// has happened.
#[must_use]
pub fn pairs<S: Subject>(
    start: &S,
    scene: &Scene<'_, S>,
    sites: &[Site],
    count: usize,
    rng: &mut Rng,
) -> Vec<Vec<Failure>> {
    let first = random_failure(sites, rng);
    let after = play(&mut start.fork(), scene, slice::from_ref(&first)).sites;
    (0..count).map(|_| pair(&first, &after, rng)).collect()
}

fn pair(first: &Failure, after: &[Site], rng: &mut Rng) -> Vec<Failure> {
    let same = |failure: &Failure| Fault {
        effect: Effect::trap(),
        ..failure.fault.clone()
    };
    // Of two faults armed for one message, only one can fire.
    let mut others = after.iter().filter(|site| site.0 != same(first));
    if others.next().is_none() {
        return vec![first.clone()];
    }
    loop {
        let second = random_failure(after, rng);
        if same(&second) != same(first) {
            return vec![first.clone(), second];
        }
    }
}

fn random_failure(sites: &[Site], rng: &mut Rng) -> Failure {
    let failures = sites[rng.usize(..sites.len())].failures();
    failures[rng.usize(..failures.len())].clone()
}

/// Calls between canisters, of which each has an answer.
#[must_use]
pub fn awaits(sites: &[Site]) -> usize {
    let is_answer = |site: &&Site| site.0.direction == Direction::Answer;
    sites.iter().filter(is_answer).count()
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
