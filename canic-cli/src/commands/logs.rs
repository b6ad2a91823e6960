//! `canic logs`: the log that the platform keeps of a canister.

use std::{pin::pin, time::Duration};

use candid::{CandidType, Principal};
use serde::{Deserialize, Serialize};

use crate::{
    commands::find,
    failure::Failure,
    fleet::Fleet,
    output::{self, Out, Style, Text, Tone, format},
};

/// The pause between two looks at a log, which nothing announces.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The member whose log is printed, PRINCIPAL or ROLE/KEY; root without one
    member: Option<String>,
    /// Lines that contain this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only warnings and errors
    #[arg(long)]
    warnings: bool,
    /// Only the last lines of those
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// Go on printing until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

#[derive(CandidType)]
struct LogRequest {
    canister_id: Principal,
}

#[derive(CandidType, Deserialize)]
struct Records {
    canister_log_records: Vec<Record>,
}

#[derive(CandidType, Deserialize)]
struct Record {
    idx: u64,
    timestamp_nanos: u64,
    content: serde_bytes::ByteBuf,
}

/// The lines of a log.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) canister: Principal,
    pub(crate) lines: Vec<Line>,
}

/// A line of a log.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// Its number; the next line has the next one.
    pub(crate) index: u64,
    /// Seconds since 1970.
    pub(crate) time: u64,
    pub(crate) text: String,
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let canister = match &args.member {
        None => fleet.root,
        Some(member) => find::member(fleet, member).await?.canister,
    };
    let mut lines = ask(fleet, canister).await?;
    let mut next = lines.last().map_or(0, |line| line.index + 1);
    lines.retain(|line| wanted(line, args));
    if let Some(tail) = args.tail {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    if !args.follow {
        return out.report(&Report { canister, lines });
    }
    // One future for all rounds: it also sees a Ctrl-C between two of them.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        for line in &lines {
            let text = if out.json {
                serde_json::to_string(line).map_err(|e| Failure::refused(e.to_string()))? + "\n"
            } else {
                followed(line, &out.style)
            };
            output::write(&text)?;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = &mut interrupted => return Ok(()),
        }
        lines = ask(fleet, canister).await?;
        lines.retain(|line| line.index >= next);
        next = lines.last().map_or(next, |line| line.index + 1);
        lines.retain(|line| wanted(line, args));
    }
}

/// Asks the platform for the log of a canister, oldest line first.
///
/// # Errors
/// The platform does not answer, or the caller may not read it.
pub(crate) async fn ask(fleet: &Fleet, canister: Principal) -> Result<Vec<Line>, Failure> {
    let request = LogRequest {
        canister_id: canister,
    };
    let records: Records = fleet
        .management(canister, "fetch_canister_logs", true, (request,))
        .await?;
    let lines = records.canister_log_records.into_iter();
    let lines = lines.map(|record| Line {
        index: record.idx,
        time: format::seconds(record.timestamp_nanos),
        text: String::from_utf8_lossy(&record.content).into_owned(),
    });
    Ok(lines.collect())
}

fn wanted(line: &Line, args: &Args) -> bool {
    let grep = args.grep.as_ref();
    grep.is_none_or(|text| line.text.contains(text.as_str()))
        && (!args.warnings || tone(line) != Tone::Plain)
}

/// Each line of canic's begins with its level; a trap begins with `[TRAP]`.
fn tone(line: &Line) -> Tone {
    match line.text.split_whitespace().next() {
        Some("ERROR" | "[TRAP]:" | "[TRAP]") => Tone::Bad,
        Some("WARN") => Tone::Warn,
        _ => Tone::Plain,
    }
}

fn text(line: &Line, style: &Style) -> String {
    let age = format!("{:>7} ago", style.age(line.time));
    let shown = line.text.trim_end();
    format!("{age}  {}\n", style.paint(tone(line), shown))
}

/// A line that stays on the screen: its age would not stay true, so it has the time of day in UTC.
fn followed(line: &Line, style: &Style) -> String {
    let shown = line.text.trim_end();
    format!(
        "{}  {}\n",
        format::clock(line.time),
        style.paint(tone(line), shown)
    )
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        match self.lines.as_slice() {
            [] => "no lines\n".to_string(),
            lines => lines.iter().map(|line| text(line, style)).collect(),
        }
    }
}
