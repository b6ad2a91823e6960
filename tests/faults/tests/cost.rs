//! The cost of a fleet, compared with one written by hand. `cargo xtask bench` measures the same
//! with many more members.

use canic::api::Source;
use canic_fault_tests::{
    World,
    measure::{self, Cost, rollouts},
};
use canic_fleet_tests::artifacts;

const FEW: usize = 20;
const MANY: usize = 300;
const SAMPLES: usize = 5;

/// The most that many members may add to the instructions of one provision, as a ratio.
const GROWTH: f64 = 1.3;

/// The most that canic may cost, as a ratio to the code written by hand: instructions and fees of a
/// root that only creates and installs, and cycles that a worker burns in a day.
const TO_BY_HAND: f64 = 2.5;

/// Root's instructions of a member's upgrade.
const UPGRADE: f64 = 1_500_000.0;

/// Root's instructions for the records of a member and of the operation that made it, when root is
/// upgraded.
const READ: u64 = 26_000;

/// Bytes by which a rollout may make root's heap grow.
const HEAP: u64 = 1_000_000;

/// Bytes of an idle worker, its module included.
const IDLE_MEMORY: u64 = 2_500_000;

/// A fleet with few members, and the same one with many.
fn few_and_many() -> [World; 2] {
    let mut few = measure::managed();
    measure::grow(&mut few, 0, FEW);
    let mut many = few.clone();
    measure::grow(&mut many, FEW, MANY);
    [few, many]
}

fn by_hand() -> World {
    let mut world = measure::by_hand();
    measure::grow_by_hand(&mut world, 0, FEW, |_| ());
    measure::approve_by_hand(&mut world, &artifacts::module("baseline-worker"));
    world
}

fn assert_costs(what: &str, [few, many]: &[Cost; 2], by_hand: &Cost) {
    let ratio = |cost: &Cost, other: &Cost| cost.instructions as f64 / other.instructions as f64;
    let (growth, to_by_hand) = (ratio(many, few), ratio(many, by_hand));
    let fees = many.fees as f64 / by_hand.fees as f64;
    println!(
        "{what}: {} instructions of root, {growth:.3} times that with {FEW} members, \
         {to_by_hand:.3} times that by hand; fees {fees:.3} times",
        many.instructions
    );
    assert!(
        fees <= TO_BY_HAND,
        "{what}: {many:#?}, by hand {by_hand:#?}"
    );
    assert!(growth <= GROWTH, "{what}: {few:#?} became {many:#?}");
    assert!(
        to_by_hand <= TO_BY_HAND,
        "{what}: {many:#?}, by hand {by_hand:#?}"
    );
}

#[test]
fn a_fresh_canister_takes_two_calls_however_many_members_there_are() {
    let mut next = [FEW, MANY].into_iter();
    let costs = few_and_many().map(|mut world| {
        let first = next.next().expect("two worlds");
        measure::provision(&mut world, first, SAMPLES, Source::Fresh)
    });
    for cost in &costs {
        assert_eq!(cost.management_calls, 2, "{cost:#?}");
        assert_eq!(cost.messages, 9, "{cost:#?}");
    }
    let by_hand = measure::provision_by_hand(&mut by_hand(), SAMPLES);
    assert_eq!(by_hand.management_calls, 2);
    assert_costs("fresh", &costs, &by_hand);
}

#[test]
fn a_pool_hit_takes_one_call_however_many_members_there_are() {
    let mut next = [FEW, MANY].into_iter();
    let costs = few_and_many().map(|mut world| {
        let first = next.next().expect("two worlds");
        world.upgrade_root_to("bench-pool-root");
        world.rest().expect("the fleet becomes idle");
        measure::stock(&mut world, 12);
        measure::provision(&mut world, first, SAMPLES, Source::Pool)
    });
    for cost in &costs {
        assert_eq!(cost.management_calls, 1, "{cost:#?}");
        assert_eq!(cost.messages, 5, "{cost:#?}");
    }
    let mut world = by_hand();
    measure::stock_by_hand(&mut world, SAMPLES);
    let by_hand = measure::provision_by_hand(&mut world, SAMPLES);
    assert_eq!(by_hand.management_calls, 1);
    assert_costs("pool hit", &costs, &by_hand);
}

