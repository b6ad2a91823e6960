//! The scenarios: single operations of a fleet, and a few that run concurrently.

pub(crate) mod rollouts;

use std::sync::OnceLock;

use candid::{Encode, Principal};
use canic::api::{
    ApproveRequest, ImportAs, ImportRequest, MoveRequest, OperationsFilter, ProvisionError,
    ProvisionRequest, Provisioned, RetireRequest, Retirement, StageRequest,
};
use canic_fleet_tests::{
    artifacts,
    fleet::{CHUNK, notebook, owner_argument, sha256},
    user,
};
use canic_replica::{Effect, Fault, RejectCode};
use ic_management_canister_types::CanisterIdRecord;

use crate::{
    foreign,
    world::{DEFAULT_FREEZING_THRESHOLD, T, World, controller},
};

/// An operation, and the world in which it begins.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Prepares the world just before the operation.
    pub world: fn() -> World,
    /// Requests the operation.
    pub act: fn(&mut World),
}

/// The scenarios of single operations. Those of rollouts are in `rollouts`.
const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "provision_from_the_pool",
        world: small,
        act: |world| provision(world, &notebook(user(1))),
    },
    Scenario {
        name: "provision_from_the_pool_and_fresh",
        world: small,
        act: |world| {
            provision(world, &notebook(user(1)));
            provision(world, &notebook(user(2)));
        },
    },
    Scenario {
        name: "provision_a_singleton_with_more_cycles_and_controllers",
        world: small,
        act: |world| provision(world, &hub()),
    },
    Scenario {
        name: "provision_refused_and_recycled",
        world: small,
        act: |world| provision(world, &refused()),
    },
    Scenario {
        name: "provision_refused_when_fresh",
        world: small,
        act: |world| {
            provision(world, &notebook(user(1)));
            provision(world, &refused());
        },
    },
    Scenario {
        name: "provision_refused_and_deleted",
        world: tight,
        act: |world| provision(world, &refused()),
    },
    Scenario {
        name: "provision_a_batch",
        world: small,
        act: |world| {
            let batch: Vec<_> = (1..=3).map(|n| notebook(user(n))).collect();
            world.begin(controller(), world.root, "canic_provision_batch", (batch,));
        },
    },
    Scenario {
        name: "provision_one_key_twice",
        world: small,
        act: |world| {
            provision(world, &notebook(user(1)));
            provision(world, &notebook(user(1)));
        },
    },
    Scenario {
        name: "provision_with_few_cycles",
        world: poor,
        act: |world| {
            for n in 1..=3 {
                provision(world, &notebook(user(n)));
            }
        },
    },
    Scenario {
        name: "stage_a_module_and_provision",
        world: small,
        act: |world| {
            let mut wasm = artifacts::module("example-worker");
            // A custom section of five bytes, named "new!": the same code under another hash.
            wasm.extend([0, 5, 4, b'n', b'e', b'w', b'!']);
            let mut chunks = Vec::new();
            for chunk in wasm.chunks(CHUNK) {
                let request = StageRequest {
                    chunk: chunk.to_vec(),
                };
                world.begin(controller(), world.root, "canic_module_stage", (request,));
                chunks.push(sha256(chunk).into());
            }
            let request = ApproveRequest {
                role: "worker".to_string(),
                hash: sha256(&wasm),
                chunks,
                manual: None,
            };
            world.begin(controller(), world.root, "canic_module_approve", (request,));
            provision(world, &notebook(user(1)));
        },
    },
    Scenario {
        name: "hire_through_a_hub",
        world: || {
            let mut world = small();
            member(&mut world, &hub());
            world
        },
        act: |world| {
            let hub = world.members()[0].canister;
            world.begin(user(1), hub, "hire", (user(1),));
        },
    },
    Scenario {
        name: "dismiss_through_a_hub",
        world: with_hired_worker,
        act: |world| {
            let members = world.members();
            let worker = members.iter().find(|m| m.role == "worker").expect("hired");
            let hub = worker.parent;
            world.begin(user(1), hub, "dismiss", (worker.canister,));
        },
    },
    Scenario {
        name: "move_to_another_parent",
        world: tree,
        act: |world| move_member(world, "a", "new"),
    },
    Scenario {
        name: "move_while_others_come_and_go",
        world: tree,
        act: |world| {
            move_member(world, "a", "new");
            let new = named_member(world, "new");
            provision(world, &subscriber("b", Some(new)));
            retire_named(world, "aa", None);
        },
    },
    Scenario {
        name: "announce_to_a_parent_and_a_watcher",
        world: tree,
        act: |world| {
            let old = named_member(world, "old");
            provision(world, &subscriber("b", Some(old)));
            retire_named(world, "aa", None);
        },
    },
    Scenario {
        name: "announce_to_a_stopped_watcher",
        world: tree,
        act: |world| {
            let watcher = named_member(world, "watcher");
            world.manage_member("stop_canister", watcher);
            provision(world, &subscriber("b", None));
            retire_named(world, "aa", None);
            // Root's deliveries fail for a while.
            world.rounds(40);
            world.manage_member("start_canister", watcher);
        },
    },
    Scenario {
        name: "announce_to_a_frozen_watcher",
        world: tree,
        act: |world| {
            let watcher = named_member(world, "watcher");
            // All cycles of the watcher are reserved now, so it can't execute anything.
            world.freeze(watcher, 1 << 40);
            provision(world, &subscriber("b", None));
            world.rounds(40);
            world.freeze(watcher, DEFAULT_FREEZING_THRESHOLD);
        },
    },
    Scenario {
        name: "announce_to_an_upgraded_watcher",
        world: tree,
        act: |world| {
            let members = world.members();
            let watcher = members.iter().find(|m| m.role == "watcher").expect("it is");
            provision(world, &subscriber("b", None));
            retire_named(world, "aa", None);
            for _ in 0..4 {
                world.rounds(2);
                world.upgrade(watcher);
            }
        },
    },
    Scenario {
        name: "announce_to_a_slow_watcher",
        world: tree,
        act: |world| {
            let slow = Effect::Delay { rounds: 50 };
            let watcher = named_member(world, "watcher");
            let fault = Fault::on_call(slow)
                .callee(watcher)
                .method("canic_announce");
            world.replica.inject(Fault { times: 2, ..fault });
            provision(world, &subscriber("b", None));
            retire_named(world, "aa", None);
        },
    },
    Scenario {
        name: "members_ask_root_about_others",
        world: tree,
        act: |world| {
            let [old, new, watcher] = ["old", "new", "watcher"].map(|key| named_member(world, key));
            let key = |key: &str| ("subscriber".to_string(), key.to_string());
            world.begin(user(1), old, "look_up", key("new"));
            world.begin(user(1), old, "look_up_and_forget", key("new"));
            world.begin(user(1), old, "role_of", (watcher,));
            // The callee asks root about its caller.
            let nothing = Encode!().expect("no argument");
            let call = (new, "for_members", nothing);
            world.begin(user(1), watcher, "forward", call);
        },
    },
    Scenario {
        name: "members_command_root",
        world: tree,
        act: |world| {
            let [a, old, new] = ["a", "old", "new"].map(|key| named_member(world, key));
            world.begin(user(1), new, "hire", ("b".to_string(),));
            world.begin(user(1), old, "hand_over", (a, new));
            world.begin(user(1), a, "keys_of_children", ());
        },
    },
    Scenario {
        name: "retire_a_tree",
        world: tree,
        act: |world| retire_named(world, "old", Some(true)),
    },
    Scenario {
        name: "retire_by_recycling",
        world: with_worker,
        act: |world| retire(world, Retirement::Recycle),
    },
    Scenario {
        name: "retire_by_deleting",
        world: with_worker,
        act: |world| retire(world, Retirement::Delete),
    },
    Scenario {
        name: "retire_a_poor_member_by_deleting",
        world: with_poor_worker,
        act: |world| retire(world, Retirement::Delete),
    },
    Scenario {
        name: "retire_with_a_full_pool",
        world: || {
            let mut world = with_worker();
            let spare = world.create(controller(), T);
            world.set_controllers(controller(), spare, vec![world.root]);
            import(&mut world, spare, ImportAs::Pool);
            rest(world)
        },
        act: |world| retire(world, Retirement::Recycle),
    },
    Scenario {
        name: "retire_a_hub",
        world: || {
            let mut world = small();
            member(&mut world, &hub());
            world
        },
        act: |world| retire(world, Retirement::Recycle),
    },
    Scenario {
        name: "retire_a_subtree",
        world: with_hired_worker,
        act: |world| {
            let members = world.members();
            let hub = members.iter().find(|m| m.role == "hub").expect("a hub");
            let request = RetireRequest {
                canister: hub.canister,
                how: Retirement::Delete,
                subtree: Some(true),
            };
            world.begin(controller(), world.root, "canic_retire", (request,));
        },
    },
    Scenario {
        name: "retire_and_provision_the_same_key",
        world: with_worker,
        act: |world| {
            retire(world, Retirement::Recycle);
            provision(world, &notebook(user(1)));
        },
    },
    Scenario {
        name: "retire_a_quarantined_canister",
        world: || {
            let mut world = small();
            let root = world.root;
            let unseen = Effect::reject(RejectCode::CanisterReject);
            let fault = Fault::on_call(unseen)
                .caller(root)
                .method("canister_status");
            let fault = Fault {
                times: 100,
                ..fault
            };
            world.replica.inject(fault);
            provision(&mut world, &refused());
            let mut world = rest(world);
            world.replica.clear_faults();
            world
        },
        act: |world| {
            let quarantined = world.operations(OperationsFilter::Quarantined);
            let canister = quarantined[0].canister.expect("its canister is known");
            let how = Retirement::Recycle;
            let request = RetireRequest {
                canister,
                how,
                subtree: None,
            };
            world.begin(controller(), world.root, "canic_retire", (request,));
        },
    },
    Scenario {
        name: "import_into_the_pool",
        world: with_stranger,
        act: |world| {
            let stranger = world.controlled_by(controller())[0];
            import(world, stranger, ImportAs::Pool);
        },
    },
    Scenario {
        name: "adopt_a_member",
        world: with_stranger,
        act: adopt,
    },
    Scenario {
        name: "import_into_the_pool_from_another_owner",
        world: foreign::stranger,
        act: foreign::import_and_provision,
    },
    Scenario {
        name: "retire_by_recycling_what_another_owner_set",
        world: foreign::member,
        act: |world| foreign::retire_all(world, Retirement::Recycle),
    },
    Scenario {
        name: "retire_by_deleting_at_no_threshold",
        world: foreign::members_at_no_threshold,
        act: |world| foreign::retire_all(world, Retirement::Delete),
    },
    Scenario {
        name: "retire_by_deleting_at_a_threshold_of_a_year",
        world: foreign::members_at_a_threshold_of_a_year,
        act: |world| foreign::retire_all(world, Retirement::Delete),
    },
    Scenario {
        name: "import_from_another_subnet",
        world: with_far_stranger,
        act: |world| {
            let stranger = world.controlled_by(controller())[0];
            import(world, stranger, ImportAs::Pool);
        },
    },
    Scenario {
        name: "import_a_member_from_another_subnet",
        world: with_far_stranger,
        act: adopt,
    },
    Scenario {
        name: "provision_after_the_chunk_store_was_cleared",
        world: || {
            let mut world = with_worker();
            let root = world.root;
            let args = CanisterIdRecord { canister_id: root };
            let cleared = world.manage(controller(), "clear_chunk_store", root, &args);
            cleared.expect("a controller may clear it");
            rest(world)
        },
        act: |world| provision(world, &notebook(user(2))),
    },
    Scenario {
        name: "provision_on_a_refused_canister",
        world: with_refused_canister,
        act: |world| {
            refuse_next_install(world);
            provision(world, &notebook(user(1)));
        },
    },
];

