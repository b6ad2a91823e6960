//! `cargo xtask faults`: every failure at every await, on the real Wasm of a root and its members.
//!
//! The work is shared among as many processes as there are cores: threads of one process wait for
//! each other whenever one of them maps a canister's memory. Each worker is this command with
//! `--worker`, and writes one line of JSON for each thing that it has to say.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use canic_artifacts as artifacts;
use canic_fault_tests::{Case, History, Report, Violation, history, matrix, scenario, shrink};
use serde::{Deserialize, Serialize};

/// The time between two lines of progress, and between two tallies of a worker.
const PROGRESS: Duration = Duration::from_secs(60);
const TALLY: Duration = Duration::from_secs(2);

#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    /// Adds the figures as one line of JSON, the last one
    #[arg(long)]
    json: bool,
    /// Runs pairs and histories for this time, such as 90s, 30m or 8h
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Takes one of N single failures; 0: none [default: 1, with --for 0]
    #[arg(long, value_name = "N")]
    every: Option<usize>,
    /// Tries N pairs of failures [default: 2100, with --for no limit]
    #[arg(long, value_name = "N")]
    pairs: Option<u64>,
    /// Tries N random histories of many operations [default: 300, with --for no limit]
    #[arg(long, value_name = "N")]
    histories: Option<u64>,
    /// Draws pairs and histories from this seed [default: from the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Takes only the scenarios whose names begin with PREFIX
    #[arg(long, value_name = "PREFIX", default_value = "")]
    only: String,
    /// Prints what it finds as it is, without shrinking it first
    #[arg(long)]
    no_shrink: bool,
    /// Repeats one case, given as the line that was printed
    #[arg(long, value_name = "LINE", exclusive = true)]
    case: Option<String>,
    /// Repeats one history, given as the line that was printed or by its seed
    #[arg(long, value_name = "LINE", exclusive = true)]
    history: Option<String>,
    /// Does the share of this worker
    #[arg(long, hide = true)]
    worker: Option<u64>,
    /// The number of workers [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<u64>,
}

/// What a worker has to say.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Note {
    /// How much it has done.
    Tally(Report),
    /// A violation, as it was found.
    Found(Violation),
    /// The same in the fewest operations and failures.
    Shrunk(Violation),
    /// What was found does not happen again.
    Fleeting(String),
}

/// Runs the matrix, or one case of it. Each case with a violation is printed at once as the line
/// that repeats it.
///
/// # Errors
/// When a case has a violation, or can't be run.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    if let Some(line) = &args.case {
        run_case(line)
    } else if let Some(line) = &args.history {
        run_history(line)
    } else if let Some(worker) = args.worker {
        Worker::new(args, worker)?.work()
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
    conclude(&run.violation.map_or(Vec::new(), |found| found.problems))
}

fn run_history(line: &str) -> Result<(), String> {
    let history: History = line.parse()?;
    let outcome = history.run();
    println!(
        "{} steps, {} faults fired",
        history.steps.len(),
        outcome.fired.len()
    );
    conclude(&outcome.problems)
}

fn conclude(problems: &[String]) -> Result<(), String> {
    if problems.is_empty() {
        println!("no violation");
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

// The command: it starts the workers, and prints what they say.

fn run_matrix(args: &Args) -> Result<(), String> {
    let seed = args.seed.unwrap_or_else(seed_of_the_clock);
    println!("seed {seed}");
    let count = args.workers.unwrap_or_else(cores).max(1);
    let canisters = match env::var_os(artifacts::CANISTERS_DIR) {
        Some(folder) => folder.into(),
        None => artifacts::build_canisters()?,
    };
    let (notes, received) = mpsc::channel();
    let mut children = Vec::new();
    for worker in 0..count {
        let mut child = start_worker(worker, count, seed, &canisters)?;
        let output = child.stdout.take().ok_or("a worker has no output")?;
        let notes = notes.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The receiver is gone when the command has failed.
                if notes.send((worker as usize, line)).is_err() {
                    break;
                }
            }
        });
        children.push(child);
    }
    drop(notes);
    let report = listen(&received, count as usize)?;
    let failed = children
        .iter_mut()
        .filter_map(|child| child.wait().ok())
        .filter(|status| !status.success())
        .count();
    print(&report);
    if args.json {
        let line = serde_json::to_string(&report).map_err(|e| e.to_string())?;
        println!("{line}");
    }
    match (report.violations, failed) {
        (0, 0) => Ok(()),
        (0, _) => Err("a worker failed".to_string()),
        _ => Err("there are violations".to_string()),
    }
}

