//! The medic on a fleet in which something is wrong, and the explanations of its codes.

use expect_test::expect;

use canic_fleet_tests::user;

use crate::{
    common::{Folder, Live, canic},
    releases::three_members,
};

#[test]
fn findings_have_a_code_evidence_and_a_remedy() {
    let live = Live::start("fixture-bare-root", three_members);
    let healthy = live.canic("medic").text();
    println!("{healthy}");
    assert!(healthy.ends_with("all members looked at\n"), "{healthy}");
    let findings = live.json("medic --ci");
    let codes: Vec<_> = findings["findings"]
        .as_array()
        .expect("rows")
        .iter()
        .collect();
    assert!(
        codes.iter().all(|one| one["severity"] == "notice"),
        "{findings}"
    );

    let root = live.fleet.root;
    let members = live.json("members");
    let member = members["members"][0]["canister"]
        .as_str()
        .expect("a member");
    let member = candid::Principal::from_text(member).expect("a principal");
    let owners = vec![root, user(66)];
    live.fleet
        .pic
        .set_controllers(member, Some(root), owners)
        .expect("controllers");
    // Root will look at this one within a day; the medic sees it now.
    let members = live.json("members --on-record");
    let stopped = members["members"][1]["canister"]
        .as_str()
        .expect("a member");
    let stopped = candid::Principal::from_text(stopped).expect("a principal");
    live.fleet
        .pic
        .stop_canister(stopped, Some(root))
        .expect("stopped");
    let ran = live.canic("medic --ci");
    assert!(
        ran.stdout.contains("C304 warning  1 member stopped"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains(&stopped.to_text()), "{}", ran.stdout);
    assert!(ran.stdout.contains("C302 warning"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&member.to_text()), "{}", ran.stdout);
    expect![[r#"
        canic: 2 findings to mend
    "#]]
    .assert_eq(&ran.fails(3));
}

#[test]
fn codes_are_explained_without_a_network() {
    let folder = Folder::new();
    expect![[r#"
        C202 (error): a rollout is paused

        More members failed than the plan tolerates, or a controller paused it. Nothing more is
            upgraded,
        and new members get the old release, until a controller decides: `canic rollout resume`
            lets the
        failures pass, `canic rollout undo` brings the old release back, `canic rollout abort`
            ends it.
    "#]]
    .assert_eq(&canic(&folder.0, &["explain", "c202"]).text());
    let all = canic(&folder.0, &["explain"]).text();
    assert_eq!(all.lines().count(), 1 + 22, "{all}");
    expect![[r#"
        canic: there is no code `C999`
        `canic explain` lists all codes.
    "#]]
    .assert_eq(&canic(&folder.0, &["explain", "C999"]).fails(2));
    let script = canic(&folder.0, &["completions", "bash"]).text();
    assert!(script.contains("complete"), "{script}");
}