/// All scenarios.
#[must_use]
pub fn all() -> Vec<Scenario> {
    SCENARIOS
        .iter()
        .chain(rollouts::SCENARIOS)
        .copied()
        .collect()
}

/// A scenario by name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scenario> {
    let mut all = SCENARIOS.iter().chain(rollouts::SCENARIOS);
    all.find(|scenario| scenario.name == name)
}

// Worlds

/// A fleet in which every role has a module, the pool has its minimum, and no operation is open.
pub(crate) fn small() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(new_small).clone()
}

fn new_small() -> World {
    let mut world = World::start("fixture-small-root", 60 * T);
    (world.capacity, world.reserve) = (4, T);
    world.approve("worker", "example-worker");
    world.approve("hub", "fixture-hub");
    rest(world)
}

/// A fleet whose root deletes the canisters of failed provisions.
fn tight() -> World {
    let mut world = World::start("fixture-tight-root", 60 * T);
    (world.capacity, world.reserve) = (3, 3 * T);
    world.approve("worker", "example-worker");
    rest(world)
}

/// A fleet whose root has cycles for its reserve, its pool and one more member.
pub(crate) fn poor() -> World {
    let mut world = World::start("fixture-small-root", 5 * T);
    (world.capacity, world.reserve) = (4, T);
    world.approve("worker", "example-worker");
    rest(world)
}

