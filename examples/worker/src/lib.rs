//! One user's notebook: notes in stable memory, for their owner and for root only.

use std::{cell::RefCell, ops::Bound};

use canic::{
    prelude::*,
    stable_structures::{StableBTreeMap, StableCell},
};
use example_types::WorkerArgs;

/// The longest title and the longest text, in bytes, and the most rows of a page.
const LIMITS: (usize, usize, usize) = (100, 10_000, 100);

thread_local! {
    static OWNER: RefCell<StableCell<Principal, canic::Memory>> =
        RefCell::new(StableCell::init(canic::memory(0), Principal::anonymous()));
    static NOTES: RefCell<StableBTreeMap<String, String, canic::Memory>> =
        RefCell::new(StableBTreeMap::init(canic::memory(1)));
}

/// The notebook.
pub struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init(args: WorkerArgs) -> Result<(), String> {
        if [Principal::anonymous(), Principal::management_canister()].contains(&args.owner) {
            return Err(format!("{} can't own a notebook", args.owner));
        }
        OWNER.with_borrow_mut(|owner| owner.set(args.owner));
        Ok(())
    }

    /// Root asks this after an upgrade, before the notebook serves updates again.
    fn health() -> Result<(), &'static str> {
        if cfg!(feature = "faulty") {
            return Err("this build can't read its notes");
        }
        Ok(())
    }
}

fn is_owner() -> Result<(), String> {
    let caller = ic_cdk::api::msg_caller();
    if OWNER.with_borrow(|owner| *owner.get() == caller) {
        Ok(())
    } else {
        Err(format!("{caller} is not the owner"))
    }
}

/// Writes a note, and replaces an earlier note with the same title.
#[canic::update(allow(root, guard = is_owner))]
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

/// Reads a note.
#[canic::query(allow(root, guard = is_owner))]
fn get(title: String) -> Option<String> {
    NOTES.with_borrow(|notes| notes.get(&title))
}

/// Notes as pairs of title and text, sorted by title, from the first title after `after` on.
#[canic::query(allow(root, guard = is_owner))]
fn list(after: Option<String>, limit: u32) -> Vec<(String, String)> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let limit = LIMITS.2.min(limit as usize);
    NOTES.with_borrow(|notes| {
        let rows = notes.range((from, Bound::Unbounded)).take(limit);
        rows.map(|note| note.into_pair()).collect()
    })
}

canic::export_candid!();
