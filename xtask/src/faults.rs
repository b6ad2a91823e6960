//! `cargo xtask faults`: every failure at every await, on the real Wasm of a root and its members.

use canic_fault_tests::{Case, Report, Violation, history, matrix, scenario};

/// What is tried.
struct Plan {
    json: bool,
    /// One of so many single faults.
    every: usize,
    pairs: usize,
    histories: usize,
    seed: u64,
}

const USAGE: &str = "\
Usage: cargo xtask faults [--json] [--every N] [--pairs N] [--histories N] [--seed N]
       cargo xtask faults --case LINE | --history SEED";

/// Runs the matrix, or one case of it. Every case that shows something wrong is printed as the line that repeats it.
///
/// # Errors
/// When something is wrong, or the arguments are.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    crate::toolchain::ensure_wasm_target()?;
    let mut plan = Plan {
        json: false,
        every: 1,
        pairs: 2_100,
        histories: 300,
        seed: 1,
    };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let mut value = || {
            args.next()
                .ok_or_else(|| format!("{option} needs a value\n{USAGE}"))
        };
        match *option {
            "--json" => plan.json = true,
            "--every" => plan.every = (number(value()?)? as usize).max(1),
            "--pairs" => plan.pairs = number(value()?)? as usize,
            "--histories" => plan.histories = number(value()?)? as usize,
            "--seed" => plan.seed = number(value()?)?,
            "--case" => return one_case(value()?),
            "--history" => return one_history(number(value()?)?),
            _ => return Err(format!("unknown option {option}\n{USAGE}")),
        }
    }
    whole(&plan)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number\n{USAGE}"))
}

fn one_case(line: &str) -> Result<(), String> {
    let case: Case = line.parse()?;
    let scenario = scenario::named(&case.scenario)
        .ok_or_else(|| format!("there is no scenario {:?}", case.scenario))?;
    let run = matrix::run(&(scenario.world)(), &case);
    println!("struck: {}", run.struck);
    verdict(run.violation)
}

fn one_history(seed: u64) -> Result<(), String> {
    verdict(history::run(&history::world(), seed))
}

fn verdict(violation: Option<Violation>) -> Result<(), String> {
    match violation {
        None => {
            println!("the books balance");
            Ok(())
        }
        Some(violation) => Err(violation.what.join("\n")),
    }
}

fn whole(plan: &Plan) -> Result<(), String> {
    let mut violations = Vec::new();
    let prepared = matrix::prepare().map_err(|wrong| format!("{wrong:#?}"))?;
    let mut report = Report {
        scenarios: prepared.len(),
        awaits: prepared.iter().map(matrix::Prepared::awaits).sum(),
        faults: matrix::faults(),
        ..Report::default()
    };

    let singles = prepared.iter().flat_map(matrix::Prepared::singles);
    let singles: Vec<Case> = singles.step_by(plan.every).collect();
    println!("{} cases in which one thing goes wrong", singles.len());
    let (struck, wrong) = matrix::run_all(&prepared, &singles);
    report.cases = struck;
    violations.extend(wrong);

    println!(
        "{} cases in which two things go wrong, seed {}",
        plan.pairs, plan.seed
    );
    let pairs = matrix::pairs(&prepared, plan.pairs, plan.seed);
    let (struck, wrong) = matrix::run_all(&prepared, &pairs);
    report.pairs = struck;
    violations.extend(wrong);

    println!(
        "{} random histories, from seed {}",
        plan.histories, plan.seed
    );
    let first = plan.seed * 1_000_000;
    let seeds: Vec<u64> = (first..first + plan.histories as u64).collect();
    violations.extend(history::run_all(&seeds));
    report.histories = seeds.len();

    report.violations = violations.len();
    for violation in &violations {
        println!("\n{violation}");
    }
    println!(
        "\n{} scenarios, {} awaits, {} faults: {} cases, {} pairs, {} histories, {} violations",
        report.scenarios,
        report.awaits,
        report.faults,
        report.cases,
        report.pairs,
        report.histories,
        report.violations
    );
    if plan.json {
        println!(
            "{}",
            serde_json::to_string(&report).map_err(|e| e.to_string())?
        );
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err("the books do not balance".to_string())
    }
}
