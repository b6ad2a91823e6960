//! `canic costs`: what the fleet costs a day, how long its cycles last, and what root granted and
//! refused.

use std::{cmp::Reverse, collections::BTreeMap};

use candid::Principal;
use canic::api::{Accounts, FundingDay, FundingInfo, RefusedGrant, RootFunding};
use clap::ValueEnum;
use serde::Serialize;

use crate::{
    commands::watch::Watch,
    failure::Failure,
    fleet::Fleet,
    output::{
        Out, Style, Text, Tone,
        format::{self, Cycles},
        table::Table,
    },
    views::live::{
        RoleFundingRow, days_text, level_tone, level_word, limit_word, purpose_word,
        source_of_fuel, tenths,
    },
};

/// Refusals that the text shows, the newest ones, unless the operator says how many.
const REFUSALS: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this role's row
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The column to sort roles by
    #[arg(long, value_enum, default_value = "role")]
    sort: Sort,
    /// The number of refusals, the newest ones; 0 for all. Without it, 10 in the text, all in JSON
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
    #[command(flatten)]
    watch: Watch,
}

/// The orders of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Role,
    /// Those with most members first
    Members,
    /// Those that burn most first
    Burn,
    /// Those that freeze first
    Days,
}

/// What the fleet costs.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The worst of the levels below: `ok`, `warn` or `critical`.
    pub(crate) level: &'static str,
    pub(crate) root: RootRow,
    /// The roles that have members, by name.
    pub(crate) roles: Vec<RoleFundingRow>,
    /// What was granted, by day, oldest first: 30 days at most.
    pub(crate) days: Vec<DayRow>,
    /// Grants that a limit refused, oldest first: 100 at most.
    pub(crate) refused: Vec<RefusedRow>,
    /// How many of them the text shows.
    #[serde(skip)]
    refusals: usize,
    /// Cycles a day that root grants to all roles together. None: no limit.
    pub(crate) budget: Option<Cycles>,
    /// Cycles charged against it since midnight in UTC.
    pub(crate) charged_today: Cycles,
}

/// Root's own cycles.
#[derive(Debug, Serialize)]
pub(crate) struct RootRow {
    pub(crate) root: Principal,
    pub(crate) level: &'static str,
    /// The reason for a level that is not `ok`.
    pub(crate) reason: Option<String>,
    /// What root can spend.
    pub(crate) available: Cycles,
    pub(crate) reserve: Cycles,
    /// What leaves root a day. None: root has watched itself for less than a day.
    pub(crate) spent_per_day: Option<Cycles>,
    /// Days until root is at its reserve.
    pub(crate) days_left: Option<f64>,
    /// When that is, in seconds since 1970.
    pub(crate) dry_at: Option<u64>,
    pub(crate) refuel: Option<RefuelRow>,
    /// Cycles that refuels have brought.
    pub(crate) refuelled: Cycles,
    /// The owner and the subaccount of root's account at the cycles ledger.
    pub(crate) cycles_account: Account,
    /// Root's account identifier at the ICP ledger.
    pub(crate) icp_account: String,
}

/// An account of ICRC-1.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    owner: Principal,
    /// In hexadecimal digits.
    subaccount: Option<String>,
}

/// The rule by which root refuels itself.
#[derive(Debug, Serialize)]
pub(crate) struct RefuelRow {
    below: Cycles,
    to: Cycles,
    /// `cycles` or `icp`, the first one first.
    sources: Vec<&'static str>,
}

/// The grants of a day.
#[derive(Debug, Serialize)]
pub(crate) struct DayRow {
    /// Its midnight in UTC, in seconds since 1970.
    pub(crate) day: u64,
    pub(crate) grants: u64,
    pub(crate) refusals: u64,
    /// Cycles by purpose: `watch`, `request`, `controller`, `upgrade`, `pool`.
    pub(crate) granted: BTreeMap<&'static str, Cycles>,
}

/// A grant that a limit refused.
#[derive(Debug, Serialize)]
pub(crate) struct RefusedRow {
    /// When it was last refused, in seconds since 1970.
    pub(crate) at: u64,
    pub(crate) canister: Principal,
    pub(crate) purpose: &'static str,
    pub(crate) cycles: Cycles,
    /// `member`, `role`, `budget` or `reserve`.
    pub(crate) limit: &'static str,
    /// Cycles that were left of it.
    pub(crate) left: Cycles,
    /// When root tries again, or the caller may, in seconds since 1970.
    pub(crate) retry_at: u64,
    /// Refusals in a row.
    pub(crate) times: u64,
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let ask = async || Ok(select(ask(fleet).await?, args));
    args.watch.report(out, ask).await
}

