//! Rollouts: releases come to the members of a role by upgrades, and bad ones go back.

use std::{collections::BTreeMap, time::Duration};

use candid::Principal;
use canic::api::{
    IdentityInfo, OperationKind, OperationsFilter, ProvisionRequest, RetireError, Retirement,
    RolloutControl, RolloutError, RolloutOutcome, RolloutPhase, RolloutPlan, RolloutRequest, Share,
    Snapshots,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    rollouts::{
        PLAN, control, ended, member_request, module, new_member, new_member_of, new_members_get,
        no_snapshots_are_left, note, pass, releases, releases_of, roll_out, rollout, rollouts,
        running_release, stage_manually, until,
    },
};

/// A fleet of so many members with the first release.
fn fleet(members: u32) -> (Fleet, Vec<Principal>) {
    let fleet = Fleet::start("fixture-bare-root");
    fleet.approve("releases", &module("good", 1));
    let members = (0..members).map(|number| {
        let request = ProvisionRequest {
            key: Some(format!("member {number}")),
            ..member_request("releases")
        };
        fleet.provision(&request).expect("a member").canister
    });
    let members = members.collect();
    (fleet, members)
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
    for (does, why) in [
        ("sick", "it is not healthy: it has a cold"),
        ("trap", "its health is a trap"),
        ("slow", "`start` has not ended: it is not ready yet"),
        ("post", "this release can't be upgraded to"),
    ] {
        for snapshots in [Snapshots::None, Snapshots::Canary] {
            let (fleet, members) = fleet(3);
            for member in &members {
                note(&fleet, *member, "before").unwrap();
            }
            let id = roll_out(&fleet, &module(does, 2), &RolloutPlan { snapshots, ..PLAN });
            let info = until(&fleet, id, ended);
            assert_eq!((info.upgraded, info.failed), (0, 1), "{does}");
            assert_eq!(info.outcome, Some(RolloutOutcome::Undone));
            let [failure] = &rollout(&fleet, id).failures[..] else {
                panic!("one member failed");
            };
            assert!(failure.reason.contains(why), "{does}: {}", failure.reason);
            for member in &members {
                assert_eq!(running_release(&fleet, *member), "good:0001", "{does}");
                assert_eq!(note(&fleet, *member, "after"), Ok(2), "{does}");
            }
            no_snapshots_are_left(&fleet, &members);
            fleet.audit().passes();
        }
    }
}

#[test]
fn a_release_that_cannot_be_left_stays_where_it_is() {
    let (fleet, members) = fleet(1);
    let to_stay = roll_out(&fleet, &module("stay", 2), &PLAN);
    until(&fleet, to_stay, ended);
    let id = roll_out(&fleet, &module("good", 3), &PLAN);
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed), (0, 1));
    let failures = rollout(&fleet, id).failures;
    assert!(failures[0].reason.contains("this release can't be left"));
    assert_eq!(running_release(&fleet, members[0]), "stay:0002");
    assert_eq!(note(&fleet, members[0], "in time"), Ok(1));
    fleet.audit().passes();
}

#[test]
fn a_member_on_probation_rejects_updates_and_serves_queries() {
    let (fleet, members) = fleet(1);
    let member = members[0];
    fleet.approve("subscriber", &artifacts::module("fixture-subscriber"));
    let caller = new_member_of(&fleet, "subscriber");
    let id = roll_out(&fleet, &module("slow", 2), &PLAN);
    let mut seconds = 0;
    while rollout(&fleet, id).rollout.failed == 0 {
        fleet.pic.advance_time(Duration::from_secs(1));
        fleet.pic.tick();
        let info: Result<IdentityInfo, _> =
            fleet.query(member, fleet.controller, "canic_identity", ());
        if info.is_ok_and(|info| info.probation) {
            seconds += 1;
            assert_eq!(running_release(&fleet, member), "slow:0002");
            assert!(note(&fleet, member, "too early").is_err(), "its inspection");
            let argument = candid::encode_args(("too early",)).unwrap();
            let forwarded: Option<Vec<u8>> = fleet
                .update(
                    caller,
                    fleet.controller,
                    "forward",
                    (member, "note", argument),
                )
                .expect("the caller answers");
            assert_eq!(forwarded, None, "its endpoint");
        }
        assert!(seconds < 100, "the probation does not end");
    }
    assert!(seconds > 3, "{seconds} seconds of probation");
    until(&fleet, id, ended);
    assert_eq!(note(&fleet, member, "in time"), Ok(1));
}

