//! Canisters that another owner controls, too, with settings of his that hinder the next one.

use candid::{CandidType, Principal};
use canic::api::{ImportAs, RetireRequest, Retirement};
use canic_fleet_tests::{
    fleet::{notebook, owner_argument},
    settings::{Change, Settings},
    user,
};
use ic_management_canister_types::{TakeCanisterSnapshotArgs, UploadChunkArgs};

use crate::{
    scenario::{import, provision, rest, small},
    world::{SECOND, T, World, controller},
};

/// A fleet, and a canister outside it with a snapshot, a chunk, and all settings of its owner.
pub(crate) fn stranger() -> World {
    let mut world = small();
    let canister = notebook_of_owner(&mut world, 3 * T);
    leave_traces(&mut world, canister);
    set_all(&mut world, canister);
    rest(world)
}

/// Imports the stranger, and makes a member meanwhile. The audit looks at the pool, and makes more
/// members then: one of them is on the stranger's canister.
pub(crate) fn import_and_provision(world: &mut World) {
    let canister = world.controlled_by(controller())[0];
    import(world, canister, ImportAs::Pool);
    world.rounds(60);
    provision(world, &notebook(user(1)));
}

/// A fleet whose only member was adopted, and got all settings of its owner afterwards.
pub(crate) fn member() -> World {
    let mut world = small();
    let canister = adopted(&mut world, "adopted", 3 * T);
    leave_traces(&mut world, canister);
    set_all(&mut world, canister);
    rest(world)
}

/// Members with 0.1, 1 and 100 T cycles and no freezing threshold.
pub(crate) fn members_at_no_threshold() -> World {
    let mut world = small();
    for cycles in [T / 10, T, 100 * T] {
        let canister = adopted(&mut world, &cycles.to_string(), cycles);
        world.freeze(canister, 0);
    }
    rest(world)
}

/// Members with 0.1, 0.5 and 2 T cycles, a freezing threshold of a year, and all other settings of
/// their owner.
pub(crate) fn members_at_a_threshold_of_a_year() -> World {
    let mut world = small();
    for cycles in [T / 10, T / 2, 2 * T] {
        let canister = adopted(&mut world, &cycles.to_string(), cycles);
        set_all(&mut world, canister);
    }
    rest(world)
}

/// Retires all members.
pub(crate) fn retire_all(world: &mut World, how: Retirement) {
    for member in world.members() {
        let request = RetireRequest {
            canister: member.canister,
            how,
            subtree: None,
        };
        world.begin(controller(), world.root, "canic_retire", (request,));
    }
}

/// A notebook outside the fleet with `cycles`, which its owner and root control.
fn notebook_of_owner(world: &mut World, cycles: u128) -> Principal {
    // The platform takes 0.3 T in advance for an install.
    let canister = world.create(controller(), cycles + T / 2);
    let argument = owner_argument(user(9));
    world.install(controller(), canister, "example-worker", argument);
    // It burns some until the scenario begins, and is to hold what it is named after.
    burn(world, canister, cycles + T / 50);
    let both = vec![controller(), world.root];
    world.set_controllers(controller(), canister, both);
    canister
}

/// Lets a canister burn its cycles, until `left` and some billions are left.
fn burn(world: &mut World, canister: Principal, left: u128) {
    /// What a full compute allocation costs a second, in cycles.
    const PER_SECOND: u128 = T / 1_000;
    let allocate = |world: &mut World, percent: u8| {
        let settings = Settings {
            compute_allocation: Some(percent.into()),
            freezing_threshold: Some(0u8.into()),
            ..Settings::default()
        };
        set(world, canister, settings);
    };
    allocate(world, 100);
    for _ in 0..100 {
        let held = world.replica.cycles(canister).unwrap_or_default();
        let seconds = held.saturating_sub(left) / PER_SECOND;
        if seconds < 5 {
            break;
        }
        world.pass((seconds as u64 - 2).min(60) * SECOND);
        world.replica.tick();
    }
    allocate(world, 0);
}

fn adopted(world: &mut World, key: &str, cycles: u128) -> Principal {
    let canister = notebook_of_owner(world, cycles);
    let import_as = ImportAs::Member {
        role: "worker".to_string(),
        key: Some(key.to_string()),
        parent: None,
    };
    import(world, canister, import_as);
    world.settle(|_| ()).expect("nothing fails");
    canister
}

fn leave_traces(world: &mut World, canister_id: Principal) {
    let snapshot = TakeCanisterSnapshotArgs {
        canister_id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    as_owner(world, "take_canister_snapshot", canister_id, &snapshot);
    let chunk = vec![1, 2, 3];
    let chunk = UploadChunkArgs { canister_id, chunk };
    as_owner(world, "upload_chunk", canister_id, &chunk);
}

fn set_all(world: &mut World, canister_id: Principal) {
    let controllers = vec![controller(), user(67), world.root];
    for settings in Settings::of_owner(controller(), controllers) {
        set(world, canister_id, settings);
    }
}

fn set(world: &mut World, canister_id: Principal, settings: Settings) {
    let change = Change {
        canister_id,
        settings,
    };
    as_owner(world, "update_settings", canister_id, &change);
}

fn as_owner(world: &mut World, method: &str, canister: Principal, args: &impl CandidType) {
    let answer = world.manage(controller(), method, canister, args);
    answer.expect("its owner controls it");
}
