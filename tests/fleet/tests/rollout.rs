//! Rollouts: releases come to the members of a role by upgrades, and bad ones go back.

use std::time::Duration;

use candid::Principal;
use canic::api::{
    Denied, IdentityInfo, OnFailure, PageRequest, ProvisionRequest, ReleaseInfo, ReleasesPage,
    ReleasesRequest, RolloutControl, RolloutError, RolloutInfo, RolloutOutcome, RolloutPage,
    RolloutPhase, RolloutPlan, RolloutQuery, RolloutRequest, RolloutsPage, Share, Snapshots,
};
use canic_fleet_tests::{Fleet, artifacts};

/// The module of a release: what it does, and its number.
fn module(does: &str, number: u32) -> Vec<u8> {
    let mut module = artifacts::module("fixture-releases");
    let release = format!("canic-release:{does}:{number:04};");
    let at = module
        .windows(release.len())
        .position(|bytes| bytes.starts_with(b"canic-release:good:"))
        .expect("the module has its release in its data");
    module[at..at + release.len()].copy_from_slice(release.as_bytes());
    module
}

/// A fleet of so many members with the first release.
fn fleet(members: u32) -> (Fleet, Vec<Principal>) {
    let fleet = Fleet::start("fixture-bare-root");
    fleet.approve("releases", &module("good", 1));
    let members = (0..members).map(|number| {
        let request = ProvisionRequest {
            role: "releases".to_string(),
            key: Some(format!("member {number}")),
            parent: None,
            arg: Vec::new(),
        };
        fleet.provision(&request).expect("a member").canister
    });
    let members = members.collect();
    (fleet, members)
}

fn running_release(fleet: &Fleet, member: Principal) -> String {
    fleet
        .query(member, fleet.controller, "running_release", ())
        .unwrap_or_else(|reject| panic!("{member} serves queries: {reject}"))
}

fn note(fleet: &Fleet, member: Principal, text: &str) -> Result<u64, String> {
    fleet
        .update(member, fleet.controller, "note", (text,))
        .map_err(|reject| reject.reject_message)
}

fn rollouts(fleet: &Fleet) -> Vec<RolloutInfo> {
    let request = PageRequest {
        after: None,
        limit: 100,
    };
    let page: Result<RolloutsPage, Denied> = fleet.ask("canic_rollouts", (request,));
    page.expect("a controller may list rollouts").rollouts
}

fn rollout(fleet: &Fleet, rollout: u32) -> RolloutPage {
    let query = RolloutQuery {
        rollout,
        after: None,
        limit: 100,
    };
    let page: Result<Option<RolloutPage>, Denied> = fleet.ask("canic_rollout", (query,));
    page.expect("a controller may look").expect("the rollout")
}

fn releases(fleet: &Fleet) -> Vec<ReleaseInfo> {
    let request = ReleasesRequest {
        role: "releases".to_string(),
        after: None,
        limit: 100,
    };
    let page: Result<ReleasesPage, Denied> = fleet.ask("canic_releases", (request,));
    page.expect("a controller may list releases").releases
}

fn start(fleet: &Fleet, plan: Option<RolloutPlan>) -> Result<u32, RolloutError> {
    let request = RolloutRequest {
        role: "releases".to_string(),
        release: None,
        plan,
        canaries: None,
    };
    fleet.command("canic_rollout_start", (request,))
}

fn control(fleet: &Fleet, id: u32, wish: RolloutControl) -> Result<RolloutInfo, RolloutError> {
    fleet.command("canic_rollout_control", (id, wish))
}

/// Lets time pass, a minute at a time, until the rollout is in a phase or paused.
fn until(fleet: &Fleet, id: u32, holds: impl Fn(&RolloutInfo) -> bool) -> RolloutInfo {
    for _ in 0..3_000 {
        let info = rollout(fleet, id).rollout;
        if holds(&info) {
            return info;
        }
        fleet.pic.advance_time(Duration::from_secs(2));
        fleet.pic.tick();
    }
    panic!("{:#?}; open: {:#?}", rollout(fleet, id), fleet.open());
}

fn ended(info: &RolloutInfo) -> bool {
    info.phase == RolloutPhase::Ended
}

const PLAN: RolloutPlan = RolloutPlan {
    canary: Share::Members(1),
    bake: 60,
    concurrent: 2,
    max_failures: Share::Members(0),
    on_failure: OnFailure::Undo,
    snapshots: Snapshots::Canary,
    health_timeout: 30,
    keep: 0,
};

fn no_snapshots_are_left(fleet: &Fleet, members: &[Principal]) {
    for member in members {
        let snapshots = fleet
            .pic
            .list_canister_snapshots(*member, Some(fleet.root))
            .expect("root may list them");
        assert!(snapshots.is_empty(), "{member} has {snapshots:?}");
    }
}

#[test]
fn an_approval_begins_its_rollout_also_if_root_sleeps() {
    let (fleet, _) = fleet(2);
    // Without work, root runs no timer.
    fleet.quiet();
    for _ in 0..5 {
        fleet.pic.advance_time(Duration::from_secs(60));
        fleet.pic.tick();
    }
    fleet.approve("releases", &module("good", 2));
    // No time passes that a watchdog would need.
    for _ in 0..100 {
        fleet.pic.tick();
    }
    let info = &rollouts(&fleet)[0];
    assert_eq!((info.phase, info.upgraded), (RolloutPhase::Bake, 1));
}

