//! The Internet Computer: the only place of the runtime that talks to `ic_cdk`.
//!
//! Calls to the management canister use guaranteed responses: creating canisters or moving cycles with a best-effort
//! call could lose both. Their Candid types name only the fields that the machine reads or sets, so that neither an
//! older nor a newer platform breaks them.

use crate::{
    api::{Announcement, Identity, MemberRef, OperationId},
    codec::encode::encode,
    operation::{
        call::{Call, Failure, Reply, Run, Status},
        drain,
    },
};
use candid::{CandidType, Nat, Principal};
use ic_cdk::call::{Call as CdkCall, CallFailed, Response};
pub(crate) use ic_cdk_timers::TimerId;
use serde::Deserialize;
use serde_bytes::{ByteBuf, Bytes};
use std::{cell::Cell, fmt, future::Future, time::Duration};

pub(crate) fn now() -> u64 {
    ic_cdk::api::time()
}

pub(crate) fn this() -> Principal {
    ic_cdk::api::canister_self()
}

pub(crate) fn is_controller(principal: Principal) -> bool {
    ic_cdk::api::is_controller(&principal)
}

/// What root can send away: what it must keep to survive its freezing threshold does not count.
pub(crate) fn balance() -> u128 {
    ic_cdk::api::canister_liquid_cycle_balance()
}

/// All cycles this canister has.
pub(crate) fn whole_balance() -> u128 {
    ic_cdk::api::canister_cycle_balance()
}

/// Bytes of heap this canister occupies.
pub(crate) fn heap_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    {
        core::arch::wasm32::memory_size(0) as u64 * WASM_PAGE
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        0
    }
}

/// Bytes of stable memory this canister occupies.
pub(crate) fn stable_bytes() -> u64 {
    ic_cdk::api::stable_size() * WASM_PAGE
}

const WASM_PAGE: u64 = 65_536;

/// The platform's fee for a new canister, on this subnet, today.
pub(crate) fn creation_fee() -> u128 {
    ic_cdk::api::cost_create_canister()
}

/// Whether this canister is stopped, and so waits for no answer.
pub(crate) fn is_stopped() -> bool {
    ic_cdk::api::canister_status() == ic_cdk::api::CanisterStatusCode::Stopped
}

/// Instructions of this call so far, those of its callbacks included.
pub(crate) fn instructions() -> u64 {
    ic_cdk::api::call_context_instruction_counter()
}

/// How much a line of the log matters.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// Somebody has to do something.
    Error,
    /// Something went wrong, and is being dealt with.
    Warn,
    Info,
}

/// Writes a line to the canister's log. The platform keeps no level beside it, so the line begins with it.
pub(crate) fn log(level: Level, text: fmt::Arguments<'_>) {
    let level = match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "INFO",
    };
    ic_cdk::api::debug_print(format!("{level} canic: {text}"));
}

pub(crate) fn after(delay: Duration, task: impl Future<Output = ()> + 'static) {
    ic_cdk_timers::set_timer(delay, task);
}

/// Runs a task again and again, until it is cancelled. Unlike [`after`], it outlives a message that the platform turns away.
pub(crate) fn every(interval: Duration, task: fn()) -> TimerId {
    // Inside the future, the task may cancel its own timer.
    ic_cdk_timers::set_timer_interval(interval, move || async move { task() })
}

pub(crate) fn cancel(timer: TimerId) {
    ic_cdk_timers::clear_timer(timer);
}

thread_local! {
    static AWAITED: Cell<u32> = const { Cell::new(0) };
}

/// The calls of this module whose answers have not come.
pub(crate) fn awaited() -> u32 {
    AWAITED.get()
}

/// Makes a call, and counts it until its answer comes, or until a trap in its callback drops it.
async fn send(call: CdkCall<'_, '_>, args: &impl CandidType) -> Result<Response, CallFailed> {
    struct Awaited;
    impl Drop for Awaited {
        fn drop(&mut self) {
            AWAITED.set(AWAITED.get() - 1);
        }
    }
    let args = match encode(args) {
        Ok(args) => args,
        Err(error) => unreachable!("canic's own types have values: {error}"),
    };
    AWAITED.set(AWAITED.get() + 1);
    let _awaited = Awaited;
    call.take_raw_args(args).await
}

