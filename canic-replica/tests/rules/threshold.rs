//! Threshold keys: where they are, what they derive and sign, and what that costs.
//!
//! The public keys are checked as a client does it that knows the master public key and asks
//! nobody; the signatures by `k256`, `p256`, `ed25519-dalek` and pairings. The crate
//! `canic-replica/interop` checks them by the platform's own crates.

use candid::{CandidType, Deserialize, Principal, decode_args};
use canic_replica::SubnetKind::{self, Application, Fiduciary, II, TestThresholdKeys};
use hmac::{Hmac, Mac};
use ic_bls12_381::{
    G1Affine, G1Projective, G2Affine, G2Projective, Scalar,
    hash_to_curve::{ExpandMsgXmd, HashToCurve, HashToField},
    pairing,
};
use ic_management_canister_types as types;
use k256::{
    Secp256k1,
    ecdsa::signature::hazmat::PrehashVerifier,
    elliptic_curve::{
        CurveArithmetic, FieldBytes, PrimeField,
        ops::MulByGenerator,
        sec1::{FromEncodedPoint, ModulusSize, ToEncodedPoint},
    },
};
use p256::NistP256;
use sha2::{Digest, Sha256, Sha512};

use crate::common::{CALLER, Net, T, canister, encode};

/// The fee on a subnet with 13 nodes.
pub(crate) const FEE: u128 = 10_000_000_000;

/// The types of the interface, with the curve that `ic-management-canister-types` 0.8 lacks.
#[derive(CandidType, Clone, Copy, Deserialize)]
pub(crate) enum Curve {
    #[serde(rename = "secp256k1")]
    Secp256k1,
    #[serde(rename = "secp256r1")]
    Secp256r1,
}

#[derive(CandidType, Clone)]
pub(crate) struct EcdsaKeyId {
    curve: Curve,
    name: String,
}

#[derive(CandidType)]
pub(crate) struct PublicKeyArgs<K> {
    canister_id: Option<Principal>,
    derivation_path: Vec<Vec<u8>>,
    key_id: K,
}

#[derive(CandidType)]
pub(crate) struct SignWithEcdsaArgs {
    pub(crate) message_hash: Vec<u8>,
    pub(crate) derivation_path: Vec<Vec<u8>>,
    pub(crate) key_id: EcdsaKeyId,
}

#[derive(CandidType, Deserialize)]
pub(crate) struct Signature {
    #[serde(with = "serde_bytes")]
    pub(crate) signature: Vec<u8>,
}

pub(crate) fn ecdsa(curve: Curve, name: &str) -> EcdsaKeyId {
    let name = name.to_owned();
    EcdsaKeyId { curve, name }
}

pub(crate) fn schnorr(algorithm: types::SchnorrAlgorithm, name: &str) -> types::SchnorrKeyId {
    let name = name.to_owned();
    types::SchnorrKeyId { algorithm, name }
}

pub(crate) fn vetkd(name: &str) -> types::VetKDKeyId {
    let curve = types::VetKDCurve::Bls12_381_G2;
    let name = name.to_owned();
    types::VetKDKeyId { curve, name }
}

/// A path with indices of several lengths.
pub(crate) fn path() -> Vec<Vec<u8>> {
    vec![vec![0, 0, 0, 1], b"any length".to_vec(), vec![]]
}

