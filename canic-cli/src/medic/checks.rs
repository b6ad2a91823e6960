//! The checks: each is a function of the facts.

mod money;

use std::collections::BTreeMap;

use candid::Principal;
use canic::api::{MemberState, RunState};

use crate::{
    gate,
    medic::{
        catalogue::{self, finding},
        facts::{Facts, Look},
        finding::Finding,
    },
    output::format,
    views::{OperationRow, metric, shorten},
};

/// Seconds for which an operation may be open.
const STUCK: u64 = 900;

pub(super) fn all(facts: &Facts) -> Vec<Finding> {
    let checks: [fn(&Facts) -> Vec<Finding>; 15] = [
        quarantined,
        stuck,
        abandoned,
        old_releases,
        rollouts,
        candidates,
        drift,
        controllers,
        modules,
        conditions,
        announcements,
        money::roots_cycles,
        money::members_cycles,
        pool,
        unknown,
    ];
    checks.iter().flat_map(|check| check(facts)).collect()
}

fn quarantined(facts: &Facts) -> Vec<Finding> {
    let of = |row: &OperationRow| {
        let what = format!("operation {} ({}) is in quarantine", row.id, row.kind);
        let reason = shorten(row.detail.as_deref().unwrap_or("no reason on record"), 200);
        let canister = row.canister.map(|canister| format!("canister {canister}"));
        let evidence = canister.into_iter().chain([reason]).collect();
        finding(catalogue::QUARANTINED, what, evidence, mend(row))
    };
    facts.quarantined.iter().map(of).collect()
}

/// The command that mends an operation in quarantine.
pub(crate) fn mend(row: &OperationRow) -> String {
    match row.canister {
        Some(canister) => format!("canic retire {canister} --delete"),
        None => format!("canic op {}", row.id),
    }
}

fn stuck(facts: &Facts) -> Vec<Finding> {
    let old = facts
        .open
        .iter()
        .filter(|row| facts.now.saturating_sub(row.accepted) > STUCK)
        .filter(|row| row.attempts > 0 || row.detail.is_some());
    let of = |row: &OperationRow| {
        let age = format::duration(facts.now.saturating_sub(row.accepted));
        let step = row.detail.as_deref().unwrap_or("unknown");
        let what = format!(
            "operation {} ({}) has been open for {age}",
            row.id, row.kind
        );
        let evidence = vec![format!("step {step}, tried {} times", row.attempts)];
        finding(
            catalogue::STUCK,
            what,
            evidence,
            format!("canic op {}", row.id),
        )
    };
    old.map(of).collect()
}

fn abandoned(facts: &Facts) -> Vec<Finding> {
    let rows = facts.closed.iter().filter(|row| row.state == "abandoned");
    // A later operation on the same canister that succeeded has mended it.
    let mended = |row: &OperationRow| {
        facts.closed.iter().any(|later| {
            later.id > row.id && later.canister == row.canister && later.state == "done"
        })
    };
    let of = |row: &OperationRow| {
        let canister = row.canister.map_or("?".to_string(), |id| id.to_text());
        let what = format!(
            "the upgrade of {canister} was abandoned, operation {}",
            row.id
        );
        let reason = row.detail.as_deref().unwrap_or("no reason on record");
        let evidence = vec![shorten(reason, 200)];
        finding(
            catalogue::ABANDONED,
            what,
            evidence,
            format!("canic op {}", row.id),
        )
    };
    rows.filter(|row| !mended(row)).map(of).collect()
}

fn old_releases(facts: &Facts) -> Vec<Finding> {
    let under_way = |role: &str| {
        let mut rollouts = facts.rollouts.iter();
        rollouts.any(|rollout| rollout.role == role && rollout.is_active())
    };
    let mut roles: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in &facts.releases {
        if !row.current && row.members > 0 && !under_way(&row.role) {
            let members = format::count(row.members.into(), "member");
            let line = format!("release {}: {members}", row.release);
            roles.entry(&row.role).or_default().push(line);
        }
    }
    let of = |(role, evidence): (&str, Vec<String>)| {
        let current = facts
            .releases
            .iter()
            .find(|row| row.role == role && row.current);
        let current = current.map_or(0, |row| row.release);
        let what = format!("members of role {role} have another release than {current}");
        let mend = format!("canic rollout history --role {role}");
        finding(catalogue::OLD_RELEASE, what, evidence, mend)
    };
    roles.into_iter().map(of).collect()
}

