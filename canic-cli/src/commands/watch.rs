//! Views that are shown again and again, until Ctrl-C.

use std::{
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

use crate::{
    failure::Failure,
    output::{self, Out, Style, Text, format, progress},
};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    /// Looks again every two seconds, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
}

impl Watch {
    /// Writes a report, again and again if the operator watches: in place on a terminal; elsewhere
    /// whenever something changed, in JSON as a line.
    ///
    /// # Errors
    /// Nobody answers, or standard output can't be written.
    pub(crate) async fn report<R: Serialize + Text>(
        self,
        out: &Out,
        ask: impl AsyncFn() -> Result<R, Failure>,
    ) -> Result<(), Failure> {
        if !self.watch {
            return out.report(&ask().await?);
        }
        progress::hide_bars();
        let screen = match !out.json && io::stdout().is_terminal() {
            true => Some(progress::screen()),
            false => None,
        };
        let ended = rounds(out, ask, screen.as_ref()).await;
        if let Some(screen) = screen {
            // The terminal has written `^C` behind it: drawn again, it would stand a line lower.
            screen.set_draw_target(ProgressDrawTarget::hidden());
            output::write("\n")?;
        }
        ended
    }
}

async fn rounds<R: Serialize + Text>(
    out: &Out,
    ask: impl AsyncFn() -> Result<R, Failure>,
    screen: Option<&ProgressBar>,
) -> Result<(), Failure> {
    // One future for all rounds: it also sees a Ctrl-C between two of them.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut last = String::new();
    loop {
        let report = tokio::select! {
            report = ask() => report?,
            _ = &mut interrupted => return Ok(()),
        };
        match screen {
            Some(screen) => screen.set_message(page(&report, out)),
            None => changed(&report, out, &mut last)?,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = &mut interrupted => return Ok(()),
        }
    }
}

/// What is on the terminal after a look.
fn page(report: &impl Text, out: &Out) -> String {
    let style = Style {
        colour: out.style.colour,
        ..Style::of_stdout()
    };
    let time = format::clock(style.now);
    format!("{}\nlooked at {time}, Ctrl-C ends it", report.text(&style))
}

/// Writes a report that is another than the last one.
fn changed<R: Serialize + Text>(report: &R, out: &Out, last: &mut String) -> Result<(), Failure> {
    let line = serde_json::to_string(report).map_err(|e| Failure::refused(e.to_string()))?;
    if line == *last {
        return Ok(());
    }
    let text = match out.json {
        true => format!("{line}\n"),
        false if last.is_empty() => report.text(&Style::of_stdout()),
        false => format!("\n{}", report.text(&Style::of_stdout())),
    };
    *last = line;
    output::write(&text)
}
