//! `cargo xtask bench`: what a fleet costs; `cargo xtask bench replica`: what a test suite pays for.

mod builds;
mod fleet;
mod replica;
mod report;

use canic_fleet_tests::artifacts;
use std::fs;

const USAGE: &str = "\
Usage: cargo xtask bench [--members N,..] [--builds] [--json] [--write]
       cargo xtask bench replica [--json]";

/// Where `--write` writes.
const PAGE: &str = "docs/performance.md";

/// Measures and prints; fails after that if a bound is missed.
///
/// # Errors
/// When something can't be measured, a bound is missed, or the arguments are wrong.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    match args {
        ["replica"] => return replica::run(false),
        ["replica", "--json"] => return replica::run(true),
        _ => {}
    }
    let mut members = vec![10, 1_000, 10_000, 100_000];
    let (mut builds, mut json, mut write) = (false, false, false);
    let mut args = args.iter();
    while let Some(option) = args.next() {
        match *option {
            "--members" => members = counts(args.next().copied().unwrap_or_default())?,
            "--builds" => builds = true,
            "--json" => json = true,
            "--write" => write = true,
            _ => return Err(format!("unknown option {option}\n{USAGE}")),
        }
    }
    crate::toolchain::ensure_wasm_target()?;
    let mut figures = fleet::measure(&members)?;
    if builds {
        figures.builds = builds::measure()?;
    }
    let report = report::tables(&figures);
    println!("{report}");
    if write {
        let path = artifacts::workspace().join(PAGE);
        fs::write(&path, report::page(&report)).map_err(|e| format!("{PAGE}: {e}"))?;
        println!("written to {PAGE}");
    }
    if json {
        let line = serde_json::to_string(&figures).map_err(|e| e.to_string())?;
        println!("{line}");
    }
    let missed: Vec<_> = figures.bounds.iter().filter(|b| !b.held()).collect();
    if missed.is_empty() {
        return Ok(());
    }
    let missed: Vec<_> = missed.iter().map(|bound| bound.what.as_str()).collect();
    Err(format!("missed: {}", missed.join("; ")))
}

/// Ascending, each once.
fn counts(text: &str) -> Result<Vec<usize>, String> {
    let counts: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    let mut counts = counts.map_err(|_| format!("{text:?} are not numbers\n{USAGE}"))?;
    counts.sort_unstable();
    counts.dedup();
    Ok(counts)
}

#[test]
fn counts_ascend() {
    assert_eq!(counts("1000,10,10"), Ok(vec![10, 1_000]));
    assert!(counts("").is_err() && counts("10,").is_err());
}
