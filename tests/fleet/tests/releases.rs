//! Releases: what root tells of each, where they come from, and how the attribute plans the
//! rollouts that bring them to the members.

use std::time::Duration;

use candid::Principal;
use canic::api::{
    ApproveRequest, Denied, MembersFilter, ModuleError, ModuleInfo, OnFailure, PageRequest,
    ProvisionRequest, ReleaseInfo, ReleasesPage, ReleasesRequest, RolloutError, RolloutInfo,
    RolloutOutcome, RolloutPhase, RolloutPlan, RolloutRequest, RolloutsPage, Share, Snapshots,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    fleet::{CHUNK, notebook, sha256},
    user,
};
use serde_bytes::ByteBuf;
use wasmparser::{Parser, Payload};

/// The version of every crate of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The plan of a role without `rollout(..)`.
const DEFAULT: RolloutPlan = RolloutPlan {
    canary: Share::Members(1),
    bake: 600,
    concurrent: 10,
    max_failures: Share::Members(1),
    on_failure: OnFailure::Pause,
    snapshots: Snapshots::Canary,
    health_timeout: 60,
    keep: 0,
};

/// A module with one more custom section at its end: the same code under another hash.
fn with_section(mut module: Vec<u8>, name: &str, content: &str) -> Vec<u8> {
    let length = 1 + name.len() + content.len();
    assert!(length < 128, "one digit of LEB128");
    module.extend([0, length as u8, name.len() as u8]);
    module.extend([name, content].concat().bytes());
    module
}

fn releases(fleet: &Fleet, role: &str) -> Vec<ReleaseInfo> {
    let request = ReleasesRequest {
        role: role.to_string(),
        after: None,
        limit: 100,
    };
    let page: Result<ReleasesPage, Denied> = fleet.ask("canic_releases", (request,));
    page.expect("a controller may list releases").releases
}

/// Number, whether it is current, and whether it is the candidate.
fn standing(fleet: &Fleet, role: &str) -> Vec<(u32, bool, bool)> {
    let all = releases(fleet, role).into_iter();
    all.map(|one| (one.number, one.current, one.candidate))
        .collect()
}

fn rollouts(fleet: &Fleet) -> Vec<RolloutInfo> {
    let request = PageRequest {
        after: None,
        limit: 100,
    };
    let page: Result<RolloutsPage, Denied> = fleet.ask("canic_rollouts", (request,));
    page.expect("a controller may list rollouts").rollouts
}

/// Lets time pass until the newest rollout fulfils a condition.
fn until(fleet: &Fleet, holds: impl Fn(&RolloutInfo) -> bool) -> RolloutInfo {
    for _ in 0..2_000 {
        let newest = rollouts(fleet).pop().expect("a rollout");
        if holds(&newest) {
            return newest;
        }
        fleet.pic.advance_time(Duration::from_secs(2));
        fleet.pic.tick();
    }
    panic!("{:#?}; open: {:#?}", rollouts(fleet), fleet.open());
}

fn member(fleet: &Fleet, role: &str, key: &str) -> Principal {
    let request = ProvisionRequest {
        role: role.to_string(),
        key: Some(key.to_string()),
        parent: None,
        arg: Vec::new(),
    };
    fleet.provision(&request).expect("a member").canister
}

/// Stages a module, and approves it with a wish about its rollout.
fn approve(fleet: &Fleet, role: &str, module: &[u8], manual: Option<bool>) {
    let chunks: Vec<&[u8]> = module.chunks(CHUNK).collect();
    for chunk in &chunks {
        fleet.stage(chunk).expect("staged");
    }
    let request = ApproveRequest {
        role: role.to_string(),
        hash: sha256(module),
        chunks: chunks
            .iter()
            .map(|chunk| ByteBuf::from(sha256(chunk)))
            .collect(),
        manual,
    };
    let approved: Result<ModuleInfo, ModuleError> =
        fleet.command("canic_module_approve", (request,));
    approved.expect("approved");
}

fn start(fleet: &Fleet, role: &str) -> Result<u32, RolloutError> {
    let request = RolloutRequest {
        role: role.to_string(),
        release: None,
        plan: None,
        canaries: None,
    };
    fleet.command("canic_rollout_start", (request,))
}

