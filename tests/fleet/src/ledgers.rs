//! The network's ledgers in tests: the accounts of a root, filled by the anonymous principal, who
//! is rich from the start.

use candid::{CandidType, Nat, Principal, encode_one};
use serde_bytes::ByteBuf;

/// The cycles ledger, um5iw-rqaaa-aaaaq-qaaba-cai.
pub const CYCLES_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 2, 1, 1]);

/// The ICP ledger, ryjl3-tyaaa-aaaaa-aaaba-cai.
pub const ICP_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 1]);

/// The cycles minting canister, rkp4c-7iaaa-aaaaa-aaaca-cai.
pub const CYCLES_MINTING: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 4, 1, 1]);

/// All of them.
pub const ALL: [Principal; 3] = [CYCLES_LEDGER, ICP_LEDGER, CYCLES_MINTING];

/// The fee of the cycles ledger, in cycles.
pub const CYCLES_FEE: u128 = 100_000_000;

/// The fee of the ICP ledger, in e8s.
pub const ICP_FEE: u128 = 10_000;

/// Cycles for an e8: an ICP is 3.52 T on an instance.
pub const RATE: u128 = 35_200;

/// The earliest time of an instance with these canisters: 10 May 2021, in nanoseconds since the
/// epoch.
pub const START: u64 = 1_620_633_601_000_000_000;

#[derive(CandidType)]
struct Account {
    owner: Principal,
}

#[derive(CandidType)]
struct Transfer {
    to: Account,
    amount: Nat,
}

#[derive(CandidType)]
struct Tokens {
    e8s: u64,
}

#[derive(CandidType)]
struct IcpTransfer {
    memo: u64,
    amount: Tokens,
    fee: Tokens,
    to: ByteBuf,
}

/// The argument of `icrc1_balance_of`, whose answer is a `nat`.
///
/// # Panics
/// Never.
#[must_use]
pub fn account(owner: Principal) -> Vec<u8> {
    encode_one(Account { owner }).expect("an account can be encoded")
}

/// The argument of `icrc1_transfer` to the default account of a principal.
///
/// # Panics
/// Never.
#[must_use]
pub fn transfer(to: Principal, amount: u128) -> Vec<u8> {
    let transfer = Transfer {
        to: Account { owner: to },
        amount: amount.into(),
    };
    encode_one(transfer).expect("a transfer can be encoded")
}

/// The argument of `transfer` of the ICP ledger to an account identifier in hexadecimal digits.
///
/// # Panics
/// When it is no such text.
#[must_use]
pub fn icp_transfer(to: &str, e8s: u64) -> Vec<u8> {
    let digits = to.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    });
    let transfer = IcpTransfer {
        memo: 0,
        amount: Tokens { e8s },
        fee: Tokens { e8s: 10_000 },
        to: digits.collect::<Vec<u8>>().into(),
    };
    encode_one(transfer).expect("a transfer can be encoded")
}
