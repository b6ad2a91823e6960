//! One canister as plain data: what is there between two messages.

pub(crate) mod input_queues;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use candid::Principal;
use ic_management_canister_types as management;

use crate::canister::input_queues::Inputs;
use crate::memory::{Heap, Stable, WASM_PAGE};
use crate::prices::Prices;
use crate::rounds::scheduler::Task;
use crate::wasm::Module;
use crate::{CallerInfo, MessageId, Reject};

/// Entries of its history that a canister keeps.
const HISTORY: usize = 20;
/// Bytes of log that a canister keeps.
const LOG_BYTES: usize = 4096;

/// One canister.
#[derive(Clone, Hash)]
pub(crate) struct Canister {
    pub(crate) id: Principal,
    /// Which of the instance's subnets hosts it.
    pub(crate) subnet: usize,
    /// Cycles it can use.
    pub(crate) balance: u128,
    pub(crate) settings: Settings,
    pub(crate) status: Status,
    /// Its program, if one is installed.
    pub(crate) code: Option<Code>,
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
    /// Messages that wait.
    pub(crate) inputs: Inputs,
    /// Requests under execution.
    pub(crate) contexts: BTreeMap<u64, CallContext>,
    /// Calls of its own that wait for an answer.
    pub(crate) callbacks: BTreeMap<u64, Callback>,
    /// Open calls per callee.
    pub(crate) open_calls: BTreeMap<Principal, u32>,
    /// Numbers call contexts and callbacks.
    pub(crate) last_number: u64,
    /// Until when its resources are paid, in nanoseconds since 1970.
    pub(crate) paid_until: u64,
    /// The round in which code can be installed again, if installs are limited.
    pub(crate) installs_again: u64,
    /// What its next round begins with.
    pub(crate) rotation: Rotation,
    /// What became of `canister_on_low_wasm_memory` when memory was last looked at.
    pub(crate) low_memory: LowMemory,
}

/// Whether `canister_on_low_wasm_memory` has to run: once each time that memory becomes short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LowMemory {
    /// There is enough.
    Enough,
    Ready,
    Executed,
}

/// What a canister's round begins with: the global timer, the heartbeat and messages take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rotation {
    Timer,
    Heartbeat,
    Messages,
}

impl Rotation {
    /// The tasks of a round, and what the next one begins with, if the timer is due, there is a heartbeat, messages wait.
    /// What is not there is passed over. A round that begins with messages has no tasks at all.
    pub(crate) fn turn(self, timer: bool, heartbeat: bool, messages: bool) -> (Vec<Task>, Self) {
        let mut next = self;
        for _ in 0..3 {
            let now = next;
            next = match now {
                Self::Timer => Self::Heartbeat,
                Self::Heartbeat => Self::Messages,
                Self::Messages => Self::Timer,
            };
            let tasks = match now {
                Self::Timer if timer => [Some(Task::Timer), heartbeat.then_some(Task::Heartbeat)],
                Self::Heartbeat if heartbeat => {
                    [Some(Task::Heartbeat), timer.then_some(Task::Timer)]
                }
                Self::Messages if messages => [None, None],
                _ => continue,
            };
            return (tasks.into_iter().flatten().collect(), next);
        }
        (Vec::new(), next)
    }
}

/// An installed program and its heap.
#[derive(Clone, Hash)]
pub(crate) struct Code {
    pub(crate) module: Arc<Module>,
    pub(crate) heap: Heap,
    /// The values of all mutable globals, in the module's order.
    pub(crate) globals: Vec<Number>,
}

/// The value of a global; floats by their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
}

/// In Candid, the two are the same.
pub(crate) type StatusVisibility = management::LogVisibility;

/// What controllers decide about a canister.
#[derive(Clone, Hash)]
pub(crate) struct Settings {
    pub(crate) controllers: Vec<Principal>,
    /// Percent of a core.
    pub(crate) compute_allocation: u64,
    /// Bytes; 0 is best effort.
    pub(crate) memory_allocation: u64,
    /// Seconds of idle burn below which the canister freezes.
    pub(crate) freezing_threshold: u64,
    /// Cycles.
    pub(crate) reserved_cycles_limit: u128,
    pub(crate) log_visibility: management::LogVisibility,
    pub(crate) snapshot_visibility: management::SnapshotVisibility,
    pub(crate) status_visibility: StatusVisibility,
    /// Cycles that a call of another canister has to bring.
    pub(crate) minimum_incoming_call_cycles: u128,
    /// Bytes that the log may take.
    pub(crate) log_memory_limit: u64,
    /// Bytes; 0 is no limit.
    pub(crate) wasm_memory_limit: u64,
    /// Bytes left below which `canister_on_low_wasm_memory` runs.
    pub(crate) wasm_memory_threshold: u64,
    pub(crate) environment_variables: BTreeMap<String, String>,
}

