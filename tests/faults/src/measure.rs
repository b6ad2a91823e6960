//! The cost of a request: messages, instructions, and fees.
//!
//! Two fleets are measured in the same way: one of a managed root, and one of a root written by
//! hand. The latter grows with an empty module, so that a hundred thousand members fit into memory.
//! The worker's real module is approved after that. The former has a thousand real workers, or
//! as many as is asked for, and the others are records.

pub mod rollouts;

use std::{collections::BTreeMap, ops::Range};

use candid::{
    CandidType, Decode, Encode, Nat, Principal,
    utils::{ArgumentEncoder, encode_args},
};
use canic::api::{
    BatchError, ImportAs, ImportError, ImportRequest, Imported, OperationId, Progress,
    ProvisionError, ProvisionRequest, Provisioned, Source,
};
use canic_fleet_tests::{
    fleet::{CHUNK, notebook, sha256},
    user,
};
use canic_replica::{Event, Kind};
use ic_management_canister_types::{CanisterIdRecord, CanisterStatusResult, ChunkHash};
use serde::Serialize;

use crate::{
    seed::seed,
    world::{Answer, SECOND, T, World, controller},
};

/// The smallest module.
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Cycles for any number of members.
const FUNDS: u128 = 10_000_000 * T;

/// Cycles of a canister that is imported into the pool: as many as a worker starts with.
const POOL_CYCLES: u128 = 2 * T;

/// The cost of one request, until the fleet is idle again.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Root's calls to the management canister.
    pub management_calls: usize,
    /// Messages that any canister executed: calls, callbacks and timers.
    pub messages: usize,
    /// Rounds until the answer.
    pub rounds: u64,
    /// Instructions of root.
    pub instructions: u64,
    /// Instructions of other canisters, except their hooks.
    pub elsewhere: u64,
    /// Cycles that root paid in fees, without those for its memory and those sent to new canisters.
    pub fees: u128,
    /// Root's instructions by kind and method, in the order of their first messages.
    pub steps: Vec<Step>,
}

/// Messages of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The kind.
    pub kind: Kind,
    /// The method; for a callback, the method of the call.
    pub method: String,
    /// Their number.
    pub messages: usize,
    /// Their instructions.
    pub instructions: u64,
}

/// Calls a method of root, and waits until the fleet is idle. The world must be idle before.
///
/// # Panics
/// When the call is not answered, or the world is not idle.
pub fn cost(world: &mut World, method: &str, args: impl ArgumentEncoder) -> (Answer, Cost) {
    let root = world.root;
    let balance = |world: &World| world.replica.cycles(root).expect("root exists");
    let mut otherwise = world.clone();
    let (from, before) = (world.events(), balance(world));
    let payload = encode_args(args).expect("the argument can be encoded");
    let message = world.submit(controller(), root, method, payload);
    let message = message.expect("the call is accepted");
    let mut rounds = 0;
    let answer = loop {
        if let Some(answer) = world.answer(&message) {
            break answer;
        }
        assert!(rounds < 1_000, "{method} is not answered");
        world.replica.tick();
        rounds += 1;
    };
    world.rest().expect("the fleet becomes idle");
    // Root pays for its memory every ten seconds, with the request and without it: `otherwise` is
    // the world without it.
    world.pass(60 * SECOND);
    world.replica.tick();
    let passed = world.replica.time() - otherwise.replica.time();
    otherwise.pass(passed);
    otherwise.replica.tick();
    let otherwise_ran = otherwise.replica.trace().iter().filter(|e| e.seq >= from);
    let otherwise_ran: Vec<&Event> = otherwise_ran.collect();
    assert!(
        otherwise_ran.is_empty(),
        "the world is not idle: {otherwise_ran:#?}"
    );

    let events = world.replica.trace().iter().filter(|e| e.seq >= from);
    let events: Vec<&Event> = events.collect();
    assert_eq!(events[0].seq, from, "the trace is long enough");
    let managed = |e: &&&Event| e.kind == Kind::Management && e.caller == root;
    let sent: u128 = events.iter().filter(managed).map(|e| e.cycles).sum();
    let steps = steps(&events, root);
    let cost = Cost {
        management_calls: events.iter().filter(managed).count(),
        messages: events.iter().filter(|e| is_message(e)).count(),
        rounds,
        elsewhere: {
            let others = events
                .iter()
                .filter(|e| e.canister != root && is_message(e));
            others.map(|e| e.instructions).sum()
        },
        instructions: steps.iter().map(|step| step.instructions).sum(),
        fees: balance(&otherwise) - balance(world) - sent,
        steps,
    };
    assert!(before >= balance(world), "root gains no cycles");
    (answer, cost)
}

