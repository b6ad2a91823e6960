//! `canic status`: the fleet on one page, in a number of calls that does not grow with its members.
//! With `--live` it asks the platform for each of them.

mod text;

use std::collections::BTreeMap;

use candid::Principal;
use canic::api::{FundingInfo, MemberLive, MembersFilter, Metric, RunState};
use serde::Serialize;

use crate::{
    commands::watch::Watch,
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{
        Out,
        format::{self, Cycles},
        progress,
    },
    views::{
        ReleaseRow, RolloutRow, cycles_metric,
        live::{LiveRow, RoleFundingRow, level_word, tenths},
        metric,
    },
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Asks the platform for each member: its cycles, and whether it runs
    #[arg(long)]
    live: bool,
    /// Only this role's row
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    #[command(flatten)]
    watch: Watch,
}

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
    /// Root as the platform sees it.
    pub(crate) live: Option<LiveRow>,
    pub(crate) funding: Option<Funding>,
    /// Members by the condition that root last saw them in.
    pub(crate) unwell: BTreeMap<String, u64>,
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
    /// The cycles of its members, by root's last looks at them.
    pub(crate) funding: Option<RoleFundingRow>,
    /// Its members, as the platform sees them now. Only with `--live`.
    pub(crate) live: Option<RoleLive>,
}

/// The members of a role, as the platform sees them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RoleLive {
    pub(crate) running: u64,
    pub(crate) stopping: u64,
    pub(crate) stopped: u64,
    /// Members that root can't see.
    pub(crate) unseen: u64,
    /// Members that do not run the module of their release.
    pub(crate) other_module: u64,
    /// The cycles of all.
    pub(crate) cycles: Cycles,
    /// What all burn a day at rest.
    pub(crate) burned_per_day: Cycles,
    /// The days left of the poorest.
    pub(crate) days_left: Option<f64>,
    /// The poorest.
    pub(crate) poorest: Option<Principal>,
}

/// How long root's cycles last.
#[derive(Debug, Serialize)]
pub(crate) struct Funding {
    /// The worst level of root and the roles: `ok`, `warn` or `critical`.
    pub(crate) level: &'static str,
    /// The reason for root's own level.
    pub(crate) reason: Option<String>,
    /// Cycles that leave root a day; none until it has watched itself for a day.
    pub(crate) spent_per_day: Option<Cycles>,
    /// Days until root is at its reserve.
    pub(crate) days_left: Option<f64>,
    /// When that is, in seconds since 1970.
    pub(crate) dry_at: Option<u64>,
}

impl From<&FundingInfo> for Funding {
    fn from(info: &FundingInfo) -> Self {
        Self {
            level: level_word(info.level),
            reason: info.root.reason.clone(),
            spent_per_day: info.root.spent_per_day.map(Cycles),
            days_left: info.root.days_left.map(tenths),
            dry_at: info.root.dry_at.map(format::seconds),
        }
    }
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

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let role = args.role.as_deref();
    let ask = async || {
        let mut report = ask(fleet, role).await?;
        if args.live {
            see_members(fleet, role, &mut report).await?;
        }
        Ok(report)
    };
    args.watch.report(out, ask).await
}

/// Asks root for all of it, with the row of one role or of all.
///
/// # Errors
/// Root does not tell its members: it is none, or can't be reached.
pub(crate) async fn ask(fleet: &Fleet, role: Option<&str>) -> Result<Report, Failure> {
    let (members, metrics, modules, rollouts, live, funding) = tokio::join!(
        fleet.members_page(MembersFilter::All, None, 1),
        fleet.metrics(fleet.root),
        fleet.modules(),
        fleet.rollouts(),
        fleet.live_page(MembersFilter::All, None, 1),
        fleet.funding(),
    );
    let mut unknown = Vec::new();
    let members = members?.total;
    let metrics = told(metrics, &mut unknown)?.unwrap_or_default();
    let modules = told(modules, &mut unknown)?.unwrap_or_default();
    let rollouts = told(rollouts, &mut unknown)?.unwrap_or_default();
    let live = told(live, &mut unknown)?.map(|page| page.root);
    let live = live.and_then(|root| match root {
        Ok(live) => Some(live.into()),
        Err(why) => {
            unknown.push(format!("root's live state: {why}"));
            None
        }
    });
    let funding = told(funding, &mut unknown)?;
    let mut names: Vec<String> = modules.into_iter().map(|module| module.role).collect();
    names.extend(roles_of(&metrics));
    names.sort();
    names.dedup();
    names.retain(|name| role.is_none_or(|role| name == role));
    let roles = roles(fleet, names, &metrics, funding.as_ref(), &mut unknown).await?;
    let rollouts = rollouts.into_iter().map(RolloutRow::from);
    Ok(Report {
        root: fleet.root,
        members,
        roles,
        pool: pool(&metrics),
        operations: operations(&metrics),
        cycles: cycles(&metrics),
        live,
        funding: funding.as_ref().map(Funding::from),
        unwell: unwell(&metrics),
        rollouts: rollouts.filter(RolloutRow::is_active).collect(),
        unknown,
    })
}

