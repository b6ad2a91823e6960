//! The JSON of each command: the fields that docs/operating.md lists.

use candid::Principal;
use canic_fleet_tests::{Fleet, artifacts, fleet::owner_argument, user};
use expect_test::expect;
use serde_json::Value;

use crate::{
    common::{Live, redact, without_times},
    fleets::{self, notebook},
    releases::{file, three_members},
};

/// A fleet of three members and a notebook.
fn fleet() -> Live {
    Live::start("fixture-bare-root", |fleet| {
        fleet.approve("worker", &artifacts::module("example-worker"));
        three_members(fleet);
        notebook(fleet, 1);
        fleet.quiet();
    })
}

#[test]
fn the_commands_that_look() {
    let live = fleet();
    let json = |line: &str| without_times(live.json(line));
    expect![[r#"
        {
          "matching": 4,
          "members": 4,
          "nodes": [
            {
              "canister": "lqy7q-dh777-77777-aaaaq-cai",
              "children": 0,
              "depth": 1,
              "hidden_siblings": 3,
              "key": "member 1",
              "live": {
                "burned_per_day": "..",
                "cycles": "..",
                "days_left": "..",
                "frozen": "..",
                "memory": "..",
                "run": "running"
              },
              "matches": true,
              "module": "..",
              "operation": 1,
              "parent": "lxzze-o7777-77777-aaaaa-cai",
              "release": 1,
              "role": "releases",
              "runs_release": true,
              "since": "..",
              "state": "active",
              "unseen": null
            }
          ],
          "top": "lxzze-o7777-77777-aaaaa-cai",
          "unknown": []
        }
    "#]]
    .assert_eq(&json("tree --limit 1"));
    expect![[r#"
        {
          "matching": 0,
          "pool": [],
          "skipped": 0,
          "unknown": []
        }
    "#]]
    .assert_eq(&json("pool"));
    expect![[r#"
        {
          "matching": 4,
          "operations": [
            {
              "accepted": "..",
              "attempts": 0,
              "calls": 2,
              "canister": "ll5dv-z7777-77777-aaaca-cai",
              "detail": null,
              "failure": null,
              "id": 4,
              "key": "user 1",
              "kind": "provision",
              "paid": "..",
              "parent": "lxzze-o7777-77777-aaaaa-cai",
              "release": 1,
              "role": "worker",
              "source": "fresh",
              "state": "done",
              "updated": ".."
            }
          ],
          "skipped": 0,
          "unknown": []
        }
    "#]]
    .assert_eq(&json("ops --state all --kind provision --limit 1"));
    expect![[r#"
        {
          "releases": [
            {
              "approved": "..",
              "candidate": false,
              "current": true,
              "layout": 1,
              "members": 1,
              "module": "..",
              "origin": "staged",
              "release": 1,
              "role": "worker",
              "size": ".."
            }
          ]
        }
    "#]]
    .assert_eq(&json("releases worker"));
    expect![[r#"
        {
          "canister": "lxzze-o7777-77777-aaaaa-cai",
          "metrics": [
            {
              "labels": {
                "role": "worker"
              },
              "name": "canic_members",
              "value": 1.0
            }
          ]
        }
    "#]]
    .assert_eq(&json("metrics --name canic_members --label role=worker"));
    let log = live.json("logs --grep (Provision)");
    let mut first = log["lines"][0].clone();
    first["index"] = Value::Null;
    expect![[r#"
        {
          "index": null,
          "text": "INFO canic: operation 1 (Provision) begins",
          "time": ".."
        }
    "#]]
    .assert_eq(&without_times(first));
    expect![[r#"
        {
          "codes": [
            {
              "code": "C401",
              "severity": "warning",
              "text": "Root repeats an announcement until its subscriber acknowledges it. A
                  subscriber that never does is\nstopped, frozen, out of cycles or broken.
                  Until then its directory is old: it relies on no entry\nbeyond five minutes.
                  `canic members` shows states, `canic logs ROLE/KEY` a member's log.",
              "title": "subscribers have not acknowledged announcements"
            }
          ]
        }
    "#]]
    .assert_eq(&redact(&json("explain C401")));
    let findings = live.json("medic");
    expect![[r#"
        {
          "findings": [
            {
              "code": "C301",
              "evidence": [
                "tyyfl-goizd-emrsg-izdem-rsgiz-demrs-gizde-mrsgi-zdemr-sgizd-eae",
                "mv6zf-ugo3u-taelx-zivyj-h5lla-6druv-ze4zj-n3qbw-na2ug-lokyu-nae"
              ],
              "mend": "icp canister status lxzze-o7777-77777-aaaaa-cai",
              "severity": "notice",
              "what": "root has 2 controllers besides itself"
            }
          ],
          "looked_at": 4,
          "members": 4
        }
    "#]]
    .assert_eq(&without_times(findings));
    expect![[r#"
        {
          "matching": 0,
          "rollouts": [],
          "skipped": 0
        }
    "#]]
    .assert_eq(&without_times(live.json("rollout history")));
}

#[test]
fn the_commands_that_change_something() {
    let live = fleet();
    let json = |line: &str| without_times(live.json(line));
    let member = live.json("members --role releases --on-record --sort key");
    let member = member["members"][0]["canister"].as_str().expect("a member");
    expect![[r#"
        {
          "canister": "lqy7q-dh777-77777-aaaaq-cai",
          "cycles": "..",
          "operation": 5
        }
    "#]]
    .assert_eq(&json(&format!("fund {member} 1T")));
    let batch = r#"[{"role": "releases", "key": "a"}, {"role": "nobody", "key": "b"}]"#;
    live.folder.write("batch.json", batch);
    expect![[r#"
        {
          "requests": 2,
          "done": 1,
          "rolled_back": 0,
          "quarantined": 0,
          "failures": [
            {
              "request": 1,
              "operation": null,
              "reason": "the fleet has no role 'nobody': a role has an approved module, and a
                  name in small letters"
            }
          ]
        }
    "#]]
    .assert_eq(&redact(
        &live.canic("provision --batch batch.json --json").stdout,
    ));
    expect![[r#"
        {
          "canister": "lf7o5-cp777-77777-aaada-cai",
          "operation": 7,
          "source": "fresh"
        }
    "#]]
    .assert_eq(&json("provision releases --key c"));
    expect![[r#"
        {
          "canister": "lf7o5-cp777-77777-aaada-cai",
          "done": "deleted",
          "operation": 8
        }
    "#]]
    .assert_eq(&json("retire releases/c --yes"));
    expect![[r#"
        {
          "forgotten": 1
        }
    "#]]
    .assert_eq(&json("prune --before 2 --yes"));
    file(&live, "good", 2);
    expect![[r#"
        {
          "chunks": 1,
          "current": false,
          "gate": [
            {
              "breaks": [],
              "members": 4,
              "release": 1,
              "unknown": null
            }
          ],
          "module": "..",
          "release": 2,
          "role": "releases",
          "rollout": 1,
          "sent": 1,
          "size": ".."
        }
    "#]]
    .assert_eq(&json("release releases good-2.wasm --bake 3600 --detach"));
    live.until("rollout status", |status| status["phase"] == "bake");
    expect![[r#"
        {
          "failed": 0,
          "failures": [],
          "from": 1,
          "left": 3,
          "members": 4,
          "open": 0,
          "outcome": null,
          "paused": "a controller paused it",
          "phase": "bake",
          "plan": {
            "bake": 3600,
            "canary": "1",
            "concurrent": 10,
            "health_timeout": 60,
            "keep": 0,
            "max_failures": "1",
            "on_failure": "pause",
            "snapshots": "canary"
          },
          "role": "releases",
          "rollout": 1,
          "since": "..",
          "started": "..",
          "to": 2,
          "undone": 0,
          "upgraded": 1
        }
    "#]]
    .assert_eq(&json("rollout pause"));
    // How far it is by now depends on the machine.
    let aborted = live.json("rollout abort --yes");
    assert_eq!(
        (&aborted["outcome"], &aborted["left"]),
        (&"aborted".into(), &3.into())
    );
}

#[test]
fn the_commands_that_move_and_import() {
    let live = fleets::hubs(&[("w", "hub/a")]);
    let json = |line: &str| without_times(live.json(line));
    expect![[r#"
        {
          "canister": "l62sy-yx777-77777-aaabq-cai",
          "done": "moved",
          "operation": 4
        }
    "#]]
    .assert_eq(&json("move worker/w hub/b"));
    let adopted = existing(&live, Some(("example-worker", owner_argument(user(2)))));
    let line = format!("import {adopted} --role worker --key x --parent hub/b --yes");
    expect![[r#"
        {
          "canister": "ll5dv-z7777-77777-aaaca-cai",
          "done": "imported",
          "operation": 5
        }
    "#]]
    .assert_eq(&json(&line));

    let live = Live::start("example-root", Fleet::quiet);
    let line = format!("import {} --pool --yes", existing(&live, None));
    expect![[r#"
        {
          "canister": "l62sy-yx777-77777-aaabq-cai",
          "done": "imported",
          "operation": 3
        }
    "#]]
    .assert_eq(&without_times(live.json(&line)));
}

/// A canister of somebody's, which root controls, too.
fn existing(live: &Live, code: Option<(&str, Vec<u8>)>) -> Principal {
    let (pic, owner) = (&live.fleet.pic, user(9));
    let canister = pic.create_canister_with_settings(Some(owner), None);
    pic.add_cycles(canister, 3_000_000_000_000);
    if let Some((module, argument)) = code {
        pic.install_canister(canister, artifacts::module(module), argument, Some(owner));
    }
    pic.set_controllers(canister, Some(owner), vec![owner, live.fleet.root])
        .expect("controllers");
    canister
}