/// Calls root's own method [`DRIVE`].
///
/// With an operation, that method drives it: in a call of its own, so that whatever becomes of the code that asked for
/// the operation, the task that waits for its calls lives on. Without one it does nothing: the current message ends and
/// a new one begins, and what was written is safe.
pub(crate) async fn call_self(operation: Option<OperationId>) -> Result<(), SelfCall> {
    match send(CdkCall::unbounded_wait(this(), DRIVE), &operation).await {
        Ok(_) => Ok(()),
        Err(CallFailed::CallRejected(_)) => Err(SelfCall::Rejected),
        Err(_) => Err(SelfCall::NotSent),
    }
}

/// Why a call of root to itself did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfCall {
    /// No message was sent: what comes next runs in the same message.
    NotSent,
    /// It was not executed, or trapped.
    Rejected,
}

/// The method that root calls on itself.
const DRIVE: &str = "canic_drive";

/// Asks another canister of the fleet.
pub(crate) async fn ask<T>(
    canister: Principal,
    method: &str,
    request: &impl CandidType,
) -> Result<T, String>
where
    T: CandidType + for<'a> Deserialize<'a>,
{
    let reply = send(CdkCall::unbounded_wait(canister, method), request)
        .await
        .map_err(|error| error.to_string())?;
    candid::decode_one(&reply.into_bytes()).map_err(|error| error.to_string())
}

/// Tells a member what became of others. Answers whether it heard.
pub(crate) async fn announce(listener: Principal, announcement: &Announcement) -> bool {
    let call = CdkCall::bounded_wait(listener, "canic_announce").change_timeout(ANNOUNCE_TIMEOUT);
    send(call, announcement).await.is_ok()
}

/// Tells a member where it stands. Answers whether it heard.
pub(crate) async fn sync(member: Principal, standing: MemberRef) -> bool {
    let MemberRef { role, parent, key } = standing;
    let identity = Identity {
        root: this(),
        role,
        parent,
        key,
    };
    let call = CdkCall::bounded_wait(member, "canic_sync").change_timeout(ANNOUNCE_TIMEOUT);
    send(call, &identity).await.is_ok()
}

/// Seconds until a listener that does not answer is told again.
const ANNOUNCE_TIMEOUT: u32 = 30;

