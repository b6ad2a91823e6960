//! The prices of HTTP outcalls, in cycles.
//!
//! Version 1 charges in advance, for the largest possible response. Version 2 charges a base fee in
//! advance and the usage afterwards. Each node gets an equal share of the payment as its allowance.
//! The remaining allowances must pay for the response in a block. All figures are the platform's.

use candid::Reserved;
use serde::{Deserialize, Serialize};

use crate::{bounded::decode_bounded, prices::Prices};

/// The largest reject that a node may report, in bytes: its code and 1 KiB of text.
const MAX_REJECT: u128 = 1025;
/// The overhead of each response of a flexible outcall in a block, in bytes.
const OVERHEAD: u128 = 181;
/// The overhead of encoding beyond `max_response_bytes`, in bytes.
const ENCODING_RESERVE: u64 = 1024;
/// How long a node waits for a response, in milliseconds.
const MAX_RESPONSE_MS: u64 = 30_000;
/// The limit of instructions of a transform function.
const MAX_TRANSFORM: u64 = 5_000_000_000;

/// How an outcall is spread over the nodes of its subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Replication {
    /// All nodes make it, and more than two thirds of them must get the same response.
    FullyReplicated,
    /// One node makes it.
    NonReplicated,
    /// Some nodes make it; several of their responses are delivered without consensus.
    Flexible {
        /// Nodes that make it.
        total_requests: u32,
        /// Responses that are needed.
        min_responses: u32,
        /// Responses that may be delivered.
        max_responses: u32,
    },
}

/// [`Replication::Flexible`] as canisters write it.
#[derive(Clone, Copy, candid::CandidType, candid::Deserialize)]
pub(crate) struct Counts {
    min_responses: u32,
    max_responses: u32,
    total_requests: u32,
}

impl Replication {
    /// The replication of a flexible outcall on a subnet with `nodes` nodes. The error says how the
    /// counts contradict each other.
    pub(crate) fn flexible(counts: Option<Counts>, nodes: u32) -> Result<Self, String> {
        let Counts {
            min_responses: min,
            max_responses: max,
            total_requests: total,
        } = counts.unwrap_or(Counts {
            min_responses: 2 * nodes / 3 + 1,
            max_responses: nodes,
            total_requests: nodes,
        });
        if total < 1 {
            return Err(format!("total_requests ({total}) must be at least 1"));
        }
        if total > nodes {
            return Err(format!(
                "total_requests ({total}) must not exceed the number of available nodes ({nodes})"
            ));
        }
        if min > max {
            return Err(format!(
                "min_responses ({min}) must not exceed max_responses ({max})"
            ));
        }
        if max > total {
            return Err(format!(
                "max_responses ({max}) must not exceed total_requests ({total})"
            ));
        }
        Ok(Self::Flexible {
            total_requests: total,
            min_responses: min,
            max_responses: max,
        })
    }

    /// Nodes that make the outcall on a subnet with `nodes` nodes.
    pub(crate) fn requests(self, nodes: u32) -> u32 {
        match self {
            Self::FullyReplicated => nodes,
            Self::NonReplicated => 1,
            Self::Flexible { total_requests, .. } => total_requests,
        }
    }

    /// Whether nodes gossip their responses.
    fn has_gossip(self) -> bool {
        self != Self::FullyReplicated
    }
}

/// The usage of one node for an outcall.
#[derive(Clone, Copy, Debug)]
struct Usage {
    /// Bytes of the downloaded response.
    downloaded: u64,
    /// The duration of the download.
    milliseconds: u64,
    /// Instructions of the transform function.
    instructions: u64,
    /// Bytes of the transformed response.
    transformed: u64,
}

impl Prices {
    /// Version 1: an outcall with a request of `request` bytes and a response of at most `response`
    /// bytes.
    pub(crate) fn outcall(&self, request: u64, response: u64) -> u128 {
        let nodes = self.nodes();
        let per_node =
            3_000_000 + 60_000 * nodes + 400 * u128::from(request) + 800 * u128::from(response);
        self.unless_free(per_node * nodes)
    }

