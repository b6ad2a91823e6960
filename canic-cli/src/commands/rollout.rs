//! `canic rollout`: begins, shows and controls rollouts.

use std::{pin::pin, time::Duration};

use canic::api::{RolloutControl, RolloutError, RolloutId, RolloutInfo, RolloutRequest};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    commands::{
        page::{cut, next_page},
        plan::PlanArgs,
    },
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{self, Out, Style, Text, Tone, confirm, format, progress, table::Table},
    views::{FailureRow, RolloutRow, control_word, shorten},
};

/// The pause between two looks at a rollout.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
pub(crate) enum Rollout {
    /// Begins a rollout
    Start {
        /// The role
        role: String,
        /// The release; the role's candidate without it
        #[arg(long, value_name = "NUMBER")]
        release: Option<u32>,
        #[command(flatten)]
        plan: PlanArgs,
        /// Shows it until it ends
        #[arg(long)]
        watch: bool,
    },
    /// Shows a rollout: the newest one without a number
    Status {
        rollout: Option<RolloutId>,
        /// Shows it until it ends or pauses
        #[arg(long, short)]
        watch: bool,
    },
    /// Begins no more upgrades
    Pause { rollout: Option<RolloutId> },
    /// Goes on, and lets the failures pass that there have been
    Resume { rollout: Option<RolloutId> },
    /// Goes on with the rest now, without the bake
    Promote { rollout: Option<RolloutId> },
    /// Ends it: what is begun ends, upgraded members keep the release
    Abort {
        rollout: Option<RolloutId>,
        /// Carries out the plan without asking
        #[arg(long, short)]
        yes: bool,
    },
    /// Brings the old release back to the members that were upgraded
    Undo {
        rollout: Option<RolloutId>,
        /// Loads the snapshots of members that have one: writes since then are lost
        #[arg(long)]
        state: bool,
        /// Carries out the plan without asking
        #[arg(long, short)]
        yes: bool,
    },
    /// Lists rollouts, newest first
    History {
        /// Rollouts of this role
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// Begin after so many rows
        #[arg(long, default_value_t = 0, value_name = "ROWS")]
        skip: usize,
        /// The number of rows; 0 for all
        #[arg(long, default_value_t = 20, value_name = "ROWS")]
        limit: usize,
    },
}

/// Begins a rollout.
///
/// # Errors
/// Root refuses, or does not answer.
pub(crate) async fn begin(
    fleet: &Fleet,
    role: &str,
    release: Option<u32>,
    plan: &PlanArgs,
) -> Result<RolloutId, Failure> {
    let method = "canic_rollout_start";
    let request = RolloutRequest {
        role: role.to_string(),
        release,
        plan: plan.is_given().then(|| plan.plan()),
        canaries: plan.named()?,
    };
    let answer: Result<RolloutId, RolloutError> = fleet.update(method, (request,)).await?;
    answer.map_err(|error| refused(fleet, method, &error))
}

/// Tells root a wish for a rollout.
///
/// # Errors
/// Root refuses, or does not answer.
pub(crate) async fn control(
    fleet: &Fleet,
    id: RolloutId,
    wish: RolloutControl,
) -> Result<RolloutInfo, Failure> {
    let method = "canic_rollout_control";
    let answer: Result<RolloutInfo, RolloutError> = fleet.update(method, (id, wish)).await?;
    answer.map_err(|error| refused(fleet, method, &error))
}

fn refused(fleet: &Fleet, method: &str, error: &RolloutError) -> Failure {
    match error {
        RolloutError::Denied(denied) => fleet.denied(method, &denied.allowed),
        RolloutError::Active { rollout } => {
            let advice = "`canic rollout status` shows it, `canic rollout abort` ends it";
            Failure::refused(error.to_string()).with_advice(format!("{advice} ({rollout})."))
        }
        RolloutError::UnknownRole { .. } | RolloutError::UnknownRelease { .. } => {
            Failure::refused(error.to_string())
                .with_advice("`canic releases` lists them; `--release NUMBER` names one.")
        }
        RolloutError::AlreadyCurrent { .. } => Failure::refused(error.to_string())
            .with_advice("`canic members --role ROLE` shows which release each member has."),
        error => Failure::refused(error.to_string()),
    }
}