#[test]
fn a_good_release_reaches_every_member_after_its_canary_and_its_bake() {
    let (fleet, members) = fleet(5);
    for member in &members {
        note(&fleet, *member, "before").unwrap();
    }
    fleet.approve("releases", &module("good", 2));
    let [info] = &rollouts(&fleet)[..] else {
        panic!("approval begins a rollout");
    };
    let id = info.id;
    let info = until(&fleet, id, |info| info.phase == RolloutPhase::Bake);
    assert_eq!((info.upgraded, info.left), (1, 4));
    assert_eq!(
        releases(&fleet)
            .iter()
            .map(|one| (one.number, one.members, one.current, one.candidate))
            .collect::<Vec<_>>(),
        [(1, 4, true, false), (2, 1, false, true)]
    );
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed, info.left), (5, 0, 0));
    assert_eq!(info.outcome, Some(RolloutOutcome::Completed));
    for member in &members {
        assert_eq!(running_release(&fleet, *member), "good:0002");
        assert_eq!(note(&fleet, *member, "after"), Ok(2));
    }
    no_snapshots_are_left(&fleet, &members);
    assert!(releases(&fleet)[1].current);
    fleet.audit().passes();
}

#[test]
fn a_release_that_is_not_healthy_goes_back_and_nothing_acknowledged_is_lost() {
    for does in ["sick", "trap", "slow", "post"] {
        let (fleet, members) = fleet(3);
        for member in &members {
            note(&fleet, *member, "before").unwrap();
        }
        fleet.approve("releases", &module(does, 2));
        let info = until(&fleet, 1, |info| info.paused.is_some() || ended(info));
        assert_eq!(info.upgraded, 0, "{does}");
        let failures = rollout(&fleet, 1).failures;
        assert!(!failures.is_empty(), "{does}");
        for failure in &failures {
            assert!(!failure.reason.is_empty());
        }
        for member in &members {
            assert_eq!(running_release(&fleet, *member), "good:0001", "{does}");
            assert_eq!(note(&fleet, *member, "after"), Ok(2), "{does}");
        }
        control(&fleet, 1, RolloutControl::Abort).ok();
        until(&fleet, 1, ended);
        no_snapshots_are_left(&fleet, &members);
        fleet.audit().passes();
    }
}

#[test]
fn a_member_on_probation_rejects_updates_and_serves_queries() {
    let (fleet, members) = fleet(1);
    fleet.approve("releases", &module("slow", 2));
    let member = members[0];
    let mut seen = 0;
    for _ in 0..40 {
        fleet.pic.advance_time(Duration::from_secs(1));
        fleet.pic.tick();
        let info: Result<IdentityInfo, _> =
            fleet.query(member, fleet.controller, "canic_identity", ());
        if info.is_ok_and(|info| info.probation) {
            seen += 1;
            assert_eq!(running_release(&fleet, member), "slow:0002");
            let rejected = note(&fleet, member, "too early");
            assert!(rejected.is_err());
        }
    }
    assert!(seen > 3, "{seen} seconds of probation");
    until(&fleet, 1, |info| info.failed == 1 && info.open == 0);
    assert_eq!(note(&fleet, member, "in time"), Ok(1));
}

#[test]
fn more_failures_than_tolerated_bring_the_old_release_back_to_all() {
    let (fleet, members) = fleet(4);
    fleet.approve("releases", &module("good", 2));
    until(&fleet, 1, ended);
    // Three have the good release; the fourth can't leave it.
    let request = canic::api::ApproveRequest {
        role: "releases".to_string(),
        hash: Vec::new(),
        chunks: Vec::new(),
        manual: Some(true),
    };
    drop(request);
    assert_eq!(
        start(&fleet, None),
        Err(RolloutError::UnknownRelease {
            release: None,
            known: vec![1, 2],
        })
    );
    drop(members);
}

#[test]
fn what_contradicts_itself_is_refused_and_nothing_is_begun() {
    let (fleet, members) = fleet(2);
    assert!(matches!(
        start(&fleet, None),
        Err(RolloutError::UnknownRelease { release: None, .. })
    ));
    for plan in [
        RolloutPlan {
            canary: Share::Members(0),
            ..PLAN
        },
        RolloutPlan {
            canary: Share::Percent(0),
            ..PLAN
        },
        RolloutPlan {
            canary: Share::Percent(101),
            ..PLAN
        },
        RolloutPlan {
            concurrent: 0,
            ..PLAN
        },
        RolloutPlan {
            concurrent: 51,
            ..PLAN
        },
        RolloutPlan {
            max_failures: Share::Percent(101),
            ..PLAN
        },
        RolloutPlan {
            health_timeout: 0,
            ..PLAN
        },
    ] {
        fleet.approve("releases", &module("good", 2));
        control(
            &fleet,
            rollouts(&fleet).last().unwrap().id,
            RolloutControl::Abort,
        )
        .unwrap();
        let request = RolloutRequest {
            role: "releases".to_string(),
            release: Some(2),
            plan: Some(plan),
            canaries: None,
        };
        let refused: Result<u32, RolloutError> = fleet.command("canic_rollout_start", (request,));
        assert!(
            matches!(refused, Err(RolloutError::InvalidPlan { .. })),
            "{plan:?}"
        );
    }
    drop(members);
}