/// An instance with a [`CALLER`] on the last of its subnets.
pub(crate) struct Keys {
    pub(crate) net: Net,
    pub(crate) id: Principal,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self::on(vec![TestThresholdKeys, Application])
    }

    pub(crate) fn on(subnets: Vec<SubnetKind>) -> Self {
        let last = subnets.len() - 1;
        let mut net = Net::with(subnets);
        let id = install_on(&mut net, last, CALLER);
        Self { net, id }
    }

    /// Calls the management canister. Answers the refund, and the reply or the reject.
    pub(crate) fn call(
        &mut self,
        method: &str,
        cycles: u128,
        args: impl CandidType,
    ) -> (u128, Result<Vec<u8>, (u32, String)>) {
        self.net
            .call_through(self.id, method, cycles, &encode(args))
    }

    /// Calls a method that is free. Its reply.
    pub(crate) fn public<K: CandidType>(
        &mut self,
        method: &str,
        canister_id: Option<Principal>,
        derivation_path: Vec<Vec<u8>>,
        key_id: K,
    ) -> (Vec<u8>, [u8; 32]) {
        let args = PublicKeyArgs {
            canister_id,
            derivation_path,
            key_id,
        };
        let (refund, reply) = self.call(method, 7, args);
        assert_eq!(refund, 7, "public keys are free");
        let (key,): (types::EcdsaPublicKeyResult,) = decode_args(&reply.unwrap()).unwrap();
        (key.public_key, key.chain_code.try_into().unwrap())
    }

    /// Asks for a signature, and pays more than enough.
    pub(crate) fn sign(&mut self, method: &str, args: impl CandidType) -> Vec<u8> {
        let (refund, reply) = self.call(method, 4 * FEE, args);
        let reply = reply.unwrap();
        assert!(refund < 4 * FEE, "signatures are not free");
        let (Signature { signature },) = decode_args(&reply).unwrap();
        signature
    }

    pub(crate) fn sign_schnorr(
        &mut self,
        key_id: types::SchnorrKeyId,
        message: &[u8],
        root: Option<&[u8]>,
    ) -> Vec<u8> {
        let args = schnorr_args(key_id, message, root);
        self.sign("sign_with_schnorr", args)
    }
}

pub(crate) fn install_on(net: &mut Net, subnet: usize, body: &str) -> Principal {
    let id = net.create_on(subnet, 100 * T);
    let mode = types::CanisterInstallMode::Install;
    net.install_as(mode, id, canister(body), &[]).unwrap();
    id
}

pub(crate) fn ecdsa_args(key_id: EcdsaKeyId, hash: &[u8]) -> SignWithEcdsaArgs {
    SignWithEcdsaArgs {
        message_hash: hash.to_vec(),
        derivation_path: path(),
        key_id,
    }
}

pub(crate) fn schnorr_args(
    key_id: types::SchnorrKeyId,
    message: &[u8],
    root: Option<&[u8]>,
) -> types::SignWithSchnorrArgs {
    let aux = |root: &[u8]| {
        types::SchnorrAux::Bip341(types::Bip341 {
            merkle_root_hash: root.to_vec(),
        })
    };
    types::SignWithSchnorrArgs {
        message: message.to_vec(),
        derivation_path: path(),
        key_id,
        aux: root.map(aux),
    }
}

pub(crate) fn vetkd_args(
    name: &str,
    input: &[u8],
    transport: Vec<u8>,
) -> types::VetKDDeriveKeyArgs {
    types::VetKDDeriveKeyArgs {
        input: input.to_vec(),
        context: b"context".to_vec(),
        transport_public_key: transport,
        key_id: vetkd(name),
    }
}

/// What a client computes who knows a master public key: interface specification 0.66, section "IC
/// method `ecdsa_public_key`", and ia.cr/2021/1330, appendix D.
fn derived<C>(master: &str, canister: Principal, path: &[Vec<u8>]) -> (Vec<u8>, [u8; 32])
where
    C: CurveArithmetic,
    C::AffinePoint: FromEncodedPoint<C> + ToEncodedPoint<C>,
    C::ProjectivePoint: From<C::AffinePoint> + ToEncodedPoint<C>,
    k256::elliptic_curve::FieldBytesSize<C>: ModulusSize,
{
    let master =
        k256::elliptic_curve::PublicKey::<C>::from_sec1_bytes(&hex::decode(master).unwrap());
    let mut point = master.unwrap().to_projective();
    let mut chain_code = [0; 32];
    for index in std::iter::once(canister.as_slice()).chain(path.iter().map(Vec::as_slice)) {
        let mut mac = Hmac::<Sha512>::new_from_slice(&chain_code).unwrap();
        mac.update(point.to_encoded_point(true).as_bytes());
        mac.update(index);
        let output = mac.finalize().into_bytes();
        let offset = FieldBytes::<C>::clone_from_slice(&output[..32]);
        point += C::ProjectivePoint::mul_by_generator(&C::Scalar::from_repr(offset).unwrap());
        chain_code.copy_from_slice(&output[32..]);
    }
    (point.to_encoded_point(true).as_bytes().to_vec(), chain_code)
}

