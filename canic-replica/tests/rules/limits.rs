//! Limits of instructions, memory, stack and cycles: a canister that exceeds one fails, and the
//! host stays up.

use candid::{Nat, Principal};
use canic_replica::{IngressStatus, Kind, Outcome, Reject, RejectCode};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{Install, Reinstall},
};

use crate::common::{Net, T, canister, record};

#[test]
fn an_endless_loop_traps_at_the_limit() {
    let mut net = Net::new();
    let id = net.install(r#"(func (export "canister_query spin") (loop $l (br $l)))"#);
    let reject = net.query(id, "spin", &[]).unwrap_err();
    let text =
        "Canister exceeded the limit of 5000000000 instructions for single message execution.";
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        ("IC0522", format!("Error from Canister {id}: {text}"))
    );
    assert_eq!(net.events(Kind::Query)[0].instructions, 5_000_000_000);
}

#[test]
fn an_endless_inspection_refuses_the_message() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func (export "canister_inspect_message") (loop $l (br $l)))
        (func (export "canister_update x") (call $reply (i32.const 0)))"#,
    );
    assert_eq!(net.update(id, "x", &[]).unwrap_err().error_code, "IC0522");
}

#[test]
fn deep_recursion_traps() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func $deep (param i64) (call $deep (local.get 0)) (drop (i64.const 1)))
        (func (export "canister_update x") (call $deep (i64.const 1)))"#,
    );
    let reject = net.update(id, "x", &[]).unwrap_err();
    assert_eq!(
        reject.message,
        format!("Error from Canister {id}: Canister trapped: stack overflow.")
    );
}