/// Starts this command once more, with the same arguments, for one share of the work.
fn start_worker(
    worker: u64,
    count: u64,
    seed: u64,
    canisters: &std::path::Path,
) -> Result<Child, String> {
    let this = env::current_exe().map_err(|e| format!("this program: {e}"))?;
    let mut own: Vec<_> = env::args_os().skip(1).collect();
    own.extend(["--worker".into(), worker.to_string().into()]);
    let has = |option: &str| {
        own.iter()
            .any(|arg| arg.to_string_lossy().split('=').next() == Some(option))
    };
    let mut further = Vec::new();
    if !has("--seed") {
        further.extend(["--seed".to_string(), seed.to_string()]);
    }
    if !has("--workers") {
        further.extend(["--workers".to_string(), count.to_string()]);
    }
    Command::new(this)
        .args(own)
        .args(further)
        .env(artifacts::CANISTERS_DIR, canisters)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("a worker can't be started: {e}"))
}

/// Prints what the workers say, until all have ended. Returns the sum of what they did.
fn listen(received: &mpsc::Receiver<(usize, String)>, count: usize) -> Result<Report, String> {
    let mut tallies = vec![Report::default(); count];
    let (begun, mut printed) = (Instant::now(), Instant::now());
    for (worker, line) in received {
        match serde_json::from_str(&line).map_err(|e| format!("a worker's line {line}: {e}"))? {
            Note::Tally(tally) => tallies[worker] = tally,
            Note::Found(violation) => println!("\nfound:  {violation}"),
            Note::Shrunk(violation) => println!("\nshrunk: {violation}"),
            Note::Fleeting(line) => println!("\nnot when its faults are spelled out: {line}"),
        }
        if printed.elapsed() >= PROGRESS {
            printed = Instant::now();
            print!("{:>5} s  ", begun.elapsed().as_secs());
            print(&sum(&tallies));
        }
    }
    Ok(sum(&tallies))
}

fn sum(tallies: &[Report]) -> Report {
    let first = tallies.first().copied().unwrap_or_default();
    let sum = |of: fn(&Report) -> usize| tallies.iter().map(of).sum();
    Report {
        cases: sum(|tally| tally.cases),
        pairs: sum(|tally| tally.pairs),
        histories: sum(|tally| tally.histories),
        violations: sum(|tally| tally.violations),
        ..first
    }
}

fn print(report: &Report) {
    println!(
        "{} scenarios, {} awaits, {} faults: {} cases, {} pairs, {} histories, {} violations",
        report.scenarios,
        report.awaits,
        report.faults,
        report.cases,
        report.pairs,
        report.histories,
        report.violations
    );
}

fn seed_of_the_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |since| since.as_secs())
}

fn cores() -> u64 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// Parses a number with a unit: seconds, minutes or hours.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 90s, 30m or 8h");
    let (number, seconds) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

// A worker

/// One worker's share: every item whose number leaves its own number as the remainder.
struct Worker {
    args: Args,
    own: u64,
    count: u64,
    seed: u64,
    end: Option<Instant>,
    prepared: Vec<matrix::Prepared>,
    tally: Report,
    told: Instant,
}

impl Worker {
    fn new(args: &Args, own: u64) -> Result<Self, String> {
        let now = Instant::now();
        let prepared =
            matrix::prepare_named(&args.only).map_err(|failures| format!("{failures:#?}"))?;
        Ok(Self {
            own,
            count: args.workers.unwrap_or(1).max(1),
            seed: args.seed.unwrap_or_default(),
            end: args.time.and_then(|time| now.checked_add(time)),
            tally: Report {
                scenarios: prepared.len(),
                awaits: prepared.iter().map(matrix::Prepared::awaits).sum(),
                faults: matrix::faults(),
                ..Report::default()
            },
            prepared,
            told: now,
            args: args.clone(),
        })
    }

