//! Messages from outside: calls of users, and their outcomes.

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::reject::Reject;

/// A message from outside.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// The sender.
    pub sender: Principal,
    /// The callee; `aaaaa-aa` is the management canister.
    pub canister: Principal,
    /// The method.
    pub method: String,
    /// The argument.
    pub payload: Vec<u8>,
    /// The subnet that executes a call to the management canister.
    pub effective: Option<EffectivePrincipal>,
    /// Information about the sender, signed by a canister.
    pub caller_info: Option<CallerInfo>,
}

impl Ingress {
    /// The size of the message if it comes without a signature, in bytes: an envelope in CBOR with
    /// an expiry and a nonce of eight bytes, as PocketIC submits the calls of its client
    /// (`dfinity/ic`, `rs/state_machine_tests/src/lib.rs`, `submit_ingress_as`).
    pub(crate) fn unsigned_bytes(&self) -> usize {
        /// The tag of CBOR, the map with the entry `content`, and the map in it, which has no
        /// length and therefore an end.
        const FRAME: usize = 3 + 1 + 8 + 2;
        let entry = |key: &str, value: usize| 1 + key.len() + value;
        let info = self.caller_info.as_ref().map_or(0, |info| {
            let fields = entry("info", cbor_string(info.data.len()))
                + entry("signer", cbor_string(info.signer.as_slice().len()));
            entry("sender_info", 1 + fields)
        });
        FRAME
            + entry("request_type", cbor_string("call".len()))
            + entry("canister_id", cbor_string(self.canister.as_slice().len()))
            + entry("method_name", cbor_string(self.method.len()))
            + entry("arg", cbor_string(self.payload.len()))
            + entry("sender", cbor_string(self.sender.as_slice().len()))
            + entry("ingress_expiry", 9)
            + entry("nonce", cbor_string(8))
            + info
    }
}

/// The bytes of a string of `length` bytes in CBOR: its head and its content.
fn cbor_string(length: usize) -> usize {
    let head = match length {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    };
    head + length
}

/// Information about the sender of a message, signed by a canister. In requests of agents its
/// signature is verified. [`Ingress`] and the calls of PocketIC's client have no signature: they
/// pass it on to the callee as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallerInfo {
    /// The information.
    pub data: Vec<u8>,
    /// The canister that signed it.
    pub signer: Principal,
}

/// The subnet that executes a call to the management canister.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectivePrincipal {
    /// The subnet of this canister or canister id.
    Canister(Principal),
    /// This subnet.
    Subnet(Principal),
}

/// The id of an ingress message.
pub type MessageId = [u8; 32];

/// The status of an ingress message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IngressStatus {
    /// No such message.
    Unknown,
    /// Waits to be executed.
    Received,
    /// Executed, but not answered yet.
    Processing,
    /// Answered.
    Done(Result<Vec<u8>, Reject>),
}