pub(crate) async fn run(fleet: &Fleet, command: &Rollout, out: &Out) -> Result<(), Failure> {
    match command {
        Rollout::Start {
            role,
            release,
            plan,
            watch: watches,
        } => {
            let id = begin(fleet, role, *release, plan).await?;
            match watches {
                true => watch(fleet, id, out).await,
                false => out.report(&ask(fleet, id).await?),
            }
        }
        Rollout::Status {
            rollout,
            watch: watches,
        } => {
            let id = newest(fleet, *rollout).await?;
            match watches {
                true => watch(fleet, id, out).await,
                false => out.report(&ask(fleet, id).await?),
            }
        }
        Rollout::Pause { rollout } => wish(fleet, *rollout, RolloutControl::Pause, out).await,
        Rollout::Resume { rollout } => wish(fleet, *rollout, RolloutControl::Resume, out).await,
        Rollout::Promote { rollout } => wish(fleet, *rollout, RolloutControl::Promote, out).await,
        Rollout::Abort { rollout, yes } => {
            let id = active(fleet, *rollout, "abort").await?;
            let row = ask(fleet, id).await?;
            confirm::plan(&plan_of_abort(&row.rollout), *yes)?;
            report(fleet, id, RolloutControl::Abort, out).await
        }
        Rollout::Undo {
            rollout,
            state,
            yes,
        } => {
            let id = newest(fleet, *rollout).await?;
            let row = ask(fleet, id).await?;
            confirm::plan(&plan_of_undo(&row.rollout, *state), *yes)?;
            report(fleet, id, RolloutControl::Undo { state: *state }, out).await
        }
        Rollout::History { role, skip, limit } => {
            let rows = fleet.rollouts().await?.into_iter().rev();
            let rows = rows.filter(|row| role.as_ref().is_none_or(|role| row.role == *role));
            let rows: Vec<RolloutRow> = rows.map(RolloutRow::from).collect();
            out.report(&History {
                skipped: *skip,
                matching: rows.len(),
                rollouts: cut(rows, *skip, *limit),
            })
        }
    }
}

async fn wish(
    fleet: &Fleet,
    rollout: Option<RolloutId>,
    wish: RolloutControl,
    out: &Out,
) -> Result<(), Failure> {
    let id = active(fleet, rollout, control_word(wish)).await?;
    report(fleet, id, wish, out).await
}

async fn report(
    fleet: &Fleet,
    id: RolloutId,
    wish: RolloutControl,
    out: &Out,
) -> Result<(), Failure> {
    control(fleet, id, wish).await?;
    out.report(&ask(fleet, id).await?)
}

fn plan_of_abort(row: &RolloutRow) -> Vec<String> {
    vec![
        format!(
            "end rollout {} of role {} in phase {}",
            row.rollout, row.role, row.phase
        ),
        format!(
            "leave {} on release {}, and {} on another one",
            format::count(row.upgraded.into(), "member"),
            row.to,
            row.left
        ),
        "upgrades that are under way end first".to_string(),
    ]
}

fn plan_of_undo(row: &RolloutRow, state: bool) -> Vec<String> {
    let back = format::count(row.upgraded.into(), "member");
    let mut lines = vec![format!(
        "bring release {} back to {back} of role {}, which rollout {} brought to {}",
        row.from, row.role, row.rollout, row.to
    )];
    if state {
        lines.push(
            "load the snapshots of those that have one: what was written since then is lost"
                .to_string(),
        );
    }
    lines
}

/// The rollout with a number, or the only one that is under way.
async fn active(
    fleet: &Fleet,
    rollout: Option<RolloutId>,
    word: &str,
) -> Result<RolloutId, Failure> {
    if let Some(rollout) = rollout {
        return Ok(rollout);
    }
    let rows = fleet.rollouts().await?.into_iter().map(RolloutRow::from);
    let active: Vec<u32> = rows
        .filter(RolloutRow::is_active)
        .map(|row| row.rollout)
        .collect();
    match active.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::refused("no rollout is under way")
            .with_advice("`canic rollout history` lists those that have ended.")),
        several => {
            let numbers: Vec<String> = several.iter().map(ToString::to_string).collect();
            let what = "several rollouts are under way";
            Err(Failure::new(Kind::Usage, what).with_advice(format!(
                "Name one: `canic rollout {word} NUMBER`, of {}.",
                numbers.join(", ")
            )))
        }
    }
}

/// The rollout with a number, or the newest one.
async fn newest(fleet: &Fleet, rollout: Option<RolloutId>) -> Result<RolloutId, Failure> {
    match rollout {
        Some(rollout) => Ok(rollout),
        None => {
            let newest = fleet.rollouts().await?.into_iter().map(|row| row.id).max();
            newest.ok_or_else(|| {
                Failure::refused("the fleet has had no rollout")
                    .with_advice("`canic release ROLE WASM` begins one.")
            })
        }
    }
}

/// A rollout with its failures.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) rollout: RolloutRow,
    /// The first of them, oldest first.
    pub(crate) failures: Vec<FailureRow>,
}

