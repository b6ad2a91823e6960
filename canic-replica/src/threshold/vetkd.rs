//! Verifiably encrypted threshold keys (vetKD) on BLS12-381, as the interface specification defines
//! them (section "IC method `vetkd_derive_key`").

use candid::Principal;
use ic_bls12_381::{
    G1Affine, G1Projective, G2Affine, Scalar,
    hash_to_curve::{ExpandMsgXmd, HashToCurve, HashToField},
};
use sha2::Sha256;

/// The key from which PocketIC's master key of this name is made.
fn master(name: &str) -> Scalar {
    const DOMAIN: &str = "ic-crypto-vetkd-test-utils-generate-test-key";
    hash_to_scalar(name.as_bytes(), DOMAIN)
}

/// The key of a canister for a context.
fn derive(name: &str, canister: Principal, context: &[u8]) -> Scalar {
    const CANISTER: &str = "ic-vetkd-bls12-381-g2-canister-id";
    const CONTEXT: &str = "ic-vetkd-bls12-381-g2-context";
    let own = child(master(name), canister.as_slice(), CANISTER);
    if context.is_empty() {
        return own;
    }
    child(own, context, CONTEXT)
}

fn child(parent: Scalar, index: &[u8], domain: &str) -> Scalar {
    let parts = [&public(parent).to_compressed(), index];
    parent + hash_to_scalar(&joined(&parts), domain)
}

fn public(secret: Scalar) -> G2Affine {
    (G2Affine::generator() * secret).into()
}

/// The derived public key, 96 bytes.
pub(crate) fn public_key(name: &str, canister: Principal, context: &[u8]) -> Vec<u8> {
    public(derive(name, canister, context))
        .to_compressed()
        .to_vec()
}

/// The transport public key in these bytes, if they hold one.
pub(crate) fn transport_key(bytes: &[u8; 48]) -> Option<G1Affine> {
    G1Affine::from_compressed(bytes).into_option()
}

/// The key that belongs to `input`, encrypted with the transport key: 192 bytes. The same call gets
/// the same bytes.
pub(crate) fn encrypted_key(
    name: &str,
    canister: Principal,
    context: &[u8],
    input: &[u8],
    transport: G1Affine,
) -> Vec<u8> {
    const DOMAIN: &str = "canic-replica encryption of a derived key";
    const AUGMENTED: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_AUG_";
    let secret = derive(name, canister, context);
    let public = public(secret).to_compressed();
    let message = [&public, input].concat();
    let point =
        <G1Projective as HashToCurve<ExpandMsgXmd<Sha256>>>::hash_to_curve(message, AUGMENTED);
    let key = point * secret;
    let parts = [&secret.to_bytes()[..], &transport.to_compressed(), input];
    let random = hash_to_scalar(&joined(&parts), DOMAIN);
    let first = G1Affine::from(G1Affine::generator() * random);
    let second = G2Affine::from(G2Affine::generator() * random);
    let third = G1Affine::from(transport * random + key);
    [
        &first.to_compressed()[..],
        &second.to_compressed(),
        &third.to_compressed(),
    ]
    .concat()
}

/// All parts, each after its length.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let with_length = |part: &&[u8]| [&(part.len() as u64).to_be_bytes(), *part].concat();
    parts.iter().flat_map(with_length).collect()
}

fn hash_to_scalar(input: &[u8], domain: &str) -> Scalar {
    let mut scalar = [Scalar::zero()];
    <Scalar as HashToField>::hash_to_field::<ExpandMsgXmd<Sha256>>(
        input,
        domain.as_bytes(),
        &mut scalar,
    );
    scalar[0]
}
