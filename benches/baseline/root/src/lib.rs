//! A root written by hand with ic-cdk alone: the baseline for measurements of canic's root.
//!
//! It creates, installs and upgrades. It keeps the worker's module in its own chunk store and a map
//! of its members in stable memory, and reuses the empty canisters that a controller hands in. It
//! has no keys, no limits and no refill of a pool, and a failure on the way loses a canister or
//! leaves it stopped.
#![allow(
    missing_docs,
    reason = "ic_cdk::export_candid! writes a public function without docs"
)]

use std::{
    cell::{Cell, RefCell},
    ops::Bound,
};

use candid::{CandidType, Principal};
use ic_cdk::{
    api::{canister_self, cost_create_canister, is_controller, msg_caller},
    call::{Call, Response},
    futures::spawn,
};
use ic_stable_structures::{DefaultMemoryImpl, StableBTreeMap};
use serde::Deserialize;
use serde_bytes::ByteBuf;

/// A worker's first balance, in cycles.
const CYCLES: u128 = 2_000_000_000_000;

thread_local! {
    /// The owner of each member.
    static MEMBERS: RefCell<StableBTreeMap<Principal, Principal, DefaultMemoryImpl>> =
        RefCell::new(StableBTreeMap::init(DefaultMemoryImpl::default()));
    static MODULE: RefCell<Option<Module>> = const { RefCell::new(None) };
    static EMPTY: RefCell<Vec<Principal>> = const { RefCell::new(Vec::new()) };
    /// The member whose upgrade began last.
    static CURSOR: Cell<Option<Principal>> = const { Cell::new(None) };
    static UPGRADES: Cell<Upgrades> = const { Cell::new(Upgrades { done: 0, failed: 0 }) };
}

/// The upgrades of members that have ended.
#[derive(CandidType, Clone, Copy, Deserialize)]
pub struct Upgrades {
    /// Members that run the module.
    pub done: u32,
    /// Members of which a call failed.
    pub failed: u32,
}

/// A chunk of a module in the chunk store.
#[derive(CandidType, Clone, Deserialize)]
pub struct ChunkHash {
    /// Its SHA-256.
    pub hash: ByteBuf,
}

/// The worker's module.
#[derive(CandidType, Clone, Deserialize)]
pub struct Module {
    /// Its SHA-256.
    pub hash: ByteBuf,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkHash>,
}

/// The argument of a worker's install.
#[derive(CandidType, Deserialize)]
pub struct WorkerArgs {
    /// The user to whom the notebook belongs.
    pub owner: Principal,
}

// Arguments and replies of the management canister, with the fields that matter here.

#[derive(CandidType)]
struct UploadChunk {
    canister_id: Principal,
    chunk: ByteBuf,
}

#[derive(CandidType)]
struct Settings {
    controllers: Option<Vec<Principal>>,
}

#[derive(CandidType)]
struct CreateCanister {
    settings: Option<Settings>,
}

#[derive(Deserialize, CandidType)]
struct Created {
    canister_id: Principal,
}

#[derive(CandidType, Deserialize)]
enum Mode {
    #[serde(rename = "install")]
    Install,
    #[serde(rename = "upgrade")]
    Upgrade(Option<UpgradeOptions>),
}

#[derive(CandidType, Deserialize)]
struct UpgradeOptions {}

#[derive(CandidType)]
struct CanisterId {
    canister_id: Principal,
}

#[derive(CandidType)]
struct InstallChunkedCode {
    mode: Mode,
    target_canister: Principal,
    store_canister: Option<Principal>,
    chunk_hashes_list: Vec<ChunkHash>,
    wasm_module_hash: ByteBuf,
    arg: ByteBuf,
}

fn by_controller() -> Result<(), String> {
    let caller = msg_caller();
    if is_controller(&caller) {
        Ok(())
    } else {
        Err(format!("{caller} is not a controller"))
    }
}

/// Calls the management canister.
async fn manage(method: &str, args: &impl CandidType, cycles: u128) -> Result<Response, String> {
    Call::unbounded_wait(Principal::management_canister(), method)
        .with_arg(args)
        .with_cycles(cycles)
        .await
        .map_err(|error| error.to_string())
}

