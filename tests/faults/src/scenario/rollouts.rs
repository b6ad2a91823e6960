//! The scenarios of rollouts. A writer writes to the members all the time.

use std::sync::OnceLock;

use candid::{Encode, Principal};
use canic::api::{
    ApproveRequest, MoveRequest, OnFailure, ProvisionRequest, RetireRequest, Retirement,
    RolloutControl, RolloutInfo, RolloutOutcome, RolloutPhase, RolloutPlan, RolloutRequest, Share,
    Snapshots, StageRequest,
};
use canic_fleet_tests::fleet::{CHUNK, sha256};

use crate::{
    audit::rollouts::notes,
    releases::{ROLE, release, root_with},
    scenario::{Scenario, member, rest},
    world::{Cue, T, World, controller},
};

/// The plan of most scenarios: a canary, a short bake, and no failure.
pub(crate) const PLAN: RolloutPlan = RolloutPlan {
    canary: Share::Members(1),
    bake: 20,
    concurrent: 2,
    max_failures: Share::Members(0),
    on_failure: OnFailure::Undo,
    snapshots: Snapshots::Canary,
    health_timeout: 6,
    keep: 0,
};

/// A plan that goes on, whoever fails.
const PATIENT: RolloutPlan = RolloutPlan {
    max_failures: Share::Members(9),
    ..PLAN
};

