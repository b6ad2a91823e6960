//! The network's own canisters: the ICP ledger, the cycles ledger and the cycles minting canister.
//!
//! They are canisters like all others, with queues, call contexts and callbacks, but their code is
//! native. `facade` makes a module that exports their methods and carries their Candid interface;
//! no function of it runs. Instead the execution of a message hands the [`native::Native`] state on
//! to its `run`, which answers what the canister does: [`message::Effects`]. A message that traps
//! leaves no trace, as the state was a copy.
//!
//! Rules and texts follow `dfinity/ic` (`rs/ledger_suite/icp`, `rs/nns/cmc`) and
//! `dfinity/cycles-ledger`; the initial state is that of `rs/pocket_ic_server/src/pocket_ic.rs`.

mod account;
mod book;
mod creation;
pub(crate) mod cycles_ledger;
pub(crate) mod cycles_minting;
mod facade;
pub(crate) mod icp_ledger;
mod icrc;
mod jobs;
mod log;
pub(crate) mod message;
pub(crate) mod native;

use candid::Principal;

/// The ICP ledger, ryjl3-tyaaa-aaaaa-aaaba-cai.
pub(crate) const ICP_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 1]);
/// The cycles minting canister, rkp4c-7iaaa-aaaaa-aaaca-cai.
pub(crate) const CYCLES_MINTING: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 4, 1, 1]);
/// The cycles ledger, um5iw-rqaaa-aaaaq-qaaba-cai.
pub(crate) const CYCLES_LEDGER: Principal =
    Principal::from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 2, 1, 1]);
/// The governance canister of the NNS, rrkah-fqaaa-aaaaa-aaaaq-cai. Its account mints ICP.
const GOVERNANCE: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);

/// A SHA-256 digest.
type Hash = [u8; 32];

/// The network's own canisters that an instance has, with the ids of the mainnet.
///
/// At the start the anonymous principal holds a billion ICP and 2^127 cycles. One ICP is 3.52
/// trillion cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemCanisters {
    /// The ICP ledger, ryjl3-tyaaa-aaaaa-aaaba-cai on the NNS subnet.
    pub icp_ledger: bool,
    /// The cycles ledger, um5iw-rqaaa-aaaaq-qaaba-cai on the subnet of Internet Identity.
    pub cycles_ledger: bool,
    /// The cycles minting canister, rkp4c-7iaaa-aaaaa-aaaca-cai on the NNS subnet.
    pub cycles_minting: bool,
}
