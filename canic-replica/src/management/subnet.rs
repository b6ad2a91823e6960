//! Information about a subnet, and random bytes.

use candid::Principal;
use ic_management_canister_types as types;

use crate::{
    canister::calls::Request,
    management::call::{ManagementResult, decode, reply},
    network::Network,
    reject::{Reject, RejectCode, refused},
};

impl Network {
    pub(super) fn raw_rand(&mut self, request: &Request) -> ManagementResult {
        decode::<()>(request)?;
        let bytes = self.random_bytes().to_vec();
        reply((bytes,))
    }

    pub(super) fn subnet_info(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::SubnetInfoArgs,)>(request)?;
        self.require_subnet(args.subnet_id, request)?;
        reply((types::SubnetInfoResult {
            replica_version: concat!("canic-replica-", env!("CARGO_PKG_VERSION")).into(),
            registry_version: 1,
        },))
    }

    pub(super) fn node_metrics_history(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::NodeMetricsHistoryArgs,)>(request)?;
        let subnet = self.require_subnet(args.subnet_id, request)?;
        let records: types::NodeMetricsHistoryResult = self.subnets[subnet]
            .blocks
            .iter()
            .filter(|day| day.last >= args.start_at_timestamp_nanos)
            .map(|day| types::NodeMetricsHistoryRecord {
                timestamp_nanos: day.last,
                node_metrics: (day.by_node.iter())
                    .map(|(node_id, (made, failed))| types::NodeMetrics {
                        node_id: *node_id,
                        num_blocks_proposed_total: *made,
                        num_block_failures_total: *failed,
                    })
                    .collect(),
            })
            .collect();
        reply((records,))
    }

    /// The subnet that a call names. A call to the management canister's general id may name any
    /// subnet; a call to a subnet's own id may name that subnet only.
    pub(super) fn require_subnet(
        &self,
        asked: Principal,
        request: &Request,
    ) -> Result<usize, Reject> {
        let own = request.callee;
        if own != Principal::management_canister() && own != asked {
            return Err(refused(format!(
                "Provided target subnet ID {asked} does not match current subnet ID {own}."
            )));
        }
        self.subnet_index(asked).ok_or_else(|| {
            let why = format!("No route to subnet {asked}");
            Reject::bare(RejectCode::DestinationInvalid, why)
        })
    }
}
