//! The plan of a rollout, by options of the command line.

use candid::Principal;
use canic::api::{OnFailure, RolloutPlan, Share, Snapshots};
use clap::ValueEnum;

use crate::{commands::find::canister, failure::Failure};

/// The plan of a rollout. What is not given has the value of a rollout without a plan.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Eq)]
#[group(id = "plan", multiple = true)]
pub(crate) struct PlanArgs {
    /// Members that are upgraded first: a number, or a share such as `5%`
    #[arg(long, value_name = "SHARE", value_parser = share)]
    canary: Option<Share>,
    /// Seconds between the canaries and the rest
    #[arg(long, value_name = "SECONDS")]
    bake: Option<u64>,
    /// Upgrades at once: 50 at most
    #[arg(long, value_name = "UPGRADES")]
    concurrent: Option<u32>,
    /// Failures that it goes on with: a number, or a share such as `1%`
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_failures: Option<Share>,
    /// What root does after one failure more
    #[arg(long, value_enum, value_name = "ACTION")]
    on_failure: Option<Action>,
    /// Members of which root takes a snapshot
    #[arg(long, value_enum, value_name = "MEMBERS")]
    snapshots: Option<Taken>,
    /// Seconds that a member's new code has to become healthy
    #[arg(long, value_name = "SECONDS")]
    health_timeout: Option<u64>,
    /// Seconds for which snapshots are kept afterwards
    #[arg(long, value_name = "SECONDS")]
    keep: Option<u64>,
    /// A canary by name; may be repeated
    #[arg(long = "on", value_name = "MEMBER")]
    canaries: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    Pause,
    Undo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Taken {
    None,
    Canary,
    All,
}

fn share(text: &str) -> Result<Share, String> {
    let wrong = || format!("`{text}` is neither a number of members nor a share such as `5%`");
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().map(Share::Percent).map_err(|_| wrong()),
        None => text.parse().map(Share::Members).map_err(|_| wrong()),
    }
}

impl PlanArgs {
    /// Whether the operator gave any of it.
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// A plan without a pause between the canaries and the rest.
    pub(crate) fn without_bake() -> Self {
        Self {
            bake: Some(0),
            ..Self::default()
        }
    }

    /// The whole plan.
    pub(crate) fn plan(&self) -> RolloutPlan {
        let on_failure = match self.on_failure {
            Some(Action::Undo) => OnFailure::Undo,
            Some(Action::Pause) | None => OnFailure::Pause,
        };
        let snapshots = match self.snapshots {
            Some(Taken::None) => Snapshots::None,
            Some(Taken::All) => Snapshots::All,
            Some(Taken::Canary) | None => Snapshots::Canary,
        };
        // The values are those of docs/rollouts.md.
        RolloutPlan {
            canary: self.canary.unwrap_or(Share::Members(1)),
            bake: self.bake.unwrap_or(600),
            concurrent: self.concurrent.unwrap_or(10),
            max_failures: self.max_failures.unwrap_or(Share::Members(1)),
            on_failure,
            snapshots,
            health_timeout: self.health_timeout.unwrap_or(60),
            keep: self.keep.unwrap_or(0),
        }
    }

    /// The canaries that the operator names.
    ///
    /// # Errors
    /// One of them is no principal.
    pub(crate) fn named(&self) -> Result<Option<Vec<Principal>>, Failure> {
        if self.canaries.is_empty() {
            return Ok(None);
        }
        let named: Result<Vec<_>, _> = self.canaries.iter().map(|text| canister(text)).collect();
        named.map(Some)
    }
}
