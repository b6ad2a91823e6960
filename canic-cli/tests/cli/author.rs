//! A fleet from its first file to a local network.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use canic_fleet_tests::artifacts;
use expect_test::expect;

use crate::{
    common::{Folder, Live, canic, redact},
    releases::{module, three_members},
};

/// A new fleet in a folder of its own.
fn garden() -> Folder {
    let folder = Folder::new();
    new_fleet(&folder.0);
    folder
}

/// Makes the fleet `garden` in a folder.
pub(crate) fn new_fleet(folder: &Path) {
    let canic_checkout = artifacts::workspace().to_str().expect("a path");
    let made = canic(folder, &["new", "garden", "--canic", canic_checkout]).text();
    assert!(
        made.ends_with("next: cd garden && canic check && canic build\n"),
        "{made}"
    );
}

fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("a file");
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).expect("a file");
}

#[test]
fn a_new_fleet_has_no_contradictions_and_a_changed_one_names_them() {
    let folder = garden();
    let fleet = folder.0.join("garden");
    expect![[r#"
        2 canisters, 0 remarks

        PLAN AT LEAST AT MOST ONE A DAY A DAY AT LEAST A DAY AT MOST A NEW ONE
        pool 1 5 CYCLES CYCLES CYCLES CYCLES
        role worker 0 100 CYCLES 0 CYCLES CYCLES
        in all: CYCLES a day at most; at 13 nodes' prices, for canisters at rest
    "#]]
    .assert_eq(&canic(&fleet, &["check"]).text());
    change(
        &fleet.join("worker/src/lib.rs"),
        "args: WorkerArgs",
        "args: Other",
    );
    let ran = canic(&fleet, &["check"]);
    expect![[r#"
        error: worker: its `init` takes Other, and root's role `worker` has `args` of WorkerArgs
        2 canisters, 1 remark

        PLAN         AT LEAST  AT MOST  ONE A DAY  A DAY AT LEAST  A DAY AT MOST  A NEW ONE
        pool                1        5      864 M           864 M         4.32 B      2.5 T
        role worker         0      100  917.578 M               0       91.757 B      2.5 T
        in all: 96.077 B a day at most; at 13 nodes' prices, for canisters at rest
    "#]]
    .assert_eq(&ran.stdout);
    assert_eq!(ran.code, 1);

    expect![[r#"
        canic: `garden` is there already
        Choose another name, or make it in another folder: `canic new` replaces nothing.
    "#]]
    .assert_eq(&canic(&folder.0, &["new", "garden"]).fails(5));
    expect![[r#"
        canic: `../up` is no name of a fleet
        Use lower-case letters, digits and `-`; a letter comes first.
    "#]]
    .assert_eq(&canic(&folder.0, &["new", "../up"]).fails(2));
    expect!["Run this in the folder of a fleet; `canic new NAME` makes one."].assert_eq(
        canic(&folder.0, &["build"])
            .fails(5)
            .lines()
            .next_back()
            .unwrap_or(""),
    );
}

/// It compiles canic twice, for Wasm and for a test, which takes minutes.
#[test]
#[ignore = "it builds canic for a workspace of its own"]
fn a_new_fleet_builds_tests_and_runs_on_a_local_network() {
    let folder = garden();
    let fleet = folder.0.join("garden");
    fs::copy(
        artifacts::workspace().join("Cargo.lock"),
        fleet.join("Cargo.lock"),
    )
    .expect("a file");
    let replica = artifacts::server();
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(&fleet)
            .env("CANIC_REPLICA", &replica)
            .env("POCKET_IC_BIN", &replica)
            .env("ICP_HOME", folder.0.join("home"))
            .stdin(Stdio::null());
        command
    };
    let program = env!("CARGO_BIN_EXE_canic");
    let built = run(program, &["build"]).output().expect("canic runs");
    let text = String::from_utf8_lossy(&built.stdout).into_owned();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    assert!(text.contains("target/canic/root.wasm"), "{text}");
    let tested = run("cargo", &["test", "--quiet"])
        .status()
        .expect("cargo runs");
    assert!(tested.success());

    let mut local = run(program, &["local", "--port", "0", "--watch"]);
    let mut local = local.stdout(Stdio::piped()).spawn().expect("canic runs");
    let mut lines = BufReader::new(local.stdout.take().expect("its output")).lines();
    let mut until = |wanted: &str| loop {
        let line = lines.next().expect("more lines").expect("a line");
        if line.contains(wanted) {
            return line;
        }
    };
    until("Ctrl-C ends it.");
    let status = run(program, &["status", "--json"])
        .output()
        .expect("canic runs");
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("\"worker\""), "{status}");
    change(
        &fleet.join("worker/src/lib.rs"),
        "greeting.get().clone()",
        "greeting.get().to_uppercase()",
    );
    until("root is upgraded");
    until("up to date");
    let releases = run(program, &["releases", "worker", "--json"])
        .output()
        .expect("canic runs");
    let releases = String::from_utf8_lossy(&releases.stdout).into_owned();
    assert!(releases.contains("\"release\": 2"), "{releases}");
    let interrupted = Command::new("kill")
        .args(["-INT", &local.id().to_string()])
        .status();
    assert!(interrupted.expect("kill runs").success());
    assert!(local.wait().expect("it ends").success());
}

#[test]
fn built_modules_are_compared_with_what_is_deployed() {
    let live = Live::start("fixture-bare-root", three_members);
    let folder = garden();
    let worker = folder.0.join("garden/worker/src/lib.rs");
    change(
        &worker,
        "canic::role(\"worker\"",
        "canic::role(\"releases\"",
    );
    let built = "garden/target/canic/worker.wasm";
    folder.write(built, module("good", 2, |interface| interface));
    let check = |folder: &Folder, words: &[&str]| {
        let root = live.fleet.root.to_text();
        let pem = live.folder.0.join("operator.pem");
        let pem = pem.to_str().expect("a path");
        let options = [
            "check",
            "--network",
            &live.url,
            "--root",
            &root,
            "--pem",
            pem,
        ];
        canic(&folder.0.join("garden"), &[&options, words].concat())
    };
    let same = check(&folder, &["--deployed"]);
    expect![[r#"
        warning: root: no crate of this workspace has `#[canic::role("worker")]`
        warning: worker: root `root` has no role `releases`
        2 canisters, 2 remarks

        PLAN AT LEAST AT MOST ONE A DAY A DAY AT LEAST A DAY AT MOST A NEW ONE
        pool 1 5 CYCLES CYCLES CYCLES CYCLES
        role worker 0 100 CYCLES 0 CYCLES CYCLES
        in all: CYCLES a day at most; at 13 nodes' prices, for canisters at rest

        root root: not compared: it is not built: `canic build` does that
        role releases, release 1 (3 members): no caller breaks
    "#]]
    .assert_eq(&same.text());
    let less = |interface: String| {
        let lines = interface.lines().filter(|line| !line.contains("notes :"));
        lines.collect::<Vec<_>>().join("\n")
    };
    folder.write(built, module("good", 2, less));
    let breaks = check(&folder, &["--deployed"]);
    expect![[r#"
        warning: root: no crate of this workspace has `#[canic::role("worker")]`
        warning: worker: root `root` has no role `releases`
        2 canisters, 2 remarks

        PLAN AT LEAST AT MOST ONE A DAY A DAY AT LEAST A DAY AT MOST A NEW ONE
        pool 1 5 CYCLES CYCLES CYCLES CYCLES
        role worker 0 100 CYCLES 0 CYCLES CYCLES
        in all: CYCLES a day at most; at 13 nodes' prices, for canisters at rest

        root root: not compared: it is not built: `canic build` does that
        role releases, release 1 (3 members): 1 thing broken
          method "notes" is expected by the old interface but missing in the new one
    "#]]
    .assert_eq(&redact(&breaks.stdout));
    expect![[r#"
        canic: 1 break of what is deployed
        Keep what is called, or release it with `canic release --force`.
    "#]]
    .assert_eq(&breaks.fails(8));
    // Without a network that was asked for there is no comparison.
    let alone = check(&folder, &["--json"]);
    assert!(
        alone.stdout.contains("\"deployed\": []"),
        "{}",
        alone.stdout
    );
    let nowhere = canic(
        &folder.0.join("garden"),
        &[
            "check",
            "--deployed",
            "--root=aaaaa-aa",
            "--network=http://127.0.0.1:9",
        ],
    );
    assert!(nowhere.fails(4).contains("does not answer"));
}
