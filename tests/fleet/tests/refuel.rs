//! Root's own cycles: out of its account at the cycles ledger, or for its ICP; never paid twice.

use std::time::Duration;

use candid::{Decode, Nat, Principal};
use canic::api::{
    Accounts, Denied, FuelSource, FundingInfo, Level, MetricsPage, OperationInfo, OperationKind,
    OperationState, OperationsFilter, PageRequest, RefuelError, RefuelRequest, Refuelled,
    RolledBack,
};
use canic_fleet_tests::{
    Fleet,
    ledgers::{
        self, CYCLES_FEE, CYCLES_LEDGER, CYCLES_MINTING, ICP_FEE, ICP_LEDGER, RATE, icp_transfer,
        transfer,
    },
    user,
};
use canic_replica::{Effect, Fault, RejectCode, client::Control};

const T: u128 = 1_000_000_000_000;

fn funding(fleet: &Fleet) -> FundingInfo {
    let funding: Result<FundingInfo, Denied> = fleet.ask("canic_funding", ());
    funding.expect("a controller may ask")
}

fn accounts(fleet: &Fleet) -> Accounts {
    funding(fleet).root.accounts
}

fn pay_cycles(fleet: &Fleet, cycles: u128) {
    let to = accounts(fleet).cycles.owner;
    let argument = transfer(to, cycles);
    let sender = Principal::anonymous();
    let paid = fleet
        .pic
        .update_call(CYCLES_LEDGER, sender, "icrc1_transfer", argument);
    paid.expect("the ledger answers");
}

fn pay_icp(fleet: &Fleet, e8s: u64) {
    let argument = icp_transfer(&accounts(fleet).icp, e8s);
    let sender = Principal::anonymous();
    let paid = fleet
        .pic
        .update_call(ICP_LEDGER, sender, "transfer", argument);
    paid.expect("the ledger answers");
}

/// What root's account at a ledger holds.
fn account(fleet: &Fleet, ledger: Principal) -> u128 {
    let argument = ledgers::account(fleet.root);
    let sender = Principal::anonymous();
    let reply = fleet
        .pic
        .query_call(ledger, sender, "icrc1_balance_of", argument);
    let balance = Decode!(&reply.expect("the ledger answers"), Nat).expect("a nat");
    balance.0.try_into().expect("it fits")
}

fn refuel(fleet: &Fleet, source: FuelSource, cycles: u128) -> Result<Refuelled, RefuelError> {
    let request = RefuelRequest {
        source: Some(source),
        cycles: Some(cycles),
    };
    fleet.command("canic_refuel", (request,))
}

fn refuels(fleet: &Fleet) -> Vec<OperationInfo> {
    let mut all = fleet.operations(OperationsFilter::Closed);
    all.retain(|op| op.kind == OperationKind::Refuel);
    all
}

fn log(fleet: &Fleet) -> Vec<String> {
    let records = fleet.pic.fetch_canister_logs(fleet.root, fleet.controller);
    let records = records.expect("a controller may read the log").into_iter();
    records
        .map(|record| String::from_utf8_lossy(&record.content).into_owned())
        .collect()
}

/// Lets time pass in steps of a minute. Calls that begin then are answered within seconds.
fn minutes(fleet: &Fleet, count: u64) {
    for _ in 0..count {
        fleet.pic.advance_time(Duration::from_secs(60));
        for _ in 0..8 {
            fleet.pic.tick();
        }
    }
    fleet.quiet();
}

fn days(fleet: &Fleet, count: u64) {
    for _ in 0..count {
        fleet.pic.advance_time(Duration::from_secs(86_400));
        for _ in 0..5 {
            fleet.pic.tick();
        }
    }
}

fn balance(fleet: &Fleet) -> u128 {
    fleet.pic.cycle_balance(fleet.root)
}