/// Makes a call, and says what came of it.
pub(crate) async fn perform(call: Call) -> Reply {
    match call {
        Call::Create {
            controllers,
            cycles,
        } => {
            let settings = Settings {
                controllers: Some(controllers),
                ..Settings::default()
            };
            let args = CreateArgs {
                settings: Some(settings),
            };
            match management("create_canister", &args, cycles).await {
                Ok(reply) => match candid::decode_one::<CanisterId>(&reply) {
                    Ok(created) => Reply::Created(created.canister_id),
                    Err(error) => Reply::Failed(Failure::unreadable(&error.to_string())),
                },
                Err(failure) => Reply::Failed(failure),
            }
        }
        Call::Configure {
            canister,
            controllers,
        } => {
            let settings = Settings {
                controllers: Some(controllers),
                ..Settings::default()
            };
            done(
                management(
                    "update_settings",
                    &UpdateArgs {
                        canister_id: canister,
                        settings,
                    },
                    0,
                )
                .await,
            )
        }
        Call::Deposit { canister, cycles } => done(
            management(
                "deposit_cycles",
                &CanisterId {
                    canister_id: canister,
                },
                cycles,
            )
            .await,
        ),
        Call::Install {
            canister,
            module,
            chunks,
            argument,
        } => {
            let args = InstallChunkedArgs {
                mode: Mode::Install,
                target_canister: canister,
                store_canister: Some(this()),
                chunk_hashes_list: chunks
                    .iter()
                    .map(|hash| ChunkHash {
                        hash: Bytes::new(hash),
                    })
                    .collect(),
                wasm_module_hash: Bytes::new(&module),
                arg: Bytes::new(&argument),
            };
            done(management("install_chunked_code", &args, 0).await)
        }
        Call::Status { canister } => status(canister).await,
        Call::Info { canister } => info(canister).await,
        Call::Sync { canister, identity } => {
            match send(CdkCall::unbounded_wait(canister, "canic_sync"), &identity).await {
                Ok(reply) => {
                    match candid::decode_one::<Result<(), crate::api::Denied>>(&reply.into_bytes())
                    {
                        Ok(Ok(())) => Reply::Done,
                        Ok(Err(denied)) => Reply::Failed(Failure {
                            outcome: crate::operation::call::Outcome::NotApplied,
                            ..Failure::unreadable(&denied.to_string())
                        }),
                        Err(error) => Reply::Failed(Failure::unreadable(&error.to_string())),
                    }
                }
                Err(error) => Reply::Failed(failure(error, Failure::of_canister)),
            }
        }
        Call::Uninstall { canister } => done(
            management(
                "uninstall_code",
                &CanisterId {
                    canister_id: canister,
                },
                0,
            )
            .await,
        ),
        Call::Start { canister } => done(
            management(
                "start_canister",
                &CanisterId {
                    canister_id: canister,
                },
                0,
            )
            .await,
        ),
        Call::Reset { canister } => {
            let args = UpdateArgs {
                canister_id: canister,
                settings: Settings::defaults(this()),
            };
            done(management("update_settings", &args, 0).await)
        }
        Call::DropSnapshots { canister } => done(drop_snapshots(canister).await),
        Call::LoadDrain { canister } => {
            let args = InstallArgs {
                mode: Mode::Reinstall,
                canister_id: canister,
                wasm_module: Bytes::new(drain::WASM),
                arg: Bytes::new(&[]),
            };
            done(management("install_code", &args, 0).await)
        }
        Call::Drain { canister } => {
            let root = CanisterId {
                canister_id: this(),
            };
            match send(CdkCall::unbounded_wait(canister, drain::METHOD), &root).await {
                Ok(_) => Reply::Done,
                Err(error) => Reply::Failed(failure(error, Failure::of_canister)),
            }
        }
        Call::Stop { canister } => done(
            management(
                "stop_canister",
                &CanisterId {
                    canister_id: canister,
                },
                0,
            )
            .await,
        ),
        Call::Delete { canister } => done(
            management(
                "delete_canister",
                &CanisterId {
                    canister_id: canister,
                },
                0,
            )
            .await,
        ),
    }
}

async fn management(
    method: &str,
    args: &impl CandidType,
    cycles: u128,
) -> Result<Vec<u8>, Failure> {
    let call = CdkCall::unbounded_wait(Principal::management_canister(), method);
    send(call.with_cycles(cycles), args)
        .await
        .map(Response::into_bytes)
        .map_err(|error| {
            // Cycles that came back whole were never taken: then nothing was done, whatever the reject says.
            let untouched = cycles > 0
                && matches!(error, CallFailed::CallRejected(_))
                && ic_cdk::api::msg_cycles_refunded() == cycles;
            let failure = failure(error, Failure::of_management);
            if untouched {
                failure.not_applied()
            } else {
                failure
            }
        })
}

fn failure(error: CallFailed, classify: fn(u32, &str) -> Failure) -> Failure {
    match error {
        CallFailed::CallRejected(rejected) => {
            classify(rejected.raw_reject_code(), rejected.reject_message())
        }
        CallFailed::InsufficientLiquidCycleBalance(_) | CallFailed::CallPerformFailed(_) => {
            Failure::not_sent(&error.to_string())
        }
    }
}

fn done(result: Result<Vec<u8>, Failure>) -> Reply {
    match result {
        Ok(_) => Reply::Done,
        Err(failure) => Reply::Failed(failure),
    }
}

/// Puts a piece of a module into this canister's chunk store.
pub(crate) async fn upload_chunk(chunk: &[u8]) -> Result<(), Failure> {
    let args = UploadArgs {
        canister_id: this(),
        chunk: Bytes::new(chunk),
    };
    management("upload_chunk", &args, 0).await.map(|_| ())
}