/// Whether a canister takes messages.
#[derive(Clone, Hash)]
pub(crate) enum Status {
    Running,
    /// Waits for its open calls; these are to be told when it has stopped.
    Stopping(Vec<Stopper>),
    Stopped,
}

/// Who waits for a canister to stop.
#[derive(Clone, Hash)]
pub(crate) struct Stopper {
    pub(crate) request: Request,
    /// When it gives up, in nanoseconds since 1970.
    pub(crate) deadline: u64,
}

/// A message in a canister's queue.
#[derive(Clone, Hash)]
pub(crate) enum Input {
    Request(Request),
    Response(Response),
}

/// A call on its way.
#[derive(Clone, Hash)]
pub(crate) struct Request {
    pub(crate) origin: Origin,
    pub(crate) sender: Principal,
    pub(crate) callee: Principal,
    pub(crate) method: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) caller_info: Option<Arc<CallerInfo>>,
    /// Cycles attached.
    pub(crate) cycles: u128,
    /// When a best-effort call expires, in nanoseconds since 1970; 0 for a guaranteed answer.
    pub(crate) deadline: u64,
    /// For an ingress call to the management canister: the subnet it was routed to.
    pub(crate) subnet: Option<usize>,
    /// Injected faults had their turn with it.
    pub(crate) spared: bool,
}

/// Who is to be told of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Somebody outside.
    Ingress(MessageId),
    /// The sending canister's callback.
    Callback(u64),
    /// Nobody: the heartbeat or the global timer.
    System,
}

/// An answer on its way.
#[derive(Clone, Hash)]
pub(crate) struct Response {
    /// Who made the call.
    pub(crate) to: Principal,
    pub(crate) callback: u64,
    /// Cycles that come back.
    pub(crate) refund: u128,
    pub(crate) result: Result<Vec<u8>, Reject>,
    /// Injected faults had their turn with it.
    pub(crate) spared: bool,
}

/// A request under execution.
#[derive(Clone, Hash)]
pub(crate) struct CallContext {
    pub(crate) origin: Origin,
    pub(crate) sender: Principal,
    pub(crate) caller_info: Option<Arc<CallerInfo>>,
    pub(crate) deadline: u64,
    /// Attached cycles not accepted yet.
    pub(crate) available: u128,
    pub(crate) responded: bool,
    /// The program that was to answer is gone.
    pub(crate) deleted: bool,
    /// Calls made under it that wait for an answer.
    pub(crate) outstanding: u32,
    /// Instructions of all its messages so far.
    pub(crate) instructions: u64,
}

/// A call of the canister's own that waits for an answer.
#[derive(Clone, Hash)]
pub(crate) struct Callback {
    pub(crate) context: u64,
    pub(crate) callee: Principal,
    pub(crate) method: String,
    pub(crate) on_reply: Closure,
    pub(crate) on_reject: Closure,
    pub(crate) on_cleanup: Option<Closure>,
    /// Cycles set aside for the execution of the callback and the transmission of the answer.
    pub(crate) set_aside: u128,
    pub(crate) deadline: u64,
    /// The answer waits in the canister's queue: nothing else will be one.
    pub(crate) answered: bool,
}

impl Callback {
    /// Whether it is of a best-effort call, and waits longer than it may.
    pub(crate) fn has_expired(&self, now: u64) -> bool {
        self.deadline > 0 && self.deadline < now && !self.answered
    }
}

/// A function in the module's table, and its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Closure {
    pub(crate) function: u32,
    pub(crate) environment: u32,
}

/// A canister's state, kept for later.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) taken_at: u64,
    pub(crate) version: u64,
    pub(crate) program: Program,
    pub(crate) stable: Stable,
    pub(crate) certified_data: Vec<u8>,
    /// When the global timer was to fire; of an uploaded snapshot it may be unknown.
    pub(crate) timer: Option<management::CanisterTimer>,
    /// Where the hook for short memory stood; as for the timer.
    pub(crate) low_memory: Option<LowMemory>,
    pub(crate) chunks: BTreeMap<[u8; 32], Arc<Vec<u8>>>,
    pub(crate) bytes: u64,
}

/// The program of a snapshot.
#[derive(Clone, Hash)]
pub(crate) enum Program {
    Taken(Code),
    Uploaded(Upload),
}