/// Whether an event is a message. Hooks run within the calls that install, start and stop.
fn is_message(event: &Event) -> bool {
    !matches!(event.kind, Kind::Query | Kind::Lifecycle)
}

/// A canister's messages, by kind and method.
fn steps(events: &[&Event], canister: Principal) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let own = |e: &&&Event| e.canister == canister && is_message(e);
    events.iter().filter(own).for_each(|e| add(&mut steps, e));
    steps
}

/// Adds a message to those of its kind and method.
fn add(steps: &mut Vec<Step>, event: &Event) {
    let known = |step: &&mut Step| step.kind == event.kind && step.method == event.method;
    match steps.iter_mut().find(known) {
        Some(step) => {
            step.messages += 1;
            step.instructions += event.instructions;
        }
        None => steps.push(Step {
            kind: event.kind,
            method: event.method.clone(),
            messages: 1,
            instructions: event.instructions,
        }),
    }
}

/// The median by instructions: now and then a call splits a node of a table, and costs more.
///
/// # Panics
/// When `costs` is empty.
#[must_use]
pub fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by_key(|cost| cost.instructions);
    let middle = costs.len() / 2;
    costs.swap_remove(middle)
}

/// The memory that a canister pays for, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// The whole, with history and log.
    pub total: u64,
    /// The heap.
    pub heap: u64,
    /// Stable memory.
    pub stable: u64,
    /// Module and custom sections.
    pub module: u64,
    /// The chunk store.
    pub chunks: u64,
}

/// The memory of a canister, as the platform answers its controller.
///
/// # Panics
/// When the canister does not exist.
pub fn memory(world: &mut World, canister: Principal) -> Memory {
    let controllers = world.replica.controllers(canister);
    let controller = controllers.expect("the canister exists")[0];
    let args = CanisterIdRecord {
        canister_id: canister,
    };
    let status = world.manage(controller, "canister_status", canister, &args);
    let status = status.expect("a controller may ask");
    let status = Decode!(&status, CanisterStatusResult).expect("the platform's type");
    let bytes = |nat: Nat| -> u64 { nat.0.try_into().expect("fewer than 2^64 bytes") };
    let parts = status.memory_metrics;
    Memory {
        total: bytes(status.memory_size),
        heap: bytes(parts.wasm_memory_size),
        stable: bytes(parts.stable_memory_size),
        module: bytes(parts.wasm_binary_size) + bytes(parts.custom_sections_size),
        chunks: bytes(parts.wasm_chunk_store_size),
    }
}

/// The cycles that a canister burns in a day without calls.
///
/// # Panics
/// When the canister does not exist.
#[must_use]
pub fn burned_in_a_day(world: &World, canister: Principal) -> u128 {
    let mut world = world.clone();
    let balance = |world: &World| world.replica.cycles(canister).expect("the canister exists");
    // The canister pays its debts of earlier time first.
    let minute = |world: &mut World| {
        world.pass(60 * SECOND);
        world.replica.tick();
    };
    minute(&mut world);
    let before = balance(&world);
    (0..24 * 60).for_each(|_| minute(&mut world));
    before - balance(&world)
}

// The managed root

