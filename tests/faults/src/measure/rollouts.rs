//! The cost of a rollout, and of a loop written by hand that stops, upgrades and starts members.

use std::collections::{BTreeMap, VecDeque};

use candid::{CandidType, Principal};
use canic::api::{
    ApproveRequest, ModuleError, ModuleInfo, OnFailure, RolloutError, RolloutInfo, RolloutPhase,
    RolloutPlan, RolloutRequest, Share, Snapshots,
};
use canic_fleet_tests::artifacts;
use canic_replica::{Event, Kind};
use serde::{Deserialize, Serialize};

use crate::{
    measure::{Step, add, approve_by_hand, is_message, memory},
    world::{World, controller},
};

/// The upgrades at once of the rollouts that are measured, and of the loop: the most that a plan
/// may have.
pub const AT_ONCE: u32 = 50;

/// Rounds of a rollout at most.
const MAX_ROUNDS: u32 = 50_000;

/// The plan of the rollouts that are measured.
pub const PLAN: RolloutPlan = RolloutPlan {
    canary: Share::Members(1),
    bake: 0,
    concurrent: AT_ONCE,
    max_failures: Share::Members(0),
    on_failure: OnFailure::Pause,
    snapshots: Snapshots::None,
    health_timeout: 60,
    keep: 0,
};

/// The cost of bringing a release to members.
#[derive(Clone, Debug, Serialize)]
pub struct Upgrades {
    /// Members that were to be upgraded.
    pub members: usize,
    /// Members that were not.
    pub failed: usize,
    /// Root's calls to the management canister, by method.
    pub management_calls: BTreeMap<String, usize>,
    /// Messages that any canister executed.
    pub messages: usize,
    /// Instructions of root.
    pub instructions: u64,
    /// Rounds from the request to the last answer that root waited for.
    pub rounds: u64,
    /// Rounds for which a member was stopped: the median.
    pub stopped: u64,
    /// Rounds for which a member was stopped: the most.
    pub longest_stopped: u64,
    /// Bytes by which root's heap grew.
    pub heap: u64,
    /// Root's instructions by kind and method.
    pub steps: Vec<Step>,
}

impl Upgrades {
    /// Root's calls to the management canister for each member.
    #[must_use]
    pub fn calls_a_member(&self) -> f64 {
        self.management_calls.values().sum::<usize>() as f64 / self.members as f64
    }

    /// Root's instructions for each member.
    #[must_use]
    pub fn instructions_a_member(&self) -> f64 {
        self.instructions as f64 / self.members as f64
    }
}

/// Rolls a new release out to all members of a managed fleet.
///
/// # Panics
/// When the rollout does not end.
#[must_use]
pub fn rollout(world: &mut World, members: usize, plan: RolloutPlan) -> Upgrades {
    roll_out(world, members, plan, None, |info| {
        info.phase == RolloutPhase::Ended
    })
}

/// Brings a new release to these members of a managed fleet, as the canaries of a rollout.
///
/// # Panics
/// When it does not reach them.
#[must_use]
pub fn canaries(world: &mut World, canaries: Vec<Principal>) -> Upgrades {
    let plan = RolloutPlan {
        bake: 1_000,
        ..PLAN
    };
    roll_out(world, canaries.len(), plan, Some(canaries), |info| {
        info.phase == RolloutPhase::Bake
    })
}

fn roll_out(
    world: &mut World,
    members: usize,
    plan: RolloutPlan,
    canaries: Option<Vec<Principal>>,
    is_over: fn(&RolloutInfo) -> bool,
) -> Upgrades {
    let request = ApproveRequest {
        manual: Some(true),
        ..world.stage("worker", &next_release("example-worker"))
    };
    let approved: Result<ModuleInfo, ModuleError> =
        world.ask(controller(), "canic_module_approve", (request,));
    approved.expect("the module is approved");
    world.rest().expect("the fleet becomes idle");
    let request = RolloutRequest {
        role: "worker".to_string(),
        release: None,
        plan: Some(plan),
        canaries,
    };
    let mut watch = Watch::begin(world);
    let begun: Result<u32, RolloutError> =
        world.ask(controller(), "canic_rollout_start", (request,));
    begun.expect("the rollout begins");
    let info = watch.until(world, |world| {
        let info = world.rollouts().pop().expect("a rollout");
        assert_eq!(info.paused, None, "{info:?}");
        is_over(&info).then_some(info)
    });
    watch.end(world, members, members - info.upgraded as usize)
}

