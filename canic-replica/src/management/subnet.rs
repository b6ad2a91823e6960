//! What the management canister knows about a subnet, and its randomness.

use std::collections::BTreeMap;

use candid::Principal;
use ic_management_canister_types as types;

use super::{Managed, decode, reply};
use crate::canister::Request;
use crate::reject::refused;
use crate::replica::Replica;
use crate::{Blockmakers, Reject, RejectCode};

/// Days of which the number of blocks is remembered.
const DAYS: usize = 60;

/// The blocks of a subnet up to the end of a day, or up to now.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Blocks {
    /// When the last one was made, in nanoseconds since 1970.
    last: u64,
    /// By node: blocks made since the beginning, and blocks not made.
    by_node: BTreeMap<Principal, (u64, u64)>,
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

    /// Counts one block for each subnet, made by its first node if not by another.
    pub(crate) fn count_blocks(&mut self, blockmakers: Vec<Blockmakers>) {
        const DAY: u64 = 24 * 3600 * 1_000_000_000;
        let now = self.time;
        for (subnet, info) in self.subnets.iter_mut().zip(&self.infos) {
            let makers = blockmakers.iter().find(|makers| makers.subnet == info.id);
            let (maker, failed) = makers.map_or((info.nodes[0], &[][..]), |makers| {
                (makers.blockmaker, &makers.failed)
            });
            let mut blocks = match subnet.blocks.pop_back() {
                Some(blocks) if blocks.last / DAY == now / DAY => blocks,
                Some(blocks) => {
                    if subnet.blocks.len() == DAYS - 1 {
                        subnet.blocks.pop_front();
                    }
                    subnet.blocks.push_back(blocks.clone());
                    blocks
                }
                None => Blocks::default(),
            };
            blocks.last = now;
            blocks.by_node.entry(maker).or_default().0 += 1;
            for node in failed {
                blocks.by_node.entry(*node).or_default().1 += 1;
            }
            subnet.blocks.push_back(blocks);
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
