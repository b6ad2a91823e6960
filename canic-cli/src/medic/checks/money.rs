//! The checks of cycles: root's own, and those of its members.

use std::collections::BTreeMap;

use canic::api::{FundingInfo, Level, RoleFunding};

use crate::{
    medic::{
        catalogue::{self, finding},
        facts::{Facts, Look},
        finding::{Finding, Severity},
    },
    output::format,
    views::{
        live::{days_text, limit_word},
        metric,
    },
};

/// Days left at its idle burn below which the cycles of a root that tells no level are a warning,
/// and an error.
const DAYS: (u128, u128) = (30, 7);

/// Days left of a member that are a warning, and an error, as in root's own levels.
const WARN_DAYS: f64 = 3.0;
const CRITICAL_DAYS: f64 = 1.0;

pub(super) fn roots_cycles(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let root = facts.root.map_or("root".to_string(), |root| root.to_text());
    let top_up = format!("icp canister top-up {root} --amount 10t");
    let nothing_left = metric(&facts.metrics, "canic_cycles_available", &[]) == Some(0.0);
    if nothing_left {
        let what = "root can spend nothing beyond its reserve".to_string();
        let spent = finding(
            catalogue::NOTHING_TO_SPEND,
            what,
            Vec::new(),
            top_up.clone(),
        );
        findings.push(spent);
    }
    let told = facts.funding.as_ref();
    let told = told.filter(|info| info.root.spent_per_day.is_some() || info.root.level > Level::Ok);
    match told {
        Some(info) if !nothing_left => findings.extend(by_level(info, top_up)),
        Some(_) => {}
        None => findings.extend(by_idle_burn(facts, top_up)),
    }
    if let Some(unknown) = metric(&facts.metrics, "canic_cycles_unknown", &[])
        && unknown > 0.0
    {
        let amount = format::cycles(unknown as u128);
        let what = format!("the fate of {amount} cycles is unknown");
        let mend = "canic ops --state quarantined".to_string();
        findings.push(finding(catalogue::UNKNOWN_CYCLES, what, Vec::new(), mend));
    }
    findings
}

/// Root's own judgement, by what left it in the last days.
fn by_level(info: &FundingInfo, top_up: String) -> Option<Finding> {
    let root = &info.root;
    let severity = severity(root.level)?;
    let what = match root.days_left {
        Some(days) => format!("root's cycles last for {}", days_text(days)),
        None => "root is short of cycles".to_string(),
    };
    let date = root.dry_at.map(format::seconds).and_then(format::date);
    let date = date.map(|date| format!("it is at its reserve on {date}"));
    let account = format!("it refuels from account {}", root.accounts.cycles.owner);
    let account = root.refuel.as_ref().map(|_| account);
    let evidence = root.reason.iter().cloned().chain(date).chain(account);
    let mut short = finding(catalogue::DAYS_LEFT, what, evidence.collect(), top_up);
    short.severity = severity;
    Some(short)
}

/// The judgement about a root that has no level yet, or is older than levels.
fn by_idle_burn(facts: &Facts, top_up: String) -> Option<Finding> {
    let status = facts.platform.as_ref()?;
    let days = status.days_left().filter(|days| *days < DAYS.0)?;
    let what = format!("root's cycles last for {days} days at its idle burn");
    let evidence = vec![
        format!("balance {}", format::cycles(status.balance)),
        format!("burn {} a day", format::cycles(status.burn)),
        format!("frozen below {}", format::cycles(status.frozen_below)),
    ];
    let mut short = finding(catalogue::DAYS_LEFT, what, evidence, top_up);
    if days >= DAYS.1 {
        short.severity = Severity::Warning;
    }
    Some(short)
}

pub(super) fn members_cycles(facts: &Facts) -> Vec<Finding> {
    let mut findings = by_role(facts);
    let mut poor: BTreeMap<&str, Vec<&Look>> = BTreeMap::new();
    for look in facts
        .looked_at
        .iter()
        .filter(|look| is_poor(look, WARN_DAYS))
    {
        poor.entry(&look.member.role).or_default().push(look);
    }
    for (role, looks) in poor {
        let lines = looks.iter().map(|look| poor_line(look));
        let mend = mend_members(role);
        if let Some(found) = findings.iter_mut().find(|one| one.mend == mend) {
            found.evidence.extend(lines.take(5));
            continue;
        }
        let mut short = finding(
            catalogue::MEMBERS_SHORT,
            short_role(role),
            lines.collect(),
            mend,
        );
        if !looks.iter().any(|look| is_poor(look, CRITICAL_DAYS)) {
            short.severity = Severity::Warning;
        }
        findings.push(short);
    }
    findings
}

/// Whether a member has less than so many days left, or is frozen, now.
fn is_poor(look: &Look, days: f64) -> bool {
    look.live.as_ref().is_some_and(|live| {
        live.cycles <= live.frozen || live.days_left.is_some_and(|left| left < days)
    })
}

fn poor_line(look: &Look) -> String {
    let live = look.live.as_ref();
    let cycles = live.map_or(0, |live| live.cycles);
    let left = live.and_then(|live| live.days_left).map(days_text);
    let left = left.map(|days| format!(", {days} left"));
    format!(
        "{} has {}{}",
        look.member.canister,
        format::cycles(cycles),
        left.unwrap_or_default()
    )
}

fn short_role(role: &str) -> String {
    format!("members of role {role} run out of cycles")
}

fn mend_members(role: &str) -> String {
    format!("canic members --role {role} --sort days")
}

/// Root's own judgement of each role, by its last looks at the members.
fn by_role(facts: &Facts) -> Vec<Finding> {
    let Some(info) = &facts.funding else {
        return Vec::new();
    };
    let of = |role: &RoleFunding| {
        let least = role.days_left.map(days_text);
        let least = least.map(|days| format!("the poorest has {days} left"));
        let count = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let mut evidence: Vec<String> = least.into_iter().collect();
        evidence.extend(count(role.frozen, "frozen"));
        evidence.extend(count(role.refused, "refused by a limit"));
        if role.refused > 0 {
            evidence.extend(refusals(info));
        }
        let (what, mend) = (short_role(&role.role), mend_members(&role.role));
        let mut short = finding(catalogue::MEMBERS_SHORT, what, evidence, mend);
        short.severity = severity(role.level)?;
        Some(short)
    };
    info.roles.iter().filter_map(of).collect()
}

/// The newest refusals, by their limits.
fn refusals(info: &FundingInfo) -> impl Iterator<Item = String> {
    info.refused.iter().rev().take(5).map(|refused| {
        format!(
            "{} lacks {}: the limit of the {} has {} left",
            refused.canister,
            format::cycles(refused.cycles),
            limit_word(refused.limit),
            format::cycles(refused.left)
        )
    })
}

fn severity(level: Level) -> Option<Severity> {
    match level {
        Level::Ok => None,
        Level::Warn => Some(Severity::Warning),
        Level::Critical => Some(Severity::Error),
    }
}
