//! The machine: an operation's next transition, given the reply to its step.
//!
//! Forwards, an operation allocates a canister (`allocation`) and installs a member (`install`), or
//! moves a member (`reparent`). A refuel (`refuel`) has no canister. Backwards, or as its purpose,
//! it tears the canister down (`teardown`). An import begins with the canister's subnet
//! (`location`). `search` finds a canister whose id root never learnt. After a trap or an upgrade,
//! `recovery` decides where root takes the operation up.

use crate::operation::{
    End, Operation, Purpose, Step, allocation,
    call::Reply,
    grant, install, location, refuel, reparent, search,
    teardown::{self, Resources},
    transition::Transition,
    upgrade,
};

/// Advances an operation by the reply to its step, with the resources that root has for a teardown.
pub(crate) fn advance(op: &mut Operation, reply: Reply, resources: &Resources) -> Transition {
    if matches!(op.purpose, Purpose::Refuel(_)) {
        return refuel::after_step(op, reply);
    }
    if matches!(op.purpose, Purpose::Upgrade(..)) {
        return match op.step {
            Step::Verify => upgrade::after_verify(op, reply, resources),
            _ => upgrade::after_step(op, reply),
        };
    }
    let granting = matches!(op.purpose, Purpose::Grant(_));
    let moving = matches!(op.purpose, Purpose::Move(..));
    match op.step {
        Step::Verify if granting => grant::after_verify(op, reply, resources),
        Step::Fund if granting => grant::after_fund(op, reply),
        Step::Verify if moving => reparent::after_verify(op, reply),
        Step::Configure if moving => reparent::after_configure(op, reply),
        Step::Create => allocation::after_create(op, reply),
        Step::Fund if op.teardown.is_some() => teardown::after_step(op, reply, resources),
        Step::Configure | Step::Fund => allocation::after_preparation(op, reply),
        Step::Install => install::after_install(op, reply),
        Step::Verify => install::after_verify(op, reply),
        Step::Sync => install::after_sync(op, reply),
        Step::Inspect => teardown::after_inspect(op, reply, resources),
        Step::Search => search::after_info(op, reply),
        Step::Locate => location::after_locate(op, reply),
        Step::Uninstall
        | Step::Start
        | Step::Reset
        | Step::DropSnapshots
        | Step::LoadDrain
        | Step::Drain
        | Step::Stop
        | Step::Delete => teardown::after_step(op, reply, resources),
        // These steps make no call, or only upgrades and refuels have them.
        Step::TakeSnapshot
        | Step::FindSnapshot
        | Step::Upgrade
        | Step::Health
        | Step::Accept
        | Step::Restore
        | Step::DropSnapshot
        | Step::Quote
        | Step::Balance
        | Step::Withdraw
        | Step::Transfer
        | Step::Notify
        | Step::AddToPool
        | Step::RetireChildren => Transition::Close(End::Done),
    }
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::{
        operation::{
            Origin, Plan, Position, Teardown, TeardownState,
            call::{Failure, Outcome, Run, Status},
            drain, recovery,
        },
        stable::record::{Cycles, Id},
    };

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const CANISTER: Principal = Principal::from_slice(&[9, 1]);
    const MODULE: [u8; 32] = [7; 32];
    const T: u128 = 1_000_000_000_000;
    const FEE: u128 = T / 2;

    fn advance(op: &mut Operation, reply: Reply, pool_has_capacity: bool) -> Transition {
        let resources = Resources {
            pool_has_capacity,
            available: T,
            creation_fee: FEE,
        };
        super::advance(op, reply, &resources)
    }

    fn provision(rollback: Teardown) -> Operation {
        let plan = Plan::sample(&[ROOT], 2 * T, rollback);
        let purpose = Purpose::Provision(Position::sample(ROOT), plan);
        Operation::new(1, purpose, Step::Create, 0)
    }

    fn installing(rollback: Teardown) -> Operation {
        let mut op = provision(rollback);
        op.canister = Some(Id(CANISTER));
        op.source = Some(Origin::Fresh);
        op.step = Step::Install;
        op
    }

    fn failed(outcome: Outcome, transient: bool) -> Reply {
        Reply::Failed(Failure {
            outcome,
            transient,
            no_such_canister: false,
            by_canister: false,
            refuses_canister: false,
            reason: "refused".to_string(),
        })
    }

    fn refused() -> Reply {
        failed(Outcome::NotApplied, false)
    }

    fn empty() -> Status {
        Status::sample(ROOT, 2 * T)
    }

    #[test]
    fn a_fresh_canister_is_created_and_installed() {
        let mut op = provision(Teardown::Recycle);
        assert_eq!(
            advance(&mut op, Reply::Created(CANISTER), true),
            Transition::Call
        );
        assert_eq!((op.step, op.canister()), (Step::Install, Some(CANISTER)));
        assert_eq!(
            advance(&mut op, Reply::Done, true),
            Transition::Close(End::Done)
        );
    }

    #[test]
    fn a_refused_creation_leaves_nothing_to_undo() {
        let mut op = provision(Teardown::Recycle);
        assert_eq!(
            advance(&mut op, refused(), true),
            Transition::Close(End::Nothing)
        );
    }

    #[test]
    fn a_creation_with_an_unknown_outcome_is_quarantined() {
        let mut op = provision(Teardown::Recycle);
        let unknown = failed(Outcome::Unknown, true);
        assert_eq!(
            advance(&mut op, unknown, true),
            Transition::Close(End::Quarantined)
        );
    }

    #[test]
    fn a_refused_install_is_rolled_back_into_the_pool() {
        let mut op = installing(Teardown::Recycle);
        assert_eq!(advance(&mut op, refused(), true), Transition::Call);
        assert_eq!(op.step, Step::Inspect);
        assert_eq!(
            advance(&mut op, Reply::Status(empty()), true),
            Transition::Call
        );
        assert_eq!(op.step, Step::Uninstall, "the install left a log");
        assert_eq!(advance(&mut op, Reply::Done, true), Transition::Call);
        assert_eq!(
            advance(&mut op, Reply::Status(empty()), true),
            Transition::Close(End::Recycled)
        );
    }

    #[test]
    fn a_full_pool_turns_recycling_into_deletion() {
        let mut op = installing(Teardown::Recycle);
        advance(&mut op, refused(), false);
        assert_eq!(
            advance(&mut op, Reply::Status(empty()), false),
            Transition::Call
        );
        assert_eq!(
            (op.goal(), op.step),
            (Some(Teardown::Delete), Step::LoadDrain)
        );
    }

    #[test]
    fn cycles_are_drained_before_a_canister_is_stopped_and_deleted() {
        let mut op = installing(Teardown::Delete);
        advance(&mut op, refused(), true);
        let mut steps = Vec::new();
        let mut status = empty();
        let end = loop {
            steps.push(op.step);
            let reply = match op.step {
                Step::Inspect => Reply::Status(status.clone()),
                Step::LoadDrain => {
                    status.module = Some(drain::hash());
                    Reply::Done
                }
                Step::Drain => {
                    status.cycles = drain::worth(FEE) / 2;
                    Reply::Done
                }
                Step::Stop => {
                    status.run = Run::Stopped;
                    Reply::Done
                }
                _ => Reply::Done,
            };
            match advance(&mut op, reply, true) {
                Transition::Call => {}
                Transition::Close(end) => break end,
                Transition::Later(_) => panic!("nothing failed"),
            }
        };
        assert_eq!(end, End::Deleted);
        use Step::{Delete, Drain, Inspect, LoadDrain, Stop};
        assert_eq!(
            steps,
            [Inspect, LoadDrain, Inspect, Drain, Inspect, Stop, Delete]
        );
    }

    #[test]
    fn a_canister_that_cannot_be_drained_is_kept_unless_root_is_told_to_destroy_it() {
        for goal in [Teardown::Delete, Teardown::Destroy] {
            let mut op = installing(goal);
            advance(&mut op, refused(), true);
            for _ in 0..drain::MAX_TRIES {
                advance(&mut op, Reply::Status(empty()), true);
                assert_eq!(op.step, Step::LoadDrain);
                advance(&mut op, refused(), true);
            }
            let next = advance(&mut op, Reply::Status(empty()), true);
            if goal == Teardown::Destroy {
                assert_eq!((next, op.step), (Transition::Call, Step::Stop));
            } else {
                assert_eq!(next, Transition::Close(End::Quarantined));
                let failure = op.failure.unwrap();
                assert!(failure.contains("2000000000000 cycles"), "{failure}");
                assert!(failure.contains("3 drains failed"), "{failure}");
            }
        }
    }

    #[test]
    fn a_transient_failure_never_costs_a_canister_its_cycles() {
        let mut op = installing(Teardown::Delete);
        advance(&mut op, refused(), true);
        loop {
            assert_ne!(op.step, Step::Stop);
            let reply = match op.step {
                Step::Inspect => Reply::Status(empty()),
                _ => failed(Outcome::NotApplied, true),
            };
            if let Transition::Close(end) = advance(&mut op, reply, true) {
                assert_eq!(end, End::Quarantined);
                return;
            }
        }
    }

    #[test]
    fn root_lends_a_poor_canister_the_cycles_for_its_drain() {
        let mut op = installing(Teardown::Delete);
        advance(&mut op, refused(), true);
        let poor = Status {
            cycles: drain::price(FEE) - T / 10,
            ..empty()
        };
        let next = advance(&mut op, Reply::Status(poor.clone()), true);
        assert_eq!((next, op.step), (Transition::Call, Step::Fund));
        let loan = T / 10;
        assert_eq!((op.money.shortfall.0, op.money.reserved.0), (loan, loan));
        assert_eq!(advance(&mut op, Reply::Done, true), Transition::Call);
        assert_eq!(op.step, Step::Inspect);
        // A loan that root can't give: the canister is kept.
        let nothing_to_lend = Resources {
            pool_has_capacity: true,
            available: T / 10 - 1,
            creation_fee: FEE,
        };
        let next = super::advance(&mut op, Reply::Status(poor), &nothing_to_lend);
        assert_eq!(next, Transition::Close(End::Quarantined));
    }

    #[test]
    fn a_loan_that_was_cut_off_is_followed_by_an_inspection() {
        let mut op = installing(Teardown::Delete);
        advance(&mut op, refused(), true);
        op.step = Step::Fund;
        op.money.shortfall = Cycles(7);
        op.in_flight = true;
        assert_eq!(recovery::resume(&mut op), Transition::Call);
        assert_eq!((op.step, op.money.unconfirmed.0), (Step::Inspect, 7));
    }

    #[test]
    fn a_frozen_canister_is_reset_before_it_is_drained() {
        let mut op = installing(Teardown::Delete);
        advance(&mut op, refused(), true);
        let frozen = Status {
            drainable_settings: false,
            ..empty()
        };
        advance(&mut op, Reply::Status(frozen), true);
        assert_eq!(op.step, Step::Reset);
    }

    #[test]
    fn a_member_with_other_controllers_is_reset_once() {
        let mut op = installing(Teardown::Recycle);
        if let Purpose::Provision(position, _) = op.purpose.clone() {
            op.purpose = Purpose::Retire(position);
        }
        op.teardown_mut().goal = Teardown::Recycle;
        op.step = Step::Inspect;
        advance(&mut op, Reply::Status(empty()), true);
        assert_eq!(op.step, Step::Reset);
        advance(&mut op, Reply::Done, true);
        advance(&mut op, Reply::Status(empty()), true);
        assert_eq!(op.step, Step::Uninstall);
        advance(&mut op, Reply::Done, true);
        let next = advance(&mut op, Reply::Status(empty()), true);
        assert_eq!(next, Transition::Close(End::Done));
    }

    #[test]
    fn an_import_into_a_full_pool_leaves_the_canister_untouched() {
        let mut op = Operation::new(1, Purpose::ImportToPool, Step::Inspect, 0);
        op.canister = Some(Id(CANISTER));
        op.source = Some(Origin::Imported);
        op.teardown_mut().goal = Teardown::Recycle;
        let next = advance(&mut op, Reply::Status(empty()), false);
        assert_eq!(next, Transition::Close(End::Untouched));
    }

    #[test]
    fn a_fresh_canister_is_added_to_the_pool_in_a_message_of_its_own() {
        let mut op = Operation::new(1, Purpose::Refill, Step::Create, 0);
        assert_eq!(
            advance(&mut op, Reply::Created(CANISTER), true),
            Transition::Call
        );
        assert_eq!((op.step, op.canister()), (Step::AddToPool, Some(CANISTER)));
    }

    #[test]
    fn a_status_is_repeated_until_an_outage_is_over() {
        for (step, goal) in [
            (Step::Inspect, Some(Teardown::Recycle)),
            (Step::Verify, None),
        ] {
            let mut op = installing(Teardown::Recycle);
            op.step = step;
            op.teardown = goal.map(TeardownState::new);
            for _ in 0..100 {
                let next = advance(&mut op, failed(Outcome::NotApplied, true), true);
                assert!(matches!(next, Transition::Later(_)), "{step:?}: {next:?}");
                assert_eq!(op.step, step);
            }
        }
    }

    #[test]
    fn a_recycled_canister_is_reset_in_every_respect() {
        let used = Status {
            run: Run::Stopped,
            module: Some(MODULE),
            controllers: vec![ROOT, CANISTER],
            cycles: T,
            frozen: 0,
            idle_burn: 0,
            chunks: true,
            snapshots: true,
            default_settings: false,
            drainable_settings: false,
            unread_settings: true,
            minimum_call_cycles: T,
            root_controls_alone: false,
        };
        let mut op = installing(Teardown::Recycle);
        advance(&mut op, refused(), true);
        let mut status = used;
        let mut steps = Vec::new();
        let end = loop {
            let reply = match op.step {
                Step::Inspect => Reply::Status(status.clone()),
                step => {
                    steps.push(step);
                    match step {
                        Step::Uninstall => (status.module, status.chunks) = (None, false),
                        Step::Start => status.run = Run::Running,
                        Step::Reset => {
                            status.controllers = vec![ROOT];
                            status.default_settings = true;
                            status.root_controls_alone = true;
                        }
                        Step::DropSnapshots => status.snapshots = false,
                        other => panic!("{other:?} does not empty a canister"),
                    }
                    Reply::Done
                }
            };
            if let Transition::Close(end) = advance(&mut op, reply, true) {
                break end;
            }
        };
        assert_eq!(end, End::Recycled);
        assert_eq!(
            steps,
            [
                Step::Reset,
                Step::Uninstall,
                Step::Start,
                Step::DropSnapshots
            ]
        );
    }

    #[test]
    fn a_call_with_an_unknown_outcome_is_verified_and_never_repeated_blindly() {
        for step in [Step::Configure, Step::Fund, Step::Install] {
            let mut op = installing(Teardown::Recycle);
            op.step = step;
            advance(&mut op, failed(Outcome::Unknown, true), true);
            assert_eq!(op.step, Step::Verify, "after {step:?}");
        }
    }

    #[test]
    fn a_status_shows_the_missing_step() {
        let verify = |status: Status| {
            let mut op = installing(Teardown::Recycle);
            op.step = Step::Verify;
            let next = advance(&mut op, Reply::Status(status), true);
            (next, op.step, op.money.shortfall.0)
        };
        let installed = Status {
            module: Some(MODULE),
            ..empty()
        };
        assert_eq!(verify(installed).0, Transition::Close(End::Done));
        assert_eq!(verify(empty()), (Transition::Call, Step::Install, 0));
        let poor = Status {
            cycles: T,
            ..empty()
        };
        assert_eq!(verify(poor), (Transition::Call, Step::Fund, T));
        let foreign = Status {
            controllers: vec![ROOT, CANISTER],
            ..empty()
        };
        assert_eq!(verify(foreign).1, Step::Configure);
        let other = Status {
            module: Some([8; 32]),
            ..empty()
        };
        assert_eq!(verify(other).1, Step::Inspect);
    }

    #[test]
    fn transient_failures_are_retried_with_growing_pauses_and_then_rolled_back() {
        let mut op = installing(Teardown::Recycle);
        let mut last = 0;
        loop {
            match advance(&mut op, failed(Outcome::NotApplied, true), true) {
                Transition::Later(wait) => {
                    assert!(wait > last);
                    last = wait;
                }
                Transition::Call => break,
                Transition::Close(end) => panic!("{end:?}"),
            }
        }
        assert_eq!(
            (op.step, op.goal()),
            (Step::Inspect, Some(Teardown::Recycle))
        );
    }

    #[test]
    fn a_canister_that_can_be_neither_emptied_nor_deleted_is_quarantined_with_both_reasons() {
        let mut op = installing(Teardown::Recycle);
        advance(&mut op, refused(), true);
        let not_ours = Failure::of_management(5, "not a controller");
        assert_eq!(end_of_inspections(&mut op, &not_ours), End::Quarantined);
        let failure = op.failure.unwrap();
        assert!(
            failure.contains("refused") && failure.contains("not a controller"),
            "{failure}"
        );
    }

    #[test]
    fn a_teardown_without_progress_ends_in_quarantine() {
        let mut op = installing(Teardown::Recycle);
        advance(&mut op, refused(), true);
        let stubborn = Status {
            module: Some(MODULE),
            ..empty()
        };
        for _ in 0..1_000 {
            op.retry.calls += 1;
            let reply = match op.step {
                Step::Inspect => Reply::Status(stubborn.clone()),
                _ => Reply::Done,
            };
            if let Transition::Close(end) = advance(&mut op, reply, true) {
                assert_eq!(end, End::Quarantined);
                return;
            }
        }
        panic!("the teardown goes on");
    }

    #[test]
    fn a_deletion_whose_reply_was_lost_counts_once_the_canister_is_gone() {
        let mut op = installing(Teardown::Delete);
        op.teardown_mut().goal = Teardown::Delete;
        op.step = Step::Delete;
        op.in_flight = true;
        assert_eq!(recovery::resume(&mut op), Transition::Call);
        assert_eq!(op.step, Step::Inspect);
        let gone = Reply::Failed(Failure::of_management(3, "not found"));
        let next = advance(&mut op, gone.clone(), true);
        assert!(
            matches!(next, Transition::Later(_)),
            "root inspects it twice"
        );
        assert_eq!(
            advance(&mut op, gone, true),
            Transition::Close(End::Deleted)
        );
    }

    #[test]
    fn a_canister_that_is_gone_does_not_go_to_the_pool() {
        let mut op = installing(Teardown::Recycle);
        op.teardown_mut().goal = Teardown::Recycle;
        op.step = Step::Inspect;
        op.teardown_mut().deleting = true;
        let gone = Reply::Failed(Failure::of_management(3, "not found"));
        advance(&mut op, gone.clone(), true);
        assert_eq!(
            advance(&mut op, gone, true),
            Transition::Close(End::Deleted)
        );
        assert_eq!(op.goal(), Some(Teardown::Delete));
    }

    #[test]
    fn a_canister_that_is_gone_without_a_deletion_is_quarantined() {
        let mut op = installing(Teardown::Recycle);
        advance(&mut op, refused(), true);
        let gone = Failure::of_management(3, "not found");
        assert_eq!(end_of_inspections(&mut op, &gone), End::Quarantined);
    }

    /// The end of an operation all of whose inspections fail like this.
    fn end_of_inspections(op: &mut Operation, failure: &Failure) -> End {
        for tries in 1..100 {
            assert_eq!(op.step, Step::Inspect);
            match advance(op, Reply::Failed(failure.clone()), true) {
                Transition::Close(end) => {
                    assert!(tries > 1, "a single failure ends nothing");
                    return end;
                }
                Transition::Later(_) => {}
                Transition::Call => panic!("it waits before it inspects again"),
            }
        }
        panic!("the inspections go on");
    }

    #[test]
    fn recovery_reads_the_status_before_it_goes_on() {
        let cases = [
            (Step::Configure, Step::Verify),
            (Step::Fund, Step::Verify),
            (Step::Install, Step::Verify),
            (Step::Verify, Step::Verify),
            (Step::Sync, Step::Verify),
            (Step::Uninstall, Step::Inspect),
            (Step::Reset, Step::Inspect),
            (Step::Drain, Step::Inspect),
            (Step::LoadDrain, Step::Inspect),
            (Step::Stop, Step::Inspect),
        ];
        for (cut_off, resumed) in cases {
            let mut op = installing(Teardown::Recycle);
            op.step = cut_off;
            op.in_flight = true;
            assert_eq!(recovery::resume(&mut op), Transition::Call);
            assert_eq!((op.step, op.in_flight), (resumed, false), "{cut_off:?}");
            assert_eq!(op.retry.attempts, 1, "the interruption counts");
        }
        // An operation that is cut off again and again is quarantined.
        let mut op = installing(Teardown::Recycle);
        op.in_flight = true;
        op.retry.calls = teardown::MAX_CALLS;
        assert_eq!(
            recovery::resume(&mut op),
            Transition::Close(End::Quarantined)
        );
        // A call that was not issued yet is issued.
        let mut op = installing(Teardown::Recycle);
        assert_eq!(
            (recovery::resume(&mut op), op.step),
            (Transition::Call, Step::Install)
        );
    }
}
