//! The platform's own crates accept the keys and signatures of the replica.

use candid::{CandidType, Principal, decode_args};
use canic_replica_interop::{Instance, NAMES};
use ic_cdk_management_canister::{
    Bip341, EcdsaPublicKeyResult, SchnorrAlgorithm, SchnorrAux, SchnorrKeyId, SchnorrPublicKeyArgs,
    SignWithEcdsaResult, SignWithSchnorrArgs, VetKDCurve, VetKDDeriveKeyArgs, VetKDDeriveKeyResult,
    VetKDKeyId, VetKDPublicKeyArgs, VetKDPublicKeyResult,
};
use ic_secp256k1::PocketIcMasterPublicKeyId as K1;
use ic_secp256r1::PocketIcMasterPublicKeyId as R1;
use ic_vetkeys::{
    EncryptedVetKey, IbeCiphertext, IbeIdentity, IbeSeed, MasterPublicKey, TransportSecretKey,
};

const HASH: [u8; 32] = [3; 32];

/// The curve secp256r1 is missing in the crates' types.
#[derive(CandidType, serde::Deserialize, Clone, Copy)]
enum Curve {
    #[serde(rename = "secp256k1")]
    Secp256k1,
    #[serde(rename = "secp256r1")]
    Secp256r1,
}

#[derive(CandidType, Clone)]
struct KeyId {
    curve: Curve,
    name: String,
}

#[derive(CandidType)]
struct PublicKeyArgs {
    canister_id: Option<Principal>,
    derivation_path: Vec<Vec<u8>>,
    key_id: KeyId,
}

#[derive(CandidType)]
struct SignArgs {
    message_hash: Vec<u8>,
    derivation_path: Vec<Vec<u8>>,
    key_id: KeyId,
}

fn path() -> Vec<Vec<u8>> {
    vec![vec![0, 0, 0, 1], b"any".to_vec(), vec![]]
}

/// The public key, its chain code, and a signature of [`HASH`].
fn sign_ecdsa(instance: &Instance, curve: Curve, name: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let name = name.to_owned();
    let key_id = KeyId { curve, name };
    let args = PublicKeyArgs {
        canister_id: None,
        derivation_path: path(),
        key_id: key_id.clone(),
    };
    let reply = instance.call("ecdsa_public_key", args);
    let (key,): (EcdsaPublicKeyResult,) = decode_args(&reply).unwrap();
    let args = SignArgs {
        message_hash: HASH.to_vec(),
        derivation_path: path(),
        key_id,
    };
    let reply = instance.call("sign_with_ecdsa", args);
    let (signed,): (SignWithEcdsaResult,) = decode_args(&reply).unwrap();
    (key.public_key, key.chain_code, signed.signature)
}

#[test]
fn ic_secp256k1_accepts_ecdsa() {
    let instance = Instance::new();
    let ids = [K1::EcdsaKey1, K1::EcdsaTestKey1, K1::EcdsaDfxTestKey];
    for (name, id) in NAMES.into_iter().zip(ids) {
        let (key, chain_code, signature) = sign_ecdsa(&instance, Curve::Secp256k1, name);
        let canister = instance.canister;
        let (expected, code) = ic_secp256k1::PublicKey::derive_pocketic_key(id, &canister, &path());
        assert_eq!(key, expected.serialize_sec1(true), "{name}");
        assert_eq!(chain_code, code, "{name}");
        assert!(expected.verify_ecdsa_signature_prehashed(&HASH, &signature));
    }
}

#[test]
fn ic_secp256r1_accepts_ecdsa() {
    let instance = Instance::new();
    let ids = [R1::EcdsaKey1, R1::EcdsaTestKey1, R1::EcdsaDfxTestKey];
    for (name, id) in NAMES.into_iter().zip(ids) {
        let (key, chain_code, signature) = sign_ecdsa(&instance, Curve::Secp256r1, name);
        let canister = instance.canister;
        let (expected, code) = ic_secp256r1::PublicKey::derive_pocketic_key(id, &canister, &path());
        assert_eq!(key, expected.serialize_sec1(true), "{name}");
        assert_eq!(chain_code, code, "{name}");
        assert!(expected.verify_signature_prehashed(&HASH, &signature));
    }
}

