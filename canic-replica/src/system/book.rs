//! The book of a ledger: balances, their sum, and allowances.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Who may spend: the account, and the spender.
type Pair<K> = (K, K);

/// An amount that a spender may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Allowance {
    pub(super) amount: u128,
    /// Nanoseconds since 1970.
    pub(super) expires_at: Option<u64>,
}

impl Allowance {
    /// Whether it lasts beyond this time.
    pub(super) fn is_valid(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

/// Balances and allowances by account. Accounts with nothing are not in it.
#[derive(Clone, Hash, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Deserialize<'de> + Ord"))]
pub(super) struct Book<K> {
    balances: BTreeMap<K, u128>,
    supply: u128,
    allowances: BTreeMap<Pair<K>, Allowance>,
    expirations: BTreeSet<(u64, Pair<K>)>,
}

impl<K> Default for Book<K> {
    fn default() -> Self {
        Self {
            balances: BTreeMap::new(),
            supply: 0,
            allowances: BTreeMap::new(),
            expirations: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy> Book<K> {
    pub(super) fn balance(&self, account: &K) -> u128 {
        self.balances.get(account).copied().unwrap_or(0)
    }

    /// The sum of all balances.
    pub(super) fn supply(&self) -> u128 {
        self.supply
    }

    /// Adds new units to an account; answers the balance.
    ///
    /// # Errors
    /// The sum of all balances would exceed 128 bits.
    pub(super) fn credit(&mut self, account: &K, amount: u128) -> Result<u128, String> {
        let overflow = || "Overflow while changing the total supply".to_owned();
        self.supply = self.supply.checked_add(amount).ok_or_else(overflow)?;
        let balance = self.balance(account) + amount;
        if balance > 0 {
            self.balances.insert(*account, balance);
        }
        Ok(balance)
    }

    /// Removes units from an account.
    ///
    /// # Errors
    /// The balance, which is less.
    pub(super) fn debit(&mut self, account: &K, amount: u128) -> Result<(), u128> {
        let balance = self.balance(account);
        let rest = balance.checked_sub(amount).ok_or(balance)?;
        self.supply -= amount;
        if rest == 0 {
            self.balances.remove(account);
        } else {
            self.balances.insert(*account, rest);
        }
        Ok(())
    }

    /// An allowance, whether it has expired or not.
    pub(super) fn allowance(&self, account: &K, spender: &K) -> Allowance {
        let found = self.allowances.get(&(*account, *spender));
        found.copied().unwrap_or_default()
    }

    /// Replaces an allowance. An amount of 0 removes it.
    pub(super) fn set_allowance(&mut self, account: &K, spender: &K, allowance: Allowance) {
        let pair = (*account, *spender);
        let before = match allowance.amount {
            0 => self.allowances.remove(&pair),
            _ => self.allowances.insert(pair, allowance),
        };
        if let Some(at) = before.and_then(|before| before.expires_at) {
            self.expirations.remove(&(at, pair));
        }
        if let (Some(at), 1..) = (allowance.expires_at, allowance.amount) {
            self.expirations.insert((at, pair));
        }
    }

    /// Takes units from an allowance that has as many.
    pub(super) fn use_allowance(&mut self, account: &K, spender: &K, amount: u128) {
        let before = self.allowance(account, spender);
        let allowance = Allowance {
            amount: before.amount.saturating_sub(amount),
            ..before
        };
        self.set_allowance(account, spender, allowance);
    }

    /// Forgets at most 100 allowances that have expired, as the real ledgers do.
    pub(super) fn prune(&mut self, now: u64) {
        for _ in 0..100 {
            match self.expirations.first() {
                Some((at, pair)) if *at <= now => {
                    self.allowances.remove(pair);
                    self.expirations.pop_first();
                }
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supply_is_the_sum_of_the_balances_and_empty_accounts_are_forgotten() {
        let mut book = Book::default();
        assert_eq!(book.credit(&1, 5), Ok(5));
        assert_eq!(book.credit(&2, 0), Ok(0));
        assert_eq!(book.debit(&1, 6), Err(5));
        assert_eq!(book.supply(), 5);
        assert!(book.credit(&2, u128::MAX).is_err());
        assert_eq!((book.balance(&2), book.supply()), (0, 5));
        assert_eq!(book.debit(&1, 5), Ok(()));
        assert!(book.balances.is_empty() && book.supply() == 0);
    }

    #[test]
    fn an_allowance_is_used_replaced_and_forgotten_with_its_expiry() {
        let mut book = Book::default();
        let allowance = |amount, expires_at| Allowance { amount, expires_at };
        book.set_allowance(&1, &2, allowance(10, Some(7)));
        book.use_allowance(&1, &2, 4);
        assert_eq!(book.allowance(&1, &2), allowance(6, Some(7)));
        book.set_allowance(&1, &2, allowance(3, Some(9)));
        assert_eq!(book.expirations.len(), 1);
        book.prune(8);
        assert_eq!(book.allowance(&1, &2), allowance(3, Some(9)));
        assert!(!book.allowance(&1, &2).is_valid(9));
        book.prune(9);
        assert_eq!(book.allowance(&1, &2), Allowance::default());
        book.set_allowance(&1, &2, allowance(3, Some(9)));
        book.use_allowance(&1, &2, 3);
        assert!(book.allowances.is_empty() && book.expirations.is_empty());
    }
}