/// Empties this canister's chunk store: there is no deleting of one chunk.
pub(crate) async fn clear_chunk_store() -> Result<(), Failure> {
    let root = CanisterId {
        canister_id: this(),
    };
    management("clear_chunk_store", &root, 0).await.map(|_| ())
}

async fn status(canister: Principal) -> Reply {
    let reply = match management(
        "canister_status",
        &CanisterId {
            canister_id: canister,
        },
        0,
    )
    .await
    {
        Ok(reply) => reply,
        Err(failure) => return Reply::Failed(failure),
    };
    match candid::decode_one::<StatusResult>(&reply) {
        Ok(status) => Reply::Status(Status {
            run: match status.status {
                RunResult::Running => Run::Running,
                RunResult::Stopping => Run::Stopping,
                RunResult::Stopped => Run::Stopped,
            },
            module: status
                .module_hash
                .and_then(|hash| hash.into_vec().try_into().ok()),
            cycles: u128::try_from(status.cycles.0).unwrap_or(u128::MAX),
            snapshots: status
                .memory_metrics
                .is_some_and(|metrics| metrics.snapshots_size != 0u8),
            default_settings: status.settings.are_defaults(),
            root_controls_alone: status.settings.controllers == [this()],
            controllers: status.settings.controllers,
        }),
        Err(error) => Reply::Failed(Failure::unreadable(&error.to_string())),
    }
}

async fn info(canister: Principal) -> Reply {
    let args = InfoArgs {
        canister_id: canister,
        num_requested_changes: Some(MAX_CHANGES),
    };
    let reply = match management("canister_info", &args, 0).await {
        Ok(reply) => reply,
        Err(failure) => return Reply::Failed(failure),
    };
    match candid::decode_one::<InfoResult>(&reply) {
        Ok(info) => {
            // The first change is the creation, unless it has been forgotten.
            let all = info.recent_changes.len() as u64 == info.total_num_changes;
            let first = info.recent_changes.first().filter(|_| all);
            let by_root = first.is_some_and(|change| {
                matches!(change.origin, ChangeOrigin::FromCanister { canister_id } if canister_id == this())
            });
            Reply::Info {
                created_by_root: by_root && info.controllers.contains(&this()),
            }
        }
        Err(error) => Reply::Failed(Failure::unreadable(&error.to_string())),
    }
}

async fn drop_snapshots(canister: Principal) -> Result<Vec<u8>, Failure> {
    let reply = management(
        "list_canister_snapshots",
        &CanisterId {
            canister_id: canister,
        },
        0,
    )
    .await?;
    let snapshots: Vec<Snapshot> =
        candid::decode_one(&reply).map_err(|error| Failure::unreadable(&error.to_string()))?;
    for snapshot in snapshots {
        let args = DeleteSnapshotArgs {
            canister_id: canister,
            snapshot_id: snapshot.id,
        };
        management("delete_canister_snapshot", &args, 0).await?;
    }
    Ok(reply)
}

// The management canister's types, as far as they are used here.

#[derive(CandidType, Deserialize)]
struct CanisterId {
    canister_id: Principal,
}

#[derive(CandidType)]
struct CreateArgs {
    settings: Option<Settings>,
}

#[derive(CandidType)]
struct UpdateArgs {
    canister_id: Principal,
    settings: Settings,
}

#[derive(CandidType, Default)]
struct Settings {
    controllers: Option<Vec<Principal>>,
    compute_allocation: Option<Nat>,
    memory_allocation: Option<Nat>,
    freezing_threshold: Option<Nat>,
    environment_variables: Option<Vec<EnvironmentVariable>>,
    log_visibility: Option<LogVisibility>,
    reserved_cycles_limit: Option<Nat>,
    wasm_memory_limit: Option<Nat>,
    wasm_memory_threshold: Option<Nat>,
}

/// The platform's default: 5 T cycles.
const RESERVED_CYCLES_LIMIT: u64 = 5_000_000_000_000;

/// The platform's default: 3 GiB.
const WASM_MEMORY_LIMIT: u64 = 3 << 30;

#[derive(CandidType, Deserialize)]
enum LogVisibility {
    #[serde(rename = "controllers")]
    Controllers,
}

