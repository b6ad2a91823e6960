//! Threshold keys, through the client: which subnet has which key, and what a canister gets.

use candid::{CandidType, Principal, decode_args, encode_one};
use ic_ed25519::{DerivationPath, PocketIcMasterPublicKeyId, PublicKey};
use ic_management_canister_types as types;
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use pocket_ic::PocketIc;

use crate::common::builder;

const FORWARDER: &str = include_str!("forwarder.wat");

fn install(pic: &PocketIc) -> Principal {
    let canister = pic.create_canister();
    let module = wat::parse_str(FORWARDER).unwrap();
    pic.install_canister(canister, module, vec![], None);
    canister
}

/// Calls the management canister; the error is the reject's message.
fn call(
    pic: &PocketIc,
    canister: Principal,
    method: &str,
    args: impl CandidType,
) -> Result<Vec<u8>, String> {
    let payload = encode_one(args).unwrap();
    let argument = [&[method.len() as u8], method.as_bytes(), &payload].concat();
    let sender = Principal::anonymous();
    let reply = pic.update_call(canister, sender, "forward", argument);
    let reply = reply.unwrap();
    match reply.split_first() {
        Some((0, message)) => Err(String::from_utf8(message.to_vec()).unwrap()),
        _ => Ok(reply),
    }
}

fn ecdsa(name: &str) -> types::EcdsaKeyId {
    let curve = types::EcdsaCurve::Secp256k1;
    let name = name.to_owned();
    types::EcdsaKeyId { curve, name }
}

fn sign(pic: &PocketIc, canister: Principal, name: &str) -> Result<Vec<u8>, String> {
    let args = types::SignWithEcdsaArgs {
        message_hash: vec![1; 32],
        derivation_path: vec![b"path".to_vec()],
        key_id: ecdsa(name),
    };
    let reply = call(pic, canister, "sign_with_ecdsa", args)?;
    let (result,): (types::SignWithEcdsaResult,) = decode_args(&reply).unwrap();
    Ok(result.signature)
}

/// HOWTO of the crate `pocket-ic` 16.1, section "Threshold Keys".
#[test]
fn the_named_subnets_hold_the_keys() {
    let here = [
        (builder().with_ii_subnet(), ["key_1"].as_slice()),
        (builder().with_fiduciary_subnet(), &["key_1"]),
        (
            builder().with_test_threshold_keys_subnet(),
            &["test_key_1", "dfx_test_key"],
        ),
        (builder().with_nns_subnet(), &[]),
    ];
    for (builder, names) in here {
        let pic = builder.with_application_subnet().build();
        let canister = install(&pic);
        for name in ["key_1", "test_key_1", "dfx_test_key"] {
            let signed = sign(&pic, canister, name);
            if !names.contains(&name) {
                let why = signed.unwrap_err();
                assert!(why.contains("unknown or disabled threshold key"), "{why}");
                continue;
            }
            let args = types::EcdsaPublicKeyArgs {
                canister_id: Some(canister),
                derivation_path: vec![b"path".to_vec()],
                key_id: ecdsa(name),
            };
            let reply = call(&pic, canister, "ecdsa_public_key", args).unwrap();
            let (key,): (types::EcdsaPublicKeyResult,) = decode_args(&reply).unwrap();
            let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(&key.public_key).unwrap();
            let signature = k256::ecdsa::Signature::from_slice(&signed.unwrap()).unwrap();
            key.verify_prehash(&[1; 32], &signature).unwrap();
        }
    }
}

/// Clients derive public keys offline from the master keys that PocketIC publishes.
#[test]
fn a_public_key_is_the_one_that_a_client_derives_offline() {
    let pic = builder().with_ii_subnet().with_application_subnet().build();
    let canister = install(&pic);
    let path = vec![b"any".to_vec(), vec![]];
    let args = types::SchnorrPublicKeyArgs {
        canister_id: None,
        derivation_path: path.clone(),
        key_id: types::SchnorrKeyId {
            algorithm: types::SchnorrAlgorithm::Ed25519,
            name: "key_1".into(),
        },
    };
    let reply = call(&pic, canister, "schnorr_public_key", args).unwrap();
    let (key,): (types::SchnorrPublicKeyResult,) = decode_args(&reply).unwrap();
    let along = DerivationPath::from_canister_id_and_path(canister.as_slice(), &path);
    let master = PublicKey::pocketic_key(PocketIcMasterPublicKeyId::Key1);
    let (expected, chain_code) = master.derive_subkey(&along);
    assert_eq!(key.public_key, expected.serialize_raw());
    assert_eq!(key.chain_code, chain_code);
}
