//! The watch over members' cycles, and grants: by root itself, to controllers and to members.

use std::time::Duration;

use candid::Principal;
use canic::api::{
    GrantError, GrantLimit, GrantRequest, Granted, MemberInfo, MembersFilter, OperationKind,
    OperationState, OperationsFilter, ProvisionError, ProvisionRequest, Provisioned, Retirement,
};
use canic_fleet_tests::{Fleet, artifacts, user};
use ic_management_canister_types::CanisterSettings;

const B: u128 = 1_000_000_000;
const T: u128 = 1_000 * B;
const DAY: u64 = 86_400;

/// A fleet whose root holds so many cycles, with a module for each role.
fn funded(cycles: u128) -> Fleet {
    let fleet = Fleet::start_with("fixture-funded-root", cycles);
    for role in ["burner", "keeper", "sleepy"] {
        fleet.approve(role, &artifacts::burner(role));
    }
    fleet.quiet();
    fleet
}

fn member(fleet: &Fleet, role: &str, key: &str) -> Principal {
    let request = ProvisionRequest {
        role: role.to_string(),
        key: Some(key.to_string()),
        parent: None,
        arg: Vec::new(),
    };
    fleet.provision(&request).expect("a member").canister
}

fn grant(fleet: &Fleet, canister: Principal, cycles: u128) -> Result<Granted, GrantError> {
    fleet.command("canic_grant", (GrantRequest { canister, cycles },))
}

fn ask(fleet: &Fleet, member: Principal, cycles: u128) -> Result<Granted, GrantError> {
    let asked = fleet.update(member, fleet.controller, "ask", (cycles,));
    asked.unwrap_or_else(|reject| panic!("{reject}"))
}

fn ask_for(
    fleet: &Fleet,
    member: Principal,
    other: Principal,
    cycles: u128,
) -> Result<Granted, GrantError> {
    let asked = fleet.update(member, fleet.controller, "ask_for", (other, cycles));
    asked.unwrap_or_else(|reject| panic!("{reject}"))
}

/// Burns cycles of a member.
fn burn(fleet: &Fleet, member: Principal, cycles: u128) {
    let burned: Result<u128, _> = fleet.update(member, fleet.controller, "burn", (cycles,));
    burned.unwrap_or_else(|reject| panic!("{reject}"));
}

/// Burns all cycles of a member but those that its freezing threshold holds back, and so many.
fn burn_to(fleet: &Fleet, member: Principal, left: u128) {
    let status = status(fleet, member);
    let spendable = status.cycles - status.frozen;
    burn(fleet, member, spendable.saturating_sub(left));
}

struct Status {
    cycles: u128,
    frozen: u128,
    burn: u128,
}

fn status(fleet: &Fleet, member: Principal) -> Status {
    let status = fleet.pic.canister_status(member, Some(fleet.root));
    let status = status.unwrap_or_else(|reject| panic!("{reject}"));
    let number = |nat: candid::Nat| u128::try_from(nat.0).expect("it fits");
    let burn = number(status.idle_cycles_burned_per_day);
    let threshold = number(status.settings.freezing_threshold);
    Status {
        cycles: number(status.cycles),
        frozen: burn * threshold / u128::from(DAY),
        burn,
    }
}

/// Lets time pass in steps, with some rounds after each.
fn pass(fleet: &Fleet, seconds: u64) {
    let step = 3_600.min(seconds.max(1));
    for _ in 0..seconds.div_ceil(step) {
        fleet.pic.advance_time(Duration::from_secs(step));
        (0..4).for_each(|_| fleet.pic.tick());
    }
    (0..20).for_each(|_| fleet.pic.tick());
}

/// Grants that have ended well, oldest first: the canister, and what it got.
fn grants(fleet: &Fleet) -> Vec<(Principal, u128)> {
    let closed = fleet.operations(OperationsFilter::Closed).into_iter();
    closed
        .filter(|op| op.kind == OperationKind::Grant && op.state == OperationState::Done)
        .map(|op| (op.canister.expect("it has one"), op.paid))
        .collect()
}

fn members(fleet: &Fleet) -> Vec<MemberInfo> {
    fleet.members(&MembersFilter::All)
}

/// Seconds until the next midnight in UTC.
fn until_midnight(fleet: &Fleet) -> u64 {
    DAY - fleet.pic.get_time().as_nanos_since_unix_epoch() / 1_000_000_000 % DAY
}

#[test]
fn a_member_that_burns_is_funded_in_time_and_others_are_left_alone() {
    let fleet = funded(100 * T);
    let [poor, rich, sleepy] = [
        member(&fleet, "burner", "poor"),
        member(&fleet, "burner", "rich"),
        member(&fleet, "sleepy", "sleepy"),
    ];
    fleet.quiet();
    // Cycles for five days at rest.
    for member in [poor, sleepy] {
        let day = status(&fleet, member).burn;
        burn_to(&fleet, member, 5 * day);
    }
    let before = status(&fleet, rich).cycles;
    pass(&fleet, DAY);
    fleet.quiet();
    assert_eq!(
        grants(&fleet).iter().map(|(to, _)| *to).collect::<Vec<_>>(),
        [poor]
    );
    let now = status(&fleet, poor);
    assert!(now.cycles - now.frozen > 20 * now.burn, "it has weeks");
    assert!(status(&fleet, rich).cycles < before);
    fleet.audit().passes();
}

