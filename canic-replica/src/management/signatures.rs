//! Methods of threshold keys: public keys, signatures and encrypted keys.
//!
//! A call goes to the first subnet that holds its key. There a public key is answered at once and
//! free of charge. A signature is charged, and answered in the next round.

use candid::Principal;
use ic_management_canister_types as types;

use crate::{
    canister::{calls::Request, consumption::Purpose},
    management::{
        call::{Answer, ManagementResult, encode, reply},
        key_call::{Job, KeyCall},
    },
    network::{Network, signatures::PendingSignature},
    prices::signatures::fee,
    reject::{Reject, RejectCode, refused},
    subnets::{SubnetInfo, SubnetKind},
    threshold::{
        Algorithm, EcdsaCurve, KeyId, Path, SchnorrAlgorithm, ed25519, key_names, secp256, vetkd,
    },
};

/// The limit of the calls that wait for a signature with one key (dfinity/ic
/// `rs/registry/subnet_features/src/lib.rs`).
const MAX_WAITING: usize = 20;

impl Network {
    /// The methods of threshold keys. `call` has the decoded argument.
    pub(crate) fn use_key(&mut self, request: &Request, call: &KeyCall) -> ManagementResult {
        let key = call.key();
        let named = request.callee != Principal::management_canister();
        let subnet = match request.subnet.filter(|_| named) {
            Some(subnet) if holds(&self.infos[subnet], &key) => subnet,
            Some(_) => {
                let Request { callee, .. } = request;
                let why = format!("Subnet {callee} does not hold threshold key {key}.");
                return Err(refused(why));
            }
            None => self.route_to_key(&request.method, call)?,
        };
        match call {
            KeyCall::PublicKey {
                key,
                canister,
                path,
            } => answer_public_key(key, canister.unwrap_or(request.sender), path),
            KeyCall::Sign(job) => self.sign(request, subnet, job),
        }
    }

    /// The number of the first subnet that holds the key of a call.
    pub(crate) fn route_to_key(&self, method: &str, call: &KeyCall) -> Result<usize, Reject> {
        let key = call.key();
        let found = self.infos.iter().position(|info| holds(info, &key));
        found.ok_or_else(|| {
            let (unknown, existing) = match call {
                KeyCall::PublicKey { .. } => ("unknown", "existing"),
                KeyCall::Sign(_) => ("unknown or disabled", "existing enabled"),
            };
            let why = format!(
                "Requested {unknown} threshold key: {key}, {existing} keys: [{}]",
                self.key_ids().join(", ")
            );
            let why = format!(
                "Unable to route management canister request {method}: ChainKeyError({why:?})"
            );
            Reject::bare(RejectCode::DestinationInvalid, why)
        })
    }

    /// The subnet that a call to the management canister names, or to which its key sends it.
    pub(crate) fn management_subnet(&self, request: &Request) -> Option<usize> {
        if request.callee != Principal::management_canister() {
            return self.subnet_index(request.callee);
        }
        let call = KeyCall::of(&request.method, &request.payload)?.ok()?;
        self.route_to_key(&request.method, &call).ok()
    }

