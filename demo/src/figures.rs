//! The figures of a demo, measured by asking the canisters and the replica.

use canic::api::{
    MembersFilter, OperationInfo, OperationKind, OperationState, OperationsFilter, Source,
};
use serde::Serialize;

use crate::fleet::Fleet;

/// What the rollouts left behind.
#[derive(Default)]
pub(super) struct Rollouts {
    pub(super) rolled_out: u64,
    pub(super) rolled_back: u64,
    pub(super) left_stopped: u64,
    pub(super) writes_lost: u64,
}

/// The object that `--json` prints. A figure is `null` if this server can't measure it.
#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) members: u64,
    pub(super) pool_ready: u64,
    pub(super) pool_hits: u64,
    pub(super) fresh: u64,
    pub(super) rolled_back: u64,
    pub(super) same_key_same_member: bool,
    pub(super) survived_upgrade: bool,
    /// Members that a good release reached, and members that left a bad one by themselves.
    pub(super) rolled_out: u64,
    pub(super) rolled_back_release: u64,
    /// Members that do not run after both rollouts.
    pub(super) left_stopped: u64,
    /// Notes that a worker confirmed while it was rolled out, and that it does not have afterwards.
    pub(super) acknowledged_writes_lost: u64,
    pub(super) canisters_lost: Option<u64>,
    pub(super) cycles_unaccounted: Option<i128>,
    pub(super) management_calls_pool_hit: Option<u64>,
    pub(super) management_calls_fresh: Option<u64>,
}

impl Figures {
    /// Counts members, pool and operations as root lists them, and audits the fleet from outside.
    ///
    /// # Errors
    /// A canister on record does not exist.
    pub(super) fn measure(
        fleet: &Fleet,
        same_key_same_member: bool,
        survived_upgrade: bool,
        rollouts: Rollouts,
        management_calls_pool_hit: Option<u64>,
        management_calls_fresh: Option<u64>,
    ) -> Result<Self, String> {
        let audit = fleet.audit()?;
        let closed = fleet.operations(OperationsFilter::Closed);
        let provisioned = |source| {
            let done = closed.iter().filter(|operation| {
                operation.kind == OperationKind::Provision
                    && operation.state == OperationState::Done
                    && operation.source == Some(source)
            });
            done.count() as u64
        };
        let rolled_back = |operation: &&OperationInfo| {
            operation.kind == OperationKind::Provision
                && matches!(operation.state, OperationState::RolledBack(_))
        };
        Ok(Self {
            members: fleet.members(&MembersFilter::All).len() as u64,
            pool_ready: fleet
                .pool()
                .iter()
                .filter(|entry| entry.claimed_by.is_none())
                .count() as u64,
            pool_hits: provisioned(Source::Pool),
            fresh: provisioned(Source::Fresh),
            rolled_back: closed.iter().filter(rolled_back).count() as u64,
            same_key_same_member,
            survived_upgrade,
            rolled_out: rollouts.rolled_out,
            rolled_back_release: rollouts.rolled_back,
            left_stopped: rollouts.left_stopped,
            acknowledged_writes_lost: rollouts.writes_lost,
            canisters_lost: audit.lost,
            cycles_unaccounted: audit.unaccounted,
            management_calls_pool_hit,
            management_calls_fresh,
        })
    }

    /// Prints the figures that this server can't measure, and the reason.
    pub(super) fn print_unmeasured(&self) {
        let why = "only canic-replica lists its canisters, sums up its cycles and keeps a trace";
        let missing = [
            ("canisters_lost", self.canisters_lost.is_none()),
            ("cycles_unaccounted", self.cycles_unaccounted.is_none()),
            (
                "management_calls_pool_hit",
                self.management_calls_pool_hit.is_none(),
            ),
            (
                "management_calls_fresh",
                self.management_calls_fresh.is_none(),
            ),
        ];
        for (figure, _) in missing.into_iter().filter(|(_, missing)| *missing) {
            println!("not measured: {figure} ({why})");
        }
    }

    pub(super) fn to_json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|e| format!("the figures can't be written: {e}"))
    }
}