fn rollouts(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in &facts.rollouts {
        let id = row.rollout;
        if let (Some(why), true) = (&row.paused, row.is_active()) {
            let what = format!("rollout {id} of role {} is paused", row.role);
            let evidence = vec![
                why.clone(),
                format!(
                    "{} upgraded, {} failed, {} left",
                    row.upgraded, row.failed, row.left
                ),
            ];
            let mend = format!("canic rollout status {id}");
            findings.push(finding(catalogue::PAUSED, what, evidence, mend));
        }
        if let (Some(why), "settle") = (&row.paused, row.phase) {
            let what = format!("rollout {id} of role {} left snapshots", row.role);
            let mend = format!("canic rollout resume {id}");
            findings.push(finding(
                catalogue::LEFT_SNAPSHOTS,
                what,
                vec![why.clone()],
                mend,
            ));
        } else if row.phase == "settle" && row.plan.snapshots != "none" {
            let what = format!("rollout {id} of role {} keeps snapshots", row.role);
            let kept = format::duration(row.plan.keep);
            let evidence = vec![format!("of {}, for {kept}", row.plan.snapshots)];
            let mend = format!("canic rollout status {id}");
            findings.push(finding(catalogue::SNAPSHOTS, what, evidence, mend));
        }
    }
    findings
}

fn candidates(facts: &Facts) -> Vec<Finding> {
    let waiting = facts.releases.iter().filter(|row| {
        let mut rollouts = facts.rollouts.iter();
        row.candidate && !rollouts.any(|one| one.role == row.role && one.is_active())
    });
    let of = |row: &crate::views::ReleaseRow| {
        let what = format!(
            "release {} of role {} is a candidate",
            row.release, row.role
        );
        let mend = format!("canic rollout start {}", row.role);
        finding(catalogue::CANDIDATE, what, Vec::new(), mend)
    };
    waiting.map(of).collect()
}

fn drift(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (old, new) in facts.interfaces.iter().zip(facts.interfaces.iter().skip(1)) {
        if old.role != new.role {
            continue;
        }
        // An interface that can't be read is compared by nobody.
        let breaks = gate::breaks(&new.text, &old.text).unwrap_or_default();
        if !breaks.is_empty() {
            let (role, old, new) = (&old.role, old.release, new.release);
            let what = format!("callers of release {old} of role {role} break on release {new}");
            let mend = format!("canic rollout history --role {role}");
            findings.push(finding(catalogue::DRIFT, what, breaks, mend));
        }
    }
    findings
}

fn conditions(facts: &Facts) -> Vec<Finding> {
    let counted = |condition| {
        let labels = [("condition", condition)];
        metric(&facts.metrics, "canic_members_unwell", &labels).unwrap_or(0.0) as u64
    };
    // Root's last look at a member may be days ago.
    let active = facts.looked_at.iter();
    let active = active.filter(|look| look.member.state == MemberState::Active);
    let is_stopped = |look: &&Look| {
        let live = look.live.as_ref();
        live.is_some_and(|live| live.run != RunState::Running)
    };
    let stopped: Vec<String> = active
        .filter(is_stopped)
        .map(|look| look.member.canister.to_text())
        .collect();
    let of = |entry, count: u64, what: &str, evidence| {
        let what = format::count(count, "member") + what;
        let mend = "canic members --limit 0".to_string();
        (count > 0).then(|| finding(entry, what, evidence, mend))
    };
    let count = counted("stopped").max(stopped.len() as u64);
    let stopped = of(catalogue::STOPPED, count, " stopped", stopped);
    let count = counted("unseen");
    let unseen = of(catalogue::UNSEEN, count, " that root can't see", Vec::new());
    stopped.into_iter().chain(unseen).collect()
}