fn with_worker() -> World {
    let mut world = small();
    member(&mut world, &notebook(user(1)));
    rest(world)
}

/// A hub with a worker below it.
fn with_hired_worker() -> World {
    let mut world = small();
    let hub = member(&mut world, &hub());
    let hire = Encode!(&user(1)).expect("an argument");
    world.call(user(1), hub, "hire", hire).expect("hired");
    rest(world)
}

/// A fleet and a worker outside it, which root and the test's controller control.
fn with_stranger() -> World {
    with_stranger_that_holds(2 * T)
}

/// A fleet and its only worker, who can't pay for the install of a drain.
fn with_poor_worker() -> World {
    let mut world = with_stranger_that_holds(340 * T / 1_000);
    adopt(&mut world);
    rest(world)
}

fn with_stranger_that_holds(cycles: u128) -> World {
    let mut world = small();
    let stranger = world.create(controller(), cycles);
    let argument = owner_argument(user(1));
    world.install(controller(), stranger, "example-worker", argument);
    let both = vec![controller(), world.root];
    world.set_controllers(controller(), stranger, both);
    rest(world)
}

/// A fleet and a worker on another subnet than root's. Root and the test's controller control it.
fn with_far_stranger() -> World {
    let mut world = World::start_on(2, "fixture-small-root", 60 * T);
    (world.capacity, world.reserve) = (4, T);
    world.approve("worker", "example-worker");
    let elsewhere = world.replica.subnets()[1].id;
    let stranger = world.create_on(elsewhere, controller(), 2 * T);
    let stranger = stranger.expect("a canister can be created");
    world.install(
        controller(),
        stranger,
        "example-worker",
        owner_argument(user(1)),
    );
    let both = vec![controller(), world.root];
    world.set_controllers(controller(), stranger, both);
    rest(world)
}