#[test]
fn an_idle_worker_costs_little_more_than_its_twin_written_by_hand() {
    let mut managed = measure::managed();
    measure::provision(&mut managed, 0, 1, Source::Fresh);
    let mut by_hand = by_hand();
    measure::provision_by_hand(&mut by_hand, 1);
    // Ids ascend: the last one is the worker.
    let [(memory, burned), (twins_memory, twin_burned)] = [managed, by_hand].map(|mut world| {
        let worker = *world.controlled().last().expect("a worker");
        let memory = measure::memory(&mut world, worker);
        (memory, measure::burned_in_a_day(&world, worker))
    });
    println!("{memory:?}, its twin's {twins_memory:?}");
    println!("a day burns {burned} cycles, its twin's {twin_burned}");
    assert!(memory.total <= IDLE_MEMORY, "{memory:?}");
    assert!(twin_burned > 0, "time passes");
    let ratio = burned as f64 / twin_burned as f64;
    assert!(
        ratio <= TO_BY_HAND,
        "{burned} cycles, its twin {twin_burned}"
    );
}

#[test]
fn a_batch_limits_the_calls_in_flight() {
    let mut world = measure::managed();
    let batch = measure::whole_batch(&mut world, 200);
    println!("{batch:?}");
    assert_eq!(batch.failed, 0);
    // Several at once: otherwise the limit is not tested.
    assert!((16..=50).contains(&batch.in_flight), "{batch:?}");
}

#[test]
fn a_members_upgrade_costs_the_same_however_many_members_there_are() {
    const CANARIES: usize = 10;
    let [few, many] = few_and_many().map(|mut world| {
        let some = world.controlled().into_iter().take(CANARIES).collect();
        rollouts::canaries(&mut world, some)
    });
    for cost in [&few, &many] {
        assert_eq!(cost.failed, 0, "{cost:#?}");
        assert_eq!(cost.calls_a_member(), 4.0, "{cost:#?}");
        assert!(cost.instructions_a_member() <= UPGRADE, "{cost:#?}");
    }
    let growth = many.instructions_a_member() / few.instructions_a_member();
    println!(
        "{} instructions of root, {growth:.3} times that with {FEW} members",
        many.instructions_a_member()
    );
    assert!(growth <= GROWTH, "{few:#?} became {many:#?}");
}

#[test]
fn a_rollout_stops_a_member_as_long_as_a_loop_written_by_hand() {
    const MEMBERS: usize = 60;
    let mut by_hand = measure::by_hand();
    measure::approve_by_hand(&mut by_hand, &artifacts::module("baseline-worker"));
    measure::grow_by_hand(&mut by_hand, 0, MEMBERS, |_| ());
    let by_hand = rollouts::by_hand(&mut by_hand, MEMBERS);
    let mut world = measure::managed();
    measure::grow(&mut world, 0, MEMBERS);
    let managed = rollouts::rollout(&mut world, MEMBERS, rollouts::PLAN);
    println!("by hand {by_hand:?}\nmanaged {managed:?}");
    assert_eq!((managed.failed, by_hand.failed), (0, 0));
    assert_eq!(managed.longest_stopped, by_hand.longest_stopped);
    assert!(managed.heap <= HEAP, "{managed:#?}");
}

#[test]
fn an_upgrade_of_root_reads_each_record_once() {
    let [few, many] = few_and_many();
    let [few, many] = [&few, &many].map(measure::upgrade);
    let each = (many - few) / (MANY - FEW) as u64;
    println!("an upgrade of root: {each} instructions a member");
    assert!(each <= READ, "{each} instructions a member");
}
