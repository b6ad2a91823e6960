//! The state of one canister between two messages, as plain data.

pub(crate) mod calls;
pub(crate) mod consumption;
pub(crate) mod execution_state;
pub(crate) mod input_queues;
pub(crate) mod message_memory;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod tasks;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use candid::Principal;
use ic_management_canister_types as management;
use serde::{Deserialize, Serialize};

use crate::{
    canister::{
        calls::{CallContext, Callback, Request},
        consumption::{Consumption, Purpose},
        execution_state::ExecutionState,
        input_queues::InputQueues,
        settings::Settings,
        snapshot::Snapshot,
        tasks::{LowMemory, Rotation},
    },
    memory::{Stable, WASM_PAGE},
    prices::{Prices, Resources},
    reject::{Reject, RejectCode},
    stored::{in_candid, shared},
    wasm::address_type::AddressType,
};

/// The longest history of a canister, in entries.
const HISTORY: usize = 20;

/// One canister.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Canister {
    pub(crate) id: Principal,
    /// The number of its subnet.
    pub(crate) subnet: usize,
    /// Its balance, in cycles.
    pub(crate) balance: u128,
    pub(crate) settings: Settings,
    pub(crate) status: Status,
    /// Its code, if any is installed.
    pub(crate) code: Option<ExecutionState>,
    pub(crate) stable: Stable,
    pub(crate) certified_data: Vec<u8>,
    /// When the global timer fires, in nanoseconds since 1970.
    pub(crate) timer: Option<u64>,
    /// When it was created, in nanoseconds since 1970.
    pub(crate) created_at: u64,
    /// When its present code was installed or loaded from a snapshot, in nanoseconds since 1970; 0
    /// before the first code.
    pub(crate) installed_at: u64,
    /// Counts changes of code, settings and status, and messages executed. It is 0 at creation.
    pub(crate) version: u64,
    #[serde(with = "in_candid")]
    pub(crate) history: VecDeque<management::Change>,
    pub(crate) total_changes: u64,
    #[serde(with = "shared::map")]
    pub(crate) chunks: BTreeMap<[u8; 32], Arc<Vec<u8>>>,
    #[serde(with = "shared::map")]
    pub(crate) snapshots: BTreeMap<Vec<u8>, Arc<Snapshot>>,
    pub(crate) snapshots_taken: u64,
    pub(crate) logs: VecDeque<management::CanisterLogRecord>,
    pub(crate) logs_written: u64,
    /// Messages that wait for execution.
    pub(crate) input_queues: InputQueues,
    /// Requests under execution.
    pub(crate) contexts: BTreeMap<u64, CallContext>,
    /// Calls of its own that wait for an answer.
    pub(crate) callbacks: BTreeMap<u64, Callback>,
    /// Open calls per callee.
    pub(crate) open_calls: BTreeMap<Principal, u32>,
    /// The answers that are reserved: for its own calls, and for requests under execution.
    pub(crate) reservations: u64,
    /// The last number of a call context or callback.
    pub(crate) last_number: u64,
    /// Its resources are paid up to this time, in nanoseconds since 1970.
    pub(crate) paid_until: u64,
    /// The round in which code can be installed again, if installs are limited.
    pub(crate) installs_again: u64,
    /// The first task of its next round.
    pub(crate) rotation: Rotation,
    /// The state of the hook `canister_on_low_wasm_memory` at the last check of the memory.
    pub(crate) low_memory: LowMemory,
    /// The cycles that it has spent.
    pub(crate) consumption: Consumption,
}

/// Whether a canister accepts calls.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) enum Status {
    Running,
    /// It waits for its open calls; these requests are answered when it has stopped.
    Stopping(Vec<StopRequest>),
    Stopped,
}

/// A stop request that waits until the canister has stopped.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct StopRequest {
    pub(crate) request: Request,
    /// When the request times out, in nanoseconds since 1970.
    pub(crate) deadline: u64,
}

