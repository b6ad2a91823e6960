//! The arguments of the methods of threshold keys.

use candid::{CandidType, Deserialize, Principal};
use serde::{
    Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_bytes::ByteBuf;

use crate::{
    bounded::decode_bounded,
    management::call::undecodable,
    reject::{Reject, invalid},
    threshold::{Algorithm, EcdsaCurve, KeyId, SchnorrAlgorithm},
};

/// Indices of a derivation path.
const MAX_INDICES: usize = 255;

/// A call of such a method.
pub(crate) enum KeyCall {
    /// A question for the public key of a canister, by default the caller, at a path. With vetKD
    /// the context is the only index.
    PublicKey {
        key: KeyId,
        canister: Option<Principal>,
        path: Vec<Vec<u8>>,
    },
    Sign(Job),
}

/// A signature, or a key derived from a vetKD key, that a call asks for.
pub(crate) enum Job {
    Ecdsa {
        curve: EcdsaCurve,
        name: String,
        path: Vec<Vec<u8>>,
        hash: [u8; 32],
    },
    Schnorr {
        algorithm: SchnorrAlgorithm,
        name: String,
        path: Vec<Vec<u8>>,
        message: Vec<u8>,
        /// The root of a Taproot tree.
        taproot: Option<Vec<u8>>,
    },
    VetKd {
        name: String,
        context: Vec<u8>,
        input: Vec<u8>,
        /// The transport public key.
        transport: [u8; 48],
    },
}

// The types of the interface.

#[derive(CandidType, Deserialize)]
struct EcdsaKeyId {
    curve: EcdsaCurve,
    name: String,
}

#[derive(CandidType, Deserialize)]
struct SchnorrKeyId {
    algorithm: SchnorrAlgorithm,
    name: String,
}

#[derive(CandidType, Deserialize)]
enum VetKdCurve {
    #[serde(rename = "bls12_381_g2")]
    Bls12381G2,
}

#[derive(CandidType, Deserialize)]
struct VetKdKeyId {
    curve: VetKdCurve,
    name: String,
}

/// The arguments of `ecdsa_public_key` and `schnorr_public_key`.
#[derive(CandidType, Deserialize)]
struct PublicKeyArgs<K> {
    canister_id: Option<Principal>,
    #[serde(deserialize_with = "path")]
    derivation_path: Vec<Vec<u8>>,
    key_id: K,
}

#[derive(CandidType, Deserialize)]
struct SignWithEcdsaArgs {
    message_hash: [u8; 32],
    #[serde(deserialize_with = "path")]
    derivation_path: Vec<Vec<u8>>,
    key_id: EcdsaKeyId,
}

#[derive(CandidType, Deserialize)]
struct SignWithSchnorrArgs {
    #[serde(with = "serde_bytes")]
    message: Vec<u8>,
    #[serde(deserialize_with = "path")]
    derivation_path: Vec<Vec<u8>>,
    key_id: SchnorrKeyId,
    aux: Option<SchnorrAux>,
}

#[derive(CandidType, Deserialize)]
enum SchnorrAux {
    #[serde(rename = "bip341")]
    Bip341 {
        #[serde(with = "serde_bytes")]
        merkle_root_hash: Vec<u8>,
    },
}

#[derive(CandidType, Deserialize)]
struct VetKdPublicKeyArgs {
    canister_id: Option<Principal>,
    #[serde(with = "serde_bytes")]
    context: Vec<u8>,
    key_id: VetKdKeyId,
}

#[derive(CandidType, Deserialize)]
struct VetKdDeriveKeyArgs {
    #[serde(with = "serde_bytes")]
    input: Vec<u8>,
    #[serde(with = "serde_bytes")]
    context: Vec<u8>,
    #[serde(with = "serde_bytes")]
    transport_public_key: [u8; 48],
    key_id: VetKdKeyId,
}

/// Reads a derivation path.
fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let path = Vec::<ByteBuf>::deserialize(deserializer)?;
    if path.len() > MAX_INDICES {
        let why = format!("The number of elements exceeds maximum allowed {MAX_INDICES}");
        return Err(D::Error::custom(why));
    }
    Ok(path.into_iter().map(ByteBuf::into_vec).collect())
}

