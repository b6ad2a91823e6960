//! Settings: their ranges, the capacity of the subnet, and the cycles that a canister must have for
//! them.

use candid::{Nat, Principal};
use canic_replica::{Ingress, Reject};
use ic_management_canister_types::{self as types, CanisterSettings};

use crate::common::{CALLER, Net, T, encode, record};

fn none() -> CanisterSettings {
    CanisterSettings::default()
}

fn nat(number: u128) -> Option<Nat> {
    Some(Nat::from(number))
}

fn principals(count: u8) -> Vec<Principal> {
    (0..count)
        .map(|index| Principal::self_authenticating([index]))
        .collect()
}

fn variable(name: &str, value: &str) -> types::EnvironmentVariable {
    types::EnvironmentVariable {
        name: name.into(),
        value: value.into(),
    }
}

/// Makes a change that is refused, and checks that it changes nothing. Returns the reject's code
/// and message.
fn refusal(net: &mut Net, id: Principal, settings: CanisterSettings) -> (String, String) {
    let before = net.status(id);
    let Reject {
        error_code,
        message,
        ..
    } = net.update_settings(id, settings).unwrap_err();
    let after = net.status(id);
    assert_eq!(
        (after.settings, after.version),
        (before.settings, before.version)
    );
    (error_code, message)
}

#[test]
fn each_number_has_its_range() {
    let mut net = Net::new();
    let id = net.create(T);
    let beyond = u128::from(u64::MAX) + 1;
    for (settings, text) in [
        (
            CanisterSettings {
                compute_allocation: nat(101),
                ..none()
            },
            "ComputeAllocation expected to be in the range [0..100], got 101",
        ),
        (
            CanisterSettings {
                memory_allocation: nat(beyond),
                ..none()
            },
            "MemoryAllocation expected to be in the range [0..2^64-1], got \
             18_446_744_073_709_551_616",
        ),
        (
            CanisterSettings {
                freezing_threshold: nat(beyond),
                ..none()
            },
            "Freezing threshold expected to be in the range of [0..2^64-1], got \
             18_446_744_073_709_551_616",
        ),
        (
            CanisterSettings {
                wasm_memory_threshold: nat((1 << 48) + 1),
                ..none()
            },
            "Wasm memory threshold expected to be in the range of [0..2^48], got \
             281_474_976_710_657",
        ),
        (
            CanisterSettings {
                log_memory_limit: nat(beyond),
                ..none()
            },
            "Log memory limit expected to be in the range of [0..2^64-1], got \
             18_446_744_073_709_551_616",
        ),
        (
            CanisterSettings {
                reserved_cycles_limit: Some(Nat::from(u128::MAX) + 1_u8),
                ..none()
            },
            "Reserved cycles limit expected to be in the range of [0..2^128-1], got \
             340_282_366_920_938_463_463_374_607_431_768_211_456",
        ),
    ] {
        let refusal = refusal(&mut net, id, settings);
        assert_eq!(refusal, ("IC0504".into(), text.into()));
    }
    let limit = CanisterSettings {
        wasm_memory_limit: nat((1 << 48) + 1),
        ..none()
    };
    assert_eq!(refusal(&mut net, id, limit).0, "IC0504");
}

#[test]
fn ten_controllers_and_ten_viewers_are_the_most() {
    let mut net = Net::new();
    let id = net.create(T);
    for settings in [
        CanisterSettings {
            controllers: Some(principals(11)),
            ..none()
        },
        CanisterSettings {
            log_visibility: Some(types::LogVisibility::AllowedViewers(principals(11))),
            ..none()
        },
        CanisterSettings {
            snapshot_visibility: Some(types::SnapshotVisibility::AllowedViewers(principals(11))),
            ..none()
        },
    ] {
        let (code, text) = refusal(&mut net, id, settings);
        assert_eq!(code, "IC0408");
        assert!(text.contains("exceeds the maximum allowed 10"), "{text}");
    }
    let mut ten = principals(9);
    ten.push(net.admin);
    ten.sort();
    let settings = CanisterSettings {
        controllers: Some(ten.clone()),
        ..none()
    };
    net.update_settings(id, settings).unwrap();
    assert_eq!(net.status(id).settings.controllers, ten);
}

