//! Principals as keys of the registry's indexes.

use candid::Principal;

use crate::operation::Hash;

/// The bytes of the longest id that is kept whole. A canister's id has ten bytes.
const MAX_ID: usize = 15;

/// A canister as a key of the indexes: the length and the bytes of its id, as words, in the order
/// of principals. With bytes as keys, their comparison would take most of a search in a large
/// index.
///
/// Of a longer id, which is no canister's, the key has the beginning only. It comes after all
/// canisters, and equals none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PrincipalKey([u64; 2]);

impl PrincipalKey {
    /// The key of the management canister. Its id is empty, so it comes before all others.
    pub(super) const FIRST: Self = Self([0; 2]);

    /// It comes after all others.
    pub(super) const LAST: Self = Self([u64::MAX; 2]);

    /// A key from this one up to `high`, as a hash chooses.
    pub(super) fn between(self, high: Self, hash: Hash) -> Self {
        let number = |key: Self| u128::from(key.0[0]) << 64 | u128::from(key.0[1]);
        let (low, high) = (number(self), number(high));
        let (chosen, _) = hash
            .split_first_chunk::<16>()
            .map_or((0, &hash[..]), |(first, rest)| {
                (u128::from_le_bytes(*first), rest)
            });
        let chosen = match (high - low).checked_add(1) {
            Some(span) => low + chosen % span,
            None => chosen,
        };
        Self([(chosen >> 64) as u64, chosen as u64])
    }

    /// The key of the principal with this id.
    pub(super) fn of_id(id: &[u8]) -> Self {
        let mut bytes = [0; 16];
        // A principal has 29 bytes at most.
        bytes[0] = id.len() as u8;
        let kept = id.len().min(MAX_ID);
        bytes[1..=kept].copy_from_slice(&id[..kept]);
        let number = u128::from_be_bytes(bytes);
        Self([(number >> 64) as u64, number as u64])
    }
}

impl From<Principal> for PrincipalKey {
    fn from(principal: Principal) -> Self {
        Self::of_id(principal.as_slice())
    }
}

impl From<PrincipalKey> for Principal {
    fn from(PrincipalKey([high, low]): PrincipalKey) -> Self {
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let length = usize::from(bytes[0]).min(MAX_ID);
        Self::from_slice(&bytes[1..=length])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_have_the_order_of_principals(
            a in prop::collection::vec(0..3u8, 0..=MAX_ID),
            b in prop::collection::vec(0..3u8, 0..=MAX_ID),
        ) {
            let [a, b] = [a, b].map(|bytes| Principal::from_slice(&bytes));
            prop_assert_eq!(PrincipalKey::from(a).cmp(&b.into()), a.cmp(&b));
            prop_assert_eq!(Principal::from(PrincipalKey::from(a)), a);
        }

        #[test]
        fn what_is_no_canister_comes_after_all_of_them(
            canister in prop::collection::vec(any::<u8>(), 0..=MAX_ID),
            user in prop::collection::vec(any::<u8>(), MAX_ID + 1..30),
        ) {
            let [canister, user] = [canister, user].map(|id| PrincipalKey::of_id(&id));
            prop_assert!(canister < user && user < PrincipalKey::LAST);
        }
    }
}