    fn work(mut self) -> Result<(), String> {
        let timed = self.end.is_some();
        let every = self.args.every.unwrap_or(usize::from(!timed));
        if every > 0 {
            self.run_singles(every)?;
        }
        let limit =
            |given: Option<u64>, usual| given.unwrap_or(if timed { u64::MAX } else { usual });
        let pairs = limit(self.args.pairs, 2_100).div_ceil(matrix::PAIRS_OF_A_GROUP as u64);
        let histories = limit(self.args.histories, 300);
        // In turn, so that a run that ends early has some of both.
        let mut number = self.own;
        while (number < pairs || number < histories) && !self.is_over() {
            if number < pairs {
                self.run_group(number)?;
            }
            for history in [4 * number, 4 * number + 1, 4 * number + 2, 4 * number + 3] {
                if history < histories && !self.is_over() {
                    self.run_history(history)?;
                }
            }
            number += self.count;
        }
        say(&Note::Tally(self.tally))
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    fn run_singles(&mut self, every: usize) -> Result<(), String> {
        let all = self.prepared.iter().flat_map(matrix::Prepared::singles);
        let own = all.step_by(every).skip(self.own as usize);
        for case in own.step_by(self.count as usize).collect::<Vec<_>>() {
            self.tally.cases += usize::from(self.run_case(&case)?);
        }
        Ok(())
    }

    fn run_group(&mut self, group: u64) -> Result<(), String> {
        for case in matrix::group_of_pairs(&self.prepared, group, self.seed) {
            self.tally.pairs += usize::from(self.run_case(&case)?);
        }
        Ok(())
    }

    /// Runs a case, and returns whether all its faults fired.
    fn run_case(&mut self, case: &Case) -> Result<bool, String> {
        let mut all = self.prepared.iter();
        let prepared = all.find(|one| one.scenario.name == case.scenario);
        let world = &prepared.ok_or("a case of no scenario")?.world;
        let run = matrix::run(world, case);
        if let Some(found) = run.violation {
            self.report(found, || shrink::found_case(case))?;
        }
        self.tell()?;
        Ok(run.fired)
    }

    fn run_history(&mut self, number: u64) -> Result<(), String> {
        let seed = self.seed.wrapping_mul(1_000_000).wrapping_add(number);
        if let Some(found) = history::run_seed(seed) {
            self.report(found, || shrink::found_history(&History::drawn(seed)))?;
        }
        self.tally.histories += 1;
        self.tell()
    }

    /// Says what was found, then the same in the fewest operations and failures.
    fn report(
        &mut self,
        found: Violation,
        shrink: impl FnOnce() -> Option<Violation>,
    ) -> Result<(), String> {
        self.tally.violations += 1;
        let repeat = found.repeat.clone();
        say(&Note::Found(found))?;
        if self.args.no_shrink {
            return Ok(());
        }
        say(&match shrink() {
            Some(shrunk) => Note::Shrunk(shrunk),
            None => Note::Fleeting(repeat),
        })
    }

    /// Says how much is done, every few seconds.
    fn tell(&mut self) -> Result<(), String> {
        if self.told.elapsed() < TALLY {
            return Ok(());
        }
        self.told = Instant::now();
        say(&Note::Tally(self.tally))
    }
}

fn say(note: &Note) -> Result<(), String> {
    let line = serde_json::to_string(note).map_err(|e| e.to_string())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").map_err(|e| format!("nobody listens: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1_800)));
        assert_eq!(duration("8h"), Ok(Duration::from_secs(28_800)));
        for wrong in [
            "",
            "m",
            "30",
            "30d",
            "-1s",
            "1.5h",
            "5 m",
            "9999999999999999999h",
            "3é",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
