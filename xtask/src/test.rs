//! `cargo xtask test`: all that must hold before a change lands.

use crate::toolchain;
use canic_fleet_tests::artifacts;
use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Tests counted from the closing lines of the test binaries.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs every step, also after one that failed, and sums up at the end.
///
/// # Errors
/// When any step failed.
pub(crate) fn run() -> Result<(), String> {
    toolchain::ensure_wasm_target()?;
    let started = Instant::now();
    let mut steps: Vec<(&str, Duration, Result<(), String>)> = Vec::new();
    let mut step = |name: &'static str, run: &mut dyn FnMut() -> Result<(), String>| {
        println!("\n== {name}");
        let since = Instant::now();
        let done = run();
        if let Err(reason) = &done {
            eprintln!("failed: {reason}");
        }
        steps.push((name, since.elapsed(), done));
    };

    let mut environment: Vec<(&str, OsString)> = Vec::new();
    let mut tally = Tally::default();
    step("formatting", &mut || cargo(&["fmt", "--all", "--check"]));
    step("canisters", &mut || {
        environment.push((
            artifacts::CANISTERS_DIR,
            artifacts::build_canisters()?.into(),
        ));
        Ok(())
    });
    step("replica", &mut || {
        // Whoever names a server gets that one.
        if env::var_os("POCKET_IC_BIN").is_none() {
            environment.push(("POCKET_IC_BIN", artifacts::build_replica()?.into()));
        }
        Ok(())
    });
    step("clippy, host", &mut || {
        cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])
    });
    step("clippy, wasm", &mut || {
        let mut args = vec![
            "clippy",
            "--quiet",
            "--target",
            "wasm32-unknown-unknown",
            "--package",
            "canic",
        ];
        args.extend(
            artifacts::CANISTERS
                .concat()
                .into_iter()
                .flat_map(|p| ["--package", p]),
        );
        args.extend(["--", "-D", "warnings"]);
        cargo(&args)
    });
    step("tests", &mut || tests(&environment, &mut tally));
    step("demo", &mut || crate::demo::run(true));

    println!("\n== summary");
    for (name, took, done) in &steps {
        let word = if done.is_ok() { "ok" } else { "FAILED" };
        println!("{word:<7} {:>5} s  {name}", took.as_secs());
    }
    println!("        {:>5} s  in all", started.elapsed().as_secs());
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    let failed: Vec<&str> = steps
        .iter()
        .filter(|(_, _, done)| done.is_err())
        .map(|s| s.0)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

/// All tests of the workspace, doctests included, echoed as they run and counted.
fn tests(environment: &[(&str, OsString)], tally: &mut Tally) -> Result<(), String> {
    let mut child = command(&["test", "--workspace", "--no-fail-fast"])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    let output = child.stdout.take().ok_or("cargo's output can't be read")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|e| format!("cargo's output can't be read: {e}"))?;
        tally.count(&line);
        println!("{line}");
    }
    let status = child
        .wait()
        .map_err(|e| format!("cargo can't be awaited: {e}"))?;
    if !status.success() {
        return Err("cargo test".to_string());
    }
    if tally.passed == 0 {
        Err("no test ran".to_string())
    } else {
        Ok(())
    }
}

impl Tally {
    /// Reads lines such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ..`.
    fn count(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for part in counts.split("; ") {
            match part
                .split_once(' ')
                .map(|(number, word)| (number.parse::<u64>(), word))
            {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.skipped += number,
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
    tally.count("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
    tally.count("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out");
    tally.count("test some::thing ... ok");
    assert_eq!((tally.passed, tally.failed, tally.skipped), (5, 4, 1));
}