/// A fleet whose pool has one canister, on which the platform refused a provision.
fn with_refused_canister() -> World {
    let mut world = small();
    refuse_next_install(&mut world);
    provision(&mut world, &notebook(user(1)));
    let mut world = rest(world);
    world.replica.clear_faults();
    world
}

/// Lets the platform refuse the next install as if its canister were on another subnet.
fn refuse_next_install(world: &mut World) {
    let refuse = Effect::reject(RejectCode::CanisterReject);
    let fault = Fault::on_call(refuse)
        .caller(world.root)
        .method("install_chunked_code");
    world.replica.inject(fault);
}

/// Two parents, a chain of two subscribers below one of them, and a watcher of all of them.
pub(crate) fn tree() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(new_tree).clone()
}

fn new_tree() -> World {
    let mut world = World::start("fixture-tree-root", 60 * T);
    (world.capacity, world.reserve) = (4, T);
    world.watched = &["subscriber"];
    world.approve("worker", "example-worker");
    world.approve("subscriber", "fixture-subscriber");
    world.approve("watcher", "fixture-watcher");
    let mut world = rest(world);
    let watcher = ProvisionRequest {
        role: "watcher".to_string(),
        ..subscriber("watcher", None)
    };
    member(&mut world, &watcher);
    let old = member(&mut world, &subscriber("old", None));
    member(&mut world, &subscriber("new", None));
    let a = member(&mut world, &subscriber("a", Some(old)));
    member(&mut world, &subscriber("aa", Some(a)));
    rest(world)
}