/// What of it was asked for, in the order that was asked for.
fn select(mut report: Report, args: &Args) -> Report {
    let wanted = |row: &RoleFundingRow| args.role.as_ref().is_none_or(|role| row.role == *role);
    report.roles.retain(wanted);
    match args.sort {
        // Root lists them so.
        Sort::Role => {}
        Sort::Members => report.roles.sort_by_key(|row| Reverse(row.members)),
        Sort::Burn => report.roles.sort_by_key(|row| Reverse(row.burned_per_day)),
        Sort::Days => {
            let days = |row: &RoleFundingRow| row.days_left.unwrap_or(f64::INFINITY);
            report.roles.sort_by(|a, b| days(a).total_cmp(&days(b)));
        }
    }
    if let Some(limit) = args.limit {
        let all = report.refused.len();
        let kept = if limit == 0 { all } else { limit.min(all) };
        report.refused.drain(..all - kept);
        report.refusals = kept;
    }
    report
}

/// Asks root for all of it.
///
/// # Errors
/// Root does not tell it.
pub(crate) async fn ask(fleet: &Fleet) -> Result<Report, Failure> {
    Ok(Report::new(fleet.root, fleet.funding().await?))
}

impl Report {
    fn new(root: Principal, info: FundingInfo) -> Self {
        Self {
            level: level_word(info.level),
            root: RootRow::new(root, info.root),
            roles: info.roles.into_iter().map(RoleFundingRow::from).collect(),
            days: info.days.into_iter().map(DayRow::from).collect(),
            refused: info.refused.into_iter().map(RefusedRow::from).collect(),
            refusals: REFUSALS,
            budget: info.budget.map(Cycles),
            charged_today: Cycles(info.charged_today),
        }
    }
}

impl RootRow {
    fn new(root: Principal, info: RootFunding) -> Self {
        let Accounts { cycles, icp } = info.accounts;
        let refuel = info.refuel.map(|rule| RefuelRow {
            below: Cycles(rule.below),
            to: Cycles(rule.to),
            sources: rule.sources.into_iter().map(source_of_fuel).collect(),
        });
        Self {
            root,
            level: level_word(info.level),
            reason: info.reason,
            available: Cycles(info.available),
            reserve: Cycles(info.reserve),
            spent_per_day: info.spent_per_day.map(Cycles),
            days_left: info.days_left.map(tenths),
            dry_at: info.dry_at.map(format::seconds),
            refuel,
            refuelled: Cycles(info.refuelled),
            cycles_account: Account {
                owner: cycles.owner,
                subaccount: cycles.subaccount.map(hex::encode),
            },
            icp_account: icp,
        }
    }
}

impl From<FundingDay> for DayRow {
    fn from(day: FundingDay) -> Self {
        let granted = day.granted.into_iter();
        Self {
            day: format::seconds(day.day),
            grants: day.grants,
            refusals: day.refusals,
            granted: granted
                .map(|(purpose, cycles)| (purpose_word(purpose), Cycles(cycles)))
                .collect(),
        }
    }
}

impl From<RefusedGrant> for RefusedRow {
    fn from(refused: RefusedGrant) -> Self {
        Self {
            at: format::seconds(refused.at),
            canister: refused.canister,
            purpose: purpose_word(refused.purpose),
            cycles: Cycles(refused.cycles),
            limit: limit_word(refused.limit),
            left: Cycles(refused.left),
            retry_at: format::seconds(refused.retry_at),
            times: refused.times,
        }
    }
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let mut text = root_lines(&self.root, style);
        let today = format::cycles(self.charged_today.0);
        text += &match self.budget {
            Some(budget) => format!("budget    {today} of {} today\n", format::cycles(budget.0)),
            None => format!("budget    none; {today} granted today\n"),
        };
        if !self.roles.is_empty() {
            text += "\n";
            text += &roles_table(&self.roles, style);
        }
        if !self.days.is_empty() {
            text += "\n";
            text += &days_table(&self.days, style);
        }
        if !self.refused.is_empty() {
            text += "\n";
            text += &refusals_table(&self.refused, self.refusals, style);
        }
        text
    }
}

