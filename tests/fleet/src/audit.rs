//! The books, checked from outside: what the replica knows against what root has on record.

use crate::Fleet;
use candid::Principal;
use canic::api::{MembersFilter, OperationsFilter};
use std::collections::BTreeSet;

/// The state of a fleet's books.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Canisters that exist with root as a controller and are on none of root's records; none on a server that can't list
    /// its canisters.
    pub lost: Option<BTreeSet<Principal>>,
    /// Members, pool canisters and canisters of open or quarantined operations that don't exist.
    pub imagined: BTreeSet<Principal>,
    /// Cycles minted less those whose place is known; none on a server that has no accounts.
    pub unaccounted: Option<i128>,
}

impl Audit {
    /// Looks at a fleet's books.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Self {
        let mut known: BTreeSet<Principal> = [fleet.root].into();
        known.extend(
            fleet
                .members(&MembersFilter::All)
                .iter()
                .map(|member| member.canister),
        );
        known.extend(fleet.pool().iter().map(|entry| entry.canister));
        for filter in [OperationsFilter::Open, OperationsFilter::Quarantined] {
            known.extend(fleet.operations(filter).iter().filter_map(|o| o.canister));
        }
        let lost = fleet.observer.as_ref().map(|observer| {
            let controlled = |c: &Principal| fleet.pic.get_controllers(*c).contains(&fleet.root);
            observer
                .canisters()
                .into_iter()
                .filter(|c| !known.contains(c) && controlled(c))
                .collect()
        });
        let exists = |canister: &Principal| fleet.pic.canister_exists(*canister);
        Self {
            lost,
            imagined: known
                .iter()
                .filter(|canister| !exists(canister))
                .copied()
                .collect(),
            unaccounted: fleet.observer.as_ref().map(|o| o.accounts().unaccounted()),
        }
    }

    /// The end of every test: nothing lost, nothing imagined, every cycle in its place.
    ///
    /// # Panics
    /// When the books don't balance.
    pub fn passes(&self) {
        self.passes_except(&[]);
    }

    /// The same, where root was made a controller of canisters that it was never told of.
    ///
    /// # Panics
    /// When the books don't balance.
    pub fn passes_except(&self, outside: &[Principal]) {
        match &self.lost {
            None => println!("skipped: this server can't list its canisters"),
            Some(lost) => {
                let lost: Vec<_> = lost
                    .iter()
                    .filter(|c| !outside.contains(c))
                    .map(Principal::to_text)
                    .collect();
                assert!(lost.is_empty(), "lost canisters: {lost:?}");
            }
        }
        assert!(
            self.imagined.is_empty(),
            "on record, but not there: {:?}",
            self.imagined
        );
        match self.unaccounted {
            None => println!("skipped: this server has no accounts"),
            Some(unaccounted) => assert_eq!(unaccounted, 0, "cycles whose place is not known"),
        }
    }
}