#[test]
fn a_root_that_is_low_gets_cycles_from_its_account_at_the_cycles_ledger() {
    let fleet = Fleet::start_with_ledgers("fixture-refuel-root", 30 * T);
    pay_cycles(&fleet, 100 * T);
    fleet.quiet();
    // The first look was before the account had anything, and the next one is ten minutes later.
    minutes(&fleet, 12);
    // The pool takes 1.5 T meanwhile.
    let root = balance(&fleet);
    assert!((58 * T..61 * T).contains(&root), "{root}");
    let got = funding(&fleet).root.refuelled;
    assert_eq!(account(&fleet, CYCLES_LEDGER), 100 * T - got - CYCLES_FEE);
    let closed = refuels(&fleet);
    let done = closed.iter().filter(|op| op.state == OperationState::Done);
    assert_eq!(done.count(), 1, "{closed:#?}");
    let page = PageRequest {
        after: None,
        limit: 1_000,
    };
    let metrics: Result<MetricsPage, Denied> = fleet.ask("canic_metrics", (page,));
    let metrics = metrics.expect("a controller may ask").metrics;
    let refuelled = metrics
        .iter()
        .find(|row| row.name == "canic_cycles_total" && row.labels[0].1 == "refuelled");
    assert_eq!(refuelled.map(|row| row.value as u128), Some(got));
    fleet.audit().passes();
}

#[test]
fn icp_pays_where_the_cycles_ledger_has_too_little() {
    let fleet = Fleet::start_with_ledgers("fixture-refuel-root", 30 * T);
    pay_icp(&fleet, 2_000_000_000);
    fleet.quiet();
    minutes(&fleet, 12);
    let root = balance(&fleet);
    assert!((58 * T..61 * T).contains(&root), "{root}");
    let got = funding(&fleet).root.refuelled;
    let paid = 2_000_000_000 - account(&fleet, ICP_LEDGER);
    assert_eq!((paid - ICP_FEE) * RATE, got);
    fleet.audit().passes();
}

#[test]
fn a_root_whose_accounts_are_empty_says_so_and_asks_again_until_somebody_paid() {
    let fleet = Fleet::start_with_ledgers("fixture-refuel-root", 30 * T);
    fleet.quiet();
    let closed = refuels(&fleet);
    assert_eq!(closed.len(), 2, "one for each source: {closed:#?}");
    for op in &closed {
        assert_eq!(op.state, OperationState::RolledBack(RolledBack::Nothing));
        let failure = op.failure.as_deref().unwrap_or_default();
        assert!(failure.contains("holds 0"), "{failure}");
    }
    let info = funding(&fleet);
    assert_eq!((info.level, info.root.level), (Level::Warn, Level::Warn));
    let reason = info.root.reason.expect("a reason");
    assert!(reason.contains("accounts that it refuels from"), "{reason}");
    minutes(&fleet, 1);
    let lines = log(&fleet);
    let warning = lines
        .iter()
        .find(|line| line.starts_with("WARN canic: root has"));
    let icp = accounts(&fleet).icp;
    assert!(
        warning.is_some_and(|line| line.contains(&icp)),
        "{lines:#?}"
    );
    // The account is full an hour later. Root asks at most six hours after its last try.
    minutes(&fleet, 60);
    pay_cycles(&fleet, 100 * T);
    minutes(&fleet, 6 * 60);
    assert!(balance(&fleet) > 55 * T, "{:#?}", refuels(&fleet));
    assert_eq!(funding(&fleet).level, Level::Ok);
}

/// Refuels once while a fault fires, and checks that root paid exactly once.
fn pays_once(source: FuelSource, fault: Fault) {
    let fleet = Fleet::start_with_ledgers("fixture-refuel-root", 50 * T);
    pay_cycles(&fleet, 30 * T);
    pay_icp(&fleet, 1_000_000_000);
    fleet.quiet();
    let Some(control) = Control::of(&fleet.pic) else {
        return println!("skipped: this server can't fail on purpose");
    };
    control
        .inject(&fault.clone().caller(fleet.root))
        .expect("injected");
    let before = balance(&fleet);
    let answer = refuel(&fleet, source, 10 * T);
    minutes(&fleet, 3);
    assert_eq!(
        control.fired_faults().map(|all| all.len()),
        Ok(1),
        "{fault}"
    );
    let got = funding(&fleet).root.refuelled;
    assert!(
        (10 * T..10 * T + RATE).contains(&got),
        "{got} {answer:?} {fault}"
    );
    let risen = balance(&fleet) + T / 10 - before;
    assert!((10 * T..10 * T + T / 10 + RATE).contains(&risen), "{risen}");
    match source {
        FuelSource::Cycles => {
            assert_eq!(
                account(&fleet, CYCLES_LEDGER),
                20 * T - CYCLES_FEE,
                "{fault}"
            );
        }
        FuelSource::Icp => {
            let paid = 1_000_000_000 - account(&fleet, ICP_LEDGER);
            assert_eq!((paid - ICP_FEE) * RATE, got, "{fault}");
        }
    }
    let closed = refuels(&fleet);
    assert_eq!(closed.len(), 1, "{closed:#?}");
    assert_eq!(closed[0].state, OperationState::Done);
    fleet.audit().passes();
}

