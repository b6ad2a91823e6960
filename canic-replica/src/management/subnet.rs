//! What the management canister knows about a subnet, and its randomness.

use candid::Principal;
use ic_management_canister_types as types;

use super::{Managed, decode, reply};
use crate::canister::Request;
use crate::reject::refused;
use crate::replica::Replica;
use crate::{Reject, RejectCode};

/// Days of which the number of blocks is remembered.
const DAYS: usize = 60;

/// The blocks of a subnet up to the end of a day, or up to now.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Blocks {
    /// When the last one was made, in nanoseconds since 1970.
    last: u64,
    /// Blocks since the beginning.
    total: u64,
}

impl Replica {
    pub(super) fn raw_rand(&mut self, request: &Request) -> Managed {
        decode::<()>(request)?;
        let bytes = self.draw().to_vec();
        reply((bytes,))
    }

    pub(super) fn subnet_info(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::SubnetInfoArgs,)>(request)?;
        self.subnet_asked(args.subnet_id, request)?;
        reply((types::SubnetInfoResult {
            replica_version: concat!("canic-replica-", env!("CARGO_PKG_VERSION")).into(),
            registry_version: 1,
        },))
    }

    pub(super) fn node_metrics_history(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::NodeMetricsHistoryArgs,)>(request)?;
        let subnet = self.subnet_asked(args.subnet_id, request)?;
        let node_id = self.subnets()[subnet].nodes[0];
        let records: types::NodeMetricsHistoryResult = self.subnets[subnet]
            .blocks
            .iter()
            .filter(|day| day.last >= args.start_at_timestamp_nanos)
            .map(|day| types::NodeMetricsHistoryRecord {
                timestamp_nanos: day.last,
                node_metrics: vec![types::NodeMetrics {
                    node_id,
                    num_blocks_proposed_total: day.total,
                    num_block_failures_total: 0,
                }],
            })
            .collect();
        reply((records,))
    }

    /// Counts one block for each subnet. All are made by its first node.
    pub(crate) fn count_blocks(&mut self) {
        const DAY: u64 = 24 * 3600 * 1_000_000_000;
        let now = self.time;
        for subnet in &mut self.subnets {
            let total = 1 + subnet.blocks.back().map_or(0, |blocks| blocks.total);
            if subnet
                .blocks
                .back()
                .is_some_and(|b| b.last / DAY == now / DAY)
            {
                subnet.blocks.pop_back();
            } else if subnet.blocks.len() == DAYS {
                subnet.blocks.pop_front();
            }
            subnet.blocks.push_back(Blocks { last: now, total });
        }
    }

    /// The subnet that a question is about. The general name of the management canister leads there; by its own name, a
    /// subnet answers only for itself.
    fn subnet_asked(&self, asked: Principal, request: &Request) -> Result<usize, Reject> {
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
