//! Histories: many concurrent operations of a fleet, with faults at root and at its members.
//!
//! [`History::drawn`] draws one from a seed. A history is displayed as one line of JSON, which
//! names its deeds and faults and parses to the same history. Faults that the replica draws are
//! spelled out with [`History::with_faults`], so that each can be left out.

mod deed;
mod draw;
mod release;

use std::{collections::BTreeSet, fmt, str::FromStr, sync::OnceLock};

use candid::Principal;
use canic::api::PruneRequest;
use canic_replica::{Chaos, Effect, Fault};
use serde::{Deserialize, Serialize};

pub use self::{
    deed::{Adoption, Deed, How, Place, Stranger},
    release::{Release, Wish},
};
use crate::{
    audit::{audit_records, check_answered},
    matrix::{Violation, catch_panic},
    scenario,
    world::{T, World},
};

/// Deeds in their order, and the faults at their messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The fleet with which it begins.
    pub fleet: Fleet,
    /// What happens.
    pub steps: Vec<Step>,
    /// Faults that the replica draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
    /// Faults, each at one message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// The fleet with which a history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fleet {
    /// Workers and a hub.
    Small,
    /// As `Small`, with few cycles.
    Poor,
    /// Subscribers, watchers and workers; five members.
    Tree,
    /// Roles of all kinds; a hub, two subscribers, a watcher and a worker.
    Forest,
    /// Members with releases, to which a writer writes.
    Releases,
}

/// A deed, and the rounds after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The deed.
    pub deed: Deed,
    /// Rounds until the next step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
}

/// Faults that the replica draws from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// The seed.
    pub seed: u64,
    /// Faults per thousand messages.
    pub per_mille: u32,
    /// Whether calls of everyone fail; otherwise those of root only.
    pub everywhere: bool,
}

fn is_zero(rounds: &u32) -> bool {
    *rounds == 0
}

/// The outcome of a history.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What is wrong at its end.
    pub problems: Vec<String>,
    /// The faults that fired, each with the one message at which it did.
    pub fired: Vec<Fault>,
    /// The state of the instance when the fleet was quiet.
    pub state: Option<[u8; 32]>,
}

impl Fleet {
    /// The fleet, quiet.
    #[must_use]
    pub fn world(self) -> World {
        match self {
            Self::Small => scenario::small(),
            Self::Poor => cached(&POOR, scenario::poor),
            Self::Tree => scenario::tree(),
            Self::Forest => cached(&FOREST, forest),
            Self::Releases => scenario::rollouts::fleet(),
        }
    }
}

static POOR: OnceLock<World> = OnceLock::new();
static FOREST: OnceLock<World> = OnceLock::new();

fn cached(world: &OnceLock<World>, new: fn() -> World) -> World {
    world.get_or_init(new).clone()
}

fn forest() -> World {
    let mut world = World::start("fixture-forest-root", 60 * T);
    (world.capacity, world.reserve) = (5, T);
    world.watched = &["subscriber", "worker"];
    for (role, package) in deed::PACKAGES {
        world.approve(role, package);
    }
    let mut world = scenario::rest(world);
    scenario::member(&mut world, &deed::watcher());
    scenario::member(&mut world, &scenario::hub());
    let a = scenario::member(&mut world, &scenario::subscriber("a", None));
    scenario::member(&mut world, &scenario::subscriber("b", Some(a)));
    scenario::rest(world)
}

impl History {
    /// The same history with the faults that fired in it, spelled out.
    #[must_use]
    pub fn with_faults(&self, fired: Vec<Fault>) -> Self {
        Self {
            drawn: None,
            faults: fired,
            ..self.clone()
        }
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut fired = Vec::new();
        outcome.problems = catch_panic(|| {
            let mut world = self.fleet.world();
            let mut settled = self.play(&mut world);
            let all = world.replica.fired_faults().iter();
            fired = all.map(|one| one.fault.clone()).collect();
            world.replica.clear_faults();
            world.deaf = deaf(&fired);
            if world.deaf.contains(&world.root) {
                // Root announces what is pending with the next request.
                deed::ask_root(&mut world, "canic_prune", (PruneRequest { before: 0 },));
                settled = settled.and(world.settle(|_| ()));
            }
            outcome.state = Some(world.replica.state_hash());
            match settled {
                Ok(()) => {
                    let mut problems = audit_records(&mut world);
                    problems.extend(check_answered(&mut world));
                    problems
                }
                Err(why) => vec![why],
            }
        });
        outcome.fired = fired;
        outcome
    }

    /// Performs the deeds, and waits until the fleet is quiet.
    fn play(&self, world: &mut World) -> Result<(), String> {
        let root = world.root;
        world.replica.set_chaos(self.drawn.map(|drawn| Chaos {
            seed: drawn.seed,
            per_mille: drawn.per_mille,
            caller: (!drawn.everywhere).then_some(root),
            callee: None,
        }));
        for fault in &self.faults {
            world.replica.inject(fault.clone());
        }
        for step in &self.steps {
            if self.fleet == Fleet::Releases {
                scenario::rollouts::write(world);
            }
            step.deed.perform(world);
            world.rounds(step.rounds);
        }
        world.settle(|_| ()).or_else(|_| {
            // A trap of `canister_global_timer` ends all timers, until root's next request.
            world.replica.clear_faults();
            deed::ask_root(world, "canic_prune", (PruneRequest { before: 0 },));
            world.settle(|_| ())
        })
    }
}

/// The canisters whose timers a trap ended.
fn deaf(fired: &[Fault]) -> BTreeSet<Principal> {
    let timers = fired.iter().filter(|fault| {
        fault.method.as_deref() == Some("canister_global_timer")
            && matches!(fault.effect, Effect::Trap { .. })
    });
    timers.filter_map(|fault| fault.callee).collect()
}

/// Runs the history of a seed. Returns its violation, if there is one.
#[must_use]
pub fn run_seed(seed: u64) -> Option<Violation> {
    let problems = History::drawn(seed).run().problems;
    (!problems.is_empty()).then(|| Violation {
        repeat: format!("--history {seed}"),
        problems,
    })
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Parses a displayed history, or draws that of a number. The error names the mistake and its
/// position.
impl FromStr for History {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(seed) => Ok(Self::drawn(seed)),
            Err(_) => serde_json::from_str(text).map_err(|error| format!("not a history: {error}")),
        }
    }
}
