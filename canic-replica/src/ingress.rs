//! Messages from outside: calls of users, and their outcomes.

use candid::Principal;

use crate::reject::Reject;

/// A message from outside.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// Who sends it.
    pub sender: Principal,
    /// The callee; `aaaaa-aa` is the management canister.
    pub canister: Principal,
    /// The method.
    pub method: String,
    /// The argument.
    pub payload: Vec<u8>,
    /// Where a call to the management canister is to run.
    pub effective: Option<EffectivePrincipal>,
    /// What some canister vouches for about the sender.
    pub caller_info: Option<CallerInfo>,
}

/// What a canister vouches for about the sender of a message. The replica passes it on to the callee unseen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallerInfo {
    /// The information.
    pub data: Vec<u8>,
    /// Which canister vouches for it.
    pub signer: Principal,
}

/// Where a call to the management canister is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectivePrincipal {
    /// On the subnet of this canister (id).
    Canister(Principal),
    /// On this subnet.
    Subnet(Principal),
}

/// Names a submitted ingress message.
pub type MessageId = [u8; 32];

/// How far an ingress message has come.
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