    /// Version 2: the base fee, charged in advance.
    pub(crate) fn outcall_base(&self, request: u64, replication: Replication) -> u128 {
        let min_responses = match replication {
            Replication::FullyReplicated => None,
            Replication::NonReplicated => Some(1),
            Replication::Flexible { min_responses, .. } => Some(u128::from(min_responses)),
        };
        let nodes = self.nodes();
        let per_node = 1_000_000
            + 50 * u128::from(request)
            + match min_responses {
                None => 140_000 * nodes + 800 * nodes * nodes,
                Some(min) => 90_000 * nodes + 2_000 * nodes * min + 100_000 * min,
            };
        self.unless_free(per_node * nodes)
    }

    /// Version 2: the download of a response by a node.
    pub(crate) fn outcall_download(&self, bytes: u64, milliseconds: u64) -> u128 {
        self.unless_free(50 * u128::from(bytes) + 300 * u128::from(milliseconds))
    }

    /// Version 2: the transform function on a node.
    pub(crate) fn outcall_transform(&self, instructions: u64) -> u128 {
        self.unless_free(u128::from(instructions) / 13)
    }

    /// Version 2: the gossip of a response from a node to the others.
    pub(crate) fn outcall_gossip(&self, bytes: u64, replication: Replication) -> u128 {
        if replication.has_gossip() {
            self.unless_free(50 * self.nodes() * u128::from(bytes))
        } else {
            0
        }
    }

    /// Version 2: the response of an outcall that is not flexible, in a block.
    pub(crate) fn outcall_block(&self, bytes: u64) -> u128 {
        self.unless_free(self.block(bytes.into()))
    }

    /// Version 2: responses of these sizes in a block, of which `enough` are the minimum.
    pub(crate) fn flexible_block(&self, sizes: impl Iterator<Item = u64>, enough: u32) -> u128 {
        let (count, bytes) = sizes.fold((0_u32, 0), |(count, bytes), size| {
            (count + 1, bytes + OVERHEAD + u128::from(size))
        });
        self.unless_free(self.block(bytes) + self.surplus(count.saturating_sub(enough)))
    }

    /// Version 2: the most that an outcall can spend beyond its base fee.
    pub(crate) fn outcall_usage_limit(&self, replication: Replication, max_response: u64) -> u128 {
        let worst = Usage {
            downloaded: max_response,
            milliseconds: MAX_RESPONSE_MS,
            instructions: MAX_TRANSFORM,
            transformed: max_response + ENCODING_RESERVE,
        };
        self.outcall_usage(replication, worst)
    }

    /// Version 2: the payment beyond the base fee that is sure to pay for an outcall of such usage.
    fn outcall_usage(&self, replication: Replication, usage: Usage) -> u128 {
        // A reject may come in the place of any response.
        let size = u128::from(usage.transformed).max(MAX_REJECT);
        let all = self.nodes();
        let nodes = u128::from(replication.requests(self.nodes)).max(1);
        let in_block = match replication {
            Replication::NonReplicated => self.block(size),
            // The shares of the nodes that agree must be enough.
            Replication::FullyReplicated => self.block(size).div_ceil(all - self.faulty()) * all,
            Replication::Flexible {
                max_responses: 0, ..
            } => 0,
            Replication::Flexible {
                total_requests,
                min_responses,
                ..
            } => {
                self.block(u128::from(total_requests) * (OVERHEAD + size))
                    + self.surplus(total_requests.saturating_sub(min_responses))
            }
        };
        let gossip = if replication.has_gossip() {
            50 * all * size
        } else {
            0
        };
        let per_node = 50 * u128::from(usage.downloaded)
            + 300 * u128::from(usage.milliseconds)
            + u128::from(usage.instructions) / 13
            + gossip;
        self.unless_free((per_node + in_block.div_ceil(nodes)) * nodes)
    }

    /// Nodes that may fail without harm.
    fn faulty(&self) -> u128 {
        (self.nodes() - 1) / 3
    }

    /// The fee for `bytes` bytes in a block.
    fn block(&self, bytes: u128) -> u128 {
        (10 * self.nodes() + 600) * self.nodes() * bytes
    }

    /// The fee for `responses` responses beyond the minimum.
    fn surplus(&self, responses: u32) -> u128 {
        (2_000 * self.nodes() + 100_000) * self.nodes() * u128::from(responses)
    }
}

