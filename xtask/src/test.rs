//! `cargo xtask test`: the checks that a change must pass before it lands. All of them share what
//! cargo compiles: see [`WORKSPACE`].

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    iter,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use canic_artifacts as artifacts;
use serde_json::Value;

use crate::{dependencies, rooms, width};

/// The variable that names the server of the tests.
const POCKET_IC_BIN: &str = "POCKET_IC_BIN";

/// All packages, with the features that only some programs have. Checks and tests have the same
/// ones, so that cargo compiles no dependency twice.
const WORKSPACE: &[&str] = &["--workspace", "--features", "canic-demo/server"];

/// Tests, counted by the closing lines of the test binaries.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// The steps that have run.
struct Steps {
    started: Instant,
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    result: Result<(), String>,
}

/// Runs every step, also after one that failed, and prints a summary.
///
/// # Errors
/// When any step failed.
pub(crate) fn run() -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    let mut steps = Steps {
        started: Instant::now(),
        done: Vec::new(),
    };
    let mut environment: Vec<(&str, OsString)> = Vec::new();
    let mut tally = Tally::default();
    steps.run("formatting", || cargo(&["fmt", "--all", "--check"]));
    steps.run("width", width::run);
    steps.run("rooms", rooms::check);
    steps.run("dependencies", dependencies::check);
    steps.run("canisters", || {
        let canisters = artifacts::build_canisters()?;
        environment.push((artifacts::CANISTERS_DIR, canisters.into()));
        Ok(())
    });
    steps.run("clippy, host", || {
        clippy(&[&["--all-targets"][..], WORKSPACE].concat())
    });
    steps.run("clippy, wasm", || {
        let target = ["--target", "wasm32-unknown-unknown", "--package", "canic"];
        let canisters = artifacts::CANISTERS.concat();
        let packages = canisters.into_iter().flat_map(|name| ["--package", name]);
        clippy(&target.into_iter().chain(packages).collect::<Vec<_>>())
    });
    steps.run("build of the tests", || {
        let replica = build_tests()?;
        // A server that the environment names takes the place of ours.
        if env::var_os(POCKET_IC_BIN).is_none() {
            environment.push((POCKET_IC_BIN, replica.into()));
        }
        Ok(())
    });
    steps.run("tests", || tests(&environment, &mut tally));
    steps.summary(&tally)
}

impl Steps {
    fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<(), String>) {
        println!("\n== {name}");
        let since = Instant::now();
        let result = step();
        if let Err(reason) = &result {
            eprintln!("failed: {reason}");
        }
        self.done.push(Step {
            name,
            took: since.elapsed(),
            result,
        });
    }

    fn summary(&self, tally: &Tally) -> Result<(), String> {
        println!("\n== summary");
        for step in &self.done {
            let word = if step.result.is_ok() { "ok" } else { "FAILED" };
            println!("{word:<7} {:>5} s  {}", step.took.as_secs(), step.name);
        }
        println!("        {:>5} s  in all", self.started.elapsed().as_secs());
        println!(
            "{} passed, {} failed, {} skipped",
            tally.passed, tally.failed, tally.skipped
        );
        let failed = self.done.iter().filter(|step| step.result.is_err());
        let failed: Vec<&str> = failed.map(|step| step.name).collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(format!("failed: {}", failed.join(", ")))
        }
    }
}

fn clippy(selection: &[&str]) -> Result<(), String> {
    let args = [&["clippy", "--quiet"], selection, &["--", "-D", "warnings"]];
    cargo(&args.concat())
}

/// Compiles all tests, and returns the path of the replica that belongs to them.
fn build_tests() -> Result<PathBuf, String> {
    artifacts::cargo(&[&["test", "--no-run"], WORKSPACE].concat())?
        .into_iter()
        .find(|built| {
            built
                .file_stem()
                .is_some_and(|stem| stem == "canic-replica")
        })
        .ok_or_else(|| "cargo built no binary canic-replica".to_string())
}

/// Test binaries that wait most of their time, for servers, timers and other programs. They run
/// beside the others.
const WAITING: [&str; 2] = ["client", "cli"];