/// A request for the worker with this number.
#[must_use]
pub fn numbered(number: usize) -> ProvisionRequest {
    ProvisionRequest {
        key: Some(key(number)),
        ..notebook(user(1))
    }
}

/// Digits of a number in a key.
pub const DIGITS: usize = 6;

/// The key of a number. All keys have the same length.
#[must_use]
pub fn key(number: usize) -> String {
    format!("member {number:0DIGITS$}")
}

/// A fleet without members of a managed root.
#[must_use]
pub fn managed() -> World {
    let mut world = World::start("bench-root", FUNDS);
    world.approve("worker", "example-worker");
    world.rest().expect("the fleet becomes idle");
    world
}

/// Requests of one batch.
const MAX_BATCH: usize = 1_000;

/// Members that are provisioned; more members are only added to root's records.
const PROVISIONED: usize = 1_000;

/// Closed operations that root remembers (`canic-runtime/src/state/journal.rs`). A fleet with as
/// many provisioned members has all that root ever reads.
pub const REMEMBERED: usize = 10_000;

/// Grows the managed fleet from `from` to `to` members.
///
/// # Panics
/// When a member can't be provisioned.
pub fn grow(world: &mut World, from: usize, to: usize) {
    grow_partly(world, from, to, PROVISIONED);
}

/// [`grow`] in which only the first `provisioned` members are canisters.
///
/// # Panics
/// When a member can't be provisioned.
pub fn grow_partly(world: &mut World, from: usize, to: usize, provisioned: usize) {
    let made = to.min(provisioned);
    grow_workers(world, from, made);
    if to > made {
        seed(world, from.max(made)..to);
        world.rest().expect("the fleet becomes idle");
    }
}

/// Grows the managed fleet from `from` to `to` members, all of which are canisters.
///
/// # Panics
/// When a member can't be provisioned.
pub fn grow_workers(world: &mut World, from: usize, to: usize) {
    for first in (from..to).step_by(MAX_BATCH) {
        batch(world, first..to.min(first + MAX_BATCH));
        world.rest().expect("the fleet becomes idle");
    }
}

/// Submits a batch of workers.
///
/// # Panics
/// When root does not accept each of them.
pub fn batch(world: &mut World, numbers: Range<usize>) -> Vec<OperationId> {
    let requests: Vec<_> = numbers.map(numbered).collect();
    let accepted: Result<Vec<Result<OperationId, ProvisionError>>, BatchError> =
        world.ask(controller(), "canic_provision_batch", (requests,));
    let accepted: Result<Vec<_>, _> = accepted
        .expect("the batch is accepted")
        .into_iter()
        .collect();
    accepted.expect("every request is accepted")
}

/// Provisions `count` workers from number `first` on, one after the other. Returns the median cost.
///
/// # Panics
/// When a worker can't be provisioned, or has another source.
pub fn provision(world: &mut World, first: usize, count: usize, source: Source) -> Cost {
    let one = |number| {
        let (answer, cost) = cost(world, "canic_provision", (numbered(number),));
        let bytes = answer.expect("root answers");
        let made = Decode!(&bytes, Result<Provisioned, ProvisionError>).expect("root's type");
        assert_eq!(made.expect("a worker").source, source);
        cost
    };
    median((first..first + count).map(one).collect())
}

/// The cost of refilling the pool by one canister in the background.
#[derive(Clone, Debug, Serialize)]
pub struct Refill {
    /// Root's calls to the management canister.
    pub management_calls: usize,
    /// Messages that any canister executed.
    pub messages: usize,
    /// Instructions of root.
    pub instructions: u64,
    /// Cycles that root paid in fees.
    pub fees: u128,
}

