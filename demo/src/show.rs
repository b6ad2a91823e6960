//! The end of the demo: the fleet as a tree, the pool, the operations, and a balance of all cycles.

use candid::Principal;
use canic::api::{MemberInfo, MembersFilter, OperationInfo, OperationsFilter};

use crate::fleet::Fleet;

pub(super) fn tree(fleet: &Fleet) {
    println!("\nThe fleet");
    println!("  {} root", fleet.root);
    branch(fleet.root, &fleet.members(&MembersFilter::All), 1);
}

fn branch(parent: Principal, members: &[MemberInfo], depth: usize) {
    for member in members.iter().filter(|member| member.parent == parent) {
        let key = member.key.as_deref().unwrap_or("no key");
        let indent = "   ".repeat(depth - 1);
        println!(
            "  {indent}└─ {} {} ({key}) {:?}",
            member.canister, member.role, member.state
        );
        branch(member.canister, members, depth + 1);
    }
}

pub(super) fn pool(fleet: &Fleet) {
    println!("\nThe pool");
    for entry in fleet.pool() {
        let state = match entry.claimed_by {
            None => "ready".to_string(),
            Some(operation) => format!("claimed by operation {operation}"),
        };
        println!(
            "  {} {:>9} {state}",
            entry.canister,
            trillions(fleet.network.cycles(entry.canister))
        );
    }
}

pub(super) fn operations(fleet: &Fleet) {
    println!("\nOperations");
    let filters = [
        OperationsFilter::Closed,
        OperationsFilter::Open,
        OperationsFilter::Quarantined,
    ];
    for operation in filters
        .into_iter()
        .flat_map(|filter| fleet.operations(filter))
    {
        println!("  {}", row(&operation));
    }
}

fn row(operation: &OperationInfo) -> String {
    let canister = operation
        .canister
        .map_or("-".to_string(), |canister| canister.to_text());
    let source = operation
        .source
        .map_or("-".to_string(), |source| format!("{source:?}"));
    format!(
        "{:>4} {:<12} {canister:<27} {source:<8} calls {} paid {:>9} {:?}",
        operation.id,
        format!("{:?}", operation.kind),
        operation.calls,
        trillions(operation.paid),
        operation.state,
    )
}

pub(super) fn balance_sheet(fleet: &Fleet) {
    println!("\nCycles");
    let line = |name: &str, amount: u128| println!("  {name:<44} {amount:>22}");
    let members = fleet.members(&MembersFilter::All);
    let held = |canisters: &mut dyn Iterator<Item = Principal>| -> u128 {
        canisters
            .map(|canister| fleet.network.cycles(canister))
            .sum()
    };
    let root = fleet.network.cycles(fleet.root);
    let in_members = held(&mut members.iter().map(|member| member.canister));
    let in_pool = held(&mut fleet.pool().iter().map(|entry| entry.canister));
    line("held by root", root);
    line("held by members", in_members);
    line("held by the pool", in_pool);
    let Some(observer) = fleet.network.observer() else {
        println!("  (the fees are not measured: this server has no accounts)");
        return;
    };
    let accounts = observer.accounts();
    line(
        "held by others",
        accounts
            .balances
            .saturating_sub(root + in_members + in_pool),
    );
    line("in flight", accounts.in_flight);
    line("fee: creation of canisters", accounts.fees.creation);
    line("fee: execution", accounts.fees.execution);
    line("fee: reception of ingress", accounts.fees.ingress);
    line("fee: transmission of calls", accounts.fees.transmission);
    line("fee: storage and allocations", accounts.fees.resources);
    line("burned on purpose", accounts.burnt);
    line("destroyed with deleted canisters", accounts.destroyed);
    println!(
        "  {:<44} {:>22}",
        "not accounted for",
        accounts.unaccounted()
    );
    line("minted", accounts.minted);
    println!();
}

/// Cycles in trillions, as people write them.
fn trillions(cycles: u128) -> String {
    // A float is precise enough for three decimals.
    format!("{:.3} T", cycles as f64 / 1e12)
}
