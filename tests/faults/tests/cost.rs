//! What a provision costs does not depend on how many members there are.

use canic::api::{ProvisionError, ProvisionRequest, Provisioned};
use canic_fault_tests::{
    World,
    world::{T, controller},
};
use canic_fleet_tests::{fleet::notebook, user};
use canic_replica::Kind;

/// Provisions a member. Answers the instructions that root took for it, and its calls to the management canister.
fn provision(world: &mut World, number: usize) -> (u64, usize) {
    let from = world.events();
    let request = ProvisionRequest {
        key: Some(format!("member {number}")),
        ..notebook(user(1))
    };
    let answer: Result<Provisioned, ProvisionError> =
        world.ask(controller(), "canic_provision", (request,));
    answer.expect("a member");
    world.settle(|_| ()).expect("nothing fails");
    let root = world.root;
    let events = world.replica.trace().iter().filter(|e| e.seq >= from);
    let instructions = events
        .clone()
        .filter(|e| e.canister == root && e.kind != Kind::Query)
        .map(|e| e.instructions);
    let calls = events.filter(|e| e.kind == Kind::Management && e.caller == root);
    (instructions.sum(), calls.count())
}

#[test]
fn the_cost_of_a_provision_does_not_grow_with_the_fleet() {
    const FEW: usize = 20;
    const MANY: usize = 400;
    let mut world = World::start("fixture-hub-root", 1_000 * T);
    world.approve("worker", "example-worker");
    world.settle(|_| ()).expect("nothing fails");
    let costs: Vec<_> = (0..MANY).map(|n| provision(&mut world, n)).collect();
    assert!(costs.iter().all(|(_, calls)| *calls == 2), "two calls each");
    // The median of some: now and then a node of a table is split.
    let median = |costs: &[(u64, usize)]| {
        let mut all: Vec<u64> = costs
            .iter()
            .map(|(instructions, _)| *instructions)
            .collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    let (few, many) = (median(&costs[5..FEW]), median(&costs[MANY - FEW..]));
    println!("instructions of root for one provision: {few} with few members, {many} with {MANY}");
    assert!(many < few + few / 2, "{few} became {many}");
}