/// The loop written by hand: brings a new module to all members of its fleet.
///
/// # Panics
/// When the loop does not end.
#[must_use]
pub fn by_hand(world: &mut World, members: usize) -> Upgrades {
    #[derive(CandidType, Deserialize)]
    struct Ended {
        done: u32,
        failed: u32,
    }
    approve_by_hand(world, &next_release("baseline-worker"));
    world.rest().expect("the fleet becomes idle");
    let mut watch = Watch::begin(world);
    world.ask::<()>(controller(), "upgrade_members", (AT_ONCE,));
    let done = watch.until(world, |world| {
        let ended: Ended = world.query("upgrades", ());
        (ended.done + ended.failed == members as u32).then_some(ended.done)
    });
    watch.end(world, members, members - done as usize)
}

/// A package's module with a custom section, which gives it another hash.
fn next_release(package: &str) -> Vec<u8> {
    const SECTION: &[u8] = b"\0\x09\x07releaseB";
    [&artifacts::module(package), SECTION].concat()
}

/// Counts what happens.
struct Watch {
    heap: u64,
    root: Principal,
    next_event: u64,
    first_round: u64,
    last_round: u64,
    management_calls: BTreeMap<String, usize>,
    messages: usize,
    /// The rounds in which members stopped that are not started yet. Root's calls are executed in
    /// their order, and each member's upgrade takes the same ones: who stopped first starts first.
    stops: VecDeque<u64>,
    stopped: Vec<u64>,
    steps: Vec<Step>,
}

impl Watch {
    fn begin(world: &mut World) -> Self {
        let root = world.root;
        Self {
            heap: memory(world, root).heap,
            root,
            next_event: world.events(),
            first_round: 0,
            last_round: 0,
            management_calls: BTreeMap::new(),
            messages: 0,
            stops: VecDeque::new(),
            stopped: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Executes rounds until there is an answer, and then until nothing runs any more.
    fn until<T>(&mut self, world: &mut World, answer: impl Fn(&mut World) -> Option<T>) -> T {
        for _ in 0..MAX_ROUNDS {
            self.look(world);
            if let Some(answer) = answer(world) {
                return answer;
            }
            world.rounds(1);
        }
        panic!("it does not end: {:?}", self.management_calls);
    }

    /// Counts the new events.
    fn look(&mut self, world: &World) {
        let new = world.replica.trace().iter().rev();
        let new: Vec<&Event> = new.take_while(|e| e.seq >= self.next_event).collect();
        self.next_event = world.events();
        for event in new.into_iter().rev() {
            self.count(event);
        }
    }

    fn count(&mut self, event: &Event) {
        if self.messages == 0 {
            self.first_round = event.round;
        }
        if event.kind == Kind::Management && event.caller == self.root {
            *self
                .management_calls
                .entry(event.method.clone())
                .or_default() += 1;
            match event.method.as_str() {
                "stop_canister" => self.stops.push_back(event.round),
                "start_canister" => {
                    let stop = self.stops.pop_front().expect("it was stopped");
                    self.stopped.push(event.round - stop);
                }
                _ => {}
            }
        }
        if !is_message(event) {
            return;
        }
        self.messages += usize::from(event.kind != Kind::Management);
        if event.canister != self.root {
            return;
        }
        add(&mut self.steps, event);
        let is_answer = matches!(event.kind, Kind::Reply | Kind::Reject);
        if is_answer && event.caller != self.root {
            self.last_round = event.round;
        }
    }

    fn end(mut self, world: &mut World, members: usize, failed: usize) -> Upgrades {
        world.rest().expect("the fleet becomes idle");
        self.look(world);
        self.stopped.sort_unstable();
        let root = self.root;
        Upgrades {
            members,
            failed,
            management_calls: self.management_calls,
            messages: self.messages,
            instructions: self.steps.iter().map(|step| step.instructions).sum(),
            rounds: self.last_round - self.first_round + 1,
            stopped: self
                .stopped
                .get(self.stopped.len() / 2)
                .copied()
                .unwrap_or_default(),
            longest_stopped: self.stopped.last().copied().unwrap_or_default(),
            heap: memory(world, root).heap - self.heap,
            steps: self.steps,
        }
    }
}
