//! The example worker written by hand with ic-cdk alone: the baseline for measurements of canic's
//! worker.
//!
//! It has the same endpoints, argument and rules. The canister that installs it is its root.
#![allow(
    missing_docs,
    reason = "ic_cdk::export_candid! writes a public function without docs"
)]

use std::{cell::RefCell, ops::Bound};

use candid::{CandidType, Principal};
use ic_stable_structures::{
    DefaultMemoryImpl, StableBTreeMap, StableCell,
    memory_manager::{MemoryId, MemoryManager, VirtualMemory},
};
use serde::Deserialize;

const LIMITS: (usize, usize, usize) = (100, 10_000, 100);

type Memory = VirtualMemory<DefaultMemoryImpl>;

fn memory(id: u8) -> Memory {
    MEMORIES.with_borrow(|memories| memories.get(MemoryId::new(id)))
}

thread_local! {
    static MEMORIES: RefCell<MemoryManager<DefaultMemoryImpl>> =
        RefCell::new(MemoryManager::init_with_bucket_size(DefaultMemoryImpl::default(), 4));
    static ROOT: RefCell<StableCell<Principal, Memory>> =
        RefCell::new(StableCell::init(memory(0), Principal::anonymous()));
    static OWNER: RefCell<StableCell<Principal, Memory>> =
        RefCell::new(StableCell::init(memory(1), Principal::anonymous()));
    static NOTES: RefCell<StableBTreeMap<String, String, Memory>> =
        RefCell::new(StableBTreeMap::init(memory(2)));
}

/// The argument of a worker's install.
#[derive(CandidType, Deserialize)]
pub struct WorkerArgs {
    /// The user to whom the notebook belongs.
    pub owner: Principal,
}

#[ic_cdk::init]
fn init(args: WorkerArgs) {
    if [Principal::anonymous(), Principal::management_canister()].contains(&args.owner) {
        ic_cdk::trap(format!("{} can't own a notebook", args.owner));
    }
    ROOT.with_borrow_mut(|root| root.set(ic_cdk::api::msg_caller()));
    OWNER.with_borrow_mut(|owner| owner.set(args.owner));
}

fn is_root_or_owner() -> Result<(), String> {
    let caller = ic_cdk::api::msg_caller();
    if ROOT.with_borrow(|root| *root.get() == caller)
        || OWNER.with_borrow(|owner| *owner.get() == caller)
    {
        Ok(())
    } else {
        Err(format!("{caller} is neither root nor the owner"))
    }
}

#[ic_cdk::update(guard = "is_root_or_owner")]
fn put(title: String, text: String) -> Result<(), String> {
    if title.len() > LIMITS.0 || text.len() > LIMITS.1 {
        return Err(format!(
            "a title has at most {} bytes, a text {}",
            LIMITS.0, LIMITS.1
        ));
    }
    NOTES.with_borrow_mut(|notes| notes.insert(title, text));
    Ok(())
}

#[ic_cdk::query(guard = "is_root_or_owner")]
fn get(title: String) -> Option<String> {
    NOTES.with_borrow(|notes| notes.get(&title))
}

#[ic_cdk::query(guard = "is_root_or_owner")]
fn list(after: Option<String>, limit: u32) -> Vec<(String, String)> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let limit = LIMITS.2.min(limit as usize);
    NOTES.with_borrow(|notes| {
        let rows = notes.range((from, Bound::Unbounded)).take(limit);
        rows.map(|note| note.into_pair()).collect()
    })
}

ic_cdk::export_candid!();
