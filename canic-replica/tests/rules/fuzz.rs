//! Arguments and modules that nobody would write, drawn from a seed: the host stays up and no cycle gets lost.
//!
//! `FUZZ_SEED` and `FUZZ_RUNS` (for each test) in the environment make other and longer runs; a failure prints the seed
//! that repeats it with `FUZZ_RUNS=1`.

use crate::common::{Net, canister};
use candid::{Encode, Principal};
use canic_replica::{Effect, Fault};
use ic_management_canister_types as types;
use types::CanisterInstallMode::{Install, Reinstall};

const METHODS: [&str; 28] = [
    "create_canister",
    "provisional_create_canister_with_cycles",
    "provisional_top_up_canister",
    "update_settings",
    "canister_status",
    "canister_info",
    "canister_metadata",
    "start_canister",
    "stop_canister",
    "delete_canister",
    "deposit_cycles",
    "install_code",
    "install_chunked_code",
    "uninstall_code",
    "upload_chunk",
    "stored_chunks",
    "clear_chunk_store",
    "take_canister_snapshot",
    "load_canister_snapshot",
    "list_canister_snapshots",
    "delete_canister_snapshot",
    "read_canister_snapshot_metadata",
    "read_canister_snapshot_data",
    "upload_canister_snapshot_metadata",
    "upload_canister_snapshot_data",
    "fetch_canister_logs",
    "raw_rand",
    "http_request",
];

/// Passes its argument on to the management canister: a byte that says how long the method's name is, the name, and
/// the payload; answers whatever comes back with nothing.
const FORWARDER: &str = r#"
    (table funcref (elem $done))
    (func $done (param i32) (call $msg_reply))
    (func (export "canister_update run") (local $size i32) (local $name i32)
        (local.set $size (call $argument))
        (local.set $name (i32.load8_u (i32.const 1000)))
        (call $call_new (i32.const 0) (i32.const 0) (i32.const 1001) (local.get $name)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $call_data_append (i32.add (i32.const 1001) (local.get $name))
            (i32.sub (i32.sub (local.get $size) (i32.const 1)) (local.get $name)))
        (drop (call $call_perform)))
    (func (export "canister_query get") (call $reply (i32.const 7)))"#;

/// Numbers from a seed (SplitMix64).
struct Draws(u64);

impl Draws {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Changes a few bytes, or cuts something out, or puts something in.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const TELLING: [u8; 8] = [0, 1, 0x41, 0x6c, 0x6d, 0x7f, 0x80, 0xff];
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = self.number() as u8,
                2 if !bytes.is_empty() => bytes[at] = *self.one(&TELLING),
                3 => bytes.truncate(at),
                4 => {
                    let end = bytes.len().min(at + self.below(16));
                    drop(bytes.drain(at..end));
                }
                _ => {
                    let more = *self.one(&TELLING);
                    let count = 1 + self.below(12);
                    drop(bytes.splice(at..at, vec![more; count]));
                }
            }
        }
    }
}

/// Runs with one seed after the other; says which one failed.
fn fuzz(runs: u64, run: impl Fn(&mut Draws)) {
    struct Seed(u64);
    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("to repeat: FUZZ_SEED={} FUZZ_RUNS=1", self.0);
            }
        }
    }
    let variable = |name, default| match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    };
    let first: u64 = variable("FUZZ_SEED", 1);
    for seed in first..first + variable("FUZZ_RUNS", runs) {
        let _seed = Seed(seed);
        run(&mut Draws(seed));
    }
}