#[test]
fn a_rollout_without_a_plan_pauses_and_goes_on_when_a_controller_says_so() {
    let (fleet, members) = fleet(3);
    fleet.approve("releases", &module("sick", 2));
    let paused = until(&fleet, 1, |info| info.paused.is_some());
    assert_eq!((paused.failed, paused.left), (1, 3));
    assert_eq!(paused.paused.as_deref(), Some("no canary was upgraded"));
    control(&fleet, 1, RolloutControl::Resume).expect("it goes on");
    let paused = until(&fleet, 1, |info| info.paused.is_some());
    assert_eq!(paused.paused.as_deref(), Some("3 of 3 members failed"));
    control(&fleet, 1, RolloutControl::Resume).expect("it goes on");
    let info = until(&fleet, 1, ended);
    assert_eq!((info.failed, info.left), (3, 3));
    for member in &members {
        assert_eq!(running_release(&fleet, *member), "good:0001");
    }
}

#[test]
fn a_paused_rollout_begins_nothing_and_promotion_ends_its_bake() {
    let (fleet, members) = fleet(4);
    let plan = RolloutPlan {
        bake: 1_000_000,
        ..PLAN
    };
    let id = roll_out(&fleet, &module("good", 2), &plan);
    until(&fleet, id, |info| info.phase == RolloutPhase::Bake);
    let paused = control(&fleet, id, RolloutControl::Pause).expect("it pauses");
    assert!(paused.paused.is_some());
    pass(&fleet, 200);
    let info = rollout(&fleet, id).rollout;
    assert_eq!(
        (info.phase, info.upgraded, info.open),
        (RolloutPhase::Bake, 1, 0)
    );
    let promoted = control(&fleet, id, RolloutControl::Promote).expect("it is promoted");
    assert_eq!(
        (promoted.phase, promoted.paused),
        (RolloutPhase::Rest, None)
    );
    let info = until(&fleet, id, ended);
    assert_eq!(info.upgraded, 4);
    assert_eq!(new_members_get(&fleet), "good:0002");
    assert!(matches!(
        control(&fleet, id, RolloutControl::Promote),
        Err(RolloutError::WrongPhase { .. })
    ));
    assert!(matches!(
        control(&fleet, 77, RolloutControl::Pause),
        Err(RolloutError::UnknownRollout { rollout: 77 })
    ));
    fleet.audit().passes();
    drop(members);
}

#[test]
fn an_aborted_rollout_begins_no_more_and_upgraded_members_keep_the_release() {
    let (fleet, members) = fleet(3);
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    until(&fleet, id, |info| info.phase == RolloutPhase::Bake);
    control(&fleet, id, RolloutControl::Abort).expect("it is aborted");
    let info = until(&fleet, id, ended);
    assert_eq!(info.outcome, Some(RolloutOutcome::Aborted));
    pass(&fleet, 200);
    assert_eq!(
        releases_of(&fleet, &members),
        ["good:0001", "good:0001", "good:0002"]
    );
    assert_eq!(new_members_get(&fleet), "good:0001");
    no_snapshots_are_left(&fleet, &members);
    fleet.audit().passes();
}

#[test]
fn a_rollout_of_the_current_release_reaches_the_members_that_an_abort_left_behind() {
    let (fleet, members) = fleet(3);
    let plan = RolloutPlan {
        concurrent: 1,
        ..PLAN
    };
    let id = roll_out(&fleet, &module("good", 2), &plan);
    until(&fleet, id, |info| info.phase == RolloutPhase::Rest);
    control(&fleet, id, RolloutControl::Abort).expect("it is aborted");
    until(&fleet, id, ended);
    let mut before = releases_of(&fleet, &members);
    before.sort();
    assert_eq!(before, ["good:0001", "good:0002", "good:0002"]);
    assert_eq!(new_members_get(&fleet), "good:0002");
    let begin = || -> Result<u32, RolloutError> {
        let request = RolloutRequest {
            role: "releases".to_string(),
            release: Some(2),
            plan: Some(plan),
            canaries: None,
        };
        fleet.command("canic_rollout_start", (request,))
    };
    let next = begin().expect("one member was left behind");
    let info = until(&fleet, next, ended);
    assert_eq!((info.upgraded, info.failed), (1, 0));
    assert_eq!(info.outcome, Some(RolloutOutcome::Completed));
    assert_eq!(
        releases_of(&fleet, &members),
        ["good:0002", "good:0002", "good:0002"]
    );
    let nobody = begin().expect_err("nobody is left behind");
    assert_eq!(nobody, RolloutError::AlreadyCurrent { release: 2 });
    no_snapshots_are_left(&fleet, &members);
    fleet.audit().passes();
}