pub(crate) fn subscriber(key: &str, parent: Option<Principal>) -> ProvisionRequest {
    ProvisionRequest {
        role: "subscriber".to_string(),
        key: Some(key.to_string()),
        parent,
        arg: Encode!().expect("no argument"),
    }
}

fn named_member(world: &mut World, key: &str) -> Principal {
    let members = world.members();
    let named = members.iter().find(|m| m.key.as_deref() == Some(key));
    named.expect("a member of that key").canister
}

fn move_member(world: &mut World, key: &str, parent: &str) {
    let (canister, parent) = (named_member(world, key), named_member(world, parent));
    let request = MoveRequest { canister, parent };
    world.begin(controller(), world.root, "canic_move", (request,));
}

fn retire_named(world: &mut World, key: &str, subtree: Option<bool>) {
    let request = RetireRequest {
        canister: named_member(world, key),
        how: Retirement::Recycle,
        subtree,
    };
    world.begin(controller(), world.root, "canic_retire", (request,));
}

/// Waits until a world is quiet, and clears its recorded requests.
pub(crate) fn rest(mut world: World) -> World {
    world.settle(|_| ()).expect("nothing fails");
    world.requests.clear();
    world
}

/// Provisions a member, and waits for it.
pub(crate) fn member(world: &mut World, request: &ProvisionRequest) -> Principal {
    let answer: Result<Provisioned, ProvisionError> =
        world.ask(controller(), "canic_provision", (request,));
    world.settle(|_| ()).expect("nothing fails");
    answer.expect("a member").canister
}

// Requests

/// A request whose `init` refuses: the anonymous principal can't own a notebook.
pub(crate) fn refused() -> ProvisionRequest {
    ProvisionRequest {
        key: Some("nobody".to_string()),
        ..notebook(Principal::anonymous())
    }
}

pub(crate) fn hub() -> ProvisionRequest {
    ProvisionRequest {
        role: "hub".to_string(),
        key: None,
        parent: None,
        arg: Encode!().expect("no argument"),
    }
}

pub(crate) fn provision(world: &mut World, request: &ProvisionRequest) {
    world.begin(controller(), world.root, "canic_provision", (request,));
}

/// Retires the first member.
fn retire(world: &mut World, how: Retirement) {
    let canister = world.members()[0].canister;
    let request = RetireRequest {
        canister,
        how,
        subtree: None,
    };
    world.begin(controller(), world.root, "canic_retire", (request,));
}

/// Makes the stranger a member.
fn adopt(world: &mut World) {
    let stranger = world.controlled_by(controller())[0];
    let import_as = ImportAs::Member {
        role: "worker".to_string(),
        key: Some("adopted".to_string()),
        parent: None,
    };
    import(world, stranger, import_as);
}

pub(crate) fn import(world: &mut World, canister: Principal, import_as: ImportAs) {
    let request = ImportRequest {
        canister,
        import_as,
    };
    world.begin(controller(), world.root, "canic_import", (request,));
}
