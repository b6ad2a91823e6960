//! Rows of releases and rollouts.

use candid::Principal;
use canic::api::{
    OnFailure, ReleaseInfo, RolloutControl, RolloutFailure, RolloutInfo, RolloutOutcome,
    RolloutPhase, RolloutPlan, Share, Snapshots,
};
use serde::Serialize;

use crate::output::{Style, Tone, format, table::Table};

/// A release of a role.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReleaseRow {
    pub(crate) role: String,
    pub(crate) release: u32,
    /// The SHA-256 of its module in hexadecimal digits.
    pub(crate) module: String,
    /// Bytes of its module.
    pub(crate) size: u64,
    /// `embedded` or `staged`.
    pub(crate) origin: &'static str,
    /// When root approved it, in seconds since 1970.
    pub(crate) approved: u64,
    /// Members that have it.
    pub(crate) members: u32,
    pub(crate) current: bool,
    pub(crate) candidate: bool,
    /// The layout of stable memory that its code knows.
    pub(crate) layout: Option<u32>,
}

impl ReleaseRow {
    pub(crate) fn new(role: &str, release: ReleaseInfo) -> Self {
        Self {
            role: role.to_string(),
            release: release.number,
            module: hex::encode(&release.hash),
            size: release.size,
            origin: if release.embedded {
                "embedded"
            } else {
                "staged"
            },
            approved: format::seconds(release.approved),
            members: release.members,
            current: release.current,
            candidate: release.candidate,
            layout: release.layout,
        }
    }

    /// `current`, `candidate`, both or neither.
    fn rank(&self) -> &'static str {
        match (self.current, self.candidate) {
            (true, _) => "current",
            (false, true) => "candidate",
            (false, false) => "-",
        }
    }

    /// Releases as a table.
    pub(crate) fn table(rows: &[Self], style: &Style) -> String {
        let mut table = Table::new(&[
            "ROLE", "#RELEASE", "RANK", "#MEMBERS", "#SIZE", "ORIGIN", "AGE", "MODULE",
        ]);
        for row in rows {
            let tone = match row.rank() {
                "current" => Tone::Good,
                "candidate" => Tone::Warn,
                _ => Tone::Plain,
            };
            let cells = [
                row.role.clone(),
                row.release.to_string(),
                row.rank().to_string(),
                row.members.to_string(),
                format::bytes(row.size),
                row.origin.to_string(),
                style.age(row.approved),
                format::short_hash(&row.module).to_string(),
            ];
            table.row(tone, &cells);
        }
        table.text(style)
    }
}

/// A rollout.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RolloutRow {
    pub(crate) rollout: u32,
    pub(crate) role: String,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// `clear`, `canary`, `bake`, `look`, `rest`, `undo`, `settle` or `ended`.
    pub(crate) phase: &'static str,
    /// The reason of its pause, if it is paused.
    pub(crate) paused: Option<String>,
    /// `completed`, `aborted`, `undone` or `superseded`.
    pub(crate) outcome: Option<&'static str>,
    /// Members of the role when it began.
    pub(crate) members: u32,
    pub(crate) upgraded: u32,
    pub(crate) failed: u32,
    pub(crate) undone: u32,
    /// Operations under way.
    pub(crate) open: u32,
    /// Members that have another release.
    pub(crate) left: u32,
    /// When it began, in seconds since 1970.
    pub(crate) started: u64,
    /// When its phase began, in seconds since 1970.
    pub(crate) since: u64,
    pub(crate) plan: PlanRow,
}

/// The plan of a rollout.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PlanRow {
    /// A number of members, or a share such as `5%`.
    pub(crate) canary: String,
    /// Seconds.
    pub(crate) bake: u64,
    pub(crate) concurrent: u32,
    pub(crate) max_failures: String,
    /// `pause` or `undo`.
    pub(crate) on_failure: &'static str,
    /// `none`, `canary` or `all`.
    pub(crate) snapshots: &'static str,
    /// Seconds.
    pub(crate) health_timeout: u64,
    /// Seconds.
    pub(crate) keep: u64,
}