/// Compares the last pool hit without a refill with the next hit, which starts one. The fleet has
/// no members.
///
/// # Panics
/// When the pool is refilled after the former, or not after the latter.
#[must_use]
pub fn refill(fleet: &World) -> Refill {
    const FULL: usize = 12;
    let mut world = fleet.clone();
    world.upgrade_root_to("bench-pool-root");
    world.rest().expect("the fleet becomes idle");
    stock(&mut world, FULL);
    // All hits within the same minutes: the pool forgets older demand.
    let after = |hits: usize| {
        let mut world = world.clone();
        for number in 1..=hits {
            let made: Result<Provisioned, ProvisionError> =
                world.ask(controller(), "canic_provision", (numbered(number),));
            made.expect("a worker");
        }
        world.rest().expect("the fleet becomes idle");
        provision(&mut world, FULL, 1, Source::Pool)
    };
    let (without, with) = (after(FULL / 2 - 1), after(FULL / 2));
    assert_eq!(without.management_calls, 1);
    let creations = with.management_calls - without.management_calls;
    assert!(creations > 0, "{with:#?}");
    Refill {
        management_calls: 1,
        messages: (with.messages - without.messages) / creations,
        instructions: (with.instructions - without.instructions) / creations as u64,
        fees: (with.fees - without.fees) / creations as u128,
    }
}

/// Fills the pool with `count` canisters, each with the cycles that a worker starts with.
///
/// # Panics
/// When root does not import one.
pub fn stock(world: &mut World, count: usize) {
    for _ in 0..count {
        let canister = empty_canister(world);
        let request = ImportRequest {
            canister,
            import_as: ImportAs::Pool,
        };
        let imported: Result<Imported, ImportError> =
            world.ask(controller(), "canic_import", (request,));
        imported.expect("root imports the canister");
    }
    world.rest().expect("the fleet becomes idle");
    assert_eq!(world.pool().len(), count);
}

/// A new empty canister that root alone controls.
fn empty_canister(world: &mut World) -> Principal {
    let canister = world.create(controller(), POOL_CYCLES);
    world.set_controllers(controller(), canister, vec![world.root]);
    canister
}

/// The cost of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct Batch {
    /// Workers that were asked for.
    pub workers: usize,
    /// Workers that were not provisioned.
    pub failed: usize,
    /// Rounds from the request to the last worker.
    pub rounds: u64,
    /// The most calls of root that waited for their answers at the same time.
    pub in_flight: usize,
    /// Root's memory at the end. Neither heap nor stable memory ever shrinks, so this is the peak.
    pub memory: Memory,
}

/// Provisions `workers` in one batch.
///
/// # Panics
/// When root does not accept the batch.
pub fn whole_batch(world: &mut World, workers: usize) -> Batch {
    let mut events: Vec<Event> = Vec::new();
    let mut next = world.events();
    let mut collect = |world: &mut World| {
        let new = world.replica.trace().iter().filter(|e| e.seq >= next);
        events.extend(new.cloned());
        next = world.events();
    };
    let operations = batch(world, 0..workers);
    collect(world);
    world.settle(&mut collect).expect("the fleet becomes idle");
    let progress: Result<Progress, BatchError> = world.query("canic_progress", (operations,));
    let done = progress.expect("a controller may ask").done as usize;
    let root = world.root;
    let answers = events
        .iter()
        .filter(|e| e.kind == Kind::Reply && e.method == "install_chunked_code");
    let last = answers.map(|e| e.round).max().expect("some were installed");
    Batch {
        workers,
        failed: workers - done,
        rounds: last - events[0].round + 1,
        in_flight: most_in_flight(&events, root),
        memory: memory(world, root),
    }
}

/// The most calls of a canister that are open at the end of a round. A call to the management
/// canister is executed one round after it is made; other calls on the subnet are executed in the
/// same round.
fn most_in_flight(events: &[Event], canister: Principal) -> usize {
    let mut change: BTreeMap<u64, isize> = BTreeMap::new();
    for event in events {
        let called = event.caller == canister;
        match event.kind {
            Kind::Management if called => *change.entry(event.round - 1).or_default() += 1,
            Kind::Update | Kind::Call if called => *change.entry(event.round).or_default() += 1,
            Kind::Reply | Kind::Reject if event.canister == canister => {
                *change.entry(event.round).or_default() -= 1;
            }
            _ => {}
        }
    }
    let open = change.values().scan(0, |open, change| {
        *open += change;
        Some(*open)
    });
    open.max().map_or(0, |most: isize| most.max(0) as usize)
}

