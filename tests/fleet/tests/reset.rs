//! The reset: a canister that changes hands tells its next owner nothing of the last one, and the
//! last one nothing of the next.

use candid::{CandidType, Encode, Principal, encode_args, idl_hash};
use canic::api::{ImportAs, ImportError, ImportRequest, Imported, MembersFilter, Retirement};
use canic_fleet_tests::{
    Fleet, artifacts,
    fleet::{notebook, owner_argument},
    settings::{Change, Record, Settings, Visibility, part_of_status},
    user,
};
use pocket_ic::common::rest::RawEffectivePrincipal;

/// A module that writes a secret wherever a canister can: to its heap, its stable memory, its log,
/// its certified data. `end` ends its `init`.
fn keeper(end: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "ic0" "debug_print" (func $print (param i32 i32)))
            (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
            (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
            (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
            (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
            (memory 1)
            (data (i32.const 0) "the last owner's secret")
            (func (export "canister_init")
                (call $print (i32.const 0) (i32.const 23))
                (call $certify (i32.const 0) (i32.const 23))
                (drop (call $grow (i64.const 1)))
                (call $write (i64.const 0) (i64.const 0) (i64.const 23))
                (drop (call $timer (i64.const -1)))
                {end})
            (func (export "canister_global_timer")))"#
    );
    wat::parse_str(text).expect("the module is valid")
}

fn manage(
    fleet: &Fleet,
    sender: Principal,
    canister: Principal,
    method: &str,
    argument: &impl CandidType,
) -> Result<Vec<u8>, String> {
    let effective = RawEffectivePrincipal::CanisterId(canister.as_slice().to_vec());
    let argument = Encode!(argument).expect("encoded");
    let management = Principal::management_canister();
    let pic = &fleet.pic;
    pic.update_call_with_effective_principal(management, effective, sender, method, argument)
        .map_err(|reject| reject.reject_message)
}

#[derive(CandidType)]
struct Id {
    canister_id: Principal,
}

/// Changes a canister's settings, as one of its controllers.
fn set(fleet: &Fleet, sender: Principal, canister_id: Principal, settings: Settings) {
    let change = Change {
        canister_id,
        settings,
    };
    manage(fleet, sender, canister_id, "update_settings", &change).expect("its controller sets it");
}

/// A part of a canister's status, as root sees it.
fn part(fleet: &Fleet, canister_id: Principal, part: &str) -> Record {
    let reply = manage(
        fleet,
        fleet.root,
        canister_id,
        "canister_status",
        &Id { canister_id },
    );
    part_of_status(&reply.expect("root controls it"), part)
}

/// The old owner.
fn owner() -> Principal {
    user(66)
}

/// A canister outside the fleet, with the owner's secrets in it. He and root control it.
fn with_secrets(fleet: &Fleet) -> Principal {
    let (pic, canister) = (&fleet.pic, fleet.stranger_canister(owner()));
    pic.add_cycles(canister, 100_000_000_000_000);
    let nothing = encode_args(()).expect("no argument");
    pic.install_canister(canister, keeper(""), nothing, Some(owner()));
    pic.take_canister_snapshot(canister, Some(owner()), None)
        .expect("the owner takes a snapshot");
    pic.upload_chunk(canister, Some(owner()), vec![1, 2, 3])
        .expect("the owner uploads a chunk");
    for settings in Settings::of_owner(owner(), vec![owner(), fleet.root]) {
        set(fleet, owner(), canister, settings);
    }
    canister
}

/// Checks that a canister of the pool is as one that nobody has used: in all that its status tells.
fn is_as_new(fleet: &Fleet, canister: Principal, fresh: Principal) {
    assert!(fleet.pool().iter().any(|entry| entry.canister == canister));
    let settings = |canister| part(fleet, canister, "settings");
    assert_eq!(settings(canister), settings(fresh));
    let memory = |canister| {
        let mut memory = part(fleet, canister, "memory_metrics");
        // The platform never forgets who changed a canister.
        memory.remove(&idl_hash("canister_history_size"));
        memory
    };
    assert_eq!(memory(canister), memory(fresh));
    assert_eq!(log(fleet, canister), Vec::<String>::new());
}

fn log(fleet: &Fleet, canister: Principal) -> Vec<String> {
    let lines = fleet.pic.fetch_canister_logs(canister, fleet.root);
    let lines = lines.expect("root controls it").into_iter();
    let text = |line: Vec<u8>| String::from_utf8_lossy(&line).into_owned();
    lines.map(|line| text(line.content)).collect()
}

/// Checks that a canister tells its old owner nothing.
fn is_closed_to_the_owner(fleet: &Fleet, canister_id: Principal) {
    let (pic, id) = (&fleet.pic, Id { canister_id });
    for method in [
        "canister_status",
        "list_canister_snapshots",
        "stored_chunks",
    ] {
        let answer = manage(fleet, owner(), canister_id, method, &id);
        assert!(answer.is_err(), "{method}: {answer:?}");
    }
    let log = pic.fetch_canister_logs(canister_id, owner());
    assert!(log.is_err(), "{log:?}");
    let started = pic.start_canister(canister_id, Some(owner()));
    assert!(started.is_err(), "{started:?}");
}

/// Makes members until one of them is on `canister`.
fn provision_on(fleet: &Fleet, canister: Principal) {
    for number in 1..10 {
        let member = fleet.provision(&notebook(user(number))).expect("a member");
        if member.canister == canister {
            return;
        }
    }
    panic!("no member is on {canister}");
}

#[test]
fn the_owners_settings_differ_from_the_defaults_in_each_that_the_platform_tells() {
    let fleet = Fleet::of_notebooks();
    let fresh = part(&fleet, fleet.pool()[0].canister, "settings");
    let canister = with_secrets(&fleet);
    // A frozen canister answers no user.
    fleet.pic.add_cycles(canister, 900_000_000_000_000);
    let owners = part(&fleet, canister, "settings");
    assert_eq!(owners.len(), fresh.len());
    for (label, value) in &fresh {
        // Here a new setting of the platform shows. `Settings::of_owner` changes it then, and the
        // list in the runtime's `platform/settings.rs` resets it.
        assert_ne!(
            Some(value),
            owners.get(label),
            "setting #{label} is no owner's"
        );
    }
}

#[test]
fn an_imported_canister_is_as_new_and_closed_to_its_last_owner() {
    let fleet = Fleet::of_notebooks();
    let fresh = fleet.pool()[0].canister;
    let canister = with_secrets(&fleet);
    fleet.import(canister, ImportAs::Pool).expect("imported");
    fleet.quiet();
    is_as_new(&fleet, canister, fresh);
    is_closed_to_the_owner(&fleet, canister);
    provision_on(&fleet, canister);
    is_closed_to_the_owner(&fleet, canister);
    let root_log = fleet.pic.fetch_canister_logs(fleet.root, fleet.controller);
    for line in root_log.expect("root's controller may read it") {
        let line = String::from_utf8_lossy(&line.content).into_owned();
        assert!(!line.contains("can't read"), "{line}");
    }
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn what_its_owner_does_while_root_resets_a_canister_leaves_no_trace() {
    let fleet = Fleet::of_notebooks();
    let fresh = fleet.pool()[0].canister;
    for rounds in 0..6 {
        let canister_id = fleet.stranger_canister(owner());
        let controllers = Some(vec![owner(), fleet.root]);
        let both = Settings {
            controllers,
            ..Settings::default()
        };
        set(&fleet, owner(), canister_id, both);
        let request = ImportRequest {
            canister: canister_id,
            import_as: ImportAs::Pool,
        };
        let import = fleet.submit(fleet.root, fleet.controller, "canic_import", (request,));
        for _ in 0..rounds {
            fleet.pic.tick();
        }
        // He is turned away as soon as root is the only controller.
        let (pic, sender) = (&fleet.pic, Some(owner()));
        let nothing = || encode_args(()).expect("no argument");
        let failing = keeper("unreachable");
        let chunk = pic.upload_chunk(canister_id, sender, vec![rounds]);
        let failed = pic.reinstall_canister(canister_id, failing, nothing(), sender);
        let [settings, _] = Settings::of_owner(owner(), vec![owner(), user(67), fleet.root]);
        let change = Change {
            canister_id,
            settings,
        };
        let changed = manage(&fleet, owner(), canister_id, "update_settings", &change);
        println!("after {rounds} rounds: {chunk:?}, {failed:?}, {changed:?}");
        let imported: Result<Imported, ImportError> = fleet.answer(import);
        imported.expect("imported");
        fleet.quiet();
        is_as_new(&fleet, canister_id, fresh);
        is_closed_to_the_owner(&fleet, canister_id);
    }
    fleet.audit().passes();
}

/// A member that the owner controls, too. `key` is its key.
fn adopted(fleet: &Fleet, key: &str) -> Principal {
    let canister = fleet.stranger_canister(owner());
    let (sender, module) = (Some(owner()), artifacts::module("example-worker"));
    let pic = &fleet.pic;
    pic.install_canister(canister, module, owner_argument(user(1)), sender);
    pic.set_controllers(canister, sender, vec![owner(), fleet.root])
        .expect("root becomes a controller");
    let import_as = ImportAs::Member {
        role: "worker".into(),
        key: Some(key.into()),
        parent: None,
    };
    fleet.import(canister, import_as).expect("adopted");
    pic.take_canister_snapshot(canister, sender, None)
        .expect("the owner takes a snapshot");
    for settings in Settings::of_owner(owner(), vec![owner(), user(67), fleet.root]) {
        set(fleet, owner(), canister, settings);
    }
    fleet.quiet();
    canister
}

#[test]
fn a_recycled_member_is_as_new_and_closed_to_its_last_owner() {
    let fleet = Fleet::of_notebooks();
    let fresh = fleet.pool()[0].canister;
    let member = adopted(&fleet, "recycled");
    fleet.retire(member, Retirement::Recycle).expect("retired");
    fleet.quiet();
    is_as_new(&fleet, member, fresh);
    is_closed_to_the_owner(&fleet, member);
    provision_on(&fleet, member);
    is_closed_to_the_owner(&fleet, member);
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn no_setting_keeps_the_cycles_of_a_deleted_member() {
    let fleet = Fleet::of_notebooks();
    let member = adopted(&fleet, "deleted");
    let balance = |canister| fleet.pic.cycle_balance(canister);
    let (held, root) = (balance(member), balance(fleet.root));
    fleet.retire(member, Retirement::Delete).expect("retired");
    fleet.quiet();
    assert!(!fleet.pic.canister_exists(member));
    let back = balance(fleet.root) - root;
    assert!(back + 100_000_000_000 >= held, "{back} of {held} came back");
    fleet.audit().passes();
}

#[test]
fn a_canister_that_takes_no_calls_without_cycles_is_not_adopted() {
    let fleet = Fleet::of_notebooks();
    let canister = fleet.stranger_canister(fleet.controller);
    let (sender, module) = (fleet.controller, artifacts::module("example-worker"));
    let argument = owner_argument(user(1));
    fleet
        .pic
        .install_canister(canister, module, argument, Some(sender));
    let demanding = Settings {
        controllers: Some(vec![sender, fleet.root]),
        minimum_incoming_canister_call_cycles: Some(7u8.into()),
        status_visibility: Some(Visibility::Public),
        ..Settings::default()
    };
    set(&fleet, sender, canister, demanding);
    let before = part(&fleet, canister, "settings");
    let import_as = ImportAs::Member {
        role: "worker".into(),
        key: Some("alice".into()),
        parent: None,
    };
    let answer = fleet.import(canister, import_as);
    let Err(ImportError::WrongModule { reason, .. }) = &answer else {
        panic!("{answer:?}");
    };
    assert!(reason.contains("minimum_incoming_canister_call_cycles"));
    assert_eq!(part(&fleet, canister, "settings"), before, "untouched");
    assert!(fleet.members(&MembersFilter::All).is_empty());
    fleet.quiet();
    fleet.audit().passes_except(&[canister]);
}

#[test]
fn the_log_of_a_failed_install_does_not_stay_in_the_pool() {
    let fleet = Fleet::of_notebooks();
    let fresh = fleet.pool()[0].canister;
    let canister = fleet.stranger_canister(owner());
    let nothing = encode_args(()).expect("no argument");
    let (module, sender) = (keeper("unreachable"), Some(owner()));
    let refused = fleet
        .pic
        .reinstall_canister(canister, module, nothing, sender);
    assert!(refused.is_err(), "its init traps");
    fleet
        .pic
        .set_controllers(canister, Some(owner()), vec![fleet.root])
        .expect("root becomes the only controller");
    let left = log(&fleet, canister);
    assert!(left.iter().any(|line| line.contains("secret")), "{left:?}");
    fleet.import(canister, ImportAs::Pool).expect("imported");
    fleet.quiet();
    is_as_new(&fleet, canister, fresh);
    fleet.audit().passes();
}
