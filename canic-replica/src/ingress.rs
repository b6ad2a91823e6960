//! Messages from outside: calls of users, and their outcomes.

use candid::Principal;

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

/// Information about the sender of a message, signed by a canister. In requests of agents its
/// signature is verified. [`Ingress`] and the calls of PocketIC's client have no signature: they
/// pass it on to the callee as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