#[test]
fn undo_brings_back_the_code_and_only_if_asked_the_state_of_the_snapshots() {
    for state in [false, true] {
        let (fleet, members) = fleet(3);
        for member in &members {
            note(&fleet, *member, "before").unwrap();
        }
        let plan = RolloutPlan {
            snapshots: Snapshots::All,
            keep: 1_000_000,
            ..PLAN
        };
        let id = roll_out(&fleet, &module("good", 2), &plan);
        until(&fleet, id, |info| info.phase == RolloutPhase::Settle);
        for member in &members {
            assert_eq!(note(&fleet, *member, "after"), Ok(2));
        }
        control(&fleet, id, RolloutControl::Undo { state }).expect("it is undone");
        let info = until(&fleet, id, |info| info.phase == RolloutPhase::Settle);
        assert_eq!((info.undone, info.failed), (3, 0));
        assert_eq!(info.outcome, Some(RolloutOutcome::Undone));
        for member in &members {
            assert_eq!(running_release(&fleet, *member), "good:0001");
            let kept = if state { 2 } else { 3 };
            assert_eq!(note(&fleet, *member, "later"), Ok(kept), "state: {state}");
        }
        assert_eq!(new_members_get(&fleet), "good:0001");
        fleet.pic.advance_time(Duration::from_secs(1_000_000));
        until(&fleet, id, ended);
        no_snapshots_are_left(&fleet, &members);
        fleet.audit().passes();
    }
}

#[test]
fn a_newer_release_takes_the_place_of_a_rollout_that_is_under_way() {
    let (fleet, members) = fleet(4);
    let provisions = fleet.operations(OperationsFilter::Closed);
    let provisions = provisions
        .iter()
        .filter(|op| op.kind == OperationKind::Provision);
    for operation in provisions.clone() {
        assert_eq!(
            (operation.parent, operation.release),
            (Some(fleet.root), Some(1))
        );
    }
    assert_eq!(provisions.count(), 4);
    let first = roll_out(&fleet, &module("good", 2), &PLAN);
    until(&fleet, first, |info| info.phase == RolloutPhase::Bake);
    let second = roll_out(&fleet, &module("good", 3), &PLAN);
    let info = until(&fleet, first, ended);
    assert_eq!(info.outcome, Some(RolloutOutcome::Superseded));
    let info = until(&fleet, second, ended);
    assert_eq!((info.from, info.to, info.upgraded), (1, 3, 4));
    assert_eq!(releases_of(&fleet, &members), ["good:0003"; 4]);
    // Members without release 2 went straight from 1 to 3.
    let upgrades = fleet.operations(OperationsFilter::Closed);
    let upgrades = upgrades
        .iter()
        .filter(|op| op.kind == OperationKind::Upgrade);
    // The first's canary, all members, a look at the second's canary, and two snapshots dropped.
    assert_eq!(upgrades.clone().count(), 1 + 4 + 1 + 2);
    let given = |release| {
        upgrades
            .clone()
            .filter(|op| op.release == Some(release))
            .count()
    };
    assert_eq!((given(1), given(2), given(3)), (0, 2, 6));
    no_snapshots_are_left(&fleet, &members);
    fleet.audit().passes();
}

#[test]
fn members_that_come_and_go_during_a_rollout_are_followed() {
    let (fleet, members) = fleet(4);
    let plan = RolloutPlan {
        concurrent: 1,
        ..PLAN
    };
    let id = roll_out(&fleet, &module("good", 2), &plan);
    until(&fleet, id, |info| info.phase == RolloutPhase::Bake);
    let late = new_member(&fleet);
    assert_eq!(
        running_release(&fleet, late),
        "good:0001",
        "before the bake has passed"
    );
    let idle = members
        .iter()
        .find(|one| running_release(&fleet, **one) == "good:0001");
    let idle = *idle.expect("a member that waits");
    fleet
        .retire(idle, Retirement::Delete)
        .expect("it is retired");
    let busy = loop {
        fleet.pic.advance_time(Duration::from_secs(2));
        fleet.pic.tick();
        let upgrade = fleet
            .open()
            .into_iter()
            .find(|op| op.kind == OperationKind::Upgrade);
        if let Some(upgrade) = upgrade {
            break upgrade.canister.expect("an upgrade has a canister");
        }
    };
    let refused = fleet.retire(busy, Retirement::Delete);
    assert!(
        matches!(refused, Err(RetireError::Pending { .. })),
        "{refused:?}"
    );
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed, info.left), (4, 0, 0));
    assert_eq!(running_release(&fleet, late), "good:0002");
    fleet.audit().passes();
}

#[test]
fn a_rollout_survives_upgrades_of_root_in_every_phase() {
    let (fleet, members) = fleet(5);
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    let first = rollout(&fleet, id).rollout;
    let (mut rounds, mut upgrades) = (0, 0);
    let info = until(&fleet, id, |info| {
        // The tool that upgrades root clears root's chunk store, each time.
        rounds += 1;
        if rounds % 5 == 0 {
            upgrades += u32::from(fleet.upgrade_root("fixture-bare-root").is_ok());
        }
        info.phase == RolloutPhase::Ended
    });
    assert!(upgrades > 10, "root was upgraded {upgrades} times");
    let failures = rollout(&fleet, id).failures;
    assert_eq!(
        (info.upgraded, failures, info.started),
        (5, vec![], first.started)
    );
    assert_eq!(releases_of(&fleet, &members), ["good:0002"; 5]);
    let upgrades = fleet.operations(OperationsFilter::Closed);
    let upgrades = upgrades
        .iter()
        .filter(|op| op.kind == OperationKind::Upgrade);
    // Each member once, a look at the canary, and its snapshot dropped.
    assert_eq!(upgrades.count(), 5 + 1 + 1);
    no_snapshots_are_left(&fleet, &members);
    fleet.audit().passes();
}

