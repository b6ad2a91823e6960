//! Every check finds what it is for, and finds nothing in a healthy fleet.

use canic::api::{
    Accounts, FundingInfo, GrantLimit, GrantPurpose, LedgerAccount, Level, LiveState, MemberInfo,
    MemberState, Metric, RefusedGrant, RoleFunding, RootFunding, RunState,
};

use super::*;
use crate::{
    medic::{
        examine,
        facts::{Interface, Look, RootStatus},
        finding::Severity,
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
        parent: None,
        release: None,
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
        layout: Some(1),
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
        live: Some(LiveState {
            run: RunState::Running,
            module: None,
            cycles: 2_000_000_000_000,
            frozen: 30,
            memory: 1,
            burned_per_day: 1,
            days_left: Some(100.0),
        }),
    }
}

fn funding() -> FundingInfo {
    let account = LedgerAccount {
        owner: id(1),
        subaccount: None,
    };
    FundingInfo {
        level: Level::Ok,
        root: RootFunding {
            level: Level::Ok,
            reason: None,
            available: 1_000,
            reserve: 5,
            spent_per_day: Some(10),
            days_left: Some(100.0),
            dry_at: Some(8_640_000_000_000_000),
            refuel: None,
            refuelled: 0,
            accounts: Accounts {
                cycles: account,
                icp: String::new(),
            },
        },
        roles: vec![RoleFunding {
            role: "worker".to_string(),
            level: Level::Ok,
            members: 3,
            seen: 3,
            burned_per_day: 3,
            days_left: None,
            frozen: 0,
            refused: 0,
        }],
        days: Vec::new(),
        refused: Vec::new(),
        budget: None,
        charged_today: 0,
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
        funding: Some(funding()),
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
    let refused = |facts: &mut Facts| facts.rollouts = vec![rollout("settle", Some("frozen"))];
    assert_eq!(codes(refused), ["C206"]);
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
    assert_eq!(codes(|facts| facts.metrics[1].value = 0.0), ["C502"]);
    assert_eq!(codes(|facts| facts.metrics[2].value = 1e12), ["C503"]);
    let failed = |facts: &mut Facts| facts.closed = vec![operation(8, "refill", "rolled_back")];
    assert_eq!(codes(failed), ["C601"]);
    let refused = |facts: &mut Facts| {
        facts.pool.push(PoolRow {
            canister: id(3),
            cycles: Cycles(1),
            live: None,
            unseen: None,
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
fn a_root_is_judged_by_its_own_level() {
    let of = |level| {
        let mut facts = healthy();
        let root = &mut facts.funding.as_mut().unwrap().root;
        (root.level, root.days_left) = (level, Some(5.25));
        root.reason = Some("root has 5 cycles".to_string());
        examine(&facts)
    };
    assert!(of(Level::Ok).is_empty());
    let finding = of(Level::Warn).remove(0);
    assert_eq!(
        (finding.code, finding.severity),
        ("C501", Severity::Warning)
    );
    assert!(finding.what.ends_with("last for 5.2 d"), "{}", finding.what);
    assert_eq!(
        finding.evidence,
        ["root has 5 cycles", "it is at its reserve on 1970-04-11"]
    );
    assert_eq!(of(Level::Critical)[0].severity, Severity::Error);
    // At its reserve it has one finding, not two.
    let spent = |facts: &mut Facts| {
        facts.metrics[1].value = 0.0;
        facts.funding.as_mut().unwrap().root.level = Level::Critical;
    };
    assert_eq!(codes(spent), ["C502"]);
}

#[test]
fn a_root_without_a_level_is_judged_by_its_idle_burn() {
    let mut young = healthy();
    young.funding.as_mut().unwrap().root.spent_per_day = None;
    let mut older = healthy();
    older.funding = None;
    for mut facts in [young, older] {
        facts.platform.as_mut().unwrap().balance = 300 + 10 * 20;
        let finding = examine(&facts).remove(0);
        assert_eq!(
            (finding.code, finding.severity),
            ("C501", Severity::Warning)
        );
        assert!(finding.what.contains("20 days"), "{}", finding.what);
        facts.platform.as_mut().unwrap().balance = 360;
        assert_eq!(examine(&facts)[0].severity, Severity::Error);
        facts.platform.as_mut().unwrap().burn = 0;
        assert!(examine(&facts).is_empty());
    }
}

#[test]
fn members_that_run_out_of_cycles_are_found_by_role() {
    let mut facts = healthy();
    let info = facts.funding.as_mut().unwrap();
    let role = &mut info.roles[0];
    (role.level, role.days_left, role.refused) = (Level::Warn, Some(2.5), 2);
    info.refused.push(RefusedGrant {
        at: 0,
        canister: id(4),
        purpose: GrantPurpose::Watch,
        cycles: 900,
        limit: GrantLimit::Budget,
        left: 100,
        retry_at: 0,
        times: 1,
    });
    let finding = examine(&facts).remove(0);
    assert_eq!(
        (finding.code, finding.severity),
        ("C504", Severity::Warning)
    );
    let refusal = format!("{} lacks 900: the limit of the budget has 100 left", id(4));
    assert_eq!(
        finding.evidence,
        [
            "the poorest has 2.5 d left",
            "2 refused by a limit",
            &refusal
        ]
    );
    let role = &mut facts.funding.as_mut().unwrap().roles[0];
    (role.level, role.frozen) = (Level::Critical, 1);
    assert_eq!(examine(&facts)[0].severity, Severity::Error);
}

#[test]
fn stopped_and_unseen_members_are_found() {
    let unwell = |condition: &str| {
        let condition = condition.to_string();
        codes(move |facts| {
            facts.metrics.push(Metric {
                labels: vec![("condition".to_string(), condition)],
                ..gauge("canic_members_unwell", 2.0)
            });
        })
    };
    assert_eq!(unwell("stopped"), ["C304"]);
    assert_eq!(unwell("unseen"), ["C305"]);
    assert_eq!(unwell("slow"), Vec::<&str>::new());
    // Root's last look may be days ago: the platform knows better.
    let mut facts = healthy();
    facts.looked_at[0].live.as_mut().unwrap().run = RunState::Stopped;
    let finding = examine(&facts).remove(0);
    assert_eq!(
        (finding.code, finding.what.as_str()),
        ("C304", "1 member stopped")
    );
    assert_eq!(finding.evidence, [id(5).to_text()]);
    // One that an operation stops is none.
    facts.looked_at[0].member.state = MemberState::Upgrading;
    assert!(examine(&facts).is_empty());
}

#[test]
fn members_that_are_poor_by_now_are_found_though_root_saw_them_rich() {
    let with = |days, cycles| {
        let mut facts = healthy();
        let live = facts.looked_at[0].live.as_mut().unwrap();
        (live.days_left, live.cycles) = (Some(days), cycles);
        examine(&facts)
    };
    assert!(with(3.0, 1_000).is_empty());
    let finding = with(2.9, 1_000).remove(0);
    assert_eq!(
        (finding.code, finding.severity),
        ("C504", Severity::Warning)
    );
    assert_eq!(
        finding.evidence,
        [format!("{} has 1000, 2.9 d left", id(5))]
    );
    assert_eq!(with(0.5, 1_000)[0].severity, Severity::Error);
    assert_eq!(with(9.0, 30)[0].severity, Severity::Error, "it is frozen");
    // A role has one finding.
    let mut facts = healthy();
    facts.funding.as_mut().unwrap().roles[0].level = Level::Warn;
    facts.looked_at[0].live.as_mut().unwrap().days_left = Some(2.0);
    let findings = examine(&facts);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].evidence[0].ends_with("2.0 d left"),
        "{findings:?}"
    );
}

#[test]
fn interfaces_that_have_drifted_apart_are_found() {
    let interface = |release, text: &str| Interface {
        role: "worker".to_string(),
        release,
        text: text.to_string(),
    };
    let with = |old: &str, new: &str| {
        let interfaces = vec![interface(1, old), interface(2, new)];
        codes(|facts| facts.interfaces = interfaces)
    };
    let (few, more) = (
        "service : { a : () -> () }",
        "service : { a : () -> (); b : () -> () }",
    );
    assert_eq!(with(more, few), ["C205"]);
    assert_eq!(with(few, more), Vec::<&str>::new());
}
