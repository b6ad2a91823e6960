//! The calls of operations and of root's chunk store: to the management canister, but for two.
//!
//! Calls to the management canister use guaranteed responses: a best-effort call could lose a
//! created canister, or cycles. The Candid types name only the fields that root reads or sets, so
//! that neither an older nor a newer platform breaks them; `settings` names all settings.

use std::collections::BTreeSet;

use candid::{CandidType, Principal};
use ic_cdk::call::{Call as CdkCall, CallFailed, Response};
use serde_bytes::{ByteBuf, Bytes};

use crate::{
    api::{Denied, Health, Identity},
    codec::encode::encode,
    operation::{
        Hash,
        call::{self, Call, Failure, Look, Outcome, Reply, Run, Status},
        drain,
    },
    platform::{
        answers::{best_effort_call, canister_call, decode, failure},
        calls::send,
        ic::{self, Level},
        ledgers,
        settings::{Settings, frozen},
    },
    tables::{self, Read},
};

/// Makes the call of a step.
pub(crate) async fn perform(call: Call) -> Reply {
    let reply = match call {
        Call::Create {
            controllers,
            cycles,
        } => create(controllers, cycles).await,
        Call::Configure {
            canister,
            controllers,
        } => update_settings(canister, Settings::of_controllers(controllers)).await,
        Call::Reset { canister } => update_settings(canister, Settings::of_fresh(ic::this())).await,
        Call::Unfreeze { canister } => {
            update_settings(canister, Settings::of_drained(ic::this())).await
        }
        Call::Deposit { canister, cycles } => command("deposit_cycles", canister, cycles).await,
        Call::Install {
            canister,
            mode,
            module,
            chunks,
            argument,
        } => install(canister, mode.into(), module, &chunks, &argument).await,
        Call::LoadDrain { canister } => load_drain(canister).await,
        Call::Status { canister } => status(canister).await,
        Call::Look { canister } => look(canister).await,
        Call::Info { canister } => info(canister).await,
        Call::Locate { canister } => locate(canister).await,
        Call::Uninstall { canister } => command("uninstall_code", canister, 0).await,
        Call::Start { canister } => command("start_canister", canister, 0).await,
        Call::Stop { canister } => command("stop_canister", canister, 0).await,
        Call::Delete { canister } => command("delete_canister", canister, 0).await,
        Call::DropSnapshots { canister } => drop_snapshots(canister).await,
        Call::Sync { canister, identity } => sync(canister, &identity).await,
        Call::Drain { canister } => run_drain(canister).await,
        Call::TakeSnapshot { canister } => take_snapshot(canister).await,
        Call::ListSnapshots { canister } => list_snapshots(canister).await,
        Call::LoadSnapshot { canister, snapshot } => {
            snapshot_command("load_canister_snapshot", canister, snapshot).await
        }
        Call::DeleteSnapshot { canister, snapshot } => {
            snapshot_command("delete_canister_snapshot", canister, snapshot).await
        }
        Call::Health { canister } => health(canister).await,
        Call::Accept { canister } => accept(canister).await,
        Call::Ledger(call) => ledgers::perform(call).await,
    };
    reply.unwrap_or_else(Reply::Failed)
}

// The management canister

async fn create(controllers: Vec<Principal>, cycles: u128) -> Result<Reply, Failure> {
    let args = CreateArgs {
        settings: Some(Settings::of_controllers(controllers)),
    };
    let reply = management("create_canister", &args, cycles).await?;
    let CanisterId { canister_id } = decode(&reply)?;
    Ok(Reply::Created(canister_id))
}

async fn update_settings(canister: Principal, settings: Settings) -> Result<Reply, Failure> {
    let args = UpdateArgs {
        canister_id: canister,
        settings,
    };
    management("update_settings", &args, 0).await?;
    Ok(Reply::Done)
}

