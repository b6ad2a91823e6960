//! Where a canister's state lives, as the message about `self` and about fields says it.

#![allow(clippy::default_trait_access)]

use canic::stable_structures::StableBTreeMap;

#[derive(Default)]
struct State {
    jobs: u64,
}

thread_local! { static STATE: std::cell::RefCell<State> = Default::default(); }

#[canic::role("worker")]
struct Worker;

#[canic::update]
fn work(id: u64) -> u64 {
    let mut names = StableBTreeMap::init(canic::memory(0));
    STATE.with_borrow_mut(|state| {
        state.jobs += 1;
        names.insert(id, state.jobs);
        state.jobs
    })
}

canic::export_candid!();

fn main() {}
