//! `canic medic`: what is wrong with a fleet, and the command that mends it; `canic explain`.

use std::sync::Arc;

use candid::{CandidType, Nat, Principal};
use canic::api::{MAX_PAGE, MemberInfo, MembersFilter, OperationsFilter};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    commands::{
        lists,
        status::{told, understood},
    },
    failure::{Failure, Kind},
    fleet::Fleet,
    medic::{
        self, Facts, Finding, Severity,
        catalogue::{self, Entry},
        facts::{Interface, Look, RootStatus},
    },
    output::{Out, Style, Text, Tone, format, progress, table::Table},
    views::{OperationRow, PoolRow, ReleaseRow, RolloutRow},
};

/// Members that are looked at one by one, at once.
const AT_ONCE: usize = 16;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fails if there is an error or a warning
    #[arg(long)]
    ci: bool,
    /// Members whose controllers and modules are read from the network, one by one; 0 for all
    #[arg(long, default_value_t = 200, value_name = "MEMBERS")]
    look_at: usize,
}

/// The findings about a fleet.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The worst first.
    pub(crate) findings: Vec<Finding>,
    /// Members whose controllers and modules were looked at.
    pub(crate) looked_at: usize,
    /// Members of the fleet.
    pub(crate) members: u64,
}

pub(crate) async fn run(fleet: Arc<Fleet>, args: &Args, out: &Out) -> Result<(), Failure> {
    let (facts, members) = ask(&fleet, args.look_at, out.style.now).await?;
    let report = Report {
        findings: medic::examine(&facts),
        looked_at: facts.looked_at.len(),
        members,
    };
    out.report(&report)?;
    let bad = report.findings.iter();
    let bad = bad
        .filter(|finding| finding.severity < Severity::Notice)
        .count();
    match (args.ci, bad as u64) {
        (true, 1..) => Err(Failure::new(
            Kind::Findings,
            format!("{} to mend", format::count(bad as u64, "finding")),
        )),
        _ => Ok(()),
    }
}

/// Gathers the facts, and the number of members.
async fn ask(fleet: &Arc<Fleet>, look_at: usize, now: u64) -> Result<(Facts, u64), Failure> {
    let mut unknown = Vec::new();
    let total = fleet.members_page(MembersFilter::All, None, 1).await?.total;
    let rows = |rows: Vec<_>| rows.into_iter().map(OperationRow::from).collect::<Vec<_>>();
    let open = understood(fleet.operations(OperationsFilter::Open).await, &mut unknown)?;
    let kept = fleet.operations(OperationsFilter::Quarantined).await;
    let quarantined = understood(kept, &mut unknown)?;
    let closed = understood(
        fleet.operations(OperationsFilter::Closed).await,
        &mut unknown,
    )?;
    let metrics = understood(fleet.metrics(fleet.root).await, &mut unknown)?;
    let pool = understood(fleet.pool().await, &mut unknown)?.unwrap_or_default();
    let releases = understood(lists::ask_releases(fleet, None).await, &mut unknown)?;
    let rollouts = understood(fleet.rollouts().await, &mut unknown)?.unwrap_or_default();
    let funding = understood(fleet.funding().await, &mut unknown)?;
    let platform = match root_status(fleet).await {
        Ok(status) => Some(status),
        Err(failure) if failure.kind == Kind::Unreachable => return Err(failure),
        Err(failure) => {
            unknown.push(format!("root's balance and controllers: {}", failure.what));
            None
        }
    };
    let looked_at = look(fleet, look_at, &mut unknown).await?;
    let releases = releases.unwrap_or_default();
    let interfaces = interfaces(fleet, &releases, &looked_at).await?;
    let facts = Facts {
        now,
        root: Some(fleet.root),
        metrics: metrics.unwrap_or_default(),
        open: rows(open.unwrap_or_default()),
        quarantined: rows(quarantined.unwrap_or_default()),
        closed: rows(closed.unwrap_or_default()),
        pool: pool.into_iter().map(PoolRow::from).collect(),
        releases,
        rollouts: rollouts.into_iter().map(RolloutRow::from).collect(),
        platform,
        funding,
        interfaces,
        looked_at,
        unknown,
    };
    Ok((facts, total))
}

/// The interfaces of the releases in use, of roles that have several: each by one of the members
/// that were looked at.
async fn interfaces(
    fleet: &Fleet,
    releases: &[ReleaseRow],
    looked_at: &[Look],
) -> Result<Vec<Interface>, Failure> {
    let in_use = |role: &str| {
        let releases = releases.iter().filter(|row| row.role == role);
        releases.filter(|row| row.members > 0).count()
    };
    let mut interfaces = Vec::new();
    for row in releases
        .iter()
        .filter(|row| row.members > 0 && in_use(&row.role) > 1)
    {
        let member = looked_at.iter().map(|look| &look.member);
        let mut member = member.filter(|one| one.role == row.role && one.release == row.release);
        let Some(member) = member.next() else {
            continue;
        };
        if let Some(text) = fleet.metadata(member.canister, "candid:service").await? {
            interfaces.push(Interface {
                role: row.role.clone(),
                release: row.release,
                text,
            });
        }
    }
    Ok(interfaces)
}

#[derive(CandidType)]
struct StatusRequest {
    canister_id: Principal,
}

/// What of `canister_status` is needed.
#[derive(CandidType, Deserialize)]
struct Status {
    cycles: Nat,
    idle_cycles_burned_per_day: Nat,
    settings: Settings,
}