/// A method that takes a canister's id, and cycles if need be, and answers nothing.
async fn command(
    method: &'static str,
    canister: Principal,
    cycles: u128,
) -> Result<Reply, Failure> {
    management(method, &CanisterId::from(canister), cycles).await?;
    Ok(Reply::Done)
}

async fn install(
    canister: Principal,
    mode: Mode,
    module: Hash,
    chunks: &[Hash],
    argument: &[u8],
) -> Result<Reply, Failure> {
    let chunks = chunks.iter().map(|hash| ChunkHash {
        hash: Bytes::new(hash),
    });
    let args = InstallChunkedArgs {
        mode,
        target_canister: canister,
        store_canister: Some(ic::this()),
        chunk_hashes_list: chunks.collect(),
        wasm_module_hash: Bytes::new(&module),
        arg: Bytes::new(argument),
    };
    management("install_chunked_code", &args, 0).await?;
    Ok(Reply::Done)
}

async fn load_drain(canister: Principal) -> Result<Reply, Failure> {
    let args = InstallArgs {
        mode: Mode::Reinstall,
        canister_id: canister,
        wasm_module: Bytes::new(drain::WASM),
        arg: Bytes::new(&[]),
    };
    management("install_code", &args, 0).await?;
    Ok(Reply::Done)
}

async fn status(canister: Principal) -> Result<Reply, Failure> {
    let reply = management("canister_status", &CanisterId::from(canister), 0).await?;
    let status: StatusResult = decode(&reply)?;
    let (root, settings) = (ic::this(), status.settings);
    let unread = settings.unread(&reply);
    if !unread.is_empty() {
        let unread = unread.join(", ");
        let canister = canister.to_text();
        ic::log(
            Level::Warn,
            format_args!(
                "{canister}: the platform tells settings that this version of canic can't read, \
                 and may not reset: {unread}"
            ),
        );
    }
    let metrics = status.memory_metrics;
    let has_chunks = |metrics: &MemoryMetrics| {
        let size = metrics.wasm_chunk_store_size.as_ref();
        size.is_some_and(|size| *size != 0)
    };
    Ok(Reply::Status(Status {
        run: status.status.into(),
        module: status.module_hash.and_then(to_hash),
        cycles: status.cycles,
        frozen: settings.frozen(status.idle_cycles_burned_per_day),
        idle_burn: status.idle_cycles_burned_per_day,
        chunks: metrics.as_ref().is_some_and(has_chunks),
        snapshots: metrics.is_some_and(|metrics| metrics.snapshots_size != 0),
        default_settings: settings.are(&Settings::of_fresh(root)),
        drainable_settings: settings.are(&Settings::of_drained(root)),
        unread_settings: !unread.is_empty(),
        minimum_call_cycles: settings.minimum_call_cycles(),
        root_controls_alone: settings.controllers.as_deref() == Some(&[root]),
        controllers: settings.controllers.unwrap_or_default(),
    }))
}

async fn look(canister: Principal) -> Result<Reply, Failure> {
    let reply = management("canister_status", &CanisterId::from(canister), 0).await?;
    let look: LookResult = decode(&reply)?;
    Ok(Reply::Look(look.into()))
}

impl From<LookResult> for Look {
    fn from(look: LookResult) -> Self {
        let seconds = look.settings.freezing_threshold.unwrap_or_default();
        Self {
            run: look.status.into(),
            module: look.module_hash.and_then(to_hash),
            cycles: look.cycles,
            frozen: frozen(look.idle_cycles_burned_per_day, seconds),
        }
    }
}

impl From<RunResult> for Run {
    fn from(run: RunResult) -> Self {
        match run {
            RunResult::Running => Self::Running,
            RunResult::Stopping => Self::Stopping,
            RunResult::Stopped => Self::Stopped,
        }
    }
}

