//! Rollback: each kind of message commits all of its changes or none. These are changes of the
//! heap, globals of all types, stable memory, certified data and the timer, accepted cycles, and
//! outgoing calls.

use canic_replica::{Kind, Outcome};
use ic_management_canister_types::CanisterInstallMode;

use crate::{
    common::{Net, T},
    interpreter::{ACCEPT, CALL, CERTIFY, NOOP, REPLY, STATE, Stage, TIMER, TRAP, Visible},
    tasks::set_memory,
};

const CALL_SINK: [u8; 14] = [CALL, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Steps that change all that an update can change.
fn update() -> Vec<u8> {
    [&STATE[..], &[CERTIFY, 5, TIMER, 5, ACCEPT, 5], &CALL_SINK].concat()
}

/// Steps that change all that a task can change.
fn task() -> Vec<u8> {
    [&STATE[..], &[CERTIFY, 5, TIMER, 5], &CALL_SINK].concat()
}

/// Steps that change all that an installation can change.
fn installation() -> Vec<u8> {
    [&STATE[..], &[CERTIFY, 5, TIMER, 5]].concat()
}

fn with_trap(steps: &[u8]) -> Vec<u8> {
    [steps, &[TRAP, 0]].concat()
}

/// Checks that two states differ in everything that `steps` change.
fn assert_all_changed(before: &Visible, after: &Visible, steps: &[u8]) {
    assert_ne!(before.inside, after.inside);
    assert_ne!(before.stable, after.stable);
    if steps.windows(2).any(|step| step == [CERTIFY, 5]) {
        assert_ne!(before.certified, after.certified);
    }
    if steps.windows(2).any(|step| step == [CALL, 4]) {
        assert_ne!(before.taken, after.taken);
    }
}

#[test]
fn an_update_that_traps_changes_nothing() {
    let mut stage = Stage::new("");
    let before = stage.visible();
    assert_eq!(stage.run(&with_trap(&update())), (1_000_000, 5));
    assert_eq!(stage.visible(), before);
    // Without the trap the update changes all of it, and keeps the accepted cycles.
    let steps = [update(), vec![REPLY, 0]].concat();
    assert_eq!(stage.run(&steps), (995_000, 0));
    assert_all_changed(&before, &stage.visible(), &steps);
}

#[test]
fn a_query_changes_nothing_even_if_it_is_executed_like_an_update() {
    let mut stage = Stage::new("");
    let before = stage.visible();
    let hash = stage.net.replica.state_hash();
    let steps = [&STATE[..], &[REPLY, 0]].concat();
    let id = stage.id;
    stage.net.query(id, "run_query", &steps).unwrap();
    assert_eq!(stage.net.replica.state_hash(), hash);
    stage.net.update(id, "run_query", &steps).unwrap();
    assert_eq!(stage.visible(), before);
}

/// Steps that change the heap, each of the globals, the size of the heap, and stable memory.
const CHANGES: [[u8; 2]; 9] = [
    [1, 3],
    [2, 6],
    [2, 7],
    [2, 14],
    [2, 21],
    [2, 28],
    [2, 35],
    [3, 0],
    [4, 0],
];

/// Checks every change that a callback can make in one step, with a trap after it and without.
fn assert_callback_is_rolled_back(number: u8, slot: usize) {
    let reply = [REPLY, 0];
    for [action, operand] in CHANGES
        .into_iter()
        .chain([[CERTIFY, 5], [TIMER, 5], [CALL, 4]])
    {
        let mut stage = Stage::new("");
        let call = |second: [u8; 2]| {
            let mut steps = [&reply[..], &CALL_SINK].concat();
            steps[3] = number;
            let at = 4 + 4 * slot;
            steps[at..at + 4].copy_from_slice(&[action, operand, second[0], second[1]]);
            steps
        };
        // The changes of the calling message and of the sink stay in any case.
        stage.run(&[&reply[..], &[CALL, number], &[0; 12]].concat());
        let mut before = stage.visible();
        stage.run(&call([TRAP, 0]));
        before
            .taken
            .extend(number.is_multiple_of(2).then_some(number));
        assert_eq!(stage.visible(), before, "{action} {operand}");
        stage.run(&call([NOOP, 0]));
        before
            .taken
            .extend(number.is_multiple_of(2).then_some(number));
        assert_ne!(stage.visible(), before, "{action} {operand}");
    }
}

#[test]
fn a_reply_callback_that_traps_changes_nothing() {
    assert_callback_is_rolled_back(4, 0);
}

#[test]
fn a_reject_callback_that_traps_changes_nothing() {
    assert_callback_is_rolled_back(5, 1);
}

#[test]
fn cycles_that_a_trapping_callback_accepted_are_not_taken() {
    let mut stage = Stage::new("");
    let accepting = |second: [u8; 2]| {
        let [action, operand] = second;
        [&[CALL, 4, ACCEPT, 7, action, operand][..], &[0; 8]].concat()
    };
    assert_eq!(stage.run(&accepting([TRAP, 0])), (1_000_000, 5));
    assert_eq!(stage.run(&accepting([REPLY, 0])), (993_000, 0));
}

#[test]
fn the_changes_of_a_cleanup_are_kept_unless_it_traps() {
    for [action, operand] in CHANGES.into_iter().chain([[TIMER, 5]]) {
        let mut stage = Stage::new("");
        let call = |second: [u8; 2]| {
            let cleanup = [action, operand, second[0], second[1]];
            let callbacks = [&[TRAP, 0, 0, 0, 0, 0, 0, 0][..], &cleanup].concat();
            [&[REPLY, 0, CALL, 4][..], &callbacks].concat()
        };
        let mut before = stage.visible();
        stage.run(&call([TRAP, 0]));
        before.taken.push(4);
        assert_eq!(stage.visible(), before, "{action} {operand}");
        stage.run(&call([NOOP, 0]));
        before.taken.push(4);
        assert_ne!(stage.visible(), before, "{action} {operand}");
    }
}

/// Lets a round run a task of this kind twice, with a trap at its end and without, and checks the
/// changes. `arm` stores the steps of the task.
fn assert_task_is_rolled_back(exports: &str, kind: Kind, arm: impl Fn(&mut Stage, &[u8])) {
    let mut stage = Stage::new(exports);
    let before = stage.visible();
    let mut run = |steps: &[u8], outcome: fn(&Outcome) -> bool| {
        arm(&mut stage, steps);
        stage.net.replica.tick();
        stage.net.replica.tick();
        let last = stage.net.outcomes(kind).pop();
        assert!(last.as_ref().is_some_and(outcome), "{last:?}");
        // Stores no steps, so that the task does nothing from now on.
        stage.net.update(stage.id, "store", &[]).unwrap();
        stage.visible()
    };
    let trapped = run(&with_trap(&task()), |outcome| {
        matches!(outcome, Outcome::Trap { .. })
    });
    assert_eq!(trapped, before);
    let changed = run(&task(), |outcome| *outcome == Outcome::Ok);
    assert_all_changed(&before, &changed, &task());
}

fn store(stage: &mut Stage, steps: &[u8]) {
    stage.net.update(stage.id, "store", steps).unwrap();
}

#[test]
fn a_heartbeat_that_traps_changes_nothing() {
    let exports = r#"(func (export "canister_heartbeat") (call $stored))"#;
    assert_task_is_rolled_back(exports, Kind::Heartbeat, store);
}

#[test]
fn a_timer_that_traps_changes_nothing() {
    let exports = r#"(func (export "canister_global_timer") (call $stored))"#;
    assert_task_is_rolled_back(exports, Kind::Timer, |stage, steps| {
        stage
            .net
            .update(stage.id, "store_for_timer", steps)
            .unwrap();
    });
}

#[test]
fn a_low_memory_hook_that_traps_changes_nothing() {
    let exports = r#"(func (export "canister_on_low_wasm_memory") (call $stored))"#;
    assert_task_is_rolled_back(exports, Kind::LowMemory, |stage, steps| {
        set_memory(&mut stage.net, stage.id, 0, 0);
        store(stage, steps);
        set_memory(&mut stage.net, stage.id, 10, 10);
    });
}

const INIT: &str = r#"
    (func (export "canister_init") (call $given))
    (func (export "canister_post_upgrade") (call $given))
    (func (export "canister_pre_upgrade") (call $stored))
"#;

fn install(stage: &mut Stage, mode: CanisterInstallMode, steps: &[u8]) -> Result<(), String> {
    let (id, module) = (stage.id, stage.module.clone());
    stage
        .net
        .install_as(mode, id, module, steps)
        .map_err(|reject| reject.error_code)
}

#[test]
fn an_init_that_traps_leaves_the_old_state() {
    let mut stage = Stage::new(INIT);
    stage.run(&[update(), vec![REPLY, 0]].concat());
    let before = stage.visible();
    let mode = CanisterInstallMode::Reinstall;
    let failed = install(&mut stage, mode, &with_trap(&installation()));
    assert_eq!(failed, Err("IC0502".into()));
    assert_eq!(stage.visible(), before);
    // A reinstallation begins with no state, and the changes of its init are kept.
    install(&mut stage, mode, &[]).unwrap();
    let fresh = stage.visible();
    install(&mut stage, mode, &installation()).unwrap();
    assert_all_changed(&fresh, &stage.visible(), &installation());
}

#[test]
fn a_pre_upgrade_that_traps_leaves_the_old_state() {
    let mut stage = Stage::new(INIT);
    stage.run(&[update(), vec![REPLY, 0]].concat());
    let before = stage.visible();
    let mode = CanisterInstallMode::Upgrade(None);
    store(&mut stage, &with_trap(&installation()));
    assert_eq!(install(&mut stage, mode, &[]), Err("IC0502".into()));
    assert_eq!(stage.visible(), before);
    // The changes of pre_upgrade to stable memory are there after the upgrade.
    store(&mut stage, &installation());
    install(&mut stage, mode, &[]).unwrap();
    assert_eq!(stage.visible().stable.len(), before.stable.len() + 65_536);
}

#[test]
fn a_post_upgrade_that_traps_leaves_the_state_before_pre_upgrade() {
    let mut stage = Stage::new(INIT);
    stage.run(&[update(), vec![REPLY, 0]].concat());
    let before = stage.visible();
    let mode = CanisterInstallMode::Upgrade(None);
    store(&mut stage, &installation());
    let failed = install(&mut stage, mode, &with_trap(&installation()));
    assert_eq!(failed, Err("IC0502".into()));
    assert_eq!(stage.visible(), before);
    install(&mut stage, mode, &installation()).unwrap();
    assert_eq!(
        stage.visible().stable.len(),
        before.stable.len() + 2 * 65_536
    );
}

#[test]
fn cycles_that_an_update_burns_come_back_if_it_traps() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (func $burn (call $cycles_burn128 (i64.const 0) (i64.const 1000000000000) (i32.const 0)))
        (func (export "canister_update burn") (call $burn) (call $msg_reply))
        (func (export "canister_update burn_and_trap") (call $burn) (unreachable))
        "#,
    );
    net.update(id, "burn_and_trap", &[]).unwrap_err();
    assert_eq!(net.replica.accounts().burnt, 0);
    net.update(id, "burn", &[]).unwrap();
    assert_eq!(net.replica.accounts().burnt, T);
    net.check_accounts();
}