#[test]
fn memory_grows_to_the_limit_of_the_settings_and_untouched_pages_cost_nothing() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func (export "canister_update grow")
            (drop (memory.grow (i32.const 30000))) (call $reply (memory.size)))
        (func (export "canister_update too_far") (call $reply (memory.grow (i32.const 65536))))
        (func (export "canister_query size") (call $reply (memory.size)))"#,
    );
    let settings = types::CanisterSettings {
        wasm_memory_limit: Some(Nat::from(3_u64 << 30)),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    // 30,001 pages are 1.8 GiB: the 3 GiB of the settings allow that once and not twice.
    assert_eq!(
        net.update(id, "grow", &[]).unwrap(),
        30_001_u32.to_le_bytes()
    );
    let reject = net.update(id, "grow", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0539");
    // Beyond the size of a 32-bit memory `memory.grow` returns -1 and does not trap.
    assert_eq!(
        net.update(id, "too_far", &[]).unwrap(),
        u32::MAX.to_le_bytes()
    );
    assert_eq!(net.number(id, "size"), 30_001);
}

#[test]
fn a_canister_out_of_cycles_runs_nothing_and_pays_nothing() {
    let mut net = Net::new();
    let module = canister(r#"(func (export "canister_update x") (call $reply (i32.const 0)))"#);
    // An installation is charged in advance for its limit of instructions.
    let poor = net.create(T / 4);
    let reject = net
        .install_as(Install, poor, module.clone(), &[])
        .unwrap_err();
    assert_eq!(
        (reject.code, reject.error_code.as_str()),
        (RejectCode::SysTransient, "IC0207")
    );
    assert!(
        reject
            .message
            .contains("is out of cycles: please top up the canister with at least"),
        "{}",
        reject.message
    );

    let id = net.create(T);
    net.install_as(Install, id, module, &[]).unwrap();
    let args = types::UpdateSettingsArgs {
        canister_id: id,
        settings: types::CanisterSettings {
            freezing_threshold: Some(Nat::from(1_u64 << 40)),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (args,)).unwrap();
    let before = net.replica.cycles(id);
    assert_eq!(net.update(id, "x", &[]).unwrap_err().error_code, "IC0207");
    assert_eq!(net.query(id, "x", &[]).unwrap_err().error_code, "IC0207");
    assert_eq!(net.replica.cycles(id), before);
    net.check_accounts();
}

#[test]
fn a_call_that_cannot_be_paid_is_not_sent() {
    let mut net = Net::new();
    let id = net.create(T);
    let module = canister(
        r#"(table 2 funcref) (elem (i32.const 1) $nothing) (func $nothing (param i32))
        (func $new (call $new_call (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)))
        (func (export "canister_update many") (local $sent i32)
            (block $full (loop $more
                (call $new)
                (br_if $full (call $call_perform))
                (local.set $sent (i32.add (local.get $sent) (i32.const 1)))
                (br $more)))
            (call $reply (local.get $sent)))
        (func (export "canister_update too_much")
            (call $new) (call $call_cycles_add128 (i64.const 0) (i64.const 2000000000000)))"#,
    );
    net.install_as(Install, id, module, &[]).unwrap();
    assert_eq!(
        net.update(id, "too_much", &[]).unwrap_err().error_code,
        "IC0504"
    );
    // Each call prepays 42 G cycles for its answer.
    let sent = u32::from_le_bytes(net.update(id, "many", &[]).unwrap().try_into().unwrap());
    assert!((10..25).contains(&sent), "{sent}");
    net.replica.tick();
    net.check_accounts();
    assert!(net.replica.cycles(id).unwrap() > T * 9 / 10);
}

#[test]
fn memory_is_paid_as_time_passes_and_a_canister_that_cannot_pay_is_uninstalled() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func (export "canister_update grow")
            (drop (call $stable64_grow (i64.const 16384))) (call $reply (i32.const 0)))"#,
    );
    net.update(id, "grow", &[]).unwrap();
    let day = 24 * 3600 * 1_000_000_000;
    let per_day = net.status(id).idle_cycles_burned_per_day;
    let before = net.replica.cycles(id).unwrap();
    let later = net.replica.time() + day;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    let paid = before - net.replica.cycles(id).unwrap();
    // The fee for 1 GiB and little more, for a day and a nanosecond or two.
    assert!(
        per_day <= paid && paid < 317_500 * 24 * 3600 * 11 / 10,
        "{paid}"
    );
    net.check_accounts();
    let later = net.replica.time() + 366 * 30 * day;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    assert_eq!(net.replica.cycles(id), Some(0));
    net.check_accounts();
    net.replica.add_cycles(id, T).unwrap();
    assert_eq!(net.status(id).module_hash, None);
}

#[test]
fn burnt_cycles_are_counted() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func (export "canister_update burn")
            (call $cycles_burn128 (i64.const 0) (i64.const 1000) (i32.const 0))
            (call $answer (i32.const 0) (i32.const 16)))"#,
    );
    assert_eq!(
        net.update(id, "burn", &[]).unwrap(),
        1000_u128.to_le_bytes()
    );
    assert_eq!(net.replica.accounts().burnt, 1000);
}

#[test]
fn a_round_ends_although_a_canister_calls_itself_for_ever() {
    let mut net = Net::new();
    let id = net.install(
        r#"(table 2 funcref) (elem (i32.const 1) $nothing) (func $nothing (param i32))
        (data (i32.const 0) "again")
        (func (export "canister_update again")
            (drop (call $argument))
            (call $new_call (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 1))
            (call $call_data_append (i32.const 1000) (i32.const 10))
            (drop (call $call_perform)))"#,
    );
    let message = net
        .replica
        .submit(net.ingress(id, "again", id.as_slice()))
        .unwrap();
    net.replica.tick();
    net.check_accounts();
    drop(net.replica.ingress_status(&message));
    assert!(net.replica.trace().len() > 100);
    drop(net.manage::<()>("stop_canister", record(id)));
    net.check_accounts();
}