/// The roles with their releases and funding.
async fn roles(
    fleet: &Fleet,
    names: Vec<String>,
    metrics: &[Metric],
    funding: Option<&FundingInfo>,
    unknown: &mut Vec<String>,
) -> Result<Vec<RoleRow>, Failure> {
    let mut roles = Vec::new();
    let mut has_releases = true;
    for name in names {
        let mut releases = Vec::new();
        if has_releases {
            match told(fleet.releases(&name).await, unknown)? {
                Some(rows) => {
                    releases.extend(rows.into_iter().map(|row| ReleaseRow::new(&name, row)));
                }
                None => has_releases = false,
            }
        }
        let of_role = funding.and_then(|info| info.roles.iter().find(|role| role.role == name));
        let mut row = role_row(name, &releases, metrics);
        row.funding = of_role.cloned().map(RoleFundingRow::from);
        roles.push(row);
    }
    Ok(roles)
}

/// Adds the live state of the members of one role or of all, by role.
async fn see_members(
    fleet: &Fleet,
    role: Option<&str>,
    report: &mut Report,
) -> Result<(), Failure> {
    let bar = progress::bar(report.members, "members seen");
    let of = |role: &str| MembersFilter::Role(role.to_string());
    let (all, mut unknown) = (role.map_or(MembersFilter::All, of), Vec::new());
    let rows = fleet.members(&all, |_, _| {}).await?;
    let order: Vec<Principal> = rows.iter().map(|row| row.canister).collect();
    let wanted: Vec<usize> = (0..order.len()).collect();
    let live = fleet.live(&all, &order, &wanted, &bar).await;
    bar.finish_and_clear();
    if let Some(live) = told(live, &mut unknown)? {
        for member in live.into_values() {
            if let Some(role) = report.roles.iter_mut().find(|row| row.role == member.role) {
                role.live.get_or_insert_default().add(member);
            }
        }
    }
    unknown.retain(|line| !report.unknown.contains(line));
    report.unknown.extend(unknown);
    Ok(())
}

impl RoleLive {
    fn add(&mut self, member: MemberLive) {
        let canister = member.canister;
        self.other_module += u64::from(member.runs_release == Some(false));
        let Ok(live) = member.live else {
            self.unseen += 1;
            return;
        };
        match live.run {
            RunState::Running => self.running += 1,
            RunState::Stopping => self.stopping += 1,
            RunState::Stopped => self.stopped += 1,
        }
        self.cycles.0 += live.cycles;
        self.burned_per_day.0 += live.burned_per_day;
        if let Some(days) = live.days_left.map(tenths)
            && self.days_left.is_none_or(|least| days < least)
        {
            self.days_left = Some(days);
            self.poorest = Some(canister);
        }
    }
}

/// An answer; none, and a line among `unknown`, of a root of another version, or of one that tells
/// it to controllers only.
///
/// # Errors
/// Root does not answer.
pub(crate) fn told<T>(
    answer: Result<T, Failure>,
    unknown: &mut Vec<String>,
) -> Result<Option<T>, Failure> {
    match answer {
        Err(failure) if failure.kind == Kind::NotAllowed => {
            unknown.push(failure.what);
            Ok(None)
        }
        answer => understood(answer, unknown),
    }
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
        funding: None,
        live: None,
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

/// The conditions of members that are not as they should be, with their counts.
fn unwell(metrics: &[Metric]) -> BTreeMap<String, u64> {
    let rows = metrics
        .iter()
        .filter(|row| row.name == "canic_members_unwell" && row.value > 0.0);
    let of = |row: &Metric| {
        let (_, condition) = row.labels.iter().find(|(label, _)| label == "condition")?;
        Some((condition.clone(), row.value as u64))
    };
    rows.filter_map(of).collect()
}