impl Canister {
    pub(crate) fn new(
        id: Principal,
        subnet: usize,
        settings: Settings,
        balance: u128,
        now: u64,
    ) -> Self {
        Self {
            id,
            subnet,
            balance,
            settings,
            status: Status::Running,
            code: None,
            stable: Stable::default(),
            certified_data: Vec::new(),
            timer: None,
            created_at: now,
            installed_at: 0,
            version: 0,
            history: VecDeque::new(),
            total_changes: 0,
            chunks: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            snapshots_taken: 0,
            logs: VecDeque::new(),
            logs_written: 0,
            input_queues: InputQueues::default(),
            contexts: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            open_calls: BTreeMap::new(),
            reservations: 0,
            last_number: 0,
            paid_until: now,
            installs_again: 0,
            rotation: Rotation::Timer,
            low_memory: LowMemory::Enough,
            consumption: Consumption::default(),
        }
    }

    /// The present state of the hook for low memory. Memory is low if the heap leaves less than the
    /// threshold below the limit; the default limit is 4 GiB.
    pub(crate) fn low_memory(&self) -> LowMemory {
        const MAX: u64 = 4 << 30;
        let Some(code) = &self.code else {
            return LowMemory::Enough;
        };
        let limit = match self.settings.wasm_memory_limit {
            0 => MAX,
            limit => limit,
        };
        let left = limit.saturating_sub(code.heap.size * WASM_PAGE);
        match self.low_memory {
            _ if left >= self.settings.wasm_memory_threshold => LowMemory::Enough,
            LowMemory::Enough => LowMemory::Ready,
            due => due,
        }
    }

    /// Takes cycles from its balance and counts them.
    pub(crate) fn pay(&mut self, purpose: Purpose, cycles: u128) {
        self.balance -= cycles;
        self.consumption.add(purpose, cycles);
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn is_controller(&self, principal: &Principal) -> bool {
        self.settings.controllers.contains(principal)
    }

    /// Removes its code, memory, timer, chunks and log.
    pub(crate) fn clear_code(&mut self) {
        self.code = None;
        self.stable = Stable::default();
        self.certified_data = Vec::new();
        self.timer = None;
        self.chunks.clear();
        self.logs.clear();
    }

    /// Whether a principal may read its log.
    pub(crate) fn is_log_visible_to(&self, reader: &Principal) -> bool {
        self.is_visible_to(&self.settings.log_visibility, reader)
    }

    /// Whether a principal other than itself may read its status.
    pub(crate) fn is_status_visible_to(&self, reader: &Principal) -> bool {
        self.is_visible_to(&self.settings.status_visibility, reader)
    }

    fn is_visible_to(&self, visibility: &management::LogVisibility, reader: &Principal) -> bool {
        let visible = match visibility {
            management::LogVisibility::Controllers => false,
            management::LogVisibility::Public => true,
            management::LogVisibility::AllowedViewers(viewers) => viewers.contains(reader),
        };
        visible || self.is_controller(reader)
    }

    /// Whether a principal may read its snapshots.
    pub(crate) fn is_snapshot_visible_to(&self, reader: &Principal) -> bool {
        let visible = match &self.settings.snapshot_visibility {
            management::SnapshotVisibility::Controllers => false,
            management::SnapshotVisibility::Public => true,
            management::SnapshotVisibility::AllowedViewers(viewers) => viewers.contains(reader),
        };
        visible || self.is_controller(reader)
    }

    /// The memory that the platform stores for it, by purpose, in bytes.
    pub(crate) fn memory(&self) -> management::MemoryMetrics {
        let (heap, globals, binary, custom) = self.code.as_ref().map_or((0, 0, 0, 0), |code| {
            let module = &code.module;
            (
                code.heap_bytes(),
                module.global_bytes,
                module.size,
                module.metadata_bytes,
            )
        });
        management::MemoryMetrics {
            wasm_memory_size: heap.into(),
            stable_memory_size: self.stable.bytes().into(),
            global_memory_size: globals.into(),
            wasm_binary_size: binary.into(),
            custom_sections_size: custom.into(),
            canister_history_size: self.history_bytes().into(),
            wasm_chunk_store_size: self.chunk_bytes().into(),
            snapshots_size: self.snapshot_bytes().into(),
            log_memory_store_size: self.log_bytes().into(),
        }
    }

    /// The address type of its module. A canister without code counts as 32-bit.
    pub(crate) fn address(&self) -> AddressType {
        (self.code.as_ref()).map_or_else(AddressType::default, |code| code.module.address)
    }

    /// The sum of all memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let heap = self.code.as_ref().map_or(0, ExecutionState::heap_bytes);
        self.memory_bytes_with(heap + self.stable.bytes())
    }

