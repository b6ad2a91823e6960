//! What happens in a history. A deed names members by numbers, so that it means something whatever
//! happened before.

use candid::{Principal, utils::ArgumentEncoder};
use canic::api::{
    ApproveRequest, GrantRequest, ImportAs, MemberInfo, MemberState, MoveRequest, OperationsFilter,
    ProvisionRequest, PruneRequest, RetireRequest, Retirement, StageRequest,
};
use canic_fleet_tests::{
    artifacts,
    fleet::{CHUNK, notebook, owner_argument, sha256},
    user,
};
use ic_management_canister_types::{CanisterSettings, LogVisibility};
use serde::{Deserialize, Serialize};

use super::release::Release;
use crate::{
    case::Act,
    releases::ROLE,
    scenario::{hub, import, provision, refused, rollouts, subscriber},
    world::{SECOND, World, controller},
};

/// The roles of all fleets, and the packages of their modules.
pub(super) const PACKAGES: [(&str, &str); 4] = [
    ("worker", "example-worker"),
    ("hub", "fixture-hub"),
    ("subscriber", "fixture-subscriber"),
    ("watcher", "fixture-watcher"),
];

/// The keys of subscribers.
const KEYS: [&str; 6] = ["a", "b", "c", "d", "old", "new"];

/// Versions of each module: the same code under different hashes.
pub(super) const VERSIONS: u8 = 4;

/// 10^9 cycles.
const B: u128 = 1_000_000_000;

/// Something that happens in a history.
///
/// The numbers `by`, `member`, `parent` and `which` count those that are possible at the time:
/// hubs and subscribers, all members, hubs and subscribers, quarantined operations. A number
/// beyond the last begins at the first again. If there is none, nothing happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    /// Root's controller asks for a member.
    Provision(Place),
    /// Root's controller asks for a batch of members.
    ProvisionBatch(Vec<Place>),
    /// A hub or a subscriber asks root for a child.
    Hire {
        /// Who asks.
        by: u8,
        /// The child's key.
        key: u8,
    },
    /// A hub asks root to delete a member.
    Dismiss {
        /// The member.
        member: u8,
    },
    /// A subscriber asks root to move a member.
    HandOver {
        /// Who asks.
        by: u8,
        /// The member.
        member: u8,
        /// The new parent.
        parent: u8,
    },
    /// A subscriber looks a member up, and so gets a lease.
    LookUp {
        /// Who asks.
        by: u8,
        /// The member.
        member: u8,
    },
    /// Root's controller moves a member.
    Move {
        /// The member.
        member: u8,
        /// The new parent; `None`: root.
        parent: Option<u8>,
    },
    /// Root's controller retires a member.
    Retire {
        /// The member.
        member: u8,
        /// What becomes of its canister.
        how: How,
        /// Whether its whole subtree is retired.
        #[serde(default)]
        subtree: bool,
    },
    /// Root's controller retires a canister that is in quarantine.
    RetireQuarantined {
        /// The operation.
        which: u8,
        /// What becomes of its canister.
        how: How,
    },
    /// Somebody creates a canister, and root's controller imports it.
    Import(Stranger),
    /// Root's controller stages and approves a version of a role's module.
    Approve {
        /// The role.
        role: String,
        /// The version.
        version: u8,
    },
    /// Something about releases and rollouts.
    Release(Release),
    /// Root's controller grants a member cycles.
    Grant {
        /// The member.
        member: u8,
        /// The cycles, in billions.
        billions: u32,
    },
    /// Root's controller deletes the records of closed operations.
    Prune,
    /// A member is upgraded to its own module.
    Upgrade {
        /// The member.
        member: u8,
        /// Whether it is stopped before, and started afterwards.
        stopped: bool,
    },
    /// A member is stopped.
    Stop {
        /// The member.
        member: u8,
    },
    /// A member is started.
    Start {
        /// The member.
        member: u8,
    },
    /// A member can't spend its cycles any more, and so can't run.
    Freeze {
        /// The member.
        member: u8,
    },
    /// All frozen members can spend their cycles again.
    ThawAll,
    /// All members are started.
    StartMembers,
    /// An operator's act.
    Operator(Act),
    /// Time passes.
    Pass {
        /// Seconds.
        seconds: u64,
    },
}

/// A member to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The role; `refused` is a worker whose `init` refuses.
    pub role: String,
    /// A number of which the key is made.
    pub key: u8,
    /// A hub or subscriber; `None`: root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u8>,
}

/// What becomes of a retired canister.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It goes to the pool.
    Recycle,
    /// It is drained and deleted.
    Delete,
    /// It is deleted, whatever it holds.
    Destroy,
}

/// A canister that is created outside the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stranger {
    /// Its cycles, in billions.
    pub billions: u32,
    /// Whether it has settings of its own, and one more controller.
    #[serde(default)]
    pub settings: bool,
    /// Adopted as a worker with this key and parent; `None`: a canister for the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adoption>,
}

