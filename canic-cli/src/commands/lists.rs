//! `canic pool`, `ops`, `op` and `releases`: root's other lists.

use std::cmp::Reverse;

use canic::api::OperationsFilter;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    commands::members::canister,
    failure::Failure,
    fleet::Fleet,
    medic,
    output::{Out, Style, Text, Tone, format, table::Table},
    views::{self, OperationRow, PoolRow, ReleaseRow},
};

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct PoolArgs {
    /// Canisters in this state
    #[arg(long, value_enum)]
    state: Option<PoolState>,
    /// The column to sort by
    #[arg(long, value_enum, default_value = "age")]
    sort: PoolSort,
    /// Begin after so many rows
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    skip: usize,
    /// The number of rows; 0 for all
    #[arg(long, default_value_t = 100, value_name = "ROWS")]
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PoolState {
    Ready,
    Claimed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PoolSort {
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
pub(crate) struct PoolReport {
    /// The rows of the page.
    pub(crate) pool: Vec<PoolRow>,
    /// The place of the page's first row among all that match.
    pub(crate) skipped: usize,
    /// All canisters that match.
    pub(crate) matching: usize,
}

pub(crate) async fn pool(fleet: &Fleet, args: &PoolArgs, out: &Out) -> Result<(), Failure> {
    out.report(&ask_pool(fleet, args).await?)
}

/// Asks root for the canisters of the pool.
///
/// # Errors
/// Root does not answer.
pub(crate) async fn ask_pool(fleet: &Fleet, args: &PoolArgs) -> Result<PoolReport, Failure> {
    let rows = fleet.pool().await?.into_iter().map(PoolRow::from);
    let is_wanted = |row: &PoolRow| {
        let state = match row.claimed_by {
            None => PoolState::Ready,
            Some(_) => PoolState::Claimed,
        };
        args.state.is_none_or(|wanted| wanted == state)
    };
    let mut rows: Vec<PoolRow> = rows.filter(is_wanted).collect();
    match args.sort {
        // Root lists them so.
        PoolSort::Age => {}
        PoolSort::Cycles => rows.sort_by_key(|row| row.cycles),
        PoolSort::Refusals => rows.sort_by_key(|row| Reverse(row.refusals)),
    }
    let matching = rows.len();
    Ok(PoolReport {
        pool: cut(rows, args.skip, args.limit),
        skipped: args.skip,
        matching,
    })
}

/// The rows of a page; all behind `skip` if the limit is 0.
fn cut<T>(rows: Vec<T>, skip: usize, limit: usize) -> Vec<T> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    rows.into_iter().skip(skip).take(limit).collect()
}

/// The line that names the next page; nothing if all rows are shown.
fn next_page(skipped: usize, shown: usize, matching: usize, noun: &str) -> String {
    let end = skipped + shown;
    if shown >= matching {
        return String::new();
    }
    let first = (skipped + 1).min(end);
    let all = format::count(matching as u64, noun);
    format!("{first} to {end} of {all}; more with `--skip {end}` or `--limit 0`\n")
}

impl Text for PoolReport {
    fn text(&self, style: &Style) -> String {
        if self.matching == 0 {
            return "the pool is empty, or nothing in it matches\n".to_string();
        }
        let mut table = Table::new(&["CANISTER", "#CYCLES", "STATE", "AGE", "#REFUSALS", "REASON"]);
        for row in &self.pool {
            let state = match row.claimed_by {
                None => "ready".to_string(),
                Some(operation) => format!("claimed by {operation}"),
            };
            let tone = match row.refusals {
                0 => Tone::Plain,
                _ => Tone::Warn,
            };
            let cells = [
                row.canister.to_text(),
                format::cycles(row.cycles.0),
                state,
                style.age(row.since),
                row.refusals.to_string(),
                views::shorten(row.refused.as_deref().unwrap_or("-"), 80),
            ];
            table.row(tone, &cells);
        }
        let next = next_page(self.skipped, self.pool.len(), self.matching, "canister");
        table.text(style) + &next
    }
}

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct OpsArgs {
    /// Operations in these states
    #[arg(long, value_enum, default_values = ["open"])]
    pub(crate) state: Vec<Section>,
    /// Operations of this purpose: provision, refill, retire, import_to_pool, adopt, move, upgrade,
    /// grant
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Operations on members of this role
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Operations whose member's key contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// Operations on this canister
    #[arg(long, value_name = "CANISTER")]
    pub(crate) canister: Option<String>,
    /// The column to sort by
    #[arg(long, value_enum, default_value = "newest")]
    pub(crate) sort: OpsSort,
    /// Begin after so many rows
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    pub(crate) skip: usize,
    /// The number of rows; 0 for all
    #[arg(long, default_value_t = 50, value_name = "ROWS")]
    pub(crate) limit: usize,
}

/// The orders of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpsSort {
    /// The newest first
    #[default]
    Newest,
    /// The oldest first
    Oldest,
    /// Those with the most tries of their step first
    Tries,
    /// Those with the most calls first
    Calls,
    /// Those that paid most first
    Paid,
}

/// The lists of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Section {
    Open,
    Quarantined,
    Closed,
    All,
}

impl Section {
    fn filters(self) -> &'static [OperationsFilter] {
        use OperationsFilter::{Closed, Open, Quarantined};
        match self {
            Self::Open => &[Open],
            Self::Quarantined => &[Quarantined],
            Self::Closed => &[Closed],
            Self::All => &[Open, Quarantined, Closed],
        }
    }
}

/// A page of operations.
#[derive(Debug, Serialize)]
pub(crate) struct OpsReport {
    /// In the order that was asked for.
    pub(crate) operations: Vec<OperationRow>,
    /// The place of the page's first row among all that match.
    pub(crate) skipped: usize,
    /// All operations that match.
    pub(crate) matching: usize,
}