/// A program that comes piece by piece; it need not be a valid one before it is loaded.
#[derive(Clone, Hash)]
pub(crate) struct Upload {
    pub(crate) module: Arc<Vec<u8>>,
    /// The heap as a difference from zeros.
    pub(crate) heap: Heap,
    pub(crate) globals: Vec<Number>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            controllers: Vec::new(),
            compute_allocation: 0,
            memory_allocation: 0,
            freezing_threshold: 30 * 24 * 3600,
            reserved_cycles_limit: 5_000_000_000_000,
            log_visibility: management::LogVisibility::default(),
            snapshot_visibility: management::SnapshotVisibility::default(),
            status_visibility: StatusVisibility::default(),
            minimum_incoming_call_cycles: 0,
            log_memory_limit: LOG_BYTES as u64,
            wasm_memory_limit: 3 << 30,
            wasm_memory_threshold: 0,
            environment_variables: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The balance below which a canister freezes that takes so many bytes of memory, in cycles.
    pub(crate) fn freezing_limit(&self, prices: &Prices, bytes: u64) -> u128 {
        const DAY: u64 = 24 * 3600;
        let bytes = bytes.max(self.memory_allocation);
        let per_day = prices.resources(bytes, self.compute_allocation, DAY * 1_000_000_000);
        per_day.saturating_mul(self.freezing_threshold.into()) / u128::from(DAY)
    }
}

impl Code {
    /// The program as it is before its first message.
    pub(crate) fn fresh(module: Arc<Module>) -> Self {
        Self {
            heap: Heap::fresh(module.initial_size),
            globals: module.initial_globals.clone(),
            module,
        }
    }

    fn bytes(&self) -> u64 {
        self.heap.size * WASM_PAGE + self.globals.len() as u64 * 8
    }
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
            inputs: Inputs::default(),
            contexts: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            open_calls: BTreeMap::new(),
            last_number: 0,
            paid_until: now,
            installs_again: 0,
            rotation: Rotation::Timer,
            low_memory: LowMemory::Enough,
        }
    }

    /// Where the hook for short memory stands now: whether less than the threshold is left below the limit, which is
    /// 4 GiB if the settings name none.
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

    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn is_controller(&self, principal: &Principal) -> bool {
        self.settings.controllers.contains(principal)
    }

    /// Takes away its program and all that belongs to it.
    pub(crate) fn empty(&mut self) {
        self.code = None;
        self.stable = Stable::default();
        self.certified_data = Vec::new();
        self.timer = None;
        self.chunks.clear();
        self.logs.clear();
    }

    /// Whether somebody may read its log.
    pub(crate) fn shows_log_to(&self, reader: &Principal) -> bool {
        self.shows(&self.settings.log_visibility, reader)
    }

    /// Whether somebody else may read its status.
    pub(crate) fn shows_status_to(&self, reader: &Principal) -> bool {
        self.shows(&self.settings.status_visibility, reader)
    }

    fn shows(&self, visibility: &management::LogVisibility, reader: &Principal) -> bool {
        let visible = match visibility {
            management::LogVisibility::Controllers => false,
            management::LogVisibility::Public => true,
            management::LogVisibility::AllowedViewers(viewers) => viewers.contains(reader),
        };
        visible || self.is_controller(reader)
    }

    /// Whether somebody may read its snapshots.
    pub(crate) fn shows_snapshots_to(&self, reader: &Principal) -> bool {
        let visible = match &self.settings.snapshot_visibility {
            management::SnapshotVisibility::Controllers => false,
            management::SnapshotVisibility::Public => true,
            management::SnapshotVisibility::AllowedViewers(viewers) => viewers.contains(reader),
        };
        visible || self.is_controller(reader)
    }

    /// What the platform stores for it, in bytes.
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

    /// The same as one sum.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.bytes_beside(self.code.as_ref().map_or(0, Code::bytes) + self.stable.bytes())
    }

    /// What it takes if its heap, globals and stable memory take `working` bytes.
    pub(crate) fn bytes_beside(&self, working: u64) -> u64 {
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

    /// Bytes that a snapshot of it takes.
    pub(crate) fn bytes_in_snapshot(&self) -> u64 {
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

    /// Cycles that its resources cost over so many nanoseconds.
    pub(crate) fn idle_burn(&self, prices: &Prices, ns: u64) -> u128 {
        let bytes = self.memory_bytes().max(self.settings.memory_allocation);
        prices.resources(bytes, self.settings.compute_allocation, ns)
    }

    /// The balance below which it freezes, if it takes so many bytes of memory, in cycles.
    pub(crate) fn freezing_limit(&self, prices: &Prices, bytes: u64) -> u128 {
        self.settings.freezing_limit(prices, bytes)
    }

    /// Notes a change of code, controllers or existence.
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

    /// Writes a line to its log, dropping the oldest ones if need be.
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

    /// Drops the oldest lines that its log has no room for; without any room, all.
    pub(crate) fn trim_log(&mut self) {
        let limit = self.settings.log_memory_limit;
        let least = usize::from(limit > 0);
        while self.logs.len() > least && self.log_bytes() > limit {
            self.logs.pop_front();
        }
    }

    /// Takes in the number of a new open call.
    pub(crate) fn open_call(&mut self, callback: Callback) -> u64 {
        let number = self.next_number();
        *self.open_calls.entry(callback.callee).or_default() += 1;
        self.callbacks.insert(number, callback);
        number
    }

    /// The callback that was waiting, if it still is.
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
}
