//! The state of one canister between two messages, as plain data.

pub(crate) mod calls;
pub(crate) mod consumption;
pub(crate) mod execution_state;
pub(crate) mod input_queues;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod tasks;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use candid::Principal;
use ic_management_canister_types as management;

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
    prices::Prices,
    reject::{Reject, RejectCode},
};

/// The longest history of a canister, in entries.
const HISTORY: usize = 20;

/// One canister.
#[derive(Clone, Hash)]
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
    /// Counts changes of code and settings, and messages executed.
    pub(crate) version: u64,
    pub(crate) history: VecDeque<management::Change>,
    pub(crate) total_changes: u64,
    pub(crate) chunks: BTreeMap<[u8; 32], Arc<Vec<u8>>>,
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
#[derive(Clone, Hash)]
pub(crate) enum Status {
    Running,
    /// It waits for its open calls; these requests are answered when it has stopped.
    Stopping(Vec<StopRequest>),
    Stopped,
}

/// A stop request that waits until the canister has stopped.
#[derive(Clone, Hash)]
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
                code.heap.size * WASM_PAGE,
                code.globals.len() * 8,
                module.size,
                module.custom_bytes,
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

    /// The sum of all memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes_with(
            self.code.as_ref().map_or(0, ExecutionState::bytes) + self.stable.bytes(),
        )
    }

    /// The sum of all memory if heap, globals and stable memory have `working` bytes.
    pub(crate) fn memory_bytes_with(&self, working: u64) -> u64 {
        let module =
            self.code
                .as_ref()
                .map_or(0, |code| code.module.size + code.module.custom_bytes) as u64;
        working
            + module
            + self.history_bytes()
            + self.chunk_bytes()
            + self.snapshot_bytes()
            + self.log_bytes()
    }

    /// The size of a snapshot of it, in bytes.
    pub(crate) fn snapshot_size(&self) -> u64 {
        let program = self
            .code
            .as_ref()
            .map_or(0, |code| code.bytes() + code.module.size as u64);
        program + self.stable.bytes() + self.chunk_bytes() + self.certified_data.len() as u64
    }

    fn history_bytes(&self) -> u64 {
        self.history.len() as u64 * 100
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

    /// The price of its resources over `ns` nanoseconds, in cycles.
    pub(crate) fn idle_burn(&self, prices: &Prices, ns: u64) -> u128 {
        let bytes = self.memory_bytes().max(self.settings.memory_allocation);
        prices.resources(bytes, self.settings.compute_allocation, ns)
    }

    /// The balance below which it freezes if its memory has `bytes` bytes, in cycles.
    pub(crate) fn freezing_limit(&self, prices: &Prices, bytes: u64) -> u128 {
        self.settings.freezing_limit(prices, bytes)
    }

    /// Adds a change of code, controllers or existence to its history.
    pub(crate) fn record(
        &mut self,
        now: u64,
        origin: management::ChangeOrigin,
        details: management::ChangeDetails,
    ) {
        self.version += 1;
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
        self.callbacks.insert(number, callback);
        number
    }

    /// Removes an open call. Answers its callback, or `None` if there is no such call any more.
    pub(crate) fn close_call(&mut self, number: u64) -> Option<Callback> {
        let callback = self.callbacks.remove(&number)?;
        if let Some(open) = self.open_calls.get_mut(&callback.callee) {
            *open -= 1;
            if *open == 0 {
                self.open_calls.remove(&callback.callee);
            }
        }
        Some(callback)
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
