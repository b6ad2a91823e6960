//! The host: the state on which system calls work while a message runs, and the limits of the
//! guest's memory.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use candid::Principal;
use wasmtime::{Engine, Memory, ResourceLimiter, Store};

use crate::{
    canister::{Canister, settings::Settings},
    execution::{
        message::{Call, Context, Entry, Message, StateChanges, SubnetContext},
        trap::Trap,
    },
    faults::Effect,
    prices::Prices,
    subnets::SubnetKind,
    wasm::{
        address_type::AddressType,
        engine::{MAX_TABLE, MAX_TABLES},
    },
};

/// The longest printed line, the overhead of the log per line, and the largest log, all in bytes.
const MAX_LINE: usize = 32 * 1024;
const LINE_OVERHEAD: usize = 16;
const MAX_PRINTED: usize = 2 << 20;

/// Instructions per byte of answers, calls and logs, which leave the sandbox.
pub(super) const SENT_BYTE: u64 = 50;

/// The state on which system calls work.
pub(crate) struct Host {
    pub(crate) message: Message,
    pub(crate) changes: StateChanges,
    pub(crate) prints: VecDeque<Vec<u8>>,
    /// Bytes of the printed lines, with the overhead of the log.
    printed: usize,
    pub(crate) memory: Option<Memory>,
    /// Whether the canister's state is restored: from then on the guest grows its memory itself.
    pub(crate) restored: bool,
    /// The canister before the message.
    pub(super) canister: Arc<Canister>,
    pub(super) subnet: Arc<SubnetContext>,
    /// The call between `call_new` and `call_perform`.
    pub(super) call: Option<Call>,
    /// The message memory of the calls that the message has made, in bytes.
    pub(super) sent: u64,
    /// Guaranteed answers that the calls of this message reserve.
    pub(super) reserved: u64,
    /// The payload of the answer so far.
    pub(super) answer: Vec<u8>,
    /// Pages of stable memory that the message has accessed, and those that it has written.
    pub(super) accessed: HashSet<u64>,
    pub(super) dirty: HashSet<u64>,
}

impl Host {
    pub(crate) fn new(
        canister: Arc<Canister>,
        subnet: Arc<SubnetContext>,
        message: Message,
    ) -> Self {
        Self {
            changes: StateChanges::none(&canister, message.available),
            message,
            prints: VecDeque::new(),
            printed: 0,
            memory: None,
            restored: false,
            canister,
            subnet,
            call: None,
            sent: 0,
            reserved: 0,
            answer: Vec::new(),
            accessed: HashSet::new(),
            dirty: HashSet::new(),
        }
    }

    /// The canister before the message.
    pub(crate) fn canister(&self) -> &Canister {
        &self.canister
    }

    /// The certificate of the canister's certified data; `name` is the system call that reads it.
    pub(super) fn certificate(&self, name: &str) -> Result<&[u8], Trap> {
        match &self.message.certificate {
            Some(certificate) => Ok(certificate.bytes()),
            None => Err(Trap::forbidden(name, self.message.context)),
        }
    }

    /// A host for an instance that will not run.
    pub(crate) fn idle() -> Self {
        let nobody = Principal::anonymous();
        let subnet = SubnetContext {
            id: nobody,
            nodes: 0,
            prices: Prices::of(SubnetKind::System),
            root_key: Vec::new(),
            signature_fees: Arc::default(),
        };
        let message = Message::new(Context::Start, Entry::Start, nobody, 0, 0);
        Self::new(
            Arc::new(Canister::new(nobody, 0, Settings::default(), 0, 0)),
            Arc::new(subnet),
            message,
        )
    }

    /// Cycles that may leave the canister without freezing it. `heap` in bytes.
    pub(super) fn liquid(&self, heap: usize) -> u128 {
        self.liquid_with(heap, 0)
    }

    /// [`Self::liquid`], if the canister takes `messages` more bytes of message memory.
    pub(super) fn liquid_with(&self, heap: usize, messages: u64) -> u128 {
        if self.message.fault == Some(Effect::OutOfCycles) {
            return 0;
        }
        let working = heap as u64 + self.changes.stable.bytes();
        let threshold = self.freezing_limit(working, messages);
        self.changes.balance.saturating_sub(threshold)
    }

    /// The balance below which the canister freezes if heap, globals and stable memory have
    /// `working` bytes, and its messages `more` bytes more than now.
    fn freezing_limit(&self, working: u64, more: u64) -> u128 {
        let settings = &self.canister.settings;
        let memory = self.canister.memory_bytes_with(working);
        let messages = self.canister.message_memory() + self.sent + more;
        settings.freezing_limit(&self.subnet.prices, &settings.resources(memory, messages))
    }

    /// Whether the balance covers the freezing threshold once the canister takes `more` bytes.
    /// Queries and callbacks may freeze their canister. `heap` in bytes.
    pub(super) fn check_can_grow(&self, heap: usize, more: u64) -> Result<(), Trap> {
        if !self.message.context.keeps_liquid() {
            return Ok(());
        }
        let working = (heap as u64)
            .saturating_add(self.changes.stable.bytes())
            .saturating_add(more);
        let limit = self.freezing_limit(working, 0);
        match limit.checked_sub(self.changes.balance) {
            None | Some(0) => Ok(()),
            Some(missing) => {
                let is_controller = self.canister.is_controller(&self.message.caller);
                Err(Trap::Growth(more, is_controller.then_some(missing)))
            }
        }
    }

    /// Keeps a line for the log. The oldest lines go if the largest log cannot hold them.
    pub(super) fn print(&mut self, line: &[u8]) {
        let line = line[..line.len().min(MAX_LINE)].to_vec();
        self.printed += line.len() + LINE_OVERHEAD;
        self.prints.push_back(line);
        while self.printed > MAX_PRINTED
            && let Some(oldest) = self.prints.pop_front()
        {
            self.printed -= oldest.len() + LINE_OVERHEAD;
        }
    }

    /// Instructions for writing `bytes` bytes to the log: bytes that the log holds are copied, and
    /// bytes within its free space leave the sandbox.
    pub(super) fn logging(&self, bytes: u64) -> u64 {
        let capacity = self.canister.settings.log_memory_limit;
        let room = capacity.saturating_sub(self.printed as u64);
        2 * bytes.min(capacity) + SENT_BYTE * bytes.min(room)
    }

    /// Drops the call under construction, and takes back the attached cycles.
    pub(crate) fn drop_call(&mut self) {
        if let Some(call) = self.call.take() {
            self.changes.balance += call.cycles;
        }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A memory may declare no maximum. No 32-bit memory reaches this limit.
        let most = AddressType::I64.max_heap() as usize;
        if desired > maximum.unwrap_or(most).min(most) {
            return Ok(false);
        }
        let limit = self.canister.settings.wasm_memory_limit;
        let context = self.message.context;
        if self.restored && context.is_replicated() && context != Context::PreUpgrade {
            // Callbacks, tasks and queries may exceed the limit: a canister must be able to finish
            // its calls.
            let limited = matches!(context, Context::Start | Context::Init | Context::Update);
            if limited && limit > 0 && desired as u64 > limit {
                return Err(Trap::MemoryLimit(limit, desired as u64).into());
            }
            self.check_can_grow(current, (desired - current) as u64)?;
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= maximum.unwrap_or(MAX_TABLE).min(MAX_TABLE))
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }
}

/// A store for one message.
pub(crate) fn store(engine: &Engine, host: Host) -> Store<Host> {
    let mut store = Store::new(engine, host);
    store.limiter(|host| host);
    store
}