async fn info(canister: Principal) -> Result<Reply, Failure> {
    let args = InfoArgs {
        canister_id: canister,
        num_requested_changes: Some(MAX_CHANGES),
    };
    let reply = management("canister_info", &args, 0).await?;
    let info: InfoResult = decode(&reply)?;
    // The first change is the creation, unless the platform has forgotten some.
    let all = info.recent_changes.len() as u64 == info.total_num_changes;
    let first = info.recent_changes.first().filter(|_| all);
    let by_root = first.is_some_and(|change| match change.origin {
        ChangeOrigin::FromCanister { canister_id } => canister_id == ic::this(),
        ChangeOrigin::FromUser {} => false,
    });
    Ok(Reply::Info {
        created_by_root: by_root && info.controllers.contains(&ic::this()),
    })
}

async fn take_snapshot(canister: Principal) -> Result<Reply, Failure> {
    let id = CanisterId::from(canister);
    let reply = management("take_canister_snapshot", &id, 0).await?;
    let snapshot: Snapshot = decode(&reply)?;
    Ok(Reply::Snapshot(snapshot.id.into_vec()))
}

async fn list_snapshots(canister: Principal) -> Result<Reply, Failure> {
    let id = CanisterId::from(canister);
    let reply = management("list_canister_snapshots", &id, 0).await?;
    let all = decode::<Vec<Snapshot>>(&reply)?.into_iter();
    let all = all.map(|snapshot| (snapshot.id.into_vec(), snapshot.taken_at_timestamp));
    Ok(Reply::Snapshots(all.collect()))
}

/// A method that takes a canister and one of its snapshots, and answers nothing.
async fn snapshot_command(
    method: &'static str,
    canister: Principal,
    snapshot: Vec<u8>,
) -> Result<Reply, Failure> {
    let args = SnapshotArgs {
        canister_id: canister,
        snapshot_id: ByteBuf::from(snapshot),
    };
    management(method, &args, 0).await?;
    Ok(Reply::Done)
}

/// Asks this canister's own subnet about a canister. The management canister's general id would
/// pass the call on to the subnet of that canister.
async fn locate(canister: Principal) -> Result<Reply, Failure> {
    let args = InfoArgs {
        canister_id: canister,
        num_requested_changes: None,
    };
    management_of(ic::subnet(), "canister_info", &args, 0).await?;
    Ok(Reply::Done)
}

async fn drop_snapshots(canister: Principal) -> Result<Reply, Failure> {
    let id = CanisterId::from(canister);
    let reply = management("list_canister_snapshots", &id, 0).await?;
    for snapshot in decode::<Vec<Snapshot>>(&reply)? {
        let snapshot = snapshot.id.into_vec();
        snapshot_command("delete_canister_snapshot", canister, snapshot).await?;
    }
    Ok(Reply::Done)
}

// Root's chunk store

/// Puts a chunk of a module into root's chunk store.
///
/// # Errors
///
/// If the call failed.
pub(crate) async fn upload_chunk(chunk: &[u8]) -> Result<(), Failure> {
    let args = UploadArgs {
        canister_id: ic::this(),
        chunk: Bytes::new(chunk),
    };
    management("upload_chunk", &args, 0).await.map(drop)
}

/// The hashes of the chunks in root's chunk store.
///
/// # Errors
///
/// If the call failed.
pub(crate) async fn stored_chunks() -> Result<BTreeSet<Hash>, Failure> {
    let root = CanisterId::from(ic::this());
    let reply = management("stored_chunks", &root, 0).await?;
    let stored: Vec<StoredChunk> = decode(&reply)?;
    let hashes = stored.into_iter();
    Ok(hashes
        .filter_map(|chunk| chunk.hash.into_vec().try_into().ok())
        .collect())
}

/// Empties root's chunk store. The platform can't delete a single chunk.
///
/// # Errors
///
/// If the call failed.
pub(crate) async fn clear_chunk_store() -> Result<(), Failure> {
    let root = CanisterId::from(ic::this());
    management("clear_chunk_store", &root, 0).await.map(drop)
}

// The canister of an operation

