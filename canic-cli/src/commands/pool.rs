//! `canic pool`: the canisters of the pool, by state, with the cycles that they have now.

use std::cmp::Reverse;

use candid::Principal;
use clap::ValueEnum;
use serde::Serialize;

use crate::{
    commands::{
        page::{cut, next_page},
        status::told,
        watch::Watch,
    },
    failure::Failure,
    fleet::Fleet,
    output::{
        self, Out, Style, Text, Tone,
        format::{self, Cycles},
        table::Table,
    },
    views::{self, PoolRow},
};

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Args {
    /// Canisters in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// The column to sort by
    #[arg(long, value_enum, default_value = "age")]
    sort: Sort,
    /// Begin after so many rows
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    skip: usize,
    /// The number of rows; 0 for all
    #[arg(long, default_value_t = 100, value_name = "ROWS")]
    limit: usize,
    /// Only what root has on record: does not ask the platform for cycles
    #[arg(long)]
    on_record: bool,
    #[command(flatten)]
    watch: Watch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Ready,
    Claimed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Oldest first
    #[default]
    Age,
    /// Those with the fewest cycles first
    Cycles,
    /// Those that were refused most first
    Refusals,
}

/// A page of the pool.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The rows of the page.
    pub(crate) pool: Vec<PoolRow>,
    /// The place of the page's first row among all that match.
    pub(crate) skipped: usize,
    /// All canisters that match.
    pub(crate) matching: usize,
    /// What root did not tell.
    pub(crate) unknown: Vec<String>,
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let ask = async || ask(fleet, args).await;
    args.watch.report(out, ask).await
}

/// Asks root for the canisters of the pool, and the platform for those that are shown.
///
/// # Errors
/// Root does not answer.
pub(crate) async fn ask(fleet: &Fleet, args: &Args) -> Result<Report, Failure> {
    let rows = fleet.pool().await?.into_iter().map(PoolRow::from);
    let is_wanted = |row: &PoolRow| {
        let state = match row.claimed_by {
            None => State::Ready,
            Some(_) => State::Claimed,
        };
        args.state.is_none_or(|wanted| wanted == state)
    };
    let mut rows: Vec<PoolRow> = rows.filter(is_wanted).collect();
    let mut unknown = Vec::new();
    let asks_for_all = args.sort == Sort::Cycles && !args.on_record;
    if asks_for_all {
        see(fleet, &mut rows, &mut unknown).await?;
    }
    match args.sort {
        // Root lists them so.
        Sort::Age => {}
        Sort::Cycles => rows.sort_by_key(cycles),
        Sort::Refusals => rows.sort_by_key(|row| Reverse(row.refusals)),
    }
    let matching = rows.len();
    let mut rows = cut(rows, args.skip, args.limit);
    if !asks_for_all && !args.on_record {
        see(fleet, &mut rows, &mut unknown).await?;
    }
    Ok(Report {
        pool: rows,
        skipped: args.skip,
        matching,
        unknown,
    })
}

/// Adds what the platform says of these canisters.
async fn see(
    fleet: &Fleet,
    rows: &mut [PoolRow],
    unknown: &mut Vec<String>,
) -> Result<(), Failure> {
    let canisters: Vec<Principal> = rows.iter().map(|row| row.canister).collect();
    let Some(answer) = told(fleet.live_canisters(&canisters).await, unknown)? else {
        return Ok(());
    };
    let Some(mut seen) = answer else {
        unknown.push("the cycles of the pool now: root's canic is older".to_string());
        return Ok(());
    };
    for row in rows {
        match seen.remove(&row.canister) {
            Some(Ok(live)) => row.live = Some(live.into()),
            Some(Err(why)) => row.unseen = Some(why),
            None => {}
        }
    }
    Ok(())
}

/// The cycles of a canister now, or on record if nobody tells them.
fn cycles(row: &PoolRow) -> Cycles {
    row.live.as_ref().map_or(row.cycles, |live| live.cycles)
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        if self.matching == 0 {
            return "the pool is empty, or nothing in it matches\n".to_string();
        }
        let mut table = Table::new(&[
            "CANISTER",
            "#CYCLES",
            "#AT FIRST",
            "STATE",
            "AGE",
            "#REFUSALS",
            "REASON",
        ]);
        for row in &self.pool {
            let state = match row.claimed_by {
                None => "ready".to_string(),
                Some(operation) => format!("claimed by {operation}"),
            };
            let tone = match (row.refusals, &row.unseen) {
                (0, None) => Tone::Plain,
                _ => Tone::Warn,
            };
            let live = row.live.as_ref();
            let reason = row.unseen.as_deref().or(row.refused.as_deref());
            let cells = [
                row.canister.to_text(),
                live.map_or("-".to_string(), |live| format::cycles(live.cycles.0)),
                format::cycles(row.cycles.0),
                state,
                style.age(row.since),
                row.refusals.to_string(),
                views::shorten(reason.unwrap_or("-"), 80),
            ];
            table.row(tone, &cells);
        }
        let next = next_page(self.skipped, self.pool.len(), self.matching, "canister");
        table.text(style) + &next + &output::not_shown(&self.unknown, style)
    }
}