#[test]
fn memory_that_cannot_be_paid_for_does_not_grow() {
    let mut net = Net::new();
    let id = net.create(T);
    let module = canister(
        r#"(func (export "canister_update stable")
            (drop (call $stable64_grow (i64.const 160000))) (call $reply (i32.const 0)))
        (func (export "canister_update little")
            (drop (call $stable64_grow (i64.const 1))) (call $reply (i32.const 0)))
        (func (export "canister_update heap")
            (drop (memory.grow (i32.const 48000))) (call $reply (i32.const 0)))
        (table 2 funcref) (elem (i32.const 1) $on_answer)
        (data (i32.const 0) "raw_rand") (data (i32.const 10) "DIDL\00\00")
        (func $on_answer (param i32)
            (drop (call $stable64_grow (i64.const 160000))) (call $reply (i32.const 0)))
        (func (export "canister_update later")
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)
                (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))
            (call $call_data_append (i32.const 10) (i32.const 6))
            (drop (call $call_perform)))
        (func (export "canister_query stable_in_query")
            (drop (call $stable64_grow (i64.const 160000)))
            (call $reply (i32.wrap_i64 (call $stable64_size))))"#,
    );
    net.install_as(Install, id, module, &[]).unwrap();
    for method in ["stable", "heap"] {
        let reject = net.update(id, method, &[]).unwrap_err();
        assert_eq!(reject.error_code, "IC0532", "{method}");
        let why = "due to insufficient cycles. At least ";
        assert!(reject.message.contains(why), "{}", reject.message);
        // Only a controller learns how much is missing.
        let mut stranger = net.ingress(id, method, &[]);
        stranger.sender = Principal::anonymous();
        let reject = net.send(stranger).unwrap_err();
        let end = "due to insufficient cycles.";
        assert!(reject.message.ends_with(end), "{}", reject.message);
    }
    net.update(id, "little", &[]).unwrap();
    assert_eq!(net.number(id, "stable_in_query"), 160_001);
    // A callback may freeze its canister (`dfinity/ic`, `sandbox_safe_system_state.rs`,
    // `should_check_freezing_threshold_for_memory_grow`).
    net.update(id, "later", &[]).unwrap();
    assert_eq!(
        net.update(id, "little", &[]).unwrap_err().error_code,
        "IC0207"
    );
}

#[test]
fn the_clock_goes_forward_only_and_not_to_its_end() {
    let mut net = Net::new();
    let id = net.create(T);
    let now = net.replica.time();
    assert!(net.replica.set_time(now - 1).is_err());
    assert!(net.replica.set_time(u64::MAX).is_err());
    assert_eq!(net.replica.time(), now);
    let args = types::UpdateSettingsArgs {
        canister_id: id,
        settings: types::CanisterSettings {
            memory_allocation: Some(Nat::from(1_u64 << 40)),
            freezing_threshold: Some(Nat::from(0_u8)),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (args,)).unwrap();
    net.replica.set_time(i64::MAX as u64).unwrap();
    net.replica.tick();
    assert_eq!(net.replica.cycles(id), Some(0));
    net.check_accounts();
}

/// Interface specification 0.52: an allocation is guaranteed memory, and no limit.
#[test]
fn an_allocation_does_not_limit_the_memory() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func (export "canister_update grow")
            (call $reply (memory.grow (i32.const 100))))"#,
    );
    let allocation = types::CanisterSettings {
        memory_allocation: Some(Nat::from(70_000_u32)),
        ..Default::default()
    };
    net.update_settings(id, allocation.clone()).unwrap();
    assert_eq!(net.update(id, "grow", &[]).unwrap(), 1_u32.to_le_bytes());
    assert!(net.status(id).memory_size > 100 * 65_536_u32);
    // An allocation below the used memory is valid.
    net.update_settings(id, allocation).unwrap();
    assert_eq!(net.status(id).settings.memory_allocation, 70_000_u32);
}

