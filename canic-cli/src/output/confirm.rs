//! Plans: what a destructive command is about to do, and the operator's consent.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::{Failure, Kind};

/// Prints a plan on standard error, and returns if the operator consents: by `--yes`, or by typing
/// `yes` at a terminal.
///
/// # Errors
/// The operator does not, or nobody can be asked.
pub(crate) fn plan(lines: &[String], yes: bool) -> Result<(), Failure> {
    eprintln!("plan:");
    for line in lines {
        eprintln!("  {line}");
    }
    if yes {
        return Ok(());
    }
    let refused = Failure::new(Kind::NotConfirmed, "nothing was changed")
        .with_advice("Add `--yes` to carry out this plan.");
    if !io::stdin().is_terminal() {
        return Err(refused);
    }
    eprint!("type `yes` to carry it out: ");
    // A prompt that can't be written is followed by the question's refusal.
    let _ = io::stderr().flush();
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(refused),
    }
}