impl KeyCall {
    /// The call of this method with this argument. `None`: the method is about no key.
    pub(crate) fn of(method: &str, payload: &[u8]) -> Option<Result<Self, Reject>> {
        Some(match method {
            "ecdsa_public_key" => read::<PublicKeyArgs<EcdsaKeyId>>(payload),
            "schnorr_public_key" => read::<PublicKeyArgs<SchnorrKeyId>>(payload),
            "vetkd_public_key" => read::<VetKdPublicKeyArgs>(payload),
            "sign_with_ecdsa" => read::<SignWithEcdsaArgs>(payload),
            "sign_with_schnorr" => read::<SignWithSchnorrArgs>(payload),
            "vetkd_derive_key" => read::<VetKdDeriveKeyArgs>(payload),
            _ => return None,
        })
    }
}

fn read<A: CandidType + DeserializeOwned + Into<KeyCall>>(
    payload: &[u8],
) -> Result<KeyCall, Reject> {
    let decoded = decode_bounded::<(A,)>(payload);
    let (args,) = decoded.map_err(|error| invalid(undecodable(error)))?;
    Ok(args.into())
}

impl KeyCall {
    /// The key that the call names.
    pub(crate) fn key(&self) -> KeyId {
        match self {
            Self::PublicKey { key, .. } => key.clone(),
            Self::Sign(job) => job.key(),
        }
    }
}

impl Job {
    /// The key that the job needs.
    pub(crate) fn key(&self) -> KeyId {
        let (algorithm, name) = match self {
            Self::Ecdsa { curve, name, .. } => (Algorithm::Ecdsa(*curve), name),
            Self::Schnorr {
                algorithm, name, ..
            } => (Algorithm::Schnorr(*algorithm), name),
            Self::VetKd { name, .. } => (Algorithm::VetKd, name),
        };
        let name = name.clone();
        KeyId { algorithm, name }
    }
}

impl From<EcdsaKeyId> for KeyId {
    fn from(EcdsaKeyId { curve, name }: EcdsaKeyId) -> Self {
        let algorithm = Algorithm::Ecdsa(curve);
        Self { algorithm, name }
    }
}

impl From<SchnorrKeyId> for KeyId {
    fn from(SchnorrKeyId { algorithm, name }: SchnorrKeyId) -> Self {
        let algorithm = Algorithm::Schnorr(algorithm);
        Self { algorithm, name }
    }
}

impl<K: Into<KeyId>> From<PublicKeyArgs<K>> for KeyCall {
    fn from(args: PublicKeyArgs<K>) -> Self {
        Self::PublicKey {
            key: args.key_id.into(),
            canister: args.canister_id,
            path: args.derivation_path,
        }
    }
}

impl From<VetKdPublicKeyArgs> for KeyCall {
    fn from(args: VetKdPublicKeyArgs) -> Self {
        let VetKdCurve::Bls12381G2 = args.key_id.curve;
        Self::PublicKey {
            key: KeyId {
                algorithm: Algorithm::VetKd,
                name: args.key_id.name,
            },
            canister: args.canister_id,
            path: vec![args.context],
        }
    }
}

impl From<SignWithEcdsaArgs> for KeyCall {
    fn from(args: SignWithEcdsaArgs) -> Self {
        Self::Sign(Job::Ecdsa {
            curve: args.key_id.curve,
            name: args.key_id.name,
            path: args.derivation_path,
            hash: args.message_hash,
        })
    }
}

impl From<SignWithSchnorrArgs> for KeyCall {
    fn from(args: SignWithSchnorrArgs) -> Self {
        let root = |SchnorrAux::Bip341 { merkle_root_hash }| merkle_root_hash;
        Self::Sign(Job::Schnorr {
            algorithm: args.key_id.algorithm,
            name: args.key_id.name,
            path: args.derivation_path,
            message: args.message,
            taproot: args.aux.map(root),
        })
    }
}

impl From<VetKdDeriveKeyArgs> for KeyCall {
    fn from(args: VetKdDeriveKeyArgs) -> Self {
        let VetKdCurve::Bls12381G2 = args.key_id.curve;
        Self::Sign(Job::VetKd {
            name: args.key_id.name,
            context: args.context,
            input: args.input,
            transport: args.transport_public_key,
        })
    }
}
