//! A refuel: root gets cycles for itself, out of its account at the cycles ledger or for its ICP.
//!
//! ```text
//! cycles ledger   Balance ─ Withdraw ─ Done
//! ICP             Quote ─ Balance ─ Transfer ─ Notify ─ Done
//! ```
//!
//! A ledger makes the same payment once: within a day it knows one by its `created_at_time`, and
//! answers the block of the first call. So root repeats a payment whose reply it did not get with
//! the same time and the same amounts, and changes none of them. Once the ledger says that the
//! payment is too old, root looks at the balance of its account. `notify_top_up` may be repeated at
//! any time: the cycles minting canister knows a payment by its block.

use candid::Principal;

use crate::{
    codec::account::{account_id, subaccount_of},
    operation::{
        End, Operation, Purpose, Step,
        call::{Failure, Outcome, Reply, shorten},
        fuel::{Fuel, LedgerCall, Refuel, Refusal},
        transition::{MAX_ATTEMPTS, Transition, backoff},
    },
    stable::record::Cycles,
};

/// The smallest refuel in cycles: a thousand times the fee of the cycles ledger.
pub(crate) const MIN_CYCLES: u128 = 100_000_000_000;

/// Calls after which root makes no other payment in this operation.
const MAX_PAYMENTS: u32 = 20;

/// Calls after which root gives up a refuel that it has paid for: more than a week.
const MAX_CALLS: u32 = 250;

/// The memo of a payment to the cycles minting canister for a canister's cycles: `TPUP`.
pub(crate) const TOP_UP: u64 = 0x5055_5054;

/// The cycles minting canister, rkp4c-7iaaa-aaaaa-aaaca-cai.
pub(crate) const CYCLES_MINTING: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 4, 1, 1]);

impl Refuel {
    /// The first step of a refuel.
    pub(crate) fn first_step(source: Fuel) -> Step {
        match source {
            Fuel::Cycles => Step::Balance,
            Fuel::Icp => Step::Quote,
        }
    }

    /// The call of a step. `None`: the record lacks an argument of it.
    pub(crate) fn call(&self, step: Step, root: Principal) -> Option<LedgerCall> {
        Some(match step {
            Step::Quote => LedgerCall::Rate,
            Step::Balance => LedgerCall::Balance(self.source),
            Step::Withdraw => LedgerCall::Withdraw {
                cycles: self.amount.0,
                created_at: self.created_at?,
            },
            Step::Transfer => LedgerCall::Transfer {
                to: account_id(CYCLES_MINTING, subaccount_of(root)),
                e8s: self.amount.0.try_into().ok()?,
                fee: self.fee.0.try_into().ok()?,
                created_at: self.created_at?,
            },
            Step::Notify => LedgerCall::Notify { block: self.block? },
            _ => return None,
        })
    }
}

/// Decides after a step.
pub(crate) fn after_step(op: &mut Operation, reply: Reply) -> Transition {
    let (step, now) = (op.step, op.updated);
    let Purpose::Refuel(refuel) = &mut op.purpose else {
        return Transition::Close(End::Quarantined);
    };
    match (step, reply) {
        (Step::Quote, Reply::Amount(rate)) => {
            refuel.rate = u64::try_from(rate).unwrap_or(u64::MAX).max(1);
            op.enter(Step::Balance);
            Transition::Call
        }
        (Step::Balance, Reply::Amount(balance)) if refuel.created_at.is_some() => {
            after_look(op, balance)
        }
        (Step::Balance, Reply::Amount(balance)) => after_balance(op, balance, now),
        (Step::Withdraw, Reply::Paid(_)) => {
            refuel.got = refuel.amount;
            Transition::Close(End::Done)
        }
        (Step::Transfer, Reply::Paid(block)) => {
            refuel.block = Some(block);
            op.enter(Step::Notify);
            Transition::Call
        }
        (Step::Notify, Reply::Amount(cycles)) => {
            refuel.got = Cycles(cycles);
            Transition::Close(End::Done)
        }
        (Step::Notify, Reply::Refused(refusal)) => after_refused_notification(op, refusal),
        (Step::Withdraw | Step::Transfer, Reply::Refused(refusal)) => {
            after_refused_payment(op, refusal)
        }
        (_, Reply::Failed(failure)) => after_failure(op, &failure),
        (_, other) => give_up(op, format!("{step:?} was answered by {other:?}")),
    }
}