/// The published master public keys of PocketIC: crates `ic-secp256k1` 0.3, `ic-secp256r1` 0.3,
/// functions `PublicKey::pocketic_key`. ECDSA and BIP-340 share the keys on secp256k1.
const ON_K1: [(&str, &str); 3] = [
    (
        "key_1",
        "036ad6e838b46811ad79c37b2f4b854b7a05f406715b2935edc5d3251e7666977b",
    ),
    (
        "test_key_1",
        "03cc365e15cb552589c7175717b2ac63d1050b9bb2e5aed35432b1b1be55d3abcf",
    ),
    (
        "dfx_test_key",
        "03e6f78b1a90e361c5cc9903f73bb8acbe3bc17ad01e82554d25cf0ecd70c67484",
    ),
];
const ON_R1: [(&str, &str); 3] = [
    (
        "key_1",
        "0384e7ba2fc1e46ed22e8d7d2b885b16c36270b3403be76e877ae961aec99abc28",
    ),
    (
        "test_key_1",
        "036c7bdaf10cc2bb6709ea76162db3e5f31f77014fc79741b044618f51ba61ee2b",
    ),
    (
        "dfx_test_key",
        "0287dd82d1da499aec7d1707e6e23a3522a5c2e544c64b573b1221545803ae1c39",
    ),
];
/// As above: `ic-vetkeys` 0.9, `MasterPublicKey::for_pocketic_key`.
const VETKD: [(&str, &str); 3] = [
    (
        "key_1",
        "8c800b5cff00463d26e8167369168827f1e48f4d8d60f71dd6a295580f65275b5f5f8e6a792c876b2c7249213653\
         0d0710a27522ee63977a76216c3cef9e70bfcb45b88736fc62142e7e0737848ce06cbb1f45a4a6a349b142ae5cf7\
         853561e0",
    ),
    (
        "test_key_1",
        "9069b82c7aae418cef27678291e7f2cb1a008a500eceba7199bffca12421b07c158987c6a22618af3d1958738b28\
         35691028801f7663d311799733286c557c8979184bb62cb559a4d582fca7d2e48b860f08ed6641aef66a059ec891\
         889a6218",
    ),
    (
        "dfx_test_key",
        "b181c14cf9d04ba45d782c0067a44b0aaa9fc2acf94f1a875f0dae801af4f80339a7e6bf8b09fcf993824c8df308\
         0b3f1409b688ca08cbd44d2cb28db9899f4aa3b5f06b9174240448e10be2f01f9f80079ea5431ce2d11d1c8d1c77\
         5333315f",
    ),
];

/// Interface specification 0.66, section "IC method `ecdsa_public_key`" and its neighbours.
#[test]
fn public_keys_are_those_that_a_client_derives_from_the_master_key() {
    let mut keys = Keys::on(vec![II, TestThresholdKeys, Application]);
    let other = keys.net.create(T);
    for (canister_id, of) in [(None, keys.id), (Some(other), other)] {
        for (name, master) in ON_K1 {
            let expected = derived::<Secp256k1>(master, of, &path());
            let key = ecdsa(Curve::Secp256k1, name);
            let answered = keys.public("ecdsa_public_key", canister_id, path(), key);
            assert_eq!(answered, expected, "{name}");
            let key = schnorr(types::SchnorrAlgorithm::Bip340secp256k1, name);
            let answered = keys.public("schnorr_public_key", canister_id, path(), key);
            assert_eq!(answered, expected, "{name}");
        }
        for (name, master) in ON_R1 {
            let expected = derived::<NistP256>(master, of, &path());
            let key = ecdsa(Curve::Secp256r1, name);
            let answered = keys.public("ecdsa_public_key", canister_id, path(), key);
            assert_eq!(answered, expected, "{name}");
        }
        use ic_ed25519::{DerivationPath, PocketIcMasterPublicKeyId as Id, PublicKey};
        for (name, id) in [
            ("key_1", Id::Key1),
            ("test_key_1", Id::TestKey1),
            ("dfx_test_key", Id::DfxTestKey),
        ] {
            let along = DerivationPath::from_canister_id_and_path(of.as_slice(), &path());
            let (expected, code) = PublicKey::pocketic_key(id).derive_subkey(&along);
            let key = schnorr(types::SchnorrAlgorithm::Ed25519, name);
            let answered = keys.public("schnorr_public_key", canister_id, path(), key);
            assert_eq!(
                answered,
                (expected.serialize_raw().to_vec(), code),
                "{name}"
            );
        }
    }
}