#[test]
fn no_argument_harms_the_management_canister() {
    let mut net = Net::new();
    let id = net.install(FORWARDER);
    let other = net.create(1_000_000_000_000);
    for canister in [id, other] {
        let settings = types::CanisterSettings {
            controllers: Some(vec![net.admin, id]),
            ..Default::default()
        };
        let args = types::UpdateSettingsArgs {
            canister_id: canister,
            settings,
            sender_canister_version: None,
        };
        net.manage::<()>("update_settings", (args,)).unwrap();
    }
    let code = types::InstallCodeArgs {
        mode: Reinstall,
        canister_id: other,
        wasm_module: canister(""),
        arg: vec![],
        sender_canister_version: None,
    };
    let templates = [
        b"DIDL\0\0".to_vec(),
        Encode!(&types::CanisterIdRecord { canister_id: other }).unwrap(),
        Encode!(&types::CanisterIdRecord { canister_id: id }).unwrap(),
        Encode!(&code).unwrap(),
        Encode!(&types::UpdateSettingsArgs {
            canister_id: other,
            settings: types::CanisterSettings {
                controllers: Some(vec![other]),
                compute_allocation: Some(1u8.into()),
                freezing_threshold: Some(1_000_000u32.into()),
                ..Default::default()
            },
            sender_canister_version: Some(1),
        })
        .unwrap(),
        Encode!(&types::UploadChunkArgs {
            canister_id: id,
            chunk: vec![1; 100],
        })
        .unwrap(),
    ];
    let admin = net.admin;
    fuzz(600, |draws| {
        let mut net = net.clone();
        // A few calls in a row: what one leaves behind, the next one meets.
        for _ in 0..1 + draws.below(4) {
            let method = *draws.one(&METHODS);
            let mut payload = draws.one(&templates).clone();
            draws.mutate(&mut payload);
            let call = if draws.below(2) == 0 {
                let mut argument = vec![method.len() as u8];
                argument.extend_from_slice(method.as_bytes());
                argument.extend_from_slice(&payload);
                net.ingress(id, "run", &argument)
            } else {
                let mut call = net.ingress(Principal::management_canister(), method, &payload);
                call.sender = *draws.one(&[admin, Principal::anonymous(), id]);
                call
            };
            // It may be refused, or wait for ever for somebody to answer an outcall.
            drop(net.replica.submit(call));
            for _ in 0..4 {
                net.replica.tick();
                net.check_accounts();
            }
        }
        let fresh = net.install(FORWARDER);
        assert_eq!(net.number(fresh, "get"), 7);
    });
}

#[test]
fn no_module_harms_the_host() {
    let mut net = Net::new();
    let id = net.create(100_000_000_000_000);
    // What does not end by itself ends soon.
    let mut fault = Fault::on_call(Effect::Trap {
        after: Some(1_000_000),
    });
    fault.times = u64::MAX;
    fault.callee = Some(id);
    net.replica.inject(fault);
    let corpus = [
        canister(FORWARDER),
        canister(
            r#"(global $g (mut i32) (i32.const 3)) (start $s)
            (func $s (global.set $g (i32.const 5)))
            (func (export "canister_init") (drop (memory.grow (i32.const 2))))
            (func (export "canister_heartbeat") (drop (call $stable64_grow (i64.const 1))))
            (func (export "canister_update run")
                (call $stable64_write (i64.const 0) (i64.const 0) (i64.const 5000))
                (call $reply (global.get $g)))"#,
        ),
        canister(
            r#"(table $t 10 funcref) (elem (i32.const 1) $f)
            (data (i32.const 3000) "some data")
            (func $f (param i32) (result i64) (i64.div_s (i64.const 9) (i64.extend_i32_u (local.get 0))))
            (func (export "canister_update run") (local $i i32)
                (loop $l
                    (drop (call_indirect (param i32) (result i64) (local.get $i) (i32.const 1)))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $l (i32.lt_u (local.get $i) (i32.const 10))))
                (call $reply (local.get $i)))"#,
        ),
    ];
    let sane = net.install(FORWARDER);
    fuzz(300, |draws| {
        let mut net = net.clone();
        let mut module = draws.one(&corpus).clone();
        // Not into the list of imports again and again: most of what is there makes the module invalid at once.
        let tail = module.len() - draws.below(module.len() / 3) - 1;
        let mut end = module.split_off(tail);
        draws.mutate(&mut end);
        module.extend(end);
        if net.install_as(Install, id, module, &[]).is_ok() {
            let run = net.ingress(id, "run", b"\x08raw_randDIDL\0\0");
            drop(net.replica.submit(run));
            for _ in 0..4 {
                net.replica.tick();
                net.check_accounts();
            }
        }
        assert_eq!(net.number(sane, "get"), 7);
    });
}