    /// The sum of all memory if heap and stable memory have `working` bytes.
    pub(crate) fn memory_bytes_with(&self, working: u64) -> u64 {
        let module = self.code.as_ref().map_or(0, |code| {
            let module = &code.module;
            module.size + module.global_bytes + module.metadata_bytes
        }) as u64;
        working
            + module
            + self.history_bytes()
            + self.chunk_bytes()
            + self.snapshot_bytes()
            + self.log_bytes()
    }

    /// The size of a snapshot of it, in bytes.
    pub(crate) fn snapshot_size(&self) -> u64 {
        let program = self.code.as_ref().map_or(0, |code| {
            code.heap_bytes() + (code.module.size + code.module.global_bytes) as u64
        });
        program + self.stable.bytes() + self.chunk_bytes() + self.certified_data.len() as u64
    }

    fn history_bytes(&self) -> u64 {
        /// The platform's record of a change, and of a controller in it, in bytes
        /// (`dfinity/ic`, `CanisterChange::count_bytes` of the management canister's types).
        const CHANGE: usize = 160;
        const CONTROLLER: usize = 30;
        let controllers = self.history.iter().map(|change| match &change.details {
            Some(management::ChangeDetails::Creation(creation)) => creation.controllers.len(),
            Some(management::ChangeDetails::ControllersChange(now)) => now.controllers.len(),
            _ => 0,
        });
        (self.history.len() * CHANGE + controllers.sum::<usize>() * CONTROLLER) as u64
    }

    fn chunk_bytes(&self) -> u64 {
        // The platform counts whole chunks.
        self.chunks.len() as u64 * (1 << 20)
    }

    fn snapshot_bytes(&self) -> u64 {
        self.snapshots.values().map(|snapshot| snapshot.bytes).sum()
    }

    fn log_bytes(&self) -> u64 {
        self.logs
            .iter()
            .map(|record| record.content.len() as u64 + 16)
            .sum()
    }

    /// The resources that it pays for.
    pub(crate) fn resources(&self) -> Resources {
        self.settings
            .resources(self.memory_bytes(), self.message_memory())
    }

    /// The balance below which it freezes, in cycles.
    pub(crate) fn freezing_limit(&self, prices: &Prices) -> u128 {
        self.settings.freezing_limit(prices, &self.resources())
    }

    /// Adds a change of code or controllers to its history, under a new version.
    pub(crate) fn record(
        &mut self,
        now: u64,
        origin: management::ChangeOrigin,
        details: management::ChangeDetails,
    ) {
        self.version += 1;
        self.record_here(now, origin, details);
    }

