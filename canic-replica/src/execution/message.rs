//! The input and the output of the execution of a message.

use std::{collections::BTreeMap, sync::Arc};

use candid::Principal;

use crate::{
    canister::{Canister, calls::WasmClosure, execution_state::ExecutionState},
    certification::certificate::DataCertificate,
    faults::Effect,
    ingress::CallerInfo,
    memory::Stable,
    prices::Prices,
    reject::RejectCode,
};

/// The subnet as its canisters see it.
#[derive(Clone)]
pub(crate) struct SubnetContext {
    pub(crate) id: Principal,
    pub(crate) nodes: u32,
    pub(crate) prices: Prices,
    pub(crate) root_key: Vec<u8>,
    /// The fees for signatures, by the names of the keys that the network has.
    pub(crate) signature_fees: Arc<BTreeMap<&'static str, u128>>,
}

/// The contexts in which code runs, as the interface specification names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Context {
    Start,
    Init,
    PreUpgrade,
    Update,
    ReplicatedQuery,
    Query,
    CompositeQuery,
    Reply,
    Reject,
    CompositeReply,
    CompositeReject,
    Cleanup,
    CompositeCleanup,
    Inspect,
    Heartbeat,
    GlobalTimer,
    LowMemory,
}

impl Context {
    /// The platform's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Init => "init",
            Self::PreUpgrade => "pre upgrade",
            Self::Update => "update",
            Self::ReplicatedQuery => "replicated query",
            Self::Query => "non replicated query",
            Self::CompositeQuery => "composite query",
            Self::Reply => "reply callback",
            Self::Reject => "reject callback",
            Self::CompositeReply => "composite reply callback",
            Self::CompositeReject => "composite reject callback",
            Self::Cleanup => "cleanup",
            Self::CompositeCleanup => "composite cleanup",
            Self::Inspect => "inspect message",
            Self::Heartbeat => "heartbeat",
            Self::GlobalTimer => "global timer",
            Self::LowMemory => "on low Wasm memory",
        }
    }

    /// Whether all nodes of the subnet run it.
    pub(crate) fn is_replicated(self) -> bool {
        !matches!(
            self,
            Self::Query
                | Self::CompositeQuery
                | Self::CompositeReply
                | Self::CompositeReject
                | Self::CompositeCleanup
                | Self::Inspect
        )
    }

    /// Whether memory may grow only as far as the balance covers the freezing threshold. As on the
    /// platform, callbacks are free of that check: a canister must be able to finish its calls.
    pub(crate) fn keeps_liquid(self) -> bool {
        match self {
            Self::Start
            | Self::Init
            | Self::Update
            | Self::Heartbeat
            | Self::GlobalTimer
            | Self::LowMemory => true,
            Self::PreUpgrade
            | Self::ReplicatedQuery
            | Self::Query
            | Self::CompositeQuery
            | Self::Reply
            | Self::Reject
            | Self::CompositeReply
            | Self::CompositeReject
            | Self::Cleanup
            | Self::CompositeCleanup
            | Self::Inspect => false,
        }
    }

    /// Whether the platform keeps the new state of the canister.
    pub(crate) fn is_persistent(self) -> bool {
        !matches!(self, Self::Query | Self::ReplicatedQuery | Self::Inspect)
    }
}

/// The function to run.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Export(String),
    Start,
    Closure(WasmClosure),
}

/// The input of a message.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) context: Context,
    pub(crate) entry: Entry,
    pub(crate) caller: Principal,
    pub(crate) caller_info: Option<Arc<CallerInfo>>,
    /// The argument; in a reply callback, the answer.
    pub(crate) payload: Vec<u8>,
    /// The reject, in a reject callback and its cleanup.
    pub(crate) reject: Option<(RejectCode, String)>,
    pub(crate) method: String,
    pub(crate) deadline: u64,
    /// Attached cycles that may still be accepted.
    pub(crate) available: u128,
    /// Cycles that the answer refunded.
    pub(crate) refunded: u128,
    /// Whether the call context was answered already, or expects no answer.
    pub(crate) responded: bool,
    /// Instructions of the call context before this message.
    pub(crate) earlier: u64,
    pub(crate) now: u64,
    /// The limit of its instructions.
    pub(crate) limit: u64,
    /// Guaranteed answers that the canister's subnet can still reserve.
    pub(crate) reservations: u64,
    /// The injected fault: the message traps, or has no cycles to spend.
    pub(crate) fault: Option<Effect>,
    /// The certificate of the canister's certified data, if the context may read it.
    pub(crate) certificate: Option<Arc<DataCertificate>>,
}

impl Message {
    /// A message without payload and cycles.
    pub(crate) fn new(
        context: Context,
        entry: Entry,
        caller: Principal,
        now: u64,
        limit: u64,
    ) -> Self {
        Self {
            context,
            entry,
            caller,
            caller_info: None,
            payload: Vec::new(),
            reject: None,
            method: String::new(),
            deadline: 0,
            available: 0,
            refunded: 0,
            responded: true,
            earlier: 0,
            now,
            limit,
            reservations: u64::MAX,
            fault: None,
            certificate: None,
        }
    }
}

/// The output of a message that does not trap.
pub(crate) struct StateChanges {
    /// Heap and globals afterwards.
    pub(crate) code: Option<ExecutionState>,
    pub(crate) stable: Stable,
    pub(crate) certified_data: Option<Vec<u8>>,
    pub(crate) timer: Option<u64>,
    pub(crate) balance: u128,
    pub(crate) available: u128,
    pub(crate) burnt: u128,
    /// Cycles that native code mints into the balance.
    pub(crate) minted: u128,
    /// Fees for the transmission of calls.
    pub(crate) transmission: u128,
    pub(crate) calls: Vec<Call>,
    pub(crate) answer: Option<Result<Vec<u8>, String>>,
    pub(crate) accepted: bool,
}

impl StateChanges {
    pub(crate) fn none(canister: &Canister, available: u128) -> Self {
        Self {
            code: None,
            stable: canister.stable.clone(),
            certified_data: None,
            timer: canister.timer,
            balance: canister.balance,
            available,
            burnt: 0,
            minted: 0,
            transmission: 0,
            calls: Vec::new(),
            answer: None,
            accepted: false,
        }
    }

    /// Commits the new state to the canister. The answer keeps the effects on others: calls,
    /// answer, cycles.
    pub(crate) fn apply_to(mut self, canister: &mut Canister) -> Self {
        if let Some(code) = self.code.take() {
            canister.code = Some(code);
            canister.stable = std::mem::take(&mut self.stable);
        }
        if let Some(data) = self.certified_data.take() {
            canister.certified_data = data;
        }
        canister.timer = self.timer;
        canister.balance = self.balance;
        self
    }
}

/// A call that a message makes.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) callee: Principal,
    pub(crate) method: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) cycles: u128,
    pub(crate) deadline: u64,
    pub(crate) on_reply: WasmClosure,
    pub(crate) on_reject: WasmClosure,
    pub(crate) on_cleanup: Option<WasmClosure>,
    pub(crate) prepaid: u128,
}
