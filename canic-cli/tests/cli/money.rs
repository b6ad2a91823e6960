//! What the fleet costs: root's funding, and members' cycles as the platform sees them.

use std::time::Duration;

use candid::Principal;
use canic::api::{GrantError, GrantRequest, Granted, ProvisionRequest};
use canic_fleet_tests::{Fleet, artifacts};
use expect_test::expect;

use crate::{
    common::{Live, without_times},
    releases::three_members,
};

const B: u128 = 1_000_000_000;

fn provision(fleet: &Fleet, role: &str) -> Principal {
    fleet.approve(role, &artifacts::burner(role));
    let request = ProvisionRequest {
        role: role.to_string(),
        key: None,
        parent: None,
        arg: Vec::new(),
    };
    fleet.provision(&request).expect("a member").canister
}

/// Two members, a grant, and two days of watching.
fn two_days(fleet: &Fleet) {
    let canister = provision(fleet, "burner");
    provision(fleet, "sleepy");
    fleet.quiet();
    let request = GrantRequest {
        canister,
        cycles: 500 * B,
    };
    let granted: Result<Granted, GrantError> = fleet.command("canic_grant", (request,));
    granted.expect("it is within the limits");
    for _ in 0..50 {
        fleet.pic.advance_time(Duration::from_secs(3_600));
        for _ in 0..10 {
            fleet.pic.tick();
        }
    }
    fleet.quiet();
}

