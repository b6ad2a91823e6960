//! Refuels: root gets cycles for itself, and pays once for them, whatever fails.

use std::sync::OnceLock;

use candid::{Decode, Nat, Principal};
use canic::api::{
    Denied, FuelSource, FundingInfo, OperationKind, OperationState, OperationsFilter, RefuelRequest,
};
use canic_fleet_tests::ledgers::{
    self, CYCLES_FEE, CYCLES_LEDGER, ICP_FEE, ICP_LEDGER, RATE, icp_transfer, transfer,
};
use canic_replica::Ingress;

use crate::{
    scenario::rest,
    world::{T, World, controller},
};

/// Cycles that root's account at the cycles ledger has at first.
const CYCLES: u128 = 30 * T;

/// E8s that root's account at the ICP ledger has at first: ten ICP.
const E8S: u128 = 1_000_000_000;

/// Cycles of the refuel.
const WANTED: u128 = 10 * T;

/// A fleet whose root has something in both of its accounts, and enough cycles.
pub(crate) fn world() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(new_world).clone()
}

fn new_world() -> World {
    let mut world = World::start_with_ledgers("fixture-refuel-root", 60 * T);
    (world.capacity, world.reserve) = (4, T);
    world.approve("worker", "example-worker");
    let funding: Result<FundingInfo, Denied> = world.query("canic_funding", ());
    let icp = funding
        .expect("root's controller may ask")
        .root
        .accounts
        .icp;
    let to_root = transfer(world.root, CYCLES);
    pay(&mut world, CYCLES_LEDGER, "icrc1_transfer", to_root);
    pay(
        &mut world,
        ICP_LEDGER,
        "transfer",
        icp_transfer(&icp, E8S as u64),
    );
    rest(world)
}

fn pay(world: &mut World, ledger: Principal, method: &str, argument: Vec<u8>) {
    let paid = world.call(Principal::anonymous(), ledger, method, argument);
    paid.expect("the ledger answers");
}

/// Root's controller asks for cycles out of a source.
pub(crate) fn refuel(world: &mut World, source: FuelSource) {
    let request = RefuelRequest {
        source: Some(source),
        cycles: Some(WANTED),
    };
    world.begin(controller(), world.root, "canic_refuel", (request,));
}

/// Checks that root paid once at most, and got what it paid for unless it says that it did not.
pub(crate) fn check(world: &mut World, violations: &mut Vec<String>) {
    if !world
        .requests
        .iter()
        .any(|request| request.method == "canic_refuel")
    {
        return;
    }
    let cycles = CYCLES - held(world, CYCLES_LEDGER);
    let e8s = E8S - held(world, ICP_LEDGER);
    let got = world.sheet().get("refuelled").copied().unwrap_or_default();
    let paid = format!("root paid {cycles} cycles and {e8s} e8s, and got {got} cycles");
    let price = WANTED.div_ceil(RATE);
    if cycles > WANTED + CYCLES_FEE || e8s > price + ICP_FEE || got > price * RATE {
        violations.push(format!("{paid}, for {WANTED}"));
    }
    // A payment that came back has cost its fees: two at the cycles ledger, and four in ICP.
    let has_paid = cycles > 2 * CYCLES_FEE || e8s > 4 * ICP_FEE;
    let closed = world.operations(OperationsFilter::Closed);
    let mut refuels = closed.iter().filter(|op| op.kind == OperationKind::Refuel);
    let is_abandoned = refuels.any(|op| matches!(op.state, OperationState::Abandoned(_)));
    if has_paid != (got > 0) && !is_abandoned {
        violations.push(format!("{paid}: {closed:?}"));
    }
}

/// What root's account at a ledger holds.
fn held(world: &mut World, ledger: Principal) -> u128 {
    let root = world.root;
    let answer = world.replica.query(Ingress {
        sender: Principal::anonymous(),
        canister: ledger,
        method: "icrc1_balance_of".to_string(),
        payload: ledgers::account(root),
        effective: None,
        caller_info: None,
    });
    let balance = Decode!(&answer.expect("the ledger answers"), Nat).expect("a nat");
    balance.0.try_into().expect("it fits")
}