/// The arguments that select the test binaries that wait, and those that select all others.
fn lanes() -> Result<[Vec<String>; 2], String> {
    let metadata = command(&["metadata", "--no-deps", "--offline", "--format-version=1"])
        .output()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout)
        .map_err(|e| format!("the answer of `cargo metadata`: {e}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    // Several packages may have tests of one name.
    let names: BTreeSet<&str> = tests.filter_map(|target| target["name"].as_str()).collect();
    let those_that = |wait: bool| {
        let names = names
            .iter()
            .filter(move |name| WAITING.contains(name) == wait);
        names.flat_map(|name| ["--test".to_string(), (*name).to_string()])
    };
    let own = ["--lib", "--bins"].map(str::to_string);
    Ok([
        those_that(true).collect(),
        own.into_iter().chain(those_that(false)).collect(),
    ])
}

/// Runs all tests of the workspace, doctests included; echoes their output and counts them.
fn tests(environment: &[(&str, OsString)], tally: &mut Tally) -> Result<(), String> {
    let [waiting, working] = lanes()?;
    let run = |targets: &[String]| lines_of_tests(targets, environment);
    let (waiting, working) = thread::scope(|scope| {
        let waiting = scope.spawn(|| run(&waiting).map(Iterator::collect::<Vec<_>>));
        let working = run(&working).map(|lines| tally.echo(lines));
        (waiting.join(), working)
    });
    let waiting = waiting.map_err(|_| "the thread of a test run panicked")?;
    let waiting = waiting.map(|lines| tally.echo(lines.into_iter()));
    let documented = run(&["--doc".to_string()]).map(|lines| tally.echo(lines));
    for result in [working, waiting, documented] {
        result??;
    }
    if tally.passed == 0 {
        Err("no test ran".to_string())
    } else {
        Ok(())
    }
}

/// The lines that the tests of some targets print. After them comes an error if a test failed.
fn lines_of_tests(
    targets: &[String],
    environment: &[(&str, OsString)],
) -> Result<impl Iterator<Item = Result<String, String>> + use<>, String> {
    let mut child = command(&["test", "--no-fail-fast"])
        .args(WORKSPACE)
        .args(targets)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    let output = child.stdout.take().ok_or("cargo's output can't be read")?;
    let lines = BufReader::new(output).lines();
    let lines = lines.map(|line| line.map_err(|e| format!("cargo's output can't be read: {e}")));
    let end = iter::once_with(move || match child.wait() {
        Ok(status) if status.success() => None,
        Ok(_) => Some(Err("cargo test".to_string())),
        Err(e) => Some(Err(format!("cargo can't be awaited: {e}"))),
    });
    Ok(lines.chain(end.flatten()))
}

impl Tally {
    /// Prints lines, and counts the tests that they tell of.
    fn echo(&mut self, lines: impl Iterator<Item = Result<String, String>>) -> Result<(), String> {
        for line in lines {
            let line = line?;
            self.count(&line);
            println!("{line}");
        }
        Ok(())
    }

    /// Reads lines such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ..`.
    fn count(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for part in counts.split("; ") {
            let Some((Ok(number), word)) = part
                .split_once(' ')
                .map(|(number, word)| (number.parse::<u64>(), word))
            else {
                continue;
            };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

fn cargo(args: &[&str]) -> Result<(), String> {
    let status = command(args)
        .status()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo {}", args.join(" ")))
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(artifacts::workspace()).args(args);
    command
}

#[test]
fn closing_lines_are_counted() {
    let mut tally = Tally::default();
    tally.count(
        "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; \
         finished in 0.00s",
    );
    tally.count("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out");
    tally.count("test some::thing ... ok");
    assert_eq!((tally.passed, tally.failed, tally.skipped), (5, 4, 1));
}

#[test]
fn each_test_binary_is_in_one_lane() {
    let [waiting, working] = lanes().expect("cargo tells the tests");
    assert_eq!(waiting, ["--test", "cli", "--test", "client"]);
    for name in ["docs", "faults", "fleet", "rules", "ui"] {
        assert!(working.iter().any(|one| one == name), "{working:?}");
    }
    assert!(
        !working
            .iter()
            .any(|one| waiting[1..].contains(one) && one != "--test")
    );
}