/// The public key, its chain code, and a signature of `message`.
fn sign_schnorr(
    instance: &Instance,
    algorithm: SchnorrAlgorithm,
    name: &str,
    message: &[u8],
    root: Option<Vec<u8>>,
) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let name = name.to_owned();
    let key_id = SchnorrKeyId { algorithm, name };
    let args = SchnorrPublicKeyArgs {
        canister_id: None,
        derivation_path: path(),
        key_id: key_id.clone(),
    };
    let reply = instance.call("schnorr_public_key", args);
    let (key,): (EcdsaPublicKeyResult,) = decode_args(&reply).unwrap();
    let aux = |merkle_root_hash| SchnorrAux::Bip341(Bip341 { merkle_root_hash });
    let args = SignWithSchnorrArgs {
        message: message.to_vec(),
        derivation_path: path(),
        key_id,
        aux: root.map(aux),
    };
    let reply = instance.call("sign_with_schnorr", args);
    let (signed,): (SignWithEcdsaResult,) = decode_args(&reply).unwrap();
    (key.public_key, key.chain_code, signed.signature)
}

#[test]
fn ic_secp256k1_accepts_bip340_and_bip341() {
    let instance = Instance::new();
    let ids = [K1::SchnorrKey1, K1::SchnorrTestKey1, K1::SchnorrDfxTestKey];
    let algorithm = SchnorrAlgorithm::Bip340secp256k1;
    for (name, id) in NAMES.into_iter().zip(ids) {
        let canister = instance.canister;
        let (expected, code) = ic_secp256k1::PublicKey::derive_pocketic_key(id, &canister, &path());
        for message in [&b""[..], b"message", &[9; 200]] {
            let (key, chain_code, signature) =
                sign_schnorr(&instance, algorithm, name, message, None);
            assert_eq!(key, expected.serialize_sec1(true), "{name}");
            assert_eq!(chain_code, code, "{name}");
            assert!(expected.verify_bip340_signature(message, &signature));
            for root in [vec![], vec![1; 32]] {
                let (_, _, signature) =
                    sign_schnorr(&instance, algorithm, name, message, Some(root.clone()));
                assert!(expected.verify_bip341_signature(message, &signature, &root));
            }
        }
    }
}

#[test]
fn ic_ed25519_accepts_signatures() {
    use ic_ed25519::PocketIcMasterPublicKeyId as Id;
    let instance = Instance::new();
    let ids = [Id::Key1, Id::TestKey1, Id::DfxTestKey];
    for (name, id) in NAMES.into_iter().zip(ids) {
        let (key, chain_code, signature) =
            sign_schnorr(&instance, SchnorrAlgorithm::Ed25519, name, b"message", None);
        let canister = instance.canister;
        let (expected, code) = ic_ed25519::PublicKey::derive_pocketic_key(id, &canister, &path());
        assert_eq!(key, expected.serialize_raw(), "{name}");
        assert_eq!(chain_code, code, "{name}");
        expected.verify_signature(b"message", &signature).unwrap();
    }
}

#[test]
fn ic_vetkeys_decrypts_and_verifies() {
    let instance = Instance::new();
    let transport = TransportSecretKey::from_seed(vec![7; 32]).unwrap();
    for name in NAMES {
        for (context, input) in [(&b""[..], &b""[..]), (b"context", b"input")] {
            let curve = VetKDCurve::Bls12_381_G2;
            let name = name.to_owned();
            let key_id = VetKDKeyId { curve, name };
            let args = VetKDPublicKeyArgs {
                canister_id: None,
                context: context.to_vec(),
                key_id: key_id.clone(),
            };
            let reply = instance.call("vetkd_public_key", args);
            let (public,): (VetKDPublicKeyResult,) = decode_args(&reply).unwrap();
            let master = MasterPublicKey::for_pocketic_key(&key_id).unwrap();
            let own = master.derive_canister_key(instance.canister.as_slice());
            let expected = own.derive_sub_key(context);
            assert_eq!(public.public_key, expected.serialize());
            let args = VetKDDeriveKeyArgs {
                input: input.to_vec(),
                context: context.to_vec(),
                transport_public_key: transport.public_key(),
                key_id,
            };
            let reply = instance.call("vetkd_derive_key", args);
            let (derived,): (VetKDDeriveKeyResult,) = decode_args(&reply).unwrap();
            let encrypted = EncryptedVetKey::deserialize(&derived.encrypted_key).unwrap();
            let key = encrypted.decrypt_and_verify(&transport, &expected, input);
            let key = key.unwrap();
            let seed = IbeSeed::from_bytes(&[5; 32]).unwrap();
            let identity = IbeIdentity::from_bytes(input);
            let sealed = IbeCiphertext::encrypt(&expected, &identity, b"secret", &seed);
            assert_eq!(sealed.decrypt(&key).unwrap(), b"secret");
        }
    }
}
