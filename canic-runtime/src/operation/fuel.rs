//! The record of a refuel, its calls, and what refuses them.

use minicbor::{Decode, Encode};

use crate::{codec::account::AccountId, config::FuelSource, stable::record::Cycles};

/// The fee of the cycles ledger for a block, in cycles (`dfinity/cycles-ledger`, `config.rs`). The
/// ledger does not tell in its refusals when it takes more, so root then tries twice as much.
pub(super) const CYCLES_FEE: u128 = 100_000_000;

/// The fee of the ICP ledger for a transfer, in e8s. The ledger tells when it takes another one.
pub(super) const ICP_FEE: u128 = 10_000;

/// A refuel and its progress. In stable memory it is a CBOR array:
///
/// ```text
/// 0 source  1 wanted  2 rate  3 fee  4 balance  5 amount  6 created_at  7 unsure  8 block  9 got
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Refuel {
    #[n(0)]
    pub(crate) source: Fuel,
    /// Cycles that root is to get at most.
    #[n(1)]
    pub(super) wanted: Cycles,
    /// Cycles for a unit of the ledger: a cycle, or an e8.
    #[n(2)]
    pub(super) rate: u64,
    /// The ledger's fee for a payment, in its units.
    #[n(3)]
    pub(super) fee: Cycles,
    /// The account's balance before the payment, in the ledger's units.
    #[n(4)]
    pub(super) balance: Cycles,
    /// The payment without the fee, in the ledger's units.
    #[n(5)]
    pub(super) amount: Cycles,
    /// The payment's time, by which the ledger knows it: nanoseconds since the epoch. `None`: no
    /// payment was decided on.
    #[n(6)]
    pub(super) created_at: Option<u64>,
    /// Whether the ledger may have made the payment in a call whose reply root did not get.
    #[n(7)]
    pub(super) unsure: bool,
    /// The block of a payment in ICP.
    #[n(8)]
    pub(super) block: Option<u64>,
    /// Cycles that root got.
    #[n(9)]
    pub(crate) got: Cycles,
}

/// The source of a refuel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Fuel {
    #[n(0)]
    Cycles,
    #[n(1)]
    Icp,
}

impl From<FuelSource> for Fuel {
    fn from(source: FuelSource) -> Self {
        match source {
            FuelSource::Cycles => Self::Cycles,
            FuelSource::Icp => Self::Icp,
        }
    }
}

/// A call of a refuel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LedgerCall {
    /// `get_icp_xdr_conversion_rate`.
    Rate,
    /// `icrc1_balance_of` at the ledger of a source.
    Balance(Fuel),
    /// `withdraw` to root.
    Withdraw { cycles: u128, created_at: u64 },
    /// `transfer` of ICP.
    Transfer {
        to: AccountId,
        e8s: u64,
        fee: u64,
        created_at: u64,
    },
    /// `notify_top_up` for root.
    Notify { block: u64 },
}

/// Why a ledger, or the cycles minting canister, did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The ledger takes this fee.
    BadFee(u128),
    /// The account holds too little.
    Insufficient,
    /// The ledger can't know any more whether it has made this payment.
    TooOld,
    /// The same call may succeed later.
    Later(String),
    /// The money came back to the account, less a fee.
    Refunded(String),
    /// The same call will never succeed.
    Never(String),
}

impl Refuel {
    /// A refuel of which no step is done.
    pub(crate) fn new(source: Fuel, wanted: u128) -> Self {
        Self {
            source,
            wanted: Cycles(wanted),
            rate: 1,
            fee: Cycles(match source {
                Fuel::Cycles => CYCLES_FEE,
                Fuel::Icp => ICP_FEE,
            }),
            balance: Cycles(0),
            amount: Cycles(0),
            created_at: None,
            unsure: false,
            block: None,
            got: Cycles(0),
        }
    }

    /// The largest payment that the account's balance allows, up to what is wanted.
    pub(super) fn affordable(&self, balance: u128) -> u128 {
        let wanted = self.wanted.0.div_ceil(u128::from(self.rate.max(1)));
        wanted.min(balance.saturating_sub(self.fee.0))
    }

    /// The cycles that a payment of `amount` brings.
    pub(super) fn cycles_for(&self, amount: u128) -> u128 {
        amount.saturating_mul(u128::from(self.rate))
    }

    /// The account in words.
    pub(super) fn account(&self) -> &'static str {
        match self.source {
            Fuel::Cycles => "root's account at the cycles ledger",
            Fuel::Icp => "root's account at the ICP ledger",
        }
    }

    /// The unit of the ledger.
    pub(super) fn unit(&self) -> &'static str {
        match self.source {
            Fuel::Cycles => "cycles",
            Fuel::Icp => "e8s",
        }
    }
}