    /// All keys of the network, in alphabetical order.
    fn key_ids(&self) -> Vec<String> {
        let names = self.present_subnets().flat_map(|info| key_names(info.kind));
        let ids = names.flat_map(|name| {
            Algorithm::ALL.map(|algorithm| {
                let name = (*name).to_owned();
                KeyId { algorithm, name }.to_string()
            })
        });
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// Charges for a signature, or for a derived key, and lets the caller wait for it. Calls from
    /// the NNS are free. As on the platform, a call is checked before it is charged.
    fn sign(&mut self, request: &Request, subnet: usize, job: &Job) -> ManagementResult {
        let key = job.key();
        let reply = answer_job(job, request.sender)?;
        let sender = self.canisters.get(&request.sender);
        let is_nns = sender.is_some_and(|c| self.infos[c.subnet].kind == SubnetKind::NNS);
        let fee = if is_nns {
            0
        } else {
            fee(self.infos[subnet].nodes.len())
        };
        let Some(left) = request.cycles.checked_sub(fee) else {
            return Err(refused(format!(
                "{} request sent with {} cycles, but {fee} cycles are required.",
                request.method, request.cycles
            )));
        };
        let waiting = self.signatures.iter();
        let waiting = waiting.filter(|other| other.subnet == subnet && other.key == key);
        if waiting.count() >= MAX_WAITING {
            return Err(refused(format!(
                "{} request failed: request queue for key {key} is full.",
                request.method
            )));
        }
        self.ledger.fees.signatures += fee;
        if let Some(sender) = self.canister_mut(request.sender) {
            sender.consumption.add(Purpose::Signatures, fee);
        }
        let mut request = request.clone();
        request.cycles = left;
        self.signatures.push(PendingSignature {
            subnet,
            key,
            request,
            reply,
        });
        Ok(Answer::Deferred)
    }

    /// Sends the answers that the nodes have agreed on since the last round.
    pub(crate) fn answer_signatures(&mut self) {
        for pending in std::mem::take(&mut self.signatures) {
            let PendingSignature {
                subnet,
                request,
                reply,
                ..
            } = pending;
            let (origin, sender) = (request.origin, request.sender);
            self.respond(origin, sender, Ok(reply), request.cycles, Some(subnet));
        }
    }
}

/// Whether a subnet is there and holds a key.
fn holds(info: &SubnetInfo, key: &KeyId) -> bool {
    !info.deleted && key_names(info.kind).contains(&key.name.as_str())
}

/// The reply to a question for a public key.
fn answer_public_key(key: &KeyId, canister: Principal, path: &[Vec<u8>]) -> ManagementResult {
    let name = key.name.as_str();
    let along = Path {
        canister,
        indices: path,
    };
    let (public_key, chain_code) = match key.algorithm {
        Algorithm::VetKd => {
            let public_key = vetkd::public_key(name, canister, &path.concat());
            return reply((types::VetKDPublicKeyResult { public_key },));
        }
        Algorithm::Ecdsa(EcdsaCurve::Secp256r1) => secp256::public_key_r1(name, along),
        Algorithm::Ecdsa(EcdsaCurve::Secp256k1)
        | Algorithm::Schnorr(SchnorrAlgorithm::Bip340Secp256k1) => {
            secp256::public_key_k1(name, along)
        }
        Algorithm::Schnorr(SchnorrAlgorithm::Ed25519) => ed25519::public_key(name, along),
    };
    // `schnorr_public_key` answers the same type.
    reply((types::EcdsaPublicKeyResult {
        public_key,
        chain_code: chain_code.to_vec(),
    },))
}

/// The reply with a signature or an encrypted key.
fn answer_job(job: &Job, canister: Principal) -> Result<Vec<u8>, Reject> {
    let along = |indices| Path { canister, indices };
    let signature = match job {
        Job::Ecdsa {
            curve,
            name,
            path,
            hash,
        } => match curve {
            EcdsaCurve::Secp256k1 => secp256::sign_ecdsa_k1(name, along(path), hash),
            EcdsaCurve::Secp256r1 => secp256::sign_ecdsa_r1(name, along(path), hash),
        },
        Job::Schnorr {
            algorithm,
            name,
            path,
            message,
            taproot,
        } => match (algorithm, taproot) {
            (SchnorrAlgorithm::Ed25519, None) => ed25519::sign(name, along(path), message),
            (SchnorrAlgorithm::Ed25519, Some(_)) => {
                let why = "Schnorr algorithm Ed25519 does not support aux input";
                return Err(refused(why));
            }
            (SchnorrAlgorithm::Bip340Secp256k1, Some(root)) if ![0, 32].contains(&root.len()) => {
                return Err(refused("Invalid aux field for Bip340Secp256k1"));
            }
            (SchnorrAlgorithm::Bip340Secp256k1, root) => {
                let signed = secp256::sign_schnorr(name, along(path), message, root.as_deref());
                let key = job.key();
                let why = format!("Invalid inputs for BIP341 signature with key {key}");
                signed.ok_or_else(|| refused(why))?
            }
        },
        Job::VetKd {
            name,
            context,
            input,
            transport,
        } => {
            let transport = vetkd::transport_key(transport)
                .ok_or_else(|| refused("The provided transport public key is invalid."))?;
            let encrypted_key = vetkd::encrypted_key(name, canister, context, input, transport);
            return encode((types::VetKDDeriveKeyResult { encrypted_key },));
        }
    };
    // `sign_with_schnorr` answers the same type.
    encode((types::SignWithEcdsaResult { signature },))
}
