//! What happens to releases and rollouts in a history.

use canic::api::{OnFailure, RolloutControl, RolloutPlan, RolloutRequest, Share, Snapshots};
use serde::{Deserialize, Serialize};

use super::deed::{ask_root, index};
use crate::{
    releases::{ROLE, root_with},
    scenario::rollouts::{PLAN, approve_with, control},
    world::World,
};

/// What releases do (`tests/fleet/fixtures/releases`). The first is good.
pub(super) const WORDS: [&str; 8] = [
    "good", "sick", "trap", "slow", "post", "stay", "dead", "foul",
];

/// The plans of rollouts.
pub(super) const PLANS: [RolloutPlan; 4] = [
    PLAN,
    RolloutPlan {
        max_failures: Share::Percent(100),
        snapshots: Snapshots::All,
        ..PLAN
    },
    RolloutPlan {
        bake: 0,
        concurrent: 5,
        on_failure: OnFailure::Pause,
        snapshots: Snapshots::None,
        ..PLAN
    },
    RolloutPlan {
        canary: Share::Percent(50),
        concurrent: 1,
        max_failures: Share::Members(1),
        snapshots: Snapshots::All,
        keep: 100,
        ..PLAN
    },
];

/// Something about releases and rollouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Release {
    /// Root's controller stages and approves a release.
    Approve {
        /// What it does.
        does: String,
        /// Its number in its name.
        number: u8,
        /// Whether no rollout begins.
        manual: bool,
    },
    /// Root's controller begins a rollout.
    RollOut {
        /// Root's number of the release; `None`: the candidate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<u8>,
        /// One of the plans.
        plan: u8,
    },
    /// Root's controller controls the newest rollout.
    Control {
        /// How it goes on.
        wish: Wish,
    },
    /// Root is stopped, upgraded to a build that embeds a good release, and started.
    Embed {
        /// The number in the release's name.
        number: u8,
    },
}

/// How a rollout goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It begins no more upgrades.
    Pause,
    /// It goes on.
    Resume,
    /// It goes on without the bake.
    Promote,
    /// It ends.
    Abort,
    /// The members get their old code.
    Undo,
    /// The members get their old code and state.
    UndoState,
}

impl Release {
    /// Performs it. What root refuses does not happen.
    pub(super) fn perform(&self, world: &mut World) {
        match self {
            Self::Approve {
                does,
                number,
                manual,
            } => approve_with(world, does, (*number).into(), Some(*manual)),
            Self::RollOut { release, plan } => {
                let request = RolloutRequest {
                    role: ROLE.to_string(),
                    release: release.map(u32::from),
                    plan: Some(PLANS[index(*plan, PLANS.len())]),
                    canaries: None,
                };
                ask_root(world, "canic_rollout_start", (request,));
            }
            Self::Control { wish } => {
                let Some(newest) = world.rollouts().pop() else {
                    return;
                };
                let wish = match wish {
                    Wish::Pause => RolloutControl::Pause,
                    Wish::Resume => RolloutControl::Resume,
                    Wish::Promote => RolloutControl::Promote,
                    Wish::Abort => RolloutControl::Abort,
                    Wish::Undo => RolloutControl::Undo { state: false },
                    Wish::UndoState => {
                        let since = world.writer.lossy_since.unwrap_or(newest.started);
                        world.writer.lossy_since = Some(since.min(newest.started));
                        RolloutControl::Undo { state: true }
                    }
                };
                control(world, &newest, wish);
            }
            Self::Embed { number } => {
                drop(world.stop_root());
                // Root refuses if it could not be stopped, and stays as it is.
                drop(world.upgrade_root_to_build(root_with("good", (*number).into())));
                world.start_root();
            }
        }
    }
}
