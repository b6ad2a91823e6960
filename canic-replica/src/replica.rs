//! One instance, seen from outside.

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::trace::{Accounts, Event};

/// The kinds of subnets, named as in `pocket_ic::common::rest::SubnetKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SubnetKind {
    Application,
    Bitcoin,
    CloudEngine,
    Fiduciary,
    II,
    NNS,
    SNS,
    System,
    TestThresholdKeys,
    VerifiedApplication,
}

/// What an instance starts with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The subnets, in order; named kinds at most once each.
    pub subnets: Vec<SubnetKind>,
    /// Nanoseconds since 1970; 2021-05-06T19:17:10Z by default.
    pub time: Option<u64>,
}

/// One subnet.
#[derive(Clone, Debug)]
pub struct SubnetInfo {
    /// Its principal.
    pub id: Principal,
    /// Its kind.
    pub kind: SubnetKind,
    /// Its nodes.
    pub nodes: Vec<Principal>,
    /// The canister ids it may host: first and last of each range.
    pub canister_ranges: Vec<(Principal, Principal)>,
}

/// Reject codes of the interface specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[repr(u8)]
pub enum RejectCode {
    /// Fatal system error, retry unlikely to be useful.
    SysFatal = 1,
    /// Transient system error, retry might be possible.
    SysTransient = 2,
    /// Invalid destination.
    DestinationInvalid = 3,
    /// Explicit reject by the canister.
    CanisterReject = 4,
    /// The canister failed.
    CanisterError = 5,
    /// The outcome of a best-effort call is unknown.
    SysUnknown = 6,
}

/// Why a message was not answered with a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// The class of the error.
    pub code: RejectCode,
    /// Human-readable text.
    pub message: String,
    /// The platform's finer code, `IC0xxx`.
    pub error_code: String,
    /// Whether the answer came out of replicated execution.
    pub certified: bool,
}

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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// One instance: a network of subnets with canisters. Cloning forks it.
#[derive(Clone)]
pub struct Replica {
    time: u64,
    subnets: Vec<SubnetInfo>,
}

#[allow(unused_variables)]
impl Replica {
    /// A fresh instance. Errors: no subnet; a named subnet twice.
    pub fn new(config: Config) -> Result<Self, String> {
        Ok(Self {
            time: config.time.unwrap_or(1_620_328_630_000_000_000),
            subnets: vec![],
        })
    }
    /// All subnets, in the order of the configuration.
    pub fn subnets(&self) -> &[SubnetInfo] {
        &self.subnets
    }
    /// The canister id whose subnet runs management calls that name no other.
    pub fn default_effective_canister(&self) -> Principal {
        Principal::management_canister()
    }
    /// The subnet whose ranges hold `canister`, whether it exists or not.
    pub fn subnet_of(&self, canister: Principal) -> Option<Principal> {
        None
    }
    /// Nanoseconds since 1970.
    pub fn time(&self) -> u64 {
        self.time
    }
    /// Sets the time (nanoseconds since 1970). Errors: `ns` lies in the past.
    pub fn set_time(&mut self, ns: u64) -> Result<(), String> {
        Err("not there yet".into())
    }
    /// Executes one round.
    pub fn tick(&mut self) {}
    /// Hands in an update call; inspects it and charges its reception.
    pub fn submit(&mut self, ingress: Ingress) -> Result<MessageId, Reject> {
        Ok([0; 32])
    }
    /// How far a submitted message has come.
    pub fn ingress_status(&self, id: &MessageId) -> IngressStatus {
        IngressStatus::Unknown
    }
    /// Executes rounds until the message is answered. Errors: 100 rounds without an answer.
    pub fn await_ingress(&mut self, id: &MessageId) -> Result<Result<Vec<u8>, Reject>, String> {
        Err("not there yet".into())
    }
    /// Executes a query call; nothing it does is kept.
    pub fn query(&mut self, ingress: Ingress) -> Result<Vec<u8>, Reject> {
        Ok(vec![])
    }
    /// Whether there is such a canister.
    pub fn canister_exists(&self, canister: Principal) -> bool {
        false
    }
    /// Its controllers.
    pub fn controllers(&self, canister: Principal) -> Option<Vec<Principal>> {
        None
    }
    /// Its balance, in cycles.
    pub fn cycles(&self, canister: Principal) -> Option<u128> {
        None
    }
    /// Mints cycles into a canister; answers the new balance.
    pub fn add_cycles(&mut self, canister: Principal, amount: u128) -> Option<u128> {
        None
    }
    /// Its stable memory, whole.
    pub fn stable_memory(&self, canister: Principal) -> Option<Vec<u8>> {
        None
    }
    /// Replaces its stable memory. Errors: no such canister; too large.
    pub fn set_stable_memory(&mut self, canister: Principal, bytes: Vec<u8>) -> Result<(), String> {
        Err("not there yet".into())
    }
    /// All canisters, in the order of their ids.
    pub fn canisters(&self) -> Vec<Principal> {
        vec![]
    }
    /// The last messages executed, oldest first; `Event::seq` numbers them.
    pub fn trace(&self) -> &[Event] {
        &[]
    }
    /// Where all cycles are.
    pub fn accounts(&self) -> Accounts {
        Accounts::default()
    }
    /// The public key of the instance, DER.
    pub fn root_key(&self) -> Vec<u8> {
        vec![]
    }
}