pub(crate) async fn operations(fleet: &Fleet, args: &OpsArgs, out: &Out) -> Result<(), Failure> {
    out.report(&ask_operations(fleet, args).await?)
}

/// Asks root for the operations of a selection.
///
/// # Errors
/// Root does not answer, or the canister is no principal.
pub(crate) async fn ask_operations(fleet: &Fleet, args: &OpsArgs) -> Result<OpsReport, Failure> {
    let of = args.canister.as_deref().map(canister).transpose()?;
    let mut rows = Vec::new();
    for section in &args.state {
        for filter in section.filters() {
            let operations = fleet.operations(*filter).await?;
            rows.extend(operations.into_iter().map(OperationRow::from));
        }
    }
    rows.retain(|row| {
        args.kind.as_ref().is_none_or(|kind| row.kind == kind)
            && (args.role.is_none() || row.role == args.role)
            && args.key.as_ref().is_none_or(|text| {
                let key = row.key.as_ref();
                key.is_some_and(|key| key.contains(text.as_str()))
            })
            && (of.is_none() || row.canister == of)
    });
    rows.sort_by_key(|row| Reverse(row.id));
    rows.dedup_by_key(|row| row.id);
    match args.sort {
        OpsSort::Newest => {}
        OpsSort::Oldest => rows.reverse(),
        OpsSort::Tries => rows.sort_by_key(|row| Reverse(row.attempts)),
        OpsSort::Calls => rows.sort_by_key(|row| Reverse(row.calls)),
        OpsSort::Paid => rows.sort_by_key(|row| Reverse(row.paid)),
    }
    let matching = rows.len();
    Ok(OpsReport {
        operations: cut(rows, args.skip, args.limit),
        skipped: args.skip,
        matching,
    })
}

impl Text for OpsReport {
    fn text(&self, style: &Style) -> String {
        if self.matching == 0 {
            return "no operations\n".to_string();
        }
        let shown = self.operations.len();
        views::operations_table(&self.operations, style)
            + &next_page(self.skipped, shown, self.matching, "operation")
    }
}

#[derive(clap::Args)]
pub(crate) struct OpArgs {
    /// The number of the operation
    id: u64,
}

pub(crate) async fn operation(fleet: &Fleet, args: &OpArgs, out: &Out) -> Result<(), Failure> {
    let id = args.id;
    let Some(operation) = fleet.operation(id).await? else {
        return Err(
            Failure::refused(format!("root has no operation {id}")).with_advice(
                "It has forgotten it, or never had it: `canic ops --state all` lists those it has.",
            ),
        );
    };
    out.report(&OperationRow::from(operation))
}

impl Text for OperationRow {
    fn text(&self, style: &Style) -> String {
        let tone = match self.state {
            "quarantined" | "abandoned" => Tone::Bad,
            "rolled_back" | "open" => Tone::Warn,
            _ => Tone::Good,
        };
        let state = style.paint(tone, self.state);
        let mut text = format!(
            "operation  {} ({})\nstate      {state}\n",
            self.id, self.kind
        );
        let what = match self.state {
            "open" => "step",
            "rolled_back" => "canister's end",
            _ => "reason",
        };
        let canister = self.canister.map(|canister| canister.to_text());
        let paid = (self.paid.0 > 0).then(|| format::cycles(self.paid.0));
        let lines = [
            (what, self.detail.clone()),
            ("failure", self.failure.clone()),
            ("canister", canister),
            ("role", self.role.clone()),
            ("key", self.key.clone()),
            ("source", self.source.map(str::to_string)),
            (
                "tries",
                (self.state == "open").then(|| self.attempts.to_string()),
            ),
            ("calls", Some(self.calls.to_string())),
            ("paid", paid),
            (
                "accepted",
                Some(format!("{} ago", style.age(self.accepted))),
            ),
            ("updated", Some(format!("{} ago", style.age(self.updated)))),
        ];
        for (name, value) in lines {
            if let Some(value) = value {
                text += &format!("{name:<9}  {value}\n");
            }
        }
        if self.state == "quarantined" {
            text += &format!("mend it    {}\n", medic::mend(self));
        }
        text
    }
}

#[derive(clap::Args)]
pub(crate) struct ReleasesArgs {
    /// The role; all roles without one
    role: Option<String>,
}

/// Releases, oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct ReleasesReport {
    pub(crate) releases: Vec<ReleaseRow>,
}

pub(crate) async fn releases(fleet: &Fleet, args: &ReleasesArgs, out: &Out) -> Result<(), Failure> {
    out.report(&ReleasesReport {
        releases: ask_releases(fleet, args.role.as_deref()).await?,
    })
}

/// Asks root for the releases of a role, or of all roles.
///
/// # Errors
/// Root does not answer.
pub(crate) async fn ask_releases(
    fleet: &Fleet,
    role: Option<&str>,
) -> Result<Vec<ReleaseRow>, Failure> {
    let roles = match role {
        Some(role) => vec![role.to_string()],
        None => {
            let modules = fleet.modules().await?;
            modules.into_iter().map(|module| module.role).collect()
        }
    };
    let mut rows = Vec::new();
    for role in roles {
        let releases = fleet.releases(&role).await?;
        rows.extend(releases.into_iter().map(|row| ReleaseRow::new(&role, row)));
    }
    Ok(rows)
}

impl Text for ReleasesReport {
    fn text(&self, style: &Style) -> String {
        match self.releases.as_slice() {
            [] => "no releases; `canic release ROLE WASM` makes one\n".to_string(),
            rows => ReleaseRow::table(rows, style),
        }
    }
}
