//! Calls between canisters: requests, responses, and the state of open calls.

use std::sync::Arc;

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::{
    ingress::{CallerInfo, Ingress, MessageId},
    reject::Reject,
    stored::shared,
};

/// A message in a canister's queue.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) enum Input {
    Request(Request),
    Response(Response),
}

/// A call between its sender and its callee.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) origin: Origin,
    pub(crate) sender: Principal,
    pub(crate) callee: Principal,
    pub(crate) method: String,
    pub(crate) payload: Vec<u8>,
    #[serde(with = "shared::option")]
    pub(crate) caller_info: Option<Arc<CallerInfo>>,
    /// Cycles attached.
    pub(crate) cycles: u128,
    /// When a best-effort call expires, in nanoseconds since 1970; 0 for a guaranteed answer.
    pub(crate) deadline: u64,
    /// For a call to the management canister: the subnet it was routed to.
    pub(crate) subnet: Option<usize>,
    /// Whether the injected faults have seen it already: a fault fires once per message.
    pub(crate) fault_checked: bool,
}

/// Where the answer to a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// To a user: the outcome of an ingress message.
    Ingress(MessageId),
    /// To a callback of the sending canister.
    Callback(u64),
    /// Nowhere: the request is a system task.
    System,
}

/// An answer between callee and caller.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Response {
    /// The caller.
    pub(crate) to: Principal,
    pub(crate) callback: u64,
    /// Cycles that the caller gets back.
    pub(crate) refund: u128,
    pub(crate) result: Result<Vec<u8>, Reject>,
    /// Whether the injected faults have seen it already: a fault fires once per message.
    pub(crate) fault_checked: bool,
}

/// A request that the canister executes.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct CallContext {
    pub(crate) origin: Origin,
    pub(crate) sender: Principal,
    #[serde(with = "shared::option")]
    pub(crate) caller_info: Option<Arc<CallerInfo>>,
    pub(crate) deadline: u64,
    /// Attached cycles not accepted yet.
    pub(crate) available: u128,
    pub(crate) responded: bool,
    /// The code that would have answered is uninstalled.
    pub(crate) deleted: bool,
    /// Calls made in this context that wait for an answer.
    pub(crate) outstanding: u32,
    /// Instructions of all its messages so far.
    pub(crate) instructions: u64,
}

/// A call of the canister's own that waits for an answer.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Callback {
    pub(crate) context: u64,
    pub(crate) callee: Principal,
    pub(crate) method: String,
    pub(crate) on_reply: WasmClosure,
    pub(crate) on_reject: WasmClosure,
    pub(crate) on_cleanup: Option<WasmClosure>,
    /// Cycles prepaid for the execution of the callback and the transmission of the answer.
    pub(crate) prepaid: u128,
    pub(crate) deadline: u64,
    /// Whether the answer waits in the canister's queue. A call has one answer only.
    pub(crate) answered: bool,
}

impl Callback {
    /// Whether the call is a best-effort call past its deadline.
    pub(crate) fn has_expired(&self, now: u64) -> bool {
        self.deadline > 0 && self.deadline < now && !self.answered
    }
}

/// A function in the module's table, and its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct WasmClosure {
    pub(crate) function: u32,
    pub(crate) environment: u64,
}

impl WasmClosure {
    /// A closure as the guest names it. No table has an entry beyond 32 bits.
    pub(crate) fn new(function: u64, environment: u64) -> Self {
        Self {
            function: function.try_into().unwrap_or(u32::MAX),
            environment,
        }
    }

    /// Whether the caller wants no answer: one-way calls name the greatest number, which no table
    /// has.
    pub(crate) fn is_absent(self) -> bool {
        self.function == u32::MAX
    }
}

impl Request {
    /// A request that stands for a system task or for a callback: nothing waits for its answer, and
    /// no fault fires on it.
    pub(crate) fn of_system(
        sender: Principal,
        callee: Principal,
        method: String,
        cycles: u128,
    ) -> Self {
        Self {
            origin: Origin::System,
            sender,
            callee,
            method,
            payload: Vec::new(),
            caller_info: None,
            cycles,
            deadline: 0,
            subnet: None,
            fault_checked: true,
        }
    }
}

impl From<Ingress> for Request {
    fn from(ingress: Ingress) -> Self {
        Self {
            origin: Origin::System,
            sender: ingress.sender,
            callee: ingress.canister,
            method: ingress.method,
            payload: ingress.payload,
            caller_info: ingress.caller_info.map(Arc::new),
            cycles: 0,
            deadline: 0,
            subnet: None,
            fault_checked: false,
        }
    }
}
