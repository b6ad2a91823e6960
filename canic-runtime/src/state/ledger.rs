//! The ledger: root's cycles by purpose, and the only code that settles an operation's money.

use minicbor::{Decode, Encode};

use crate::{
    operation::{
        End, Operation, Purpose, Step, Teardown,
        call::{Outcome, Reply},
        grant,
    },
    stable::record::Cycles,
};

/// Cycles by purpose, since root was installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ledger {
    /// Fees for creating canisters.
    #[n(0)]
    pub(crate) creation_fees: Cycles,
    /// Given to canisters of the pool.
    #[n(1)]
    pub(crate) to_pool: Cycles,
    /// Given to members.
    #[n(2)]
    pub(crate) to_members: Cycles,
    /// Drained from canisters before they were deleted.
    #[n(3)]
    pub(crate) drained: Cycles,
    /// Left in canisters when they were deleted.
    #[n(4)]
    pub(crate) deleted: Cycles,
    /// Sent with creations of which root does not know the outcome: a canister may hold them.
    #[n(5)]
    pub(crate) unknown: Cycles,
    /// Got by refuels. Records of earlier versions lack this field.
    #[cbor(n(6), default)]
    pub(crate) refuelled: Cycles,
}

impl Ledger {
    /// Settles the cycles of a step whose call came back. Root sent `attached` cycles with the
    /// call; of these the platform keeps `creation_fee` for a new canister.
    pub(crate) fn settle(
        &mut self,
        op: &mut Operation,
        reply: &Reply,
        attached: u128,
        creation_fee: u128,
    ) {
        match reply {
            Reply::Failed(failure) if failure.outcome == Outcome::NotApplied => {
                refund(op, attached);
            }
            Reply::Failed(_) if op.step == Step::Fund => {
                op.money.unconfirmed = Cycles(attached);
            }
            // A creation with an unknown outcome is settled when its operation ends.
            Reply::Failed(_) => {}
            Reply::Status(status) => {
                self.settle_deposit(op, status.cycles);
                if std::mem::take(&mut op.money.drain_unsettled) {
                    self.record_drained(op.money.held.0.saturating_sub(status.cycles));
                }
            }
            Reply::Look(look) => self.settle_deposit(op, look.cycles),
            Reply::Info { created_by_root } => {
                if *created_by_root {
                    self.record_found(op, creation_fee);
                }
            }
            Reply::Snapshot(_) | Reply::Snapshots(_) | Reply::Health(_) => {}
            // A refuel is settled when it ends.
            Reply::Amount(_) | Reply::Paid(_) | Reply::Refused(_) => {}
            Reply::Done | Reply::Created(_) => {
                let is_creation = op.step == Step::Create;
                let fee = if is_creation { creation_fee } else { 0 };
                op.money.held.0 += attached.saturating_sub(fee);
                self.record_spent(op, attached, fee);
            }
        }
    }

    /// Settles the cycles of an operation that ends.
    pub(crate) fn settle_end(&mut self, op: &mut Operation, end: End) {
        if end == End::Quarantined && op.step == Step::Create {
            self.record_lost(op);
        }
        if let (Purpose::Refuel(refuel), End::Done) = (&op.purpose, end) {
            self.refuelled.0 += refuel.got.0;
        }
        let deletes = op.goal().is_some_and(Teardown::is_deletion);
        if deletes && matches!(end, End::Done | End::Deleted) {
            self.deleted.0 += op.money.held.0;
        }
        // Root did not see the canister again, and it no longer has the cycles of the deposit.
        let unconfirmed = std::mem::take(&mut op.money.unconfirmed).0;
        self.record_spent(op, unconfirmed, 0);
        op.money.reserved = Cycles(0);
    }

    /// Records cycles that were sent and arrived.
    fn record_spent(&mut self, op: &Operation, attached: u128, creation_fee: u128) {
        self.creation_fees.0 += creation_fee;
        let given = attached.saturating_sub(creation_fee);
        let to_pool = match &op.purpose {
            Purpose::Grant(plan) => plan.position.is_none(),
            purpose => matches!(purpose, Purpose::Refill | Purpose::ImportToPool),
        };
        if to_pool {
            self.to_pool.0 += given;
        } else {
            self.to_members.0 += given;
        }
    }

    /// Records the cycles of a creation that may have made a canister whose id root does not know.
    fn record_lost(&mut self, op: &Operation) {
        self.unknown.0 += op.money.paid.0;
    }

    /// Records that root found the canister of a lost creation.
    fn record_found(&mut self, op: &Operation, creation_fee: u128) {
        self.unknown.0 = self.unknown.0.saturating_sub(op.money.paid.0);
        self.record_spent(op, op.money.paid.0, creation_fee);
    }