/// A build of root in which one byte of the embedded worker's last section is another one, and that
/// worker.
fn root_with_another_worker(package: &str) -> (Vec<u8>, Vec<u8>) {
    let mut root = artifacts::module(package);
    let mut worker = artifacts::module("example-worker");
    let at = root.windows(worker.len()).position(|part| part == worker);
    let at = at.expect("the worker's module is in root's data");
    let last = worker.len() - 1;
    worker[last] ^= 1;
    root[at + last] ^= 1;
    (root, worker)
}

fn upgrade_root_to(fleet: &Fleet, module: Vec<u8>) {
    let (pic, sender) = (&fleet.pic, Some(fleet.controller));
    let nothing = candid::encode_args(()).expect("no argument");
    pic.stop_canister(fleet.root, sender).expect("stopped");
    pic.upgrade_canister(fleet.root, module, nothing, sender)
        .expect("upgraded");
    pic.start_canister(fleet.root, sender).expect("started");
}

fn modules_of_members(fleet: &Fleet) -> Vec<Vec<u8>> {
    let members = fleet.members(&MembersFilter::All).into_iter();
    let status = |canister| fleet.pic.canister_status(canister, Some(fleet.root));
    members
        .map(|member| {
            let status = status(member.canister).expect("root controls it");
            status.module_hash.expect("it has a module")
        })
        .collect()
}

#[test]
fn every_module_tells_its_crate_and_its_layout_in_public_metadata() {
    for package in ["example-worker", "fixture-planned-root", "fixture-releases"] {
        let module = artifacts::module(package);
        let mut told = Vec::new();
        for payload in Parser::new(0).parse_all(&module) {
            if let Payload::CustomSection(section) = payload.expect("a module")
                && section.name().starts_with("icp:")
            {
                let content = String::from_utf8_lossy(section.data()).into_owned();
                told.push((section.name().to_string(), content));
            }
        }
        told.sort();
        let crate_and_version = format!("{package} {VERSION}");
        assert_eq!(
            told,
            [
                (
                    "icp:public canic:crate".to_string(),
                    crate_and_version.clone()
                ),
                ("icp:public canic:layout".to_string(), "1".to_string()),
            ]
        );
        let copies = module
            .windows(crate_and_version.len())
            .filter(|bytes| *bytes == crate_and_version.as_bytes());
        assert_eq!(copies.count(), 1, "{package} has it in its data as well");
    }
}