/// Puts a chunk of the worker's module into the chunk store.
#[ic_cdk::update(guard = "by_controller")]
async fn stage(chunk: ByteBuf) -> Result<ChunkHash, String> {
    let canister_id = canister_self();
    let stored = manage("upload_chunk", &UploadChunk { canister_id, chunk }, 0).await?;
    stored.candid().map_err(|error| error.to_string())
}

/// Sets the module of later installs.
#[ic_cdk::update(guard = "by_controller")]
fn approve(module: Module) {
    MODULE.set(Some(module));
}

/// Hands in an empty canister that this one controls.
#[ic_cdk::update(guard = "by_controller")]
fn keep(canister: Principal) {
    EMPTY.with_borrow_mut(|empty| empty.push(canister));
}

/// Provisions a worker.
#[ic_cdk::update(guard = "by_controller")]
async fn provision(args: WorkerArgs) -> Result<Principal, String> {
    let canister = match EMPTY.with_borrow_mut(Vec::pop) {
        Some(canister) => canister,
        None => create().await?,
    };
    let arg = candid::encode_one(&args).map_err(|error| error.to_string())?;
    install(Mode::Install, canister, arg).await?;
    MEMBERS.with_borrow_mut(|members| members.insert(canister, args.owner));
    Ok(canister)
}

async fn create() -> Result<Principal, String> {
    let controllers = Some(vec![canister_self()]);
    let args = CreateCanister {
        settings: Some(Settings { controllers }),
    };
    let created = manage("create_canister", &args, CYCLES + cost_create_canister()).await?;
    let created: Created = created.candid().map_err(|error| error.to_string())?;
    Ok(created.canister_id)
}

async fn install(mode: Mode, canister: Principal, arg: Vec<u8>) -> Result<(), String> {
    let module = MODULE
        .with_borrow(Option::clone)
        .ok_or("no module is approved")?;
    let args = InstallChunkedCode {
        mode,
        target_canister: canister,
        store_canister: Some(canister_self()),
        chunk_hashes_list: module.chunks,
        wasm_module_hash: module.hash,
        arg: arg.into(),
    };
    manage("install_chunked_code", &args, 0).await?;
    Ok(())
}

/// Upgrades all members to the module, so many at once. Answers before they are.
#[ic_cdk::update(guard = "by_controller")]
fn upgrade_members(at_once: u32) {
    CURSOR.set(None);
    UPGRADES.set(Upgrades { done: 0, failed: 0 });
    (0..at_once).for_each(|_| spawn(upgrade_in_turn()));
}

async fn upgrade_in_turn() {
    while let Some(member) = next_member() {
        let upgraded = upgrade(member).await;
        let mut upgrades = UPGRADES.get();
        match upgraded {
            Ok(()) => upgrades.done += 1,
            Err(_) => upgrades.failed += 1,
        }
        UPGRADES.set(upgrades);
    }
}

fn next_member() -> Option<Principal> {
    let after = CURSOR.get().map_or(Bound::Unbounded, Bound::Excluded);
    let next = MEMBERS.with_borrow(|members| members.keys_range((after, Bound::Unbounded)).next());
    if next.is_some() {
        CURSOR.set(next);
    }
    next
}

async fn upgrade(member: Principal) -> Result<(), String> {
    let canister_id = member;
    manage("stop_canister", &CanisterId { canister_id }, 0).await?;
    install(Mode::Upgrade(None), member, Vec::new()).await?;
    manage("start_canister", &CanisterId { canister_id }, 0).await?;
    Ok(())
}

/// The upgrades of members that have ended.
#[ic_cdk::query]
fn upgrades() -> Upgrades {
    UPGRADES.get()
}

/// The owner of a member.
#[ic_cdk::query]
fn owner(member: Principal) -> Option<Principal> {
    MEMBERS.with_borrow(|members| members.get(&member))
}

ic_cdk::export_candid!();