#[test]
fn environment_variables_are_bounded_and_named_once() {
    let mut net = Net::new();
    let id = net.create(T);
    let long = "x".repeat(129);
    let many = (0..21).map(|i| variable(&format!("v{i}"), "")).collect();
    for (variables, text) in [
        (
            many,
            "Too many environment variables: 21 (max: 20)".to_owned(),
        ),
        (
            vec![variable("a", "1"), variable("a", "2")],
            "Duplicate environment variables are not allowed".into(),
        ),
        (
            vec![variable(&long, "")],
            format!(
                "Environment variable name \"{long}\" exceeds the maximum allowed length of 128."
            ),
        ),
        (
            vec![variable("a", &long)],
            format!(
                "Environment variable value \"{long}\" exceeds the maximum allowed length of 128."
            ),
        ),
    ] {
        let settings = CanisterSettings {
            environment_variables: Some(variables),
            ..none()
        };
        let refusal = refusal(&mut net, id, settings);
        assert_eq!(refusal, ("IC0408".into(), text));
    }
}

#[test]
fn a_log_holds_four_kib_to_two_mib_or_nothing() {
    let mut net = Net::new();
    let id = net.install(
        r#"(data (i32.const 0) "line")
        (func (export "canister_update go")
            (call $debug_print (i32.const 0) (i32.const 4)) (call $reply (i32.const 0)))"#,
    );
    let limit = |bytes: u128| CanisterSettings {
        log_memory_limit: nat(bytes),
        ..none()
    };
    for (bytes, text) in [
        (
            4095,
            "The canister log memory limit 4_095 is too low. It must be at least 4096.",
        ),
        (
            (2 << 20) + 1,
            "The canister log memory limit 2_097_153 is too high. It must be at most 2097152.",
        ),
    ] {
        let refusal = refusal(&mut net, id, limit(bytes));
        assert_eq!(refusal, ("IC0406".into(), text.into()));
    }
    let lines = |net: &mut Net| {
        net.update(id, "go", &[]).unwrap();
        let args = encode(types::FetchCanisterLogsArgs {
            canister_id: id,
            filter: None,
        });
        let management = Principal::management_canister();
        let reply = net.query(management, "fetch_canister_logs", &args).unwrap();
        candid::decode_args::<(types::FetchCanisterLogsResult,)>(&reply)
            .unwrap()
            .0
            .canister_log_records
            .len()
    };
    assert_eq!(lines(&mut net), 1);
    net.update_settings(id, limit(0)).unwrap();
    assert_eq!(lines(&mut net), 0);
    net.update_settings(id, limit(2 << 20)).unwrap();
    assert_eq!(lines(&mut net), 1);
}

#[test]
fn a_subnet_has_two_hundred_percent_of_compute_and_one_stays_free() {
    let mut net = Net::new();
    let compute = |percent: u128| CanisterSettings {
        compute_allocation: nat(percent),
        ..none()
    };
    let [a, b] = [net.create(10_000 * T), net.create(10_000 * T)];
    net.update_settings(a, compute(100)).unwrap();
    let text = "Canister requested a compute allocation of 100% which cannot be satisfied because \
                the Subnet's remaining compute capacity is 99%.";
    let refusal = refusal(&mut net, b, compute(100));
    assert_eq!(refusal, ("IC0101".into(), text.into()));
    net.update_settings(b, compute(99)).unwrap();
    // A lower allocation is always possible.
    net.update_settings(a, compute(1)).unwrap();
    net.update_settings(b, compute(100)).unwrap();
}

#[test]
fn a_subnet_has_two_tib_of_memory() {
    let mut net = Net::new();
    let id = net.create(1_000_000 * T);
    let memory = |bytes: u128| CanisterSettings {
        memory_allocation: nat(bytes),
        ..none()
    };
    let text =
        "Canister requested 3.00 TiB of memory but only 2.00 TiB are available in the subnet.";
    let refusal = refusal(&mut net, id, memory(3 << 40));
    assert_eq!(refusal, ("IC0101".into(), text.into()));
    net.update_settings(id, memory(2 << 40)).unwrap();
    let other = net.create(T);
    assert_eq!(
        net.update_settings(other, memory(1))
            .unwrap_err()
            .error_code,
        "IC0101"
    );
}

#[test]
fn allocations_that_would_freeze_the_canister_are_refused() {
    let mut net = Net::new();
    let id = net.create(T);
    for (settings, code, increase) in [
        (
            CanisterSettings {
                compute_allocation: nat(1),
                ..none()
            },
            "IC0530",
            "compute allocation to 1%",
        ),
        (
            CanisterSettings {
                memory_allocation: nat(1 << 40),
                ..none()
            },
            "IC0531",
            "memory allocation to 1099511627776",
        ),
    ] {
        let (found, text) = refusal(&mut net, id, settings);
        assert_eq!(found, code);
        let begin = format!("Cannot increase {increase} due to insufficient cycles. At least ");
        assert!(text.starts_with(&begin), "{text}");
    }
    // A threshold that freezes the canister is accepted.
    let frozen = CanisterSettings {
        freezing_threshold: nat(u64::MAX.into()),
        ..none()
    };
    net.update_settings(id, frozen).unwrap();
}

