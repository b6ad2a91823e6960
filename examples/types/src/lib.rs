//! Types that the canisters of a fleet share: root, its members, and their tests.
//!
//! This crate is a library and no canister, so that all of them can link it.

use candid::{CandidType, Principal};
use serde::Deserialize;

/// The argument of a worker's install.
#[derive(Clone, Debug, CandidType, Deserialize)]
pub struct WorkerArgs {
    /// The user to whom the notebook belongs.
    pub owner: Principal,
}

/// The argument of a page's install.
#[derive(Clone, Debug, CandidType, Deserialize)]
pub struct PageArgs {
    /// The number of the page in the book.
    pub number: u32,
}