/// Asks root for a rollout.
///
/// # Errors
/// There is none with this number, or root does not answer.
pub(crate) async fn ask(fleet: &Fleet, id: RolloutId) -> Result<Report, Failure> {
    let Some(page) = fleet.rollout(id).await? else {
        return Err(Failure::refused(format!("root has no rollout {id}"))
            .with_advice("`canic rollout history` lists those it has."));
    };
    Ok(Report {
        rollout: page.rollout.into(),
        failures: page.failures.into_iter().map(FailureRow::from).collect(),
    })
}

/// Shows a rollout until it ends or pauses.
///
/// # Errors
/// It pauses, or ends otherwise than completed without a failure; root does not answer.
pub(crate) async fn watch(fleet: &Fleet, id: RolloutId, out: &Out) -> Result<(), Failure> {
    let bar = progress::watched();
    // One future for all rounds: it also sees a Ctrl-C between two of them.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut last = String::new();
    loop {
        let report = ask(fleet, id).await?;
        let row = &report.rollout;
        let line = if out.json {
            serde_json::to_string(&report).map_err(|e| Failure::refused(e.to_string()))?
        } else {
            line(row)
        };
        let age = Style::of_stdout().age(row.since);
        bar.set_message(format!("{} for {age}", row.state()));
        bar.set_length(row.members.into());
        bar.set_position((row.upgraded + row.failed).into());
        if line != last {
            bar.suspend(|| output::write(&format!("{line}\n")))?;
            last = line;
        }
        if row.outcome.is_some() || (row.paused.is_some() && row.open == 0) {
            bar.finish_and_clear();
            return end(&report, out);
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = &mut interrupted => {
                bar.finish_and_clear();
                return out.say("the rollout goes on; `canic rollout status --watch` shows it");
            }
        }
    }
}

fn line(row: &RolloutRow) -> String {
    format!(
        "rollout {} of {}, release {} to {}: {}; {} of {} upgraded, {} failed, {} undone",
        row.rollout,
        row.role,
        row.from,
        row.to,
        row.state(),
        row.upgraded,
        row.members,
        row.failed,
        row.undone
    )
}

fn end(report: &Report, out: &Out) -> Result<(), Failure> {
    let row = &report.rollout;
    if !out.json && !report.failures.is_empty() {
        output::write(&failures(&report.failures, &out.style))?;
    }
    match (&row.paused, row.outcome) {
        (_, Some("completed")) if row.failed == 0 => Ok(()),
        (_, Some(outcome)) => Err(Failure::refused(format!(
            "rollout {} is {outcome}, with {}",
            row.rollout,
            format::count(row.failed.into(), "failure")
        ))
        .with_advice(format!(
            "`canic rollout status {}` shows who failed.",
            row.rollout
        ))),
        (Some(why), None) => Err(Failure::refused(format!(
            "rollout {} is paused: {why}",
            row.rollout
        ))
        .with_advice(format!(
            "`canic rollout resume {0}` goes on, `canic rollout undo {0}` goes back.",
            row.rollout
        ))),
        (None, None) => Ok(()),
    }
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let row = &self.rollout;
        let plan = &row.plan;
        let mut text = RolloutRow::table(std::slice::from_ref(row), style);
        if let Some(why) = &row.paused {
            text += &format!("\n{}\n", style.paint(Tone::Bad, &format!("paused: {why}")));
        }
        text += &format!(
            "\nphase  {} for {}; {} under way\n",
            row.phase,
            style.age(row.since),
            format::count(row.open.into(), "upgrade")
        );
        text += &format!(
            "plan   canary {}, bake {}, {} at once, {} may fail, then {}, snapshots {}, \
             health {}\n",
            plan.canary,
            format::duration(plan.bake),
            plan.concurrent,
            plan.max_failures,
            plan.on_failure,
            plan.snapshots,
            format::duration(plan.health_timeout)
        );
        if !self.failures.is_empty() {
            text += "\n";
            text += &failures(&self.failures, style);
        }
        text
    }
}

fn failures(rows: &[FailureRow], style: &Style) -> String {
    let mut table = Table::new(&["#OPERATION", "FAILED MEMBER", "REASON"]);
    for row in rows {
        let cells = [
            row.operation.to_string(),
            row.canister.to_text(),
            shorten(&row.reason, 100),
        ];
        table.row(Tone::Bad, &cells);
    }
    table.text(style)
}

/// A page of rollouts, newest first.
#[derive(Debug, Serialize)]
struct History {
    rollouts: Vec<RolloutRow>,
    /// The place of the page's first row among all that match.
    skipped: usize,
    /// All rollouts that match.
    matching: usize,
}

impl Text for History {
    fn text(&self, style: &Style) -> String {
        if self.matching == 0 {
            return "no rollouts\n".to_string();
        }
        let shown = self.rollouts.len();
        RolloutRow::table(&self.rollouts, style)
            + &next_page(self.skipped, shown, self.matching, "rollout")
    }
}