fn controllers(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(status) = &facts.platform {
        let others = status.controllers.iter();
        let others: Vec<String> = others
            .filter(|id| Some(**id) != facts.root)
            .map(Principal::to_text)
            .collect();
        if others.len() > 1 {
            let what = format!(
                "root has {} besides itself",
                format::count(others.len() as u64, "controller")
            );
            let mend = match facts.root {
                Some(root) => format!("icp canister status {root}"),
                None => "icp canister status root".to_string(),
            };
            findings.push(finding(catalogue::ROOT_CONTROLLERS, what, others, mend));
        }
    }
    // By role and controller, so that a fleet with one foreign controller has one finding.
    let mut foreign: BTreeMap<(&str, Principal), Vec<Principal>> = BTreeMap::new();
    for look in &facts.looked_at {
        let member = &look.member;
        let known = [facts.root, Some(member.parent), Some(member.canister)];
        for controller in &look.controllers {
            if !known.contains(&Some(*controller)) {
                let members = foreign.entry((&member.role, *controller)).or_default();
                members.push(member.canister);
            }
        }
    }
    for ((role, controller), members) in foreign {
        let count = format::count(members.len() as u64, "member");
        let what = format!("{controller} controls {count} of role {role}");
        let mend = format!(
            "icp canister settings update {} --remove-controller {controller}",
            members[0]
        );
        let evidence = members.iter().map(Principal::to_text).collect();
        findings.push(finding(catalogue::MEMBER_CONTROLLERS, what, evidence, mend));
    }
    findings
}

fn modules(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for look in &facts.looked_at {
        let member = &look.member;
        let steady = member.state == MemberState::Active;
        let has = look.module.as_deref().unwrap_or_default();
        if steady && !member.module.is_empty() && has != member.module {
            let what = format!(
                "{} runs another module than root has on record",
                member.canister
            );
            let has = match has {
                [] => "no module".to_string(),
                has => hex::encode(has),
            };
            let evidence = vec![
                format!("on record {}", hex::encode(&member.module)),
                format!("it has {has}"),
            ];
            let mend = format!("icp canister status {}", member.canister);
            findings.push(finding(catalogue::OTHER_MODULE, what, evidence, mend));
        }
    }
    findings
}

fn announcements(facts: &Facts) -> Vec<Finding> {
    match metric(&facts.metrics, "canic_subscribers_pending", &[]) {
        Some(pending) if pending > 0.0 => {
            let count = format::count(pending as u64, "subscriber");
            let what = format!("{count} have not acknowledged all announcements");
            let mend = "canic logs --warnings".to_string();
            vec![finding(catalogue::UNANNOUNCED, what, Vec::new(), mend)]
        }
        _ => Vec::new(),
    }
}

fn pool(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ready = facts.pool.iter().any(|row| row.claimed_by.is_none());
    let refilling = facts.open.iter().any(|row| row.kind == "refill");
    let refills = facts.closed.iter().filter(|row| row.kind == "refill");
    let last = refills.max_by_key(|row| row.id);
    if let Some(last) = last.filter(|last| last.state != "done" && !ready && !refilling) {
        let what = "the pool has no ready canister, and its last refill failed".to_string();
        let reason = last.failure.as_deref().unwrap_or("no reason on record");
        let evidence = vec![format!("operation {}: {}", last.id, shorten(reason, 200))];
        let mend = "canic ops --state all --kind refill".to_string();
        findings.push(finding(catalogue::POOL_SHORT, what, evidence, mend));
    }
    for row in facts.pool.iter().filter(|row| row.refusals > 0) {
        let what = format!("the platform refused the pool canister {}", row.canister);
        let reason = row.refused.clone().unwrap_or_default();
        let mend = "canic pool".to_string();
        findings.push(finding(catalogue::POOL_REFUSED, what, vec![reason], mend));
    }
    findings
}

fn unknown(facts: &Facts) -> Vec<Finding> {
    if facts.unknown.is_empty() {
        return Vec::new();
    }
    let what = "some checks did not run".to_string();
    let mend = format!("canic explain {}", catalogue::UNKNOWN_ENDPOINT.code);
    let evidence = facts.unknown.clone();
    vec![finding(catalogue::UNKNOWN_ENDPOINT, what, evidence, mend)]
}

#[cfg(test)]
mod tests;