/// The place of a worker that is adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// A number of which the key is made.
    pub key: u8,
    /// A hub or subscriber; `None`: root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u8>,
}

impl Deed {
    /// Performs the deed. What the platform refuses does not happen.
    pub(super) fn perform(&self, world: &mut World) {
        match self {
            Self::Provision(place) => {
                let request = place.request(world);
                provision(world, &request);
            }
            Self::ProvisionBatch(places) => {
                let batch: Vec<_> = places.iter().map(|place| place.request(world)).collect();
                ask_root(world, "canic_provision_batch", (batch,));
            }
            Self::Hire { .. }
            | Self::Dismiss { .. }
            | Self::HandOver { .. }
            | Self::LookUp { .. } => {
                self.ask_member(world);
            }
            Self::Move { member, parent } => {
                let parent = parent.map_or(Some(world.root), |parent| parent_of(world, parent));
                if let (Some(member), Some(parent)) = (nth_member(world, *member), parent) {
                    let canister = member.canister;
                    ask_root(world, "canic_move", (MoveRequest { canister, parent },));
                }
            }
            Self::Retire {
                member,
                how,
                subtree,
            } => {
                if let Some(member) = nth_member(world, *member) {
                    retire(world, member.canister, *how, subtree.then_some(true));
                }
            }
            Self::RetireQuarantined { which, how } => {
                let quarantined = world.operations(OperationsFilter::Quarantined);
                let canisters: Vec<_> = quarantined.iter().filter_map(|op| op.canister).collect();
                if let Some(canister) = nth(&canisters, *which) {
                    retire(world, *canister, *how, None);
                }
            }
            Self::Import(stranger) => stranger.import(world),
            Self::Approve { role, version } => approve(world, role, *version),
            Self::Release(release) => release.perform(world),
            Self::Grant { member, billions } => {
                if let Some(member) = nth_member(world, *member) {
                    let request = GrantRequest {
                        canister: member.canister,
                        cycles: u128::from(*billions) * B,
                    };
                    ask_root(world, "canic_grant", (request,));
                }
            }
            Self::Prune => {
                let request = PruneRequest { before: u64::MAX };
                ask_root(world, "canic_prune", (request,));
            }
            _ => self.operate(world),
        }
    }

    /// A request of a member.
    fn ask_member(&self, world: &mut World) {
        match self {
            Self::Hire { by, key } => match nth(&parents(world), *by) {
                Some(hub) if hub.role == "hub" => {
                    let owner = user(*key);
                    world.begin(user(1), hub.canister, "hire", (owner,));
                }
                Some(subscriber) => {
                    let key = key_of(*key);
                    world.begin(user(1), subscriber.canister, "hire", (key,));
                }
                None => {}
            },
            Self::Dismiss { member } => {
                let hub = of_roles(world, &["hub"]).into_iter().next();
                if let (Some(hub), Some(member)) = (hub, nth_member(world, *member)) {
                    world.begin(user(1), hub.canister, "dismiss", (member.canister,));
                }
            }
            Self::HandOver { by, member, parent } => {
                let by = nth(&of_roles(world, &["subscriber"]), *by).cloned();
                let parent = parent_of(world, *parent);
                if let (Some(by), Some(member), Some(parent)) =
                    (by, nth_member(world, *member), parent)
                {
                    let args = (member.canister, parent);
                    world.begin(user(1), by.canister, "hand_over", args);
                }
            }
            Self::LookUp { by, member } => {
                let by = nth(&of_roles(world, &["subscriber", "watcher"]), *by).cloned();
                if let (Some(by), Some(member)) = (by, nth_member(world, *member)) {
                    let args = (member.role, member.key.unwrap_or_default());
                    world.begin(user(1), by.canister, "look_up", args);
                }
            }
            _ => {}
        }
    }

    /// An act on members, on root or on time.
    fn operate(&self, world: &mut World) {
        match self {
            Self::Upgrade { member, stopped } => {
                if let Some(member) = nth_member(world, *member) {
                    upgrade(world, &member, *stopped);
                }
            }
            Self::Stop { member } => {
                if let Some(member) = nth_member(world, *member) {
                    world.manage_member("stop_canister", member.canister);
                }
            }
            Self::Start { member } => {
                if let Some(member) = nth_member(world, *member) {
                    start(world, member.canister);
                }
            }
            Self::Freeze { member } => {
                if let Some(member) = nth_member(world, *member) {
                    world.freeze(member.canister, 1 << 40);
                }
            }
            Self::ThawAll => world.thaw_all(),
            Self::StartMembers => {
                for member in world.members() {
                    start(world, member.canister);
                }
            }
            Self::Operator(act) => world.perform(*act),
            Self::Pass { seconds } => world.pass(seconds * SECOND),
            _ => {}
        }
    }
}

/// A request of root's controller.
pub(super) fn ask_root(world: &mut World, method: &'static str, args: impl ArgumentEncoder) {
    world.begin(controller(), world.root, method, args);
}

