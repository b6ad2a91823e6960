//! Funding: worlds whose root grants cycles, and what must be true of grants afterwards.

use std::sync::OnceLock;

use candid::{Decode, Encode, Principal};
use canic::api::{
    ApproveRequest, GrantError, GrantRequest, Granted, ImportAs, ModuleError, OperationKind,
    OperationState, OperationsFilter, ProvisionRequest, RetireRequest, Retirement, StageRequest,
    StagedChunk,
};
use canic_fleet_tests::{
    artifacts,
    fleet::{CHUNK, sha256},
    user,
};

use crate::{
    scenario::{Scenario, import, member, rest},
    world::{DAY, Request, SECOND, T, World, controller},
};

/// The root of these worlds.
const ROOT: &str = "fixture-funded-root";

/// Its budget of a day.
const BUDGET: u128 = 12 * T;

/// 10^9 cycles.
const B: u128 = T / 1_000;

/// Seconds after which root has seen a new member: six hours, and a bit.
const FIRST: u64 = 7 * 3_600;

/// The scenarios: grants that somebody asks for, and those of the watch.
pub(crate) static SCENARIOS: [Scenario; 11] = [
    Scenario {
        name: "grant_by_a_controller",
        world: funded,
        act: |world| {
            let sleepy = of_role(world, "sleepy");
            grant(world, sleepy, 3 * T);
        },
    },
    Scenario {
        name: "grant_asked_by_a_member",
        // The platform takes 40 B in advance for the message of the member, and 42 B for its call.
        world: || {
            let mut world = funded();
            let keeper = of_role(&mut world, "keeper");
            burn_to(&mut world, keeper, 100 * B);
            rest(world)
        },
        act: |world| {
            let keeper = of_role(world, "keeper");
            world.begin(user(1), keeper, "ask", (T,));
        },
    },
    Scenario {
        name: "grant_asked_by_a_parent",
        world: || {
            let mut world = funded();
            let parent = of_role(&mut world, "burner");
            let child = member(&mut world, &request("keeper", "child", Some(parent)));
            burn_to(&mut world, child, 300 * B);
            rest(world)
        },
        act: |world| {
            let parent = of_role(world, "burner");
            let members = world.members();
            let child = members
                .iter()
                .find(|m| m.parent == parent)
                .expect("a child");
            world.begin(user(1), parent, "ask_for", (child.canister, T));
        },
    },
    Scenario {
        name: "grant_twice_at_once",
        world: funded,
        act: |world| {
            let sleepy = of_role(world, "sleepy");
            grant(world, sleepy, 2 * T);
            grant(world, sleepy, 2 * T);
        },
    },
    Scenario {
        name: "grant_to_a_member_that_is_retired",
        world: funded,
        act: |world| {
            let sleepy = of_role(world, "sleepy");
            grant(world, sleepy, 2 * T);
            retire(world, sleepy);
            grant(world, sleepy, 2 * T);
        },
    },
    Scenario {
        name: "watch_over_a_dry_member",
        world: dry,
        act: |world| world.pass(FIRST * SECOND),
    },
    Scenario {
        name: "watch_over_a_dry_member_that_is_retired",
        world: dry,
        act: |world| {
            world.pass(FIRST * SECOND);
            let keeper = of_role(world, "keeper");
            retire(world, keeper);
        },
    },
    Scenario {
        name: "watch_over_a_dry_member_that_is_upgraded",
        world: || {
            let mut world = dry();
            let module = new_keeper();
            world.know_module(&module);
            for chunk in module.chunks(CHUNK) {
                let chunk = chunk.to_vec();
                let staged: Result<StagedChunk, ModuleError> = world.ask(
                    controller(),
                    "canic_module_stage",
                    (StageRequest { chunk },),
                );
                staged.expect("the chunk is taken");
            }
            rest(world)
        },
        act: |world| {
            world.pass(FIRST * SECOND);
            let module = new_keeper();
            let chunks = module.chunks(CHUNK).map(|chunk| sha256(chunk).into());
            let request = ApproveRequest {
                role: "keeper".to_string(),
                hash: sha256(&module),
                chunks: chunks.collect(),
                manual: None,
            };
            world.begin(controller(), world.root, "canic_module_approve", (request,));
        },
    },
    Scenario {
        name: "watch_at_the_reserve",
        world: || {
            let mut world = World::start(ROOT, 7 * T);
            prepare(&mut world);
            world = rest(world);
            let keeper = of_role(&mut world, "keeper");
            burn_to(&mut world, keeper, 100 * B);
            rest(world)
        },
        act: |world| {
            let sleepy = of_role(world, "sleepy");
            grant(world, sleepy, T);
            world.pass(FIRST * SECOND);
        },
    },
    Scenario {
        name: "watch_at_the_budget_over_midnight",
        world: || {
            let mut world = dry();
            let second = member(&mut world, &request("keeper", "second", None));
            burn_to(&mut world, second, 200 * B);
            rest(world)
        },
        act: |world| {
            // Just before midnight, when two dry members are due, and the budget has little left.
            let now = world.replica.time() / SECOND;
            let midnight = (now + FIRST).next_multiple_of(DAY);
            world.pass((midnight - 20 - now) * SECOND);
            let sleepy = of_role(world, "sleepy");
            grant(world, sleepy, BUDGET - 2 * T);
        },
    },
    Scenario {
        name: "watch_over_the_pool",
        world: || {
            // The pool has place for one more while nobody has asked for members.
            let mut world = World::start(ROOT, 60 * T);
            (world.capacity, world.reserve) = (4, 2 * T);
            world.approve("worker", "example-worker");
            let mut world = rest(world);
            let spare = world.create(controller(), 450 * B);
            world.set_controllers(controller(), spare, vec![world.root]);
            import(&mut world, spare, ImportAs::Pool);
            rest(world)
        },
        act: |world| world.pass(7 * DAY * SECOND),
    },
];

