//! Root's records, as root answers them to its controller, and the canisters that it controls.

use std::collections::BTreeMap;

use candid::{Decode, Encode, Principal};
use canic::api::{
    Denied, FundingInfo, IdentityInfo, MAX_PAGE, MemberInfo, MembersFilter, MembersPage,
    MembersRequest, Metric, MetricsPage, ModuleInfo, ModulesPage, OperationInfo, OperationsFilter,
    OperationsPage, OperationsRequest, PageRequest, PoolEntry, PoolPage, RolloutInfo, RolloutPhase,
    RolloutsPage,
};

use super::{Harness, Writer};
use crate::network::Network;

/// What root's controller may ask, and a controller asks.
const ALLOWED: &str = "root's controller may ask";

impl<N: Network, W: Writer<N>> Harness<N, W> {
    /// All members.
    pub fn members(&mut self) -> Vec<MemberInfo> {
        pages(|after| {
            let request = MembersRequest {
                filter: MembersFilter::All,
                after,
                limit: MAX_PAGE,
            };
            let page: Result<MembersPage, Denied> = self.query("canic_members", (request,));
            let page = page.expect(ALLOWED);
            (page.members, page.next)
        })
    }

    /// The pool.
    pub fn pool(&mut self) -> Vec<PoolEntry> {
        pages(|after| {
            let page: Result<PoolPage, Denied> = self.query("canic_pool", (page_of(after),));
            let page = page.expect(ALLOWED);
            (page.entries, page.next)
        })
    }

    /// The operations that a filter selects.
    pub fn operations(&mut self, filter: OperationsFilter) -> Vec<OperationInfo> {
        pages(|after| {
            let request = OperationsRequest {
                filter,
                after,
                limit: MAX_PAGE,
            };
            let page: Result<OperationsPage, Denied> = self.query("canic_operations", (request,));
            let page = page.expect(ALLOWED);
            (page.operations, page.next)
        })
    }

    /// All rollouts.
    pub fn rollouts(&mut self) -> Vec<RolloutInfo> {
        pages(|after| {
            let page: Result<RolloutsPage, Denied> =
                self.query("canic_rollouts", (page_of(after),));
            let page = page.expect(ALLOWED);
            (page.rollouts, page.next)
        })
    }

    /// The rollouts that have not ended.
    pub fn open_rollouts(&mut self) -> Vec<RolloutInfo> {
        let mut rollouts = self.rollouts();
        rollouts.retain(|rollout| rollout.phase != RolloutPhase::Ended);
        rollouts
    }

    /// The approved modules.
    pub fn modules(&mut self) -> Vec<ModuleInfo> {
        pages(|after| {
            let page: Result<ModulesPage, Denied> = self.query("canic_modules", (page_of(after),));
            let page = page.expect(ALLOWED);
            (page.modules, page.next)
        })
    }

    /// What the fleet costs.
    pub fn funding(&mut self) -> FundingInfo {
        let funding: Result<FundingInfo, Denied> = self.query("canic_funding", ());
        funding.expect(ALLOWED)
    }

    /// The metrics of root, or of a member.
    pub fn metrics(&mut self, canister: Principal) -> Vec<Metric> {
        // A member answers root, and root its controllers.
        let sender = if canister == self.root {
            self.controller
        } else {
            self.root
        };
        pages(|after| {
            let payload = Encode!(&page_of(after)).expect("a page can be encoded");
            let answer = self.query_call(sender, canister, "canic_metrics", payload);
            let bytes = answer.unwrap_or_else(|reject| panic!("canic_metrics: {reject:?}"));
            let page = Decode!(&bytes, Result<MetricsPage, Denied>);
            let page = page.expect("canic's own type").expect(ALLOWED);
            (page.metrics, page.next)
        })
    }

    /// Root's ledger: cycles by purpose, and as `unknown` the cycles that were lost from sight.
    pub fn sheet(&mut self) -> BTreeMap<String, u128> {
        let metrics = self.metrics(self.root);
        let purpose = |metric: &Metric| match metric.name.as_str() {
            "canic_cycles_total" => Some(metric.labels.first()?.1.clone()),
            "canic_cycles_unknown" => Some("unknown".to_string()),
            _ => None,
        };
        metrics
            .iter()
            .filter_map(|metric| Some((purpose(metric)?, metric.value as u128)))
            .collect()
    }

    /// The identity that a member answers.
    pub fn identity_info(&mut self, canister: Principal) -> Option<IdentityInfo> {
        let nothing = Encode!().ok()?;
        let answer = self.query_call(self.root, canister, "canic_identity", nothing);
        Decode!(&answer.ok()?, IdentityInfo).ok()
    }

    // The replica's facts

    /// All canisters that root controls, except root itself. On a server, which does not list its
    /// canisters, those that root names.
    #[must_use]
    pub fn controlled(&mut self) -> Vec<Principal> {
        if self.replica.replica().is_some() {
            return self.controlled_by(self.root);
        }
        let members = self.members().into_iter().map(|member| member.canister);
        let members: Vec<Principal> = members.collect();
        let pool = self.pool().into_iter().map(|entry| entry.canister);
        members.into_iter().chain(pool).collect()
    }

    /// All canisters that `owner` controls, except root; none on a server.
    #[must_use]
    pub fn controlled_by(&self, owner: Principal) -> Vec<Principal> {
        let Some(replica) = self.replica.replica() else {
            return Vec::new();
        };
        let mut all = replica.canisters();
        all.retain(|canister| {
            let controllers = replica.controllers(*canister);
            *canister != self.root && controllers.is_some_and(|all| all.contains(&owner))
        });
        all
    }
}

fn page_of(after: Option<u64>) -> PageRequest {
    PageRequest {
        after,
        limit: MAX_PAGE,
    }
}

/// The rows of all pages. `page` answers the rows after a cursor, and the next cursor.
fn pages<T, C>(mut page: impl FnMut(Option<C>) -> (Vec<T>, Option<C>)) -> Vec<T> {
    let (mut rows, mut next) = page(None);
    while next.is_some() {
        let (more, then) = page(next);
        rows.extend(more);
        next = then;
    }
    rows
}
