//! Accounts: those of ICRC-1, and the identifiers of the ICP ledger.

use candid::{CandidType, Deserialize, Principal};
use flate2::Crc;
use serde::Serialize;
use sha2::{Digest, Sha224};

pub(super) type Subaccount = [u8; 32];

/// An account of ICRC-1. The default subaccount is absent or all zeros.
#[derive(
    CandidType, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
)]
pub(crate) struct Account {
    pub(super) owner: Principal,
    pub(super) subaccount: Option<Subaccount>,
}

impl Account {
    /// The account, with the default subaccount left out.
    pub(super) fn new(owner: Principal, subaccount: Option<Subaccount>) -> Self {
        Self {
            owner,
            subaccount: subaccount.filter(|subaccount| *subaccount != [0; 32]),
        }
    }

    /// The same account in the form that [`Self::new`] makes.
    pub(super) fn normal(self) -> Self {
        Self::new(self.owner, self.subaccount)
    }

    pub(super) fn id(&self) -> AccountId {
        AccountId::new(self.owner, self.subaccount)
    }
}

/// The subaccount that stands for a principal, as the cycles minting canister has them.
pub(super) fn subaccount_of(principal: &Principal) -> Subaccount {
    let bytes = principal.as_slice();
    let mut subaccount = [0; 32];
    subaccount[0] = bytes.len() as u8;
    subaccount[1..=bytes.len()].copy_from_slice(bytes);
    subaccount
}

/// An account of the ICP ledger: SHA-224 over the principal and the subaccount, behind its
/// checksum.
#[derive(
    CandidType, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
)]
pub(crate) struct AccountId([u8; 32]);

impl AccountId {
    pub(super) fn new(owner: Principal, subaccount: Option<Subaccount>) -> Self {
        let mut hasher = Sha224::new();
        hasher.update(b"\x0Aaccount-id");
        hasher.update(owner.as_slice());
        hasher.update(subaccount.unwrap_or_default());
        Self::of_hash(hasher.finalize().into())
    }

    fn of_hash(hash: [u8; 28]) -> Self {
        let mut checksum = Crc::new();
        checksum.update(&hash);
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&checksum.sum().to_be_bytes());
        bytes[4..].copy_from_slice(&hash);
        Self(bytes)
    }

    /// An account that somebody names.
    ///
    /// # Errors
    /// The message of a trap: the checksum is wrong.
    pub(super) fn checked(self) -> Result<Self, String> {
        let mut hash = [0; 28];
        hash.copy_from_slice(&self.0[4..]);
        let right = Self::of_hash(hash);
        if right == self {
            return Ok(self);
        }
        Err(format!(
            "Invalid account identifier: Checksum failed for {}, expected check bytes {} but found \
             {}",
            hex::encode(hash),
            hex::encode(&right.0[..4]),
            hex::encode(&self.0[..4])
        ))
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_the_anonymous_principal_is_the_one_that_pocket_ic_names() {
        let id = AccountId::new(Principal::anonymous(), None);
        let text = "1c7a48ba6a562aa9eaa2481a9049cdf0433b9738c992d698c31d8abf89cadc79";
        assert_eq!(id.to_string(), text);
        assert_eq!(id.checked(), Ok(id));
        let mut bytes = *id.as_bytes();
        bytes[31] ^= 1;
        assert!(AccountId(bytes).checked().is_err());
    }
}
