//! `cargo xtask bench`: the costs of a fleet, and the times of a test suite.

mod bounds;
mod builds;
mod figures;
mod fleet;
mod real;
mod replica;
mod report;
mod rollouts;

use std::fs;

use canic_artifacts as artifacts;
use clap::Subcommand;

/// The page that `--write` writes.
const PAGE: &str = "docs/performance.md";

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    subject: Option<Subject>,
    /// Measures with each of these numbers of members
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "10,1000,10000,100000"
    )]
    members: Vec<usize>,
    /// Rolls a release out to so many members
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rollout: usize,
    /// Makes all members of the largest fleet, too
    #[arg(long)]
    real: bool,
    /// Times cargo, too
    #[arg(long)]
    builds: bool,
    /// Adds the figures as one line of JSON, the last one
    #[arg(long)]
    json: bool,
    /// Writes docs/performance.md
    #[arg(long)]
    write: bool,
}

#[derive(Subcommand)]
enum Subject {
    /// Measures rollouts alone
    Rollouts {
        /// Upgrades some members in fleets of so many
        #[arg(
            long,
            value_name = "N,..",
            value_delimiter = ',',
            default_value = "10,1000,10000,100000"
        )]
        members: Vec<usize>,
        /// Rolls a release out to so many members
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        rollout: usize,
    },
    /// Makes so many members by batches, and compares them with members on record
    Real {
        #[arg(long, value_name = "N", default_value_t = 100_000)]
        members: usize,
    },
    /// Times instances, installs and calls; POCKET_IC_BIN names another server to compare with
    Replica {
        /// Adds the figures as one line of JSON, the last one
        #[arg(long)]
        json: bool,
    },
}

/// Measures and prints; fails after that if a bound is missed.
///
/// # Errors
/// When a figure can't be measured, or a bound is missed.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    match &args.subject {
        Some(Subject::Replica { json }) => return run_replica(*json),
        Some(Subject::Real { members }) => return run_real(*members),
        Some(Subject::Rollouts { members, rollout }) => return run_rollouts(members, *rollout),
        None => {}
    }
    artifacts::ensure_wasm_target()?;
    let mut figures = fleet::measure(&ascending(&args.members), args.rollout)?;
    if args.real {
        figures.real = args.members.iter().max().map(|most| real::measure(*most));
    }
    figures.replica = Some(replica::measure()?);
    if args.builds {
        figures.builds = builds::measure()?;
    }
    figures.bounds = bounds::bounds(&figures);
    let report = report::tables(&figures);
    println!("{report}");
    if args.write {
        let path = artifacts::workspace().join(PAGE);
        fs::write(&path, report::page(&report)).map_err(|e| format!("{PAGE}: {e}"))?;
        println!("written to {PAGE}");
    }
    if args.json {
        let line = serde_json::to_string(&figures).map_err(|e| e.to_string())?;
        println!("{line}");
    }
    none_is_missed(&figures.bounds)
}

/// Measures and prints the costs of rollouts; fails after that if a bound is missed.
fn run_rollouts(members: &[usize], many: usize) -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    let rollouts = rollouts::measure(&ascending(members), many);
    let bounds = bounds::rollouts(&rollouts);
    println!("{}", report::bounds(&bounds));
    println!("{}", report::rollouts(&rollouts));
    none_is_missed(&bounds)
}

/// Measures and prints the times of the replica; fails after that if a ratio is missed.
fn run_replica(json: bool) -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    let figures = replica::measure()?;
    let bounds = replica::bounds(&figures);
    println!("{}", report::bounds(&bounds));
    println!("{}", replica::tables(&figures));
    if json {
        let line = serde_json::to_string(&figures).map_err(|e| e.to_string())?;
        println!("{line}");
    }
    none_is_missed(&bounds)
}

/// Makes members and prints what that takes; fails after that if a bound is missed.
fn run_real(members: usize) -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    let real = real::measure(members);
    let bounds = real.bounds();
    println!("{}", report::bounds(&bounds));
    println!("{}", report::real_members(&real));
    none_is_missed(&bounds)
}

fn none_is_missed(bounds: &[figures::Bound]) -> Result<(), String> {
    let missed: Vec<&str> = bounds
        .iter()
        .filter(|bound| !bound.is_held())
        .map(|bound| bound.what.as_str())
        .collect();
    if missed.is_empty() {
        Ok(())
    } else {
        Err(format!("missed: {}", missed.join("; ")))
    }
}

/// The numbers in ascending order, each once.
fn ascending(numbers: &[usize]) -> Vec<usize> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[test]
fn numbers_of_members_ascend() {
    assert_eq!(ascending(&[1_000, 10, 10]), [10, 1_000]);
}
