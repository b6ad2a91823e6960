//! The cycles minting canister: it mints cycles for ICP that it burns, deposits them, and creates
//! canisters on other subnets.
//!
//! A notification names the block of a transfer of ICP to the canister's account for the target.
//! The canister remembers what became of each block, so that the same notification gets the same
//! answer, and no payment counts twice.

pub(super) mod interface;
mod job;
mod notification;
mod rate;
mod statuses;
mod steps;
mod subnets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::system::{
    cycles_minting::{job::Job, notification::Status},
    jobs::Jobs,
};

/// The most cycles that are minted within an hour.
const MINTED_PER_HOUR: u128 = 150_000_000_000_000_000;
/// The rate of PocketIC: ten-thousandths of an XDR for an ICP.
const XDR_PERMYRIAD_PER_ICP: u64 = 35_200;
const CYCLES_PER_XDR: u128 = 1_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// The state of the cycles minting canister.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct CyclesMinting {
    /// The subnets on which everybody creates canisters.
    default_subnets: Vec<Principal>,
    /// Other subnets, by the name of their type.
    subnet_types: BTreeMap<String, BTreeSet<Principal>>,
    /// Whether the network has a cycles ledger.
    has_cycles_ledger: bool,
    /// When the rate was set, in seconds since 1970.
    rate_at: u64,
    /// Minutes, and the cycles that were minted in each, oldest first.
    minted: VecDeque<(u64, u128)>,
    /// What became of the blocks that the canister was notified of.
    statuses: BTreeMap<u64, Status>,
    /// The last block whose fate is forgotten.
    forgotten: u64,
    jobs: Jobs<Job>,
}

impl CyclesMinting {
    pub(crate) fn new(now: u64, has_cycles_ledger: bool) -> Self {
        Self {
            default_subnets: Vec::new(),
            subnet_types: BTreeMap::new(),
            has_cycles_ledger,
            rate_at: now / SECOND,
            minted: VecDeque::new(),
            statuses: BTreeMap::new(),
            forgotten: 0,
            jobs: Jobs::default(),
        }
    }

    /// Tells the canister which subnets there are.
    pub(crate) fn set_subnets(
        &mut self,
        default_subnets: Vec<Principal>,
        subnet_types: BTreeMap<String, BTreeSet<Principal>>,
    ) {
        self.default_subnets = default_subnets;
        self.subnet_types = subnet_types;
    }

    /// The cycles for an amount of ICP in e8s.
    fn cycles_for(e8s: u64) -> u128 {
        u128::from(e8s) * u128::from(XDR_PERMYRIAD_PER_ICP) * CYCLES_PER_XDR
            / (100_000_000 * 10_000)
    }

    /// The cycles to mint so that the balance covers an amount, if the limit allows it.
    ///
    /// # Errors
    /// Why nothing can be minted.
    fn cover(&mut self, cycles: u128, balance: u128, now: u64) -> Result<u128, String> {
        const HOUR: u64 = 60;
        let missing = cycles.saturating_sub(balance);
        let minute = now / (60 * SECOND);
        while self
            .minted
            .front()
            .is_some_and(|(at, _)| at + HOUR <= minute)
        {
            self.minted.pop_front();
        }
        let recent: u128 = self.minted.iter().map(|(_, cycles)| cycles).sum();
        if recent.saturating_add(missing) > MINTED_PER_HOUR {
            return Err(format!(
                "More than {MINTED_PER_HOUR} cycles have been minted in the last 3600 seconds, \
                 please try again later."
            ));
        }
        match self.minted.back_mut() {
            Some((at, minted)) if *at == minute => *minted += missing,
            _ => self.minted.push_back((minute, missing)),
        }
        Ok(missing)
    }
}
