//! `canic status`: the fleet on one page, in a number of calls that does not grow with its members.

use candid::Principal;
use canic::api::{MembersFilter, Metric};
use serde::Serialize;

use crate::{
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{
        Out, Style, Text, Tone,
        format::{self, Cycles},
        table::Table,
    },
    views::{ReleaseRow, RolloutRow, cycles_metric, metric},
};

/// The fleet on one page.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) root: Principal,
    /// Members, those being provisioned included.
    pub(crate) members: u64,
    pub(crate) roles: Vec<RoleRow>,
    /// None of an older root.
    pub(crate) pool: Option<Pool>,
    pub(crate) operations: Option<Operations>,
    pub(crate) cycles: Option<RootCycles>,
    /// Rollouts that are under way.
    pub(crate) rollouts: Vec<RolloutRow>,
    /// Facts that this root does not tell, or not in a form that this program knows.
    pub(crate) unknown: Vec<String>,
}

/// A role with its releases.
#[derive(Debug, Serialize)]
pub(crate) struct RoleRow {
    pub(crate) role: String,
    /// Members, those being provisioned included.
    pub(crate) members: Option<u64>,
    /// The number of its current release.
    pub(crate) current: Option<u32>,
    /// The number of its candidate.
    pub(crate) candidate: Option<u32>,
    /// Members that have another release than the current one.
    pub(crate) other_release: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Pool {
    pub(crate) ready: u64,
    pub(crate) claimed: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Operations {
    pub(crate) open: u64,
    pub(crate) queued: u64,
    pub(crate) quarantined: u64,
    /// Seconds since the oldest open one was accepted.
    pub(crate) oldest: u64,
}

/// Root's own cycles.
#[derive(Debug, Serialize)]
pub(crate) struct RootCycles {
    pub(crate) balance: Cycles,
    /// What root can spend: less its reserve, and what open operations have reserved.
    pub(crate) available: Option<Cycles>,
}

pub(crate) async fn run(fleet: &Fleet, out: &Out) -> Result<(), Failure> {
    out.report(&ask(fleet).await?)
}

/// Asks root for all of it.
///
/// # Errors
/// Root does not tell its members: it is none, or can't be reached.
pub(crate) async fn ask(fleet: &Fleet) -> Result<Report, Failure> {
    let (members, metrics, modules, rollouts) = tokio::join!(
        fleet.members_page(MembersFilter::All, None, 1),
        fleet.metrics(fleet.root),
        fleet.modules(),
        fleet.rollouts(),
    );
    let mut unknown = Vec::new();
    let members = members?.total;
    let metrics = understood(metrics, &mut unknown)?.unwrap_or_default();
    let modules = understood(modules, &mut unknown)?.unwrap_or_default();
    let rollouts = understood(rollouts, &mut unknown)?.unwrap_or_default();
    let mut names: Vec<String> = modules.into_iter().map(|module| module.role).collect();
    names.extend(roles_of(&metrics));
    names.sort();
    names.dedup();
    let mut roles = Vec::new();
    let mut has_releases = true;
    for name in names {
        let mut releases = Vec::new();
        if has_releases {
            match understood(fleet.releases(&name).await, &mut unknown)? {
                Some(rows) => {
                    releases.extend(rows.into_iter().map(|row| ReleaseRow::new(&name, row)));
                }
                None => has_releases = false,
            }
        }
        roles.push(role_row(name, &releases, &metrics));
    }
    let rollouts = rollouts.into_iter().map(RolloutRow::from);
    Ok(Report {
        root: fleet.root,
        members,
        roles,
        pool: pool(&metrics),
        operations: operations(&metrics),
        cycles: cycles(&metrics),
        rollouts: rollouts.filter(RolloutRow::is_active).collect(),
        unknown,
    })
}

/// An answer; none, and a line among `unknown`, of a root of another version.
///
/// # Errors
/// Root does not answer.
pub(crate) fn understood<T>(
    answer: Result<T, Failure>,
    unknown: &mut Vec<String>,
) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.kind == Kind::OtherRoot => {
            unknown.push(failure.what);
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn roles_of(metrics: &[Metric]) -> impl Iterator<Item = String> + '_ {
    let rows = metrics.iter().filter(|row| row.name == "canic_members");
    let labels = rows.flat_map(|row| row.labels.iter());
    let roles = labels.filter(|(label, role)| label == "role" && role != "(other)");
    roles.map(|(_, role)| role.clone())
}

fn role_row(role: String, releases: &[ReleaseRow], metrics: &[Metric]) -> RoleRow {
    let numbers = |is: fn(&ReleaseRow) -> bool| {
        let found = releases.iter().find(|release| is(release));
        found.map(|release| release.release)
    };
    let others = releases.iter().filter(|release| !release.current);
    RoleRow {
        members: metric(metrics, "canic_members", &[("role", &role)]).map(|value| value as u64),
        current: numbers(|release| release.current),
        candidate: numbers(|release| release.candidate),
        other_release: (!releases.is_empty())
            .then(|| others.map(|release| u64::from(release.members)).sum()),
        role,
    }
}

fn pool(metrics: &[Metric]) -> Option<Pool> {
    let of = |state| metric(metrics, "canic_pool_canisters", &[("state", state)]);
    Some(Pool {
        ready: of("ready")? as u64,
        claimed: of("claimed")? as u64,
    })
}

fn operations(metrics: &[Metric]) -> Option<Operations> {
    let count = |name| metric(metrics, name, &[]).map(|value| value as u64);
    Some(Operations {
        open: count("canic_operations_open")?,
        queued: count("canic_operations_queued").unwrap_or(0),
        quarantined: count("canic_operations_quarantined")?,
        oldest: count("canic_operations_oldest_seconds").unwrap_or(0),
    })
}

fn cycles(metrics: &[Metric]) -> Option<RootCycles> {
    Some(RootCycles {
        balance: cycles_metric(metrics, "canic_cycles_balance")?,
        available: cycles_metric(metrics, "canic_cycles_available"),
    })
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let mut text = format!("root        {}\n", self.root);
        if let Some(cycles) = &self.cycles {
            text += &format!("cycles      {}", format::cycles(cycles.balance.0));
            if let Some(available) = cycles.available {
                text += &format!(", of which root can spend {}", format::cycles(available.0));
            }
            text += "\n";
        }
        text += &format!("members     {}\n", self.members);
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
        if !self.rollouts.is_empty() {
            text += "\n";
            text += &RolloutRow::table(&self.rollouts, style);
        }
        for line in &self.unknown {
            let line = format!("not shown: {line}");
            text += &format!("{}\n", style.paint(Tone::Warn, &line));
        }
        text
    }
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
    ];
    let mut table = Table::new(&names);
    let number = |number: Option<u64>| number.map_or("-".to_string(), |n| n.to_string());
    for row in roles {
        let tone = match row.other_release {
            Some(1..) => Tone::Warn,
            _ => Tone::Plain,
        };
        let cells = [
            row.role.clone(),
            number(row.members),
            number(row.current.map(u64::from)),
            number(row.candidate.map(u64::from)),
            number(row.other_release),
        ];
        table.row(tone, &cells);
    }
    table.text(style)
}
