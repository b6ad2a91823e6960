//! `docs/costs.md` has the figures that follow from the platform's prices, and a fleet pays them.

use std::fs;

use candid::Principal;
use canic_fleet_tests::{
    Fleet, artifacts,
    costs::{self, creation, rest_per_day},
    fleet::notebook,
    user,
};
use pocket_ic::PocketIcBuilder;

#[test]
fn the_page_has_the_computed_tables() {
    let page = artifacts::workspace().join("docs/costs.md");
    let page = fs::read_to_string(page).expect("the page can be read");
    for table in costs::tables() {
        assert!(page.contains(&table), "docs/costs.md lacks:\n\n{table}");
    }
}

/// Cycles that a canister burns a day at rest, and its memory in bytes.
fn status(pic: &pocket_ic::PocketIc, canister: Principal, of: Principal) -> (u128, u128) {
    let status = pic.canister_status(canister, Some(of)).expect("a status");
    let [burned, memory] = [status.idle_cycles_burned_per_day, status.memory_size]
        .map(|nat| nat.0.try_into().expect("it fits"));
    (burned, memory)
}

#[test]
fn canisters_on_13_and_34_nodes_burn_what_the_page_says() {
    let pic = PocketIcBuilder::new()
        .with_application_subnet()
        .with_fiduciary_subnet()
        .with_server_binary(artifacts::server())
        .build();
    let topology = pic.topology();
    let subnets = [
        (topology.get_app_subnets()[0], 13),
        (topology.get_fiduciary().expect("a fiduciary subnet"), 34),
    ];
    let owner = user(1);
    for (subnet, nodes) in subnets {
        let canister = pic.create_canister_on_subnet(Some(owner), None, subnet);
        pic.add_cycles(canister, 1_000_000_000_000_000);
        let nothing = candid::encode_args(()).expect("no argument");
        let module = artifacts::module("fixture-doors");
        pic.install_canister(canister, module, nothing, Some(owner));
        let (burned, memory) = status(&pic, canister, owner);
        let expected = rest_per_day(memory, nodes);
        // The platform rounds each part for itself.
        let off = burned.abs_diff(expected);
        assert!(
            off * 1_000_000 < expected,
            "{burned}, not {expected}, on {nodes} nodes"
        );
    }
}

#[test]
fn a_member_at_work_pays_what_the_page_says() {
    let fleet = Fleet::of_notebooks();
    let before = fleet.pic.cycle_balance(fleet.root);
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    // The member has 2 T, and the pool gets a new canister in place of the one that was taken.
    let paid = before - fleet.pic.cycle_balance(fleet.root);
    let new = creation(13) + 2_000_000_000_000;
    assert!((new..new + new / 50).contains(&paid), "{paid}, not {new}");

    let Some(observer) = &fleet.observer else {
        return println!("skipped: this server does not tell instructions");
    };
    let (from, before) = (observer.now(), fleet.pic.cycle_balance(member));
    let put: Result<Result<(), String>, _> = fleet.update(member, user(1), "put", ("a", "note"));
    put.expect("it answers").expect("the owner may write");
    let paid = before - fleet.pic.cycle_balance(member);
    let instructions = observer.instructions(member, "put", from);
    let [instructions] = instructions[..] else {
        panic!("{instructions:?}");
    };
    // What is left are the bytes of the message.
    let without_bytes = costs::update(0, instructions.into(), 13);
    let bytes = (paid - without_bytes) / 2_000;
    assert!(
        (100..300).contains(&bytes),
        "{bytes} bytes for {paid} cycles"
    );
}