    /// Settles a deposit with an unknown outcome: the canister's balance shows whether it arrived.
    fn settle_deposit(&mut self, op: &mut Operation, balance: u128) {
        let unconfirmed = std::mem::take(&mut op.money.unconfirmed).0;
        if unconfirmed == 0 {
            return;
        }
        let before = op.money.held.0.saturating_sub(grant::burned_meanwhile(op));
        if balance.saturating_sub(before) >= unconfirmed / 2 {
            self.record_spent(op, unconfirmed, 0);
        } else {
            op.money.paid = Cycles(op.money.paid.0.saturating_sub(unconfirmed));
        }
    }

    /// Records cycles that a drain sent back to root.
    fn record_drained(&mut self, cycles: u128) {
        self.drained.0 += cycles;
    }
}

/// Takes back cycles that came back with a reject.
fn refund(op: &mut Operation, attached: u128) {
    op.money.paid = Cycles(op.money.paid.0.saturating_sub(attached));
    op.money.reserved.0 += attached;
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::operation::{
        TeardownState,
        call::{Failure, Status},
    };

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const FEE: u128 = 500;

    fn refill(step: Step) -> Operation {
        let mut op = Operation::new(1, Purpose::Refill, step, 0);
        op.money.paid = Cycles(2_000);
        op
    }

    fn reject(code: u32) -> Reply {
        Reply::Failed(Failure::of_management(code, "no"))
    }

    fn settled(op: &mut Operation, reply: &Reply, attached: u128) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.settle(op, reply, attached, FEE);
        ledger
    }

    #[test]
    fn a_creation_is_a_fee_and_cycles_for_the_pool() {
        let mut op = refill(Step::Create);
        let ledger = settled(&mut op, &Reply::Created(ROOT), 2_000);
        assert_eq!((ledger.creation_fees.0, ledger.to_pool.0), (FEE, 1_500));
        assert_eq!(op.money.held.0, 1_500);
    }

    #[test]
    fn a_deposit_has_no_fee() {
        let mut op = refill(Step::Fund);
        let ledger = settled(&mut op, &Reply::Done, 2_000);
        assert_eq!((ledger.creation_fees.0, ledger.to_pool.0), (0, 2_000));
    }

    #[test]
    fn a_call_that_was_not_applied_gives_its_cycles_back() {
        let mut op = refill(Step::Create);
        let ledger = settled(&mut op, &reject(5), 2_000);
        assert_eq!(ledger, Ledger::default());
        assert_eq!((op.money.paid.0, op.money.reserved.0), (0, 2_000));
    }

    #[test]
    fn the_next_balance_tells_whether_an_unknown_deposit_arrived() {
        for (balance, given, paid) in [(2_900, 2_000, 2_000), (1_100, 0, 0)] {
            let mut op = refill(Step::Fund);
            op.money.held = Cycles(1_000);
            assert_eq!(settled(&mut op, &reject(6), 2_000), Ledger::default());
            assert_eq!(op.money.unconfirmed.0, 2_000);
            let status = Reply::Status(Status::sample(ROOT, balance));
            let ledger = settled(&mut op, &status, 0);
            assert_eq!((ledger.to_pool.0, op.money.paid.0), (given, paid));
            assert_eq!(op.money.unconfirmed.0, 0, "it is settled once");
        }
    }

    #[test]
    fn an_unknown_deposit_that_root_never_sees_again_counts_as_given() {
        let mut op = refill(Step::Verify);
        op.money.unconfirmed = Cycles(700);
        let mut ledger = Ledger::default();
        ledger.settle_end(&mut op, End::Quarantined);
        assert_eq!((ledger.to_pool.0, op.money.unconfirmed.0), (700, 0));
    }

    #[test]
    fn a_lost_creation_is_unknown_until_its_canister_is_found() {
        let mut op = refill(Step::Create);
        let mut ledger = settled(&mut op, &reject(6), 2_000);
        ledger.settle_end(&mut op, End::Quarantined);
        assert_eq!(ledger.unknown.0, 2_000);
        op.step = Step::Search;
        let found = Reply::Info {
            created_by_root: true,
        };
        ledger.settle(&mut op, &found, 0, FEE);
        assert_eq!((ledger.unknown.0, ledger.creation_fees.0), (0, FEE));
        assert_eq!(ledger.to_pool.0, 1_500);
    }

    #[test]
    fn the_balance_after_a_drain_tells_what_came_back_and_a_deletion_what_was_lost() {
        let mut op = refill(Step::Inspect);
        op.teardown = Some(TeardownState::new(Teardown::Delete));
        op.money.held = Cycles(1_000);
        op.money.drain_unsettled = true;
        let status = Reply::Status(Status::sample(ROOT, 80));
        let mut ledger = settled(&mut op, &status, 0);
        assert_eq!(ledger.drained.0, 920);
        op.money.held = Cycles(80);
        ledger.settle_end(&mut op, End::Done);
        assert_eq!(ledger.deleted.0, 80);
    }
}
