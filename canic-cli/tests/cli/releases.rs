//! Releases and rollouts: gate, upload, canaries, pause and undo.

use std::path::PathBuf;

use canic::api::ProvisionRequest;
use canic_fleet_tests::{Fleet, rollouts};
use canic_replica::{candid_interface, with_candid_interface};
use expect_test::expect;
use serde_json::Value;

use crate::common::Live;

/// A release of the fixture that does this, with its interface as metadata.
pub(crate) fn module(does: &str, number: u32, interface: impl FnOnce(String) -> String) -> Vec<u8> {
    let module = rollouts::module(does, number);
    let own = candid_interface(&module).expect("an interface");
    with_candid_interface(&module, &interface(own)).expect("a module")
}

fn as_it_is(interface: String) -> String {
    interface
}

/// A fleet of three members with the first release.
pub(crate) fn three_members(fleet: &Fleet) {
    fleet.approve("releases", &module("good", 1, as_it_is));
    for number in 1..=3 {
        let request = ProvisionRequest {
            role: "releases".to_string(),
            key: Some(format!("member {number}")),
            parent: None,
            arg: Vec::new(),
        };
        fleet.provision(&request).expect("a member");
    }
    fleet.quiet();
}

/// The file of a release that does this.
pub(crate) fn file(live: &Live, does: &str, number: u32) -> PathBuf {
    let name = format!("{does}-{number}.wasm");
    live.folder.write(&name, module(does, number, as_it_is))
}

fn members_by_release(live: &Live) -> Vec<Value> {
    let releases = live.json("releases releases");
    let rows = releases["releases"].as_array().expect("rows").iter();
    rows.map(|row| row["members"].clone()).collect()
}

