//! The facts that the medic judges: root's lists, its metrics, and what the network tells.

use candid::Principal;
use canic::api::{FundingInfo, LiveState, MemberInfo, Metric};

use crate::views::{OperationRow, PoolRow, ReleaseRow, RolloutRow};

/// The facts.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Seconds since 1970.
    pub(crate) now: u64,
    pub(crate) root: Option<Principal>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) open: Vec<OperationRow>,
    pub(crate) quarantined: Vec<OperationRow>,
    pub(crate) closed: Vec<OperationRow>,
    pub(crate) pool: Vec<PoolRow>,
    pub(crate) releases: Vec<ReleaseRow>,
    pub(crate) rollouts: Vec<RolloutRow>,
    /// Root as the platform sees it; none if the caller is no controller.
    pub(crate) platform: Option<RootStatus>,
    /// What the fleet costs; none of an older root.
    pub(crate) funding: Option<FundingInfo>,
    /// The interfaces of releases in use, of roles that have several.
    pub(crate) interfaces: Vec<Interface>,
    /// Members whose controllers and modules were looked at.
    pub(crate) looked_at: Vec<Look>,
    /// What root or the network did not tell.
    pub(crate) unknown: Vec<String>,
}

/// The Candid interface of a release in use.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) role: String,
    pub(crate) release: u32,
    pub(crate) text: String,
}

/// Root as the platform sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RootStatus {
    pub(crate) balance: u128,
    /// Cycles that it burns a day without doing anything.
    pub(crate) burn: u128,
    /// Cycles below which it is frozen.
    pub(crate) frozen_below: u128,
    pub(crate) controllers: Vec<Principal>,
}

impl RootStatus {
    /// Days until it is frozen, at its idle burn; none if it burns nothing.
    pub(crate) fn days_left(&self) -> Option<u128> {
        let left = self.balance.saturating_sub(self.frozen_below);
        left.checked_div(self.burn)
    }
}

/// A member as the network tells it.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) member: MemberInfo,
    pub(crate) controllers: Vec<Principal>,
    /// The SHA-256 of its module; none if it has no code.
    pub(crate) module: Option<Vec<u8>>,
    /// Its live state; none if root can't see it, or does not tell it.
    pub(crate) live: Option<LiveState>,
}
