//! The commands that change members, the pool and the journal.

use candid::Principal;
use canic_fleet_tests::user;
use expect_test::expect;

use crate::{
    common::Live,
    fleets::{self, argument},
    releases::three_members,
};

#[test]
fn a_member_is_provisioned_once_and_retired_by_a_plan() {
    let live = fleets::notebooks(2);
    let arg = argument(7);
    let words = ["provision", "worker", "--key", "seven", "--arg", &arg];
    let first = live.ok(&words);
    let again = live.ok(&words);
    assert!(again.contains("there already"), "{again}");
    assert_eq!(first.split(' ').next(), again.split(' ').next());
    // The interface is not in the module's metadata: numbers and records are typed by the text.
    let wrong = live.run(&[
        "provision",
        "worker",
        "--key",
        "eight",
        "--arg",
        "(\"text\")",
    ]);
    let wrong = wrong.fails(1);
    assert!(wrong.contains("install"), "{wrong}");

    expect![[r#"
        plan:
          retire l62sy-yx777-77777-aaabq-cai, worker `seven`: drain its cycles, and delete it
              with its data
        canic: nothing was changed
        Add `--yes` to carry out this plan.
    "#]]
    .assert_eq(&live.canic("retire worker/seven --delete").fails(9));
    let retired = live.canic("retire worker/seven --delete --yes").text();
    assert!(retired.starts_with("deleted "), "{retired}");
    expect![[r#"
        canic: the fleet has no member worker/seven
        `canic members` lists them; a member is PRINCIPAL or ROLE/KEY.
    "#]]
    .assert_eq(&live.canic("retire worker/seven --delete --yes").fails(1));
    expect![[r#"
        plan:
          retire aaaaa-aa, no member: wipe its code and data, and put it into the pool
        canic: aaaaa-aa is neither a member nor in quarantine
    "#]]
    .assert_eq(&live.canic("retire aaaaa-aa --yes").fails(1));
}

#[test]
fn a_batch_is_provisioned_and_its_failures_are_told() {
    let live = fleets::notebooks(2);
    let wish =
        |key: &str, arg: &str| serde_json::json!({ "role": "worker", "key": key, "arg": arg });
    let mut wishes = Vec::new();
    for number in 10..14 {
        wishes.push(wish(&format!("batch {number}"), &argument(number)));
    }
    // The management canister can't own a notebook.
    wishes.push(wish("wrong", "(record { owner = principal \"aaaaa-aa\" })"));
    wishes.push(serde_json::json!({ "role": "nobody" }));
    let text = serde_json::to_string(&wishes).expect("JSON");
    live.folder.write("batch.json", text);
    let ran = live.canic("provision --batch batch.json");
    let told = ran.fails(1);
    assert!(told.contains("2 requests failed"), "{told}");
    assert!(
        ran.stdout.starts_with("4 of 6 done, 1 rolled back\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("can't own a notebook"),
        "{}",
        ran.stdout
    );
    assert_eq!(live.json("members --key batch")["matching"], 4);
}

#[test]
fn a_canister_is_imported_only_by_a_plan_and_only_if_root_controls_it() {
    let live = fleets::notebooks(2);
    let pic = &live.fleet.pic;
    let stranger = pic.create_canister_with_settings(Some(user(9)), None);
    pic.add_cycles(stranger, 3_000_000_000_000);
    let line = format!("import {stranger} --pool");
    let plan = live.canic(&line).fails(9);
    assert!(plan.contains("wipe the code and data"), "{plan}");
    let refused = live.canic(&format!("{line} --yes")).fails(1);
    assert!(refused.contains("--add-controller"), "{refused}");
    let owners = vec![user(9), live.fleet.root];
    pic.set_controllers(stranger, Some(user(9)), owners)
        .expect("controllers");
    let imported = live.canic(&format!("{line} --yes")).text();
    assert!(imported.starts_with("imported "), "{imported}");
    let pool = live.json("pool");
    let rows = pool["pool"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["canister"] == stranger.to_text()));
}

#[test]
fn a_subtree_is_moved_shown_and_retired() {
    let live = fleets::hubs(&[("w1", "hub/a"), ("w2", "hub/a"), ("w3", "hub/a")]);
    let hubs = live.json("members --role hub --sort key --on-record");
    let hub = |at: usize| hubs["members"][at]["canister"].as_str().expect("a hub");
    let (a, b) = (hub(0), hub(1));
    let moved = live.canic("move worker/w1 hub/b").text();
    assert!(moved.starts_with("moved "), "{moved}");
    let tree = live.json("tree");
    let below = |hub: &str| {
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        nodes.filter(|node| node["parent"] == hub).count()
    };
    assert_eq!((below(a), below(b)), (2, 1));
    let refused = live.canic("retire hub/a --yes").fails(1);
    assert!(refused.contains("Add `--subtree`"), "{refused}");
    let plan = live.canic("retire hub/a --subtree").fails(9);
    assert_eq!(plan.matches("retire ").count(), 3, "{plan}");
    live.canic("retire hub/a --subtree --yes").text();
    assert_eq!(live.json("members")["matching"], 2);
    let line = format!("move {b} worker/w1");
    let refused = live.canic(&line).fails(1);
    assert!(refused.contains("canic: "), "{refused}");
    assert_ne!(Principal::from_text(b), Ok(live.fleet.root));
}

#[test]
fn the_journal_is_pruned_by_a_plan() {
    let live = fleets::notebooks(2);
    let before = live.json("ops --state all")["matching"]
        .as_u64()
        .expect("a number");
    assert_eq!(live.canic("prune --before 3").code, 9);
    assert_eq!(live.json("prune --before 3 --yes")["forgotten"], 2);
    assert_eq!(live.json("ops --state all")["matching"], before - 2);
    expect![[r#"
        canic: root has no operation 1
        It has forgotten it, or never had it: `canic ops --state all` lists those it has.
    "#]]
    .assert_eq(&live.canic("op 1").fails(1));
}

#[test]
fn a_member_is_granted_cycles_and_no_more_than_can_be() {
    let live = Live::start("fixture-bare-root", three_members);
    let granted = live.ok(&["fund", "releases/member 1", "0.5T"]);
    assert!(granted.starts_with("granted CYCLES"), "{granted}");
    let grants = live.json("ops --state all --kind grant");
    assert_eq!(grants["matching"], 1);
    expect![[r#"
        canic: a grant has CYCLES at least
    "#]]
    .assert_eq(&live.run(&["fund", "releases/member 1", "0"]).fails(1));
    expect![[r#"
        canic: root can spend CYCLES without going below its reserve
        Send root cycles, or let it refuel itself: `canic costs` shows how.
    "#]]
    .assert_eq(&live.run(&["fund", "releases/member 1", "1000T"]).fails(1));
    assert_eq!(live.run(&["fund", "releases/member 1", "much"]).code, 2);
}