#[test]
fn a_stopped_member_gets_cycles_and_a_frozen_one_comes_back() {
    let fleet = funded(100 * T);
    let [stopped, frozen] = ["stopped", "frozen"].map(|key| member(&fleet, "keeper", key));
    for member in [stopped, frozen] {
        burn_to(&fleet, member, B);
    }
    let root = Some(fleet.root);
    fleet.pic.stop_canister(stopped, root).expect("it stops");
    // A threshold of a year freezes it.
    let settings = CanisterSettings {
        freezing_threshold: Some((365 * DAY).into()),
        ..Default::default()
    };
    fleet
        .pic
        .update_canister_settings(frozen, root, settings)
        .expect("root controls it");
    pass(&fleet, DAY);
    fleet.quiet();
    for member in [stopped, frozen] {
        let now = status(&fleet, member);
        assert!(now.cycles >= now.frozen + 1_400 * B, "{}", now.cycles);
    }
    burn(&fleet, frozen, B);
}

#[test]
fn controllers_grant_what_the_limits_allow_and_nobody_else_does() {
    let fleet = funded(100 * T);
    let [keeper, sleepy] = ["keeper", "sleepy"].map(|role| member(&fleet, role, "one"));
    let before = status(&fleet, sleepy).cycles;
    let granted = grant(&fleet, sleepy, 3 * T).expect("a grant");
    assert_eq!(granted.cycles, 3 * T);
    assert!(status(&fleet, sleepy).cycles > before + 3 * T - B);
    assert_eq!(grants(&fleet), [(sleepy, 3 * T)]);
    for cycles in [0, 1, 100 * B - 1, 12 * T + 1, u128::MAX] {
        let refused = grant(&fleet, keeper, cycles);
        let (min, max) = (100 * B, 12 * T);
        assert_eq!(refused, Err(GrantError::InvalidAmount { cycles, min, max }));
    }
    let refused = grant(&fleet, keeper, 10 * T);
    let Err(GrantError::LimitReached {
        limit, max, left, ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((limit, max, left), (GrantLimit::Budget, 12 * T, 9 * T));
    let stranger = fleet.stranger_canister(fleet.controller);
    for canister in [stranger, fleet.root, user(1), Principal::anonymous()] {
        let refused = grant(&fleet, canister, T);
        assert_eq!(refused, Err(GrantError::NotAMember { canister }));
    }
    let request = GrantRequest {
        canister: keeper,
        cycles: T,
    };
    let denied: Result<Result<Granted, GrantError>, _> =
        fleet.update(fleet.root, user(1), "canic_grant", (request,));
    assert!(
        denied.is_err(),
        "the ingress inspection turns strangers away"
    );
    fleet.audit().passes();
}

#[test]
fn members_ask_for_themselves_and_their_children_and_get_no_more_than_their_role_names() {
    let fleet = funded(100 * T);
    let hub = member(&fleet, "burner", "hub");
    let other = member(&fleet, "burner", "other");
    let child: Result<Provisioned, ProvisionError> = fleet
        .update(hub, fleet.controller, "hire", ("keeper", "child"))
        .expect("it answers");
    let child = child.expect("a child").canister;
    // The child may have 1.5 T.
    let granted = ask_for(&fleet, hub, child, 5 * T);
    assert!(
        matches!(granted, Err(GrantError::InvalidAmount { .. })),
        "{granted:?}"
    );
    let granted = ask_for(&fleet, hub, child, 2 * T).expect("a grant");
    let now = status(&fleet, child);
    let level = now.cycles - now.frozen;
    assert!(
        granted.cycles < 600 * B && level.abs_diff(1_500 * B) < B,
        "{granted:?}"
    );
    let enough = ask(&fleet, child, T);
    assert!(
        matches!(enough, Err(GrantError::Enough { .. })),
        "{enough:?}"
    );
    burn_to(&fleet, child, 600 * B);
    let granted = ask(&fleet, child, 100 * B).expect("a grant");
    assert_eq!(granted.cycles, 100 * B);
    for (by, of) in [(other, child), (child, hub), (other, hub)] {
        let denied = ask_for(&fleet, by, of, T);
        assert!(matches!(denied, Err(GrantError::Denied(_))), "{denied:?}");
    }
    let sleepy = member(&fleet, "sleepy", "one");
    assert_eq!(
        ask(&fleet, sleepy, T),
        Err(GrantError::NotFunded {
            role: "sleepy".to_string()
        })
    );
    fleet.audit().passes();
}

#[test]
fn one_member_gets_twice_its_level_a_day_however_often_it_asks() {
    let fleet = funded(100 * T);
    let keeper = member(&fleet, "keeper", "one");
    let mut got = 0;
    let refused = loop {
        burn_to(&fleet, keeper, 400 * B);
        match ask(&fleet, keeper, T) {
            Ok(granted) => got += granted.cycles,
            Err(refused) => break refused,
        }
        assert!(got <= 3 * T, "{got}");
    };
    assert_eq!(got, 3 * T);
    let GrantError::LimitReached {
        limit, retry_after, ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(limit, GrantLimit::Member);
    assert!(retry_after.abs_diff(until_midnight(&fleet)) < 60);
    fleet.pic.advance_time(Duration::from_secs(retry_after));
    fleet.pic.tick();
    ask(&fleet, keeper, T).expect("it is another day");
}

#[test]
fn a_budget_for_ten_of_a_hundred_is_spent_to_the_day_and_goes_on_at_midnight() {
    const MEMBERS: usize = 100;
    let fleet = funded(400 * T);
    let members: Vec<Principal> = (0..MEMBERS)
        .map(|number| member(&fleet, "keeper", &format!("keeper {number}")))
        .collect();
    fleet.quiet();
    for member in &members {
        burn_to(&fleet, *member, 300 * B);
    }
    let start = until_midnight(&fleet);
    pass(&fleet, start.max(8 * 3_600) - 600);
    // Each needs 1.2 T: a day has 12 T.
    let first: u128 = grants(&fleet).iter().map(|(_, cycles)| cycles).sum();
    assert!((11 * T..=24 * T).contains(&first), "{first}");
    let mut days = Vec::new();
    for _ in 0..3 {
        let before: u128 = grants(&fleet).iter().map(|(_, cycles)| cycles).sum();
        pass(&fleet, DAY);
        let after: u128 = grants(&fleet).iter().map(|(_, cycles)| cycles).sum();
        days.push(after - before);
    }
    for day in &days {
        assert!((11 * T..=12 * T).contains(day), "{days:?}");
    }
    let mut served: Vec<Principal> = grants(&fleet).iter().map(|(to, _)| *to).collect();
    served.sort_unstable();
    served.dedup();
    assert!(served.len() >= 36, "each day it is the turn of others");
    fleet.audit().passes();
}

#[test]
fn root_keeps_its_reserve_and_goes_on_once_it_has_cycles() {
    let fleet = funded(8 * T);
    let keeper = member(&fleet, "keeper", "one");
    fleet.quiet();
    burn_to(&fleet, keeper, 50 * B);
    let balance = || fleet.pic.cycle_balance(fleet.root);
    // Whatever is there for others goes to somebody else first.
    let sleepy = member(&fleet, "sleepy", "one");
    let rest = balance() - 2 * T - 200 * B;
    if rest > 100 * B {
        grant(&fleet, sleepy, rest).expect("a grant");
    }
    let refused = grant(&fleet, sleepy, T);
    assert!(
        matches!(
            refused,
            Err(GrantError::LimitReached {
                limit: GrantLimit::Reserve,
                retry_after: 3_600,
                ..
            })
        ),
        "{refused:?}"
    );
    pass(&fleet, DAY);
    assert!(balance() >= 2 * T, "{}", balance());
    fleet.pic.add_cycles(fleet.root, 20 * T);
    pass(&fleet, DAY);
    let now = status(&fleet, keeper);
    let told = fleet.operations(OperationsFilter::Closed);
    assert!(
        now.cycles > now.frozen + 1_400 * B,
        "{} {told:#?}",
        now.cycles
    );
}

#[test]
fn the_watch_survives_an_upgrade_of_root() {
    let fleet = funded(100 * T);
    let keeper = member(&fleet, "keeper", "one");
    pass(&fleet, DAY);
    fleet.quiet();
    burn_to(&fleet, keeper, 300 * B);
    fleet.upgrade_root("fixture-funded-root").expect("upgraded");
    // It is due within a week, although nothing else happens.
    pass(&fleet, 8 * DAY);
    let now = status(&fleet, keeper);
    assert!(now.cycles > now.frozen + 1_400 * B, "{}", now.cycles);
    fleet.audit().passes();
}

#[test]
fn a_member_is_not_retired_under_a_grant() {
    let fleet = funded(100 * T);
    let sleepy = member(&fleet, "sleepy", "one");
    fleet.quiet();
    let request = GrantRequest {
        canister: sleepy,
        cycles: T,
    };
    let granted = fleet.submit(fleet.root, fleet.controller, "canic_grant", (request,));
    let retired = fleet.retire(sleepy, Retirement::Delete);
    let granted: Result<Granted, GrantError> = fleet.answer(granted);
    assert_eq!(granted.map(|granted| granted.cycles), Ok(T));
    if retired.is_err() {
        fleet.retire(sleepy, Retirement::Delete).expect("now it is");
    }
    assert!(members(&fleet).is_empty());
    fleet.audit().passes();
}