fn root_lines(root: &RootRow, style: &Style) -> String {
    let level = style.paint(level_tone(root.level), root.level);
    let mut text = format!("root      {}, {level}\n", root.root);
    if let Some(reason) = &root.reason {
        text += &format!("reason    {reason}\n");
    }
    text += &format!(
        "cycles    {} to spend, above a reserve of {}\n",
        format::cycles(root.available.0),
        format::cycles(root.reserve.0)
    );
    text += &match root.spent_per_day {
        None => "a day     not known: root has watched itself for less than a day\n".to_string(),
        Some(spent) => format!("a day     {} leave root\n", format::cycles(spent.0)),
    };
    if let Some(days) = root.days_left {
        let date = root.dry_at.and_then(format::date);
        let date = date.map(|date| format!(": root is at its reserve on {date}"));
        text += &format!(
            "left      {}{}\n",
            days_text(days),
            date.unwrap_or_default()
        );
    }
    text += &match &root.refuel {
        None => "refuel    none: root gets no cycles by itself\n".to_string(),
        Some(rule) => format!(
            "refuel    below {} to {} from {}; {} so far\n",
            format::cycles(rule.below.0),
            format::cycles(rule.to.0),
            rule.sources.join(", "),
            format::cycles(root.refuelled.0)
        ),
    };
    let account = &root.cycles_account;
    let subaccount = account.subaccount.as_ref();
    let subaccount = subaccount
        .map(|digits| format!(" {digits}"))
        .unwrap_or_default();
    text += &format!(
        "accounts  at the cycles ledger {}{subaccount}\n",
        account.owner
    );
    text + &format!("          at the ICP ledger {}\n", root.icp_account)
}

fn roles_table(roles: &[RoleFundingRow], style: &Style) -> String {
    let names = [
        "ROLE", "#MEMBERS", "#SEEN", "#A DAY", "#LEFT", "LEVEL", "#FROZEN", "#REFUSED",
    ];
    let mut table = Table::new(&names);
    for row in roles {
        let cells = [
            row.role.clone(),
            row.members.to_string(),
            row.seen.to_string(),
            row.burn_text(),
            row.days_text(),
            row.level.to_string(),
            row.frozen.to_string(),
            row.refused.to_string(),
        ];
        table.row(level_tone(row.level), &cells);
    }
    table.text(style)
}

fn days_table(days: &[DayRow], style: &Style) -> String {
    let names = ["GRANTED ON", "#GRANTS", "#REFUSALS", "#CYCLES", "FOR"];
    let mut table = Table::new(&names);
    for row in days {
        let total = row.granted.values().map(|cycles| cycles.0).sum();
        let parts = row.granted.iter();
        let parts: Vec<String> = parts
            .map(|(purpose, cycles)| format!("{purpose} {}", format::cycles(cycles.0)))
            .collect();
        let cells = [
            format::date(row.day).unwrap_or_default(),
            row.grants.to_string(),
            row.refusals.to_string(),
            format::cycles(total),
            parts.join(", "),
        ];
        table.row(Tone::Plain, &cells);
    }
    table.text(style)
}

fn refusals_table(rows: &[RefusedRow], shown: usize, style: &Style) -> String {
    let names = [
        "REFUSED",
        "CANISTER",
        "FOR",
        "#CYCLES",
        "LIMIT",
        "#LEFT OF IT",
        "#TIMES",
        "AGAIN",
    ];
    let mut table = Table::new(&names);
    for row in rows.iter().rev().take(shown) {
        let again = match row.retry_at.checked_sub(style.now) {
            Some(pause @ 1..) => format!("in {}", format::duration(pause)),
            _ => "now".to_string(),
        };
        let cells = [
            format!("{} ago", style.age(row.at)),
            row.canister.to_text(),
            row.purpose.to_string(),
            format::cycles(row.cycles.0),
            row.limit.to_string(),
            format::cycles(row.left.0),
            row.times.to_string(),
            again,
        ];
        table.row(Tone::Warn, &cells);
    }
    let hidden = rows.len().saturating_sub(shown);
    let more =
        (hidden > 0).then(|| format!("and {hidden} older ones; show them with `--limit 0`\n"));
    table.text(style) + &more.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        colour: false,
        now: 1_000,
    };

    fn refused(number: u8, retry_at: u64) -> RefusedRow {
        RefusedRow {
            at: 900,
            canister: Principal::from_slice(&[number]),
            purpose: "watch",
            cycles: Cycles(5_000_000_000_000),
            limit: "budget",
            left: Cycles(1_000_000_000),
            retry_at,
            times: 3,
        }
    }

    #[test]
    fn the_newest_refusals_are_shown_with_their_limits_and_the_next_try() {
        let rows: Vec<RefusedRow> = (0..12).map(|number| refused(number, 1_060)).collect();
        let text = refusals_table(&rows, REFUSALS, &PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + REFUSALS + 1, "{text}");
        assert!(
            lines[1].contains(&Principal::from_slice(&[11]).to_text()),
            "{text}"
        );
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(words[..3], ["100", "s", "ago"]);
        assert_eq!(
            words[4..],
            ["watch", "5", "T", "budget", "1", "B", "3", "in", "60", "s"]
        );
        assert_eq!(lines[11], "and 2 older ones; show them with `--limit 0`");
        let past = refusals_table(&[refused(1, 1_000)], REFUSALS, &PLAIN);
        assert!(past.trim_end().ends_with("now"), "{past}");
    }
}