/// Bytes of the tables of root's registry. A table grows by pages of 64 KiB.
///
/// # Panics
/// When root has no stable memory.
#[must_use]
pub fn registry_bytes(world: &World) -> u64 {
    /// The registry's memories: members, roles.
    const IDS: [u64; 2] = [202, 203];
    /// The offset at which the memory manager keeps the size of its first memory, in pages.
    const SIZES: u64 = 40;
    let stable = world.replica.stable_memory(world.root);
    let stable = stable.expect("root exists");
    let pages = |id: u64| {
        let at = (SIZES + 8 * id) as usize;
        u64::from_le_bytes(stable[at..at + 8].try_into().expect("8 bytes"))
    };
    IDS.into_iter().map(pages).sum::<u64>() * 65_536
}

/// Instructions of root when it is upgraded to its own module.
///
/// # Panics
/// When root can't be upgraded.
#[must_use]
pub fn upgrade(world: &World) -> u64 {
    let mut world = world.clone();
    let from = world.events();
    world.upgrade_root().expect("root can be upgraded");
    let root = world.root;
    let events = world.replica.trace().iter();
    let hooks = events
        .filter(|e| e.seq >= from && e.canister == root && e.kind == Kind::Lifecycle)
        .map(|e| e.instructions);
    hooks.sum()
}

/// The cost of announcing one change to one subscriber.
#[derive(Clone, Debug, Serialize)]
pub struct Announcement {
    /// Additional messages.
    pub messages: i64,
    /// Additional instructions of root.
    pub root: i64,
    /// Instructions of the subscriber.
    pub subscriber: i64,
}

/// Compares the provision of a worker with one watcher and without a watcher.
///
/// # Panics
/// When a member can't be provisioned.
#[must_use]
pub fn announcement(fleet: &World, members: usize) -> Announcement {
    const SAMPLES: usize = 5;
    let mut world = fleet.clone();
    world.upgrade_root_to("bench-watched-root");
    world.approve("watcher", "fixture-watcher");
    world.rest().expect("the fleet becomes idle");
    let without = provision(&mut world.clone(), members, SAMPLES, Source::Fresh);
    let watcher = ProvisionRequest {
        role: "watcher".to_string(),
        key: None,
        parent: None,
        arg: Encode!().expect("no argument"),
    };
    let made: Result<Provisioned, ProvisionError> =
        world.ask(controller(), "canic_provision", (watcher,));
    made.expect("a watcher");
    world.rest().expect("the fleet becomes idle");
    let with = provision(&mut world, members, SAMPLES, Source::Fresh);
    let more = |now: u64, before: u64| now as i64 - before as i64;
    Announcement {
        messages: more(with.messages as u64, without.messages as u64),
        root: more(with.instructions, without.instructions),
        subscriber: more(with.elsewhere, without.elsewhere),
    }
}

// The root written by hand

#[derive(CandidType)]
struct WorkerArgs {
    owner: Principal,
}

#[derive(CandidType)]
struct Module {
    hash: Vec<u8>,
    chunks: Vec<ChunkHash>,
}

/// A fleet without members of the root written by hand, whose workers have an empty module.
#[must_use]
pub fn by_hand() -> World {
    let mut world = World::start("baseline-root", FUNDS);
    approve_by_hand(&mut world, EMPTY_MODULE);
    world
}

/// Approves a module for the workers of the root written by hand.
///
/// # Panics
/// When root refuses it.
pub fn approve_by_hand(world: &mut World, wasm: &[u8]) {
    let mut chunks = Vec::new();
    for chunk in wasm.chunks(CHUNK) {
        let stored: Result<ChunkHash, String> = world.ask(controller(), "stage", (chunk.to_vec(),));
        chunks.push(stored.expect("the chunk is stored"));
    }
    let hash = sha256(wasm).to_vec();
    world.ask::<()>(controller(), "approve", (Module { hash, chunks },));
}