#[test]
fn a_release_tells_origin_crate_version_interface_and_layout() {
    let fleet = Fleet::start("fixture-planned-root");
    let [embedded] = &releases(&fleet, "worker")[..] else {
        panic!("root embeds one");
    };
    assert!(embedded.embedded && embedded.current && embedded.approved > 0);
    assert_eq!(embedded.name.as_deref(), Some("example-worker"));
    assert_eq!(embedded.version.as_deref(), Some(VERSION));
    assert_eq!(embedded.layout, Some(1));
    assert_eq!(embedded.interface, None, "cargo alone writes none");

    let interface = "service : { note : (text) -> (nat64) }";
    let plain = with_section(
        artifacts::module("fixture-releases"),
        "icp:public candid:service",
        interface,
    );
    let by_hand = artifacts::module("baseline-worker");
    for module in [&plain, &artifacts::gzipped(&plain), &by_hand] {
        fleet.approve("releases", module);
    }
    let told = releases(&fleet, "releases");
    assert_eq!(told.len(), 3);
    for release in &told[..2] {
        assert!(!release.embedded);
        assert_eq!(release.name.as_deref(), Some("fixture-releases"));
        assert_eq!(release.version.as_deref(), Some(VERSION));
        assert_eq!(release.layout, Some(1));
        let hash = sha256(interface.as_bytes());
        assert_eq!(release.interface, Some(ByteBuf::from(hash)));
    }
    let nothing = (&told[2].name, &told[2].version, told[2].layout);
    assert_eq!(nothing, (&None, &None, None), "it tells nothing of itself");

    // Root has it on record: an upgrade forgets nothing.
    upgrade_root_to(&fleet, artifacts::module("fixture-planned-root"));
    assert_eq!(releases(&fleet, "releases"), told);
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_rollout_that_begins_by_itself_follows_the_plan_of_the_attribute() {
    let fleet = Fleet::start("fixture-planned-root");
    let module = artifacts::module("fixture-releases");
    fleet.approve("releases", &module);
    for number in 0..4 {
        member(&fleet, "releases", &format!("member {number}"));
    }
    let newer = with_section(module, "new", "!");
    fleet.approve("releases", &newer);
    let info = until(&fleet, |info| info.phase == RolloutPhase::Bake);
    assert_eq!(
        info.plan,
        RolloutPlan {
            canary: Share::Members(2),
            bake: 30,
            concurrent: 3,
            max_failures: Share::Members(0),
            on_failure: OnFailure::Undo,
            snapshots: Snapshots::All,
            health_timeout: 20,
            keep: 300,
        }
    );
    assert_eq!((info.upgraded, info.left), (2, 2), "two canaries");
    let info = until(&fleet, |info| info.phase == RolloutPhase::Ended);
    assert_eq!(info.outcome, Some(RolloutOutcome::Completed));
    assert_eq!(modules_of_members(&fleet), vec![sha256(&newer); 4]);
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn the_rollouts_of_a_manual_role_begin_when_somebody_says_so() {
    let fleet = Fleet::start("fixture-planned-root");
    for number in 1..=2 {
        fleet.provision(&notebook(user(number))).expect("a member");
    }
    let worker = artifacts::module("example-worker");
    let second = with_section(worker.clone(), "new", "2");
    fleet.approve("worker", &second);
    fleet.quiet();
    assert!(rollouts(&fleet).is_empty());
    assert_eq!(
        standing(&fleet, "worker"),
        [(1, true, false), (2, false, true)]
    );

    start(&fleet, "worker").expect("begun by a controller");
    let info = until(&fleet, |info| info.phase == RolloutPhase::Ended);
    let plan = RolloutPlan {
        canary: Share::Percent(50),
        bake: 0,
        ..DEFAULT
    };
    assert_eq!((info.id, info.plan), (1, plan), "by the role's plan");
    assert_eq!(modules_of_members(&fleet), vec![sha256(&second); 2]);

    // The approval has the last word.
    let third = with_section(worker, "new", "3");
    approve(&fleet, "worker", &third, Some(false));
    until(&fleet, |info| {
        info.id == 2 && info.phase == RolloutPhase::Ended
    });
    assert_eq!(modules_of_members(&fleet), vec![sha256(&third); 2]);
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn an_embedded_module_that_changed_with_roots_upgrade_is_rolled_out_by_itself() {
    let fleet = Fleet::start("fixture-embedded-root");
    fleet.provision(&notebook(user(1))).expect("a member");
    let (root, worker) = root_with_another_worker("fixture-embedded-root");
    upgrade_root_to(&fleet, root);
    let newest = rollouts(&fleet).pop().expect("it began with the upgrade");
    assert_eq!((newest.to, newest.plan), (2, DEFAULT));
    let info = until(&fleet, |info| info.phase == RolloutPhase::Ended);
    assert_eq!(info.outcome, Some(RolloutOutcome::Completed));
    assert_eq!(modules_of_members(&fleet), [sha256(&worker)]);
    let told = releases(&fleet, "worker");
    assert!(told.iter().all(|release| release.embedded), "{told:?}");
    assert_eq!(told[1].hash, sha256(&worker));
    assert_eq!(
        standing(&fleet, "worker"),
        [(1, false, false), (2, true, false)]
    );
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn an_embedded_module_of_a_manual_role_becomes_the_candidate_and_waits() {
    let fleet = Fleet::start("fixture-planned-root");
    fleet.provision(&notebook(user(1))).expect("a member");
    let (root, worker) = root_with_another_worker("fixture-planned-root");
    upgrade_root_to(&fleet, root);
    fleet.quiet();
    assert!(rollouts(&fleet).is_empty());
    assert_eq!(
        standing(&fleet, "worker"),
        [(1, true, false), (2, false, true)]
    );
    start(&fleet, "worker").expect("begun by a controller");
    until(&fleet, |info| info.phase == RolloutPhase::Ended);
    assert_eq!(modules_of_members(&fleet), [sha256(&worker)]);
    fleet.quiet();
    fleet.audit().passes();
}
