//! The accounts of a canister: those of ICRC-1, and the identifiers of the ICP ledger.

use candid::Principal;
use sha2::{Digest, Sha224};

use crate::api::{Accounts, LedgerAccount};

/// An account identifier: a checksum of four bytes, and a hash of 28.
pub(crate) type AccountId = [u8; 32];

/// A subaccount of a principal.
pub(crate) type Subaccount = [u8; 32];

/// The accounts from which a root refuels.
pub(crate) fn accounts_of(root: Principal) -> Accounts {
    let id = account_id(root, [0; 32]);
    Accounts {
        cycles: LedgerAccount {
            owner: root,
            subaccount: None,
        },
        icp: id.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The identifier of a principal's account: the CRC-32 of the hash, then SHA-224 over the domain
/// `account-id`, the owner and the subaccount.
pub(crate) fn account_id(owner: Principal, subaccount: Subaccount) -> AccountId {
    let mut hasher = Sha224::new();
    hasher.update(b"\x0Aaccount-id");
    hasher.update(owner.as_slice());
    hasher.update(subaccount);
    let hash = hasher.finalize();
    let mut id = [0; 32];
    id[..4].copy_from_slice(&crc32(&hash).to_be_bytes());
    id[4..].copy_from_slice(&hash);
    id
}

/// The subaccount that stands for a principal: its length, then its bytes, then zeros.
pub(crate) fn subaccount_of(principal: Principal) -> Subaccount {
    let bytes = principal.as_slice();
    let mut subaccount = [0; 32];
    subaccount[0] = bytes.len() as u8;
    subaccount[1..=bytes.len()].copy_from_slice(bytes);
    subaccount
}

/// The CRC-32 of ISO 3309, bit by bit: the hash is short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_the_anonymous_principal_is_the_known_one() {
        let known = "1c7a48ba6a562aa9eaa2481a9049cdf0433b9738c992d698c31d8abf89cadc79";
        assert_eq!(accounts_of(Principal::anonymous()).icp, known);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_principal_has_a_subaccount_with_its_length_in_front() {
        let subaccount = subaccount_of(Principal::from_slice(&[7, 8]));
        assert_eq!(subaccount[..4], [2, 7, 8, 0]);
    }
}