#[test]
fn costs_tell_a_day_by_role_the_days_left_grants_and_refusals() {
    let hours = Duration::from_secs(51 * 3_600);
    let live = Live::start_ago("fixture-funded-root", hours, two_days);
    expect![[r#"
        root lxzze-o7777-77777-aaaaa-cai, ok
        cycles CYCLES to spend, above a reserve of CYCLES
        a day CYCLES leave root
        left AGE: root is at its reserve on DATE
        refuel none: root gets no cycles by itself
        accounts at the cycles ledger lxzze-o7777-77777-aaaaa-cai
                  at the ICP ledger HASH
        budget 0 of CYCLES today

        ROLE MEMBERS SEEN A DAY LEFT LEVEL FROZEN REFUSED
        burner 1 1 CYCLES > AGE ok 0 0
        sleepy 1 1 CYCLES > AGE ok 0 0

        GRANTED ON GRANTS REFUSALS CYCLES FOR
        DATE 1 0 CYCLES controller CYCLES
    "#]]
    .assert_eq(&live.canic("costs").text());
    expect![[r#"
        {
          "budget": "12000000000000",
          "charged_today": "0",
          "days": [
            {
              "day": "..",
              "granted": {
                "controller": "500000000000"
              },
              "grants": 1,
              "refusals": 0
            }
          ],
          "level": "ok",
          "refused": [],
          "roles": [
            {
              "burned_per_day": "..",
              "days_left": null,
              "frozen": 0,
              "level": "ok",
              "members": 1,
              "refused": 0,
              "role": "burner",
              "seen": 1
            },
            {
              "burned_per_day": "..",
              "days_left": null,
              "frozen": 0,
              "level": "ok",
              "members": 1,
              "refused": 0,
              "role": "sleepy",
              "seen": 1
            }
          ],
          "root": {
            "available": "..",
            "cycles_account": {
              "owner": "lxzze-o7777-77777-aaaaa-cai",
              "subaccount": null
            },
            "days_left": "..",
            "dry_at": "..",
            "icp_account": "3054429aa2a1200d41bbc5fd3f1429b8b3b11db61f40552ecfbfdd354fbdf3e0",
            "level": "ok",
            "reason": null,
            "refuel": null,
            "refuelled": "0",
            "reserve": "2000000000000",
            "root": "lxzze-o7777-77777-aaaaa-cai",
            "spent_per_day": ".."
          }
        }
    "#]]
    .assert_eq(&without_times(live.json("costs")));
    let roles = |line: &str| {
        let costs = live.json(line);
        let rows = costs["roles"].as_array().expect("rows").iter();
        rows.map(|row| row["role"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(roles("costs --role sleepy"), ["sleepy"]);
    // What burns most comes first.
    assert_eq!(roles("costs --sort burn"), ["burner", "sleepy"]);
    let status = live.json("status");
    assert_eq!(status["funding"]["level"], "ok");
    assert!(status["funding"]["spent_per_day"].is_string(), "{status}");
    assert_eq!(status["roles"][0]["funding"]["seen"], 1);
}

#[test]
fn members_are_shown_and_sorted_as_the_platform_sees_them() {
    let live = Live::start("fixture-bare-root", three_members);
    let fleet = &live.fleet;
    let listed = live.json("members --sort key");
    let member = |at: usize| {
        let id = listed["members"][at]["canister"]
            .as_str()
            .expect("a member");
        Principal::from_text(id).expect("a principal")
    };
    fleet
        .pic
        .stop_canister(member(1), Some(fleet.root))
        .expect("stopped");
    fleet.pic.add_cycles(member(0), 1_000 * B);
    fleet
        .pic
        .set_controllers(member(2), Some(fleet.root), vec![Principal::anonymous()])
        .expect("root may");
    // The member that can't be seen comes first, then the poorest.
    expect![[r#"
        CANISTER ROLE RELEASE STATE CYCLES A DAY LEFT KEY AGE
        l62sy-yx777-77777-aaabq-cai releases 1 active, unseen - - - member 3 AGE
        lz3um-vp777-77777-aaaba-cai releases 1 active, stopped CYCLES CYCLES AGE member 2 AGE
        lqy7q-dh777-77777-aaaaq-cai releases 1 active CYCLES CYCLES AGE member 1 AGE
    "#]]
    .assert_eq(&live.canic("members --sort cycles").text());
    let seen = live.json("members --sort days");
    assert_eq!(seen["members"][0]["live"], serde_json::Value::Null);
    assert_eq!(seen["members"][1]["live"]["run"], "stopped");
    assert_eq!(
        seen["members"][2]["canister"],
        listed["members"][0]["canister"]
    );
    expect![[r#"
        root lxzze-o7777-77777-aaaaa-cai
        cycles CYCLES, of which root can spend CYCLES
        at rest it burns CYCLES a day, with BYTES; > 10 y until it freezes
        funding ok; root has not yet watched itself for a day
        members 3
        pool 0 ready, 0 claimed
        operations 0 open

        ROLE MEMBERS CURRENT CANDIDATE ON ANOTHER RELEASE A DAY LEFT LEVEL
        releases 3 1 - 0 - - ok

        ROLE RUNNING STOPPING STOPPED UNSEEN ANOTHER MODULE CYCLES A DAY AT REST LEFT POOREST
        releases 1 0 1 1 0 CYCLES CYCLES AGE lz3um-vp777-77777-aaaba-cai
    "#]]
    .assert_eq(&live.canic("status --live").text());
    let record = live.json("members --on-record");
    assert_eq!(record["members"][0]["live"], serde_json::Value::Null);
    expect![[r#"
        canic: `--on-record` leaves out what the members are to be sorted by
        Leave one of the two out.
    "#]]
    .assert_eq(&live.canic("members --on-record --sort burn").fails(2));
}

/// No list of 10,000 rows is asked for more than is shown.
#[test]
fn a_page_of_members_asks_the_platform_for_its_own_rows_only() {
    let live = Live::start("fixture-bare-root", |fleet| {
        fleet.pic.add_cycles(fleet.root, 1_000_000 * B);
        three_members(fleet);
        let member = |number: usize| ProvisionRequest {
            role: "releases".to_string(),
            key: Some(format!("more {number:03}")),
            parent: None,
            arg: Vec::new(),
        };
        for number in 0..117 {
            fleet.provision(&member(number)).expect("a member");
        }
        fleet.quiet();
    });
    let calls = |line: &str| {
        let ran = live.canic(&format!("{line} --verbose"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr
    };
    // One page of 120 records, then pages of 90 live states.
    assert_eq!(calls("members --on-record"), "1 calls\n");
    assert_eq!(calls("members --limit 10"), "2 calls\n");
    assert_eq!(calls("members --limit 0"), "3 calls\n");
    assert_eq!(calls("members --sort days --limit 1"), "3 calls\n");
    assert_eq!(calls("tree --on-record"), "1 calls\n");
    assert_eq!(calls("tree --limit 0"), "3 calls\n");
    let status = calls("status");
    assert_eq!(status, "7 calls\n", "no call for each member");
    // The list of members, and the pages of their live states.
    assert_eq!(calls("status --live"), "10 calls\n");
}