    /// Adds an entry to its history under the present version: its creation, or a change that was
    /// counted already.
    pub(crate) fn record_here(
        &mut self,
        now: u64,
        origin: management::ChangeOrigin,
        details: management::ChangeDetails,
    ) {
        self.total_changes += 1;
        self.history.push_back(management::Change {
            timestamp_nanos: now,
            canister_version: self.version,
            origin,
            details: Some(details),
        });
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// Writes a line to its log. The oldest lines go if the log is full.
    pub(crate) fn log(&mut self, now: u64, mut line: Vec<u8>) {
        let limit = self.settings.log_memory_limit as usize;
        line.truncate(limit.min(32 * 1024));
        let record = management::CanisterLogRecord {
            idx: self.logs_written,
            timestamp_nanos: now,
            content: line,
        };
        self.logs_written += 1;
        self.logs.push_back(record);
        self.trim_log();
    }

    /// Drops the oldest lines until the log is within its limit. A log with the limit 0 has no
    /// lines.
    pub(crate) fn trim_log(&mut self) {
        let limit = self.settings.log_memory_limit;
        let least = usize::from(limit > 0);
        while self.logs.len() > least && self.log_bytes() > limit {
            self.logs.pop_front();
        }
    }

    /// Adds an open call. Answers the number of its callback.
    pub(crate) fn open_call(&mut self, callback: Callback) -> u64 {
        let number = self.next_number();
        *self.open_calls.entry(callback.callee).or_default() += 1;
        self.reservations += callback.reservations();
        self.callbacks.insert(number, callback);
        number
    }

    /// Removes an open call. Answers its callback, or `None` if there is no such call any more.
    pub(crate) fn close_call(&mut self, number: u64) -> Option<Callback> {
        let callback = self.callbacks.remove(&number)?;
        self.reservations -= callback.reservations();
        if let Some(open) = self.open_calls.get_mut(&callback.callee) {
            *open -= 1;
            if *open == 0 {
                self.open_calls.remove(&callback.callee);
            }
        }
        Some(callback)
    }

    /// Marks an open call as answered, or again as not answered. Answers whether that changed it;
    /// there may be no such call any more.
    pub(crate) fn set_answered(&mut self, number: u64, answered: bool) -> bool {
        let Some(callback) = self.callbacks.get_mut(&number) else {
            return false;
        };
        let before = callback.reservations();
        let has_changed = std::mem::replace(&mut callback.answered, answered) != answered;
        self.reservations = self.reservations + callback.reservations() - before;
        has_changed
    }

    /// Begins a call context. Answers its number.
    pub(crate) fn open_context(&mut self, context: CallContext) -> u64 {
        let number = self.next_number();
        self.reservations += context.reservations();
        self.contexts.insert(number, context);
        number
    }

    /// Marks a call context as answered. Answers it, if it was not answered before.
    pub(crate) fn set_responded(&mut self, number: u64) -> Option<&mut CallContext> {
        let context = self.contexts.get_mut(&number)?;
        self.reservations -= context.reservations();
        (!std::mem::replace(&mut context.responded, true)).then_some(context)
    }

    /// Removes a call context.
    pub(crate) fn close_context(&mut self, number: u64) -> Option<CallContext> {
        let context = self.contexts.remove(&number)?;
        self.reservations -= context.reservations();
        Some(context)
    }

    pub(crate) fn check_controller(&self, sender: &Principal) -> Result<(), Reject> {
        if self.is_controller(sender) {
            return Ok(());
        }
        let controllers: Vec<_> = (self.settings.controllers.iter())
            .map(Principal::to_text)
            .collect();
        let why = format!(
            "Only the controllers of the canister {} can control it.\nCanister's controllers: \
             {}\nSender's ID: {sender}",
            self.id,
            controllers.join(" "),
        );
        Err(Reject::new(RejectCode::CanisterError, 512, why))
    }

    /// Whether it has neither requests under execution nor open calls.
    pub(crate) fn is_quiet(&self) -> bool {
        self.contexts.is_empty() && self.callbacks.is_empty()
    }

    /// Checks that the canister accepts calls.
    pub(crate) fn accepts_calls(&self) -> Result<(), Reject> {
        let id = self.id;
        match self.status {
            Status::Running => Ok(()),
            Status::Stopping(_) => Err(Reject::new(
                RejectCode::CanisterError,
                509,
                format!("Canister {id} is stopping"),
            )),
            Status::Stopped => Err(Reject::new(
                RejectCode::CanisterError,
                508,
                format!("Canister {id} is stopped"),
            )),
        }
    }
}