#[test]
fn defaults_are_those_of_the_platform() {
    let mut net = Net::new();
    let id = net.create(T);
    let settings = net.status(id).settings;
    assert_eq!(settings.compute_allocation, 0_u8);
    assert_eq!(settings.memory_allocation, 0_u8);
    assert_eq!(settings.freezing_threshold, Nat::from(30 * 24 * 3600_u32));
    assert_eq!(settings.reserved_cycles_limit, Nat::from(5 * T));
    assert_eq!(settings.log_visibility, types::LogVisibility::Controllers);
    assert_eq!(settings.log_memory_limit, Nat::from(4096_u16));
    assert_eq!(
        settings.wasm_memory_limit, 0_u8,
        "the provisional method sets no limit"
    );
    assert_eq!(settings.wasm_memory_threshold, 0_u8);
    assert_eq!(settings.environment_variables, []);

    let caller = net.install(CALLER);
    let args = encode(types::CreateCanisterArgs::default());
    let (_, reply) = net.call_through(caller, "create_canister", T, &args);
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&reply.unwrap()).unwrap();
    let args = encode(created);
    let (_, reply) = net.call_through(caller, "canister_status", 0, &args);
    let (status,) = candid::decode_args::<(types::CanisterStatusResult,)>(&reply.unwrap()).unwrap();
    assert_eq!(status.settings.wasm_memory_limit, Nat::from(3_u64 << 30));
}

/// The settings that the client's types lack.
#[derive(candid::CandidType, Clone, Default)]
struct Newer {
    status_visibility: Option<types::LogVisibility>,
    minimum_incoming_canister_call_cycles: Option<Nat>,
    compute_allocation: Option<Nat>,
}

fn change_newer(net: &mut Net, canister_id: Principal, settings: Newer) -> Result<(), Reject> {
    #[derive(candid::CandidType)]
    struct Args {
        canister_id: Principal,
        settings: Newer,
    }
    let args = Args {
        canister_id,
        settings,
    };
    net.manage::<()>("update_settings", (args,))
}

#[test]
fn a_status_is_shown_to_the_viewers_in_the_settings() {
    let mut net = Net::new();
    let id = net.create(T);
    let caller = net.install(CALLER);
    let stranger = Principal::self_authenticating("stranger");
    let show = |net: &mut Net, status_visibility| {
        let settings = Newer {
            status_visibility: Some(status_visibility),
            ..Newer::default()
        };
        change_newer(net, id, settings)
    };
    // Reads the status by an ingress message, by a query, and from a canister.
    let ask = |net: &mut Net| {
        let args = candid::encode_args(record(id)).unwrap();
        let update = net.manage_as::<(types::CanisterStatusResult,)>(
            stranger,
            "canister_status",
            record(id),
        );
        let query = net.replica.query(Ingress {
            sender: stranger,
            ..net.ingress(Principal::management_canister(), "canister_status", &args)
        });
        let (_, call) = net.call_through(caller, "canister_status", 0, &args);
        let code = |reject: Reject| (reject.error_code, reject.message);
        (
            update.map(|_| ()).map_err(code),
            query.map(|_| ()).map_err(code),
            call.map(|_| ()),
        )
    };
    let denied = |caller| format!("Caller {caller} is not allowed to call canister_status");
    let closed = (
        Err(("IC0542".into(), denied(stranger))),
        Err(("IC0542".into(), denied(stranger))),
        Err((5, format!("IC0542: {}", denied(caller)))),
    );
    assert_eq!(ask(&mut net), closed);
    let viewers = types::LogVisibility::AllowedViewers(vec![caller]);
    show(&mut net, viewers).unwrap();
    assert_eq!(ask(&mut net).2, Ok(()));
    assert_eq!(
        (ask(&mut net).0, ask(&mut net).1),
        (closed.0.clone(), closed.1.clone())
    );
    show(&mut net, types::LogVisibility::Public).unwrap();
    assert_eq!(ask(&mut net), (Ok(()), Ok(()), Ok(())));
    let crowd = types::LogVisibility::AllowedViewers(vec![caller; 11]);
    assert_eq!(show(&mut net, crowd).unwrap_err().error_code, "IC0408");
}

