//! `docs/failures.md` names every scenario, and every step of a member's upgrade.

use canic_fault_tests::scenario;

const PAGE: &str = include_str!("../../../docs/failures.md");

/// Whether the page names a scenario, or all that begin like it: `retire_*`.
fn is_named(scenario: &str) -> bool {
    let quoted = PAGE.split('`').skip(1).step_by(2);
    quoted.into_iter().any(|name| match name.strip_suffix('*') {
        Some(prefix) => !prefix.is_empty() && scenario.starts_with(prefix),
        None => name == scenario,
    })
}

#[test]
fn every_scenario_is_named() {
    let missing: Vec<&str> = scenario::all()
        .map(|scenario| scenario.name)
        .filter(|name| !is_named(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_step_of_an_upgrade_is_told() {
    let (_, section) = PAGE.split_once("## Upgrading a member").expect("a section");
    let (section, _) = section.split_once("\n## ").expect("another section");
    for step in [
        "Verify",
        "Fund",
        "Stop",
        "TakeSnapshot",
        "FindSnapshot",
        "Upgrade",
        "Start",
        "Health",
        "Accept",
        "Restore",
        "DropSnapshot",
    ] {
        assert!(section.contains(step), "{step}");
    }
}