async fn sync(canister: Principal, identity: &Identity) -> Result<Reply, Failure> {
    let reply = canister_call(canister, "canic_sync", identity).await?;
    decode::<Result<(), Denied>>(&reply)?.map_err(denied)?;
    Ok(Reply::Done)
}

async fn health(canister: Principal) -> Result<Reply, Failure> {
    let reply = best_effort_call(canister, "canic_health", &()).await?;
    if is(&reply, &Ok::<_, Denied>(Health::Healthy)) {
        return Ok(Reply::Health(Health::Healthy));
    }
    let health: Result<Health, Denied> = decode(&reply)?;
    health.map(Reply::Health).map_err(denied)
}

async fn accept(canister: Principal) -> Result<Reply, Failure> {
    let reply = best_effort_call(canister, "canic_accept", &()).await?;
    if !is(&reply, &Ok::<_, Denied>(())) {
        decode::<Result<(), Denied>>(&reply)?.map_err(denied)?;
    }
    Ok(Reply::Done)
}

fn denied(denied: Denied) -> Failure {
    Failure {
        outcome: Outcome::NotApplied,
        ..Failure::unreadable(&denied.to_string())
    }
}

async fn run_drain(canister: Principal) -> Result<Reply, Failure> {
    let root = CanisterId::from(ic::this());
    canister_call(canister, drain::METHOD, &root).await?;
    Ok(Reply::Done)
}

// Calls, and how they fail

pub(super) async fn management(
    method: &'static str,
    args: &impl CandidType,
    cycles: u128,
) -> Result<Vec<u8>, Failure> {
    management_of(Principal::management_canister(), method, args, cycles).await
}

