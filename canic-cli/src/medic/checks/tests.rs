//! Every check finds what it is for, and finds nothing in a healthy fleet.

use canic::api::{MemberInfo, MemberState, Metric};

use super::*;
use crate::{
    medic::{
        examine,
        facts::{Look, RootStatus},
    },
    output::format::Cycles,
    views::{PoolRow, ReleaseRow, RolloutRow},
};

fn id(number: u8) -> Principal {
    Principal::from_slice(&[number])
}

fn operation(number: u64, kind: &'static str, state: &'static str) -> OperationRow {
    OperationRow {
        id: number,
        kind,
        state,
        detail: Some("Install".to_string()),
        role: None,
        key: None,
        canister: Some(id(9)),
        source: None,
        failure: None,
        attempts: 3,
        calls: 4,
        paid: Cycles(0),
        accepted: 1_000,
        updated: 1_000,
    }
}

fn gauge(name: &str, value: f64) -> Metric {
    Metric {
        name: name.to_string(),
        labels: Vec::new(),
        value,
    }
}

fn release(number: u32, members: u32, current: bool, candidate: bool) -> ReleaseRow {
    ReleaseRow {
        role: "worker".to_string(),
        release: number,
        module: String::new(),
        size: 1,
        origin: "staged",
        approved: 0,
        members,
        current,
        candidate,
    }
}

fn rollout(phase: &'static str, paused: Option<&str>) -> RolloutRow {
    let plan = canic::api::RolloutPlan {
        canary: canic::api::Share::Members(1),
        bake: 0,
        concurrent: 1,
        max_failures: canic::api::Share::Members(0),
        on_failure: canic::api::OnFailure::Pause,
        snapshots: canic::api::Snapshots::All,
        health_timeout: 60,
        keep: 60,
    };
    RolloutRow {
        rollout: 1,
        role: "worker".to_string(),
        from: 1,
        to: 2,
        phase,
        paused: paused.map(str::to_string),
        outcome: None,
        members: 3,
        upgraded: 1,
        failed: 1,
        undone: 0,
        open: 0,
        left: 2,
        started: 0,
        since: 0,
        plan: plan.into(),
    }
}

fn look(controllers: &[u8], module: Option<u8>) -> Look {
    Look {
        member: MemberInfo {
            canister: id(5),
            role: "worker".to_string(),
            parent: id(2),
            key: None,
            state: MemberState::Active,
            release: 1,
            module: vec![1; 32],
            since: 0,
            operation: 1,
        },
        controllers: controllers.iter().map(|number| id(*number)).collect(),
        module: module.map(|byte| vec![byte; 32]),
    }
}

/// A fleet in which nothing is wrong.
fn healthy() -> Facts {
    Facts {
        now: 1_060,
        root: Some(id(1)),
        metrics: vec![
            gauge("canic_subscribers_pending", 0.0),
            gauge("canic_cycles_available", 5e13),
            gauge("canic_cycles_unknown", 0.0),
        ],
        open: vec![operation(1, "provision", "open")],
        closed: vec![operation(2, "refill", "done")],
        releases: vec![release(1, 0, false, false), release(2, 3, true, false)],
        rollouts: vec![rollout("ended", None)],
        platform: Some(RootStatus {
            balance: 100_000,
            burn: 10,
            frozen_below: 300,
            controllers: vec![id(1), id(7)],
        }),
        looked_at: vec![look(&[1, 2, 5], Some(1))],
        ..Facts::default()
    }
}

fn codes(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
    let mut facts = healthy();
    change(&mut facts);
    examine(&facts).iter().map(|finding| finding.code).collect()
}

#[test]
fn a_healthy_fleet_has_no_findings() {
    assert_eq!(codes(|_| {}), Vec::<&str>::new());
}

#[test]
fn operations_that_need_somebody_are_found() {
    let quarantined = operation(3, "retire", "quarantined");
    assert_eq!(codes(|facts| facts.quarantined.push(quarantined)), ["C101"]);
    assert_eq!(codes(|facts| facts.now += 900), ["C102"]);
    let abandoned = operation(3, "upgrade", "abandoned");
    assert_eq!(
        codes(|facts| facts.closed.push(abandoned.clone())),
        ["C103"]
    );
    let mended = |facts: &mut Facts| {
        facts.closed.push(abandoned);
        facts.closed.push(operation(4, "upgrade", "done"));
    };
    assert_eq!(codes(mended), Vec::<&str>::new());
}

#[test]
fn releases_and_rollouts_that_stand_still_are_found() {
    let left = |facts: &mut Facts| facts.releases[0].members = 2;
    assert_eq!(codes(left), ["C201"]);
    let under_way = |facts: &mut Facts| {
        facts.releases[0].members = 2;
        facts.rollouts = vec![rollout("rest", None)];
    };
    assert_eq!(codes(under_way), Vec::<&str>::new());
    let paused = |facts: &mut Facts| facts.rollouts = vec![rollout("rest", Some("failures"))];
    assert_eq!(codes(paused), ["C202"]);
    let candidate = |facts: &mut Facts| facts.releases.push(release(3, 0, false, true));
    assert_eq!(codes(candidate), ["C203"]);
    let kept = |facts: &mut Facts| facts.rollouts = vec![rollout("settle", None)];
    assert_eq!(codes(kept), ["C204"]);
}

#[test]
fn foreign_controllers_and_modules_are_found() {
    let root = |facts: &mut Facts| {
        facts.platform.as_mut().unwrap().controllers = vec![id(1), id(7), id(8)];
    };
    assert_eq!(codes(root), ["C301"]);
    let foreign = |facts: &mut Facts| {
        facts.looked_at = vec![look(&[1, 77], Some(1)), look(&[1, 77], Some(1))];
    };
    assert_eq!(codes(foreign), ["C302"], "one finding for one controller");
    for other in [Some(2), None] {
        let module = |facts: &mut Facts| facts.looked_at = vec![look(&[1], other)];
        assert_eq!(codes(module), ["C303"]);
    }
}

#[test]
fn a_short_of_cycles_pool_or_acknowledgements_is_found() {
    assert_eq!(codes(|facts| facts.metrics[0].value = 2.0), ["C401"]);
    let poor = |facts: &mut Facts| facts.platform.as_mut().unwrap().balance = 360;
    assert_eq!(codes(poor), ["C501"]);
    assert_eq!(codes(|facts| facts.metrics[1].value = 0.0), ["C502"]);
    assert_eq!(codes(|facts| facts.metrics[2].value = 1e12), ["C503"]);
    let failed = |facts: &mut Facts| facts.closed = vec![operation(8, "refill", "rolled_back")];
    assert_eq!(codes(failed), ["C601"]);
    let refused = |facts: &mut Facts| {
        facts.pool.push(PoolRow {
            canister: id(3),
            cycles: Cycles(1),
            claimed_by: None,
            since: 0,
            refusals: 1,
            refused: None,
        });
    };
    assert_eq!(codes(refused), ["C602"]);
    let older = |facts: &mut Facts| facts.unknown.push("no canic_rollouts".to_string());
    assert_eq!(codes(older), ["C701"]);
}

#[test]
fn days_left_are_a_warning_before_they_are_an_error() {
    let mut facts = healthy();
    facts.platform.as_mut().unwrap().balance = 300 + 10 * 20;
    let finding = examine(&facts).remove(0);
    assert_eq!(
        (finding.code, finding.severity),
        ("C501", Severity::Warning)
    );
    assert!(finding.what.contains("20 days"), "{}", finding.what);
    facts.platform.as_mut().unwrap().burn = 0;
    assert!(examine(&facts).is_empty());
}
