//! A test of scale: ten thousand small canisters in one instance. It has a process of its own,
//! because it measures the memory of the process.

use candid::{
    Nat, Principal,
    utils::{decode_args, encode_args},
};
use canic_replica::{Config, Ingress, Replica};
use ic_management_canister_types as types;

const CANISTERS: u64 = 10_000;
const GIB: u64 = 1 << 30;

/// A canister with a mebibyte of heap, which writes to heap and stable memory when called.
const SMALL: &str = r#"
(module
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "stable64_grow" (func $stable_grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $stable_write (param i64 i64 i64)))
  (memory 16)
  (func (export "canister_update write")
    (i64.store (i32.const 500000) (i64.const 1))
    (drop (call $stable_grow (i64.const 1)))
    (call $stable_write (i64.const 0) (i64.const 500000) (i64.const 8))
    (call $msg_reply)))
"#;

fn call(replica: &mut Replica, canister: Principal, method: &str, payload: Vec<u8>) -> Vec<u8> {
    let ingress = Ingress {
        sender: Principal::anonymous(),
        canister,
        method: method.into(),
        payload,
        effective: None,
        caller_info: None,
    };
    let id = replica.submit(ingress).unwrap();
    replica.await_ingress(&id).unwrap().unwrap()
}

/// The resident memory of the process in bytes, if the system shows it.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[test]
fn ten_thousand_canisters_fit_into_two_gibibytes() {
    let mut replica = Replica::new(Config::default()).unwrap();
    let module = wat::parse_str(SMALL).unwrap();
    let management = Principal::management_canister();
    for _ in 0..CANISTERS {
        let args = types::ProvisionalCreateCanisterWithCyclesArgs {
            amount: Some(Nat::from(1_000_000_000_000_u64)),
            settings: None,
            specified_id: None,
            sender_canister_version: None,
        };
        let method = "provisional_create_canister_with_cycles";
        let created = call(
            &mut replica,
            management,
            method,
            encode_args((args,)).unwrap(),
        );
        let (types::CanisterIdRecord { canister_id },) = decode_args(&created).unwrap();
        let args = types::InstallCodeArgs {
            mode: types::CanisterInstallMode::Install,
            canister_id,
            wasm_module: module.clone(),
            arg: Vec::new(),
            sender_canister_version: None,
        };
        call(
            &mut replica,
            management,
            "install_code",
            encode_args((args,)).unwrap(),
        );
        call(&mut replica, canister_id, "write", Vec::new());
    }
    assert_eq!(replica.canisters().len() as u64, CANISTERS);
    let Some(bytes) = resident() else {
        println!("skipped: this system does not show how much memory a process uses");
        return;
    };
    println!("{} bytes for each canister", bytes / CANISTERS);
    assert!(bytes < 2 * GIB, "{bytes}");
    // A fork takes little more memory.
    let fork = replica.clone();
    let more = resident().unwrap().saturating_sub(bytes);
    assert!(more < GIB / 10, "{more}");
    drop(fork);
}