// Worlds

/// A fleet with one member of each role, of which none needs anything.
fn funded() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let new = || {
        let mut world = World::start(ROOT, 60 * T);
        prepare(&mut world);
        rest(world)
    };
    WORLD.get_or_init(new).clone()
}

/// The same fleet, whose keeper is nearly dry.
fn dry() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let new = || {
        let mut world = funded();
        let keeper = of_role(&mut world, "keeper");
        burn_to(&mut world, keeper, 50 * B);
        rest(world)
    };
    WORLD.get_or_init(new).clone()
}

fn prepare(world: &mut World) {
    (world.capacity, world.reserve) = (4, 2 * T);
    world.approve("worker", "example-worker");
    for role in ["burner", "keeper", "sleepy"] {
        let module = artifacts::burner(role);
        world.approve_module(role, &module);
        member(world, &request(role, "first", None));
    }
}

fn request(role: &str, key: &str, parent: Option<Principal>) -> ProvisionRequest {
    ProvisionRequest {
        role: role.to_string(),
        key: Some(key.to_string()),
        parent,
        arg: Encode!().expect("no argument"),
    }
}

/// A keeper's module under another hash: a custom section of five bytes, named "new!".
fn new_keeper() -> Vec<u8> {
    let mut module = artifacts::burner("keeper");
    module.extend([0, 5, 4, b'n', b'e', b'w', b'!']);
    module
}

/// The first member of a role.
fn of_role(world: &mut World, role: &str) -> Principal {
    let members = world.members();
    let first = members.iter().find(|member| member.role == role);
    first.expect("a member of that role").canister
}

/// Burns what a member can spend, but so much.
fn burn_to(world: &mut World, canister: Principal, left: u128) {
    let surplus = spendable(world, canister).saturating_sub(left);
    let surplus = Encode!(&surplus).expect("an argument");
    world
        .call(user(1), canister, "burn", surplus)
        .expect("it burns");
}

/// Cycles of a canister above its freezing threshold.
fn spendable(world: &mut World, canister: Principal) -> u128 {
    let status = world.status(canister).expect("root controls it");
    let number = |nat: candid::Nat| u128::try_from(nat.0).expect("it fits");
    let frozen = number(status.idle_cycles_burned_per_day)
        * number(status.settings.freezing_threshold)
        / u128::from(DAY);
    number(status.cycles).saturating_sub(frozen)
}

