//! The blocks of a subnet, counted by day and by node.

use std::collections::{BTreeMap, VecDeque};

use candid::Principal;
use serde::{Deserialize, Serialize};

/// The number of days that are kept.
const DAYS: usize = 60;

/// The blocks of a subnet up to the end of a day, or up to now.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(crate) struct Blocks {
    /// The time of the last block, in nanoseconds since 1970.
    pub(crate) last: u64,
    /// By node: blocks made since the beginning, and blocks that the node failed to make.
    pub(crate) by_node: BTreeMap<Principal, (u64, u64)>,
}

impl Blocks {
    /// Counts one block in the history of a subnet, and the blocks that other nodes failed to make.
    pub(crate) fn count(
        history: &mut VecDeque<Self>,
        now: u64,
        maker: Principal,
        failed: &[Principal],
    ) {
        const DAY: u64 = 24 * 3600 * 1_000_000_000;
        let mut blocks = match history.pop_back() {
            Some(blocks) if blocks.last / DAY == now / DAY => blocks,
            Some(blocks) => {
                if history.len() == DAYS - 1 {
                    history.pop_front();
                }
                history.push_back(blocks.clone());
                blocks
            }
            None => Self::default(),
        };
        blocks.last = now;
        blocks.by_node.entry(maker).or_default().0 += 1;
        for node in failed {
            blocks.by_node.entry(*node).or_default().1 += 1;
        }
        history.push_back(blocks);
    }
}