#[test]
fn a_controller_names_the_canaries() {
    let (fleet, members) = fleet(4);
    let named = vec![members[2], members[1]];
    stage_manually(&fleet, &module("good", 2));
    let request = RolloutRequest {
        role: "releases".to_string(),
        release: Some(2),
        plan: Some(PLAN),
        canaries: Some(named.clone()),
    };
    let id: Result<u32, RolloutError> = fleet.command("canic_rollout_start", (request,));
    let id = id.expect("it begins");
    until(&fleet, id, |info| info.phase == RolloutPhase::Bake);
    for member in &members {
        let is_named = named.contains(member);
        let runs = running_release(&fleet, *member);
        assert_eq!(runs == "good:0002", is_named, "{member}");
    }
    let request = RolloutRequest {
        role: "releases".to_string(),
        release: Some(2),
        plan: None,
        canaries: None,
    };
    let second: Result<u32, RolloutError> = fleet.command("canic_rollout_start", (request,));
    assert_eq!(second, Err(RolloutError::Active { rollout: id }));
}

#[test]
fn what_contradicts_itself_is_refused_and_nothing_is_begun() {
    let (fleet, members) = fleet(2);
    let begin = |role: &str, release, plan, canaries| {
        let request = RolloutRequest {
            role: role.to_string(),
            release,
            plan,
            canaries,
        };
        let refused: Result<u32, RolloutError> = fleet.command("canic_rollout_start", (request,));
        refused.expect_err("it is refused")
    };
    let unknown = |release| RolloutError::UnknownRelease {
        release,
        known: vec![1],
    };
    assert_eq!(begin("releases", None, None, None), unknown(None));
    assert_eq!(begin("releases", Some(9), None, None), unknown(Some(9)));
    assert_eq!(
        begin("nobody", None, None, None),
        RolloutError::UnknownRole {
            role: "nobody".to_string()
        }
    );
    assert_eq!(
        begin("releases", Some(1), None, None),
        RolloutError::AlreadyCurrent { release: 1 }
    );
    stage_manually(&fleet, &module("good", 2));
    let stranger = fleet.controller;
    assert_eq!(
        begin("releases", None, None, Some(vec![stranger])),
        RolloutError::NotAMember { canister: stranger }
    );
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
        let refused = begin("releases", None, Some(plan), None);
        assert!(
            matches!(refused, RolloutError::InvalidPlan { .. }),
            "{plan:?}: {refused:?}"
        );
    }
    assert_eq!(rollouts(&fleet), []);
    assert_eq!(releases_of(&fleet, &members), ["good:0001"; 2]);
}

#[test]
fn an_upgrade_takes_four_management_calls_and_two_more_with_a_snapshot() {
    const MEMBERS: usize = 3;
    for (snapshots, per_member) in [(Snapshots::None, 4), (Snapshots::All, 6)] {
        let (fleet, members) = fleet(MEMBERS as u32);
        let Some(observer) = &fleet.observer else {
            return;
        };
        let from = observer.now();
        let id = roll_out(
            &fleet,
            &module("good", 2),
            &RolloutPlan { snapshots, ..PLAN },
        );
        until(&fleet, id, ended);
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for method in observer.management_calls(fleet.root, from) {
            *calls.entry(method).or_default() += 1;
        }
        calls.remove("upload_chunk");
        let mut expected = BTreeMap::from([
            // Its canary is looked at once more after the bake.
            ("canister_status", MEMBERS + 1),
            ("stop_canister", MEMBERS),
            ("install_chunked_code", MEMBERS),
            ("start_canister", MEMBERS),
        ]);
        if snapshots == Snapshots::All {
            expected.insert("take_canister_snapshot", MEMBERS);
            expected.insert("delete_canister_snapshot", MEMBERS);
        }
        let calls: BTreeMap<&str, usize> = calls.iter().map(|(m, n)| (m.as_str(), *n)).collect();
        assert_eq!(calls, expected);
        assert_eq!(calls.values().sum::<usize>(), per_member * MEMBERS + 1);
        assert_eq!(releases_of(&fleet, &members), ["good:0002"; MEMBERS]);
        no_snapshots_are_left(&fleet, &members);
    }
}
