//! The demo as its user runs it: every claim holds, and the figures are those of a fleet that lost
//! nothing.

use std::process::{Command, Stdio};

use serde_json::Value;

/// The figures of a demo.
fn play(demo: &mut Command) -> Value {
    let output = demo
        .arg("--json")
        .stderr(Stdio::inherit())
        .output()
        .expect("the demo runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains("FAILED"), "{printed}");
    let figures = printed.lines().next_back().expect("figures");
    serde_json::from_str(figures).expect("the last line is JSON")
}

fn demo() -> Command {
    Command::new(env!("CARGO_BIN_EXE_canic-demo"))
}

#[test]
fn every_claim_of_the_demo_holds_in_its_own_process() {
    let figures = play(demo().env_remove("POCKET_IC_BIN"));
    assert_eq!(figures["canisters_lost"], 0);
    assert_eq!(figures["cycles_unaccounted"], 0);
    assert_eq!(figures["management_calls_pool_hit"], 1);
    assert_eq!(figures["management_calls_fresh"], 2);
    assert_eq!(figures["acknowledged_writes_lost"], 0);
    assert_eq!(figures["left_stopped"], 0);
    assert_eq!(figures["survived_upgrade"], true);
}

#[test]
fn every_claim_of_the_demo_holds_on_a_server() {
    if !cfg!(feature = "server") || std::env::var_os("POCKET_IC_BIN").is_none() {
        println!("skipped: it needs `--features server`, and POCKET_IC_BIN");
        return;
    }
    let figures = play(&mut demo());
    assert_eq!(figures["acknowledged_writes_lost"], 0);
    assert_eq!(figures["left_stopped"], 0);
}

#[test]
fn unknown_arguments_are_refused_and_help_is_printed() {
    let refused = demo().arg("--jsn").output().expect("the demo runs");
    assert_eq!(refused.status.code(), Some(2));
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(
        message.contains("'--jsn'") && message.contains("--json"),
        "{message}"
    );

    let help = demo().arg("--help").output().expect("the demo runs");
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--json"));
}