/// The derivation of dfinity/vetkeys `backend/rs/ic_vetkeys/src/utils/mod.rs`
/// (`derive_canister_key`, `derive_sub_key`).
fn derived_vetkd(master: &str, canister: Principal, context: &[u8]) -> G2Affine {
    let master: [u8; 96] = hex::decode(master).unwrap().try_into().unwrap();
    let mut key = G2Affine::from_compressed(&master).unwrap();
    for (index, domain) in [
        (canister.as_slice(), "ic-vetkd-bls12-381-g2-canister-id"),
        (context, "ic-vetkd-bls12-381-g2-context"),
    ] {
        if index.is_empty() {
            continue;
        }
        let mut input = Vec::new();
        for part in [&key.to_compressed()[..], index] {
            input.extend((part.len() as u64).to_be_bytes());
            input.extend(part);
        }
        let mut offset = [Scalar::zero()];
        Scalar::hash_to_field::<ExpandMsgXmd<Sha256>>(&input, domain.as_bytes(), &mut offset);
        key = (G2Projective::from(key) + G2Affine::generator() * offset[0]).into();
    }
    key
}

/// Interface specification 0.66, section "IC method `vetkd_public_key`".
#[test]
fn vetkd_public_keys_are_those_that_a_client_derives_from_the_master_key() {
    let mut keys = Keys::on(vec![Fiduciary, TestThresholdKeys, Application]);
    for (name, master) in VETKD {
        for context in [&b""[..], b"context"] {
            let args = types::VetKDPublicKeyArgs {
                canister_id: None,
                context: context.to_vec(),
                key_id: vetkd(name),
            };
            let (refund, reply) = keys.call("vetkd_public_key", 7, args);
            assert_eq!(refund, 7, "public keys are free");
            let (key,): (types::VetKDPublicKeyResult,) = decode_args(&reply.unwrap()).unwrap();
            let expected = derived_vetkd(master, keys.id, context);
            assert_eq!(key.public_key, expected.to_compressed(), "{name}");
        }
    }
}

/// Interface specification 0.66, section "IC method `sign_with_ecdsa`". On secp256k1 s is the lower
/// one of two (dfinity/ic `packages/ic-secp256k1/src/lib.rs`, `sign_digest_with_ecdsa`).
#[test]
fn ecdsa_signatures_verify_with_the_derived_key() {
    let mut keys = Keys::new();
    let hash: [u8; 32] = Sha256::digest(b"message").into();
    let key = ecdsa(Curve::Secp256k1, "test_key_1");
    let (public, _) = keys.public("ecdsa_public_key", None, path(), key.clone());
    let signature = keys.sign("sign_with_ecdsa", ecdsa_args(key, &hash));
    let verifier = k256::ecdsa::VerifyingKey::from_sec1_bytes(&public).unwrap();
    let signature = k256::ecdsa::Signature::from_slice(&signature).unwrap();
    verifier.verify_prehash(&hash, &signature).unwrap();
    assert!(signature.normalize_s().is_none());

    let key = ecdsa(Curve::Secp256r1, "test_key_1");
    let (public, _) = keys.public("ecdsa_public_key", None, path(), key.clone());
    let signature = keys.sign("sign_with_ecdsa", ecdsa_args(key, &hash));
    let verifier = p256::ecdsa::VerifyingKey::from_sec1_bytes(&public).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
    verifier.verify_prehash(&hash, &signature).unwrap();
}