#[test]
fn a_memory_limit_binds_updates_and_installs_and_lets_tasks_finish() {
    let mut net = Net::new();
    let body = r#"
        (func (export "canister_global_timer") (drop (memory.grow (i32.const 4))))
        (func (export "canister_update arm")
            (drop (call $global_timer_set (i64.const 1))) (call $reply (i32.const 0)))
        (func (export "canister_update grow")
            (drop (memory.grow (i32.const 1))) (call $reply (i32.const 0)))
        (func (export "canister_update idle") (call $reply (i32.const 0)))
    "#;
    let id = net.install(body);
    let args = types::UpdateSettingsArgs {
        canister_id: id,
        settings: types::CanisterSettings {
            wasm_memory_limit: Some((2 * 65_536_u32).into()),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (args,)).unwrap();
    net.update(id, "grow", &[]).unwrap();
    assert_eq!(
        net.update(id, "grow", &[]).unwrap_err().error_code,
        "IC0539"
    );
    net.update(id, "idle", &[]).unwrap();
    net.update(id, "arm", &[]).unwrap();
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::Timer), [Outcome::Ok]);
    // Memory is above the limit now: no update runs any more.
    assert_eq!(
        net.update(id, "idle", &[]).unwrap_err().error_code,
        "IC0539"
    );
    let small = canister("");
    net.install_as(Reinstall, id, small, &[]).unwrap();
    net.check_accounts();
}

/// A canister whose entry points take this many instructions in one system call, and about 2,000
/// more.
pub(crate) fn spender(instructions: u64) -> String {
    // The system call is charged before its bounds are checked, so it may read beyond the end.
    let spend =
        format!("(call $stable64_read (i64.const 0) (i64.const 0) (i64.const {instructions}))");
    format!(
        r#"(table 3 funcref) (elem (i32.const 1) $spend_callback $boom) (data (i32.const 300) "yes")
        (func $spend {spend})
        (func $spend_callback (param i32) (call $spend))
        (func $boom (param i32) (unreachable))
        (func $ask (param $reply i32) (param $cleanup i32)
            (drop (call $argument))
            (call $new_call (i32.const 300) (i32.const 3) (local.get $reply) (local.get $reply))
            (call $call_on_cleanup (local.get $cleanup) (i32.const 0))
            (drop (call $call_perform)))
        (func (export "canister_query yes") (call $msg_reply))
        (func (export "canister_inspect_message")
            (if (i32.eq (call $msg_method_name_size) (i32.const 9)) (then (call $spend)))
            (call $accept_message))
        (func (export "canister_update inspected") (call $msg_reply))
        (func (export "canister_update update") (call $spend))
        (func (export "canister_query query") (call $spend))
        (func (export "canister_composite_query composite") (call $spend))
        (func (export "canister_update reply") (call $ask (i32.const 1) (i32.const 1)))
        (func (export "canister_update cleanup") (call $ask (i32.const 2) (i32.const 1)))"#
    )
}

/// `dfinity/ic` rs/execution_environment/src/execution_environment.rs, `execute_canister_input`
/// (`max_instructions_per_query_message` for a query method in replicated mode).
#[test]
fn each_kind_of_message_has_its_limit_of_instructions() {
    let mut net = Net::new();
    const B: u64 = 1_000_000_000;
    for (method, limit) in [
        ("update", 40 * B),
        // 5 % of the limit are reserved for the cleanup.
        ("reply", 38 * B),
        ("cleanup", 2 * B),
        // A query method that is called as an update keeps the limit of queries.
        ("query in an update", 5 * B),
        ("query", 5 * B),
        ("composite", 5 * B),
        ("inspected", B / 5),
    ] {
        let mut spend = |instructions: u64| {
            let id = net.install(&spender(instructions));
            match method {
                "query" | "composite" => net.query(id, method, &[]),
                "query in an update" => net.update(id, "query", &[]),
                _ => net.update(id, method, id.as_slice()),
            }
            .unwrap_err()
            .message
        };
        let too_many = format!(
            "Canister exceeded the limit of {limit} instructions for single message execution."
        );
        let message = spend(limit);
        assert!(message.contains(&too_many), "{method}: {message}");
        let message = spend(limit - 2_000);
        let enough = "Canister trapped: stable memory out of bounds.";
        assert!(message.contains(enough), "{method}: {message}");
        assert!(!message.contains(&too_many), "{method}: {message}");
    }
}

