//! The author's hooks: when they run, and what is known by then.

use candid::{Principal, encode_args};
use canic::api::{MembersFilter, ProvisionError, ProvisionRequest, Source};
use canic_fleet_tests::{Fleet, artifacts, user};
use std::time::Duration;

fn request(greeting: &str) -> ProvisionRequest {
    ProvisionRequest {
        role: "hooks".into(),
        key: None,
        parent: None,
        arg: encode_args((greeting,)).expect("encoded"),
    }
}

fn fleet() -> Fleet {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hooks", &artifacts::module("fixture-hooks"));
    fleet
}

#[test]
fn they_run_in_order_through_a_members_life() {
    let fleet = fleet();
    let member = fleet
        .provision(&request("hello"))
        .expect("a member")
        .canister;
    fleet.quiet();
    let diary = || -> Vec<String> {
        fleet
            .query(member, user(1), "diary", ())
            .expect("it answers")
    };
    // `init` knows that there is a root, and that root is the parent.
    let born = ["init hello true true", "start Some(\"hooks\")"];
    assert_eq!(diary(), born);

    let module = artifacts::module("fixture-hooks");
    let nothing = encode_args(()).expect("encoded");
    fleet
        .pic
        .upgrade_canister(member, module, nothing, Some(fleet.root))
        .expect("upgraded");
    fleet.quiet();
    let upgraded = ["pre_upgrade", "post_upgrade", "start Some(\"hooks\")"];
    assert_eq!(diary(), [&born[..], &upgraded[..]].concat());

    let heartbeats: u64 = fleet
        .query(member, user(1), "heartbeats", ())
        .expect("it answers");
    assert!(heartbeats > 0, "the heart beats");
    fleet.audit().passes();
}

fn diary(fleet: &Fleet, member: Principal) -> Vec<String> {
    fleet
        .query(member, user(1), "diary", ())
        .expect("it answers")
}

fn member(fleet: &Fleet, greeting: &str) -> Principal {
    let member = fleet.provision(&request(greeting)).expect("a member");
    member.canister
}

const STARTED: &str = "start Some(\"hooks\")";

#[test]
fn a_start_that_refuses_is_asked_again() {
    let fleet = fleet();
    let member = member(&fleet, "later");
    fleet.quiet();
    let expected = [
        "init later true true",
        "start refuses",
        "start refuses",
        STARTED,
    ];
    assert_eq!(diary(&fleet, member), expected);
    fleet.audit().passes();
}

#[test]
fn a_start_that_traps_is_asked_again() {
    for greeting in ["trap", "trap later"] {
        let fleet = fleet();
        let member = member(&fleet, greeting);
        let first = format!("init {greeting} true true");
        assert_eq!(diary(&fleet, member), [first.as_str()]);
        fleet.until("start has succeeded", |fleet| {
            diary(fleet, member).len() > 1
        });
        for _ in 0..100 {
            fleet.pic.advance_time(Duration::from_secs(2));
            fleet.pic.tick();
        }
        // Once, and never again.
        assert_eq!(diary(&fleet, member), [first.as_str(), STARTED]);
        fleet.quiet();
        fleet.audit().passes();
    }
}

#[test]
fn timers_of_the_author_and_of_canic_live_side_by_side() {
    let fleet = fleet();
    let member = member(&fleet, "tick");
    fleet.until("the author's timer has run five times", |fleet| {
        let entries = diary(fleet, member);
        entries.iter().filter(|entry| *entry == "tick").count() == 5
    });
    let entries = diary(&fleet, member);
    let others: Vec<&String> = entries.iter().filter(|entry| *entry != "tick").collect();
    assert_eq!(
        others,
        [
            "init tick true true",
            "start refuses",
            "start refuses",
            STARTED
        ]
    );
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn inspect_message_is_the_authors() {
    let fleet = fleet();
    let member = fleet
        .provision(&request("hello"))
        .expect("a member")
        .canister;
    let nothing = encode_args(()).expect("encoded");
    let wanted = fleet
        .pic
        .update_call(member, user(1), "wanted", nothing.clone());
    assert!(wanted.is_ok(), "{wanted:?}");
    let unwanted = fleet.pic.update_call(member, user(1), "unwanted", nothing);
    assert!(unwanted.is_err(), "{unwanted:?}");
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn what_an_endpoint_refuses_is_turned_away_whatever_the_author_says() {
    let fleet = fleet();
    let member = fleet
        .provision(&request("hello"))
        .expect("a member")
        .canister;
    fleet.quiet();
    let nothing = encode_args(()).expect("encoded");
    let cost = |caller| {
        let before = fleet.pic.cycle_balance(member);
        let answer = fleet
            .pic
            .update_call(member, caller, "reserved", nothing.clone());
        (answer.is_ok(), before - fleet.pic.cycle_balance(member))
    };
    // The first time it runs, and refuses by itself.
    let (_, paid) = cost(user(1));
    assert!(paid > 1_000_000, "{paid} cycles");
    for caller in [user(1), user(2)] {
        let (served, paid) = cost(caller);
        assert!(!served);
        // Beating hearts cost as much as that.
        assert!(paid < 500_000, "{paid} cycles by {caller}");
    }
    assert!(cost(fleet.root).0, "a controller is served");
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn an_init_that_refuses_or_traps_says_why() {
    let fleet = fleet();
    for (greeting, why) in [
        ("", "a greeting is needed"),
        ("go away", "that is no greeting"),
    ] {
        let error = fleet.provision(&request(greeting)).expect_err(why);
        let ProvisionError::InstallFailed { reason, .. } = error else {
            panic!("{error:?}")
        };
        assert!(reason.contains(why), "{reason}");
    }
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_singleton_is_one_whoever_asks() {
    let fleet = fleet();
    let first = fleet.provision(&request("hello")).expect("a member");
    let second = fleet
        .provision(&request("hello again"))
        .expect("the same member");
    assert_eq!(
        (second.canister, second.source),
        (first.canister, Source::Existing)
    );
    assert_eq!(fleet.members(&MembersFilter::All).len(), 1);
    fleet.quiet();
    fleet.audit().passes();
}
