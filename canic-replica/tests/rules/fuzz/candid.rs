//! Fuzzed arguments of the management canister, from several senders.

use candid::{Encode, Principal};
use canic_replica::SubnetKind;
use ic_management_canister_types::{self as types, CanisterInstallMode::Reinstall};

use super::draws::Draws;
use crate::common::{Net, canister};

const METHODS: [&str; 34] = [
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
    "ecdsa_public_key",
    "sign_with_ecdsa",
    "schnorr_public_key",
    "sign_with_schnorr",
    "vetkd_public_key",
    "vetkd_derive_key",
];

/// Forwards its argument to the management canister: the size of the method's name in one byte, the
/// name, and the payload. It replies with nothing to any answer.
pub(crate) const FORWARDER: &str = r#"
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

#[derive(Clone)]
struct Start {
    net: Net,
    /// A [`FORWARDER`].
    id: Principal,
    /// Valid arguments.
    payloads: Vec<Vec<u8>>,
}

thread_local! {
    static START: Start = start();
}

fn start() -> Start {
    let mut net = Net::with(vec![SubnetKind::TestThresholdKeys, SubnetKind::Application]);
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
    let payloads = vec![
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
        Encode!(&types::SignWithSchnorrArgs {
            message: vec![1; 10],
            derivation_path: vec![vec![1], vec![]],
            key_id: types::SchnorrKeyId {
                algorithm: types::SchnorrAlgorithm::Bip340secp256k1,
                name: "test_key_1".into(),
            },
            aux: Some(types::SchnorrAux::Bip341(types::Bip341::default())),
        })
        .unwrap(),
        Encode!(&types::VetKDDeriveKeyArgs {
            input: vec![1; 10],
            context: vec![],
            transport_public_key: vec![1; 48],
            key_id: types::VetKDKeyId {
                curve: types::VetKDCurve::Bls12_381_G2,
                name: "test_key_1".into(),
            },
        })
        .unwrap(),
    ];
    Start { net, id, payloads }
}

/// Sends calls that `data` chooses. The accounts balance, and a canister can be created afterwards.
pub(crate) fn check(data: &[u8]) {
    let Start {
        mut net,
        id,
        payloads,
    } = START.with(Start::clone);
    let draws = &mut Draws::new(data);
    // A few calls in a row: each runs on the state that the previous ones left.
    for _ in 0..1 + draws.below(4) {
        let method = *draws.pick(&METHODS);
        let mut payload = draws.pick(&payloads).clone();
        draws.mutate(&mut payload);
        let call = if draws.below(2) == 0 {
            let mut argument = vec![method.len() as u8];
            argument.extend_from_slice(method.as_bytes());
            argument.extend_from_slice(&payload);
            net.ingress(id, "run", &argument)
        } else {
            let mut call = net.ingress(Principal::management_canister(), method, &payload);
            call.sender = *draws.pick(&[net.admin, Principal::anonymous(), id]);
            call
        };
        // The call may be refused, or wait for ever for the answer to an outcall.
        drop(net.replica.submit(call));
        for _ in 0..4 {
            net.replica.tick();
            net.check_accounts();
        }
    }
    let fresh = net.install(FORWARDER);
    assert_eq!(net.number(fresh, "get"), 7);
}