#[derive(CandidType, Deserialize)]
struct Settings {
    controllers: Vec<Principal>,
    freezing_threshold: Nat,
}

async fn root_status(fleet: &Fleet) -> Result<RootStatus, Failure> {
    let request = StatusRequest {
        canister_id: fleet.root,
    };
    let status: Status = fleet
        .management(fleet.root, "canister_status", false, (request,))
        .await?;
    let number = |nat: &Nat| u128::try_from(&nat.0).unwrap_or(u128::MAX);
    let burn = number(&status.idle_cycles_burned_per_day);
    // The platform freezes a canister that can't pay for its idle burn over so many seconds.
    let seconds = number(&status.settings.freezing_threshold);
    Ok(RootStatus {
        balance: number(&status.cycles),
        burn,
        frozen_below: burn.saturating_mul(seconds) / 86_400,
        controllers: status.settings.controllers,
    })
}

/// Looks at members one by one, `AT_ONCE` at a time.
async fn look(
    fleet: &Arc<Fleet>,
    limit: usize,
    unknown: &mut Vec<String>,
) -> Result<Vec<Look>, Failure> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let members = match u32::try_from(limit) {
        Ok(rows) if rows <= MAX_PAGE => {
            let page = fleet.members_page(MembersFilter::All, None, rows).await?;
            page.members
        }
        _ => {
            let mut all = fleet.members(&MembersFilter::All, |_, _| {}).await?;
            all.truncate(limit);
            all
        }
    };
    let order: Vec<Principal> = members.iter().map(|member| member.canister).collect();
    let places: Vec<usize> = (0..order.len()).collect();
    let seen = progress::bar(members.len() as u64, "members seen");
    let live = fleet
        .live(&MembersFilter::All, &order, &places, &seen)
        .await;
    seen.finish_and_clear();
    let mut live = told(live, unknown)?.unwrap_or_default();
    let bar = progress::bar(members.len() as u64, "members");
    let mut waiting = members.into_iter();
    let mut running = JoinSet::new();
    let mut looks = Vec::new();
    loop {
        while running.len() < AT_ONCE {
            let Some(member) = waiting.next() else { break };
            running.spawn(look_at(fleet.clone(), member));
        }
        match running.join_next().await {
            None => break,
            Some(Ok(look)) => looks.push(look?),
            Some(Err(e)) => return Err(Failure::refused(e.to_string())),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    for look in &mut looks {
        let seen = live.remove(&look.member.canister);
        look.live = seen.and_then(|member| member.live.ok());
    }
    looks.sort_by_key(|look| look.member.canister);
    Ok(looks)
}

async fn look_at(fleet: Arc<Fleet>, member: MemberInfo) -> Result<Look, Failure> {
    let controllers = fleet.controllers(member.canister).await?;
    let module = fleet.module_hash(member.canister).await?;
    Ok(Look {
        member,
        controllers,
        module,
        live: None,
    })
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let head = format!("{} {}", finding.code, finding.severity.word());
            let head = style.paint(tone(finding.severity), &head);
            text += &format!("{head}  {}\n", finding.what);
            for line in &finding.evidence {
                text += &format!("  {line}\n");
            }
            text += &format!("  mend it: {}\n\n", finding.mend);
        }
        let looked = match self.looked_at as u64 {
            looked if looked == self.members => "all members looked at".to_string(),
            looked => format!(
                "{looked} of {} looked at one by one; `--look-at 0` for all",
                format::count(self.members, "member")
            ),
        };
        let count = match self.findings.len() as u64 {
            0 => style.paint(Tone::Good, "nothing to mend"),
            count => format!(
                "{}; `canic explain CODE` tells more",
                format::count(count, "finding")
            ),
        };
        text + &format!("{count}\n{looked}\n")
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Notice => Tone::Head,
    }
}

#[derive(clap::Args)]
pub(crate) struct ExplainArgs {
    /// The code of a finding; without one, all codes are listed
    code: Option<String>,
}

/// Explanations of codes.
#[derive(Debug, Serialize)]
struct Explained {
    codes: Vec<Explanation>,
}

#[derive(Debug, Serialize)]
struct Explanation {
    code: &'static str,
    severity: Severity,
    title: &'static str,
    text: &'static str,
}

impl From<&Entry> for Explanation {
    fn from(entry: &Entry) -> Self {
        Self {
            code: entry.code,
            severity: entry.severity,
            title: entry.title,
            text: entry.text,
        }
    }
}

pub(crate) fn explain(args: &ExplainArgs, out: &Out) -> Result<(), Failure> {
    let codes = match &args.code {
        None => catalogue::ALL.iter().map(Explanation::from).collect(),
        Some(code) => match catalogue::find(code) {
            Some(entry) => vec![entry.into()],
            None => {
                let what = format!("there is no code `{code}`");
                return Err(
                    Failure::new(Kind::Usage, what).with_advice("`canic explain` lists all codes.")
                );
            }
        },
    };
    out.report(&Explained { codes })
}

impl Text for Explained {
    fn text(&self, style: &Style) -> String {
        match self.codes.as_slice() {
            [one] => {
                let head = format!("{} ({}): {}", one.code, one.severity.word(), one.title);
                format!("{}\n\n{}\n", style.paint(Tone::Head, &head), one.text)
            }
            all => {
                let mut table = Table::new(&["CODE", "SEVERITY", "FINDING"]);
                for one in all {
                    let cells = [one.code, one.severity.word(), one.title];
                    table.row(Tone::Plain, &cells.map(str::to_string));
                }
                table.text(style)
            }
        }
    }
}