/// Interface specification 0.65, `status_visibility`.
#[test]
fn a_canister_always_reads_its_own_status() {
    let mut net = Net::new();
    let id = net.install(CALLER);
    assert_eq!(net.replica.controllers(id), Some(vec![net.admin]));
    let args = candid::encode_args(record(id)).unwrap();
    let (_, answer) = net.call_through(id, "canister_status", 0, &args);
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn a_canister_can_require_cycles_with_each_call_of_another() {
    let mut net = Net::new();
    let [caller, callee] = [(); 2].map(|()| net.install(NEIGHBOUR));
    let call = |net: &mut Net, callee: Principal, cycles: u64| {
        let argument = [callee.as_slice(), &cycles.to_le_bytes()].concat();
        let answer = net.update(caller, "go", &argument).unwrap();
        let text = String::from_utf8(answer[1..].to_vec()).unwrap();
        (answer[0], text)
    };
    let least = |cycles| Newer {
        minimum_incoming_canister_call_cycles: Some(cycles),
        ..Newer::default()
    };
    change_newer(&mut net, callee, least(Nat::from(1_000_u32))).unwrap();
    let before = net.replica.cycles(callee);
    let (code, text) = call(&mut net, callee, 999);
    assert_eq!(code, 5);
    let begin = format!("IC0520: Canister {callee} requires at least 1000 transferred cycles");
    assert!(text.starts_with(&begin), "{text}");
    let after = net.replica.cycles(callee);
    assert_eq!(after, before, "the refusal costs the callee nothing");
    assert_eq!(call(&mut net, callee, 1_000).0, 0);
    // Ingress messages and a canister's calls to itself need no cycles.
    net.update(callee, "take", &[]).unwrap();
    change_newer(&mut net, caller, least(Nat::from(u128::MAX))).unwrap();
    assert_eq!(call(&mut net, caller, 0).0, 0);
    let much = Nat::from(u128::MAX) + 1_u8;
    let reject = change_newer(&mut net, callee, least(much)).unwrap_err();
    assert_eq!(reject.error_code, "IC0504");
}

/// A program whose method `go` calls `take` of another canister. Its argument is the callee's id
/// and the cycles to attach. It replies with the reject's code and message, or with zeros.
const NEIGHBOUR: &str = r#"
    (table 4 funcref)
    (elem (i32.const 1) $on_reply $on_reject)
    (data (i32.const 0) "take")
    (func $on_reply (param i32) (call $reply (i32.const 0)))
    (func $on_reject (param i32)
        (i32.store8 (i32.const 600) (call $msg_reject_code))
        (call $msg_reject_msg_copy (i32.const 601) (i32.const 0) (call $msg_reject_msg_size))
        (call $answer (i32.const 600) (i32.add (i32.const 1) (call $msg_reject_msg_size))))
    (func (export "canister_update take") (call $reply (i32.const 0)))
    (func (export "canister_update go")
        (drop (call $argument))
        (call $new_call (i32.const 0) (i32.const 4) (i32.const 1) (i32.const 2))
        (call $call_cycles_add128 (i64.const 0) (i64.load (i32.const 1010)))
        (if (call $call_perform) (then (unreachable))))
"#;

#[test]
fn a_creation_takes_and_a_status_shows_all_settings() {
    #[derive(candid::CandidType)]
    struct Creation {
        settings: Option<Newer>,
    }
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Status {
        settings: Definite,
    }
    #[derive(candid::CandidType, candid::Deserialize, Debug, PartialEq)]
    struct Definite {
        status_visibility: types::LogVisibility,
        minimum_incoming_canister_call_cycles: Nat,
        compute_allocation: Nat,
    }
    let mut net = Net::new();
    let args = Creation {
        settings: Some(Newer {
            status_visibility: Some(types::LogVisibility::Public),
            minimum_incoming_canister_call_cycles: nat(7),
            compute_allocation: nat(3),
        }),
    };
    let create = "provisional_create_canister_with_cycles";
    let (created,) = net
        .manage::<(types::CanisterIdRecord,)>(create, (args,))
        .unwrap();
    let shown = |net: &mut Net, id| {
        let (status,) = net
            .manage::<(Status,)>("canister_status", record(id))
            .unwrap();
        status.settings
    };
    let all = Definite {
        status_visibility: types::LogVisibility::Public,
        minimum_incoming_canister_call_cycles: Nat::from(7_u8),
        compute_allocation: Nat::from(3_u8),
    };
    assert_eq!(shown(&mut net, created.canister_id), all);
    // Settings that a change omits stay as they are.
    change_newer(&mut net, created.canister_id, Newer::default()).unwrap();
    assert_eq!(shown(&mut net, created.canister_id), all);
    let plain = net.create(T);
    let defaults = Definite {
        status_visibility: types::LogVisibility::Controllers,
        minimum_incoming_canister_call_cycles: Nat::from(0_u8),
        compute_allocation: Nat::from(0_u8),
    };
    assert_eq!(shown(&mut net, plain), defaults);
}