/// The argument of `ic0.cost_http_request_v2`.
#[derive(candid::CandidType, candid::Deserialize)]
struct CostArgs {
    request_bytes: u64,
    http_roundtrip_time_ms: u64,
    raw_response_bytes: u64,
    transformed_response_bytes: u64,
    transform_instructions: u64,
    outcall_type: Option<OutcallType>,
}

#[derive(candid::CandidType, candid::Deserialize)]
enum OutcallType {
    #[serde(rename = "fully_replicated")]
    FullyReplicated(Reserved),
    #[serde(rename = "non_replicated")]
    NonReplicated(Reserved),
    #[serde(rename = "flexible")]
    Flexible(Option<Counts>),
}

/// The payment for an outcall that the Candid in `params` describes. The error says why it
/// describes none.
pub(crate) fn quote(params: &[u8], prices: &Prices) -> Result<u128, String> {
    let (args,): (CostArgs,) = decode_bounded(params).map_err(|e| e.to_string())?;
    let replication = match args.outcall_type {
        None | Some(OutcallType::FullyReplicated(_)) => Replication::FullyReplicated,
        Some(OutcallType::NonReplicated(_)) => Replication::NonReplicated,
        Some(OutcallType::Flexible(counts)) => Replication::flexible(counts, prices.nodes)?,
    };
    let usage = Usage {
        downloaded: args.raw_response_bytes,
        milliseconds: args.http_roundtrip_time_ms,
        instructions: args.transform_instructions,
        transformed: args.transformed_response_bytes,
    };
    Ok(prices.outcall_base(args.request_bytes, replication)
        + prices.outcall_usage(replication, usage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subnets::SubnetKind;

    const FLEXIBLE: Replication = Replication::Flexible {
        total_requests: 4,
        min_responses: 1,
        max_responses: 4,
    };

    #[test]
    fn outcalls_cost_what_the_platform_charges() {
        let prices = Prices::of(SubnetKind::Application);
        // 49,140,000 and, per byte, 5,200 for the request and 10,400 for the response.
        assert_eq!(prices.outcall(0, 0), 49_140_000);
        assert_eq!(prices.outcall(10, 1), 49_140_000 + 52_000 + 10_400);
        assert_eq!(
            prices.outcall_base(11, Replication::FullyReplicated),
            38_424_750
        );
        // 13 * (1,000,000 + 550 + 1,170,000 + 26,000 + 100,000)
        assert_eq!(
            prices.outcall_base(11, Replication::NonReplicated),
            29_855_150
        );
        assert_eq!(prices.outcall_block(100), 949_000);
        // 9,490 * 603 for the block, 13 * 2 * 126,000 for two responses beyond the first.
        let sizes = [10, 20, 30];
        assert_eq!(
            prices.flexible_block(sizes.into_iter(), 1),
            5_722_470 + 3_276_000
        );
        assert_eq!(
            Prices::of(SubnetKind::System).outcall_usage_limit(FLEXIBLE, 2_000_000),
            0
        );
    }

    #[test]
    fn the_prepayment_covers_every_result() {
        for kind in [SubnetKind::Application, SubnetKind::Fiduciary] {
            check_prepayment(&Prices::of(kind));
        }
    }

    fn check_prepayment(prices: &Prices) {
        for replication in [
            Replication::FullyReplicated,
            Replication::NonReplicated,
            FLEXIBLE,
        ] {
            for size in [0, 1_000, 2_000_000] {
                let usage = Usage {
                    downloaded: size,
                    milliseconds: 10,
                    instructions: 1_000_000,
                    transformed: size,
                };
                let nodes = u128::from(replication.requests(prices.nodes));
                let allowance = prices.outcall_usage(replication, usage) / nodes;
                let spent = prices.outcall_download(size, 10)
                    + prices.outcall_transform(1_000_000)
                    + prices.outcall_gossip(size, replication);
                let left = allowance - spent;
                let (payers, block) = match replication {
                    Replication::FullyReplicated => {
                        (prices.nodes() - prices.faulty(), prices.outcall_block(size))
                    }
                    Replication::NonReplicated => (1, prices.outcall_block(size)),
                    Replication::Flexible { .. } => {
                        (4, prices.flexible_block([size; 4].into_iter(), 1))
                    }
                };
                assert!(payers * left >= block, "{replication:?} {size}");
            }
        }
    }
}
