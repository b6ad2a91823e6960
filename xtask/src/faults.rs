//! `cargo xtask faults`: every failure at every await, on the real Wasm of a root and its members.

use canic_fault_tests::{Case, Report, Violation, history, matrix, scenario};

use crate::toolchain;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Adds the figures as one line of JSON, the last one
    #[arg(long)]
    json: bool,
    /// Takes one of N single failures
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
    /// Tries N pairs of failures
    #[arg(long, value_name = "N", default_value_t = 2_100)]
    pairs: usize,
    /// Tries N random histories of many operations
    #[arg(long, value_name = "N", default_value_t = 300)]
    histories: usize,
    /// Draws pairs and histories from this seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Repeats one case, given as the line that was printed
    #[arg(long, value_name = "LINE", exclusive = true)]
    case: Option<String>,
    /// Repeats one history, given by its seed
    #[arg(long, value_name = "SEED", exclusive = true)]
    history: Option<u64>,
}

/// Runs the matrix, or one case of it. Each case with a violation is printed as the line that
/// repeats it.
///
/// # Errors
/// When a case has a violation, or can't be run.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    toolchain::ensure_wasm_target()?;
    if let Some(line) = &args.case {
        run_case(line)
    } else if let Some(seed) = args.history {
        run_history(seed)
    } else {
        run_matrix(args)
    }
}

fn run_case(line: &str) -> Result<(), String> {
    let case: Case = line.parse()?;
    let scenario = scenario::named(&case.scenario)
        .ok_or_else(|| format!("there is no scenario {:?}", case.scenario))?;
    let run = matrix::run(&(scenario.world)(), &case);
    println!("fired: {}", run.fired);
    conclude(run.violation)
}

fn run_history(seed: u64) -> Result<(), String> {
    conclude(history::run(&history::world(), seed))
}

fn conclude(violation: Option<Violation>) -> Result<(), String> {
    match violation {
        None => {
            println!("no violation");
            Ok(())
        }
        Some(violation) => Err(violation.problems.join("\n")),
    }
}

fn run_matrix(args: &Args) -> Result<(), String> {
    let mut violations = Vec::new();
    let prepared = matrix::prepare().map_err(|failures| format!("{failures:#?}"))?;
    let mut report = Report {
        scenarios: prepared.len(),
        awaits: prepared.iter().map(matrix::Prepared::awaits).sum(),
        faults: matrix::faults(),
        ..Report::default()
    };

    let singles = prepared.iter().flat_map(matrix::Prepared::singles);
    let singles: Vec<Case> = singles.step_by(args.every.max(1)).collect();
    println!("{} cases with one failure", singles.len());
    let (fired, found) = matrix::run_all(&prepared, &singles);
    report.cases = fired;
    violations.extend(found);

    println!("{} cases with two failures, seed {}", args.pairs, args.seed);
    let pairs = matrix::pairs(&prepared, args.pairs, args.seed);
    let (fired, found) = matrix::run_all(&prepared, &pairs);
    report.pairs = fired;
    violations.extend(found);

    println!(
        "{} random histories, from seed {}",
        args.histories, args.seed
    );
    let first = args.seed * 1_000_000;
    let seeds: Vec<u64> = (first..first + args.histories as u64).collect();
    violations.extend(history::run_all(&seeds));
    report.histories = seeds.len();

    report.violations = violations.len();
    for violation in &violations {
        println!("\n{violation}");
    }
    print(&report);
    if args.json {
        let line = serde_json::to_string(&report).map_err(|e| e.to_string())?;
        println!("{line}");
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err("there are violations".to_string())
    }
}

fn print(report: &Report) {
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
}
