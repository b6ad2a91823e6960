//! The commands that look.

use candid::Principal;
use expect_test::expect;
use serde_json::Value;

use crate::{
    common::without_times,
    fleets::{self, argument},
};

#[test]
fn a_fleet_is_shown_as_text_and_as_json() {
    let live = fleets::notebooks(3);
    expect![[r#"
        root lxzze-o7777-77777-aaaaa-cai
        cycles CYCLES, of which root can spend CYCLES
        at rest it burns CYCLES a day, with BYTES; > 10 y until it freezes
        funding ok; root has not yet watched itself for a day
        members 3
        pool 3 ready, 0 claimed
        operations 0 open

        ROLE MEMBERS CURRENT CANDIDATE ON ANOTHER RELEASE A DAY LEFT LEVEL
        worker 3 1 - 0 - - ok
    "#]]
    .assert_eq(&live.canic("status").text());
    expect![[r#"
        {
          "cycles": {
            "available": "..",
            "balance": ".."
          },
          "funding": {
            "days_left": null,
            "dry_at": null,
            "level": "ok",
            "reason": null,
            "spent_per_day": null
          },
          "live": {
            "burned_per_day": "..",
            "cycles": "..",
            "days_left": "..",
            "frozen": "..",
            "memory": "..",
            "run": "running"
          },
          "members": 3,
          "operations": {
            "oldest": 0,
            "open": 0,
            "quarantined": 0,
            "queued": 0
          },
          "pool": {
            "claimed": 0,
            "ready": 3
          },
          "roles": [
            {
              "candidate": null,
              "current": 1,
              "funding": {
                "burned_per_day": "..",
                "days_left": null,
                "frozen": 0,
                "level": "ok",
                "members": 3,
                "refused": 0,
                "role": "worker",
                "seen": 0
              },
              "live": null,
              "members": 3,
              "other_release": 0,
              "role": "worker"
            }
          ],
          "rollouts": [],
          "root": "lxzze-o7777-77777-aaaaa-cai",
          "unknown": [],
          "unwell": {}
        }
    "#]]
    .assert_eq(&without_times(live.json("status")));
    expect![[r#"
        lxzze-o7777-77777-aaaaa-cai 3 members
          lqy7q-dh777-77777-aaaaq-cai worker 1 user 1
          lz3um-vp777-77777-aaaba-cai worker 1 user 2
          lm4fb-uh777-77777-aaacq-cai worker 1 user 3
    "#]]
    .assert_eq(&live.canic("tree").text());
    expect![[r#"
        CANISTER ROLE RELEASE STATE CYCLES A DAY LEFT KEY AGE
        lqy7q-dh777-77777-aaaaq-cai worker 1 active CYCLES CYCLES AGE user 1 AGE
        lz3um-vp777-77777-aaaba-cai worker 1 active CYCLES CYCLES AGE user 2 AGE
        lm4fb-uh777-77777-aaacq-cai worker 1 active CYCLES CYCLES AGE user 3 AGE
    "#]]
    .assert_eq(&live.canic("members --sort key").text());
    expect![[r#"
        {
          "matching": 1,
          "members": [
            {
              "canister": "lz3um-vp777-77777-aaaba-cai",
              "key": "user 2",
              "live": {
                "burned_per_day": "..",
                "cycles": "..",
                "days_left": "..",
                "frozen": "..",
                "memory": "..",
                "run": "running"
              },
              "module": "..",
              "operation": 4,
              "parent": "lxzze-o7777-77777-aaaaa-cai",
              "release": 1,
              "role": "worker",
              "runs_release": true,
              "since": "..",
              "state": "active",
              "unseen": null
            }
          ],
          "skipped": 0,
          "unknown": []
        }
    "#]]
    .assert_eq(&without_times(live.json("members --key 2")));
    expect![[r#"
        CANISTER CYCLES AT FIRST STATE AGE REFUSALS REASON
        l62sy-yx777-77777-aaabq-cai CYCLES CYCLES ready AGE 0 -
        ll5dv-z7777-77777-aaaca-cai CYCLES CYCLES ready AGE 0 -
        lf7o5-cp777-77777-aaada-cai CYCLES CYCLES ready AGE 0 -
    "#]]
    .assert_eq(&live.canic("pool").text());
    let on_record = live.json("pool --on-record");
    assert_eq!(on_record["pool"][0]["live"], serde_json::Value::Null);
    let canister = Principal::from_text("ll5dv-z7777-77777-aaaca-cai").expect("a principal");
    live.fleet.pic.add_cycles(canister, 5_000_000_000_000);
    let richest = live.json("pool --sort cycles")["pool"][2].clone();
    assert_eq!(richest["canister"], canister.to_text());
    let cycles = live.fleet.pic.cycle_balance(canister).to_string();
    assert_eq!(richest["live"]["cycles"], cycles);
    assert_ne!(richest["cycles"], cycles);
    let claimed = live.json("pool --state claimed");
    assert_eq!(claimed["matching"], 0);
    let page = live.json("pool --sort cycles --skip 1 --limit 1");
    assert_eq!(
        (page["pool"].as_array().map(Vec::len), &page["matching"]),
        (Some(1), &3.into())
    );
    let page = live.canic("pool --limit 2").text();
    assert!(page.ends_with("1 to 2 of 3 canisters; more with `--skip 2` or `--limit 0`\n"));
    expect![[r#"
        no operations
    "#]]
    .assert_eq(&live.canic("ops").text());
    expect![[r#"
        ID KIND STATE CANISTER ROLE TRIES CALLS AGE DETAIL
         7 provision done lm4fb-uh777-77777-aaacq-cai worker 0 2 AGE
         4 provision done lz3um-vp777-77777-aaaba-cai worker 0 1 AGE
         3 provision done lqy7q-dh777-77777-aaaaq-cai worker 0 1 AGE
    "#]]
    .assert_eq(&live.canic("ops --state all --kind provision").text());
    expect![[r#"
        operation 3 (provision)
        state done
        canister lqy7q-dh777-77777-aaaaq-cai
        role worker
        key user 1
        parent lxzze-o7777-77777-aaaaa-cai
        release 1
        source pool
        calls 1
        accepted AGE ago
        updated AGE ago
    "#]]
    .assert_eq(&live.canic("op 3").text());
    expect![[r#"
        {
          "accepted": "..",
          "attempts": 0,
          "calls": 1,
          "canister": "lqy7q-dh777-77777-aaaaq-cai",
          "detail": null,
          "failure": null,
          "id": 3,
          "key": "user 1",
          "kind": "provision",
          "paid": "..",
          "parent": "lxzze-o7777-77777-aaaaa-cai",
          "release": 1,
          "role": "worker",
          "source": "pool",
          "state": "done",
          "updated": ".."
        }
    "#]]
    .assert_eq(&without_times(live.json("op 3")));
    expect![[r#"
        canic_members{role="worker"} 3
        canic_members_unwell{condition="stopped"} 0
        canic_members_unwell{condition="frozen"} 0
        canic_members_unwell{condition="unseen"} 0
        canic_members_unwell{condition="refused"} 0
        canic_members_unwell{condition="slow"} 0
    "#]]
    .assert_eq(&live.canic("metrics --name canic_members").text());
    let labelled = live.canic("metrics --name canic_members --label role=worker");
    assert_eq!(labelled.text().lines().count(), 1);
    assert!(
        live.canic("metrics --label role")
            .fails(2)
            .contains("role=worker")
    );
    let by_key = live.json("ops --state all --kind provision --key 2");
    assert_eq!(by_key["operations"][0]["key"], "user 2");
    assert_eq!(by_key["matching"], 1);
    let matching = |line: &str| live.json(line)["matching"].clone();
    // Refills of the pool have neither parent nor release.
    assert_eq!(matching("ops --state all --parent root"), 3);
    assert_eq!(matching("ops --state all --release 1"), 3);
    assert_eq!(matching("ops --state all --release 2"), 0);
    let parent = by_key["operations"][0]["canister"].as_str();
    let line = format!("ops --state all --parent {}", parent.expect("a canister"));
    assert_eq!(matching(&line), 0);
    let ids = |line: &str| {
        let rows = live.json(line);
        let rows = rows["operations"].as_array().expect("rows").iter();
        rows.map(|row| row["id"].as_u64()).collect::<Vec<_>>()
    };
    let provisions = "ops --state all --kind provision";
    assert_eq!(
        ids(&format!("{provisions} --sort oldest")),
        [Some(3), Some(4), Some(7)]
    );
    assert_eq!(
        ids(&format!("{provisions} --sort calls --limit 1")),
        [Some(7)]
    );
    let releases = live.json("releases worker");
    assert_eq!(releases["releases"][0]["members"], 3);
    assert_eq!(releases["releases"][0]["current"], true);
    let text = live.canic("releases").text();
    assert!(text.contains("worker 1 current 3"), "{text}");
    let log = live.canic("logs --grep Provision").text();
    assert!(
        log.contains("INFO canic: operation 3 (Provision) is done"),
        "{log}"
    );
    let last = live.canic("logs --grep Provision --tail 1").text();
    assert_eq!(Some(last.trim_end()), log.lines().last());
    expect![[r#"
        canic: `user` is no principal: Text must be in valid Base32 encoding.
        A canister is PRINCIPAL; a member is PRINCIPAL or ROLE/KEY.
    "#]]
    .assert_eq(&live.canic("logs user").fails(2));
    let wrong = live.canic("ops --kind provisions").fails(2);
    assert!(
        wrong.contains("possible values: provision, refill"),
        "{wrong}"
    );
    let one = live.json("status --role nobody");
    assert_eq!(
        (&one["members"], &one["roles"]),
        (&3.into(), &Value::Array(vec![]))
    );
    for method in [
        ("logs", "fetch_canister_logs"),
        ("metrics", "canic_metrics"),
    ] {
        let (command, method) = method;
        let message = live.run(&[command, "worker/user 1"]).fails(6);
        let wanted = format!("`{method}` of lqy7q-dh777-77777-aaaaq-cai: root controls it");
        assert!(message.contains(&wanted), "{message}");
    }
}

#[test]
fn a_tree_shows_what_was_asked_for_below_its_parents() {
    let live = fleets::hubs(&[("of a", "hub/a"), ("of b", "hub/b")]);
    expect![[r#"
        lxzze-o7777-77777-aaaaa-cai 1 of 4 members
          lz3um-vp777-77777-aaaba-cai hub 1 b 1 child
            ll5dv-z7777-77777-aaaca-cai worker 1 of b
    "#]]
    .assert_eq(&live.canic("tree --role worker --key b --release 1").text());
    let nodes = |line: &str| {
        let rows = live.json(line);
        let rows = rows["nodes"].as_array().expect("rows").iter();
        let name = |row: &Value| format!("{}/{}", row["role"], row["key"]).replace('"', "");
        rows.map(|row| (name(row), row["matches"] == true))
            .collect::<Vec<_>>()
    };
    let row = |name: &str, matches| (name.to_string(), matches);
    assert_eq!(
        nodes("tree --parent hub/a --state active"),
        [row("hub/a", false), row("worker/of a", true)]
    );
    assert_eq!(nodes("tree hub/b --on-record"), [row("worker/of b", true)]);
    // The hub that burns more comes first; both are asked.
    assert_eq!(nodes("tree --parent root --sort burn").len(), 2);
    assert_eq!(nodes("tree --release 9"), []);
    assert!(
        live.canic("tree --on-record --sort days")
            .fails(2)
            .contains("sorted by")
    );
}

#[test]
fn a_page_of_members_names_the_next_one() {
    let live = fleets::notebooks(3);
    let page = live.canic("members --limit 2").text();
    assert!(
        page.ends_with("1 to 2 of 3 members; more with `--skip 2` or `--limit 0`\n"),
        "{page}"
    );
    let page = live.json("members --limit 2 --skip 2");
    assert_eq!(
        (page["members"].as_array().map(Vec::len), &page["matching"]),
        (Some(1), &3.into())
    );
    let parent = live.fleet.root.to_text();
    let children = live.json(&format!(
        "members --parent {parent} --state active --release 1"
    ));
    assert_eq!(children["matching"], 3);
}

/// The bound holds for 10,000 members, too: no call of a status lists members.
#[test]
fn the_calls_of_a_status_do_not_grow_with_the_members() {
    let live = fleets::notebooks(3);
    let calls = |line: &str| {
        let ran = live.canic(line);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr
    };
    let few = calls("status --verbose");
    for number in 4..=6 {
        let arg = argument(number);
        let key = format!("user {number}");
        let words = ["provision", "worker", "--key", &key, "--arg", &arg];
        live.ok(&words);
    }
    assert_eq!(live.json("status")["members"], 6);
    assert_eq!(calls("status --verbose"), few);
    assert_eq!(
        few, "7 calls\n",
        "members, metrics, modules, rollouts, root's live state, funding, and releases of a role"
    );
}