/// Calls the management canister by its general id, or by the id of one subnet.
async fn management_of(
    id: Principal,
    method: &'static str,
    args: &impl CandidType,
    cycles: u128,
) -> Result<Vec<u8>, Failure> {
    let call = CdkCall::unbounded_wait(id, method);
    send(call.with_cycles(cycles), args)
        .await
        .map(Response::into_bytes)
        .map_err(|error| {
            // If all cycles came back, the platform took none and did nothing, whatever the reject
            // says.
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

/// Whether a reply is, byte by byte, what canic's encoder makes of a value. To compare takes less
/// than to decode; a reply that differs may have the same value.
fn is(reply: &[u8], value: &impl CandidType) -> bool {
    encode(value).is_ok_and(|bytes| bytes == reply)
}

// The management canister's types: the fields that root reads or sets.

#[derive(CandidType, Read)]
pub(super) struct CanisterId {
    canister_id: Principal,
}

impl From<Principal> for CanisterId {
    fn from(canister_id: Principal) -> Self {
        Self { canister_id }
    }
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

#[derive(tables::CandidType)]
enum Mode {
    #[serde(rename = "install")]
    Install,
    #[serde(rename = "reinstall")]
    Reinstall,
    #[serde(rename = "upgrade")]
    Upgrade(Option<UpgradeFlags>),
}

/// The options of an upgrade.
#[derive(CandidType)]
struct UpgradeFlags {
    skip_pre_upgrade: Option<bool>,
}

impl From<call::Mode> for Mode {
    fn from(mode: call::Mode) -> Self {
        match mode {
            call::Mode::Install => Self::Install,
            call::Mode::Upgrade => Self::Upgrade(None),
            call::Mode::ForcedUpgrade => Self::Upgrade(Some(UpgradeFlags {
                skip_pre_upgrade: Some(true),
            })),
        }
    }
}

#[derive(CandidType)]
struct ChunkHash<'a> {
    hash: &'a Bytes,
}

#[derive(Read)]
struct StoredChunk {
    hash: ByteBuf,
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

#[derive(Read)]
struct Snapshot {
    id: ByteBuf,
    taken_at_timestamp: u64,
}

#[derive(CandidType)]
struct SnapshotArgs {
    canister_id: Principal,
    snapshot_id: ByteBuf,
}

/// The number of changes of a canister that the platform remembers.
const MAX_CHANGES: u64 = 20;

#[derive(CandidType)]
struct InfoArgs {
    canister_id: Principal,
    num_requested_changes: Option<u64>,
}

#[derive(Read)]
struct InfoResult {
    controllers: Vec<Principal>,
    total_num_changes: u64,
    recent_changes: Vec<Change>,
}

#[derive(Read)]
struct Change {
    origin: ChangeOrigin,
}

#[derive(Read)]
enum ChangeOrigin {
    #[serde(rename = "from_user")]
    FromUser {},
    #[serde(rename = "from_canister")]
    FromCanister { canister_id: Principal },
}

/// What a look reads of a status: it skips the rest.
#[derive(Read)]
struct LookResult {
    status: RunResult,
    settings: LookSettings,
    module_hash: Option<ByteBuf>,
    cycles: u128,
    idle_cycles_burned_per_day: u128,
}

#[derive(Read)]
struct LookSettings {
    freezing_threshold: Option<u128>,
}

fn to_hash(bytes: ByteBuf) -> Option<Hash> {
    bytes.into_vec().try_into().ok()
}

#[derive(Read)]
pub(super) struct StatusResult {
    pub(super) status: RunResult,
    pub(super) settings: Settings,
    pub(super) module_hash: Option<ByteBuf>,
    pub(super) memory_size: u128,
    memory_metrics: Option<MemoryMetrics>,
    pub(super) cycles: u128,
    pub(super) idle_cycles_burned_per_day: u128,
}

#[derive(Read)]
pub(super) struct MemoryMetrics {
    snapshots_size: u128,
    wasm_chunk_store_size: Option<u128>,
}

#[derive(Read)]
#[cfg_attr(test, derive(tables::CandidType))]
pub(super) enum RunResult {
    #[serde(rename = "running")]
    Running,
    #[serde(rename = "stopping")]
    Stopping,
    #[serde(rename = "stopped")]
    Stopped,
}

#[cfg(test)]
mod tests {
    use candid::Encode;

    use super::*;
    use crate::{codec::decode::read_reply, tables::CandidType};

    /// A status as the platform tells it: its settings are not optional.
    #[derive(CandidType)]
    struct Told {
        status: RunResult,
        settings: ToldSettings,
        module_hash: Option<ByteBuf>,
        cycles: u128,
        idle_cycles_burned_per_day: u128,
        memory_size: u128,
        version: u64,
    }

    #[derive(CandidType)]
    struct ToldSettings {
        controllers: Vec<Principal>,
        freezing_threshold: u128,
        compute_allocation: u128,
    }

    #[test]
    fn a_look_and_a_whole_status_read_what_the_platform_tells() {
        for (told, run, module) in [
            (RunResult::Running, Run::Running, Some([7; 32])),
            (RunResult::Stopping, Run::Stopping, None),
            (RunResult::Stopped, Run::Stopped, Some([8; 32])),
        ] {
            let reply = Encode!(&Told {
                status: told,
                settings: ToldSettings {
                    controllers: vec![Principal::management_canister()],
                    freezing_threshold: 2_592_000,
                    compute_allocation: 0,
                },
                module_hash: module.map(ByteBuf::from),
                cycles: 3_000_000_000_000,
                idle_cycles_burned_per_day: 900_000_000,
                memory_size: 2,
                version: 7,
            });
            let reply = reply.expect("values");
            let look: LookResult = read_reply(&reply).expect("a look");
            let expected = Look {
                run,
                module,
                cycles: 3_000_000_000_000,
                frozen: 27_000_000_000,
            };
            assert_eq!(Look::from(look), expected);
            let status: StatusResult = read_reply(&reply).expect("a status");
            assert_eq!(status.memory_size, 2);
            assert_eq!(status.settings.frozen(900_000_000), 27_000_000_000);
            assert!(status.memory_metrics.is_none());
        }
    }
}
