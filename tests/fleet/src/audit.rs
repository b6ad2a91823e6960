//! The audit at the end of a test: root's records, compared with the replica's facts.

use std::collections::BTreeSet;

use candid::Principal;
use canic::api::{MembersFilter, OperationsFilter};
use canic_testing::audit::Recorded;

use crate::Fleet;

/// The outcome of an audit.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Canisters that root controls and that are on none of its records. `None` on a server that
    /// can't list its canisters.
    pub lost: Option<BTreeSet<Principal>>,
    /// Canisters that are on record (as members, in the pool, or of open or quarantined operations)
    /// and don't exist.
    pub missing: BTreeSet<Principal>,
    /// Minted cycles minus those in balances, fees and messages. `None` on a server that has no
    /// accounts.
    pub unaccounted: Option<i128>,
}

impl Audit {
    /// Audits a fleet.
    #[must_use]
    pub fn of(fleet: &Fleet) -> Self {
        let recorded = Recorded::new(
            &fleet.members(&MembersFilter::All),
            &fleet.pool(),
            &fleet.operations(OperationsFilter::Quarantined),
            &fleet.operations(OperationsFilter::Open),
        );
        let lost = fleet.observer.as_ref().map(|observer| {
            let controlled = |c: &Principal| fleet.pic.get_controllers(*c).contains(&fleet.root);
            let canisters = observer.canisters().into_iter();
            let mut lost = recorded.lost(canisters.filter(controlled));
            lost.remove(&fleet.root);
            lost
        });
        let missing = recorded.missing(|canister| fleet.pic.canister_exists(canister));
        Self {
            lost,
            missing: missing.into_keys().collect(),
            unaccounted: fleet.observer.as_ref().map(|o| o.accounts().unaccounted()),
        }
    }

    /// Asserts that no canister is lost or missing, and that every cycle is accounted for.
    ///
    /// # Panics
    /// When an assertion fails.
    pub fn passes(&self) {
        self.passes_except(&[]);
    }

    /// [`Audit::passes`], except for `outside`: canisters that root controls without having
    /// imported them.
    ///
    /// # Panics
    /// When an assertion fails.
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
            self.missing.is_empty(),
            "on record, but missing: {:?}",
            self.missing
        );
        match self.unaccounted {
            None => println!("skipped: this server has no accounts"),
            Some(unaccounted) => assert_eq!(unaccounted, 0, "unaccounted cycles"),
        }
    }
}