/// Decides on the payment, once the account's balance is known.
fn after_balance(op: &mut Operation, balance: u128, now: u64) -> Transition {
    let Purpose::Refuel(refuel) = &mut op.purpose else {
        return Transition::Close(End::Quarantined);
    };
    let amount = refuel.affordable(balance);
    if refuel.cycles_for(amount) < MIN_CYCLES {
        let reason = format!("{} holds {balance} {}", refuel.account(), refuel.unit());
        return end_unpaid(op, reason);
    }
    refuel.balance = Cycles(balance);
    refuel.amount = Cycles(amount);
    refuel.created_at = Some(now);
    let step = match refuel.source {
        Fuel::Cycles => Step::Withdraw,
        Fuel::Icp => Step::Transfer,
    };
    op.enter(step);
    Transition::Call
}

/// Decides whether a payment was made that the ledger has forgotten. Only root takes something out
/// of its account.
fn after_look(op: &mut Operation, balance: u128) -> Transition {
    let Purpose::Refuel(refuel) = &mut op.purpose else {
        return Transition::Close(End::Quarantined);
    };
    if balance >= refuel.balance.0 {
        let reason = format!(
            "the payment is too old to be repeated, and {} has lost nothing",
            refuel.account()
        );
        return end_unpaid(op, reason);
    }
    match refuel.source {
        Fuel::Cycles => {
            refuel.got = refuel.amount;
            Transition::Close(End::Done)
        }
        Fuel::Icp => {
            let (e8s, at) = (refuel.amount.0, refuel.created_at.unwrap_or_default());
            let reason = format!(
                "{e8s} e8s went to the cycles minting canister, created at {at}, and root does not \
                 know the block: find it in the ICP ledger, and call `notify_top_up` of the cycles \
                 minting canister with it, for root"
            );
            abandon(op, reason)
        }
    }
}

fn after_refused_payment(op: &mut Operation, refusal: Refusal) -> Transition {
    let calls = op.retry.calls;
    let Purpose::Refuel(refuel) = &mut op.purpose else {
        return Transition::Close(End::Quarantined);
    };
    let reason = match &refusal {
        Refusal::BadFee(fee) => format!("the ledger takes a fee of {fee}"),
        Refusal::Insufficient => format!("{} holds too little", refuel.account()),
        Refusal::TooOld => "the payment is too old".to_string(),
        Refusal::Later(reason) | Refusal::Refunded(reason) | Refusal::Never(reason) => {
            reason.clone()
        }
    };
    match refusal {
        Refusal::Later(_) => return repeat_payment(op, reason),
        Refusal::Refunded(_) => return end_unpaid(op, reason),
        // Ledgers look at fee and balance before they look for the same payment.
        _ if refuel.unsure => {
            op.failure = Some(reason);
            op.enter(Step::Balance);
            return Transition::Call;
        }
        Refusal::Never(_) => return end_unpaid(op, reason),
        _ if calls >= MAX_PAYMENTS => return end_unpaid(op, reason),
        Refusal::BadFee(fee) => refuel.fee = Cycles(fee),
        Refusal::Insufficient if refuel.source == Fuel::Cycles => refuel.fee.0 *= 2,
        Refusal::Insufficient | Refusal::TooOld => {}
    }
    // No call has made this payment, so root may decide on another one.
    refuel.created_at = None;
    op.enter(Step::Balance);
    Transition::Call
}

fn after_refused_notification(op: &mut Operation, refusal: Refusal) -> Transition {
    match refusal {
        Refusal::Refunded(reason) => end_unpaid(op, reason),
        Refusal::Later(reason) => repeat_for_days(op, reason),
        Refusal::Never(reason) => give_up(op, reason),
        other => give_up(op, format!("the cycles minting canister answers {other:?}")),
    }
}