/// Ways in which root does not learn the reply.
fn losses() -> [Effect; 2] {
    [Effect::reject(RejectCode::SysUnknown), Effect::trap()]
}

#[test]
fn a_withdrawal_whose_reply_is_lost_is_paid_once() {
    for loss in losses() {
        let fault = Fault::on_answer(loss)
            .callee(CYCLES_LEDGER)
            .method("withdraw");
        pays_once(FuelSource::Cycles, fault);
    }
    // The ledger's own callback traps: root is told of an error, and the cycles have arrived.
    let fault = Fault::on_answer(Effect::trap()).method("deposit_cycles");
    let fault = Fault {
        caller: Some(CYCLES_LEDGER),
        ..fault
    };
    let fleet = Fleet::start_with_ledgers("fixture-refuel-root", 50 * T);
    pay_cycles(&fleet, 30 * T);
    fleet.quiet();
    let Some(control) = Control::of(&fleet.pic) else {
        return println!("skipped: this server can't fail on purpose");
    };
    control.inject(&fault).expect("injected");
    let answer = refuel(&fleet, FuelSource::Cycles, 10 * T);
    minutes(&fleet, 3);
    assert_eq!(control.fired_faults().map(|all| all.len()), Ok(1));
    assert_eq!(
        account(&fleet, CYCLES_LEDGER),
        20 * T - CYCLES_FEE,
        "{answer:?}"
    );
    assert_eq!(funding(&fleet).root.refuelled, 10 * T);
}

#[test]
fn icp_whose_transfer_or_notification_is_lost_is_paid_once() {
    for loss in losses() {
        let fault = Fault::on_answer(loss.clone())
            .callee(ICP_LEDGER)
            .method("transfer");
        pays_once(FuelSource::Icp, fault);
        let fault = Fault::on_answer(loss)
            .callee(CYCLES_MINTING)
            .method("notify_top_up");
        pays_once(FuelSource::Icp, fault);
    }
}

#[test]
fn a_payment_that_the_ledger_has_forgotten_is_looked_for_and_never_made_again() {
    for was_made in [true, false] {
        let fleet = Fleet::start_with_ledgers("fixture-refuel-root", 50 * T);
        pay_cycles(&fleet, 30 * T);
        fleet.quiet();
        let Some(control) = Control::of(&fleet.pic) else {
            return println!("skipped: this server can't fail on purpose");
        };
        // Unknown to root: the call ran and its answer is lost, or the call never ran.
        let unknown = Effect::reject(RejectCode::SysUnknown);
        let fault = match was_made {
            true => Fault::on_answer(unknown),
            false => Fault::on_call(unknown),
        };
        let fault = fault.caller(fleet.root).method("withdraw");
        control.inject(&fault).expect("injected");
        let submitted = fleet.submit(
            fleet.root,
            fleet.controller,
            "canic_refuel",
            (RefuelRequest {
                source: None,
                cycles: Some(10 * T),
            },),
        );
        for _ in 0..20 {
            fleet.pic.tick();
        }
        assert_eq!(control.fired_faults().map(|all| all.len()), Ok(1));
        // The ledger forgets a payment after a day.
        fleet.pic.advance_time(Duration::from_secs(3 * 86_400));
        minutes(&fleet, 3);
        let answer: Result<Refuelled, RefuelError> = fleet.answer(submitted);
        let closed = refuels(&fleet);
        let held = account(&fleet, CYCLES_LEDGER);
        if was_made {
            assert_eq!(held, 20 * T - CYCLES_FEE, "{closed:#?}");
            assert_eq!(funding(&fleet).root.refuelled, 10 * T);
            assert_eq!(closed[0].state, OperationState::Done, "{answer:?}");
        } else {
            assert_eq!(held, 30 * T, "{closed:#?}");
            assert_eq!(funding(&fleet).root.refuelled, 0);
            let failure = closed[0].failure.as_deref().unwrap_or_default();
            assert!(failure.contains("has lost nothing"), "{failure}");
        }
    }
}