impl From<RolloutPlan> for PlanRow {
    fn from(plan: RolloutPlan) -> Self {
        Self {
            canary: share_text(plan.canary),
            bake: plan.bake,
            concurrent: plan.concurrent,
            max_failures: share_text(plan.max_failures),
            on_failure: match plan.on_failure {
                OnFailure::Pause => "pause",
                OnFailure::Undo => "undo",
            },
            snapshots: match plan.snapshots {
                Snapshots::None => "none",
                Snapshots::Canary => "canary",
                Snapshots::All => "all",
            },
            health_timeout: plan.health_timeout,
            keep: plan.keep,
        }
    }
}

fn share_text(share: Share) -> String {
    match share {
        Share::Members(members) => members.to_string(),
        Share::Percent(percent) => format!("{percent}%"),
    }
}

impl From<RolloutInfo> for RolloutRow {
    fn from(rollout: RolloutInfo) -> Self {
        Self {
            rollout: rollout.id,
            role: rollout.role,
            from: rollout.from,
            to: rollout.to,
            phase: phase_word(rollout.phase),
            paused: rollout.paused,
            outcome: rollout.outcome.map(outcome_word),
            members: rollout.members,
            upgraded: rollout.upgraded,
            failed: rollout.failed,
            undone: rollout.undone,
            open: rollout.open,
            left: rollout.left,
            started: format::seconds(rollout.started),
            since: format::seconds(rollout.since),
            plan: rollout.plan.into(),
        }
    }
}

/// The word for a phase.
fn phase_word(phase: RolloutPhase) -> &'static str {
    match phase {
        RolloutPhase::Clear => "clear",
        RolloutPhase::Canary => "canary",
        RolloutPhase::Bake => "bake",
        RolloutPhase::Look => "look",
        RolloutPhase::Rest => "rest",
        RolloutPhase::Undo => "undo",
        RolloutPhase::Settle => "settle",
        RolloutPhase::Ended => "ended",
    }
}

fn outcome_word(outcome: RolloutOutcome) -> &'static str {
    match outcome {
        RolloutOutcome::Completed => "completed",
        RolloutOutcome::Aborted => "aborted",
        RolloutOutcome::Undone => "undone",
        RolloutOutcome::Superseded => "superseded",
    }
}

/// The word for a controller's wish.
pub(crate) fn control_word(control: RolloutControl) -> &'static str {
    match control {
        RolloutControl::Pause => "pause",
        RolloutControl::Resume => "resume",
        RolloutControl::Promote => "promote",
        RolloutControl::Abort => "abort",
        RolloutControl::Undo { .. } => "undo",
    }
}

impl RolloutRow {
    /// Whether the work on members goes on.
    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.phase, "settle" | "ended")
    }

    /// The state in a word or two.
    pub(crate) fn state(&self) -> String {
        match (&self.paused, self.outcome) {
            (Some(_), _) => format!("{}, paused", self.phase),
            (None, Some(outcome)) => outcome.to_string(),
            (None, None) => self.phase.to_string(),
        }
    }

    fn tone(&self) -> Tone {
        match (self.paused.is_some(), self.outcome, self.failed) {
            (true, _, _) => Tone::Bad,
            (false, None, _) => Tone::Warn,
            (false, Some("completed"), 0) => Tone::Good,
            (false, Some("completed"), _) => Tone::Warn,
            (false, Some(_), _) => Tone::Plain,
        }
    }

    /// Rollouts as a table.
    pub(crate) fn table(rows: &[Self], style: &Style) -> String {
        let mut table = Table::new(&[
            "#ROLLOUT",
            "ROLE",
            "#FROM",
            "#TO",
            "STATE",
            "#MEMBERS",
            "#UPGRADED",
            "#FAILED",
            "#UNDONE",
            "#LEFT",
            "AGE",
        ]);
        for row in rows {
            let cells = [
                row.rollout.to_string(),
                row.role.clone(),
                row.from.to_string(),
                row.to.to_string(),
                row.state(),
                row.members.to_string(),
                row.upgraded.to_string(),
                row.failed.to_string(),
                row.undone.to_string(),
                row.left.to_string(),
                style.age(row.started),
            ];
            table.row(row.tone(), &cells);
        }
        table.text(style)
    }
}

/// A member that a rollout failed to upgrade.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FailureRow {
    pub(crate) operation: u64,
    pub(crate) canister: Principal,
    pub(crate) reason: String,
}

impl From<RolloutFailure> for FailureRow {
    fn from(failure: RolloutFailure) -> Self {
        Self {
            operation: failure.operation,
            canister: failure.canister,
            reason: failure.reason,
        }
    }
}