fn retire(world: &mut World, canister: Principal, how: How, subtree: Option<bool>) {
    let how = match how {
        How::Recycle => Retirement::Recycle,
        How::Delete => Retirement::Delete,
        How::Destroy => Retirement::Destroy,
    };
    let request = RetireRequest {
        canister,
        how,
        subtree,
    };
    ask_root(world, "canic_retire", (request,));
}

// Members by number

pub(super) fn index(number: u8, count: usize) -> usize {
    usize::from(number) % count.max(1)
}

fn nth<T>(all: &[T], number: u8) -> Option<&T> {
    all.get(index(number, all.len()))
}

fn nth_member(world: &mut World, number: u8) -> Option<MemberInfo> {
    nth(&world.members(), number).cloned()
}

fn of_roles(world: &mut World, roles: &[&str]) -> Vec<MemberInfo> {
    let mut members = world.members();
    members.retain(|member| roles.contains(&member.role.as_str()));
    members
}

/// The members that may have children.
fn parents(world: &mut World) -> Vec<MemberInfo> {
    of_roles(world, &["hub", "subscriber", ROLE])
}

fn parent_of(world: &mut World, number: u8) -> Option<Principal> {
    nth(&parents(world), number).map(|parent| parent.canister)
}

fn key_of(number: u8) -> &'static str {
    KEYS[index(number, KEYS.len())]
}

// Requests

impl Place {
    fn request(&self, world: &mut World) -> ProvisionRequest {
        let request = match self.role.as_str() {
            "hub" => hub(),
            "subscriber" => subscriber(key_of(self.key), None),
            "watcher" => watcher(),
            ROLE => rollouts::request(key_of(self.key), None),
            "refused" => refused(),
            _ => notebook(user(self.key)),
        };
        ProvisionRequest {
            parent: self.parent.and_then(|parent| parent_of(world, parent)),
            ..request
        }
    }
}

pub(super) fn watcher() -> ProvisionRequest {
    ProvisionRequest {
        role: "watcher".to_string(),
        ..subscriber("watcher", None)
    }
}

impl Stranger {
    /// Creates the canister, and requests its import.
    fn import(self, world: &mut World) {
        let cycles = u128::from(self.billions) * B;
        let Ok(canister) = world.try_create(controller(), cycles) else {
            return;
        };
        if self.adopt.is_some() {
            let argument = owner_argument(user(1));
            drop(world.try_install(controller(), canister, "example-worker", argument));
        }
        let mut controllers = vec![controller(), world.root];
        let mut settings = CanisterSettings::default();
        if self.settings {
            controllers.push(user(9));
            settings.freezing_threshold = Some(86_400u32.into());
            settings.log_visibility = Some(LogVisibility::Public);
            settings.wasm_memory_limit = Some(500_000_000u32.into());
            settings.reserved_cycles_limit = Some((300 * B).into());
        }
        settings.controllers = Some(controllers);
        drop(world.set(controller(), canister, settings));
        let import_as = match self.adopt {
            None => ImportAs::Pool,
            Some(adoption) => ImportAs::Member {
                role: "worker".to_string(),
                key: Some(format!("adopted {}", adoption.key)),
                parent: adoption.parent.and_then(|parent| parent_of(world, parent)),
            },
        };
        import(world, canister, import_as);
    }
}

// Modules

/// The module of a role in a version.
fn module(role: &str, version: u8) -> Option<Vec<u8>> {
    let package = PACKAGES.iter().find(|(known, _)| *known == role)?.1;
    let mut wasm = artifacts::module(package);
    // A custom section of three bytes: the same code under another hash.
    if version > 0 {
        wasm.extend([0, 3, 1, b'v', version]);
    }
    Some(wasm)
}

fn approve(world: &mut World, role: &str, version: u8) {
    let Some(wasm) = module(role, version) else {
        return;
    };
    world.know_module(&wasm);
    let mut chunks = Vec::new();
    for chunk in wasm.chunks(CHUNK) {
        chunks.push(sha256(chunk).into());
        let chunk = chunk.to_vec();
        ask_root(world, "canic_module_stage", (StageRequest { chunk },));
    }
    let request = ApproveRequest {
        role: role.to_string(),
        hash: sha256(&wasm),
        chunks,
        manual: None,
    };
    ask_root(world, "canic_module_approve", (request,));
}

/// Upgrades a member to the module that it has.
fn upgrade(world: &mut World, member: &MemberInfo, stopped: bool) {
    if stopped {
        world.manage_member("stop_canister", member.canister);
    }
    world.upgrade(member);
    if stopped {
        start(world, member.canister);
    }
}

/// Starts a member, unless root upgrades it. Root has a snapshot of a member that it stopped: what
/// an operator lets the old code promise from then on is lost if root restores it.
fn start(world: &mut World, canister: Principal) {
    let is_upgraded =
        |one: &MemberInfo| one.canister == canister && one.state == MemberState::Upgrading;
    if !world.members().iter().any(is_upgraded) {
        world.manage_member("start_canister", canister);
    }
}