#[test]
fn a_release_is_compared_uploaded_and_rolled_out_to_its_end() {
    let live = Live::start("fixture-bare-root", three_members);
    file(&live, "good", 2);
    let line = "release releases good-2.wasm --check";
    expect![[r#"
        interface release 1 (3 members): no caller breaks
        module HASH BYTES
    "#]]
    .assert_eq(&live.canic(line).text());
    let line = "release releases good-2.wasm --bake 0 --concurrent 2";
    let text = live.canic(line).text();
    // How many states of the rollout are seen depends on the machine.
    let lines: Vec<&str> = text.lines().collect();
    expect![[r#"
        interface release 1 (3 members): no caller breaks
        module HASH BYTES
        upload 1 of 1 chunks sent
        release 2 of releases, rollout 1 brings it to the members
    "#]]
    .assert_eq(&(lines[..4].join("\n") + "\n"));
    expect![
        "rollout 1 of releases, release 1 to 2: completed; 3 of 3 upgraded, 0 failed, 0 undone"
    ]
    .assert_eq(lines[lines.len() - 1]);
    assert_eq!(members_by_release(&live), [0, 3]);
    expect![[r#"
        ROLLOUT ROLE FROM TO STATE MEMBERS UPGRADED FAILED UNDONE LEFT AGE
              1 releases 1 2 completed 3 3 0 0 0 AGE
    "#]]
    .assert_eq(&live.canic("rollout history").text());
    expect![[r#"
        ROLLOUT ROLE FROM TO STATE MEMBERS UPGRADED FAILED UNDONE LEFT AGE
              1 releases 1 2 completed 3 3 0 0 0 AGE

        phase ended for AGE; 0 upgrades under way
        plan canary 1, bake AGE, 2 at once, 1 may fail, then pause, snapshots canary, health
            AGE
    "#]]
    .assert_eq(&live.canic("rollout status").text());
    let ended = live.canic("rollout pause").fails(1);
    expect![[r#"
        canic: no rollout is under way
        `canic rollout history` lists those that have ended.
    "#]]
    .assert_eq(&ended);
}

#[test]
fn a_release_that_breaks_callers_is_refused_by_name() {
    let live = Live::start("fixture-bare-root", three_members);
    let less = |interface: String| {
        let lines = interface.lines().filter(|line| !line.contains("notes :"));
        let lines: Vec<&str> = lines.collect();
        lines
            .join("\n")
            .replace("note : (text) -> (nat64)", "note : (text, nat) -> (text)")
    };
    live.folder.write("less.wasm", module("good", 2, less));
    let broken = live.canic("release releases less.wasm").fails(8);
    expect![[r#"
        canic: the module's interface breaks callers of releases in use; nothing was changed:
          release 1: method "note" > input types (old has 1 arg, new has 2): new service
              requires field 1 (type nat), which old callers don't provide and is not optional
          release 1: method "note" > return type: text is not a subtype of nat64
          release 1: method "notes" is expected by the old interface but missing in the new one
        Keep what is called, or release it with `--force`.
    "#]]
    .assert_eq(&broken);
    assert_eq!(members_by_release(&live), [3]);
    let forced = live.json("release releases less.wasm --force --manual");
    assert_eq!(forced["release"], 2);
    assert_eq!(forced["rollout"], Value::Null);
    assert!(
        forced["gate"][0]["breaks"]
            .as_array()
            .is_some_and(|all| all.len() > 1)
    );
}

#[test]
fn a_bad_release_pauses_and_goes_back() {
    let live = Live::start("fixture-bare-root", three_members);
    file(&live, "sick", 2);
    let line = "release releases sick-2.wasm --bake 0 --max-failures 0 --health-timeout 5";
    let paused = live.canic(line).fails(1);
    assert!(paused.contains("is paused: "), "{paused}");
    assert!(
        paused.contains("`canic rollout undo 1` goes back."),
        "{paused}"
    );
    let status = live.json("rollout status 1");
    assert_eq!(
        (&status["failed"], &status["upgraded"]),
        (&1.into(), &0.into())
    );
    let reason = status["failures"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("it has a cold"), "{reason}");
    let medic = live.json("medic");
    assert_eq!(medic["findings"][0]["code"], "C202");
    expect![[r#"
        plan:
          bring release 1 back to 0 members of role releases, which rollout 1 brought to 2
        canic: nothing was changed
        Add `--yes` to carry out this plan.
    "#]]
    .assert_eq(&live.canic("rollout undo 1").fails(9));
    assert_eq!(live.canic("rollout undo 1 --yes").code, 0);
    live.until("rollout status 1", |status| status["outcome"] == "undone");
    // Root forgets the release that nobody has.
    assert_eq!(members_by_release(&live), [3]);
}

#[test]
fn a_rollout_is_paused_resumed_promoted_and_aborted() {
    let live = Live::start("fixture-bare-root", three_members);
    file(&live, "good", 2);
    let begun = live.json("release releases good-2.wasm --bake 3600 --detach");
    assert_eq!(begun["rollout"], 1);
    live.until("rollout status", |status| status["phase"] == "bake");
    let paused = live.json("rollout pause");
    assert_eq!(paused["paused"], "a controller paused it");
    assert_eq!(live.json("rollout resume")["paused"], Value::Null);
    live.json("rollout promote");
    live.until("rollout status", |status| status["outcome"] == "completed");
    assert_eq!(members_by_release(&live), [0, 3]);
    file(&live, "good", 3);
    live.json("release releases good-3.wasm --bake 3600 --detach");
    live.until("rollout status", |status| status["phase"] == "bake");
    expect![[r#"
        plan:
          end rollout 2 of role releases in phase bake
          leave 1 member on release 3, and 2 on another one
          upgrades that are under way end first
        canic: nothing was changed
        Add `--yes` to carry out this plan.
    "#]]
    .assert_eq(&live.canic("rollout abort").fails(9));
    let aborted = live.json("rollout abort --yes");
    assert_eq!(aborted["outcome"], "aborted");
    assert_eq!(members_by_release(&live), [0, 2, 1]);
}

#[test]
fn an_upload_that_was_cut_off_goes_on_where_it_was() {
    const CHUNK: usize = 150_000;
    let module = module("good", 2, as_it_is);
    let staged = 2;
    let live = Live::start("fixture-bare-root", |fleet| {
        three_members(fleet);
        for chunk in module.chunks(CHUNK).take(staged) {
            fleet.stage(chunk).expect("root stages the chunk");
        }
    });
    live.folder.write("good.wasm", &module);
    let line = format!("release releases good.wasm --chunk {CHUNK} --at-once 3 --manual");
    let report = live.json(&line);
    let chunks = module.chunks(CHUNK).count();
    assert_eq!(
        (&report["chunks"], &report["sent"]),
        (&chunks.into(), &(chunks - staged).into())
    );
    // The same module again: no chunk is sent twice.
    assert_eq!(live.json(&line)["sent"], 0);
}

#[test]
fn a_file_that_is_no_module_and_a_role_that_does_not_exist_are_refused() {
    let live = Live::start("example-root", |_| {});
    live.folder.write("text.wasm", "#!/bin/sh");
    expect![[r#"
        canic: text.wasm: this is neither Wasm nor gzipped Wasm
    "#]]
    .assert_eq(&live.canic("release worker text.wasm").fails(5));
    expect![[r#"
        canic: missing.wasm: No such file or directory (os error 2)
        Build it first, for instance with `canic build`.
    "#]]
    .assert_eq(&live.canic("release worker missing.wasm").fails(5));
    file(&live, "good", 1);
    expect![[r#"
        canic: the fleet has no role `nobody`
        Its roles are: worker, club, page.
    "#]]
    .assert_eq(&live.canic("release nobody good-1.wasm").fails(1));
}