#[test]
fn a_payment_goes_on_after_root_was_stopped_and_upgraded() {
    let fleet = Fleet::start_with_ledgers("fixture-refuel-root", 50 * T);
    pay_icp(&fleet, 10_000_000_000);
    fleet.quiet();
    let request = RefuelRequest {
        source: Some(FuelSource::Icp),
        cycles: Some(10 * T),
    };
    for rounds in 1..8 {
        let before = funding(&fleet).root.refuelled;
        let submitted = fleet.submit(fleet.root, fleet.controller, "canic_refuel", (request,));
        for _ in 0..rounds {
            fleet.pic.tick();
        }
        fleet
            .upgrade_root("fixture-refuel-root")
            .expect("root is stopped, and upgraded");
        minutes(&fleet, 2);
        drop(fleet.pic.await_call(submitted));
        let got = funding(&fleet).root.refuelled - before;
        assert!(
            (10 * T..10 * T + RATE).contains(&got) || got == 0,
            "{got} after {rounds} rounds"
        );
        assert!(fleet.open().is_empty());
    }
    let got = funding(&fleet).root.refuelled;
    let done = refuels(&fleet)
        .iter()
        .filter(|op| op.state == OperationState::Done)
        .count();
    let paid = 10_000_000_000 - account(&fleet, ICP_LEDGER);
    assert!(done > 0);
    assert_eq!(
        (paid - done as u128 * ICP_FEE) * RATE,
        got,
        "{done} refuels"
    );
}

#[test]
fn a_root_without_a_rule_refuels_when_a_controller_asks() {
    let fleet = Fleet::start_with_ledgers("fixture-bare-root", 20 * T);
    pay_cycles(&fleet, 30 * T);
    let got = refuel(&fleet, FuelSource::Cycles, 1_000 * T).expect("what the account has");
    assert_eq!(got.cycles, 30 * T - CYCLES_FEE);
    assert_eq!(account(&fleet, CYCLES_LEDGER), 0);
    let again = refuel(&fleet, FuelSource::Cycles, T);
    assert!(
        matches!(again, Err(RefuelError::Failed { .. })),
        "{again:?}"
    );
    let nothing = RefuelRequest {
        source: None,
        cycles: None,
    };
    let vague: Result<Refuelled, RefuelError> = fleet.command("canic_refuel", (nothing,));
    assert_eq!(vague, Err(RefuelError::NoAmount));
    let little = refuel(&fleet, FuelSource::Icp, 1);
    assert!(
        matches!(little, Err(RefuelError::TooLittle { .. })),
        "{little:?}"
    );
    let stranger: Result<Result<Refuelled, RefuelError>, _> =
        fleet.update(fleet.root, user(7), "canic_refuel", (nothing,));
    assert!(
        stranger.is_err(),
        "ingress inspection refuses a stranger: {stranger:?}"
    );
}

#[test]
fn where_there_are_no_ledgers_a_refuel_fails_and_says_why() {
    let fleet = Fleet::start("fixture-bare-root");
    let submitted = fleet.submit(
        fleet.root,
        fleet.controller,
        "canic_refuel",
        (RefuelRequest {
            source: Some(FuelSource::Cycles),
            cycles: Some(T),
        },),
    );
    minutes(&fleet, 3);
    let answer: Result<Refuelled, RefuelError> = fleet.answer(submitted);
    assert!(
        matches!(
            answer,
            Err(RefuelError::Pending { .. } | RefuelError::Failed { .. })
        ),
        "{answer:?}"
    );
    let closed = refuels(&fleet);
    assert_eq!(
        closed[0].state,
        OperationState::RolledBack(RolledBack::Nothing)
    );
}

#[test]
fn an_idle_root_without_a_rule_warns_in_time() {
    // Below 30 days: what it burns is little, so that its reserve is nearly all that it has.
    let fleet = Fleet::start_with("fixture-bare-root", T + 60_000_000_000);
    days(&fleet, 2);
    let info = funding(&fleet);
    let spent = info.root.spent_per_day.expect("two days have passed");
    assert!(spent > 0);
    let left = info.root.days_left.expect("it burns");
    assert!(left < 30.0 && info.level > Level::Ok, "{info:#?}");
    let dry_at = info.root.dry_at.expect("it burns");
    assert!(dry_at > fleet.pic.get_time().as_nanos_since_unix_epoch());
    let lines = log(&fleet);
    let warned = lines.iter().any(|line| line.contains("no `refuel(..)`"));
    assert!(warned, "{lines:#?}");
}
