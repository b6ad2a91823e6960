//! Commands at a terminal, as a person sees them: the screen that tmux makes of what they print.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use canic_fleet_tests::artifacts;
use expect_test::expect;
use serde_json::Value;

use crate::{
    author::new_fleet,
    common::{Folder, Live, canic, only_local_network, redact},
    releases::{file, three_members},
};

/// A terminal of 100 columns that runs one command. It ends with its test.
struct Terminal {
    /// The name of its own tmux server.
    server: String,
}

/// Whether this machine has tmux.
fn has_tmux() -> bool {
    let version = Command::new("tmux")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

macro_rules! needs_tmux {
    () => {
        if !has_tmux() {
            println!("skipped: this test needs tmux (Debian: apt-get install tmux)");
            return;
        }
    };
}

macro_rules! terminal {
    ($live:expr, $line:expr) => {{
        needs_tmux!();
        Terminal::start($live, $line)
    }};
}

impl Terminal {
    /// Runs `canic` with these words as the operator, and prints its exit code.
    fn start(live: &Live, line: &str) -> Self {
        let root = live.fleet.root;
        let options = format!("--network {} --root {root} --pem operator.pem", live.url);
        Self::run(&live.folder.0, "", &format!("{options} {line}"))
    }

    /// Runs `canic` with these words and variables in a folder, and prints its exit code.
    fn run(folder: &Path, variables: &str, line: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            server: format!("canic-{}-{number}", std::process::id()),
        };
        let program = env!("CARGO_BIN_EXE_canic");
        let command = format!("{variables} {program} {line}; echo \"exit code $?\"; sleep 600");
        let folder = folder.to_str().expect("a path");
        let begun = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "30",
            "-c",
            folder,
            &command,
        ]);
        assert!(begun.is_some(), "tmux starts");
        terminal
    }

    /// What tmux answers to a command; none if it refuses.
    fn tmux(&self, words: &[&str]) -> Option<String> {
        let output = Command::new("tmux")
            .args(["-L", &self.server])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .expect("tmux runs");
        let text = String::from_utf8(output.stdout).expect("text");
        output.status.success().then_some(text)
    }

    /// The lines on the screen.
    fn screen(&self) -> String {
        let text = self.tmux(&["capture-pane", "-p"]).expect("a screen");
        text.trim_end().to_string() + "\n"
    }

    /// Waits until the screen has a text.
    fn until(&self, wanted: &str) -> String {
        self.within(Duration::from_secs(60), wanted)
    }

    /// Waits so long until the screen has a text.
    fn within(&self, time: Duration, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(wanted) {
                return screen;
            }
            assert!(
                begun.elapsed() < time,
                "{wanted} is not on the screen:\n{screen}"
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// Presses keys, by the names that tmux has for them.
    fn press(&self, keys: &[&str]) {
        let pressed = self.tmux(&[&["send-keys"], keys].concat());
        assert!(pressed.is_some(), "{keys:?}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.tmux(&["kill-server"]);
    }
}

/// Waits until a condition holds: a minute at most.
fn wait_for(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "a minute is over"
        );
        sleep(Duration::from_millis(50));
    }
}