/// All scenarios of rollouts.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "rollout_of_a_good_release",
        world: || with_candidate("good"),
        act: |world| {
            let concurrent = 1;
            start(world, RolloutPlan { concurrent, ..PLAN });
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_back_to_snapshots",
        world: || with_candidate("foul"),
        act: |world| {
            let snapshots = Snapshots::All;
            start(world, RolloutPlan { snapshots, ..PLAN });
            expect(world, |world| {
                let mut problems = has_ended(world, RolloutOutcome::Undone, "good:0001");
                problems.extend(is_unspoiled(world));
                problems
            });
        },
    },
    Scenario {
        name: "rollout_back_without_snapshots",
        world: || with_candidate("sick"),
        act: |world| {
            let plan = RolloutPlan {
                snapshots: Snapshots::None,
                on_failure: OnFailure::Pause,
                ..PLAN
            };
            start(world, plan);
            expect(world, is_paused);
        },
    },
    Scenario {
        name: "rollout_back_from_code_that_refuses_to_be_left",
        world: || with_candidate("dead"),
        act: |world| {
            let snapshots = Snapshots::None;
            start(world, RolloutPlan { snapshots, ..PLAN });
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Undone, "good:0001")
            });
        },
    },
    Scenario {
        name: "rollout_of_health_that_traps",
        world: || with_candidate("trap"),
        act: |world| {
            start(world, PATIENT);
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Undone, "good:0001")
            });
        },
    },
    Scenario {
        name: "rollout_refused_by_the_new_code",
        world: || with_candidate("post"),
        act: |world| {
            start(world, PATIENT);
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Undone, "good:0001")
            });
        },
    },
    Scenario {
        name: "rollout_refused_by_the_old_code",
        world: stubborn,
        act: |world| {
            start(world, PATIENT);
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Undone, "stay:0002")
            });
        },
    },
    Scenario {
        name: "rollout_of_code_that_does_not_start",
        world: || with_candidate("slow"),
        act: |world| {
            start(world, PLAN);
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Undone, "good:0001")
            });
        },
    },
    Scenario {
        name: "rollout_paused_and_resumed",
        world: || with_candidate("good"),
        act: |world| {
            start(world, PLAN);
            cue(
                world,
                |one| one.phase == RolloutPhase::Canary && one.open > 0,
                |world, one| control(world, one, RolloutControl::Pause),
            );
            cue(
                world,
                |one| one.paused.is_some() && one.open == 0,
                |world, one| control(world, one, RolloutControl::Resume),
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_promoted",
        world: || with_candidate("good"),
        act: |world| {
            let bake = 100_000;
            start(world, RolloutPlan { bake, ..PLAN });
            cue(
                world,
                |one| one.phase == RolloutPhase::Bake,
                |world, one| control(world, one, RolloutControl::Promote),
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_aborted_in_its_canary",
        world: || with_candidate("good"),
        act: |world| {
            start(world, PLAN);
            cue(
                world,
                |one| one.phase == RolloutPhase::Canary && one.open > 0,
                |world, one| control(world, one, RolloutControl::Abort),
            );
            expect(world, |world| is_over(world, RolloutOutcome::Aborted));
        },
    },
    Scenario {
        name: "rollout_aborted_in_the_rest",
        world: || with_candidate("good"),
        act: |world| {
            let plan = RolloutPlan {
                snapshots: Snapshots::All,
                concurrent: 1,
                ..PLAN
            };
            start(world, plan);
            cue(
                world,
                |one| one.phase == RolloutPhase::Rest && one.open > 0,
                |world, one| control(world, one, RolloutControl::Abort),
            );
            expect(world, |world| is_over(world, RolloutOutcome::Aborted));
        },
    },
    Scenario {
        name: "rollout_finished_after_an_abort",
        world: || with_candidate("good"),
        act: |world| {
            let plan = RolloutPlan {
                keep: 1_000,
                concurrent: 1,
                on_failure: OnFailure::Pause,
                ..PATIENT
            };
            start(world, plan);
            cue(
                world,
                |one| one.phase == RolloutPhase::Rest && one.open > 0,
                |world, one| control(world, one, RolloutControl::Abort),
            );
            cue(
                world,
                |one| one.outcome == Some(RolloutOutcome::Aborted) && one.open == 0,
                |world, one| start_release(world, Some(one.to), one.plan, None),
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_undone",
        world: || with_candidate("good"),
        act: undo_in_the_rest,
    },
    Scenario {
        name: "rollout_undone_in_its_canary",
        world: || with_candidate("good"),
        act: |world| {
            start(world, PLAN);
            cue(
                world,
                |one| one.phase == RolloutPhase::Canary && one.open > 0,
                |world, one| control(world, one, RolloutControl::Undo { state: false }),
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Undone, "good:0001")
            });
        },
    },
    Scenario {
        name: "rollout_undone_with_its_state",
        world: || with_candidate("stay"),
        act: |world| {
            let plan = RolloutPlan {
                snapshots: Snapshots::All,
                keep: 1_000,
                ..PLAN
            };
            start(world, plan);
            cue(
                world,
                |one| one.phase == RolloutPhase::Settle && one.outcome.is_some(),
                |world, one| {
                    world.writer.lossy_since = Some(one.started);
                    control(world, one, RolloutControl::Undo { state: true });
                },
            );
            // The release can't be left by an upgrade: only a snapshot brings the old one back.
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Undone, "good:0001")
            });
        },
    },
    Scenario {
        name: "rollout_superseded_in_its_canary",
        world: || with_candidate("good"),
        act: |world| {
            start(world, PLAN);
            cue(
                world,
                |one| one.phase == RolloutPhase::Canary && one.open > 0,
                |world, _| approve(world, "good", 3),
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0003")
            });
        },
    },
    Scenario {
        name: "rollout_superseded_in_the_rest",
        world: || with_candidate("good"),
        act: |world| {
            let snapshots = Snapshots::All;
            start(world, RolloutPlan { snapshots, ..PLAN });
            cue(
                world,
                |one| one.phase == RolloutPhase::Rest && one.open > 0,
                |world, _| approve(world, "good", 3),
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0003")
            });
        },
    },
    Scenario {
        name: "rollout_while_members_retire",
        world: || with_candidate("good"),
        act: |world| {
            let canary = world.members()[1].canister;
            start_with(world, PLAN, Some(vec![canary]));
            cue(
                world,
                |one| one.phase == RolloutPhase::Bake,
                |world, one| {
                    for canister in members(world).into_iter().take(2) {
                        retire(world, canister);
                    }
                    assert_eq!(one.upgraded, 1);
                },
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_while_members_come",
        world: || with_candidate("good"),
        act: |world| {
            start(world, PLAN);
            cue(
                world,
                |one| one.phase == RolloutPhase::Bake,
                |world, _| {
                    let batch = vec![request("d", None), request("e", None)];
                    world.begin(controller(), world.root, "canic_provision_batch", (batch,));
                },
            );
            cue(
                world,
                |one| one.phase == RolloutPhase::Rest,
                |world, _| {
                    let request = request("f", None);
                    world.begin(controller(), world.root, "canic_provision", (request,));
                },
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_of_a_hub_and_its_children",
        world: hub_with_children,
        act: |world| {
            start(world, PLAN);
            cue(
                world,
                |one| one.phase == RolloutPhase::Rest,
                |world, _| {
                    let parent = world.root;
                    let all = world.members();
                    let child = all.iter().find(|one| one.parent != parent);
                    let canister = child.expect("a child of the hub").canister;
                    let request = MoveRequest { canister, parent };
                    world.begin(controller(), world.root, "canic_move", (request,));
                },
            );
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_that_a_watcher_follows",
        world: watched,
        act: |world| {
            start(world, PLAN);
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_undone_that_a_watcher_follows",
        world: watched,
        act: undo_in_the_rest,
    },
    Scenario {
        name: "rollout_of_an_embedded_module",
        world: fleet,
        act: |world| {
            write(world);
            let upgraded = world.upgrade_root_to_build(root_with("good", 2));
            upgraded.expect("an idle root can be upgraded");
            expect(world, |world| {
                has_ended(world, RolloutOutcome::Completed, "good:0002")
            });
        },
    },
    Scenario {
        name: "rollout_to_members_that_are_short_of_cycles",
        world: || with_candidate("good"),
        act: |world| {
            let all = members(world);
            // Root lends what lacks to the first one, and can't to the second one.
            world.freeze(all[0], FEW_YEARS);
            world.freeze(all[1], 1 << 40);
            // All are canaries: one of them at least has to be upgraded.
            let canary = Share::Members(3);
            start(world, RolloutPlan { canary, ..PATIENT });
            expect(world, |world| {
                let mut problems = is_over(world, RolloutOutcome::Completed);
                let rollouts = world.rollouts();
                if rollouts.last().is_none_or(|one| one.failed != 1) {
                    problems.push(format!("one member is frozen: {rollouts:?}"));
                }
                problems
            });
        },
    },
];

/// A freezing threshold in seconds, for which a new member's cycles do not last.
const FEW_YEARS: u64 = 3 * 31_536_000;

// Worlds

/// Three members with the first release, which root embeds.
pub(crate) fn fleet() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| new_fleet(&["a", "b", "c"])).clone()
}

fn new_fleet(keys: &[&str]) -> World {
    let mut world = World::start("fixture-releases-root", 60 * T);
    (world.capacity, world.reserve) = (1, T);
    world.approve("worker", "example-worker");
    world.know_module(&release("good", 1));
    let mut world = rest(world);
    for key in keys {
        member(&mut world, &request(key, None));
    }
    with_client(world)
}

/// Installs the canister through which the writer reaches a member.
fn with_client(mut world: World) -> World {
    let client = world.create(controller(), 5 * T);
    let nothing = Encode!().expect("no argument");
    world.install(controller(), client, "fixture-hub", nothing);
    rest(world)
}

fn with_candidate(does: &str) -> World {
    let mut world = fleet();
    add_candidate(&mut world, does, 2);
    rest(world)
}

/// Members that can't leave their release, and a better one.
fn stubborn() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(|| {
        let mut world = new_fleet(&[]);
        approve(&mut world, "stay", 2);
        let mut world = rest(world);
        for key in ["a", "b"] {
            member(&mut world, &request(key, None));
        }
        add_candidate(&mut world, "good", 3);
        rest(world)
    });
    world.clone()
}

fn hub_with_children() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(|| {
        let mut world = new_fleet(&["hub"]);
        let hub = members(&mut world)[0];
        for key in ["a", "b"] {
            member(&mut world, &request(key, Some(hub)));
        }
        add_candidate(&mut world, "good", 2);
        rest(world)
    });
    world.clone()
}

/// Two members, a watcher that is told their releases, and a candidate.
fn watched() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(|| {
        let mut world = World::start("fixture-index-root", 60 * T);
        (world.capacity, world.reserve) = (0, T);
        world.watched = &[ROLE];
        world.approve_module(ROLE, &release("good", 1));
        world.approve("watcher", "fixture-watcher");
        let mut world = rest(world);
        let watcher = ProvisionRequest {
            role: "watcher".to_string(),
            arg: Encode!().expect("no argument"),
            ..request("watcher", None)
        };
        for request in [watcher, request("a", None), request("b", None)] {
            member(&mut world, &request);
        }
        let mut world = with_client(world);
        add_candidate(&mut world, "good", 2);
        rest(world)
    });
    world.clone()
}