/// The platform's default: 30 days, in seconds.
const FREEZING_THRESHOLD: u32 = 2_592_000;

impl Settings {
    fn defaults(root: Principal) -> Self {
        Self {
            controllers: Some(vec![root]),
            compute_allocation: Some(Nat::from(0u8)),
            memory_allocation: Some(Nat::from(0u8)),
            freezing_threshold: Some(Nat::from(FREEZING_THRESHOLD)),
            environment_variables: Some(Vec::new()),
            log_visibility: Some(LogVisibility::Controllers),
            reserved_cycles_limit: Some(Nat::from(RESERVED_CYCLES_LIMIT)),
            wasm_memory_limit: Some(Nat::from(WASM_MEMORY_LIMIT)),
            wasm_memory_threshold: Some(Nat::from(0u8)),
        }
    }
}

#[derive(CandidType, Deserialize)]
struct EnvironmentVariable {
    name: String,
    value: String,
}

#[derive(CandidType, Deserialize)]
enum Mode {
    #[serde(rename = "install")]
    Install,
    #[serde(rename = "reinstall")]
    Reinstall,
}

#[derive(CandidType)]
struct ChunkHash<'a> {
    hash: &'a Bytes,
}

#[derive(CandidType)]
struct InstallChunkedArgs<'a> {
    mode: Mode,
    target_canister: Principal,
    store_canister: Option<Principal>,
    chunk_hashes_list: Vec<ChunkHash<'a>>,
    wasm_module_hash: &'a Bytes,
    arg: &'a Bytes,
}

#[derive(CandidType)]
struct InstallArgs<'a> {
    mode: Mode,
    canister_id: Principal,
    wasm_module: &'a Bytes,
    arg: &'a Bytes,
}

#[derive(CandidType)]
struct UploadArgs<'a> {
    canister_id: Principal,
    chunk: &'a Bytes,
}

#[derive(CandidType, Deserialize)]
struct Snapshot {
    id: ByteBuf,
}

#[derive(CandidType)]
struct DeleteSnapshotArgs {
    canister_id: Principal,
    snapshot_id: ByteBuf,
}

/// As many changes of a canister as the platform remembers.
const MAX_CHANGES: u64 = 20;

#[derive(CandidType)]
struct InfoArgs {
    canister_id: Principal,
    num_requested_changes: Option<u64>,
}

#[derive(CandidType, Deserialize)]
struct InfoResult {
    controllers: Vec<Principal>,
    total_num_changes: u64,
    recent_changes: Vec<Change>,
}

#[derive(CandidType, Deserialize)]
struct Change {
    origin: ChangeOrigin,
}

#[derive(CandidType, Deserialize)]
enum ChangeOrigin {
    #[serde(rename = "from_user")]
    FromUser {},
    #[serde(rename = "from_canister")]
    FromCanister { canister_id: Principal },
}

#[derive(CandidType, Deserialize)]
struct StatusResult {
    status: RunResult,
    settings: SettingsResult,
    module_hash: Option<ByteBuf>,
    memory_metrics: Option<MemoryMetrics>,
    cycles: Nat,
}

#[derive(CandidType, Deserialize)]
struct MemoryMetrics {
    snapshots_size: Nat,
}

#[derive(CandidType, Deserialize)]
enum RunResult {
    #[serde(rename = "running")]
    Running,
    #[serde(rename = "stopping")]
    Stopping,
    #[serde(rename = "stopped")]
    Stopped,
}

#[derive(CandidType, Deserialize)]
struct SettingsResult {
    controllers: Vec<Principal>,
    compute_allocation: Nat,
    memory_allocation: Nat,
    freezing_threshold: Nat,
    environment_variables: Option<Vec<EnvironmentVariable>>,
}

impl SettingsResult {
    fn are_defaults(&self) -> bool {
        self.compute_allocation == 0u8
            && self.memory_allocation == 0u8
            && self.freezing_threshold == FREEZING_THRESHOLD
            && self
                .environment_variables
                .as_ref()
                .is_none_or(Vec::is_empty)
    }
}