/// A screen without the line of the canary, which may be over before the watch begins.
fn without_canary(screen: &str) -> String {
    let lines = screen.lines();
    let others = lines.filter(|line| !line.contains(": canary;"));
    others.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_rollout_is_watched_to_its_end() {
    let live = Live::start("fixture-bare-root", three_members);
    file(&live, "good", 2);
    live.json("release releases good-2.wasm --bake 3600 --detach");
    let terminal = terminal!(&live, "rollout status --watch");
    terminal.until("bake");
    terminal.until("1/3");
    expect![[r#"
        rollout 1 of releases, release 1 to 2: bake; 1 of 3 upgraded, 0 failed, 0 undone
        bake for AGE
            ██████████░░░░░░░░░░░░░░░░░░░░
            1/3
    "#]]
    .assert_eq(&redact(&without_canary(&terminal.screen())));
    live.json("rollout promote");
    // The bar is gone.
    let end = terminal.until("exit code");
    let lines: Vec<&str> = end.lines().collect();
    expect![[r#"
        rollout 1 of releases, release 1 to 2: completed; 3 of 3 upgraded, 0 failed, 0 undone
        exit code 0"#]]
    .assert_eq(&lines[lines.len() - 2..].join("\n"));
}

#[test]
fn a_watch_that_is_interrupted_says_that_the_rollout_goes_on() {
    let live = Live::start("fixture-bare-root", three_members);
    file(&live, "good", 2);
    live.json("release releases good-2.wasm --bake 3600 --detach");
    let terminal = terminal!(&live, "rollout status --watch");
    terminal.until("bake");
    terminal.press(&["C-c"]);
    // The bar shows how far it was.
    let end = terminal.until("exit code");
    expect![[r#"
        rollout 1 of releases, release 1 to 2: bake; 1 of 3 upgraded, 0 failed, 0 undone
        bake for AGE
            ██████████░░░░░░░░░░░░░░░░░░░░
            1/3
        the rollout goes on; `canic rollout status --watch` shows it
        exit code 0
    "#]]
    .assert_eq(&redact(&without_canary(&end)));
}

#[test]
fn a_log_is_followed_until_it_is_interrupted() {
    let live = Live::start("fixture-bare-root", three_members);
    let terminal = terminal!(&live, "logs --follow --grep Retire");
    sleep(Duration::from_secs(1));
    let members = live.json("members --on-record");
    let canister = members["members"][0]["canister"]
        .as_str()
        .expect("a member");
    live.json(&format!("retire {canister} --yes"));
    terminal.until("is done");
    terminal.press(&["C-c"]);
    let end = terminal.until("exit code");
    expect![[r#"
        TIME INFO canic: operation 4 (Retire) begins
        TIME INFO canic: operation 4 (Retire) is done
        ^Cexit code 0
    "#]]
    .assert_eq(&redact(&end));
}

#[test]
fn a_view_is_shown_again_in_its_place_until_it_is_interrupted() {
    let live = Live::start("fixture-bare-root", three_members);
    let terminal = terminal!(&live, "tree --on-record --watch");
    let file = terminal!(&live, "tree --on-record --watch --json >lines");
    terminal.until("3 members");
    let lines = || fs::read_to_string(live.folder.0.join("lines")).unwrap_or_default();
    let line = |members: u8| format!("\"members\":{members}");
    wait_for(|| lines().contains(&line(3)));
    let members = live.json("members --on-record --sort key");
    let canister = members["members"][1]["canister"].as_str();
    live.json(&format!("retire {} --yes", canister.expect("a member")));
    terminal.until("2 members");
    wait_for(|| lines().contains(&line(2)));
    terminal.press(&["C-c"]);
    file.press(&["C-c"]);
    let end = terminal.until("exit code");
    expect![[r#"
        lxzze-o7777-77777-aaaaa-cai 2 members
          lqy7q-dh777-77777-aaaaq-cai releases 1 member 1
          l62sy-yx777-77777-aaabq-cai releases 1 member 3

        looked at TIME, Ctrl-C ends it
        ^C
        exit code 0
    "#]]
    .assert_eq(&redact(&end));
    // Elsewhere than on a terminal: a line for each state that was seen, which differ.
    file.until("exit code 0");
    let seen: Vec<Value> = lines()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let members: Vec<&Value> = seen.iter().map(|report| &report["members"]).collect();
    assert_eq!(
        (members.first(), members.last()),
        (Some(&&3.into()), Some(&&2.into()))
    );
    assert!(seen.windows(2).all(|two| two[0] != two[1]));
}

#[test]
fn a_plan_is_carried_out_once_somebody_types_yes() {
    let live = Live::start("fixture-bare-root", three_members);
    let members = live.json("members --on-record --sort key");
    let canister = members["members"][0]["canister"]
        .as_str()
        .expect("a member");
    let terminal = terminal!(&live, &format!("retire {canister} --delete"));
    terminal.until("type `yes`");
    terminal.press(&["no", "Enter"]);
    expect![[r#"
        plan:
          retire lqy7q-dh777-77777-aaaaq-cai, releases `member 1`: drain its cycles, and delete
              it with its
        data
        type `yes` to carry it out: no
        canic: nothing was changed
        Add `--yes` to carry out this plan.
        exit code 9
    "#]]
    .assert_eq(&redact(&terminal.until("exit code")));
    let terminal = terminal!(&live, &format!("retire {canister} --delete"));
    terminal.until("type `yes`");
    terminal.press(&["yes", "Enter"]);
    expect![[r#"
        plan:
          retire lqy7q-dh777-77777-aaaaq-cai, releases `member 1`: drain its cycles, and delete
              it with its
        data
        type `yes` to carry it out: yes
        deleted lqy7q-dh777-77777-aaaaq-cai, by operation 4
        exit code 0
    "#]]
    .assert_eq(&redact(&terminal.until("exit code")));
    assert_eq!(live.json("status")["members"], 2);
}

#[test]
fn colours_are_for_terminals_only() {
    let live = Live::start("fixture-bare-root", three_members);
    let terminal = terminal!(&live, "members");
    terminal.until("exit code");
    let coloured = terminal
        .tmux(&["capture-pane", "-p", "-e"])
        .expect("a screen");
    assert!(coloured.contains("\x1b[1m"), "{coloured}");
    assert!(!live.canic("members").stdout.contains('\x1b'));
}

/// The modules are built in this workspace's own target folder, which has all that they depend on.
#[test]
fn a_new_fleet_runs_on_a_local_network_until_it_is_interrupted() {
    needs_tmux!();
    let _alone = only_local_network();
    let target = artifacts::workspace().join("target");
    // Always the same folder: each other one would leave its own builds behind.
    let home = target.join("new-fleet");
    if home.exists() {
        fs::remove_dir_all(&home).expect("it can be removed");
    }
    fs::create_dir_all(&home).expect("a folder");
    new_fleet(&home);
    let fleet = home.join("garden");
    fs::copy(
        artifacts::workspace().join("Cargo.lock"),
        fleet.join("Cargo.lock"),
    )
    .expect("a file");
    let variables = format!(
        "CARGO_TARGET_DIR={} CANIC_REPLICA={} ICP_HOME={}",
        target.display(),
        artifacts::server().display(),
        home.display()
    );
    let terminal = Terminal::run(&fleet, &variables, "local --port 0 2>build.log");
    let screen = terminal.within(Duration::from_secs(600), "Ctrl-C ends it.");
    let value = |name: &str| {
        let line = screen.lines().find_map(|line| line.strip_prefix(name));
        line.expect("a line").trim().to_string()
    };
    let (network, root) = (value("network"), value("root"));
    let folder = Folder::new();
    let status = canic(
        &folder.0,
        &[
            "status",
            "--network",
            &network,
            "--root",
            &root,
            "--identity",
            "anonymous",
        ],
    );
    let text = status.text();
    assert!(text.contains("worker 0 1 - 0"), "{text}");
    // A second one would replace the files of the first.
    let second = Terminal::run(&fleet, &variables, "local --port 0");
    expect![[r#"
        canic: a local network of this project runs already
        `canic status` shows its fleet; Ctrl-C where it runs ends it.
        exit code 5
    "#]]
    .assert_eq(&redact(&second.until("exit code")));
    // What is deployed is what was built.
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_canic"))
            .args(words)
            .current_dir(&fleet)
            .env("CARGO_TARGET_DIR", &target)
            .env("CANIC_REPLICA", artifacts::server())
            .env("ICP_HOME", &home)
            .stdin(Stdio::null())
            .output()
            .expect("canic runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{why}");
        text
    };
    let local = [
        "--network",
        &network,
        "--root",
        &root,
        "--identity",
        "anonymous",
    ];
    let check = run(&[&["check", "--deployed"], &local[..]].concat());
    assert!(check.contains("\nroot root: no caller breaks\n"), "{check}");
    let nobody = "role worker: not compared: no member has the role";
    assert!(check.contains(nobody), "{check}");
    let built: Value = serde_json::from_str(&run(&["build", "--json"])).expect("JSON");
    let [worker, root_module] = &built["modules"].as_array().expect("rows")[..] else {
        panic!("{built}");
    };
    assert_eq!(
        (&worker["role"], &root_module["role"]),
        (&"worker".into(), &Value::Null)
    );
    for module in [worker, root_module] {
        let number = |name: &str| module[name].as_str().and_then(|digits| digits.parse().ok());
        let gzipped = module["gzipped_size"].as_u64().expect("a number");
        // 2,000 cycles for each byte, and what the messages cost.
        assert!(number("upload") > Some(2_000 * gzipped), "{module}");
        assert!(number("per_day") > Some(0), "{module}");
    }
    terminal.press(&["C-c"]);
    let end = terminal.until("exit code");
    assert!(end.ends_with("exit code 0\n"), "{end}");
    let address = network.trim_start_matches("http://");
    assert!(
        TcpStream::connect(address).is_err(),
        "the network has ended"
    );
    let log = fs::read_to_string(fleet.join("build.log")).expect("a log");
    assert!(!log.contains("canic:"), "{log}");
    // The fleet that is kept is found at its new address.
    let terminal = Terminal::run(&fleet, &variables, "local --port 0 --keep 2>build.log");
    terminal.within(Duration::from_secs(600), "Ctrl-C ends it.");
    let kept = run(&["status", "--identity", "anonymous", "--json"]);
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["root"], root);
    terminal.press(&["C-c"]);
    terminal.until("exit code 0");
}