/// Approves a release without a rollout.
fn add_candidate(world: &mut World, does: &str, number: u32) {
    let request = ApproveRequest {
        manual: Some(true),
        ..world.stage(ROLE, &release(does, number))
    };
    world.begin(controller(), world.root, "canic_module_approve", (request,));
}

// Requests

/// The request for a member.
pub(crate) fn request(key: &str, parent: Option<Principal>) -> ProvisionRequest {
    ProvisionRequest {
        role: ROLE.to_string(),
        key: Some(key.to_string()),
        parent,
        arg: Vec::new(),
    }
}

/// Stages and approves a release, which begins its rollout.
pub(crate) fn approve(world: &mut World, does: &str, number: u32) {
    approve_with(world, does, number, None);
}

/// Stages and approves a release, with a rollout or without.
pub(crate) fn approve_with(world: &mut World, does: &str, number: u32, manual: Option<bool>) {
    let wasm = release(does, number);
    world.know_module(&wasm);
    let mut chunks = Vec::new();
    for chunk in wasm.chunks(CHUNK) {
        chunks.push(sha256(chunk).into());
        let chunk = StageRequest {
            chunk: chunk.to_vec(),
        };
        world.begin(controller(), world.root, "canic_module_stage", (chunk,));
    }
    let request = ApproveRequest {
        role: ROLE.to_string(),
        hash: sha256(&wasm),
        chunks,
        manual,
    };
    world.begin(controller(), world.root, "canic_module_approve", (request,));
}

