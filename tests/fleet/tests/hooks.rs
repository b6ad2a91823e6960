//! The author's hooks: their order, their failures, and the identity that they find.

use std::time::Duration;

use candid::{Principal, encode_args};
use canic::api::{MembersFilter, ProvisionError, ProvisionRequest, Source};
use canic_fleet_tests::{Fleet, artifacts, user};

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
fn hooks_run_in_order_through_the_life_of_a_member() {
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
    let installed = ["init hello true true", "start Some(\"hooks\")"];
    assert_eq!(diary(), installed);

    let module = artifacts::module("fixture-hooks");
    let nothing = encode_args(()).expect("encoded");
    fleet
        .pic
        .upgrade_canister(member, module, nothing, Some(fleet.root))
        .expect("upgraded");
    fleet.quiet();
    let upgraded = ["pre_upgrade", "post_upgrade", "start Some(\"hooks\")"];
    assert_eq!(diary(), [&installed[..], &upgraded[..]].concat());

    let heartbeats: u64 = fleet
        .query(member, user(1), "heartbeats", ())
        .expect("it answers");
    assert!(heartbeats > 0, "the heartbeat runs");
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
fn a_start_that_fails_is_retried() {
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
fn a_start_that_traps_is_retried() {
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
        // `start` succeeds once, and does not run again.
        assert_eq!(diary(&fleet, member), [first.as_str(), STARTED]);
        fleet.quiet();
        fleet.audit().passes();
    }
}

#[test]
fn timers_of_the_author_and_of_canic_run_side_by_side() {
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
fn the_authors_inspect_message_decides_on_its_endpoints() {
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
fn inspection_rejects_denied_callers_even_if_the_author_accepts_them() {
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
    for caller in [user(1), user(2)] {
        let (served, paid) = cost(caller);
        assert!(!served);
        // Heartbeats cost less than the bound.
        assert!(paid < 500_000, "{paid} cycles by {caller}");
    }
    assert!(cost(fleet.root).0, "a controller is served");
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn the_reason_of_an_init_that_fails_or_traps_is_answered() {
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
fn a_singleton_is_provisioned_once() {
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