/// [`grow`] for the root written by hand. `tell` is called with the number of members reached.
///
/// # Panics
/// When a member can't be provisioned.
pub fn grow_by_hand(world: &mut World, from: usize, to: usize, mut tell: impl FnMut(usize)) {
    let payload = Encode!(&WorkerArgs { owner: user(1) }).expect("it can be encoded");
    let mut at = from;
    while at < to {
        let next = to.min(at + 100);
        let root = world.root;
        let submit = |_| world.submit(controller(), root, "provision", payload.clone());
        let messages: Result<Vec<_>, _> = (at..next).map(submit).collect();
        for message in messages.expect("the calls are accepted") {
            let answer = world.wait_for(&message).expect("root answers");
            let made = Decode!(&answer, Result<Principal, String>).expect("its type");
            made.expect("a worker");
        }
        at = next;
        tell(at);
    }
    world.rest().expect("the fleet becomes idle");
}

/// [`provision`] for the root written by hand.
///
/// # Panics
/// When a worker can't be provisioned.
pub fn provision_by_hand(world: &mut World, count: usize) -> Cost {
    let one = |_| {
        let args = WorkerArgs { owner: user(1) };
        let (answer, cost) = cost(world, "provision", (args,));
        let made = Decode!(&answer.expect("root answers"), Result<Principal, String>);
        made.expect("its type").expect("a worker");
        cost
    };
    median((0..count).map(one).collect())
}

/// Adds `count` empty canisters to the pool of the root written by hand.
pub fn stock_by_hand(world: &mut World, count: usize) {
    for _ in 0..count {
        let canister = empty_canister(world);
        world.ask::<()>(controller(), "keep", (canister,));
    }
}

#[cfg(test)]
mod tests {
    use canic_replica::Outcome;

    use super::*;

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const OTHER: Principal = Principal::from_slice(&[2, 1]);

    fn event(round: u64, kind: Kind, caller: Principal, canister: Principal) -> Event {
        Event {
            seq: 0,
            round,
            time: 0,
            kind,
            caller,
            canister,
            method: "method".to_string(),
            outcome: Outcome::Ok,
            cycles: 0,
            instructions: round,
        }
    }

    #[test]
    fn a_management_call_is_open_from_the_round_before_its_execution_to_its_reply() {
        let management = Principal::management_canister();
        let events = [
            event(5, Kind::Ingress, OTHER, ROOT),
            event(5, Kind::Update, ROOT, ROOT),
            event(6, Kind::Management, ROOT, management),
            event(6, Kind::Management, OTHER, management),
            event(7, Kind::Reply, management, ROOT),
            event(8, Kind::Management, ROOT, management),
            event(9, Kind::Reply, management, ROOT),
            event(9, Kind::Reply, ROOT, ROOT),
        ];
        // The call to itself, and within it two calls in turn: the second is made when the first is
        // answered.
        assert_eq!(most_in_flight(&events, ROOT), 2);
        assert_eq!(most_in_flight(&events[..1], ROOT), 0);
    }

    #[test]
    fn steps_sum_up_the_messages_of_one_canister() {
        let events = [
            event(1, Kind::Update, OTHER, ROOT),
            event(2, Kind::Update, ROOT, OTHER),
            event(3, Kind::Query, OTHER, ROOT),
            event(4, Kind::Reply, OTHER, ROOT),
            event(5, Kind::Update, OTHER, ROOT),
        ];
        let steps = steps(&events.iter().collect::<Vec<_>>(), ROOT);
        let found: Vec<_> = steps
            .iter()
            .map(|s| (s.kind, s.messages, s.instructions))
            .collect();
        assert_eq!(found, [(Kind::Update, 2, 6), (Kind::Reply, 1, 4)]);
    }
}