fn start(world: &mut World, plan: RolloutPlan) {
    start_with(world, plan, None);
}

fn start_with(world: &mut World, plan: RolloutPlan, canaries: Option<Vec<Principal>>) {
    write(world);
    start_release(world, None, plan, canaries);
}

fn start_release(
    world: &mut World,
    release: Option<u32>,
    plan: RolloutPlan,
    canaries: Option<Vec<Principal>>,
) {
    let request = RolloutRequest {
        role: ROLE.to_string(),
        release,
        plan: Some(plan),
        canaries,
    };
    world.begin(controller(), world.root, "canic_rollout_start", (request,));
}

/// Begins a rollout, which a controller undoes while it upgrades the rest.
fn undo_in_the_rest(world: &mut World) {
    start(world, PLAN);
    cue(
        world,
        |one| one.phase == RolloutPhase::Rest && one.open > 0,
        |world, one| control(world, one, RolloutControl::Undo { state: false }),
    );
    expect(world, |world| {
        has_ended(world, RolloutOutcome::Undone, "good:0001")
    });
}

/// Writes to all members from now on, to one of them through a canister.
pub(crate) fn write(world: &mut World) {
    let all = members(world);
    let client = world.controlled_by(controller()).first().copied();
    world.writer.aim(&all, client);
}

pub(crate) fn control(world: &mut World, rollout: &RolloutInfo, wish: RolloutControl) {
    let request = (rollout.id, wish);
    world.begin(controller(), world.root, "canic_rollout_control", request);
}

fn retire(world: &mut World, canister: Principal) {
    let request = RetireRequest {
        canister,
        how: Retirement::Recycle,
        subtree: None,
    };
    world.begin(controller(), world.root, "canic_retire", (request,));
}

fn cue(world: &mut World, when: fn(&RolloutInfo) -> bool, act: fn(&mut World, &RolloutInfo)) {
    world.cues.push_back(Cue { when, act });
}

// Expectations, when nothing fails

fn expect(world: &mut World, expectation: fn(&mut World) -> Vec<String>) {
    world.expectation = Some(expectation);
}

/// The members with releases.
pub(crate) fn members(world: &mut World) -> Vec<Principal> {
    let mut members = world.members();
    members.retain(|member| member.role == ROLE);
    members.iter().map(|member| member.canister).collect()
}

/// The newest rollout has ended in this way.
fn is_over(world: &mut World, outcome: RolloutOutcome) -> Vec<String> {
    let rollouts = world.rollouts();
    match rollouts.last() {
        Some(newest) if newest.phase == RolloutPhase::Ended && newest.outcome == Some(outcome) => {
            Vec::new()
        }
        other => vec![format!("{outcome:?} is expected, not {other:?}")],
    }
}

/// The newest rollout has ended in this way, and all members run this release.
fn has_ended(world: &mut World, outcome: RolloutOutcome, release: &str) -> Vec<String> {
    let mut problems = is_over(world, outcome);
    for member in members(world) {
        let running = notes::running_release(world, member);
        if running.as_deref() != Ok(release) {
            problems.push(format!("{member} runs {running:?}, not {release}"));
        }
    }
    problems
}

fn is_paused(world: &mut World) -> Vec<String> {
    let rollouts = world.rollouts();
    match rollouts.last() {
        Some(newest) if newest.paused.is_some() && newest.upgraded == 0 => Vec::new(),
        other => vec![format!("a pause is expected, not {other:?}")],
    }
}

/// No member has what the bad release wrote.
fn is_unspoiled(world: &mut World) -> Vec<String> {
    let mut problems = Vec::new();
    for member in members(world) {
        let all = notes::all(world, member);
        if all
            .as_ref()
            .is_ok_and(|all| all.iter().any(|note| note == "spoiled"))
        {
            problems.push(format!("{member} has the bad release's state: {all:?}"));
        }
    }
    problems
}