fn after_failure(op: &mut Operation, failure: &Failure) -> Transition {
    let Purpose::Refuel(refuel) = &mut op.purpose else {
        return Transition::Close(End::Quarantined);
    };
    let reason = shorten(&failure.reason);
    match op.step {
        Step::Withdraw | Step::Transfer => {
            refuel.unsure |= failure.outcome == Outcome::Unknown;
            repeat_payment(op, reason)
        }
        Step::Notify => repeat_for_days(op, reason),
        // These calls change nothing. One that looks for a payment is repeated for days.
        _ if refuel.created_at.is_some() => repeat_for_days(op, reason),
        _ => try_again(op, reason),
    }
}

/// Repeats the same payment: without limit if it may have been made, until the ledger knows.
fn repeat_payment(op: &mut Operation, reason: String) -> Transition {
    let unsure = matches!(&op.purpose, Purpose::Refuel(refuel) if refuel.unsure);
    if unsure {
        repeat_for_days(op, reason)
    } else {
        try_again(op, reason)
    }
}

/// Repeats a step of a refuel that is paid for, or may be, after a pause of an hour at most.
fn repeat_for_days(op: &mut Operation, reason: String) -> Transition {
    if op.retry.calls >= MAX_CALLS {
        return give_up(op, reason);
    }
    op.failure = Some(reason);
    op.retry.attempts += 1;
    Transition::Later(long_backoff(op.retry.attempts))
}

/// Repeats a step after a pause, a few times.
fn try_again(op: &mut Operation, reason: String) -> Transition {
    op.retry.attempts += 1;
    if op.retry.attempts >= MAX_ATTEMPTS {
        return end_unpaid(op, reason);
    }
    op.failure = Some(reason);
    Transition::Later(backoff(op.retry.attempts))
}

/// The pause before a payment or its notification is repeated, in nanoseconds: 2, 4, 8, .. seconds,
/// an hour at most.
fn long_backoff(attempts: u32) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    SECOND * (1 << attempts.min(12)).min(3_600)
}

/// Ends a refuel that cost nothing, or whose money came back.
fn end_unpaid(op: &mut Operation, reason: String) -> Transition {
    op.failure = Some(reason);
    Transition::Close(End::Nothing)
}

/// Ends a refuel whose money may be with the cycles minting canister.
fn give_up(op: &mut Operation, reason: String) -> Transition {
    let block = match &op.purpose {
        Purpose::Refuel(refuel) => refuel.block,
        _ => None,
    };
    let advice = block.map_or_else(String::new, |block| {
        format!(
            "; the ICP of block {block} are with the cycles minting canister: call its \
             `notify_top_up` with that block, for root"
        )
    });
    abandon(op, reason + &advice)
}

fn abandon(op: &mut Operation, reason: String) -> Transition {
    op.failure = Some(reason);
    Transition::Close(End::Abandoned)
}