// Requests

fn grant(world: &mut World, canister: Principal, cycles: u128) {
    let request = GrantRequest { canister, cycles };
    world.begin(controller(), world.root, "canic_grant", (request,));
}

fn retire(world: &mut World, canister: Principal) {
    let request = RetireRequest {
        canister,
        how: Retirement::Delete,
        subtree: None,
    };
    world.begin(controller(), world.root, "canic_retire", (request,));
}

// Audit

/// Whether a world has a root that grants cycles.
pub(crate) fn is_funded(world: &World) -> bool {
    world.package == ROOT
}

/// Checks that grants are as root says, that no day has more than its budget, and that the watch
/// goes on: within a week every member has what its role names.
pub(crate) fn check(world: &mut World) -> Vec<String> {
    let mut violations = check_grants(world);
    let root = world.root;
    world.replica.add_cycles(root, 60 * T);
    for _ in 0..36 {
        world.pass(DAY / 4 * SECOND);
        world.rounds(12);
    }
    violations.extend(world.settle(|_| ()).err());
    violations.extend(check_grants(world));
    violations.extend(check_budget(world));
    for member in world.members() {
        let canister = member.canister;
        let left = spendable(world, canister);
        if member.role == "keeper" && left < 490 * B {
            violations.push(format!("a keeper, {canister}, has {left} cycles left"));
        }
        if left == 0 {
            violations.push(format!("{canister} of role {} is frozen", member.role));
        }
    }
    violations
}

fn check_budget(world: &World) -> Vec<String> {
    // Root lends what a canister lacks for its drain beside the budget.
    let retires = |request: &Request| request.method == "canic_retire";
    if world.requests.iter().any(retires) {
        return Vec::new();
    }
    let days = world.deposits.iter();
    let excess = days.filter(|(_, cycles)| **cycles > BUDGET);
    excess
        .map(|(day, cycles)| format!("root deposited {cycles} cycles on day {day}"))
        .collect()
}

/// Checks that each grant paid at most what was asked for, once, and that answers tell the truth.
fn check_grants(world: &mut World) -> Vec<String> {
    let closed = world.operations(OperationsFilter::Closed);
    let grants = closed.iter().filter(|op| op.kind == OperationKind::Grant);
    let mut violations = Vec::new();
    for op in grants.clone() {
        let is_done = op.state == OperationState::Done;
        if op.paid > BUDGET || is_done != (op.paid > 0) {
            violations.push(format!("a grant paid {}: {op:?}", op.paid));
        }
    }
    for request in &world.requests {
        let answer = request.message.and_then(|message| world.answer(&message));
        let (Some(Ok(bytes)), Some(asked)) = (answer, asked(request)) else {
            continue;
        };
        let Ok(answer) = Decode!(&bytes, Result<Granted, GrantError>) else {
            violations.push(format!("{} answers something else", request.method));
            continue;
        };
        let (operation, cycles) = match answer {
            Ok(granted) => (granted.operation, granted.cycles),
            Err(GrantError::Failed { operation, .. }) => (operation, 0),
            Err(_) => continue,
        };
        let paid = grants
            .clone()
            .find(|op| op.id == operation)
            .map(|op| op.paid);
        if paid != Some(cycles) || cycles > asked {
            violations.push(format!(
                "{} answers that {cycles} of {asked} cycles were granted, and {paid:?} were",
                request.method
            ));
        }
    }
    violations
}

/// The cycles that a request asks for.
fn asked(request: &Request) -> Option<u128> {
    match request.method {
        "canic_grant" => {
            let request = Decode!(&request.argument, GrantRequest).ok()?;
            Some(request.cycles)
        }
        "ask" => Decode!(&request.argument, u128).ok(),
        "ask_for" => Some(Decode!(&request.argument, Principal, u128).ok()?.1),
        _ => None,
    }
}