#[test]
fn an_installation_has_its_limit_of_instructions_and_pays_for_the_compilation_first() {
    let mut net = Net::new();
    let module = |instructions: u64| {
        canister(&format!(
            r#"(func (export "canister_init")
                (call $stable64_read (i64.const 0) (i64.const 0) (i64.const {instructions})))"#
        ))
    };
    let mut install = |instructions: u64| {
        let id = net.create(100 * T);
        let reject = net.install_as(Install, id, module(instructions), &[]);
        reject.unwrap_err().error_code
    };
    // The module has a hundred operators or less, and each takes 6,000 instructions to compile.
    assert_eq!(install(300_000_000_000 - 600_000), "IC0502");
    assert_eq!(install(300_000_000_000 - 6_000), "IC0522");
}

#[test]
fn one_message_touches_no_more_stable_memory_than_on_the_platform() {
    let mut net = Net::new();
    // Both memories are large enough, so that only the limit refuses the access.
    let body = r#"
        (func $grow
            (drop (memory.grow (i32.const 33000))) (drop (call $stable64_grow (i64.const 40000))))
        (func $write (param i64)
            (call $grow) (call $stable64_write (i64.const 4095) (i64.const 0) (local.get 0)))
        (func (export "canister_update write") (call $write (i64.const 2147483648)))
        (func (export "canister_query write_in_query") (call $write (i64.const 1073741824)))
        (func (export "canister_query read_in_query") (local $page i64)
            (call $grow)
            (loop $more
                (call $stable64_read
                    (i64.const 0) (i64.mul (local.get $page) (i64.const 4096)) (i64.const 1))
                (local.set $page (i64.add (local.get $page) (i64.const 1)))
                (br_if $more (i64.lt_u (local.get $page) (i64.const 262144))))
            (call $stable64_read (i64.const 0) (i64.const 5) (i64.const 1))
            (if (call $msg_arg_data_size) (then
                (call $stable64_read (i64.const 0) (i64.const 1073741824) (i64.const 1))))
            (call $reply (i32.const 0)))"#;
    let id = net.install(body);
    let accessed = "Canister exceeded memory access limits: Exceeded the limit for the number of \
                    accessed pages in the stable memory in a single message execution: limit \
                    2097152 KB for regular messages and 1048576 KB for queries.";
    let refused = |result: Result<Vec<u8>, Reject>| {
        let reject = result.unwrap_err();
        assert_eq!(reject.error_code, "IC0524", "{}", reject.message);
        assert!(reject.message.ends_with(accessed), "{}", reject.message);
    };
    refused(net.update(id, "write", &[]));
    refused(net.query(id, "write_in_query", &[]));
    refused(net.query(id, "read_in_query", &[1]));
    // As many pages as the limit may be read, and one of them twice.
    net.query(id, "read_in_query", &[]).unwrap();
    net.check_accounts();
}

#[test]
fn outcomes_are_remembered_up_to_256_mebibytes() {
    let mut net = Net::new();
    let canister = net.install(
        r#"(func (export "canister_update large")
            (if (i32.eq (memory.size) (i32.const 1)) (then (drop (memory.grow (i32.const 31)))))
            (call $answer (i32.const 0) (i32.const 2097152)))"#,
    );
    let ids: Vec<_> = (0..130)
        .map(|_| {
            let call = net.ingress(canister, "large", &[]);
            let id = net.replica.submit(call).unwrap();
            assert_eq!(
                net.replica.await_ingress(&id).unwrap().unwrap().len(),
                2 << 20
            );
            id
        })
        .collect();
    let known = |id| net.replica.ingress_status(id) != IngressStatus::Unknown;
    assert!(ids[2..].iter().all(known));
    assert!(!ids[..2].iter().any(known));
    assert_eq!(net.replica.ingress_sender(&ids[1]), None);
}