/// Takes a refuel up whose reply is not on record: the same call again. Of a payment root does not
/// know whether it was made.
pub(crate) fn resume(op: &mut Operation) -> Transition {
    let is_payment = matches!(op.step, Step::Withdraw | Step::Transfer);
    if let Purpose::Refuel(refuel) = &mut op.purpose {
        refuel.unsure |= is_payment;
    }
    if op.retry.calls >= MAX_CALLS {
        let reason = format!("{:?} was cut off again and again", op.step);
        return give_up(op, reason);
    }
    Transition::Call
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::fuel::{CYCLES_FEE, ICP_FEE};

    const T: u128 = 1_000_000_000_000;
    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    /// Cycles for an e8 on the replica: 3.52 T for an ICP.
    const RATE: u64 = 35_200;

    fn refuel(source: Fuel) -> Operation {
        let purpose = Purpose::Refuel(Refuel::new(source, 50 * T));
        let mut op = Operation::new(1, purpose, Refuel::first_step(source), 0);
        op.updated = 7_000;
        op
    }

    fn record(op: &Operation) -> Refuel {
        match &op.purpose {
            Purpose::Refuel(refuel) => *refuel,
            other => panic!("{other:?}"),
        }
    }

    fn call(op: &Operation) -> LedgerCall {
        record(op)
            .call(op.step, ROOT)
            .expect("the record is complete")
    }

    fn lost() -> Reply {
        Reply::Failed(Failure::of_canister(5, "trapped"))
    }

    /// A refuel whose payment is next, from an account with this balance.
    fn paying(source: Fuel, balance: u128) -> Operation {
        let mut op = refuel(source);
        if source == Fuel::Icp {
            after_step(&mut op, Reply::Amount(RATE.into()));
        }
        assert_eq!(
            after_step(&mut op, Reply::Amount(balance)),
            Transition::Call
        );
        op
    }

    #[test]
    fn cycles_are_withdrawn_up_to_what_root_lacks_or_what_the_account_has() {
        let mut op = paying(Fuel::Cycles, 80 * T);
        let withdraw = |cycles| LedgerCall::Withdraw {
            cycles,
            created_at: 7_000,
        };
        assert_eq!(call(&op), withdraw(50 * T));
        let end = after_step(&mut op, Reply::Paid(3));
        assert_eq!(
            (end, record(&op).got.0),
            (Transition::Close(End::Done), 50 * T)
        );
        assert_eq!(
            call(&paying(Fuel::Cycles, 30 * T)),
            withdraw(30 * T - CYCLES_FEE)
        );
    }

    #[test]
    fn icp_is_transferred_at_the_present_rate_and_then_notified() {
        let mut op = paying(Fuel::Icp, u128::MAX);
        let LedgerCall::Transfer { e8s, fee, .. } = call(&op) else {
            panic!("{:?}", call(&op));
        };
        assert_eq!(u128::from(e8s), (50 * T).div_ceil(RATE.into()));
        assert_eq!(u128::from(fee), ICP_FEE);
        assert_eq!(after_step(&mut op, Reply::Paid(9)), Transition::Call);
        assert_eq!(call(&op), LedgerCall::Notify { block: 9 });
        let end = after_step(&mut op, Reply::Amount(50 * T));
        assert_eq!(
            (end, record(&op).got.0),
            (Transition::Close(End::Done), 50 * T)
        );
    }

    #[test]
    fn an_account_with_too_little_costs_nothing_but_the_look() {
        let mut op = refuel(Fuel::Cycles);
        let end = after_step(&mut op, Reply::Amount(MIN_CYCLES + CYCLES_FEE - 1));
        assert_eq!(end, Transition::Close(End::Nothing));
        assert!(op.failure.unwrap().contains("100099999999 cycles"));
    }

    #[test]
    fn a_payment_whose_reply_is_lost_is_repeated_unchanged_for_as_long_as_it_takes() {
        for source in [Fuel::Cycles, Fuel::Icp] {
            let mut op = paying(source, 90 * T);
            let first = call(&op);
            for tries in 1..MAX_CALLS {
                op.updated += 1_000;
                op.retry.calls += 1;
                let next = if tries % 2 == 0 {
                    op.in_flight = true;
                    resume(&mut op)
                } else {
                    after_step(&mut op, lost())
                };
                assert_ne!(next, Transition::Close(End::Nothing));
                if tries + 5 < MAX_CALLS {
                    assert_eq!(call(&op), first, "try {tries}");
                }
            }
        }
    }

    #[test]
    fn a_lost_payment_is_not_replaced_when_fee_balance_or_time_do_not_fit_any_more() {
        for refusal in [Refusal::BadFee(7), Refusal::Insufficient, Refusal::TooOld] {
            for (balance, end) in [(90 * T, End::Nothing), (30 * T, End::Done)] {
                let mut op = paying(Fuel::Cycles, 90 * T);
                after_step(&mut op, lost());
                let next = after_step(&mut op, Reply::Refused(refusal.clone()));
                assert_eq!((next, op.step), (Transition::Call, Step::Balance));
                let next = after_step(&mut op, Reply::Amount(balance));
                assert_eq!(next, Transition::Close(end), "{refusal:?}");
            }
        }
    }

    #[test]
    fn icp_whose_block_is_lost_for_good_is_left_to_an_operator() {
        let mut op = paying(Fuel::Icp, 90 * T);
        after_step(&mut op, lost());
        after_step(&mut op, Reply::Refused(Refusal::TooOld));
        let end = after_step(&mut op, Reply::Amount(30 * T));
        assert_eq!(end, Transition::Close(End::Abandoned));
        assert!(op.failure.unwrap().contains("notify_top_up"));
    }

    #[test]
    fn a_refused_payment_is_decided_on_again_with_the_fee_that_the_ledger_takes() {
        let mut op = paying(Fuel::Icp, 90 * T);
        let next = after_step(&mut op, Reply::Refused(Refusal::BadFee(20_000)));
        assert_eq!((next, op.step), (Transition::Call, Step::Balance));
        op.updated = 9_000;
        after_step(&mut op, Reply::Amount(90 * T));
        assert!(matches!(
            call(&op),
            LedgerCall::Transfer {
                fee: 20_000,
                created_at: 9_000,
                ..
            }
        ));

        let mut op = paying(Fuel::Cycles, 30 * T);
        after_step(&mut op, Reply::Refused(Refusal::Insufficient));
        after_step(&mut op, Reply::Amount(30 * T));
        let less = 30 * T - 2 * CYCLES_FEE;
        assert!(matches!(call(&op), LedgerCall::Withdraw { cycles, .. } if cycles == less));
    }

    #[test]
    fn refusals_do_not_go_on_for_ever() {
        let mut op = paying(Fuel::Icp, 90 * T);
        for _ in 0..1_000 {
            op.retry.calls += 1;
            let reply = match op.step {
                Step::Balance => Reply::Amount(90 * T),
                _ => Reply::Refused(Refusal::BadFee(5)),
            };
            if let Transition::Close(end) = after_step(&mut op, reply) {
                assert_eq!(end, End::Nothing);
                return;
            }
        }
        panic!("it goes on");
    }

    #[test]
    fn a_notification_is_repeated_for_days_and_then_told_to_an_operator() {
        let mut op = paying(Fuel::Icp, 90 * T);
        after_step(&mut op, Reply::Paid(42));
        let mut waited = 0;
        loop {
            op.retry.calls += 1;
            let later = Refusal::Later("busy".to_string());
            match after_step(&mut op, Reply::Refused(later)) {
                Transition::Later(pause) => waited += pause,
                Transition::Close(end) => {
                    assert_eq!(end, End::Abandoned);
                    break;
                }
                Transition::Call => panic!("it waits"),
            }
            assert_eq!(call(&op), LedgerCall::Notify { block: 42 });
        }
        assert!(waited > 7 * 86_400_000_000_000, "{waited}");
        assert!(op.failure.unwrap().contains("block 42"));
    }

    #[test]
    fn a_notification_that_was_cut_off_is_made_again() {
        let mut op = paying(Fuel::Icp, 90 * T);
        after_step(&mut op, Reply::Paid(42));
        op.in_flight = true;
        assert_eq!(resume(&mut op), Transition::Call);
        assert_eq!(call(&op), LedgerCall::Notify { block: 42 });
    }

    #[test]
    fn money_that_came_back_ends_the_refuel() {
        let mut op = paying(Fuel::Icp, 90 * T);
        after_step(&mut op, Reply::Paid(42));
        let refunded = Refusal::Refunded("too small".to_string());
        let end = after_step(&mut op, Reply::Refused(refunded));
        assert_eq!(end, Transition::Close(End::Nothing));
    }

    #[test]
    fn a_ledger_that_can_not_be_reached_is_asked_a_few_times() {
        let mut op = refuel(Fuel::Icp);
        let unreachable = || Reply::Failed(Failure::of_canister(2, "full"));
        for _ in 1..MAX_ATTEMPTS {
            assert!(matches!(
                after_step(&mut op, unreachable()),
                Transition::Later(_)
            ));
        }
        let end = after_step(&mut op, unreachable());
        assert_eq!(end, Transition::Close(End::Nothing));
    }
}
