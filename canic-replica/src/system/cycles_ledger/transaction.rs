//! Transactions and blocks as values of ICRC-3, and their hashes.

use std::collections::BTreeMap;

use candid::{CandidType, Deserialize, Int, Nat};
use serde::Serialize;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use crate::system::{Hash, account::Account};

/// A value of ICRC-3.
#[derive(CandidType, Deserialize)]
#[allow(dead_code)]
pub(super) enum Value {
    Int(Int),
    Map(BTreeMap<String, Value>),
    Nat(Nat),
    Nat64(u64),
    Blob(ByteBuf),
    Text(String),
    Array(Vec<Value>),
}

impl Value {
    fn nat(number: impl Into<Nat>) -> Self {
        Self::Nat(number.into())
    }

    fn blob(bytes: &[u8]) -> Self {
        Self::Blob(ByteBuf::from(bytes))
    }

    fn account(account: &Account) -> Self {
        let owner = Self::blob(account.owner.as_slice());
        let subaccount = account.subaccount.map(|subaccount| Self::blob(&subaccount));
        Self::Array(std::iter::once(owner).chain(subaccount).collect())
    }

    /// The hash that does not depend on the representation (ICRC-3).
    fn hash(&self) -> Hash {
        // Writing to memory can't fail.
        let number = |number: &Nat| {
            let mut bytes = Vec::new();
            drop(number.encode(&mut bytes));
            bytes
        };
        let bytes = match self {
            Self::Int(value) => {
                let mut bytes = Vec::new();
                drop(value.encode(&mut bytes));
                bytes
            }
            Self::Nat(value) => number(value),
            Self::Nat64(value) => number(&Nat::from(*value)),
            Self::Blob(bytes) => bytes.to_vec(),
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Array(values) => values.iter().flat_map(Self::hash).collect(),
            Self::Map(map) => {
                let hashes = map.iter().map(|(key, value)| {
                    let key: Hash = Sha256::digest(key).into();
                    (key, value.hash())
                });
                let mut hashes: Vec<_> = hashes.collect();
                hashes.sort_unstable();
                hashes.concat_pairs()
            }
        };
        Sha256::digest(bytes).into()
    }
}

/// The bytes of pairs of hashes, one after the other.
trait ConcatPairs {
    fn concat_pairs(&self) -> Vec<u8>;
}

impl ConcatPairs for Vec<(Hash, Hash)> {
    fn concat_pairs(&self) -> Vec<u8> {
        self.iter()
            .flat_map(|(key, value)| key.iter().chain(value).copied())
            .collect()
    }
}

/// An operation. Amounts are in cycles, and accounts are normal.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) enum Operation {
    Mint {
        to: Account,
        amount: u128,
        /// What a deposit paid; the amount is without it.
        fee: u128,
    },
    Burn {
        from: Account,
        spender: Option<Account>,
        amount: u128,
    },
    Transfer {
        from: Account,
        to: Account,
        spender: Option<Account>,
        amount: u128,
        /// The fee as the caller gave it.
        fee: Option<u128>,
    },
    Approve {
        from: Account,
        spender: Account,
        amount: u128,
        expected_allowance: Option<u128>,
        expires_at: Option<u64>,
        /// The fee as the caller gave it.
        fee: Option<u128>,
    },
}

/// An operation, with what its caller adds to it.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub(super) operation: Operation,
    /// Nanoseconds since 1970.
    pub(super) created_at_time: Option<u64>,
    pub(super) memo: Option<Vec<u8>>,
}

#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Block {
    pub(super) transaction: Transaction,
    pub(super) timestamp: u64,
    pub(super) parent_hash: Option<Hash>,
    /// The fee that the ledger took, unless the caller gave it.
    pub(super) effective_fee: Option<u128>,
}

/// The fields of a map, absent ones left out.
fn map<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter();
    let present = fields.filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Map(present.collect())
}

impl Transaction {
    pub(super) fn to_value(&self) -> Value {
        let (name, from, to, spender, amount) = match &self.operation {
            Operation::Mint { to, amount, .. } => ("mint", None, Some(to), None, *amount),
            Operation::Burn {
                from,
                spender,
                amount,
            } => ("burn", Some(from), None, spender.as_ref(), *amount),
            Operation::Transfer {
                from,
                to,
                spender,
                amount,
                ..
            } => ("xfer", Some(from), Some(to), spender.as_ref(), *amount),
            Operation::Approve {
                from,
                spender,
                amount,
                ..
            } => ("approve", Some(from), None, Some(spender), *amount),
        };
        let (fee, expected_allowance, expires_at) = match &self.operation {
            Operation::Mint { fee, .. } => (Some(*fee), None, None),
            Operation::Burn { .. } => (None, None, None),
            Operation::Transfer { fee, .. } => (*fee, None, None),
            Operation::Approve {
                expected_allowance,
                expires_at,
                fee,
                ..
            } => (*fee, *expected_allowance, *expires_at),
        };
        map([
            ("op", Some(Value::Text(name.into()))),
            ("from", from.map(Value::account)),
            ("to", to.map(Value::account)),
            ("spender", spender.map(Value::account)),
            ("amt", Some(Value::nat(amount))),
            ("fee", fee.map(Value::nat)),
            ("expected_allowance", expected_allowance.map(Value::nat)),
            ("expires_at", expires_at.map(Value::nat)),
            ("ts", self.created_at_time.map(Value::nat)),
            ("memo", self.memo.as_deref().map(Value::blob)),
        ])
    }

    /// What tells it from other transactions.
    pub(super) fn hash(&self) -> Hash {
        self.to_value().hash()
    }
}

impl Block {
    pub(super) fn to_value(&self) -> Value {
        map([
            ("tx", Some(self.transaction.to_value())),
            ("ts", Some(Value::nat(self.timestamp))),
            (
                "phash",
                self.parent_hash.as_ref().map(|hash| Value::blob(hash)),
            ),
            ("fee", self.effective_fee.map(Value::nat)),
        ])
    }

    /// The hash that the next block names.
    pub(super) fn hash(&self) -> Hash {
        self.to_value().hash()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of ICRC-3.
    #[test]
    fn the_hashes_are_those_of_the_standard() {
        for (value, hash) in [
            (
                Value::nat(42_u64),
                "684888c0ebb17f374298b65ee2807526c066094c701bcc7ebbe1c1095f494fc1",
            ),
            (
                Value::Text("Hello, World!".into()),
                "dffd6021bb2bd5b0af676290809ec3a53191dd81c7f70a4b28688a362182986f",
            ),
            (
                Value::blob(&[1, 2, 3, 4]),
                "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a",
            ),
            (
                Value::Int((-42).into()),
                "de5a6f78116eca62d7fc5ce159d23ae6b889b365a1739ad2cf36f925a140d0cc",
            ),
            (
                Value::Array(vec![
                    Value::nat(3_u64),
                    Value::Text("foo".into()),
                    Value::blob(&[5, 6]),
                ]),
                "514a04011caa503990d446b7dec5d79e19c221ae607fb08b2848c67734d468d6",
            ),
        ] {
            assert_eq!(hex::encode(value.hash()), hash);
        }
    }
}