/// Interface specification 0.66, section "IC method `sign_with_schnorr`"; BIP-341,
/// `taproot_tweak_pubkey`.
#[test]
fn bip340_signatures_verify_with_the_derived_key_or_with_its_taproot_key() {
    let mut keys = Keys::new();
    let id = || schnorr(types::SchnorrAlgorithm::Bip340secp256k1, "dfx_test_key");
    let (public, _) = keys.public("schnorr_public_key", None, path(), id());
    let internal = &public[1..];
    let verify = |x: &[u8], message: &[u8], signature: &[u8]| {
        let verifier = k256::schnorr::VerifyingKey::from_bytes(x).unwrap();
        let signature = k256::schnorr::Signature::try_from(signature).unwrap();
        verifier.verify_raw(message, &signature)
    };
    for message in [&b""[..], b"m", &[7; 1000]] {
        let signature = keys.sign_schnorr(id(), message, None);
        verify(internal, message, &signature).unwrap();
        for root in [&b""[..], &[5; 32]] {
            let tag = Sha256::digest(b"TapTweak");
            let tweak = Sha256::digest([&tag, &tag, internal, root].concat());
            let tweak = k256::Scalar::from_repr(tweak).unwrap();
            let even = [&[2], internal].concat();
            let even = k256::PublicKey::from_sec1_bytes(&even).unwrap();
            let output = even.to_projective() + k256::ProjectivePoint::GENERATOR * tweak;
            let output = output.to_encoded_point(true);
            let signature = keys.sign_schnorr(id(), message, Some(root));
            verify(&output.as_bytes()[1..], message, &signature).unwrap();
            verify(internal, message, &signature).unwrap_err();
        }
    }
}

/// Interface specification 0.66, section "IC method `sign_with_schnorr`".
#[test]
fn ed25519_signatures_verify_with_the_derived_key() {
    let mut keys = Keys::new();
    let id = || schnorr(types::SchnorrAlgorithm::Ed25519, "test_key_1");
    let (public, _) = keys.public("schnorr_public_key", None, path(), id());
    let public = <[u8; 32]>::try_from(public).unwrap();
    let verifier = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    for message in [&b""[..], b"message"] {
        let signature = keys.sign_schnorr(id(), message, None);
        let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        verifier.verify_strict(message, &signature).unwrap();
    }
}

/// The equations of the interface specification 0.66, section "IC method `vetkd_derive_key`".
#[test]
fn a_derived_key_decrypts_and_verifies_by_pairings() {
    let mut keys = Keys::new();
    let secret = Scalar::from(0x1234_5678_9abc_u64);
    let transport = G1Affine::from(G1Affine::generator() * secret);
    let encoded = transport.to_compressed().to_vec();
    for input in [&b""[..], b"input"] {
        let args = vetkd_args("test_key_1", input, encoded.clone());
        let (_, reply) = keys.call("vetkd_derive_key", FEE, args);
        let (key,): (types::VetKDDeriveKeyResult,) = decode_args(&reply.unwrap()).unwrap();
        let bytes: [u8; 192] = key.encrypted_key.try_into().unwrap();
        let first = G1Affine::from_compressed(bytes[..48].try_into().unwrap()).unwrap();
        let second = G2Affine::from_compressed(bytes[48..144].try_into().unwrap()).unwrap();
        let third = G1Affine::from_compressed(bytes[144..].try_into().unwrap()).unwrap();
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        assert_eq!(pairing(&first, &g2), pairing(&g1, &second));
        let public = derived_vetkd(VETKD[1].1, keys.id, b"context");
        let message = [&public.to_compressed()[..], input].concat();
        const SUITE: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_AUG_";
        type Expand = ExpandMsgXmd<Sha256>;
        let hash = <G1Projective as HashToCurve<Expand>>::hash_to_curve(message, SUITE);
        let right = pairing(&G1Affine::from(hash), &public);
        assert_eq!(pairing(&third, &g2), pairing(&transport, &second) + right);
        let key = G1Affine::from(G1Projective::from(third) - first * secret);
        assert_eq!(pairing(&key, &g2), right);
    }
}
