//! The text of a status.

use crate::{
    commands::status::{Funding, Operations, Report, RoleRow},
    output::{self, Style, Text, Tone, format, table::Table},
    views::{
        RolloutRow,
        live::{RoleFundingRow, days_text, level_tone},
    },
};

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let mut text = format!("root        {}", self.root);
        if let Some(live) = self.live.as_ref().filter(|live| live.run != "running") {
            text += &format!(", {}", style.paint(Tone::Bad, live.run));
        }
        text += "\n";
        text += &cycles_lines(self, style);
        text += &members_line(self, style);
        if let Some(pool) = &self.pool {
            text += &format!(
                "pool        {} ready, {} claimed\n",
                pool.ready, pool.claimed
            );
        }
        if let Some(operations) = &self.operations {
            text += &operations_line(operations, style);
        }
        if !self.roles.is_empty() {
            text += "\n";
            text += &roles_table(&self.roles, style);
        }
        if self.roles.iter().any(|role| role.live.is_some()) {
            text += "\n";
            text += &live_table(&self.roles, style);
        }
        if !self.rollouts.is_empty() {
            text += "\n";
            text += &RolloutRow::table(&self.rollouts, style);
        }
        text + &output::not_shown(&self.unknown, style)
    }
}

/// The lines about root's cycles: what it has and burns, and how long that lasts.
fn cycles_lines(report: &Report, style: &Style) -> String {
    let mut text = String::new();
    let balance = report.live.as_ref().map(|live| live.cycles);
    let available = report.cycles.as_ref().and_then(|cycles| cycles.available);
    if let Some(balance) = balance.or(report.cycles.as_ref().map(|cycles| cycles.balance)) {
        text += &format!("cycles      {}", format::cycles(balance.0));
        if let Some(available) = available {
            text += &format!(", of which root can spend {}", format::cycles(available.0));
        }
        text += "\n";
    }
    if let Some(live) = &report.live {
        let burned = format::cycles(live.burned_per_day.0);
        text += &format!(
            "at rest     it burns {burned} a day, with {}",
            format::bytes(live.memory)
        );
        if let Some(days) = live.days_left {
            text += &format!("; {} until it freezes", days_text(days));
        }
        text += "\n";
    }
    if let Some(funding) = &report.funding {
        text += &format!("funding     {}", funding_text(funding, style));
    }
    text
}

/// What leaves root, how long its cycles last, and how urgent that is.
fn funding_text(funding: &Funding, style: &Style) -> String {
    let mut line = match funding.spent_per_day {
        None => "root has not yet watched itself for a day".to_string(),
        Some(spent) => format!("{} leave root a day", format::cycles(spent.0)),
    };
    if let Some(days) = funding.days_left {
        line += &format!("; {} left", days_text(days));
        let last = funding.dry_at.and_then(format::date);
        line += &last
            .map(|date| format!(", until {date}"))
            .unwrap_or_default();
    }
    let word = style.paint(level_tone(funding.level), funding.level);
    let reason = funding.reason.as_ref();
    let reason = reason.map(|reason| format!("            {reason}\n"));
    format!("{word}; {line}\n{}", reason.unwrap_or_default())
}

fn members_line(report: &Report, style: &Style) -> String {
    let mut line = format!("members     {}", report.members);
    let unwell = report.unwell.iter();
    let unwell: Vec<String> = unwell
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if !unwell.is_empty() {
        line += &format!("; {}", style.paint(Tone::Warn, &unwell.join(", ")));
    }
    line + "\n"
}

fn operations_line(operations: &Operations, style: &Style) -> String {
    let mut line = format!("operations  {} open", operations.open);
    if operations.queued > 0 {
        line += &format!(", {} of them queued", operations.queued);
    }
    if operations.open > 0 {
        line += &format!(", the oldest for {}", format::duration(operations.oldest));
    }
    if operations.quarantined > 0 {
        let count = format!("{} in quarantine", operations.quarantined);
        line += &format!("; {}", style.paint(Tone::Bad, &count));
    }
    line + "\n"
}

fn roles_table(roles: &[RoleRow], style: &Style) -> String {
    let names = [
        "ROLE",
        "#MEMBERS",
        "#CURRENT",
        "#CANDIDATE",
        "#ON ANOTHER RELEASE",
        "#A DAY",
        "#LEFT",
        "LEVEL",
    ];
    let mut table = Table::new(&names);
    let dash = || "-".to_string();
    let number = |number: Option<u64>| number.map_or_else(dash, |n| n.to_string());
    for row in roles {
        let level = row.funding.as_ref().map(|funding| funding.level);
        let tone = match (level.map(level_tone), row.other_release) {
            (Some(Tone::Bad), _) => Tone::Bad,
            (Some(Tone::Warn), _) | (_, Some(1..)) => Tone::Warn,
            _ => Tone::Plain,
        };
        let funding = row.funding.as_ref();
        let cells = [
            row.role.clone(),
            number(row.members),
            number(row.current.map(u64::from)),
            number(row.candidate.map(u64::from)),
            number(row.other_release),
            funding.map_or_else(dash, RoleFundingRow::burn_text),
            funding.map_or_else(dash, RoleFundingRow::days_text),
            level.unwrap_or("-").to_string(),
        ];
        table.row(tone, &cells);
    }
    table.text(style)
}

fn live_table(roles: &[RoleRow], style: &Style) -> String {
    let names = [
        "ROLE",
        "#RUNNING",
        "#STOPPING",
        "#STOPPED",
        "#UNSEEN",
        "#ANOTHER MODULE",
        "#CYCLES",
        "#A DAY AT REST",
        "#LEFT",
        "POOREST",
    ];
    let mut table = Table::new(&names);
    let rows = roles
        .iter()
        .filter_map(|row| Some((row, row.live.as_ref()?)));
    for (row, live) in rows {
        let tone = match live.stopping + live.stopped + live.unseen + live.other_module {
            0 => Tone::Plain,
            _ => Tone::Warn,
        };
        let dash = || "-".to_string();
        let cells = [
            row.role.clone(),
            live.running.to_string(),
            live.stopping.to_string(),
            live.stopped.to_string(),
            live.unseen.to_string(),
            live.other_module.to_string(),
            format::cycles(live.cycles.0),
            format::cycles(live.burned_per_day.0),
            live.days_left.map_or_else(dash, days_text),
            live.poorest.map_or_else(dash, |id| id.to_text()),
        ];
        table.row(tone, &cells);
    }
    table.text(style)
}
