//! Threshold keys: their names, the subnets that hold them, derivation and signing.
//!
//! On the network the nodes of a subnet share each key. Here one process has it whole, and the keys
//! are PocketIC's: its seeds are public, and so are the master public keys, which the crates
//! `ic-secp256k1`, `ic-secp256r1`, `ic-ed25519` and `ic-vetkeys` list. A client that derives a
//! canister's key offline from them gets the key that this replica answers. No key is secret.

pub(crate) mod ed25519;
pub(crate) mod secp256;
pub(crate) mod vetkd;

use std::fmt;

use candid::{CandidType, Deserialize, Principal};
use serde::Serialize;

use crate::subnets::SubnetKind;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Ecdsa(EcdsaCurve),
    Schnorr(SchnorrAlgorithm),
    VetKd,
}

/// The curves of ECDSA keys. secp256r1 is beyond the interface specification 0.66: PocketIC 16.1
/// has keys on that curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CandidType, Deserialize, Serialize)]
pub(crate) enum EcdsaCurve {
    #[serde(rename = "secp256k1")]
    Secp256k1,
    #[serde(rename = "secp256r1")]
    Secp256r1,
}

/// The algorithms of Schnorr keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CandidType, Deserialize, Serialize)]
pub(crate) enum SchnorrAlgorithm {
    #[serde(rename = "bip340secp256k1")]
    Bip340Secp256k1,
    #[serde(rename = "ed25519")]
    Ed25519,
}

/// The identity of a master key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct KeyId {
    pub(crate) algorithm: Algorithm,
    pub(crate) name: String,
}

/// A derived public key, and the chain code with which a client derives further keys from it.
pub(crate) type PublicKey = (Vec<u8>, [u8; 32]);

/// The path from a master key to the key that a canister uses.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    pub(crate) canister: Principal,
    pub(crate) indices: &'a [Vec<u8>],
}

impl Path<'_> {
    /// All indices: the canister's id, then those that the canister chose.
    fn all(&self) -> impl Iterator<Item = &[u8]> {
        let own = self.indices.iter().map(Vec::as_slice);
        std::iter::once(self.canister.as_slice()).chain(own)
    }
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [
        Self::Ecdsa(EcdsaCurve::Secp256k1),
        Self::Ecdsa(EcdsaCurve::Secp256r1),
        Self::Schnorr(SchnorrAlgorithm::Bip340Secp256k1),
        Self::Schnorr(SchnorrAlgorithm::Ed25519),
        Self::VetKd,
    ];
}

/// The platform's name of a key.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm, name } = self;
        match algorithm {
            Algorithm::Ecdsa(curve) => write!(f, "ecdsa:{curve:?}:{name}"),
            Algorithm::Schnorr(algorithm) => write!(f, "schnorr:{algorithm:?}:{name}"),
            Algorithm::VetKd => write!(f, "vetkd:Bls12_381_G2:{name}"),
        }
    }
}

/// The names of the keys that a kind of subnet holds, as on PocketIC 16. It holds a key of each
/// [`Algorithm`] under each name.
pub(crate) fn key_names(kind: SubnetKind) -> &'static [&'static str] {
    match kind {
        SubnetKind::II | SubnetKind::Fiduciary => &["key_1"],
        SubnetKind::TestThresholdKeys => &["dfx_test_key", "test_key_1"],
        _ => &[],
    }
}
