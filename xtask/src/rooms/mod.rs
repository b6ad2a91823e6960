//! `cargo xtask rooms`: the structure of the crates, measured and held to the declared floors.

mod floors;
mod imports;
mod order;
mod plan;
mod size;
mod tree;

#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use canic_artifacts as artifacts;

use self::{plan::Plan, tree::Sources};

/// The crates that are measured: packages of the workspace, each in the folder of its name.
const PACKAGES: [&str; 6] = [
    "canic-runtime",
    "canic-replica",
    "canic-macros",
    "canic-cli",
    "canic-testing",
    "xtask",
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Adds all of it as one line of JSON, the last one
    #[arg(long)]
    json: bool,
    /// Counts in another checkout, whose rooms need not be those that are declared
    #[arg(long, value_name = "DIR")]
    checkout: Option<PathBuf>,
}

/// Measures and prints; fails after that if a rule is broken, other checkouts apart.
///
/// # Errors
/// When a crate can't be read, or a rule is broken.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let checkout = args.checkout.as_deref().unwrap_or(artifacts::workspace());
    let plans = measure(checkout)?;
    print(&plans);
    if args.json {
        let line = serde_json::to_string(&plans).map_err(|e| e.to_string())?;
        println!("{line}");
    }
    match args.checkout {
        Some(_) => Ok(()),
        None => judge(&plans),
    }
}

/// Fails if a crate has a circle, an arrow that runs up, or other rooms than those declared.
///
/// # Errors
/// When a crate can't be read, or a rule is broken.
pub(crate) fn check() -> Result<(), String> {
    let plans = measure(artifacts::workspace())?;
    print(&plans);
    judge(&plans)
}

fn judge(plans: &[Plan]) -> Result<(), String> {
    let broken: Vec<&str> = plans
        .iter()
        .filter(|plan| !plan.holds())
        .map(|plan| plan.package.as_str())
        .collect();
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!("rooms out of order: {}", broken.join(", ")))
    }
}

fn measure(checkout: &Path) -> Result<Vec<Plan>, String> {
    PACKAGES
        .iter()
        .map(|package| {
            let mut sources = Sources::new();
            let src = checkout.join(package).join("src");
            read(&src, "", &mut sources)?;
            Plan::of(package, &sources).map_err(|e| format!("{package}: {e}"))
        })
        .collect()
}

/// Reads all source files of a folder. `prefix` is its path below `src`.
fn read(folder: &Path, prefix: &str, sources: &mut Sources) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let below = format!("{prefix}{name}");
        if path.is_dir() {
            read(&path, &format!("{below}/"), sources)?;
        } else if below.ends_with(".rs") {
            sources.insert(below, fs::read_to_string(&path).map_err(failed)?);
        }
    }
    Ok(())
}

fn print(plans: &[Plan]) {
    let heads = [
        "files",
        "lines",
        "of tests",
        "floors",
        "> 70 lines",
        "circles",
        "upward",
    ];
    print!("{:<14}", "crate");
    for head in heads {
        print!(" {head:>10}");
    }
    println!();
    for plan in plans {
        print!("{:<14}", plan.package);
        let numbers = [
            plan.files,
            plan.lines,
            plan.test_lines,
            plan.floors,
            plan.long_functions.len(),
            plan.circles.len(),
            plan.upward.len(),
        ];
        for number in numbers {
            print!(" {number:>10}");
        }
        println!();
    }
    for plan in plans {
        print_lists(plan);
    }
}

fn print_lists(plan: &Plan) {
    let package = &plan.package;
    if !plan.long_functions.is_empty() {
        println!("\n{package}: functions of more than 70 lines");
    }
    for long in &plan.long_functions {
        let (file, line, name, lines) = (&long.file, long.line, &long.name, long.lines);
        println!("  {file}:{line}: {name}, {lines} lines");
    }
    for circle in &plan.circles {
        println!("\n{package}: a circle of {} files", circle.len());
        for file in circle {
            println!("  {file}");
        }
    }
    if !plan.upward.is_empty() {
        println!("\n{package}: imports from a lower room to a higher one");
    }
    for arrow in &plan.upward {
        println!(
            "  {} -> {}: {}",
            arrow.from,
            arrow.to,
            arrow.names.join(", ")
        );
    }
    if !plan.unknown.is_empty() {
        println!(
            "\n{package}: no floor is declared for: {}",
            plan.unknown.join(", ")
        );
    }
    if !plan.missing.is_empty() {
        println!(
            "\n{package}: declared, but not there: {}",
            plan.missing.join(", ")
        );
    }
}
