//! The subnets of the mainnet, and the canister ids that each of them hosts.
//!
//! Canister ids are numbers. The mainnet gave each subnet a block of 2^20 numbers, in the order of
//! the subnets' creation; a few canisters belong to another subnet than their neighbours. Source:
//! the routing table of PocketIC, `dfinity/ic rs/pocket_ic_server/src/mainnet_routing_table.json`.

/// Numbers in a block.
const BLOCK: u64 = 1 << 20;
/// Blocks that have a subnet.
const BLOCKS: u64 = 47;
/// Single canisters outside the block of their subnet, in ascending order: the canister, and the
/// block of its subnet.
const MOVED: [(u64, u64); 3] = [
    (0x7, 0x21),       // Internet Identity
    (0x60_00af, 0x1),  // y2aaj-miaaa-aaaad-aacxq-cai
    (0x1f0_8180, 0x9), // xixcb-byaaa-aaaap-qqgaa-cai
];

/// The block of the subnet that hosts a canister. `None`: no subnet hosts it.
pub(super) fn block_of_canister(canister: u64) -> Option<u64> {
    let moved = MOVED.iter().find(|(number, _)| *number == canister);
    let block = moved.map_or(canister / BLOCK, |(_, block)| *block);
    (block < BLOCKS).then_some(block)
}

/// The canisters of the subnet that has a block, as ranges in ascending order: first and last.
pub(super) fn ranges(block: u64) -> Vec<(u64, u64)> {
    let arrived = MOVED.iter().filter(|(_, home)| *home == block);
    let mut ranges: Vec<_> = arrived.map(|(number, _)| (*number, *number)).collect();
    let mut first = block * BLOCK;
    for (left, _) in MOVED.iter().filter(|(number, _)| number / BLOCK == block) {
        ranges.push((first, left - 1));
        first = left + 1;
    }
    ranges.push((first, (block + 1) * BLOCK - 1));
    ranges.sort_unstable();
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_of_all_subnets_are_disjoint_and_hold_every_canister_once() {
        let mut all: Vec<_> = (0..BLOCKS).flat_map(ranges).collect();
        all.sort_unstable();
        assert_eq!(all[0].0, 0);
        assert_eq!(all[all.len() - 1].1, BLOCKS * BLOCK - 1);
        assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        for block in 0..BLOCKS {
            for (first, last) in ranges(block) {
                assert_eq!(block_of_canister(first), Some(block));
                assert_eq!(block_of_canister(last), Some(block));
            }
        }
        assert_eq!(block_of_canister(BLOCKS * BLOCK), None);
    }
}
