//! Output: text for people, JSON for programs, plans before a change, progress bars.

pub(crate) mod confirm;
pub(crate) mod format;
pub(crate) mod progress;
pub(crate) mod table;

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use crate::failure::Failure;

/// A report that has a text for people. Its JSON form has the same facts.
pub(crate) trait Text {
    /// The text, with a newline at its end.
    fn text(&self, style: &Style) -> String;
}

/// How texts are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Whether there are colours.
    pub(crate) colour: bool,
    /// The present time, in seconds since 1970. Ages are relative to it.
    pub(crate) now: u64,
}

impl Style {
    /// The style of a terminal, or of a file or pipe.
    pub(crate) fn of_stdout() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            colour: io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none(),
            now: now.map_or(0, |now| now.as_secs()),
        }
    }

    /// How long ago a time was, which is in seconds since 1970.
    pub(crate) fn age(&self, since: u64) -> String {
        format::duration(self.now.saturating_sub(since))
    }

    /// A text in a tone.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_string(),
            Tone::Plain => return text.to_string(),
            Tone::Head => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The meaning of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Head,
    Faint,
    Good,
    Warn,
    Bad,
}

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    /// Whether it writes JSON.
    pub(crate) json: bool,
    pub(crate) style: Style,
}

impl Out {
    /// Writes a report.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(crate) fn report<R: Serialize + Text>(&self, report: &R) -> Result<(), Failure> {
        let text = if self.json {
            let text = serde_json::to_string_pretty(report);
            text.map_err(|e| Failure::refused(e.to_string()))? + "\n"
        } else {
            report.text(&self.style)
        };
        write(&text)
    }

    /// Writes a line about a step of a long work, in JSON as well.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(crate) fn step<S: Serialize>(&self, step: &S, line: &str) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string(step).map_err(|e| Failure::refused(e.to_string()))?;
            return write(&format!("{text}\n"));
        }
        self.say(line)
    }

    /// Writes a line for people; nothing in JSON.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(crate) fn say(&self, line: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        write(&format!("{line}\n"))
    }
}

/// Writes a failure on standard error.
pub(crate) fn failure(failure: &Failure, json: bool) {
    match json {
        true => eprintln!("{}", failure.to_json()),
        false => eprintln!("canic: {failure}"),
    }
}

/// Lines about facts that a root of another version did not tell.
pub(crate) fn not_shown(unknown: &[String], style: &Style) -> String {
    let lines = unknown.iter().map(|line| format!("not shown: {line}"));
    lines
        .map(|line| style.paint(Tone::Warn, &line) + "\n")
        .collect()
}

/// Writes to standard output. A reader that has gone away, as `head` does, is no failure.
///
/// # Errors
/// Standard output can't be written.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Failure::refused(format!("standard output: {e}"))),
        Ok(()) => Ok(()),
    }
}
